/**
 * Trees over a store: whatever was written, written behind, forgotten by memory and read again, the root is that of the records; a write hashes its
 * leaf alone; and a row that the disk lost or changed is seen when all is read anew.
 */
import fc from '../harness/properties.js';
import test from 'ava';
import { PartitionTrees } from '../../cluster/partition-trees.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { encodeRecordKey, recordPart, recordType } from '../../protocol/record-key.js';
import { emptyClock, encodeRecord, type VersionedRecord } from '../../protocol/record.js';
import { slotOf } from '../../protocol/slot.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { rowBytes, runHashing, type HashingTask } from '../../storage/merkle-hashing.js';
import { leafCount, leafOf, MerkleTree } from '../../storage/merkle-tree.js';
import { rowOf } from '../../storage/rows.js';
import { DirectHasher } from '../storage/direct-hasher.js';
import { HandClock } from '../storage/log-fixtures.js';
import { packRecords } from '../storage/packed-records.js';
import { command, openStore, type OpenedStore } from '../storage/store-fixtures.js';

const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
/** After which what is dirty is written behind. */
const roundDelayMs = 60_000;

class MeasuredHasher extends DirectHasher {
  /** Bytes that it was given at once, at most. */
  largest = 0;

  override run(task: HashingTask, input: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    this.largest = Math.max(this.largest, input.length);
    return super.run(task, input);
  }
}

class Bench {
  readonly clock = new HandClock();
  readonly engine = new MemoryEngine();
  readonly hasher = new MeasuredHasher();
  readonly opened: Promise<OpenedStore>;
  readonly trees: Promise<PartitionTrees>;

  constructor(cacheBytesMax: number) {
    this.opened = openStore(this.engine, new MemoryLogFiles(), { clock: this.clock, cacheBytesMax });
    this.trees = this.opened.then(({ store }) => new PartitionTrees({ store, hasher: this.hasher, partitions: () => 1 }));
  }

  async set(key: string, value: string): Promise<void> {
    command(await this.opened, 0, 1, (transaction) => transaction.setString(Buffer.from(key), Buffer.from(value), 0));
  }

  async remove(key: string): Promise<void> {
    command(await this.opened, 0, 1, (transaction) => void transaction.delete(Buffer.from(key)));
  }

  async record(key: string): Promise<VersionedRecord | undefined> {
    const { store } = await this.opened;
    const partition = store.partition(0);
    if (!partition.isLoaded(Buffer.from(key))) {
      await this.driven(
        new Promise<void>((resolve) => {
          store.loader.load(partition, Buffer.from(key), slotOf(Buffer.from(key)), resolve);
          store.loader.flush();
        }),
      );
    }
    return partition.get(key)?.record;
  }

  /** Ends turns, and lets time go by. */
  async pass(ms: number): Promise<void> {
    const { store } = await this.opened;
    store.endTurn(() => undefined);
    await this.clock.advance(ms);
    for (let i = 0; i < 5; i++) await this.clock.advance(1);
    store.endTurn(() => undefined);
  }

  async driven<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const finished = work.finally(() => (done = true));
    finished.catch(() => undefined);
    while (!done) await this.clock.advance(1);
    return finished;
  }

  async root(anew = 0): Promise<Buffer> {
    const trees = await this.trees;
    return Buffer.from((await this.driven(trees.prepare(0, anew))).root());
  }

  /** Of the records as a client would find them, hashed here. */
  async expected(): Promise<Buffer> {
    const records = [];
    for (const key of keys) {
      const record = await this.record(key);
      if (record === undefined || (record.versions.length === 0 && record.context.size === 0)) continue;
      records.push({ leaf: leafOf(Buffer.from(key)), key: recordKey(key), record: encoded(record) });
    }
    const tree = new MerkleTree();
    const leaves = runHashing('leaves', packRecords(records.toReversed()));
    for (let at = 0; at < leaves.length; at += rowBytes) tree.setLeaf(leaves[at] ?? 0, leaves.subarray(at + 1, at + rowBytes));
    return tree.root();
  }
}

const recordKey = (key: string): Buffer => encodeRecordKey(slotOf(Buffer.from(key)), Buffer.from(key), recordType.string, recordPart.value);

function encoded({ context, versions }: VersionedRecord): Buffer {
  const writer = new ByteWriter();
  encodeRecord(writer, { context: versions.length > 0 ? emptyClock : context, versions });
  return writer.take();
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('set' as const), key: fc.nat(keys.length - 1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), key: fc.nat(keys.length - 1) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('write behind' as const, 'turn' as const, 'look' as const), key: fc.constant(0) }),
  },
);

test('the root is that of the records, whatever memory holds of them, and however often it was asked before', async (t) => {
  let evicted = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.constantFrom(1, 3000, 1 << 20), async (steps, cacheBytesMax) => {
      const bench = new Bench(cacheBytesMax);
      for (const [i, one] of steps.entries()) {
        const key = keys[one.key] ?? '';
        if (one.do === 'set' || one.do === 'remove') {
          await bench.record(key);
          if (one.do === 'set') await bench.set(key, `value ${i}`);
          else await bench.remove(key);
        } else if (one.do === 'turn') await bench.pass(0);
        else if (one.do === 'write behind') await bench.pass(roundDelayMs);
        else t.deepEqual(await bench.root(), await bench.expected());
      }
      const { store } = await bench.opened;
      for (let i = 0; i < 3; i++) await bench.pass(roundDelayMs);
      evicted += store.evictor.evicted;
      const kept = await bench.root();
      t.deepEqual(kept, await bench.root(7), 'read anew');
      t.deepEqual(kept, await bench.expected());
      t.is(store.scan.rowsRewritten, 0);
    }),
    { numRuns: 40 },
  );
  t.true(evicted > 0, 'no record was read from the engine alone');
});

