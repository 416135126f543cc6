/**
 * This node's Merkle trees, one for each partition that was ever compared: kept, so that only leaves that were written since are hashed again,
 * and hashed in the pool, from slices of records that are read between other things.
 */
import type { LongRecord } from '../storage/long-record.js';
import { joinRows, rowBytes, type Hasher, type HashingTask } from '../storage/merkle-hashing.js';
import { leafCount, MerkleTree } from '../storage/merkle-tree.js';
import { RecordPack, recordKeysOf } from '../storage/record-pack.js';
import type { Store } from '../storage/store.js';
import type { RepairPace } from './repair-pace.js';
import { slotsOfPartition } from './ring.js';

/** Partitions that are read and hashed at once: what bounds the memory that it takes. */
const readsAtOnce = 3;
/** Bytes of records in one task, and records, about. */
const taskBytes = 1024 * 1024;
const taskRecords = 4000;
/** Records to be listed in one go, about; and leaves. */
const listedAtOnce = 4000;
const leavesListedAtOnce = 32;
/** Tasks of one partition that the pool has not done yet. */
const tasksAhead = 4;

/** A record by its key, and its digest. */
export interface ListedRecord {
  /** Its record key. */
  readonly key: Buffer;
  readonly digest: Buffer;
}

/** Records to hash in one task. */
interface Pack {
  readonly records: number;
  readonly packed: Uint8Array<ArrayBuffer>;
  /** Those that are hashed already. */
  readonly long: readonly LongRecord[];
}

export interface PartitionTreesOptions {
  readonly store: Store;
  readonly hasher: Hasher;
  readonly partitions: () => number;
}

export class PartitionTrees {
  private readonly trees = new Map<number, MerkleTree>();
  /** By partition, the last rounds for which it was read anew, by who asked. */
  private readonly readFor = new Map<number, Map<string, number>>();
  /** Work on one partition is done in turn. */
  private readonly last = new Map<number, Promise<unknown>>();
  /** Records of a partition when all of it was hashed last, about. */
  private readonly sizes = new Map<number, number>();
  private reading = 0;
  private readonly waiting: (() => void)[] = [];
  leavesHashed = 0;
  recordsHashed = 0;
  tasks = 0;

  constructor(private readonly options: PartitionTreesOptions) {}

  /**
   * The partition's tree as of now. With a `round` other than 0 all of it is read anew from where it is stored, unless that was done for this
   * round of `asker`. Rejects with StorageError, or with what the pool failed with.
   */
  prepare(number: number, round = 0, asker = ''): Promise<MerkleTree> {
    return this.inTurn(number, async () => {
      let tree = this.trees.get(number);
      if (tree === undefined) this.trees.set(number, (tree = new MerkleTree()));
      this.options.store.partition(number).leaves = tree;
      let readFor = this.readFor.get(number);
      if (readFor === undefined) this.readFor.set(number, (readFor = new Map()));
      const anew = round !== 0 && readFor.get(asker) !== round;
      if (anew) tree.touchAll();
      const dirty = tree.takeDirty();
      if (dirty.length === 0) return tree;
      try {
        await this.hash(number, tree, dirty, anew);
      } catch (error) {
        for (const leaf of dirty) tree.touchLeaf(leaf);
        throw error;
      }
      if (anew) readFor.set(asker, round);
      return tree;
    });
  }

  /** The roots of many, back to back; where something has to be hashed, the event loop gets its turns. Rejects as prepare does. */
  async roots(numbers: readonly number[], pace: RepairPace, round = 0, asker = ''): Promise<Buffer> {
    const roots: Buffer[] = [];
    for (let at = 0; at < numbers.length; at += readsAtOnce) {
      const before = this.leavesHashed;
      const some = numbers.slice(at, at + readsAtOnce).map((number) => this.prepare(number, round, asker));
      for (const tree of await Promise.all(some)) roots.push(Buffer.from(tree.root()));
      if (this.leavesHashed !== before) await pace.breathe();
    }
    return Buffer.concat(roots);
  }

  /** The records of some leaves as they are now, by digest, ascending. Rejects as prepare does. */
  list(number: number, leaves: readonly number[]): Promise<ListedRecord[]> {
    return this.inTurn(number, async () => {
      const listed: ListedRecord[] = [];
      for await (const { packed, long } of this.packs(number, wantedOf(leaves), false)) {
        listed.push(...long);
        const keys = recordKeysOf(packed);
        const rows = await this.run('digest', packed);
        keys.forEach((key, i) => listed.push({ key, digest: Buffer.from(rows.subarray(i * rowBytes + 1, (i + 1) * rowBytes)) }));
      }
      return listed.sort((x, y) => Buffer.compare(x.digest, y.digest));
    });
  }

