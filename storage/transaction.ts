/**
 * One command's run over a partition: reads objects from memory, stages records, and hands them over as one batch or drops them.
 * One instance serves all commands of a node, one after the other, so that a run allocates nothing of its own.
 */
import { compareRanked, type Dot } from '../protocol/dot.js';
import { ErrorReply, StoredValue } from '../protocol/resp/reply.js';
import { emptyClock, versionKind, type VectorClock, type VersionedRecord } from '../protocol/record.js';
import { recordPart, recordType } from '../protocol/record-key.js';
import { slotOf } from '../protocol/slot.js';
import type { Collection } from './collection.js';
import { CollectionReader } from './collection-reader.js';
import { collectionTypes, type CollectionType } from './collection-types.js';
import {
  CommandError,
  type CollectionName,
  type CollectionView,
  type Execution,
  type ScannedSlot,
  type SortedView,
  type StringObject,
  type TypeName,
  type ValueLimits,
} from './execution.js';
import { noEntry } from './key-table.js';
import { ListReader } from './list-reader.js';
import { insertIntoList, removeFromList, replaceInList, rotateList, type IndexRange, type ListWriting } from './list-writer.js';
import type { Side } from './list-position.js';
import { latestOf, latestOfRecord } from './latest.js';
import { cutOf, deleting, deletingAll, emptyRecord, mergeRecords, recordCovers, replacing, underCut, withoutVersions } from './merge.js';
import type { Partition } from './partition.js';
import { SortedReader } from './sorted-reader.js';
import { StreamReader, type ElementRange } from './stream-reader.js';
import { coversClock, covers } from './vector-clock.js';
import { scoreIncremented } from './score-value.js';
import { shownValue } from './shown-value.js';
import { SlotListing } from './slot-listing.js';
import { StagedWrites, type Staged } from './staged-writes.js';
import { incremented, withExpiry } from './string-value.js';

const notAnInteger = new ErrorReply('ERR value is not an integer or out of range');
const overflow = new ErrorReply('ERR increment or decrement would overflow');
const wrongType = new ErrorReply('WRONGTYPE Operation against a key holding the wrong kind of value');
const noBytes: Buffer = Buffer.alloc(0);
const noLooks: readonly Look[] = [];
/** What a command lacks: an element of a collection, or, without one, all of it, or that its elements are put in order. */
export interface Need {
  readonly collection: Collection;
  readonly element: Buffer | undefined;
  readonly order: boolean;
  /** Only these. */
  readonly range?: ElementRange;
}

/** What a read has looked at: an element, or, without one, the whole of a collection. */
export interface Look {
  readonly key: Buffer;
  readonly type: CollectionType;
  readonly element: Buffer | undefined;
}

/** Elements that are looked at to tell what a collection takes in memory. */
const sampledMost = 1000;

export class Transaction implements Execution, ListWriting {
  nowMs = 0;
  resp: 2 | 3 = 2;
  readonly writes = new StagedWrites();
  private current: Partition | undefined;
  private dot: Dot | undefined;
  private term = 0;
  /** What its deletions say: its term, or 0 where others may take writes at the same time. */
  private deletionTerm = 0;
  private slotListing: SlotListing | undefined;
  /** The last key that was looked up, by identity of its Buffer: a command asks for the same one several times. */
  private lastKey: Buffer | undefined;
  private lastEntry = noEntry;
  private readonly stored = new StoredValue();
  /** What the command needs and memory has not: its run does not count. */
  needs: Need[] = [];
  /** What the command looked at of collections. */
  looks: readonly Look[] = noLooks;
  /** Of the random numbers; 0 = none was drawn. */
  private chance = 0;
  /** Sizes of collections that the batch changes. */
  private readonly sizes = new Map<Collection, number>();
  /** Collections that the batch deletes, and what that covers. */
  private readonly cleared = new Map<Collection, VectorClock>();

  /** `nextDot` issues the batch's dot when the first record is staged. `limits` are read each time. */
  constructor(
    private readonly nextDot: () => Dot,
    private readonly limits: ValueLimits = { stringBytesMax: Infinity, sparseBytesMax: Infinity },
  ) {}

  get stringBytesMax(): number {
    return this.limits.stringBytesMax;
  }

