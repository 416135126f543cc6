/**
 * What one command sees of a partition: objects in memory under what it has staged itself. What memory lacks is noted (`needs`), and the command runs again once that is
 * there; what a read looked at is noted for the versions that replicas compare (`looks`).
 */
import { compareRanked, type Dot } from '../protocol/dot.js';
import { ErrorReply, StoredValue, type Reply } from '../protocol/resp/reply.js';
import { emptyClock, type VectorClock, type VersionedRecord } from '../protocol/record.js';
import { recordPart } from '../protocol/record-key.js';
import { Chance } from './chance.js';
import type { Collection } from './collection.js';
import { CollectionReader } from './collection-reader.js';
import { collectionTypes, type CollectionType } from './collection-types.js';
import { CombinationWalk } from './combination-walk.js';
import type { Scoring } from './combined-scores.js';
import {
  CommandError,
  type CollectionName,
  type CollectionView,
  type ScannedSlot,
  type SetOperation,
  type SortedView,
  type StringObject,
  type TypeName,
  type ValueLimits,
} from './execution.js';
import { noEntry } from './key-table.js';
import { ListReader } from './list-reader.js';
import { latestDotOf, latestOf, latestOfRecord } from './latest.js';
import { LongCombination } from './long-combination.js';
import { LongMembers } from './long-members.js';
import { LongScoredCombination } from './long-scored-combination.js';
import { longSources } from './long-sources.js';
import type { LongWork } from './long-work.js';
import { mergeRecords, underCut } from './merge.js';
import type { Partition } from './partition.js';
import { SortedReader } from './sorted-reader.js';
import { StreamReader, type ElementRange } from './stream-reader.js';
import { shownValue } from './shown-value.js';
import { SlotListing } from './slot-listing.js';
import { StagedSizes } from './staged-sizes.js';
import { StagedWrites, type Staged } from './staged-writes.js';

const wrongType = new ErrorReply('WRONGTYPE Operation against a key holding the wrong kind of value');
/** Nobody sees it. */
const notMade = new ErrorReply('ERR the value is still being made');
const noLooks: readonly Look[] = [];
const noneStaged: readonly Staged[] = [];

/** What a command lacks: an element of a collection, or, without one, all of it, or that its elements are put in order. */
export interface Need {
  readonly collection: Collection;
  readonly element: Buffer | undefined;
  readonly order: boolean;
  /** Only these. */
  readonly range?: ElementRange;
  /** Only the rows of those that came without. */
  readonly rows?: boolean;
}

/** What a read has looked at: an element, or, without one, the whole of a collection. */
export interface Look {
  readonly key: Buffer;
  readonly type: CollectionType;
  readonly element: Buffer | undefined;
}

/** Up to so many looks are searched one by one for those at a key. */
const searchedLooksMost = 16;
/** Elements that are looked at to tell what a collection takes in memory. */
const sampledMost = 1000;

/** One command's reading of a partition. One instance serves all commands of a node, one after the other (transaction.ts). */
export abstract class TransactionReads {
  nowMs = 0;
  resp: 2 | 3 = 2;
  readonly writes = new StagedWrites();
  /** What the command needs and memory has not: its run does not count. */
  needs: Need[] = [];
  /** What has to be made before the command can run: its run does not count. */
  lacking: LongWork<unknown> | undefined = undefined;
  /** What an earlier run of the command lacked. */
  prepared: LongWork<unknown> | undefined = undefined;
  /** What the command looked at of collections. */
  looks: readonly Look[] = noLooks;
  /** The same by key, by identity of its Buffer, once somebody asked for it. */
  private looksByKey: Map<Buffer, Look[]> | undefined = undefined;
  /** Elements of collections that are staged, as far as they were looked at: the first `groupedCount` writes. */
  private readonly stagedElements = new Map<Collection, Staged[]>();
  private groupedCount = 0;
  /** The last key that was looked up, by identity of its Buffer: a command asks for the same one several times. */
  private lastKey: Buffer | undefined;
  protected lastEntry = noEntry;
  /** Sizes of collections that the batch changes. */
  protected readonly sizes = new StagedSizes();
  /** Collections that the batch deletes, and what that covers. */
  protected readonly cleared = new Map<Collection, VectorClock>();
  private current: Partition | undefined;
  private slotListing: SlotListing | undefined;
  private readonly stored = new StoredValue();
  /** Of the random numbers; undefined = none was drawn. */
  private chance: Chance | undefined = undefined;

