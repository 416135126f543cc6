/** A batch on its way to being settled: counted once, answered once, given up only for those who are due. */
import test from 'ava';
import { Settlement } from '../../cluster/settlement.js';
import { KeyEntry } from '../../storage/key-entry.js';
import { TestCall } from './calls.js';

const entry = (key: string): KeyEntry => new KeyEntry(key, 1, 1, true);

test('waiters are answered when the last missing replica holds it, once, in order, after it is settled', (t) => {
  const entries = [entry('a'), entry('b')];
  const events: string[] = [];
  const settlement = new Settlement(1, 5, entries, 2, (settled) => events.push(`settled ${settled.settled}`));
  const calls = ['w', 'r1', 'r2'].map((name) => new TestCall(name, 1, 'write', {}, () => events.push(name)));
  calls.forEach((call, i) => settlement.wait(call, i, i === 0));
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
  const older = new Settlement(1, 5, [key], 1, () => undefined);
  const newer = new Settlement(1, 6, [key], 1, () => undefined);
  older.acknowledge();
  t.is(key.unsettled, newer);
  newer.settle();
  t.is(key.unsettled, undefined);
});

test('it keeps what it was given: the list of entries may be used again', (t) => {
  const list = [entry('a')];
  const settlement = new Settlement(1, 5, list, 1, () => undefined);
  const [first] = list;
  list.length = 0;
  settlement.settle();
  t.is(first?.unsettled, undefined);
});

test('giving up takes out those who are due and no others; the batch can be settled still', (t) => {
  const settlement = new Settlement(1, 5, [], 1, () => undefined);
  const due = new TestCall('due', 1, 'write', { deadlineMs: 10 });
  const later = new TestCall('later', 1, 'write', { deadlineMs: 20 });
  settlement.wait(due, 'OK', true);
  settlement.wait(later, 'OK', false);
  const given = settlement.giveUp(({ call }) => call.options.deadlineMs < 15);
  t.deepEqual(
    given.map(({ call, writer }) => [call, writer]),
    [[due, true]],
  );
  t.deepEqual(due.replies, []);
  t.deepEqual(
    settlement.giveUp(({ call }) => call.options.deadlineMs < 15),
    [],
  );
  settlement.acknowledge();
  t.deepEqual([due.replies, later.replies], [[], ['OK']]);
});
