/**
 * Deletes that are forgotten, and stay deletes: on simulated clusters of real nodes tombstones go from memory and disk once every home replica has seen
 * them, and not before; and a replica that missed them, a hint that arrives a day late, a disk that lost them bring nothing back.
 */
import test, { type ExecutionContext } from 'ava';
import type { Engine } from '../../storage/engine.js';
import { table } from '../../storage/rows.js';
import type { Store } from '../../storage/store.js';
import { convergenceFault } from './convergence.js';
import { textOf } from './simulated-clients.js';
import { TorcCluster, type TorcSettings } from './torc-cluster.js';

const keyCount = 40;
const keys = Array.from({ length: keyCount }, (_, index) => `k${index}`);
const dayMs = 86_400_000;

async function started(settings: TorcSettings = {}): Promise<TorcCluster> {
  const cluster = new TorcCluster(1, { network: { spikeChance: 0 }, ...settings });
  await cluster.startAll();
  await cluster.scheduler.runFor(3000);
  return cluster;
}

/** Runs commands through a node, all at once; returns the answers as text. */
async function all(cluster: TorcCluster, name: string, commands: readonly (readonly string[])[]): Promise<string[]> {
  const replies = new Map<number, string>();
  const connection = cluster.connect(name);
  cluster.scheduler.schedule(name, 0, 'commands', () => {
    commands.forEach((words, i) => connection.run(words, (reply) => replies.set(i, textOf(reply))));
  });
  await cluster.scheduler.runFor(20_000, () => replies.size === commands.length);
  return commands.map((_, i) => replies.get(i) ?? 'no answer');
}

const only = async (cluster: TorcCluster, name: string, word: string, ...more: string[]): Promise<string[]> => [
  ...new Set(
    await all(
      cluster,
      name,
      keys.map((key) => [word, key, ...more]),
    ),
  ),
];

async function rows(cluster: TorcCluster, name: string): Promise<number> {
  const { engine } = Reflect.get(cluster.runningNow(name).store, 'options') as { readonly engine: Engine };
  let count: number | undefined;
  const counting = async (): Promise<void> => {
    let sum = 0;
    for await (const chunk of engine.iterate({ from: Buffer.of(table.record), to: Buffer.of(table.record + 1) })) sum += chunk.length;
    count = sum;
  };
  const done = counting();
  await cluster.scheduler.runFor(10_000, () => count !== undefined);
  await done;
  return count ?? -1;
}

const held = (cluster: TorcCluster, name: string): number => cluster.runningNow(name).store.statistics().contextsHeld;

/** Keys that the node's own memory has an entry of, whatever is in it. */
function entries(cluster: TorcCluster, name: string): number {
  let count = 0;
  for (let number = 0; number < cluster.partitions; number++) count += cluster.runningNow(name).store.partition(number).entries.size;
  return count;
}

/** Everything is on disk, as after a quiet minute. */
async function writtenOut(cluster: TorcCluster, ...names: readonly string[]): Promise<void> {
  let open = names.length;
  for (const name of names)
    cluster
      .runningNow(name)
      .store.writeOut()
      .then(
        () => open--,
        () => undefined,
      );
  await cluster.scheduler.runFor(10_000, () => open === 0);
}

async function crash(cluster: TorcCluster, ...names: readonly string[]): Promise<void> {
  for (const name of names) cluster.scheduler.crash(name, 'process');
  await cluster.scheduler.runFor(2000);
}

async function start(cluster: TorcCluster, ...names: readonly string[]): Promise<void> {
  names.forEach(cluster.start);
  await cluster.scheduler.runFor(60_000, () => cluster.allWell());
}

/** Nothing is left anywhere: no tombstone, no entry, no row, no key. */
async function assertGone(t: ExecutionContext, cluster: TorcCluster, homes: readonly string[] = cluster.nodes): Promise<void> {
  await cluster.scheduler.runFor(30_000, () => homes.every((name) => held(cluster, name) === 0));
  await writtenOut(cluster, ...homes);
  for (const name of homes) {
    t.is(held(cluster, name), 0, `tombstones in memory at ${name}`);
    t.is(entries(cluster, name), 0, `entries at ${name}`);
    t.is(await rows(cluster, name), 0, `rows at ${name}`);
    t.is(cluster.runningNow(name).store.statistics().memoryBytes, 0, `memory at ${name}`);
  }
  t.is(await convergenceFault(cluster), undefined);
  for (const name of homes) t.deepEqual(await only(cluster, name, 'GET'), ['null']);
  t.deepEqual(cluster.faults, []);
}