  /** `limits` are read each time. */
  constructor(private readonly limits: ValueLimits) {}

  protected beginReading(partition: Partition, nowMs: number, resp: 2 | 3): void {
    this.current = partition;
    this.nowMs = nowMs;
    this.resp = resp;
    this.slotListing = undefined;
    this.lastKey = undefined;
    if (this.looks.length > 0) this.looks = noLooks;
    this.looksByKey = undefined;
  }

  /** Nothing is staged any more. */
  protected forgetStaged(): void {
    this.writes.clear();
    this.groupedCount = 0;
    if (this.stagedElements.size > 0) this.stagedElements.clear();
  }

  get stringBytesMax(): number {
    return this.limits.stringBytesMax;
  }

  get sparseBytesMax(): number {
    return this.limits.sparseBytesMax;
  }

  get partition(): number {
    return this.here.number;
  }

  /** The partition that it runs on, or has just run on. */
  get partitionHere(): Partition {
    return this.here;
  }

  string(key: Buffer): StringObject | undefined {
    const entry = this.entryOf(key);
    if (this.hasParts(entry) && this.shownOf(entry, key) instanceof Object) throw new CommandError(wrongType);
    return this.stringAt(entry);
  }

  value(key: Buffer): StoredValue | Buffer | null {
    const entry = this.entryOf(key);
    const { table } = this.here;
    if (this.writes.count > 0 || this.hasParts(entry)) return this.string(key)?.bytes ?? null;
    if (entry === noEntry || !table.isLiving(entry, this.nowMs)) return null;
    const { stored } = this;
    stored.memory = table.valuePageOf(entry);
    stored.at = table.valueAt(entry);
    stored.length = table.valueLengthOf(entry);
    stored.isShared = table.isLarge(entry);
    return stored;
  }

  made<Made>(work: LongWork<Made>): Made {
    if (!work.isLong) return work.take();
    const { prepared } = this;
    if (this.needs.length > 0) work.abandon();
    else if (prepared === undefined) this.lacking = work;
    else if (work.isSame(prepared)) {
      work.abandon();
      return prepared.take();
    } else return work.take(); // once is enough: what changes again and again, by coordinators on another side, would never be made
    throw new CommandError(notMade);
  }

  longCombination(operation: SetOperation, collections: readonly CollectionView[], limit: number, isCount: boolean): Reply | undefined {
    const sources = longSources(operation, collections, false);
    return sources && new LongCombination(new CombinationWalk(operation, sources, limit), isCount, this.resp);
  }

  longScoredCombination(
    operation: SetOperation,
    collections: readonly CollectionView[],
    scoring: Scoring,
    withScores: boolean,
  ): Reply | undefined {
    const sources = longSources(operation, collections, true);
    const walk = sources && new CombinationWalk(operation, sources, Infinity, scoring);
    return walk && new LongScoredCombination(walk, sources, withScores, this.resp);
  }

  longMembers(operation: SetOperation, collections: readonly CollectionView[], scoring?: Scoring): LongMembers | undefined {
    const sources = longSources(operation, collections, scoring !== undefined);
    return sources && new LongMembers(operation, sources, scoring);
  }

  collection(key: Buffer, name: CollectionName): CollectionView | undefined {
    const shown = this.shownAs(collectionTypes[name], key);
    return shown === undefined ? undefined : new CollectionReader(this, this.here, shown, key);
  }

  sorted(key: Buffer): SortedView | undefined {
    const shown = this.shownAs(collectionTypes.zset, key);
    return shown === undefined ? undefined : new SortedReader(this, this.here, shown, key);
  }

  list(key: Buffer): ListReader | undefined {
    const shown = this.shownAs(collectionTypes.list, key);
    return shown === undefined ? undefined : new ListReader(this, this.here, shown, key);
  }

  stream(key: Buffer): StreamReader | undefined {
    const shown = this.shownAs(collectionTypes.stream, key);
    return shown === undefined ? undefined : new StreamReader(this, this.here, shown, key);
  }

