/** Replicas that came to differ behind their nodes' back, or because what was kept for one of them is gone, on a simulated cluster of real nodes. */
import test, { type ExecutionContext } from 'ava';
import { partitionOfSlot } from '../../cluster/ring.js';
import { slotOf } from '../../protocol/slot.js';
import { emptyRecord } from '../../storage/merge.js';
import type { VersionedRecord } from '../../protocol/record.js';
import { convergenceFault } from './convergence.js';
import { textOf } from './simulated-clients.js';
import { TorcCluster, type TorcSettings } from './torc-cluster.js';
import { runSeed, report, seeds } from './torc-run.js';

const keyCount = 200;
const key = (index: number): string => `k${index}`;

async function started(settings: TorcSettings = {}): Promise<TorcCluster> {
  const cluster = new TorcCluster(1, { network: { spikeChance: 0 }, ...settings });
  await cluster.startAll();
  await cluster.scheduler.runFor(3000);
  return cluster;
}

/** Runs commands through a node, all at once, and waits until all are answered; returns the answers as text. */
async function all(cluster: TorcCluster, name: string, commands: readonly (readonly string[])[]): Promise<(string | null)[]> {
  const replies = new Map<number, string | null>();
  const connection = cluster.connect(name);
  cluster.scheduler.schedule(name, 0, 'commands', () => {
    commands.forEach((words, i) => connection.run(words, (reply) => replies.set(i, reply === null ? null : textOf(reply))));
  });
  await cluster.scheduler.runFor(20_000, () => replies.size === commands.length);
  return commands.map((_, i) => replies.get(i) ?? null);
}

async function filled(cluster: TorcCluster, t: ExecutionContext, atOnce = keyCount): Promise<void> {
  for (let from = 0; from < keyCount; from += atOnce) {
    const commands = Array.from({ length: atOnce }, (_, i) => ['SET', key(from + i), `value ${from + i}`]);
    t.deepEqual([...new Set(await all(cluster, 'a', commands))], ['OK']);
  }
  await cluster.scheduler.runFor(2000);
}

/** Changes what a node holds of a key without a word to anyone, its clocks included. */
function plant(cluster: TorcCluster, name: string, index: number, change: (record: VersionedRecord) => VersionedRecord): void {
  const slot = slotOf(Buffer.from(key(index)));
  const partition = cluster.runningNow(name).store.partition(partitionOfSlot(slot, cluster.partitions));
  const entry = partition.get(key(index));
  if (entry?.record === undefined) throw new Error(`${name} has no ${key(index)}`);
  partition.put(entry.id, change(entry.record));
}

const lose = (): VersionedRecord => emptyRecord;
const damage = ({ context, versions }: VersionedRecord): VersionedRecord => ({
  context,
  versions: versions.map((version) =>
    'bytes' in version ? { ...version, bytes: Buffer.from(`damaged ${version.bytes.toString()}`) } : version,
  ),
});

function figure(cluster: TorcCluster, name: string, wanted: string): number {
  const found = cluster
    .runningNow(name)
    .node.statistics()
    .find(([figureName]) => figureName === wanted);
  return Number(found?.[1]);
}

async function repair(cluster: TorcCluster, name: string, plan: { readonly anew: boolean; readonly partition?: number }): Promise<void> {
  const { node } = cluster.runningNow(name);
  const rounds = figure(cluster, name, 'repair_rounds');
  let begun: number | string = 0;
  cluster.scheduler.schedule(name, 0, 'repair', () => (begun = node.repair({ kind: 'asked', ...plan })));
  await cluster.scheduler.runFor(60_000, () => figure(cluster, name, 'repair_rounds') > rounds);
  if (typeof begun === 'string' || begun === 0) throw new Error(`no repair: ${begun}`);
}

