/** What waited for a partition runs in its order, a slice in a turn: a node that has been waited for does not stand still for all of it. */
import test from 'ava';
import { textOf } from './simulated-clients.js';
import { homes, started, well } from './scenario.js';
import { convergenceFault } from './convergence.js';
import type { TorcCluster } from './torc-cluster.js';

const waiting = 6000;

/** Appends to a list that many connections want to write to while nobody has taken its partition over; how many ran in each turn, and what they were told. */
async function pushed(cluster: TorcCluster, name: string, disturb: () => void): Promise<{ turns: Map<number, number>; replies: string[] }> {
  const { node } = cluster.runningNow(name);
  const turns = new Map<number, number>();
  const replies: string[] = [];
  const connection = cluster.connect(name);
  let answered = 0;
  let before = node.coordinator.executed;
  const push = (i: number): void =>
    connection.run(['RPUSH', 'k', String(i)], (reply) => {
      answered++;
      replies[i] = textOf(reply) ?? '';
    });
  cluster.scheduler.schedule(name, 0, 'all at once', () => {
    for (let i = 0; i < waiting; i++) push(i);
  });
  let late = waiting;
  await cluster.scheduler.runFor(10_000, () => {
    const { executed } = node.coordinator;
    turns.set(node.turn.number, (turns.get(node.turn.number) ?? 0) + executed - before);
    // While the others run more come: each has to go behind all that wait.
    if (executed > before && late < waiting + 20) {
      const i = late++;
      cluster.scheduler.schedule(name, 0, 'one more', () => push(i));
      if (late === waiting + 5) disturb();
    }
    before = executed;
    return answered >= waiting + 5;
  });
  await cluster.scheduler.runFor(5000);
  return { turns, replies };
}

test('six thousand calls that waited for a take-over run in order, a part of them in each turn, and what comes meanwhile behind them', async (t) => {
  const cluster = await started({ partitions: 1, peerTimeoutMs: 5000 });
  const [first = ''] = homes(cluster, 'k');
  const { turns, replies } = await pushed(cluster, first, () => undefined);
  const most = Math.max(...turns.values());
  t.true(most > 100 && most <= 600, `${most} in one turn`); // 6,000 where all ran at once
  t.true(replies.length > waiting);
  t.deepEqual(
    replies,
    replies.map((_, i) => String(i + 1)),
  );
  t.deepEqual(cluster.faults, []);
});

test('a coordinator that others cannot reach any more, a part of what waited done, has each call answered and keeps those that were acknowledged', async (t) => {
  const cluster = await started({ partitions: 1, peerTimeoutMs: 5000 });
  const [first = '', second = '', third = ''] = homes(cluster, 'k');
  const { replies } = await pushed(cluster, first, () => {
    for (const other of [second, third]) cluster.network.block(first, other);
  });
  t.is(replies.filter(() => true).length, replies.length, 'each is answered');
  for (const other of [second, third]) cluster.network.unblock(first, other);
  await well(cluster);
  t.is(await convergenceFault(cluster), undefined);
  t.deepEqual(cluster.faults, []);
});