  protected shownAs(type: CollectionType, key: Buffer): Collection | undefined {
    const entry = this.entryOf(key);
    const shown = entry === noEntry ? undefined : this.shownOf(entry, key);
    if (shown === undefined) {
      this.look(key, type, undefined);
      return undefined;
    }
    if (shown === 'string' || shown.type !== type) throw new CommandError(wrongType);
    return shown;
  }

  typeOf(key: Buffer): TypeName | undefined {
    const entry = this.entryOf(key);
    if (!this.hasParts(entry)) return this.isLiving(entry) ? 'string' : undefined;
    const shown = this.shownOf(entry, key);
    return shown instanceof Object ? shown.type.name : shown;
  }

  expiryOf(key: Buffer): number | undefined {
    const entry = this.entryOf(key);
    if (this.hasParts(entry)) {
      const shown = this.shownOf(entry, key);
      if (shown !== 'string') return shown === undefined ? undefined : this.expiryOfCollection(shown);
    }
    const staged = this.writes.of(entry);
    if (staged !== undefined) return this.livingStaged(staged)?.expiresAtMs;
    return this.isLiving(entry) ? this.here.table.expiresOf(entry) : undefined;
  }

  /** The entry of `key`, whatever it holds; noEntry when memory has none. */
  entryOf(key: Buffer): number {
    if (this.lastKey !== key) {
      this.lastKey = key;
      this.lastEntry = this.here.find(key);
    }
    return this.lastEntry;
  }

  /** Bytes that the key takes in memory, its elements included. */
  bytesOf(key: Buffer): number {
    const entry = this.entryOf(key);
    if (entry === noEntry) return 0;
    const { table, collections } = this.here;
    let bytes = table.byteSizeOf(entry);
    for (const collection of collections.of(entry)) {
      bytes += collection.byteSize;
      if (!collection.whole) this.need(collection, undefined);
      // Of a large one some, evenly apart, stand for all.
      const step = Math.max(1, Math.floor(collection.size / sampledMost));
      let [sampled, sampledBytes] = [0, 0];
      for (let at = 0; at < collection.size; at += step, sampled++) sampledBytes += table.byteSizeOf(collection.at(at));
      if (sampled > 0) bytes += Math.round((sampledBytes / sampled) * collection.size);
    }
    return bytes;
  }

  /** From the key table's seed on. */
  random(below: number): number {
    this.chance ??= new Chance(this.here.table.seed);
    return this.chance.below(below);
  }

  /** Notes what the command lacks; what it does from here on will be done again. */
  need(collection: Collection, element: Buffer | undefined): void {
    this.needs.push({ collection, element, order: false });
  }

  /** The same where an order of its elements is lacking: of HSCAN, or the one of its type. */
  needOrder(collection: Collection): void {
    this.needs.push({ collection, element: undefined, order: true });
  }

  /** The same where some of its elements are lacking. */
  needRange(collection: Collection, range: ElementRange): void {
    this.needs.push({ collection, element: undefined, order: false, range });
  }

  /** Notes what a read has looked at. */
  look(key: Buffer, type: CollectionType, element: Buffer | undefined): void {
    if (this.looks === noLooks) this.looks = [];
    (this.looks as Look[]).push({ key, type, element });
    this.looksByKey = undefined;
  }

  /** What the command looked at of the collections at a key, the Buffer that it named it by. */
  looksAt(key: Buffer): readonly Look[] {
    const { looks } = this;
    if (looks.length <= searchedLooksMost) return looks.filter((look) => look.key === key);
    if (this.looksByKey === undefined) {
      this.looksByKey = new Map();
      for (const look of looks) {
        const others = this.looksByKey.get(look.key);
        if (others === undefined) this.looksByKey.set(look.key, [look]);
        else others.push(look);
      }
    }
    return this.looksByKey.get(key) ?? noLooks;
  }

