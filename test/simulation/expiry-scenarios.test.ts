/** Keys that have expired are deleted as fast as they were written. */
import test from 'ava';
import { started } from './scenario.js';
import type { TorcCluster } from './torc-cluster.js';

const count = 20_000;

/** Writes keys that expire at the one node, in pieces. */
async function write(cluster: TorcCluster, words: (i: number) => readonly string[]): Promise<void> {
  const connection = cluster.connect('a');
  let answered = 0;
  for (let from = 0; from < count; from += 1000) {
    cluster.scheduler.schedule('a', 0, 'writes', () => {
      for (let i = from; i < from + 1000; i++) connection.run(words(i), () => answered++);
    });
    await cluster.scheduler.runFor(1000, () => answered >= from + 1000);
  }
  if (answered < count) throw new Error(`${answered} writes were answered`);
}

/** What the node still has that expires, dead or not. */
function expiring(cluster: TorcCluster): number {
  const { store } = cluster.runningNow('a');
  let sum = 0;
  for (let partition = 0; partition < cluster.partitions; partition++) sum += store.partition(partition).expiring.size;
  return sum;
}

test('twenty thousand keys that expire at once are deleted within a quarter of a second', async (t) => {
  const cluster = await started({ nodes: ['a'], partitions: 64, cacheBytesMax: 1 << 30 });
  const { scheduler } = cluster;
  const atMs = String(Math.ceil(cluster.runningNow('a').store.hybridClock.nowMs()) + 20_000);
  await write(cluster, (i) => ['SET', `k${i}`, 'v', 'PXAT', atMs]);
  t.is(expiring(cluster), count);
  await scheduler.runFor(21_000, () => cluster.runningNow('a').store.hybridClock.nowMs() > Number(atMs));
  await scheduler.runFor(250);
  t.is(expiring(cluster), 0); // 18,000 where no tick looked at more than five hundred
  t.deepEqual(cluster.faults, []);
});
