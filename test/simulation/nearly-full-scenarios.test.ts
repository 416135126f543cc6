/** Named scenarios of nodes whose disks are nearly full: what is refused, and by whom; reads go on wherever a quorum can be reached; with room again nobody lacks anything. */
import test from 'ava';
import { append, ask, connected, entryAt, homes, promisesHeld, setFull, started } from './scenario.js';
import type { TorcCluster } from './torc-cluster.js';

const keys = Array.from({ length: 40 }, (_, i) => `key:${i}`);
const network = { spikeChance: 0 };

/** What each of the nodes answers to a write and a read of each key; those that are not `expected`. */
async function wrong(cluster: TorcCluster, names: readonly string[], write: RegExp, value: string, here = false): Promise<string[]> {
  const found: string[] = [];
  for (const name of names)
    for (const key of keys) {
      const written = String(await ask(cluster, name, ['SET', key, value], here));
      const read = await ask(cluster, name, ['GET', key], here);
      if (!write.test(written) || read !== value) found.push(`${name} ${key}: ${written}, ${read}`);
    }
  return found;
}

test('all nodes are full: MISCONF at each for each key, at once; reads go on; and writes when there is room', async (t) => {
  for (const readFrom of ['any', 'coordinator'] as const) {
    const cluster = await started({ network, readFrom });
    t.deepEqual(await wrong(cluster, ['a'], /^OK$/, 'v'), []);
    setFull(cluster, cluster.nodes, true);
    await cluster.scheduler.runFor(50);
    const beganMs = cluster.scheduler.nowMs;
    t.deepEqual(await wrong(cluster, cluster.nodes, /^MISCONF Errors writing to the commit log: /, 'v'), []);
    t.true(cluster.scheduler.nowMs - beganMs < 5000, 'nobody waits for a deadline');
    setFull(cluster, cluster.nodes, false);
    await cluster.scheduler.runFor(50);
    t.deepEqual(await wrong(cluster, cluster.nodes, /^OK$/, 'w'), []);
  }
});

test('two of three are full: MISCONF and reads, whoever is asked', async (t) => {
  const cluster = await started({ network });
  t.deepEqual(await wrong(cluster, ['a'], /^OK$/, 'v'), []);
  setFull(cluster, ['a', 'b'], true);
  await cluster.scheduler.runFor(50);
  t.deepEqual(await wrong(cluster, cluster.nodes, /^MISCONF /, 'v'), []);
});

test('a node becomes full while it coordinates: no write is refused, nothing is sent to it, and it catches up', async (t) => {
  const cluster = await started({ network });
  for (const key of keys) await append(cluster, 'a', key, 'x');
  const full = homes(cluster, 'key:0')[0] ?? '';
  const others = cluster.nodes.filter((name) => name !== full);
  setFull(cluster, [full], true); // nobody has heard of it when the next command comes
  t.deepEqual(await wrong(cluster, [full, ...others], /^OK$/, 'y'), []);
  const versionAt = (name: string): number => entryAt(cluster, name, 'key:0').record?.versions[0]?.counter ?? 0;
  t.true(versionAt(full) < versionAt(others[0] ?? ''));
  setFull(cluster, [full], false);
  await cluster.scheduler.runFor(5000);
  t.is(versionAt(full), versionAt(others[0] ?? ''));
});

for (const seed of [630, 645, 694]) {
  test(`found by seed ${seed}: a node that was full has what was written meanwhile, though hints had no room for it and nobody compares`, async (t) => {
    const cluster = await started({ network, hintBytesMax: 300 }, seed);
    for (const key of keys) await append(cluster, 'a', key, 'x');
    setFull(cluster, ['b'], true);
    await cluster.scheduler.runFor(50);
    for (let round = 0; round < 5; round++) for (const key of keys) await append(cluster, 'a', key, 'y');
    await cluster.scheduler.runFor(5000); // its peers have told it of all that
    t.true(keys.every((key) => entryAt(cluster, 'b', key).bytes.toString() === 'x'));
    t.true(cluster.log.some((line) => /0 handed over, [1-9]\d* dropped/.test(line)));
    setFull(cluster, ['b'], false);
    await cluster.scheduler.runFor(8000);
    t.deepEqual(
      keys.filter((key) => entryAt(cluster, 'b', key).bytes.toString() !== 'xyyyyy'),
      [],
    );
  });
}

test('of three nodes one is down and one is full: reads of what the full one lacks still find two', async (t) => {
  const cluster = await started({ network });
  t.deepEqual(await wrong(cluster, ['a'], /^OK$/, 'v'), []);
  setFull(cluster, ['b'], true);
  await cluster.scheduler.runFor(50);
  t.deepEqual(await wrong(cluster, ['a'], /^OK$/, 'w'), []);
  cluster.scheduler.crash('c', 'process');
  await cluster.scheduler.runFor(4000);
  for (const name of ['a', 'b']) for (const key of keys) t.is(await ask(cluster, name, ['GET', key]), 'w', `${name} ${key}`);
  t.regex(String(await ask(cluster, 'a', ['SET', 'key:0', 'x'])), /^MISCONF /);
});

test('found by seed 444: a read does not overtake a write of its own connection that waits at a node which is taking over what another may coordinate again', async (t) => {
  const cluster = await started({ network: { spikeChance: 0, latencyMinMs: 20 }, partitions: 1, readFrom: 'coordinator' });
  const [first = '', second = '', front = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'k', 'old']), 'OK');
  setFull(cluster, [first], true);
  await cluster.scheduler.runFor(200);
  const held = promisesHeld(cluster, second);
  const { say, came } = connected(cluster, front);
  say('APPEND', 'k', ' new');
  await cluster.scheduler.runFor(25);
  setFull(cluster, [first], false);
  await cluster.scheduler.runFor(15);
  say('GET', 'k'); // the front node has not heard of that yet, and the one that takes over will have
  await cluster.scheduler.runFor(150);
  t.true(held.release() > 0);
  await cluster.scheduler.runFor(10_000, () => came.length === 2);
  t.deepEqual(came, ['7', 'old new']);
});

test('a full node says at once that it does not take what is pushed to it: a take-over that waits for that asks another', async (t) => {
  const cluster = await started({ network });
  await append(cluster, 'a', 'k', 'x');
  await cluster.scheduler.runFor(1000); // the third has it, too
  const [pusher = '', full = ''] = homes(cluster, 'k');
  setFull(cluster, [full], true);
  const { node } = cluster.runningNow(pusher);
  const partition = entryAt(cluster, pusher, 'k').partition;
  const peer = [...node.peers.all()].find(({ nodeId }) => nodeId === full);
  if (peer === undefined) throw new Error(`${pusher} has no peer ${full}`);
  const results: string[] = [];
  for (const term of [
    { counter: 0, actor: 0 },
    { counter: 1e15, actor: 1 },
  ])
    cluster.scheduler.schedule(pusher, 0, 'push', () =>
      node.comparison.push(partition, peer, new Map(), term, (result) => results.push(result)),
    );
  await cluster.scheduler.runFor(100);
  t.deepEqual(results, ['failed', 'failed']);
});