  /** Living elements as the batch will leave them. */
  sizeOf(collection: Collection): number {
    const changed = this.sizes.get(collection);
    if (changed !== undefined) return changed;
    if (!collection.isCounted()) {
      if (!collection.counted) this.need(collection, undefined);
      else if (!this.needs.some((need) => need.rows === true && need.collection === collection))
        this.needs.push({ collection, element: undefined, order: false, rows: true });
    }
    // How many have expired among those that are on disk nobody knows before they were read.
    if (collection.mayHaveExpiredElsewhere(this.nowMs)) this.need(collection, undefined);
    return collection.count - collection.expiredCount(this.nowMs);
  }

  /** The element's value as the batch will leave it. `entry` may be noEntry. */
  elementAt(collection: Collection, entry: number, element: Buffer): Buffer | undefined {
    if (!this.hasElementAt(collection, entry, element)) return undefined;
    const staged = this.writes.of(entry);
    return staged === undefined ? this.here.table.valueOf(entry) : this.livingStaged(staged)?.bytes;
  }

  /** Whether the batch will leave the element there; `entry` may be noEntry. */
  protected hasElementAt(collection: Collection, entry: number, element: Buffer): boolean {
    const staged = this.writes.of(entry);
    if (staged !== undefined) return this.livingStaged(staged) !== undefined;
    if (this.cleared.has(collection)) return false;
    const { table } = this.here;
    const isKnown = entry === noEntry ? collection.hasAllOf(element) : table.isComplete(entry);
    if (!isKnown) this.need(collection, element);
    return entry !== noEntry && table.isLiving(entry, this.nowMs);
  }

  /** When the element expires, as the batch will leave it, Unix ms, 0 = never; undefined where elementAt is. */
  expiryAt(collection: Collection, entry: number, element: Buffer): number | undefined {
    if (!this.hasElementAt(collection, entry, element)) return undefined;
    const staged = this.writes.of(entry);
    return staged === undefined ? this.here.table.expiresOf(entry) : this.livingStaged(staged)?.expiresAtMs;
  }

  /** The latest write among what the entry shows, as the batch will leave it. */
  dotAt(entry: number): Dot {
    if (this.writes.of(entry) === undefined) return latestDotOf(this.here.table, entry);
    const latest = latestOfRecord(this.recordOf(entry));
    if (latest === undefined) throw new Error('an element that is not there has no latest write');
    return latest;
  }

  /** The batch changes something of the collection. */
  changes(collection: Collection): boolean {
    if (this.writes.count === 0) return this.cleared.has(collection);
    return this.cleared.has(collection) || this.sizes.has(collection) || this.stagedOf(collection).length > 0;
  }

  /** What is staged of the collection's elements. Each write is looked at once, however many collections are asked for. */
  protected stagedOf(collection: Collection): readonly Staged[] {
    const { places, count } = this.writes;
    for (; this.groupedCount < count; this.groupedCount++) {
      const staged = places[this.groupedCount] as Staged;
      if (staged.part !== recordPart.element) continue;
      const its = this.here.collections.ofPart(staged.entry);
      const others = this.stagedElements.get(its);
      if (others === undefined) this.stagedElements.set(its, [staged]);
      else others.push(staged);
    }
    return this.stagedElements.get(collection) ?? noneStaged;
  }

  /** Element and value of all that the batch will leave living of a collection that it changes. */
  pairsOf(collection: Collection): Buffer[] {
    const { table } = this.here;
    const pairs: Buffer[] = [];
    if (!this.cleared.has(collection)) {
      for (let at = 0; at < collection.living; at++) {
        const entry = collection.at(at);
        if (this.writes.of(entry) === undefined && table.isLiving(entry, this.nowMs))
          pairs.push(table.keyBytes(entry), table.valueOf(entry));
      }
    }
    for (const staged of this.stagedOf(collection)) {
      const value = this.livingStaged(staged)?.bytes;
      if (value !== undefined) pairs.push(table.keyBytes(staged.entry), Buffer.from(value));
    }
    return pairs;
  }

  keyCount(): number {
    return this.here.aliveEntries;
  }

  keysInSlot(slot: number, limit: number, after?: Buffer): readonly Buffer[] {
    return this.listing.keysInSlot(slot, limit, after);
  }

  scanSlot(slot: number, position: number, limit: number): ScannedSlot {
    return this.listing.scanSlot(slot, position, limit);
  }

