/**
 * What the dispatcher makes of commands on the keyspace: a visit to every partition at once, or a walk from one to the next, each with the
 * time that a whole partition needs; and what it takes from other nodes. Calls are answered by the test, over real partition commands.
 */
import test from 'ava';
import type { Call } from '../../cluster/call.js';
import { EncodedReply, ErrorReply, nilArray, ok, type Reply } from '../../protocol/resp/reply.js';
import { encodeReply } from '../../protocol/resp/reply-writer.js';
import { CommandError } from '../../storage/execution.js';
import { CommandLookup } from '../../server/command-lookup.js';
import { allRows } from '../../server/commands/all.js';
import { Dispatcher } from '../../server/dispatcher.js';
import { noFailedCommands } from '../harness/no-failed-commands.js';

const partitions = 128;
const slotsEach = 16384 / partitions;
const lookup = new CommandLookup(allRows);

class Visits {
  /** Not answered yet, in order. */
  readonly calls: Call[] = [];
  readonly attached: Call[] = [];
  readonly replies: Reply[] = [];
  private readonly dispatcher = new Dispatcher({
    lookup,
    partitions: () => partitions,
    submit: (call) => this.calls.push(call),
    wholePartitionDeadlineMs: () => 9000,
    nextTurn: (resume) => resume(),
    failed: noFailedCommands,
  });

  run(...words: string[]): this {
    const args = words.map((word) => Buffer.from(word));
    const row = lookup.resolve(args);
    if (row instanceof ErrorReply || row.scope === 'local') throw new Error(`${words.join(' ')} is not for the dispatcher`);
    const origin = {
      options: { resp: 2, writeQuorum: 1, readQuorum: 3, deadlineMs: 1000 },
      attach: (call: Call) => void this.attached.push(call),
    } as const;
    this.dispatcher.run(row, args, origin, (reply) => this.replies.push(reply));
    return this;
  }

  decode(...words: string[]): ReturnType<Dispatcher['decode']> {
    return this.dispatcher.decode(words.map((word) => Buffer.from(word)));
  }

  /** The only call that is under way. */
  only(): Call {
    const [call, another] = this.calls.splice(0);
    if (call === undefined || another !== undefined) throw new Error('it is not one call that is under way');
    return call;
  }
}

const bytes = (text: string): Buffer => Buffer.from(text);
const errorText = (reply: Reply): Reply => (reply instanceof ErrorReply ? reply.text : reply);
const words = ({ args }: Call): string[] => args.map(String);
const scanned = (next: number, examined: number, keys: string[]): Reply => [next, 0, examined, keys.map((key) => Buffer.from(key))];

test('every partition is visited at once, in the connection, with the time that whole partitions need', (t) => {
  const visits = new Visits().run('DBSIZE');
  t.deepEqual(
    visits.calls.map(({ partition }) => partition),
    Array.from({ length: partitions }, (_, partition) => partition),
  );
  t.deepEqual(visits.attached, visits.calls);
  for (const { options, operation } of visits.calls) {
    t.deepEqual(options, { resp: 2, writeQuorum: 1, readQuorum: 3, deadlineMs: 9000 });
    t.true(operation.wholePartition);
    t.is(operation.access, 'read');
  }
  for (const call of visits.calls.toReversed()) {
    t.deepEqual(visits.replies, []);
    call.answer(call.partition % 2 === 0 ? call.partition : new EncodedReply(encodeReply(call.partition, 2)));
  }
  t.deepEqual(visits.replies, [(partitions * (partitions - 1)) / 2]);
});

test('an error of one partition is the answer, once, when all have answered', (t) => {
  const visits = new Visits().run('DBSIZE');
  const calls = visits.calls.splice(0);
  const errors = [new ErrorReply('NOREPLICAS second'), new ErrorReply('UNKNOWNOUTCOME first')];
  calls[100]?.answer(errors[0] ?? null);
  calls[7]?.answer(new EncodedReply(encodeReply(errors[1] ?? null, 2)));
  t.deepEqual(visits.replies, []);
  for (const [i, call] of calls.entries()) if (i !== 100 && i !== 7) call.answer(1);
  t.deepEqual(visits.replies.map(errorText), ['UNKNOWNOUTCOME first']);
});