  /** How many leaves of a partition to list in one go: by how many records it had when all of it was hashed last. */
  listableLeaves(number: number): number {
    const perLeaf = (this.sizes.get(number) ?? 0) / leafCount;
    return Math.max(1, Math.min(leavesListedAtOnce, Math.floor(listedAtOnce / Math.max(1, perLeaf))));
  }

  private async hash(number: number, tree: MerkleTree, dirty: readonly number[], checkDisk: boolean): Promise<void> {
    const all = dirty.length === leafCount;
    const { leaves, records } = await this.leavesOf(this.packs(number, all ? undefined : wantedOf(dirty), checkDisk));
    const filled = new Map<number, Uint8Array>();
    for (let at = 0; at < leaves.length; at += rowBytes) filled.set(leaves[at] ?? 0, leaves.subarray(at + 1, at + rowBytes));
    for (const leaf of dirty) tree.setLeaf(leaf, filled.get(leaf));
    if (all) this.sizes.set(number, records);
    this.recordsHashed += records;
    this.leavesHashed += dirty.length;
  }

  /** One task where there is one pack, as nearly always. */
  private async leavesOf(packs: AsyncIterable<Pack>): Promise<{ readonly leaves: Uint8Array; readonly records: number }> {
    const rows: Promise<Uint8Array>[] = [];
    let last: Uint8Array<ArrayBuffer> | undefined;
    let count = 0;
    const digest = (packed: Uint8Array<ArrayBuffer>): void => {
      const task = this.run('digest', packed);
      task.catch(() => undefined); // it is awaited below, perhaps only after another has failed
      rows.push(task);
    };
    for await (const { packed, records, long } of packs) {
      if (long.length > 0) rows.push(Promise.resolve(joinRows(long.map(rowOfLong))));
      count += records;
      if (last !== undefined) digest(last);
      last = packed;
      if (rows.length >= tasksAhead) await rows[rows.length - tasksAhead];
    }
    if (last === undefined) return { leaves: new Uint8Array(0), records: 0 };
    if (rows.length === 0) return { leaves: await this.run('leaves', last), records: count };
    digest(last);
    return { leaves: await this.run('fold', joinRows(await Promise.all(rows))), records: count };
  }

  /** The partition's records, as many at a time as one task takes. */
  private async *packs(number: number, wanted: Uint8Array | undefined, checkDisk: boolean): AsyncGenerator<Pack> {
    const { store, partitions } = this.options;
    const slots = slotsOfPartition(number, partitions());
    const pack = new RecordPack();
    const take = (): Pack => ({ records: pack.count, long: pack.takeLong(), packed: pack.take() });
    for await (const _ of store.scan.read(store.partition(number), { ...slots, wanted, checkDisk, into: pack })) {
      if (pack.bytes >= taskBytes || pack.count >= taskRecords) yield take();
    }
    if (pack.count > 0) yield take();
  }

  private run(task: HashingTask, input: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    if (input.length === 0) return Promise.resolve(input);
    this.tasks++;
    return this.options.hasher.run(task, input);
  }

  /** One piece of work at a time on a partition, and few on all. */
  private inTurn<T>(number: number, work: () => Promise<T>): Promise<T> {
    const before = this.last.get(number) ?? Promise.resolve();
    const mine = before
      .catch(() => undefined)
      .then(async () => {
        if (this.reading < readsAtOnce) this.reading++;
        else await new Promise<void>((resolve) => this.waiting.push(resolve)); // and takes over the place of the one that ends
        try {
          return await work();
        } finally {
          const next = this.waiting.shift();
          if (next === undefined) this.reading--;
          else next();
        }
      });
    this.last.set(number, mine);
    return mine;
  }
}

function rowOfLong({ leaf, digest }: LongRecord): Uint8Array {
  return Buffer.concat([Uint8Array.of(leaf), digest]);
}

function wantedOf(leaves: readonly number[]): Uint8Array {
  const wanted = new Uint8Array(leafCount);
  for (const leaf of leaves) wanted[leaf] = 1;
  return wanted;
}