  private get listing(): SlotListing {
    return (this.slotListing ??= new SlotListing(this.here, this.nowMs));
  }

  protected get here(): Partition {
    if (this.current === undefined) throw new Error('a transaction is used before begin()');
    return this.current;
  }

  protected isLiving(entry: number): boolean {
    const staged = this.writes.of(entry);
    if (staged !== undefined) return this.livingStaged(staged) !== undefined;
    return entry !== noEntry && this.here.table.isLiving(entry, this.nowMs);
  }

  protected hasParts(entry: number): boolean {
    return entry !== noEntry && this.here.table.hasParts(entry);
  }

  private stringAt(entry: number): StringObject | undefined {
    const staged = this.writes.of(entry);
    if (staged !== undefined) return this.livingStaged(staged);
    const { table } = this.here;
    if (entry === noEntry || !table.isLiving(entry, this.nowMs)) return undefined;
    return { bytes: table.valueOf(entry), expiresAtMs: table.expiresOf(entry) };
  }

  /** What of all that lives at a key is seen: of several types the one with the latest value. */
  protected shownOf(entry: number, key: Buffer): 'string' | Collection | undefined {
    const hasString = this.isLiving(entry);
    const { collections } = this.here;
    let shown: Collection | undefined;
    let others = 0;
    for (const collection of collections.of(entry)) {
      if (this.hasExpired(collection) || this.sizeOf(collection) === 0) continue;
      if (shown !== undefined) others++;
      shown = collection;
    }
    if (shown === undefined) return hasString ? 'string' : undefined;
    return hasString || others > 0 ? this.latestAt(entry, key) : shown;
  }

  /** The record as the batch will leave it. */
  protected abstract recordOf(entry: number): VersionedRecord | undefined;

  private latestAt(entry: number, key: Buffer): 'string' | Collection | undefined {
    const { table, collections } = this.here;
    let best = this.isLiving(entry) ? latestOfRecord(this.recordOf(entry)) : undefined;
    let shown: 'string' | Collection | undefined = best === undefined ? undefined : 'string';
    for (const collection of collections.of(entry)) {
      if (this.hasExpired(collection) || this.sizeOf(collection) === 0) continue;
      this.look(key, collection.type, undefined);
      if (!collection.whole) this.need(collection, undefined);
      const latest = latestOf(table, collection);
      if (latest === undefined || (best !== undefined && compareRanked(latest, best) <= 0)) continue;
      best = latest;
      shown = collection;
    }
    return shown;
  }

  protected hasExpired(collection: Collection): boolean {
    const expiresAtMs = this.expiryOfCollection(collection);
    return expiresAtMs !== 0 && expiresAtMs <= this.nowMs;
  }

  private expiryOfCollection(collection: Collection): number {
    const staged = this.writes.of(collection.expiry);
    if (staged !== undefined) return staged.record === undefined ? staged.expiresAtMs : (shownValue(staged.record)?.expiresAtMs ?? 0);
    return this.cleared.has(collection) ? 0 : collection.expiresAtMs;
  }

  /** The string as it will be, if it is living. */
  protected livingStaged({ entry, record, bytes, expiresAtMs, deletes }: Staged): StringObject | undefined {
    if (deletes) return undefined;
    const shown = record === undefined ? { bytes, expiresAtMs } : shownValue(this.merged(entry, record));
    return shown === undefined || (shown.expiresAtMs !== 0 && shown.expiresAtMs <= this.nowMs) ? undefined : shown;
  }

  /** What the record will be: an increment leaves other actors' sums to the record that it is merged with. */
  protected merged(entry: number, record: VersionedRecord): VersionedRecord {
    const old = this.tableRecord(entry);
    return old === undefined ? record : mergeRecords(old, record);
  }

  /** The record in memory, as far as the batch has not deleted it with its collection. */
  protected tableRecord(entry: number): VersionedRecord | undefined {
    const { table, collections } = this.here;
    const record = table.recordOf(entry);
    if (record === undefined || this.cleared.size === 0 || table.kindOf(entry) === 0) return record;
    const left = underCut(record, this.cleared.get(collections.ofPart(entry)) ?? emptyClock);
    return left.versions.length === 0 && left.context.size === 0 ? undefined : left;
  }
}