test('FLUSHALL counts first, and then empties only what has keys, a few partitions at a time and each in slices', (t) => {
  const visits = new Visits().run('FLUSHALL');
  const counted = new Map([
    [3, 250],
    [5, 1],
    [100, 1700],
    [101, 10],
    [102, 10],
  ]);
  for (const call of visits.calls.splice(0)) {
    t.is(call.operation.access, 'read');
    call.answer(counted.get(call.partition) ?? 0);
  }
  const emptied: string[] = [];
  while (visits.replies.length === 0) {
    t.true(visits.calls.length <= 4);
    const call = visits.calls.shift() as Call;
    t.is(call.operation.access, 'write');
    emptied.push(words(call).join(' '));
    const isHalf = call.partition === 100 && words(call)[2] === '0';
    call.answer(isHalf ? [slotsEach * 100 + 2, 77] : [slotsEach * (call.partition + 1), 0]);
  }
  const slots = (partition: number): readonly [number, number] => [slotsEach * partition, slotsEach * (partition + 1) - 1];
  t.deepEqual(emptied, [
    `partition|flush ${slots(3)[0]} 0 ${slots(3)[1]}`,
    `partition|flush ${slots(5)[0]} 0 ${slots(5)[1]}`,
    `partition|flush ${slots(100)[0]} 0 ${slots(100)[1]}`,
    `partition|flush ${slots(101)[0]} 0 ${slots(101)[1]}`,
    `partition|flush ${slots(102)[0]} 0 ${slots(102)[1]}`,
    `partition|flush ${slots(100)[0] + 2} 77 ${slots(100)[1]}`,
  ]);
  t.deepEqual(visits.replies, [ok]);
});

test('FLUSHALL of small partitions empties many at once, and its first error is the answer', (t) => {
  const visits = new Visits().run('FLUSHALL');
  for (const call of visits.calls.splice(0)) call.answer(50);
  const calls = visits.calls.splice(0);
  t.is(calls.length, 30);
  calls[0]?.answer(new ErrorReply('NOREPLICAS'));
  for (const call of calls.slice(1)) call.answer([slotsEach * (call.partition + 1), 0]);
  t.deepEqual(visits.calls, []);
  t.deepEqual(visits.replies.map(errorText), ['NOREPLICAS']);
});

test('FLUSHALL of a cluster without keys is over when they were counted', (t) => {
  const visits = new Visits().run('FLUSHALL');
  for (const call of visits.calls.splice(0)) call.answer(0);
  t.deepEqual(visits.calls, []);
  t.deepEqual(visits.replies, [ok]);
});

test("a walk begins in its cursor's partition, goes on where the count is not reached, and ends with what it found", (t) => {
  const cursor = 5 * slotsEach + 3;
  const visits = new Visits().run('SCAN', String(cursor), 'COUNT', '30', 'MATCH', 'a*', 'TYPE', 'STRING');
  const first = visits.only();
  t.is(first.partition, 5);
  t.is(first.options.deadlineMs, 9000);
  t.deepEqual(words(first), ['partition|scan', String(cursor), '0', String(6 * slotsEach - 1), '30', '=string', 'a*']);
  first.answer(new EncodedReply(encodeReply(scanned(6 * slotsEach, 10, ['a1']), 2)));
  const second = visits.only();
  t.deepEqual(words(second), ['partition|scan', String(6 * slotsEach), '0', String(7 * slotsEach - 1), '20', '=string', 'a*']);
  second.answer(scanned(6 * slotsEach + 9, 25, ['a2', 'a3']));
  t.deepEqual(visits.calls, []);
  t.deepEqual(visits.replies, [[String(6 * slotsEach + 9), ['a1', 'a2', 'a3'].map((key) => Buffer.from(key))]]);
  t.deepEqual(visits.attached, [first, second]);
});

test('a walk visits a bounded number of partitions a call, its cursor leads to the rest, and the last one ends it', (t) => {
  const visited: number[] = [];
  let cursor = '0';
  let calls = 0;
  do {
    const visits = new Visits().run('SCAN', cursor);
    while (visits.replies.length === 0) {
      const call = visits.only();
      visited.push(call.partition);
      call.answer(scanned((call.partition + 1) * (16384 / partitions), 0, []));
    }
    const [reply] = visits.replies;
    if (!Array.isArray(reply)) throw new Error('a SCAN is answered by a list');
    t.deepEqual(reply[1], []);
    cursor = String(reply[0]);
    calls++;
  } while (cursor !== '0');
  t.is(calls, 2);
  t.deepEqual(
    visited,
    Array.from({ length: partitions }, (_, partition) => partition),
  );
});

test('an error, or what is no answer to a walk, ends it', (t) => {
  const error = new ErrorReply('NOREPLICAS');
  for (const [answer, expected] of [
    [error, 'NOREPLICAS'],
    [new EncodedReply(encodeReply(error, 2)), 'NOREPLICAS'],
    ['OK', 'OK'],
  ] as const) {
    const visits = new Visits().run('SCAN', '0');
    visits.only().answer(answer);
    t.deepEqual(visits.calls, []);
    const [reply] = visits.replies;
    t.is(reply instanceof ErrorReply ? reply.text : reply, expected);
  }
});

test('arguments that are wrong reach no partition', (t) => {
  for (const command of [
    ['SCAN', 'x'],
    ['SCAN', '0', 'COUNT', '0'],
    ['FLUSHALL', 'NOW'],
  ]) {
    const visits = new Visits().run(...command);
    t.deepEqual(visits.calls, []);
    t.true(visits.replies.length === 1 && visits.replies[0] instanceof ErrorReply);
  }
});

