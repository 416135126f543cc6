/** SUNION, SINTER, SDIFF and SINTERCARD of large sets: made in slices of bounded work, and of the instant of the command, whatever is written meanwhile. */
import test from 'ava';
import { LongReply } from '../../protocol/resp/long-reply.js';
import type { EncodedPieces } from '../../protocol/resp/reply.js';
import { encodeReply } from '../../protocol/resp/reply-writer.js';
import { HandClock, seededRandom } from '../storage/log-fixtures.js';
import { openInMemory, type OpenedStore } from '../storage/store-fixtures.js';
import { run } from './store-commands.js';

const keys = ['a', 'b', 'c'] as const;
type Key = (typeof keys)[number];
/** Numbers of the members of each set: more than a slice, and much in common. */
const members: Readonly<Record<Key, readonly [from: number, to: number]>> = { a: [0, 6000], b: [3000, 7000], c: [2000, 5500] };
/** And what a step may take beyond the bound: one element's look-ups. */
const stepsOfSlice = 1500 + keys.length;

const rangeOf = (key: Key): number[] => Array.from({ length: members[key][1] - members[key][0] }, (_, i) => members[key][0] + i);

function fill(opened: OpenedStore): void {
  for (const key of keys) run(opened, 2, 'SADD', key, ...rangeOf(key));
}

/** What the sets come to by their first content. */
function expected(name: string, chosen: readonly Key[]): number[] {
  const [first, ...others] = chosen.map((key) => new Set(rangeOf(key)));
  if (name === 'SUNION') return [...new Set(chosen.flatMap(rangeOf))];
  return [...(first ?? [])].filter((each) => others.every((set) => set.has(each) === (name === 'SINTER')));
}

const asks: readonly (readonly [name: string, keys: readonly Key[]])[] = [
  ['SUNION', ['a', 'b', 'c']],
  ['SUNION', ['b']],
  ['SUNION', ['c', 'c']],
  ['SINTER', ['a', 'b']],
  ['SINTER', ['a', 'b', 'c']],
  ['SDIFF', ['a', 'c']],
  ['SDIFF', ['a', 'b', 'c']],
  ['SDIFF', ['b', 'b']],
];

for (const resp of [2, 3] as const)
  test(`whatever is written between the slices, in RESP${resp}`, async (t) => {
    for (const [seed, [name, chosen]] of asks.entries()) {
      const clock = new HandClock();
      const opened = await openInMemory({ clock });
      const here = opened.store.partition(0);
      const random = seededRandom(seed + 1);
      fill(opened);
      const reply = run(opened, resp, name, ...chosen);
      if (!(reply instanceof LongReply)) return t.fail(`${name} ${chosen.join(' ')} is answered at once`);
      let whole: EncodedPieces | undefined;
      reply.whenWhole((pieces) => (whole = pieces));
      const { table } = opened.store;
      const { findPart, at } = { findPart: table.findPart.bind(table), at: table.keyLengthOf.bind(table) };
      let [steps, most, slices] = [0, 0, 0];
      const slice = (): boolean => {
        steps = 0;
        table.findPart = (...args) => (steps++, findPart(...args));
        table.keyLengthOf = (entry) => (steps++, at(entry));
        const isOver = reply.proceed();
        Object.assign(table, { findPart, keyLengthOf: at });
        most = Math.max(most, steps);
        slices++;
        return isOver;
      };
      while (!slice()) {
        for (let i = 0; i < 30; i++) {
          const key = keys[random.integer(3)] as Key;
          const action = random.integer(60);
          if (action === 0) run(opened, 2, 'DEL', key);
          else run(opened, 2, action < 30 ? 'SREM' : 'SADD', key, random.integer(8000), random.integer(8000));
        }
        await clock.advance(0); // the sweeper takes what was deleted
      }
      const text = Buffer.concat(whole?.pieces ?? []).toString();
      const [header = '', ...parts] = text.split('\r\n');
      const found = parts.filter((_, i) => i % 2 === 1).map(Number);
      const wanted = expected(name, chosen);
      t.is(header, `${resp === 3 ? '~' : '*'}${wanted.length}`, `${name} ${chosen.join(' ')}`);
      t.deepEqual(
        found.toSorted((x, y) => x - y),
        wanted.toSorted((x, y) => x - y),
        `${name} ${chosen.join(' ')}`,
      );
      t.true(slices > 1, `${slices} slices`);
      t.true(most <= stepsOfSlice, `${most} steps of a slice`);
      t.true(most > stepsOfSlice / 3, 'nothing was counted'); // what a set has in common with itself is not looked up, though it counts
      for (let turns = 0; turns < 1000 && opened.store.statistics().collectionsToSweep > 0; turns++) await clock.advance(0);
      t.is(here.pins, 0); // the sweeper's, too
      t.false(here.collections.hasSnapshots);
    }
  });

test('SINTERCARD counts, and stops at its limit', async (t) => {
  const opened = await openInMemory();
  fill(opened);
  const count = (...words: (string | number)[]): string => {
    const reply = run(opened, 2, 'SINTERCARD', 3, 'a', 'b', 'c', ...words);
    if (!(reply instanceof LongReply)) throw new Error('it was answered at once');
    let text = '';
    reply.whenWhole((pieces) => (text = Buffer.concat(pieces.pieces).toString()));
    while (!reply.proceed());
    return text;
  };
  t.is(count(), ':2500\r\n');
  t.is(count('LIMIT', 0), ':2500\r\n');
  t.is(count('LIMIT', 7), ':7\r\n');
  t.is(count('LIMIT', 2500), ':2500\r\n');
});

test('a set that was deleted just before, and of which all is still to be swept, is not there', async (t) => {
  const opened = await openInMemory();
  fill(opened);
  run(opened, 2, 'DEL', 'b');
  run(opened, 2, 'SADD', 'b', 3000, 3001);
  const reply = run(opened, 2, 'SINTER', 'a', 'b');
  if (reply instanceof LongReply) return t.fail('two members are looked up at once');
  t.is(encodeReply(reply, 2).toString().split('\r\n')[0], '*2');
  t.is(
    encodeReply(run(opened, 2, 'SDIFF', 'a', 'b'), 2)
      .toString()
      .split('\r\n')[0],
    '*5998',
  );
});
