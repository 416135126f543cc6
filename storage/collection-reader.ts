/** A living collection as one command sees it: what memory holds under what the command has staged. Where memory lacks something, the transaction is told. */
import { recordPart } from '../protocol/record-key.js';
import type { Collection } from './collection.js';
import type { Reply } from '../protocol/resp/reply.js';
import { CollectionSnapshot } from './collection-snapshot.js';
import { Chance } from './chance.js';
import type { ElementSource } from './element-source.js';
import type { EntryRow } from './entry-row.js';
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
  /** Of a collection that the command itself has changed: element and value one after the other. */
  protected changed: Buffer[] | undefined = undefined;
  /** Of another one of which some have expired: the entries of the rest, once they were asked for. */
  private rest: EntryRow | undefined = undefined;
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
    const { table } = this.partition;
    if (!this.isReady()) return [];
    if (this.changed !== undefined) return [...this.changed];
    const pairs: Buffer[] = [];
    this.forEachEntry((entry) => pairs.push(table.keyBytes(entry), table.valueOf(entry)));
    return pairs;
  }

  elements(): Buffer[] {
    const { table } = this.partition;
    if (!this.isReady()) return [];
    if (this.changed !== undefined) return this.changed.filter((_, i) => i % 2 === 0);
    const elements: Buffer[] = [];
    this.forEachEntry((entry) => elements.push(table.keyBytes(entry)));
    return elements;
  }

  long(shape: LongShape): Reply | undefined {
    const { collection, partition, transaction } = this;
    if (!this.isReady() || this.changed !== undefined || this.count < longElements) return undefined;
    const entries = collection.unexpiredEntries(transaction.nowMs);
    return this.longOf(new CollectionSnapshot(partition.table, collection, entries), shape);
  }

  longRandom(count: number, shape: RandomShape): Reply | undefined {
    const { collection, partition, transaction } = this;
    if (Math.abs(count) < longElements) return undefined;
    if (!this.isReady()) return []; // the run does not count
    const isShort = count > 0 && this.count < longElements;
    if (isShort || this.changed !== undefined || this.count === 0) return undefined;
    const chance = new Chance(transaction.random(0x1_0000_0000));
    const entries = collection.unexpiredEntries(transaction.nowMs);
    return new LongRandomElements(partition, collection, entries, count, chance, shape, transaction.resp);
  }

  source(): ElementSource | 'loading' | 'at once' {
    if (!this.isReady()) return 'loading';
    const { changed, collection, partition, transaction } = this;
    const isAsInMemory = changed === undefined && collection.condemned.length === 0 && !collection.hasExpired(transaction.nowMs);
    return isAsInMemory ? new TableElements(partition, collection) : 'at once';
  }

  protected longOf(snapshot: CollectionSnapshot, form: LongForm, isReverse = false): Reply {
    return new LongElements(this.partition, this.collection, snapshot, form, this.transaction.resp, isReverse);
  }

  elementAt(at: number): Buffer {
    if (!this.isReady()) return noBytes;
    return this.changed?.[2 * at] ?? this.partition.table.keyBytes(this.entryAt(at));
  }

  valueAt(at: number): Buffer {
    if (!this.isReady()) return noBytes;
    return this.changed?.[2 * at + 1] ?? this.partition.table.valueOf(this.entryAt(at));
  }

  /** How many there are of a collection that is ready, and that the command has not changed. */
  private get count(): number {
    const { collection, transaction } = this;
    return collection.living - collection.expiredCount(transaction.nowMs);
  }

  /** Those that `count` counts, each with its place among them. */
  private entryAt(at: number): number {
    const { collection, transaction } = this;
    if (!collection.hasExpired(transaction.nowMs)) return collection.at(at);
    return (this.rest ??= collection.unexpiredEntries(transaction.nowMs)).at(at);
  }

  private forEachEntry(take: (entry: number) => void): void {
    const { collection, transaction } = this;
    const { table } = this.partition;
    for (let at = 0; at < collection.living; at++) {
      const entry = collection.at(at);
      if (table.isLiving(entry, transaction.nowMs)) take(entry);
    }
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
    if (this.changed === undefined && transaction.changes(collection)) this.changed = transaction.pairsOf(collection);
    return true;
  }
}

const noBytes: Buffer = Buffer.alloc(0);
