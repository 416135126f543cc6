/** A batch on its way to being settled: counted once, answered once, given up only for those who are due. */
import test from 'ava';
import type { Call } from '../../cluster/call.js';
import { Settlement } from '../../cluster/settlement.js';
import { KeyEntry } from '../../storage/key-entry.js';
import { TestCall } from './calls.js';

const entry = (key: string): KeyEntry => new KeyEntry(key, 1, 1, true);

test('waiters are answered when the last missing replica holds it, once, in order, after it is settled', (t) => {
  const entries = [entry('a'), entry('b')];
  const events: string[] = [];
  const calls = ['w', 'r1', 'r2'].map((name) => new TestCall(name, 1, 'write', {}, () => events.push(name)));
  const [writer = new TestCall('none', 1), ...readers] = calls;
  const settlement = new Settlement(1, 5, 0, 0, entries, writer, 0, 2, ({ settled }) => events.push(`settled ${settled}`));
  readers.forEach((call, i) => settlement.wait(call, i + 1));
  t.true(entries.every(({ unsettled }) => unsettled === settlement));
  settlement.acknowledge();
  t.deepEqual(events, []);
  settlement.acknowledge();
  t.deepEqual(events, ['settled true', 'w', 'r1', 'r2']);
  settlement.acknowledge();
  settlement.settle();
  t.is(events.length, 4);
  t.deepEqual(
    calls.map(({ replies }) => replies),
    [[0], [1], [2]],
  );
  t.true(entries.every(({ unsettled }) => unsettled === undefined));
});

test('a key whose newer batch is unsettled stays so when the older one is settled', (t) => {
  const key = entry('k');
  const older = new Settlement(1, 5, 0, 0, [key], new TestCall('write', 1), 'OK', 1, () => undefined);
  const newer = new Settlement(1, 6, 0, 0, [key], new TestCall('write', 1), 'OK', 1, () => undefined);
  older.acknowledge();
  t.is(key.unsettled, newer);
  newer.settle();
  t.is(key.unsettled, undefined);
});

test('it keeps what it was given: the list of entries may be used again', (t) => {
  const list = [entry('a')];
  const settlement = new Settlement(1, 5, 0, 0, list, new TestCall('write', 1), 'OK', 1, () => undefined);
  const [first] = list;
  list.length = 0;
  settlement.settle();
  t.is(first?.unsettled, undefined);
});

test('giving up takes out those who are due and no others; the batch can be settled still', (t) => {
  const due = new TestCall('due', 1, 'write', { deadlineMs: 10 });
  const [dueReader, later] = [
    new TestCall('due reader', 1, 'read', { deadlineMs: 12 }),
    new TestCall('later', 1, 'read', { deadlineMs: 20 }),
  ];
  const settlement = new Settlement(1, 5, 0, 0, [], due, 'OK', 1, () => undefined);
  settlement.wait(dueReader, 'seen');
  settlement.wait(later, 'seen');
  const isDue = ({ options }: Call): boolean => options.deadlineMs < 15;
  t.deepEqual(settlement.giveUp(isDue), { writer: due, readers: [dueReader] });
  t.deepEqual(settlement.giveUp(isDue), { writer: undefined, readers: [] });
  settlement.acknowledge();
  t.deepEqual([due.replies, dueReader.replies, later.replies], [[], [], ['seen']]);
});
