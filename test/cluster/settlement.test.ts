/** A batch on its way to being settled: counted once, answered once, given up only for those who are due. */
import test from 'ava';
import { unknownOutcome, type Call } from '../../cluster/call.js';
import { Settlement } from '../../cluster/settlement.js';
import { TestCall } from './calls.js';

test('waiters are answered when the last missing replica holds it, once, in order, after it is settled', (t) => {
  const events: string[] = [];
  const calls = ['w', 'r1', 'r2'].map((name) => new TestCall(name, 1, 'write', {}, () => events.push(name)));
  const [writer = new TestCall('none', 1), ...readers] = calls;
  const settlement = new Settlement(1, 5, 0, 0, false, writer, 0, 2, ({ settled }) => events.push(`settled ${settled}`));
  readers.forEach((call, i) => settlement.wait(call, i + 1));
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
});

test('giving up takes out those who are due and no others; the batch can be settled still', (t) => {
  const due = new TestCall('due', 1, 'write', { deadlineMs: 10 });
  const [dueReader, later] = [
    new TestCall('due reader', 1, 'read', { deadlineMs: 12 }),
    new TestCall('later', 1, 'read', { deadlineMs: 20 }),
  ];
  const settlement = new Settlement(1, 5, 0, 0, false, due, 'OK', 1, () => undefined);
  settlement.wait(dueReader, 'seen');
  settlement.wait(later, 'seen');
  const isDue = ({ options }: Call): boolean => options.deadlineMs < 15;
  t.deepEqual(settlement.giveUp(isDue), { writer: due, readers: [dueReader] });
  t.deepEqual(settlement.giveUp(isDue), { writer: undefined, readers: [] });
  settlement.acknowledge();
  t.deepEqual([due.replies, dueReader.replies, later.replies], [[], [], ['seen']]);
});

test("a replica whose `seen` covers it settles it for who saw it; its own command's outcome stays unknown", (t) => {
  const writer = new TestCall('writer', 1);
  const reader = new TestCall('reader', 1, 'read');
  const settlement = new Settlement(1, 5, 0, 0, false, writer, 'OK', 2, () => undefined);
  settlement.wait(reader, 'seen');
  settlement.acknowledge();
  t.false(settlement.settled);
  settlement.cover();
  t.true(settlement.settled);
  t.deepEqual([writer.replies, reader.replies], [[unknownOutcome], ['seen']]);
});

test('to give up two hundred thousand who saw it takes milliseconds', (t) => {
  const settlement = new Settlement(1, 5, 0, 0, false, undefined, 'OK', 1, () => undefined);
  const readers = Array.from({ length: 200_000 }, (_, i) => new TestCall('reader', 1, 'read', { deadlineMs: i < 100_000 ? 10 : 20 }));
  for (const call of readers) settlement.wait(call, 'seen');
  const began = process.cpuUsage();
  const due = settlement.giveUp(({ options }) => options.deadlineMs < 15).readers;
  const tookMs = process.cpuUsage(began).user / 1000;
  t.is(due.length, 100_000);
  settlement.acknowledge();
  t.deepEqual([readers[99_999]?.replies, readers[100_000]?.replies], [[], ['seen']]);
  t.true(tookMs < 500, `${tookMs} ms`); // 9,900 where each was looked for among all that are due
});
