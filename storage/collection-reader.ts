/** A living collection as one command sees it: what memory holds under what the command has staged. Where memory lacks something, the transaction is told. */
import { recordPart } from '../protocol/record-key.js';
import type { Collection } from './collection.js';
import type { Reply } from '../protocol/resp/reply.js';
import { CollectionSnapshot } from './collection-snapshot.js';
import { Chance } from './chance.js';
import type { ElementSource } from './element-source.js';
import type { CollectionView, LongShape, RandomShape, ScannedElements } from './execution.js';
import { LongElements, longElements, type LongForm } from './long-elements.js';
import { LongRandomElements } from './long-random-elements.js';
import type { LongWork } from './long-work.js';
import type { Partition } from './partition.js';
import type { CollectionType } from './collection-types.js';
import { sliceOf } from './key-order.js';
import { TableElements } from './table-elements.js';

/** The command's transaction, as far as a collection is read through it. */
export interface Reading {
  look(key: Buffer, type: CollectionType, element: Buffer | undefined): void;
  need(collection: Collection, element: Buffer | undefined): void;
  needOrder(collection: Collection): void;
  sizeOf(collection: Collection): number;
  elementAt(collection: Collection, entry: number, element: Buffer): Buffer | undefined;
  random(below: number): number;
  readonly nowMs: number;
  readonly resp: 2 | 3;
  /** Unix ms; 0 = never. Undefined when there is no such element. */
  expiryAt(collection: Collection, entry: number, element: Buffer): number | undefined;
  made<Made>(work: LongWork<Made>): Made;
  /** The command itself has changed something of the collection. */
  changes(collection: Collection): boolean;
  /** Element and value of all that it will leave living. */
  pairsOf(collection: Collection): Buffer[];
}

/** Up to so many elements are put in order for each HSCAN. */
const unorderedMost = 2048;

export class CollectionReader implements CollectionView {
  /** Of a collection that the command itself has changed, or of which some have expired: element and value one after the other. */
  protected changed: Buffer[] | undefined = undefined;
  private hasLooked = false;

  constructor(
    protected readonly transaction: Reading,
    protected readonly partition: Partition,
    protected readonly collection: Collection,
    private readonly key: Buffer,
  ) {}

  get size(): number {
    this.lookAtAll();
    return this.transaction.sizeOf(this.collection);
  }

  has(element: Buffer): boolean {
    return this.get(element) !== undefined;
  }

  get(element: Buffer): Buffer | undefined {
    const { collection, transaction } = this;
    transaction.look(this.key, collection.type, element);
    const entry = this.partition.collections.find(collection, recordPart.element, element);
    return transaction.elementAt(collection, entry, element);
  }

  get mayExpire(): boolean {
    const { collection, transaction } = this;
    return collection.soonestOfAllMs !== 0 || transaction.changes(collection);
  }

  expiryOf(element: Buffer): number | undefined {
    const { collection, transaction } = this;
    transaction.look(this.key, collection.type, element);
    const entry = this.partition.collections.find(collection, recordPart.element, element);
    return transaction.expiryAt(collection, entry, element);
  }

  pairs(): Buffer[] {
    const { collection } = this;
    const { table } = this.partition;
    if (!this.isReady()) return [];
    if (this.changed !== undefined) return [...this.changed];
    const pairs: Buffer[] = [];
    for (let at = 0; at < collection.living; at++) pairs.push(table.keyBytes(collection.at(at)), table.valueOf(collection.at(at)));
    return pairs;
  }

  elements(): Buffer[] {
    const { collection } = this;
    const { table } = this.partition;
    if (!this.isReady()) return [];
    if (this.changed !== undefined) return this.changed.filter((_, i) => i % 2 === 0);
    const elements: Buffer[] = [];
    for (let at = 0; at < collection.living; at++) elements.push(table.keyBytes(collection.at(at)));
    return elements;
  }

  long(shape: LongShape): Reply | undefined {
    const { collection, partition } = this;
    if (!this.isReady() || this.changed !== undefined || collection.living < longElements) return undefined;
    return this.longOf(new CollectionSnapshot(partition.table, collection, collection.livingEntries()), shape);
  }

  longRandom(count: number, shape: RandomShape): Reply | undefined {
    const { collection, partition, transaction } = this;
    if (Math.abs(count) < longElements) return undefined;
    if (!this.isReady()) return []; // the run does not count
    const isShort = count > 0 && collection.living < longElements;
    if (isShort || this.changed !== undefined || collection.living === 0) return undefined;
    const chance = new Chance(transaction.random(0x1_0000_0000));
    return new LongRandomElements(partition, collection, count, chance, shape, transaction.resp);
  }

  source(): ElementSource | 'loading' | 'at once' {
    if (!this.isReady()) return 'loading';
    const { changed, collection, partition } = this;
    return changed === undefined && collection.condemned.length === 0 ? new TableElements(partition, collection) : 'at once';
  }

  protected longOf(snapshot: CollectionSnapshot, form: LongForm, isReverse = false): Reply {
    return new LongElements(this.partition, this.collection, snapshot, form, this.transaction.resp, isReverse);
  }

  elementAt(at: number): Buffer {
    if (!this.isReady()) return noBytes;
    return this.changed?.[2 * at] ?? this.partition.table.keyBytes(this.collection.at(at));
  }

  valueAt(at: number): Buffer {
    if (!this.isReady()) return noBytes;
    return this.changed?.[2 * at + 1] ?? this.partition.table.valueOf(this.collection.at(at));
  }

  scan(position: number, limit: number): ScannedElements {
    const { collection, transaction } = this;
    const { table } = this.partition;
    if (!this.isReady()) return { pairs: [], next: undefined };
    if (collection.living > unorderedMost && collection.order?.isFilled !== true) {
      transaction.needOrder(collection);
      return { pairs: [], next: undefined };
    }
    const { keys, next } =
      collection.order?.slice(0, position, limit) ??
      sliceOf(
        Array.from({ length: collection.living }, (_, at) => collection.at(at)),
        (entry) => table.scanHashOf(entry),
        position,
        limit,
      );
    const living = keys.filter((entry) => collection.holds(entry) && table.isLiving(entry, transaction.nowMs));
    return { pairs: living.flatMap((entry) => [table.keyBytes(entry), table.valueOf(entry)]), next };
  }

  protected lookAtAll(): void {
    if (this.hasLooked) return;
    this.hasLooked = true;
    this.transaction.look(this.key, this.collection.type, undefined);
  }

  /** All of it is in memory. */
  protected isReady(): boolean {
    const { collection, transaction } = this;
    this.lookAtAll();
    if (!collection.whole) {
      transaction.need(collection, undefined);
      return false;
    }
    collection.usedWhole = true;
    if (this.changed === undefined && (transaction.changes(collection) || collection.hasExpired(transaction.nowMs)))
      this.changed = transaction.pairsOf(collection);
    return true;
  }
}

const noBytes: Buffer = Buffer.alloc(0);