async function assertHealed(cluster: TorcCluster, t: ExecutionContext): Promise<void> {
  t.is(await convergenceFault(cluster), undefined);
  for (const name of cluster.nodes) {
    for (let index = 0; index < keyCount; index++) {
      const partition = partitionOfSlot(slotOf(Buffer.from(key(index))), cluster.partitions);
      const entry = cluster.runningNow(name).store.partition(partition).get(key(index));
      if (entry?.bytes.toString() !== `value ${index}`) t.fail(`${name} holds '${entry?.bytes.toString()}' for ${key(index)}`);
    }
  }
  t.deepEqual(cluster.faults, []);
}

test('records that are lost and changed behind the back of any one node are repaired by one full comparison', async (t) => {
  for (const broken of ['a', 'b', 'c']) {
    for (const asked of ['a', 'c']) {
      const cluster = await started({ cacheBytesMax: 1 << 20 });
      await filled(cluster, t);
      plant(cluster, broken, 3, lose);
      plant(cluster, broken, 77, damage);
      plant(cluster, broken, 78, lose);
      await repair(cluster, asked, { anew: true });
      if (broken !== asked) t.is(figure(cluster, asked, 'repair_records_taken'), 0);
      await assertHealed(cluster, t);
      t.is(figure(cluster, broken, 'repair_payloads_replaced'), 1);
      t.is(figure(cluster, broken, 'repair_records_taken'), 2);
    }
  }
});

test('a large record that was lost comes back through the log in slices', async (t) => {
  const largeBytes = 120;
  const value = 'v'.repeat(2000);
  const cluster = await started({ largeBytes });
  t.deepEqual(await all(cluster, 'a', [['SET', key(0), value]]), ['OK']);
  await cluster.scheduler.runFor(10_000);
  plant(cluster, 'b', 0, lose);
  const { store } = cluster.runningNow('b');
  let mostAtOnce = 0;
  let logged = store.statistics().logBytes;
  cluster.runningNow('a').node.repair({ kind: 'asked', anew: true });
  await cluster.scheduler.runFor(60_000, () => {
    const { logBytes } = store.statistics();
    mostAtOnce = Math.max(mostAtOnce, logBytes - logged);
    logged = logBytes;
    return figure(cluster, 'b', 'repair_records_taken') > 0;
  });
  const number = partitionOfSlot(slotOf(Buffer.from(key(0))), cluster.partitions);
  t.is(store.partition(number).get(key(0))?.bytes.toString(), value);
  t.true(mostAtOnce > largeBytes / 2 && mostAtOnce < 3 * largeBytes, `${mostAtOnce} bytes in one turn`);
});

test('a full comparison comes by itself, with records that only the disk holds', async (t) => {
  const cluster = await started({ cacheBytesMax: 2000, fullRepairIntervalMs: 20_000 });
  await filled(cluster, t);
  await cluster.scheduler.runFor(70_000);
  t.true(figure(cluster, 'a', 'repair_rounds') > 1);
  t.is(figure(cluster, 'c', 'repair_rounds'), 0, 'the last member has nobody to ask');
  t.is(figure(cluster, 'a', 'repair_partitions_differed'), 0);
  await all(
    cluster,
    'b',
    Array.from({ length: keyCount }, (_, i) => ['GET', key(i)]),
  );
  const { store } = cluster.runningNow('b');
  const lost = Array.from({ length: keyCount }, (_, i) => i).filter((index) => {
    const partition = store.partition(partitionOfSlot(slotOf(Buffer.from(key(index))), cluster.partitions));
    return partition.get(key(index))?.record !== undefined;
  });
  t.true(lost.length > 0);
  for (const index of lost) plant(cluster, 'b', index, lose);
  await cluster.scheduler.runFor(45_000);
  t.is(figure(cluster, 'b', 'repair_records_taken'), lost.length);
  await assertHealed(cluster, t);
});

