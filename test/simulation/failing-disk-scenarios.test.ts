/**
 * Named scenarios of disks that refuse writes: what is answered meanwhile, and by whom; that nobody hears of what no disk has; and that all comes back by itself
 * (docs/decisions/0042-failing-disks.md).
 */
import test, { type ExecutionContext } from 'ava';
import { partitionOfSlot } from '../../cluster/ring.js';
import { slotOf } from '../../protocol/slot.js';
import { StorageError } from '../../storage/engine.js';
import type { DiskOperation } from './disk-access.js';
import { ask, begin, entryAt, homes, started, well } from './scenario.js';
import { textOf } from './simulated-clients.js';
import type { TorcCluster } from './torc-cluster.js';

const partitions = 16;
const partitionOf = (key: string): number => partitionOfSlot(slotOf(Buffer.from(key)), partitions);
/** What a disk refuses first: of its partition a node says nothing until its log has it. */
const noticed = 'noticed';
const keys = Array.from({ length: 50 }, (_, i) => `key:${i}`).filter((key) => partitionOf(key) !== partitionOf(noticed));
const misconf = /^MISCONF Errors writing to the commit log: /;

function fail(cluster: TorcCluster, names: readonly string[], operation: DiskOperation, fails = true): void {
  for (const name of names) cluster.disks.get(name)?.fail(operation, fails ? 10_000 : 0);
}

/** Has each of the nodes write something, so that its disk is found to fail. */
async function notice(cluster: TorcCluster, names: readonly string[]): Promise<void> {
  for (const name of names) begin(cluster, name, ['SET', noticed, name], true);
  await cluster.scheduler.runFor(5000, () => names.every((name) => cluster.runningNow(name).node.membership.failing));
  await cluster.scheduler.runFor(2500); // links are back, and what waited for the first of them has been answered
}

async function fill(t: ExecutionContext, cluster: TorcCluster, value: string): Promise<void> {
  for (const key of keys) t.is(await ask(cluster, 'a', ['SET', key, value]), 'OK');
  await cluster.scheduler.runFor(100);
}

/** What each of the nodes answers to a write and a read of each key; those that are not `expected`. */
async function wrong(cluster: TorcCluster, write: RegExp, value: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of cluster.nodes)
    for (const key of keys) {
      const written = String(await ask(cluster, name, ['SET', key, value]));
      const read = await ask(cluster, name, ['GET', key]);
      if (!write.test(written) || read !== value) found.push(`${name} ${key}: ${written}, ${read}`);
    }
  return found;
}

/** Each replica's own answer to a read of each key, once all are well. */
async function lacking(cluster: TorcCluster, value: string): Promise<string[]> {
  await well(cluster);
  const found: string[] = [];
  for (const name of cluster.nodes)
    for (const key of keys) {
      const read = await ask(cluster, name, ['GET', key], true);
      if (read !== value) found.push(`${name} ${key}: ${read}`);
    }
  return [...found, ...cluster.faults];
}

for (const operation of ['append', 'sync', 'engine-write'] as const) {
  test(`one of three disks fails to ${operation}: nothing is refused anywhere, the node is not ready, and it comes back with all it missed`, async (t) => {
    const cluster = await started({ partitions, durability: 'always' });
    await fill(t, cluster, 'v');
    const [failing = ''] = homes(cluster, 'key:0');
    fail(cluster, [failing], operation);
    if (operation === 'engine-write')
      cluster
        .runningNow(failing)
        .store.writeOut()
        .catch(() => undefined);
    await notice(cluster, [failing]);
    const { node } = cluster.runningNow(failing);
    t.regex(node.readiness().diskRefusal ?? '', new RegExp(`simulated failure of ${operation}`));
    t.deepEqual(await wrong(cluster, /^OK$/, 'w'), []);
    t.true(cluster.nodes.every((name) => name === failing || cluster.runningNow(name).node.readiness().diskRefusal === undefined));
    fail(cluster, [failing], operation, false);
    t.deepEqual(await lacking(cluster, 'w'), []);
    t.is(node.readiness().diskRefusal, undefined);
    t.is(cluster.runningNow(failing).node, node, 'by itself');
    t.deepEqual(await wrong(cluster, /^OK$/, 'x'), []);
  });
}

test('two of three disks fail: writes are refused at once, at each node, reads go on, and writes when one of them is back', async (t) => {
  const cluster = await started({ partitions });
  await fill(t, cluster, 'v');
  const two = cluster.nodes.slice(0, 2);
  fail(cluster, two, 'append');
  await notice(cluster, two);
  const beganMs = cluster.scheduler.nowMs;
  t.deepEqual(await wrong(cluster, misconf, 'v'), []);
  t.true(cluster.scheduler.nowMs - beganMs < 5000, 'nobody waits for a deadline');
  for (const name of cluster.nodes)
    t.regex(String(await ask(cluster, name, ['GET', noticed])), /^(MISCONF|NOREPLICAS) /, 'rather than what no log has');
  fail(cluster, two.slice(1), 'append', false);
  await cluster.scheduler.runFor(5000);
  t.deepEqual(await wrong(cluster, /^OK$/, 'w'), []);
  fail(cluster, two, 'append', false);
  t.deepEqual(await lacking(cluster, 'w'), []);
});