  get sparseBytesMax(): number {
    return this.limits.sparseBytesMax;
  }

  /** With `ordersDeletions` what the command deletes of values stays deleted whatever coordinators of older terms write. */
  begin(partition: Partition, term: number, nowMs: number, resp: 2 | 3, ordersDeletions = false): void {
    this.current = partition;
    this.term = term;
    this.deletionTerm = ordersDeletions ? term : 0;
    this.nowMs = nowMs;
    this.resp = resp;
    this.discard();
    this.slotListing = undefined;
    this.lastKey = undefined;
    if (this.looks.length > 0) this.looks = noLooks;
  }

  /** Drops what was staged. */
  discard(): void {
    this.dot = undefined;
    if (this.needs.length > 0) this.needs = [];
    if (this.sizes.size > 0) this.sizes.clear();
    if (this.cleared.size > 0) this.cleared.clear();
    this.writes.clear();
  }

  /** The dot of what was staged; undefined when nothing was. */
  get batchDot(): Dot | undefined {
    return this.writes.count === 0 ? undefined : this.dot;
  }

  /** About how many bytes of keys and values the batch will carry. */
  get stagedBytes(): number {
    let sum = 0;
    for (let i = 0; i < this.writes.count; i++) {
      const { key, element, bytes, record } = this.writes.places[i] as Staged;
      sum += key.length + element.length + 64;
      if (record === undefined) sum += bytes.length;
      else for (const version of record.versions) sum += version.kind === versionKind.plain ? version.bytes.length : 64;
    }
    return sum;
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
    stored.memory = table.pageOf(entry);
    stored.at = table.valueAt(entry);
    stored.length = table.valueLengthOf(entry);
    stored.isShared = table.isLarge(entry);
    return stored;
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

  private shownAs(type: CollectionType, key: Buffer): Collection | undefined {
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

  setString(key: Buffer, bytes: Buffer, expiresAtMs: number): void {
    const entry = this.entryFor(key);
    if (this.hasParts(entry)) this.clearAll(entry, key);
    this.stagePlain(entry, key, recordType.string, recordPart.value, noBytes, bytes, expiresAtMs);
  }

  increment(key: Buffer, by: bigint): bigint {
    const entry = this.entryFor(key);
    if (this.hasParts(entry)) {
      if (this.shownOf(entry, key) instanceof Object) throw new CommandError(wrongType);
      this.clearAll(entry, key);
    }
    const dot = this.newDot();
    const old = this.recordOf(entry);
    const hasExpired = old !== undefined && !this.isLiving(entry);
    const result = incremented(hasExpired ? withoutVersions(old) : old, dot, this.term, by);
    if (result === 'not-an-integer') throw new CommandError(notAnInteger);
    if (result === 'overflow') throw new CommandError(overflow);
    this.stage(entry, key).record = result.record;
    return result.value;
  }

  setElement(key: Buffer, name: CollectionName, element: Buffer, bytes: Buffer, expiresAtMs = 0): boolean {
    const type = collectionTypes[name];
    const collection = this.writable(key, type);
    const entry = this.here.collections.findOrInsert(collection, recordPart.element, element);
    const isNew = !this.hasElementAt(collection, entry, element);
    if (isNew) this.grown(collection, key);
    this.stagePlain(entry, key, type.byte, recordPart.element, element, bytes, expiresAtMs);
    return isNew;
  }

  setElementExpiry(key: Buffer, name: CollectionName, element: Buffer, expiresAtMs: number): boolean {
    const type = collectionTypes[name];
    const shown = this.shownAs(type, key);
    if (shown === undefined) return false;
    const entry = this.here.collections.find(shown, recordPart.element, element);
    if (this.elementAt(shown, entry, element) === undefined) return false;
    const record = this.recordOf(entry);
    const changed = record === undefined ? undefined : withExpiry(record, this.newDot(), this.term, expiresAtMs);
    if (changed === undefined) return false;
    this.clearOthers(this.entryOf(key), key, shown);
    this.stagePart(entry, key, type.byte, recordPart.element, element).record = changed;
    return true;
  }

  incrementElement(key: Buffer, name: CollectionName, element: Buffer, by: bigint): bigint | 'not-an-integer' | 'overflow' {
    const type = collectionTypes[name];
    const collection = this.writable(key, type);
    const entry = this.here.collections.findOrInsert(collection, recordPart.element, element);
    const isNew = !this.hasElementAt(collection, entry, element);
    const old = this.recordOf(entry);
    const result = incremented(isNew && old !== undefined ? withoutVersions(old) : old, this.newDot(), this.term, by);
    if (typeof result === 'string') return result;
    if (isNew) this.grown(collection, key);
    this.stagePart(entry, key, type.byte, recordPart.element, element).record = result.record;
    return result.value;
  }

  incrementScore(key: Buffer, member: Buffer, by: number): number | 'not-a-number' {
    const type = collectionTypes.zset;
    const collection = this.writable(key, type);
    const entry = this.here.collections.findOrInsert(collection, recordPart.element, member);
    const isNew = !this.hasElementAt(collection, entry, member);
    const result = scoreIncremented(this.recordOf(entry), this.newDot(), this.term, by);
    if (result === 'not-a-number') return result;
    if (isNew) this.grown(collection, key);
    if (result.record !== undefined) this.stagePart(entry, key, type.byte, recordPart.element, member).record = result.record;
    return result.score;
  }

  removeElement(key: Buffer, name: CollectionName, element: Buffer): boolean {
    const type = collectionTypes[name];
    const owner = this.entryOf(key);
    const shown = owner === noEntry ? undefined : this.shownOf(owner, key);
    if (shown === undefined) return false;
    if (shown === 'string' || shown.type !== type) throw new CommandError(wrongType);
    const entry = this.here.collections.find(shown, recordPart.element, element);
    if (!this.hasElementAt(shown, entry, element)) return false;
    this.clearOthers(owner, key, shown);
    const record = deleting(this.tableRecord(entry), this.newDot(), type.hasValues ? this.deletionTerm : 0);
    this.stagePart(entry, key, type.byte, recordPart.element, element).record = record;
    const size = this.sizeOf(shown) - 1;
    this.sizes.set(shown, size);
    if (size === 0) this.dropExpiry(shown, key);
    return true;
  }

  insertIntoList(key: Buffer, at: number, values: readonly Buffer[], near: Side): void {
    insertIntoList(this, key, at, values, near);
  }

  replaceInList(key: Buffer, at: number, value: Buffer): void {
    replaceInList(this, key, at, value);
  }

  removeFromList(key: Buffer, ranges: readonly IndexRange[]): void {
    removeFromList(this, key, ranges);
  }

  rotateList(key: Buffer, from: Side): void {
    rotateList(this, key, from);
  }

  /** False: there may be elements that memory lacks, which are asked for. */
  knowsAllOfList(key: Buffer): boolean {
    const owner = this.entryOf(key);
    const collection = owner === noEntry ? undefined : this.here.collections.get(owner, collectionTypes.list);
    if (collection === undefined || collection.whole || this.cleared.has(collection)) return true;
    this.need(collection, undefined);
    return false;
  }

  get writtenDot(): Dot {
    return this.newDot();
  }

  setExpiry(key: Buffer, expiresAtMs: number): boolean {
    const entry = this.entryOf(key);
    if (this.hasParts(entry)) {
      const shown = this.shownOf(entry, key);
      if (shown === undefined) return false;
      this.clearOthers(entry, key, shown);
      if (shown !== 'string') {
        this.stageExpiry(shown, key, expiresAtMs);
        return true;
      }
    }
    if (!this.isLiving(entry)) return false;
    const record = this.recordOf(entry);
    if (record === undefined) return false;
    const changed = withExpiry(record, this.newDot(), this.term, expiresAtMs);
    if (changed === undefined) return false;
    this.stage(entry, key).record = changed;
    return true;
  }

  delete(key: Buffer): boolean {
    const entry = this.entryOf(key);
    if (this.hasParts(entry)) {
      if (this.shownOf(entry, key) === undefined) return false;
      this.clearAll(entry, key);
      if (this.mayHaveString(entry)) this.remove(entry, key);
      return true;
    }
    if (!this.isLiving(entry)) return false;
    this.remove(entry, key);
    return true;
  }

  /** Deletes the string at `entry`, living or expired. */
  private remove(entry: number, key: Buffer): void {
    this.stage(entry, key).record = deleting(this.here.table.recordOf(entry), this.newDot(), this.deletionTerm);
  }

  /** Deletes what has expired at `key`: the sweeper's. */
  removeExpired(key: Buffer): boolean {
    const entry = this.entryOf(key);
    if (entry === noEntry) return false;
    const { table, collections } = this.here;
    let removed = false;
    if (table.isAlive(entry) && !table.isLiving(entry, this.nowMs)) {
      this.remove(entry, key);
      removed = true;
    }
    for (const collection of collections.of(entry)) {
      if (!this.hasExpired(collection) || !collection.mayLive) continue;
      this.clear(collection, key);
      removed = true;
    }
    return removed;
  }

  /** The same of up to `most` elements of collections at `key` that have not expired as a whole; returns how many. Where all have, the whole goes. */
  removeExpiredElements(key: Buffer, most: number): number {
    const entry = this.entryOf(key);
    if (entry === noEntry || !this.hasParts(entry)) return 0;
    const { table, collections } = this.here;
    let removed = 0;
    for (const collection of collections.of(entry)) {
      if (!collection.hasExpired(this.nowMs) || this.cleared.has(collection)) continue;
      if (this.sizeOf(collection) === 0) {
        removed += collection.living;
        this.clear(collection, key);
        continue;
      }
      for (const due of collection.expiredEntries(this.nowMs, most - removed)) {
        const staged = this.stagePart(due, key, collection.type.byte, recordPart.element, table.keyBytes(due));
        staged.record = deleting(this.tableRecord(due), this.newDot(), this.deletionTerm);
        removed++;
      }
    }
    return removed;
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

  /** By a xorshift (Marsaglia, "Xorshift RNGs", 2003) that begins with the key table's seed. */
  random(below: number): number {
    let state = this.chance === 0 ? this.here.table.seed | 1 : this.chance;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.chance = state;
    return Math.floor(((state >>> 0) / 0x1_0000_0000) * below);
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
  }

  /** Living elements as the batch will leave them. */
  sizeOf(collection: Collection): number {
    const changed = this.sizes.get(collection);
    if (changed !== undefined) return changed;
    if (!collection.isCounted()) {
      if (!collection.counted) this.need(collection, undefined);
      else for (const entry of collection.incomplete) this.need(collection, this.here.table.keyBytes(entry));
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
  private hasElementAt(collection: Collection, entry: number, element: Buffer): boolean {
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

  /** The batch changes something of the collection. */
  changes(collection: Collection): boolean {
    return this.cleared.has(collection) || (this.writes.count > 0 && this.sizes.has(collection)) || this.hasStaged(collection);
  }

  private hasStaged(collection: Collection): boolean {
    for (let i = 0; i < this.writes.count; i++) {
      const { entry, part } = this.writes.places[i] as Staged;
      if (part === recordPart.element && this.here.collections.ofPart(entry) === collection) return true;
    }
    return false;
  }

  /** Element and value of all that the batch will leave living of a collection that it changes, or of which some have expired. */
  pairsOf(collection: Collection): Buffer[] {
    const { table, collections } = this.here;
    const pairs: Buffer[] = [];
    if (!this.cleared.has(collection)) {
      for (let at = 0; at < collection.living; at++) {
        const entry = collection.at(at);
        if (this.writes.of(entry) === undefined && table.isLiving(entry, this.nowMs))
          pairs.push(table.keyBytes(entry), table.valueOf(entry));
      }
    }
    for (let i = 0; i < this.writes.count; i++) {
      const staged = this.writes.places[i] as Staged;
      if (staged.part !== recordPart.element || collections.ofPart(staged.entry) !== collection) continue;
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

  private get here(): Partition {
    if (this.current === undefined) throw new Error('a transaction is used before begin()');
    return this.current;
  }

  private newDot(): Dot {
    return (this.dot ??= this.nextDot());
  }

  private isLiving(entry: number): boolean {
    const staged = this.writes.of(entry);
    if (staged !== undefined) return this.livingStaged(staged) !== undefined;
    return entry !== noEntry && this.here.table.isLiving(entry, this.nowMs);
  }

  private hasParts(entry: number): boolean {
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
  private shownOf(entry: number, key: Buffer): 'string' | Collection | undefined {
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

  private hasExpired(collection: Collection): boolean {
    const expiresAtMs = this.expiryOfCollection(collection);
    return expiresAtMs !== 0 && expiresAtMs <= this.nowMs;
  }

  private expiryOfCollection(collection: Collection): number {
    const staged = this.writes.of(collection.expiry);
    if (staged !== undefined) return staged.record === undefined ? staged.expiresAtMs : (shownValue(staged.record)?.expiresAtMs ?? 0);
    return this.cleared.has(collection) ? 0 : collection.expiresAtMs;
  }

  /** The collection at `key` to be written to, made when there is none; whatever else is there goes. */
  private writable(key: Buffer, type: CollectionType): Collection {
    const owner = this.entryFor(key);
    const { table, collections } = this.here;
    if (table.isAlive(owner) || this.writes.count > 0 || this.hasParts(owner)) {
      const shown = this.shownOf(owner, key);
      if (shown !== undefined) {
        if (shown === 'string' || shown.type !== type) throw new CommandError(wrongType);
        this.clearOthers(owner, key, shown);
        return shown;
      }
      this.clearOthers(owner, key, undefined);
    }
    return collections.ensure(owner, type);
  }

  /** Deletes what lives at the key, or has expired, beside what is seen there. */
  private clearOthers(owner: number, key: Buffer, shown: 'string' | Collection | undefined): void {
    for (const collection of this.here.collections.of(owner)) {
      if (collection === shown || this.sizes.get(collection) === 0) continue;
      if (collection.mayLive || this.sizes.has(collection)) this.clear(collection, key);
    }
    if (shown !== 'string' && this.mayHaveString(owner)) this.remove(owner, key);
  }

  private clearAll(owner: number, key: Buffer): void {
    this.clearOthers(owner, key, 'string');
  }

  private mayHaveString(owner: number): boolean {
    const staged = this.writes.of(owner);
    if (staged === undefined) return this.here.table.isAlive(owner);
    return staged.record === undefined || staged.record.versions.length > 0;
  }

  /** Deletes a collection as a whole: one record, and tombstones for what this replica holds and its `seen` does not cover. */
  private clear(collection: Collection, key: Buffer): void {
    const { here } = this;
    const { table, collections, seen } = here;
    const dot = this.newDot();
    for (let i = 0; i < this.writes.count; i++) {
      const staged = this.writes.places[i] as Staged;
      if (staged.part !== recordPart.element || collections.ofPart(staged.entry) !== collection) continue;
      staged.record = deleting(table.recordOf(staged.entry) ?? emptyRecord, dot); // what this very batch wrote before
    }
    const entry = collections.findOrInsert(collection, recordPart.deleted, noBytes);
    const record = deletingAll(table.recordOf(entry), new Map(seen), dot, this.term);
    const cut = cutOf(record);
    this.stagePart(entry, key, collection.type.byte, recordPart.deleted, noBytes).record = record;
    if (!coversClock(cut, collection.top)) {
      if (!collection.whole) this.need(collection, undefined);
      for (let at = 0; at < collection.size; at++) this.bury(collection, collection.at(at), key, cut, recordPart.element);
    }
    if (collection.expiry !== noEntry) this.bury(collection, collection.expiry, key, cut, recordPart.expiry);
    this.cleared.set(collection, cut);
    this.sizes.set(collection, 0);
  }

  /** A tombstone for a record of which the cut does not cover all. */
  private bury(collection: Collection, entry: number, key: Buffer, cut: VectorClock, part: number): void {
    const { table } = this.here;
    const record = table.recordOf(entry);
    if (record === undefined || record.versions.every((version) => covers(cut, version))) return;
    const element = part === recordPart.element ? table.keyBytes(entry) : noBytes;
    this.stagePart(entry, key, collection.type.byte, part, element).record = deleting(record, this.newDot());
  }

  /** A new element was written: one more, and with the first one no expiry that an earlier value of the key had. */
  private grown(collection: Collection, key: Buffer): void {
    const size = this.sizeOf(collection);
    this.sizes.set(collection, size + 1);
    if (size === 0) this.stageExpiry(collection, key, 0);
  }

  private stageExpiry(collection: Collection, key: Buffer, expiresAtMs: number): void {
    const entry = this.here.collections.findOrInsert(collection, recordPart.expiry, noBytes);
    this.stagePlain(entry, key, collection.type.byte, recordPart.expiry, noBytes, noBytes, expiresAtMs);
  }

  /** The last element went, and with it what was said of the whole. */
  private dropExpiry(collection: Collection, key: Buffer): void {
    const { expiry, type } = collection;
    if (expiry === noEntry || (this.writes.of(expiry) === undefined && !this.here.table.isAlive(expiry))) return;
    this.stagePart(expiry, key, type.byte, recordPart.expiry, noBytes).record = deleting(this.tableRecord(expiry), this.newDot());
  }

  /** Stages one plain version that replaces all there is of the record. */
  private stagePlain(entry: number, key: Buffer, type: number, part: number, element: Buffer, bytes: Buffer, expiresAtMs: number): void {
    const { actor, counter } = this.newDot();
    const staged = this.stagePart(entry, key, type, part, element);
    // What this batch staged before has the same dot, so it is not among what this replaces.
    // The common case needs none of what `replacing` looks at: this actor's own last version, which its next one covers.
    staged.bytes = bytes;
    staged.expiresAtMs = expiresAtMs;
    if (this.cleared.size === 0 && this.here.isNextOf(entry, actor, counter)) staged.record = undefined;
    else {
      const version = { kind: versionKind.plain, actor, counter, term: this.term, expiresAtMs, bytes };
      staged.record = replacing(this.tableRecord(entry), version);
    }
  }

  private entryFor(key: Buffer): number {
    const known = this.entryOf(key);
    if (known !== noEntry) return known;
    return (this.lastEntry = this.here.findOrInsert(key, 0, key.length, slotOf(key)));
  }

  /** The string as it will be, if it is living. */
  private livingStaged({ entry, record, bytes, expiresAtMs }: Staged): StringObject | undefined {
    const shown = record === undefined ? { bytes, expiresAtMs } : shownValue(this.merged(entry, record));
    return shown === undefined || (shown.expiresAtMs !== 0 && shown.expiresAtMs <= this.nowMs) ? undefined : shown;
  }

  private recordOf(entry: number): VersionedRecord | undefined {
    const staged = this.writes.of(entry);
    if (staged === undefined) return this.tableRecord(entry);
    const { record, bytes, expiresAtMs } = staged;
    if (record !== undefined) return this.merged(entry, record);
    return replacing(undefined, { kind: versionKind.plain, ...this.newDot(), term: this.term, expiresAtMs, bytes });
  }

  /** What the record will be: an increment leaves other actors' sums to the record that it is merged with. */
  private merged(entry: number, record: VersionedRecord): VersionedRecord {
    const old = this.tableRecord(entry);
    return old === undefined ? record : mergeRecords(old, record);
  }

  /** The record in memory, as far as the batch has not deleted it with its collection. */
  private tableRecord(entry: number): VersionedRecord | undefined {
    const { table, collections } = this.here;
    const record = table.recordOf(entry);
    if (record === undefined || this.cleared.size === 0 || table.kindOf(entry) === 0) return record;
    const left = underCut(record, this.cleared.get(collections.ofPart(entry)) ?? emptyClock);
    return left.versions.length === 0 && left.context.size === 0 ? undefined : left;
  }

  private stagePart(entry: number, key: Buffer, type: number, part: number, element: Buffer): Staged {
    const staged = this.stage(entry, key);
    staged.type = type;
    staged.part = part;
    staged.element = element;
    return staged;
  }

  /** The place for what the batch writes to `entry`: one for each. */
  private stage(entry: number, key: Buffer): Staged {
    const known = this.writes.of(entry);
    if (known !== undefined) return known;
    const { table } = this.here;
    if (table.hasRecord(entry) && this.isWritten(entry)) throw new Error('a dot was issued twice');
    return this.writes.add(entry, key, table.slotOf(entry));
  }

  /** The record has seen this batch's dot. */
  private isWritten(entry: number): boolean {
    const { table } = this.here;
    const { actor, counter } = this.newDot();
    if (table.isSingle(entry)) return table.actorOf(entry) === actor && table.counterOf(entry) >= counter;
    return recordCovers(table.recordOf(entry) ?? emptyRecord, { actor, counter });
  }
}
