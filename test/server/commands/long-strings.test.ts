/** Bitmaps too long for one turn: BITOP's result is made in slices, and BITCOUNT and BITPOS go through theirs a part a turn; all as byte by byte. */
import test, { type ExecutionContext } from 'ava';
import { LongReply } from '../../../protocol/resp/long-reply.js';
import { ErrorReply, type Reply } from '../../../protocol/resp/reply.js';
import { CommandLookup } from '../../../server/command-lookup.js';
import { allRows } from '../../../server/commands/all.js';
import { SeededRandom } from '../../simulation/random.js';
import { MemoryExecution } from './memory-execution.js';

const lookup = new CommandLookup(allRows);
const mebibyte = 1024 * 1024;

function ask(execution: MemoryExecution, line: string): Reply {
  const args = line.split(' ').map((word) => Buffer.from(word));
  const row = lookup.resolve(args);
  if (row instanceof ErrorReply || row.scope !== 'keys') throw new Error(line);
  const run = row.parse(args);
  return run instanceof ErrorReply ? run : execution.execute(run);
}

/** A number that takes so many more turns to be answered. */
function number(t: ExecutionContext, reply: Reply, turns: number): number {
  let taken = 0;
  if (reply instanceof LongReply)
    do taken++;
    while (!reply.proceed());
  t.is(taken, turns);
  if (!(reply instanceof LongReply)) return Number(reply);
  let answer = '';
  reply.whenWhole(({ pieces }) => (answer = Buffer.concat(pieces).toString()));
  return Number(/^:(-?\d+)\r\n$/.exec(answer)?.[1]);
}

const onesOf = (bytes: Buffer): number => bytes.reduce((ones, byte) => ones + byte.toString(2).replaceAll('0', '').length, 0);

test('BITOP of strings of several slices, the shorter of which go on in zeros', (t) => {
  const random = new SeededRandom(7);
  const execution = new MemoryExecution(1_700_000_000_000);
  const values = [700_001, 300_000, 1_000].map((length) => Buffer.from(Uint8Array.from({ length }, () => random.integer(256))));
  for (const [i, value] of values.entries()) execution.setString(Buffer.from(`k${i}`), value, 0);
  const at = (i: number, place: number): number => values[i]?.[place] ?? 0;
  const is = (line: string, expected: (place: number) => number): void => {
    t.is(ask(execution, line), 700_001);
    const wanted = Buffer.from(Uint8Array.from({ length: 700_001 }, (_, place) => expected(place)));
    t.true(execution.string(Buffer.from('result'))?.bytes.equals(wanted), line);
  };
  is('BITOP AND result k1 k0 k2', (place) => at(1, place) & at(0, place) & at(2, place));
  is('BITOP AND result k1 k0 none', () => 0);
  is('BITOP OR result k1 k0 k2 none', (place) => at(1, place) | at(0, place) | at(2, place));
  is('BITOP XOR result k2 k1 k0', (place) => at(1, place) ^ at(0, place) ^ at(2, place));
  is('BITOP NOT result k0', (place) => ~at(0, place));
});

test('bits of a string of several parts are counted, and found, wherever they are', (t) => {
  const execution = new MemoryExecution(1_700_000_000_000);
  const bytes = Buffer.alloc(3 * mebibyte + 5);
  for (const at of [0, mebibyte - 1, mebibyte, 2 * mebibyte + 17, bytes.length - 1]) bytes[at] = 0b0110_0001;
  execution.setString(Buffer.from('k'), bytes, 0);
  t.is(number(t, ask(execution, 'BITCOUNT k'), 4), onesOf(bytes));
  t.is(number(t, ask(execution, `BITCOUNT k 1 ${mebibyte - 1}`), 0), 3, 'one part is counted at once');
  t.is(number(t, ask(execution, `BITCOUNT k 1 ${8 * mebibyte + 1} BIT`), 2), 3 + 3 + 1, 'a range of bits across two parts');
  t.is(number(t, ask(execution, 'BITPOS k 1 1'), 1), 8 * (mebibyte - 1) + 1);
  t.is(number(t, ask(execution, `BITPOS k 1 ${mebibyte + 1}`), 2), 8 * (2 * mebibyte + 17) + 1);
  t.is(number(t, ask(execution, `BITPOS k 1 ${mebibyte + 1} ${2 * mebibyte + 16}`), 2), -1);
  execution.setString(Buffer.from('none'), Buffer.alloc(2 * mebibyte), 0);
  t.is(number(t, ask(execution, 'BITPOS none 1'), 2), -1);
  execution.setString(Buffer.from('all'), Buffer.alloc(2 * mebibyte, 0xff), 0);
  t.is(number(t, ask(execution, 'BITPOS all 0'), 2), 16 * mebibyte, 'it goes on in zeros');
  t.is(number(t, ask(execution, 'BITPOS all 0 0 -1'), 2), -1, 'unless its end was given');
});
