/** Named scenarios of one connection whose commands go to one node after the other, while nodes do not agree on who coordinates. */
import test, { type ExecutionContext } from 'ava';
import { ask, connected, homes, promisesHeld, setFull, started, well } from './scenario.js';
import type { TorcCluster } from './torc-cluster.js';

const reaches = (cluster: TorcCluster, from: string, to: string): boolean =>
  cluster.runningNow(from).node.membership.isReachable(cluster.nodes.indexOf(to));

interface Disagreeing {
  readonly cluster: TorcCluster;
  readonly first: string;
  readonly second: string;
  readonly front: string;
}

/** Three nodes of which the front one has given up the first, that coordinates, which the second reaches. The key holds a value. */
async function disagreeing(t: ExecutionContext, peerTimeoutMs: number): Promise<Disagreeing> {
  const cluster = await started({ partitions: 1, peerTimeoutMs, network: { spikeChance: 0, lateDetectionMs: 1 } });
  const [first = '', second = '', front = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'k', 'v']), 'OK');
  cluster.network.block(first, front);
  await cluster.scheduler.runFor(30_000, () => !reaches(cluster, front, first));
  t.true(reaches(cluster, second, first));
  return { cluster, first, second, front };
}

test('found by seed 940655: a node does not run what a peer sent after something that it passed on and that is not answered', async (t) => {
  const { cluster, first, second, front } = await disagreeing(t, 20_000);
  cluster.network.block(first, second);
  const { say, replies } = connected(cluster, front);
  say('SET', 'k', 'old');
  await cluster.scheduler.runFor(30_000, () => !reaches(cluster, second, first));
  say('SET', 'k', 'new');
  await cluster.scheduler.runFor(1000);
  cluster.network.unblock(first, front);
  cluster.network.unblock(first, second);
  await cluster.scheduler.runFor(20_000, () => replies.every((reply) => reply !== ''));
  t.log(replies.join());
  t.is(replies[1], 'OK');
  await well(cluster);
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['GET', 'k']), 'new');
});

test('a node does not run what a client sends after something that waited there for a take-over and is on its way to another since', async (t) => {
  const cluster = await started({ partitions: 1, network: { spikeChance: 0 } });
  const [first = '', second = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'k', 'v']), 'OK');
  setFull(cluster, [first], true);
  await cluster.scheduler.runFor(200);
  const { router } = cluster.runningNow(second).node;
  const held = promisesHeld(cluster, second);
  const { say, replies } = connected(cluster, second);
  say('SET', 'k', 'old');
  await cluster.scheduler.runFor(20);
  setFull(cluster, [first], false);
  await cluster.scheduler.runFor(20);
  t.is(await ask(cluster, first, ['SET', 'k', 'w']), 'OK');
  cluster.network.slow(second, first, 300);
  await cluster.scheduler.runFor(1000, () => router.forwarded > 0);
  t.is(router.forwarded, 1);
  t.true(held.release() > 0);
  setFull(cluster, [first], true);
  await cluster.scheduler.runFor(20);
  say('SET', 'k', 'new');
  await cluster.scheduler.runFor(150);
  setFull(cluster, [first], false);
  await cluster.scheduler.runFor(10_000, () => replies.every((reply) => reply !== ''));
  t.deepEqual(replies, ['OK', 'OK']);
  await well(cluster);
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['GET', 'k']), 'new');
});

test('found by reading: nor does it when it has begun to take over for another client meanwhile', async (t) => {
  const { cluster, first, second, front } = await disagreeing(t, 5000);
  cluster.network.slow(second, first, 300);
  const { say, replies } = connected(cluster, front);
  say('SET', 'k', 'old'); // passed on to the first, and long on its way
  await cluster.scheduler.runFor(20);
  setFull(cluster, [first], true);
  await cluster.scheduler.runFor(20);
  const held = promisesHeld(cluster, second);
  const other = connected(cluster, second);
  other.say('SET', 'other', 'w');
  await cluster.scheduler.runFor(20);
  setFull(cluster, [first], false);
  await cluster.scheduler.runFor(20);
  t.is(other.replies[0], '');
  say('SET', 'k', 'new');
  await cluster.scheduler.runFor(20);
  held.release();
  await cluster.scheduler.runFor(10_000, () => replies.every((reply) => reply !== ''));
  t.deepEqual(replies, ['OK', 'OK']);
  cluster.network.unblock(first, front);
  cluster.network.slow(second, first, 0);
  await well(cluster);
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['GET', 'k']), 'new');
});

test('found by reading: a write of an ended term that runs once more runs before what waits for the next one', async (t) => {
  const cluster = await started({ partitions: 1, peerTimeoutMs: 3000, network: { spikeChance: 0 } });
  const [first = '', second = '', third = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'k', 'v']), 'OK');
  for (const other of [second, third]) cluster.network.slow(first, other, 2000);
  const { say, replies } = connected(cluster, first);
  say('SET', 'k', 'old');
  await cluster.scheduler.runFor(20);
  t.is(await ask(cluster, second, ['SET', 'other', 'w'], true), 'OK'); // by the third's promise, before anybody has heard of that
  await cluster.scheduler.runFor(800); // for half its timeout the first waits for what it sent
  say('SET', 'k', 'new');
  await cluster.scheduler.runFor(20);
  for (const other of [second, third]) cluster.network.slow(first, other, 0);
  t.deepEqual(replies, ['', '']);
  await cluster.scheduler.runFor(10_000, () => replies.every((reply) => reply !== ''));
  t.deepEqual(replies, ['OK', 'OK']);
  await well(cluster);
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['GET', 'k']), 'new');
});
