/** Who waits in a partition for its coordinator. */
import test from 'ava';
import type { Call } from '../../cluster/call.js';
import { Coordination } from '../../cluster/coordination.js';
import { TestCall } from './calls.js';

test('who waited already when a large batch went before has the time that it takes', (t) => {
  const coordination = new Coordination(0);
  const waiting = new TestCall('waiting', 0);
  coordination.enqueue(waiting);
  coordination.moves(100 * 1024 * 1024);
  t.is(waiting.deadlineMs, 100 * 1024);
});

test('calls are taken in order, one that was taken and put back first, however many wait', (t) => {
  const coordination = new Coordination(0);
  const calls = Array.from({ length: 200_000 }, (_, i) => new TestCall(String(i), 0, 'write', { deadlineMs: i % 3 }));
  const isAll = (some: readonly (Call | undefined)[], expected: readonly Call[]): boolean =>
    some.length === expected.length && some.every((each, i) => each === expected[i]);
  const taken: (Call | undefined)[] = [];
  const began = process.cpuUsage();
  for (const waiting of calls) coordination.enqueue(waiting);
  for (let i = 0; i < 100_000; i++) {
    const { head } = coordination;
    coordination.takeHead();
    if (head !== undefined && i % 2 === 0) coordination.putBack(head);
    else taken.push(head);
  }
  const tookMs = process.cpuUsage(began).user / 1000;
  t.is(coordination.waiting, 150_000);
  t.true(isAll(taken, calls.slice(0, 50_000)));
  const [due, others] = [true, false].map((isDue) => calls.slice(50_000).filter(({ options }) => (options.deadlineMs === 0) === isDue));
  t.true(
    isAll(
      coordination.takeEvery(({ options }) => options.deadlineMs === 0),
      due ?? [],
    ),
  );
  t.true(isAll(coordination.stop(), others ?? []));
  t.deepEqual([coordination.waiting, coordination.head], [0, undefined]);
  t.true(tookMs < 400, `${tookMs} ms`); // 4,700 where each moved all others
});

test('several that are put back stand before all others, in their order', (t) => {
  const coordination = new Coordination(0);
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => new TestCall(name, 0)) as [TestCall, TestCall, TestCall, TestCall];
  for (const call of [a, b, c, d]) coordination.enqueue(call);
  coordination.takeHead();
  coordination.takeHead();
  coordination.putAllBack([a, b]);
  t.is(coordination.waiting, 4);
  t.deepEqual(coordination.stop(), [a, b, c, d]);
});