test("other nodes may send keys' commands and partitions' halves, and nothing else", (t) => {
  const visits = new Visits();
  t.deepEqual(visits.decode('GET', 'k').keys, [Buffer.from('k')]);
  t.true(visits.decode('partition|dbsize').wholePartition);
  for (const command of [
    ['DBSIZE'],
    ['SCAN', '0'],
    ['PING'],
    ['CONFIG', 'GET', '*'],
    ['GET'],
    ['nothing'],
    ['partition|flush', 'x', '0', '1'],
  ]) {
    t.throws(() => visits.decode(...command), { instanceOf: CommandError }, command.join(' '));
  }
});

const value = (...parts: string[]): Reply => new EncodedReply(encodeReply(parts.map(bytes), 2));

test('what a peer sends instead of a value is an error to the client, whatever it is', (t) => {
  const notAValue = 'ERR malformed value of another partition';
  for (const [answer, expected] of [
    [value('nothing', '0', '*0\r\n'), notAValue],
    [value('set', '-1', '*0\r\n'), notAValue],
    [value('set', 'x', '*0\r\n'), notAValue],
    [value('set', '0'), notAValue],
    [ok, notAValue],
    [null, notAValue],
    [new EncodedReply(bytes('*3\r\n$3\r\nset')), 'ERR malformed reply of another node'],
    [new ErrorReply('NOREPLICAS'), 'NOREPLICAS'],
    [new EncodedReply(encodeReply(new ErrorReply('NOREPLICAS'), 2)), 'NOREPLICAS'],
  ] as const) {
    const visits = new Visits().run('SUNIONSTORE', 'a', 'b', 'c');
    const [first, second, ...more] = visits.calls.splice(0);
    t.deepEqual(more, []);
    first?.answer(answer);
    second?.answer(value('set', '0', '*1\r\n$1\r\nm\r\n'));
    t.deepEqual(visits.calls, []);
    t.deepEqual(visits.replies.map(errorText), [expected]);
  }
});

test('of a stream elsewhere COPY alone asks for more than its type', (t) => {
  const asked = (...command: string[]): string[] => new Visits().run(...command).calls.map((call) => words(call).join(' '));
  t.deepEqual(asked('COPY', 'a', 'b', 'REPLACE'), ['partition|value a STREAM']);
  t.deepEqual(asked('SUNIONSTORE', 'a', 'b', 'c'), ['partition|value b', 'partition|value c']);
  const visits = new Visits().run('SUNIONSTORE', 'a', 'b', 'c');
  for (const [i, call] of visits.calls.splice(0).entries()) call.answer(i === 0 ? value('stream', '0', '') : value('', '0', ''));
  t.is(words(visits.only())[0], 'partition|with-write');
  for (const command of [['partition|value', 'a', 'SET'], ['partition|value', 'a', 'STREAM', 'b'], ['partition|value']])
    t.throws(() => visits.decode(...command), { instanceOf: CommandError }, command.join(' '));
});

test('XREAD over partitions is a reading of each stream, whose replies are put together in the order of the keys', (t) => {
  const entries = (key: string): Reply => [bytes(key), [[bytes('1-1'), [bytes('f'), bytes('v')]]]];
  const visits = new Visits().run('XREAD', 'COUNT', '5', 'STREAMS', 'a', 'b', 'a', '1', '$', '3-1');
  const calls = visits.calls.splice(0);
  t.deepEqual(calls.map(words), [
    ['XREAD', 'COUNT', '5', 'STREAMS', 'a', '1'],
    ['XREAD', 'COUNT', '5', 'STREAMS', 'b', '$'],
    ['XREAD', 'COUNT', '5', 'STREAMS', 'a', '3-1'],
  ]);
  t.deepEqual(visits.attached, calls);
  t.is(calls[0]?.partition, calls[2]?.partition);
  calls[2]?.answer(new EncodedReply(encodeReply([entries('third')], 2)));
  calls[1]?.answer(new EncodedReply(encodeReply(nilArray, 2)));
  t.deepEqual(visits.replies, []);
  calls[0]?.answer([entries('first')]);
  t.deepEqual(visits.replies, [[entries('first'), entries('third')]]);
  const none = new Visits().run('XREAD', 'STREAMS', 'a', 'b', '1', '1');
  for (const call of none.calls) call.answer(nilArray);
  t.deepEqual(none.replies, [nilArray]);
});

test('of several errors of XREAD the one of the first key is the answer', (t) => {
  const visits = new Visits().run('XREAD', 'STREAMS', 'a', 'b', 'c', '1', 'x', '1');
  for (const call of visits.calls.splice(0).toReversed())
    call.answer(String(call.args[2]) === 'a' ? nilArray : new ErrorReply(`ERR ${String(call.args[2])}`));
  t.deepEqual(visits.replies.map(errorText), ['ERR b']);
});

test('a call that is split is answered though a peer sends what is no reply', (t) => {
  const visits = new Visits().run('MGET', 'a', 'b');
  for (const call of visits.calls.splice(0)) call.answer(new EncodedReply(bytes('*1\r\n$3')));
  t.deepEqual(visits.replies.map(errorText), ['ERR malformed reply of another node']);
});