test('all disks fail: writes are refused, what the logs have is read, and all of it is written again when they are well', async (t) => {
  for (const readFrom of ['any', 'coordinator'] as const) {
    const cluster = await started({ partitions, durability: 'always', readFrom });
    await fill(t, cluster, 'v');
    fail(cluster, cluster.nodes, 'append');
    await notice(cluster, cluster.nodes);
    if (readFrom === 'any') t.deepEqual(await wrong(cluster, misconf, 'v'), []);
    else for (const name of cluster.nodes) t.regex(String(await ask(cluster, name, ['SET', 'key:0', 'w'])), misconf);
    fail(cluster, cluster.nodes, 'append', false);
    t.deepEqual(await lacking(cluster, 'v'), []);
    t.deepEqual(await wrong(cluster, /^OK$/, 'w'), []);
  }
});

test('a process that dies while its disk refuses never wrote what waited for it, and nobody has heard of that', async (t) => {
  const cluster = await started();
  await fill(t, cluster, 'v');
  const [coordinator = ''] = homes(cluster, 'key:0');
  fail(cluster, [coordinator], 'append');
  t.regex(String(await ask(cluster, coordinator, ['SET', 'key:0', 'lost'])), /^UNKNOWNOUTCOME /);
  await cluster.scheduler.runFor(4000);
  t.true(cluster.runningNow(coordinator).store.isHeld);
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['GET', 'key:0']), 'v', name);
  cluster.scheduler.crash(coordinator, 'process');
  cluster.start(coordinator);
  t.deepEqual(await lacking(cluster, 'v'), []);
  for (const name of cluster.nodes) t.false(cluster.runningNow(name).doubtful, name);
});

test('what a sync has failed to bring to the disk is there after a loss of power, once the disk is well again', async (t) => {
  const cluster = await started({ durability: 'always', writeQuorum: 3, readQuorum: 1 });
  await fill(t, cluster, 'v');
  fail(cluster, cluster.nodes, 'sync');
  for (const key of keys) begin(cluster, homes(cluster, key)[0] ?? '', ['SET', key, 'w'], true);
  await cluster.scheduler.runFor(4000);
  fail(cluster, cluster.nodes, 'sync', false);
  await well(cluster);
  await fill(t, cluster, 'x');
  for (const name of cluster.nodes) cluster.scheduler.crash(name, 'machine');
  await cluster.startAll();
  t.deepEqual(await lacking(cluster, 'x'), []);
});

test('what a round of writing behind did not bring to the engine stays in the log, and the next one brings it', async (t) => {
  const cluster = await started({ partitions: 1 });
  await fill(t, cluster, 'v');
  const { store } = cluster.runningNow('a');
  const kept = store.statistics().logKeptBytes;
  fail(cluster, ['a'], 'engine-write');
  let failed = false;
  store.writeOut().catch(() => (failed = true));
  await cluster.scheduler.runFor(1000, () => failed);
  t.true(failed);
  t.true(store.statistics().logKeptBytes >= kept);
  t.true(store.statistics().dirtyEntries >= keys.length);
  fail(cluster, ['a'], 'engine-write', false);
  await cluster.scheduler.runFor(5000, () => store.trouble.reason === undefined);
  t.is(store.statistics().dirtyEntries, 0);
  t.deepEqual(await lacking(cluster, 'v'), []);
  const again = await cluster.reopened('a');
  t.is(again.partition(0).seen.size > 0, true);
  await new Promise<void>((resolve) => {
    void again.loader.loadPartition(again.partition(0), 0, 16383).then(resolve);
    void cluster.scheduler.runFor(1000);
  });
  for (const key of keys) t.is(again.partition(0).entries.get(key)?.bytes.toString(), 'v', key);
});

test('a read whose replicas all differ is answered once, when the disk that would have to keep what it lacks begins to refuse meanwhile', async (t) => {
  const cluster = await started({ readQuorum: 3 });
  t.is(await ask(cluster, 'a', ['SET', 'k', 'old']), 'OK');
  await cluster.scheduler.runFor(500);
  const stale = entryAt(cluster, 'c', 'k').record;
  if (stale === undefined) return t.fail('no record');
  t.is(await ask(cluster, 'a', ['SET', 'k', 'new']), 'OK');
  await cluster.scheduler.runFor(500);
  const { id, partition } = entryAt(cluster, 'c', 'k');
  const { store } = cluster.runningNow('c');
  store.partition(partition).put(id, stale);
  const read = begin(cluster, 'c', ['GET', 'k']);
  cluster.scheduler.schedule('c', 0, 'the disk refuses', () => store.trouble.met(new StorageError('IO', 'simulated')));
  await cluster.scheduler.runFor(2000);
  t.regex(String(textOf(read.reply())), misconf);
  t.deepEqual(cluster.faults, []);
});