test('only a comparison that reads everything anew finds what was changed behind digests that are kept', async (t) => {
  const cluster = await started();
  await filled(cluster, t);
  await repair(cluster, 'a', { anew: false });
  plant(cluster, 'b', 5, lose);
  await repair(cluster, 'a', { anew: false });
  t.is(figure(cluster, 'b', 'repair_records_taken'), 0);
  const partition = partitionOfSlot(slotOf(Buffer.from(key(5))), cluster.partitions);
  await repair(cluster, 'a', { anew: true, partition: (partition + 1) % cluster.partitions });
  t.is(figure(cluster, 'b', 'repair_records_taken'), 0);
  await repair(cluster, 'a', { anew: true, partition });
  t.is(figure(cluster, 'b', 'repair_records_taken'), 1);
  await assertHealed(cluster, t);
});

test('one write hashes one leaf on each side', async (t) => {
  const cluster = await started();
  await filled(cluster, t);
  await repair(cluster, 'a', { anew: false });
  const before = cluster.nodes.map((name) => figure(cluster, name, 'repair_leaves_hashed'));
  t.deepEqual(before, [1024, 1024, 1024], 'every leaf of four partitions');
  await repair(cluster, 'a', { anew: false });
  t.deepEqual(
    cluster.nodes.map((name) => figure(cluster, name, 'repair_leaves_hashed')),
    before,
  );
  t.deepEqual(await all(cluster, 'b', [['SET', key(9), 'value 9']]), ['OK']);
  await cluster.scheduler.runFor(100);
  await repair(cluster, 'a', { anew: false });
  t.deepEqual(
    cluster.nodes.map((name) => figure(cluster, name, 'repair_leaves_hashed')),
    [1025, 1025, 1025],
  );
  t.is(figure(cluster, 'a', 'repair_partitions_differed'), 0);
  await assertHealed(cluster, t);
});

test('a range that a replica missed, with what was kept for it thrown away, is there after one round by clocks', async (t) => {
  const cluster = await started({ repairIntervalMs: 6000, hintBytesMax: 2000 });
  cluster.scheduler.crash('c', 'process');
  await cluster.scheduler.runFor(3000);
  await filled(cluster, t, 10);
  cluster.start('c');
  await cluster.scheduler.runFor(5000, () => cluster.running('c') !== undefined);
  const { comparison } = cluster.runningNow('c').node;
  // What gossip says of clocks and gaps would bring it sooner.
  comparison.noteSeen = () => undefined;
  comparison.fetchMissing = () => undefined;
  await cluster.scheduler.runFor(8000);
  t.true(figure(cluster, 'c', 'repair_partitions_compared') > 0, 'clocks differed, and the records of those were compared');
  await assertHealed(cluster, t);
});

test('expired values that are not swept yet are equal wherever the clocks stand', async (t) => {
  const cluster = await started({ skewMs: { b: 3_600_000 } });
  await filled(cluster, t);
  await all(
    cluster,
    'a',
    Array.from({ length: 50 }, (_, i) => ['SET', `short ${i}`, 'v', 'PX', '150']),
  );
  await repair(cluster, 'a', { anew: true });
  t.is(figure(cluster, 'a', 'repair_partitions_differed'), 0);
  await cluster.scheduler.runFor(5000);
  await repair(cluster, 'c', { anew: true });
  t.is(figure(cluster, 'c', 'repair_partitions_differed'), 0);
  await assertHealed(cluster, t);
});

test('a pool that fails ends the node: nothing is compared by other means', async (t) => {
  const cluster = await started({ hasher: { run: () => Promise.reject(new Error('no threads')) } });
  await filled(cluster, t);
  cluster.scheduler.schedule('a', 0, 'repair', () => void cluster.runningNow('a').node.repair({ kind: 'asked', anew: true }));
  await cluster.scheduler.runFor(5000, () => cluster.faults.length > 0);
  t.regex(cluster.faults.join(), /failed: no threads/);
  t.is(figure(cluster, 'a', 'repair_partitions_compared'), 0);
});

test('under faults and writes, with repair always at work, histories stay right', async (t) => {
  for (const seed of seeds(4)) {
    const result = await runSeed(seed, { cluster: { repairIntervalMs: 1500, fullRepairIntervalMs: 2500 } });
    if (result.fault !== undefined) return t.fail(`seed ${seed}: ${report(result)}`);
  }
  t.pass();
});