test('what could not be judged while streams broke is looked at again, though nothing changes any more', async (t) => {
  // A pass was counted as made when a peer had told no clock over its new stream yet: its tombstones stayed for ever.
  const cluster = await started({ network: { spikeChance: 0, latencyMinMs: 30, latencyMeanMs: 30 } });
  const many = (word: string, ...more: string[]): string[][] => Array.from({ length: 2000 }, (_, index) => [word, `many${index}`, ...more]);
  const backlog = (name: string): number => {
    const { node } = cluster.runningNow(name);
    return Number(node.statistics().find(([figure]) => figure === 'purge_backlog')?.[1]);
  };
  let interrupted = 0;
  for (let afterMs = 0; afterMs < 100; afterMs += 5) {
    await crash(cluster, 'c');
    await all(cluster, 'a', many('SET', 'v'));
    await all(cluster, 'b', many('DEL'));
    cluster.start('c');
    await cluster.scheduler.runFor(10_000, () => backlog('a') > 0 && cluster.allWell());
    if (backlog('a') > 0) interrupted++;
    await cluster.scheduler.runFor(afterMs);
    cluster.network.breakStreams('a', 'b');
    cluster.network.breakStreams('c', 'a');
    cluster.network.breakStreams('b', 'c');
    await cluster.scheduler.runFor(10_000);
    for (const name of cluster.nodes) t.is(held(cluster, name), 0, `${name}, broken after ${afterMs} ms`);
  }
  t.true(interrupted >= 4);
  await assertGone(t, cluster);
});

test('keys that were deleted, flushed and expired leave nothing behind, in memory or on disk', async (t) => {
  const ways: readonly ((cluster: TorcCluster) => Promise<unknown>)[] = [
    (cluster) => only(cluster, 'b', 'DEL'),
    (cluster) => all(cluster, 'b', [['FLUSHALL']]),
    (cluster) => only(cluster, 'b', 'PEXPIRE', '500'),
  ];
  for (const way of ways) {
    const cluster = await started();
    t.deepEqual(await only(cluster, 'a', 'SET', 'v'), ['OK']);
    await cluster.scheduler.runFor(1000);
    await writtenOut(cluster, ...cluster.nodes);
    t.is(await rows(cluster, 'c'), keyCount);
    await way(cluster);
    await cluster.scheduler.runFor(3000);
    await assertGone(t, cluster);
    for (const name of cluster.nodes) t.true(cluster.runningNow(name).store.statistics().tombstonesPurged >= keyCount);
  }
});

test('tombstones that left memory for the disk, and those of before a start, go too', async (t) => {
  for (const cacheBytesMax of [2000, 1 << 20]) {
    const cluster = await started({ cacheBytesMax, hintBytesMax: 0 });
    t.deepEqual(await only(cluster, 'a', 'SET', 'v'), ['OK']);
    await crash(cluster, 'c');
    t.deepEqual(await only(cluster, 'a', 'DEL'), ['1']);
    await cluster.scheduler.runFor(1000);
    await writtenOut(cluster, 'a', 'b');
    t.is(await rows(cluster, 'a'), keyCount);
    await crash(cluster, 'a', 'b');
    await start(cluster, 'a', 'b', 'c');
    t.is(cluster.runningNow('a').store.statistics().partitionsToLookThrough, cluster.partitions);
    await cluster.scheduler.runFor(300_000, () =>
      cluster.nodes.every((name) => cluster.runningNow(name).store.statistics().partitionsToLookThrough === 0),
    );
    await assertGone(t, cluster);
  }
});

test('what was deleted is forgotten while deletes go on', async (t) => {
  // The clock that replicas had to reach was the coordinator's own, which moved on with each write: nothing was forgotten before there was a pause.
  let looked = 0;
  const plant = ({ forgetting }: Store): void => {
    const step = forgetting.step.bind(forgetting);
    forgetting.step = (partition, seenByAll, limit) => ((looked += limit), step(partition, seenByAll, limit));
  };
  const cluster = await started({ partitions: 1, plant });
  const words = (index: number): string[] => Array.from({ length: 5 }, (_, at) => `k${5 * index + at}`);
  let removed = 0;
  let most = 0;
  for (let index = 0; index < 200; index++) {
    await all(cluster, 'a', [
      ['SADD', 'set', 'stays', ...words(index)],
      ['SREM', 'set', ...words(index)],
    ]);
    removed += words(index).length;
    await cluster.scheduler.runFor(50);
    for (const name of cluster.nodes) most = Math.max(most, held(cluster, name));
  }
  // 5 in some 50 ms; two rounds of gossip and a look are less than 5 s.
  t.true(most < removed / 2, `${most} of ${removed} are held`);
  for (const name of cluster.nodes) t.true(cluster.runningNow(name).store.statistics().tombstonesPurged > removed / 2, name);
  // Once, and half of them once more: what others have seen is told a second late.
  t.true(looked < 1.8 * removed * cluster.nodes.length, `${looked} looks at ${removed} tombstones on each node`);
  t.deepEqual(cluster.faults, []);
});