test('a write hashes one leaf of 256, and a second look hashes none', async (t) => {
  const bench = new Bench(1 << 20);
  for (const key of keys) await bench.set(key, 'v');
  const trees = await bench.trees;
  await bench.root();
  t.is(trees.leavesHashed, leafCount);
  t.is(trees.recordsHashed, keys.length);
  await bench.root();
  t.is(trees.leavesHashed, leafCount);
  await bench.set('k7', 'other');
  await bench.set('k7', 'yet another');
  await bench.root();
  t.is(trees.leavesHashed, leafCount + 1);
  t.is(trees.tasks, 2);
});

test('rows that the disk lost and changed are written again from memory; what memory has not got is hashed as it lies there', async (t) => {
  const bench = new Bench(1 << 20);
  for (const key of keys) await bench.set(key, 'v');
  await bench.pass(roundDelayMs);
  const right = await bench.root();
  const [first = Buffer.alloc(0)] = await bench.engine.getMany([rowOf(recordKey('k1'))]);
  const rows = ['k1', 'k2', 'k3'].map((key) => rowOf(recordKey(key)));
  const other = Buffer.from(first);
  other[other.length - 1] = 0x77;
  await bench.engine.write({ puts: [[rows[0] ?? other, other]], deletes: [rows[1] ?? other] }, { sync: true });
  t.deepEqual(await bench.root(), right);
  t.deepEqual(await bench.root(1), right);
  const { store } = await bench.opened;
  t.is(store.scan.rowsRewritten, 2);
  await bench.pass(roundDelayMs);
  const [k1, k2] = await bench.engine.getMany(rows);
  t.deepEqual(k1, first);
  t.truthy(k2);
  await bench.root(2);
  t.is(store.scan.rowsRewritten, 2);

  const forgetful = new Bench(1);
  for (const key of keys) await forgetful.set(key, 'v');
  for (let i = 0; i < 5; i++) await forgetful.pass(roundDelayMs);
  t.is((await forgetful.opened).store.partition(0).entries.size, 0);
  const before = await forgetful.root();
  await forgetful.engine.write({ puts: [], deletes: [rowOf(recordKey('k1'))] }, { sync: true });
  t.deepEqual(await forgetful.root(), before, 'digests are kept');
  t.notDeepEqual(await forgetful.root(1), before);
  t.deepEqual(await forgetful.root(1), await forgetful.expected());
});

test('a record with a long value is hashed where it lies, in memory or as the disk has it, to the digest of any other; none of it goes to the pool', async (t) => {
  const leaf = leafOf(Buffer.from('k7'));
  for (const cacheBytesMax of [1 << 24, 1]) {
    const bench = new Bench(cacheBytesMax);
    for (const key of keys) await bench.set(key, 'v');
    await bench.set('k7', 'long'.repeat(800_000));
    if (cacheBytesMax === 1) {
      for (let i = 0; i < 5; i++) await bench.pass(roundDelayMs);
      t.is((await bench.opened).store.partition(0).entries.size, 0);
    }
    const root = await bench.root();
    const listed = await bench.driven((await bench.trees).list(0, [leaf]));
    t.true(bench.hasher.largest < 100_000, `the pool got ${bench.hasher.largest} bytes at once`);
    const record = await bench.record('k7');
    if (record === undefined) return t.fail('it is gone');
    const row = runHashing('digest', packRecords([{ leaf, key: recordKey('k7'), record: encoded(record) }]));
    t.deepEqual(listed.find(({ key }) => key.equals(recordKey('k7')))?.digest, Buffer.from(row.subarray(1)));
    t.deepEqual(root, await bench.expected());
    t.deepEqual(root, await bench.root(3), 'read anew');
    t.is((await bench.opened).store.scan.rowsRewritten, 0);
  }
});

test('the records of some leaves are listed by digest, and only theirs', async (t) => {
  const bench = new Bench(1 << 20);
  for (const key of keys) await bench.set(key, 'v');
  const trees = await bench.trees;
  const leaves = [leafOf(Buffer.from('k1')), leafOf(Buffer.from('k2'))];
  const listed = await bench.driven(trees.list(0, leaves));
  const wanted = keys.filter((key) => leaves.includes(leafOf(Buffer.from(key))));
  t.deepEqual(
    listed.map(({ key }) => key.toString('latin1')).toSorted(),
    wanted.map((key) => recordKey(key).toString('latin1')).toSorted(),
  );
  t.deepEqual(
    listed.map(({ digest }) => digest.toString('hex')),
    listed.map(({ digest }) => digest.toString('hex')).toSorted(),
  );
});

test('what the pool fails with is what the asker gets, and the leaves stay to be hashed', async (t) => {
  const bench = new Bench(1 << 20);
  const { store } = await bench.opened;
  let broken = true;
  const direct = new DirectHasher();
  const hasher = {
    run: (...task: Parameters<DirectHasher['run']>) => (broken ? Promise.reject(new Error('no pool')) : direct.run(...task)),
  };
  const trees = new PartitionTrees({ store, hasher, partitions: () => 1 });
  await bench.set('k1', 'v');
  await t.throwsAsync(bench.driven(trees.prepare(0)), { message: 'no pool' });
  broken = false;
  const tree = await bench.driven(trees.prepare(0));
  t.deepEqual(tree.root(), await bench.expected());
});