test('found by seed 830010: a read of all replicas, of which one does not take what it lacks since its disk refuses, ends in time', async (t) => {
  const cluster = await started({
    partitions,
    readQuorum: 3,
    sloppyQuorum: false,
    largeBytes: 60,
    network: { latencyMinMs: 1, spikeChance: 0 },
  });
  const value = 'v'.repeat(300);
  const [first = '', failing = ''] = homes(cluster, 'key:0');
  fail(cluster, [failing], 'append');
  await notice(cluster, [failing]);
  t.is(await ask(cluster, first, ['SET', 'key:0', value]), 'OK');
  const reads = Array.from({ length: 5 }, () => begin(cluster, first, ['GET', 'key:0'], true));
  const askedMs = cluster.scheduler.nowMs;
  await cluster.scheduler.runFor(60_000, () => reads.every(({ reply }) => reply() !== undefined));
  t.true(cluster.scheduler.nowMs - askedMs < 5000, `answered after ${cluster.scheduler.nowMs - askedMs} ms`);
  for (const { reply } of reads) t.regex(textOf(reply() ?? null) ?? '', /^NOREPLICAS/);
});

test('found by seed 901934: reads that waited for a disk for seconds do not make later ones wait as long until they are asked again', async (t) => {
  const cluster = await started({ partitions: 1, readQuorum: 3, sloppyQuorum: false, peerTimeoutMs: 60_000, network: { spikeChance: 0 } });
  const [first = '', , failing = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'k', 'v']), 'OK');
  const hold = async (reads: number, heldMs: number): Promise<number> => {
    fail(cluster, [failing], 'append');
    await notice(cluster, [failing]);
    const { store } = cluster.runningNow(failing);
    store.partition(0).slicing++; // as while a large batch is being logged
    const waiting = Array.from({ length: reads }, () => begin(cluster, first, ['GET', 'k']));
    const isAnswered = (): boolean => waiting.every(({ reply }) => reply() !== undefined);
    await cluster.scheduler.runFor(heldMs, isAnswered);
    t.false(isAnswered(), textOf(waiting[0]?.reply() ?? null) ?? '');
    fail(cluster, [failing], 'append', false);
    store.partition(0).slicing--;
    await cluster.scheduler.runFor(10_000, () => !store.isHeld);
    const releasedMs = cluster.scheduler.nowMs;
    await cluster.scheduler.runFor(60_000, isAnswered);
    for (const { reply } of waiting) t.is(textOf(reply() ?? null), 'v');
    return cluster.scheduler.nowMs - releasedMs;
  };
  await hold(300, 3000);
  const lateMs = await hold(1, 500);
  t.true(lateMs < 2000, `answered ${lateMs} ms after the disk took writes again`);
});

test('found by seed 901934: a read that a peer could not answer for long is asked again in time, though others were slow meanwhile', async (t) => {
  const cluster = await started({ partitions: 2, readQuorum: 3, sloppyQuorum: false, peerTimeoutMs: 60_000, network: { spikeChance: 0 } });
  const partitionHere = (key: string): number => partitionOfSlot(slotOf(Buffer.from(key)), 2);
  const withUnlogged = partitionHere(noticed);
  const long = keys.find((key) => partitionHere(key) === withUnlogged) ?? '';
  const short = keys.find((key) => partitionHere(key) !== withUnlogged) ?? '';
  const [first = '', , failing = ''] = homes(cluster, long);
  for (const key of [long, short]) t.is(await ask(cluster, first, ['SET', key, 'v']), 'OK');
  fail(cluster, [failing], 'append');
  await notice(cluster, [failing]);
  const { store } = cluster.runningNow(failing);
  store.partition(partitionHere(short)).slicing++; // as while a large batch is being logged
  const read = begin(cluster, first, ['GET', long], true);
  const others = Array.from({ length: 300 }, () => begin(cluster, first, ['GET', short], true));
  await cluster.scheduler.runFor(3000);
  store.partition(partitionHere(short)).slicing--;
  await cluster.scheduler.runFor(20_000, () => others.every(({ reply }) => reply() !== undefined));
  for (const { reply } of others) t.is(textOf(reply() ?? null), 'v');
  t.is(read.reply(), undefined);
  fail(cluster, [failing], 'append', false);
  await cluster.scheduler.runFor(10_000, () => !store.isHeld);
  const releasedMs = cluster.scheduler.nowMs;
  await cluster.scheduler.runFor(60_000, () => read.reply() !== undefined);
  t.is(textOf(read.reply() ?? null), 'v');
  t.true(cluster.scheduler.nowMs - releasedMs < 2000, `answered after ${cluster.scheduler.nowMs - releasedMs} ms`);
});