test('a context of a living key goes as a whole, and the key stays', async (t) => {
  const cluster = await started();
  t.deepEqual(await only(cluster, 'a', 'SET', 'v'), ['OK']);
  await cluster.scheduler.runFor(2000);
  for (const name of ['b', 'c', 'a']) {
    const connection = cluster.connect(name);
    // Written by whoever is asked: its record has seen the other's.
    cluster.scheduler.schedule(name, 0, 'writes', () => keys.forEach((key) => connection.run(['SET', key, name], () => undefined, true)));
    await cluster.scheduler.runFor(2000);
  }
  await cluster.scheduler.runFor(10_000);
  for (const name of cluster.nodes) {
    t.is(held(cluster, name), 0, name);
    t.true(cluster.runningNow(name).store.statistics().contextsDropped >= keyCount);
    t.is(entries(cluster, name), keyCount);
  }
  t.deepEqual(await only(cluster, 'b', 'GET'), ['a']);
  t.is(await convergenceFault(cluster), undefined);
});

for (const way of ['deleted', 'expired'] as const) {
  test(`what was ${way} stays so when a replica that missed it comes back long after`, async (t) => {
    const cluster = await started({ hintBytesMax: 0 }); // nothing is kept for it
    t.deepEqual(await only(cluster, 'a', 'SET', 'v'), ['OK']);
    await cluster.scheduler.runFor(2000);
    await crash(cluster, 'c');
    if (way === 'deleted') t.deepEqual(await only(cluster, 'a', 'DEL'), ['1']);
    else t.deepEqual(await only(cluster, 'a', 'PEXPIRE', '100'), ['1']);
    await cluster.scheduler.runFor(20_000);
    for (const name of cluster.nodes) cluster.scheduler.jump(name, dayMs);
    await cluster.scheduler.runFor(10_000);
    for (const name of ['a', 'b']) t.is(held(cluster, name), keyCount, `${name} must not forget what c has not seen`);
    await start(cluster, 'c');
    await cluster.scheduler.runFor(5000);
    await assertGone(t, cluster);
  });
}

test('what was deleted stays so when a hint of its value arrives a day late', async (t) => {
  const cluster = await started({ nodes: ['a', 'b', 'c', 'd', 'e'], partitions: 1, sloppyQuorum: true, hintAgeMaxMs: 30 * dayMs });
  const homes = cluster.homesOf(0);
  const [first = '', , last = ''] = homes;
  const others = cluster.nodes.filter((name) => !homes.includes(name));
  await crash(cluster, last);
  t.deepEqual(await only(cluster, first, 'SET', 'v'), ['OK']);
  await cluster.scheduler.runFor(2000);
  const hints = (name: string): number => Number(new Map(cluster.runningNow(name).node.statistics()).get('hint_bytes'));
  const holder = others.find((name) => hints(name) > 0) ?? '';
  await crash(cluster, holder);
  cluster.start(last);
  await cluster.scheduler.runFor(20_000);
  t.deepEqual(await only(cluster, first, 'DEL'), ['1']);
  await cluster.scheduler.runFor(20_000, () => homes.every((name) => held(cluster, name) === 0));
  for (const name of cluster.nodes) cluster.scheduler.jump(name, dayMs);
  await start(cluster, holder);
  await cluster.scheduler.runFor(20_000, () => hints(holder) === 0);
  t.is(hints(holder), 0);
  t.true(Number(new Map(cluster.runningNow(last).node.statistics()).get('hints_taken')) > 0);
  await assertGone(t, cluster, homes);
});

test('a disk that lost the deletes, and not the values, brings none back', async (t) => {
  const cluster = await started({ durability: 'os', hintBytesMax: 0 });
  t.deepEqual(await only(cluster, 'a', 'SET', 'v'), ['OK']);
  await cluster.scheduler.runFor(1000);
  await writtenOut(cluster, 'c');
  t.deepEqual(await only(cluster, 'a', 'DEL'), ['1']);
  await cluster.scheduler.runFor(10_000, () => held(cluster, 'a') + held(cluster, 'b') + held(cluster, 'c') === 0);
  t.is(held(cluster, 'a'), 0);
  cluster.scheduler.crash('c', 'machine');
  await cluster.scheduler.runFor(1000);
  let back = 0;
  cluster.onRecovered = ({ store }) => {
    for (let number = 0; number < cluster.partitions; number++) if (store.partition(number).seen.size > 0) back++;
    return Promise.resolve();
  };
  await start(cluster, 'c');
  await cluster.scheduler.runFor(5000);
  t.true(back > 0, 'c remembers nothing at all');
  t.is(Number(new Map(cluster.runningNow('c').node.statistics()).get('versions_forgotten_elsewhere')), keyCount);
  await assertGone(t, cluster);
});
