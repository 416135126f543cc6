/** Named scenarios of disks that take writes more slowly than clients make them: what waits for them, in memory, has a bound. */
import test from 'ava';
import { ask, begin, started } from './scenario.js';
import { textOf } from './simulated-clients.js';
import type { TorcCluster } from './torc-cluster.js';

const network = { spikeChance: 0 };
const keys = Array.from({ length: 20 }, (_, i) => `key:${i}`);
const value = 'v'.repeat(100);

const backlogOf = (cluster: TorcCluster, name: string): number => cluster.runningNow(name).store.statistics().backlogBytes;

/** One write after the other to each key, of one client each, for a time. Returns what they were answered, and how much waited for a disk of `disks` at most. */
async function written(cluster: TorcCluster, names: readonly string[], disks: readonly string[], forMs: number) {
  const replies = new Map<string, number>();
  let mostBytes = 0;
  const untilMs = cluster.scheduler.nowMs + forMs;
  const open = keys.map((key, i) => ({
    key,
    name: names[i % names.length] ?? '',
    asked: begin(cluster, names[i % names.length] ?? '', ['SET', key, value]),
  }));
  while (cluster.scheduler.nowMs < untilMs) {
    await cluster.scheduler.runFor(1);
    for (const name of disks) mostBytes = Math.max(mostBytes, backlogOf(cluster, name));
    for (const client of open) {
      const reply = client.asked.reply();
      if (reply === undefined) continue;
      const text = String(reply === null ? null : textOf(reply));
      replies.set(text, (replies.get(text) ?? 0) + 1);
      client.asked = begin(cluster, client.name, ['SET', client.key, value]);
    }
  }
  await cluster.scheduler.runFor(10_000, () => open.every(({ asked }) => asked.reply() !== undefined));
  return { replies, mostBytes };
}

function slow(cluster: TorcCluster, names: readonly string[], slowness: number): void {
  for (const name of names) cluster.disks.get(name)?.slow(slowness);
}

test('disks that take writes more slowly than clients make them: these become slower, none is refused, and what waits is bounded', async (t) => {
  const writeBacklogMax = 1_000_000;
  const run = async (settings: { readonly writeBacklogMax?: number }) => {
    const cluster = await started({ network, hintBytesMax: 20_000, ...settings });
    slow(cluster, cluster.nodes, 30);
    return { cluster, ...(await written(cluster, cluster.nodes, cluster.nodes, 5000)) };
  };
  const unbounded = await run({});
  t.true(unbounded.mostBytes > 2 * writeBacklogMax, `${unbounded.mostBytes} bytes wait without a bound`);
  const { cluster, replies, mostBytes } = await run({ writeBacklogMax });
  t.deepEqual([...replies.keys()], ['OK']);
  t.true((replies.get('OK') ?? 0) > 200, `${replies.get('OK')} writes`);
  t.true(mostBytes > writeBacklogMax / 3 && mostBytes < 1.1 * writeBacklogMax, `${mostBytes} bytes`);
  slow(cluster, cluster.nodes, 1);
  await cluster.scheduler.runFor(5000);
  for (const name of cluster.nodes) t.is(cluster.runningNow(name).store.writeDelayMs, 0);
});

test('one disk stands still: its node takes no writes and lets others, and has all of them once it goes on', async (t) => {
  const writeBacklogMax = 300_000;
  const cluster = await started({ network, writeBacklogMax, hintBytesMax: 20_000 });
  slow(cluster, ['b'], 5000);
  const { replies, mostBytes } = await written(cluster, ['a', 'c'], ['b'], 5000);
  const { membership } = cluster.runningNow('b').node;
  t.true(membership.behind);
  t.true(mostBytes < 2 * writeBacklogMax, `${mostBytes} bytes`);
  t.true((replies.get('OK') ?? 0) > 1000);
  t.deepEqual(
    [...replies.keys()].filter((reply) => reply !== 'OK' && !reply.startsWith('UNKNOWNOUTCOME')),
    [],
  );
  t.is(await ask(cluster, 'b', ['SET', 'other', 'w']), 'OK', 'another node coordinates it');
  slow(cluster, ['b'], 1); // what it is at still takes as long as it would have
  await cluster.scheduler.runFor(1_000_000, () => !membership.behind && cluster.allWell());
  t.false(membership.behind);
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['GET', 'other'], true), 'w');
});
