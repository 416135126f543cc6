/**
 * The collections of one partition: finds them and their records' entries, and keeps each in step with its records. The partition tells it of every
 * record of a collection that changes; it tells the partition's counts and index of expiries what that comes to for the key.
 */
import { noEntry, type KeyTable } from './key-table.js';
import { recordPart } from '../protocol/record-key.js';
import { emptyClock, type VectorClock, type VersionedRecord } from '../protocol/record.js';
import { Collection } from './collection.js';
import { OrderedSnapshot, type CollectionSnapshot } from './collection-snapshot.js';
import { kindOf, partOfKind, typeOfKind, type CollectionType } from './collection-types.js';
import type { CollectionHeader } from './header-row.js';
import { cutOf, effectiveContext, emptyRecord, underCut } from './merge.js';
import { clocksEqual, coversClock } from './vector-clock.js';

const noBytes: Buffer = Buffer.alloc(0);
/** Up to so many entries of a deleted collection are told to the partition's tree one by one. */
const touchedEach = 64;

/** The partition, as far as its collections need it. */
export interface Surroundings {
  readonly table: KeyTable;
  readonly account: (bytes: number) => void;
  /** Replaces an entry's record; what that changes in its collection comes back to `changed`. */
  put(entry: number, record: VersionedRecord): void;
  /** Merges a record into an entry. */
  merge(entry: number, record: VersionedRecord): void;
  /** The record of an entry, or the key's header, is to be written to the engine. */
  mark(entry: number): void;
  /** The record of an entry has become another one to trees; undefined = many have. */
  touchLeaf(entry: number | undefined): void;
  /** A key came to be, or to be no more. */
  countKeys(by: 1 | -1): void;
  readonly expiring: Set<number>;
  /** An entry is about to leave memory for the engine alone. */
  leaves(entry: number): void;
  /** Values of several types came to be alive at a key: their names; undefined = no longer. */
  typesChanged(key: number, types: readonly string[] | undefined): void;
  /** A collection has dead entries or rows. */
  toSweep(collection: Collection): void;
  /** So many elements of it wait for their rows that whoever counts it would wait for long. */
  toComplete(collection: Collection): void;
}

/** Elements without their rows. */
const waitingForRows = 256;

export class PartitionCollections {
  private readonly byKey = new Map<number, Collection[]>();
  /** Collections of which it is not known whether they have living elements, until rows were read. */
  readonly inDoubt = new Set<Collection>();
  /** Keys at which values of several types are alive. */
  private readonly contested = new Set<number>();

  /** Open ones, few. */
  private readonly snapshots = new Set<CollectionSnapshot>();
  /** True: `beforeChange` has to hear of every element that is about to change. A field, since every write looks at it. */
  hasSnapshots = false;

  constructor(private readonly around: Surroundings) {}

  /** From now on until it is closed the snapshot hears of what is about to change. The partition is pinned meanwhile. */
  open(collection: Collection, snapshot: CollectionSnapshot): void {
    this.snapshots.add(snapshot);
    this.hasSnapshots = true;
    if (snapshot instanceof OrderedSnapshot) collection.readers = [...collection.readers, snapshot.gatherRest];
  }

  close(collection: Collection, snapshot: CollectionSnapshot): void {
    this.snapshots.delete(snapshot);
    this.hasSnapshots = this.snapshots.size > 0;
    if (snapshot instanceof OrderedSnapshot) collection.readers = collection.readers.filter((each) => each !== snapshot.gatherRest);
  }

  /** The record of a part's entry is about to become another. */
  beforeChange(entry: number): void {
    const { table } = this.around;
    for (const snapshot of this.snapshots)
      if (table.kindOf(entry) === snapshot.kind && table.ownerOf(entry) === snapshot.owner) snapshot.beforeChange(entry);
  }

  /** Keys with collections. */
  get keys(): Iterable<number> {
    return this.byKey.keys();
  }

  /** All collections at a key's entry, nearly always one. */
  of(key: number): readonly Collection[] {
    return this.byKey.get(key) ?? noCollections;
  }

  get(key: number, type: CollectionType): Collection | undefined {
    const collections = this.byKey.get(key);
    if (collections === undefined) return undefined;
    for (const collection of collections) if (collection.type === type) return collection;
    return undefined;
  }

  /** Makes it when there is none. */
  ensure(key: number, type: CollectionType, isKnown = this.around.table.isComplete(key)): Collection {
    const found = this.get(key, type);
    if (found !== undefined) return found;
    const { table, account } = this.around;
    const collection = new Collection(table, key, type, isKnown, account);
    const others = this.byKey.get(key);
    if (others !== undefined) others.push(collection);
    else {
      this.byKey.set(key, [collection]);
      table.setHasParts(key, true);
      table.setCounted(key, table.isAlive(key));
    }
    return collection;
  }

  /** The collection that a part's entry belongs to. */
  ofPart(entry: number): Collection {
    const { table } = this.around;
    const collection = this.get(table.ownerOf(entry), typeOfKind(table.kindOf(entry)));
    if (collection === undefined) throw new Error('an entry belongs to no collection');
    return collection;
  }

  /** The entry of a record of the collection; noEntry when memory has none. What was condemned is settled. */
  find(collection: Collection, part: number, bytes: Buffer, from = 0, length = bytes.length): number {
    if (part === recordPart.deleted) return collection.deleted;
    if (part === recordPart.expiry) return collection.expiry;
    const { table } = this.around;
    const entry = table.findPart(collection.owner, kindOf(collection.type, part), bytes, from, length);
    if (entry === noEntry) return noEntry;
    table.touch(entry);
    if (collection.condemned.length > 0 && !collection.holds(entry)) this.settle(collection, entry);
    return entry;
  }

  /** The same, made when there is none; `room`: bytes of the value that it is about to get. */
  findOrInsert(collection: Collection, part: number, bytes: Buffer, from = 0, length = bytes.length, room = 0): number {
    const found = this.find(collection, part, bytes, from, length);
    if (found !== noEntry) return found;
    const isElement = part === recordPart.element;
    if (!isElement) return this.insert(collection, part, bytes, from, 0, collection.known, room);
    const isComplete = collection.whole || (collection.loaded.size > 0 && collection.hasAllOf(bytes.subarray(from, from + length)));
    const entry = this.insert(collection, part, bytes, from, length, isComplete, room);
    if (isComplete && !collection.unswept) this.around.table.setUnwritten(entry, true); // memory knows of every row
    if (!isComplete) {
      collection.incomplete.add(entry);
      this.inDoubt.add(collection);
      if (collection.incomplete.size % waitingForRows === 0) this.around.toComplete(collection);
    }
    return entry;
  }

  private insert(collection: Collection, part: number, bytes: Buffer, from: number, length: number, isComplete: boolean, room = 0): number {
    const { table, account } = this.around;
    const entry = table.insertPart(collection.owner, kindOf(collection.type, part), bytes, from, length, isComplete, room);
    account(table.byteSizeOf(entry));
    if (part === recordPart.deleted) collection.deleted = entry;
    else if (part === recordPart.expiry) collection.expiry = entry;
    else collection.add(entry, false);
    return entry;
  }

  /** Settles the entry where it is condemned. */
  hold(entry: number): void {
    const { table } = this.around;
    if (partOfKind(table.kindOf(entry)) !== recordPart.element) return;
    const collection = this.ofPart(entry);
    if (collection.condemned.length > 0 && !collection.holds(entry)) this.settle(collection, entry);
  }

  /** Whether it is in doubt, after what that hangs on has changed. */
  judge(collection: Collection): void {
    if (collection.isCounted()) this.inDoubt.delete(collection);
    else this.inDoubt.add(collection);
  }

  /** A condemned entry is needed again, or its turn has come: it becomes what the deletion left of it. */
  settle(collection: Collection, entry: number): void {
    const { table } = this.around;
    const left = underCut(table.recordOf(entry) ?? emptyRecord, collection.cut);
    table.setComplete(entry); // a row of it is dead, too
    table.setStored(entry, false);
    collection.add(entry, table.isAlive(entry));
    this.around.put(entry, left);
    this.around.mark(entry);
  }

  /** The record of a part's entry has changed. */
  changed(entry: number, wasAlive: boolean): void {
    const { table } = this.around;
    const collection = this.ofPart(entry);
    const part = partOfKind(table.kindOf(entry));
    if (part === recordPart.element) {
      const isAlive = table.isAlive(entry);
      if (collection.condemned.length > 0 && !collection.holds(entry)) return;
      collection.countRecord(entry);
      if (isAlive !== wasAlive) {
        if (isAlive) collection.revive(entry);
        else collection.retire(entry);
        if (isAlive) collection.order?.add(entry);
        else collection.order?.remove(entry);
        if (collection.living <= 1) this.refresh(collection.owner);
      }
      if (collection.hasTimed || table.expiresOf(entry) !== 0) this.noteExpiry(collection, entry, isAlive ? table.expiresOf(entry) : 0);
      this.raiseTop(collection, entry);
      collection.changes++;
      collection.index?.changed(entry, isAlive);
    } else if (part === recordPart.expiry) {
      collection.expiresAtMs = table.isAlive(entry) ? table.expiresOf(entry) : 0;
      this.refresh(collection.owner);
    } else {
      const record = table.recordOf(entry);
      const cut = record === undefined ? emptyClock : cutOf(record);
      if (clocksEqual(cut, collection.cut)) return;
      const wider = coversClock(cut, collection.cut);
      collection.cut = cut;
      if (wider) this.apply(collection);
    }
  }

  private noteExpiry(collection: Collection, entry: number, expiresAtMs: number): void {
    const { hasTimed } = collection;
    collection.setExpiryOf(entry, expiresAtMs);
    if (collection.hasTimed !== hasTimed) this.refresh(collection.owner);
  }

  /** Whether the key exists, and when it expires, after something of it has changed. */
  refresh(key: number): void {
    const { table, expiring } = this.around;
    const collections = this.of(key);
    let exists = table.isAlive(key);
    let expires = exists && table.expiresOf(key) !== 0;
    for (const { mayLive, expiresAtMs, hasTimed } of collections) {
      if (!mayLive) continue;
      exists = true;
      if (expiresAtMs !== 0 || hasTimed) expires = true;
    }
    if (table.isCounted(key) !== exists) {
      table.setCounted(key, exists);
      this.around.countKeys(exists ? 1 : -1);
    }
    if (expires) expiring.add(key);
    else expiring.delete(key);
    this.judgeTypes(key, collections);
  }

  private judgeTypes(key: number, collections: readonly Collection[]): void {
    const { table } = this.around;
    const isString = table.isAlive(key);
    if (!this.contested.has(key) && (isString ? 1 : 0) + collections.length < 2) return;
    const types = collections.filter(({ count }) => count > 0).map(({ type }) => type.name as string);
    if (isString) types.push('string');
    if (types.length > 1 === this.contested.has(key)) return;
    if (types.length > 1) this.contested.add(key);
    else this.contested.delete(key);
    this.around.typesChanged(key, types.length > 1 ? types : undefined);
  }

  /** The key's entry is complete: this is what the engine's header row says; nothing where there is none. */
  adopt(key: number, headers: readonly CollectionHeader[]): void {
    for (const { type } of headers) this.ensure(key, type, false);
    for (const collection of this.of(key)) {
      if (collection.known) continue;
      const header = headers.find(({ type }) => type === collection.type);
      if (header === undefined) this.adoptNothing(collection);
      else this.adoptHeader(collection, header);
      this.judge(collection);
    }
    if (this.of(key).length > 0) this.refresh(key);
  }

  private adoptNothing(collection: Collection): void {
    const { table } = this.around;
    collection.known = true;
    this.completeOthers(collection);
    collection.whole = true;
    collection.elsewhereBounds.none();
    for (const entry of [collection.deleted, collection.expiry]) if (entry !== noEntry) table.setComplete(entry);
  }

  private adoptHeader(collection: Collection, header: CollectionHeader): void {
    const { table } = this.around;
    const { deleted, expiry } = header;
    if (deleted !== undefined) this.around.merge(this.findOrInsert(collection, recordPart.deleted, noBytes), deleted);
    const expiryLeft = expiry === undefined ? emptyRecord : underCut(expiry, collection.cut); // a deletion may have come while the header was not known
    if (expiryLeft.versions.length > 0 || expiryLeft.context.size > 0)
      this.around.merge(this.findOrInsert(collection, recordPart.expiry, noBytes), expiryLeft);
    for (const entry of [collection.deleted, collection.expiry]) if (entry !== noEntry) table.setComplete(entry);
    collection.known = true;
    collection.whole = false;
    collection.elsewhereBounds.all();
    collection.headerStored = true;
    collection.storedCount = collection.elsewhere = header.count;
    collection.soonestElsewhereMs = header.soonestMs;
    collection.counted = header.counted;
    const cutBefore = deleted === undefined ? emptyClock : cutOf(deleted);
    if (!clocksEqual(cutBefore, collection.cut)) {
      // A deletion came while the header was not known.
      if (coversClock(collection.cut, header.top)) {
        this.completeOthers(collection);
        collection.storedCount = collection.elsewhere = collection.soonestElsewhereMs = 0;
        collection.counted = collection.whole = true;
        collection.elsewhereBounds.none();
      } else collection.counted = false;
      collection.unswept = true;
    } else if (deleted !== undefined) collection.unswept = true;
    for (const [actor, counter] of header.top) collection.raiseTop(actor, counter);
    if (collection.unswept) this.around.toSweep(collection);
  }

  /** The engine's row of an element's entry, undefined where there is none; merged with what came since. */
  complete(entry: number, row: VersionedRecord | undefined): void {
    const { table } = this.around;
    if (table.isComplete(entry)) return;
    const collection = this.ofPart(entry);
    collection.incomplete.delete(entry);
    table.setComplete(entry);
    if (row !== undefined) this.mergeRow(collection, entry, underCut(row, collection.cut));
    if (collection.incomplete.size === 0) {
      this.judge(collection);
      this.refresh(collection.owner);
    }
  }

  /** What is left of the row of an entry that has just become complete. */
  private mergeRow(collection: Collection, entry: number, left: VersionedRecord): void {
    if (left.versions.length > 0) {
      if (collection.counted) collection.elsewhere--;
      this.around.table.setStored(entry, true);
    }
    if (!isEmptyRecord(left)) this.around.merge(entry, left);
  }

  /** The entry of an element that is read, and whose row is `row`. Nothing is made where the row is dead. Returns whether the element lives: memory may know that it does not. */
  take(collection: Collection, element: Buffer, row: VersionedRecord): boolean {
    const { table } = this.around;
    const known = this.find(collection, recordPart.element, element);
    if (known !== noEntry) {
      this.complete(known, row);
      return table.isAlive(known);
    }
    // Where memory has all there is the row is of something that has gone since it was read.
    if (collection.whole || (collection.loaded.size > 0 && collection.hasAllOf(element))) return false;
    const left = underCut(row, collection.cut);
    if (isEmptyRecord(left)) return false;
    const entry = this.insert(collection, recordPart.element, element, 0, element.length, true);
    this.mergeRow(collection, entry, left);
    return table.isAlive(entry);
  }

  /** All rows were read of the elements from `from` to before `to`. */
  becameLoaded(collection: Collection, from: Buffer, to: Buffer): void {
    const { table } = this.around;
    if (collection.whole) return;
    for (const entry of collection.incomplete)
      if (table.compareKeyTo(entry, from) >= 0 && table.compareKeyTo(entry, to) < 0) this.complete(entry, undefined);
    collection.loaded.add(from, to);
    collection.elsewhereBounds.read(from, to);
  }

  /** All rows of the collection were read. */
  becameWhole(collection: Collection): void {
    this.completeOthers(collection);
    collection.whole = true;
    collection.loaded.clear();
    collection.elsewhereBounds.none();
    collection.elsewhere = collection.soonestElsewhereMs = 0;
    if (!collection.counted) {
      collection.counted = true;
      collection.storedInDoubt = false;
      collection.storedCount = 0;
      for (let at = 0; at < collection.size; at++) if (this.around.table.isStored(collection.at(at))) collection.storedCount++;
    }
    this.judge(collection);
    this.refresh(collection.owner);
  }

  /** An entry's record was lost on disk, and is back: the count that the header row gave may hold it, and may not, so the rows are to be counted. */
  wasLost(entry: number): void {
    if (partOfKind(this.around.table.kindOf(entry)) !== recordPart.element) return;
    const collection = this.ofPart(entry);
    collection.storedInDoubt = true;
    if (!collection.whole) collection.counted = false;
    this.judge(collection);
  }

  /** The element's row is being written as its record is now. */
  stored(entry: number): void {
    const { table } = this.around;
    const isAlive = table.isAlive(entry);
    if (table.isStored(entry) === isAlive) return;
    table.setStored(entry, isAlive);
    this.ofPart(entry).storedCount += isAlive ? 1 : -1;
  }

  /** What the key's header row has to say, once the rows of its elements are written; nothing when none is left. */
  headersOf(key: number): CollectionHeader[] {
    const { table } = this.around;
    const headers: CollectionHeader[] = [];
    const recordAt = (entry: number): VersionedRecord | undefined => (entry === noEntry ? undefined : table.recordOf(entry));
    for (const collection of this.of(key)) {
      const { type, storedCount, top, soonestOfAllMs } = collection;
      const counted = collection.counted && !collection.storedInDoubt;
      const deleted = recordAt(collection.deleted);
      const expiry = recordAt(collection.expiry);
      const isNothing = collection.isBare && deleted === undefined && expiry === undefined;
      collection.headerStored = !isNothing;
      if (!isNothing) headers.push({ type, counted, count: storedCount, soonestMs: soonestOfAllMs, top, deleted, expiry });
    }
    return headers;
  }

  /** An element's entry, clean and complete, leaves memory for the engine alone. */
  evict(entry: number): void {
    const { table } = this.around;
    const collection = this.ofPart(entry);
    if (table.isAlive(entry)) collection.elsewhere++;
    collection.noteElsewhere(table.expiresOf(entry));
    collection.left(entry);
    this.around.leaves(entry);
    this.drop(collection, entry);
  }

  /** An entry without a record, of which the engine has no row either. */
  removeEmpty(entry: number): void {
    const { table } = this.around;
    const collection = this.ofPart(entry);
    if (collection.deleted === entry) collection.deleted = noEntry;
    else if (collection.expiry === entry) collection.expiry = noEntry;
    else if (!collection.holds(entry)) return; // condemned: it goes once it was settled
    if (partOfKind(table.kindOf(entry)) === recordPart.element) this.drop(collection, entry);
    else this.free(entry);
  }

  /**
   * An element of which nothing is left, and of which the engine has no row, leaves memory at once; any other waits until the deletion of its row is on disk. False =
   * it has to wait. Nobody goes through the partition.
   */
  removeUnwritten(entry: number): boolean {
    const { table } = this.around;
    if (!table.isUnwritten(entry) || table.hasRecord(entry)) return false;
    const collection = this.ofPart(entry);
    if (!collection.holds(entry)) return false;
    this.drop(collection, entry);
    if (collection.isBare) this.around.mark(collection.owner); // the next round sees whether anything is left of it
    return true;
  }

  /** A key of which nothing but its collections' headers is in memory, all clean, leaves it: they go. False = there is more. */
  evictHeaders(key: number): boolean {
    const { table } = this.around;
    for (const { size, condemned, deleted, expiry } of this.of(key)) {
      if (size > 0 || condemned.length > 0) return false;
      for (const entry of [deleted, expiry])
        if (entry !== noEntry && (table.dirtyOf(entry) !== 0 || !table.isComplete(entry))) return false;
    }
    for (const collection of this.of(key)) this.dispose(collection);
    this.forgetKey(key);
    return true;
  }

  /** Drops collections of which nothing is left anywhere. The header row goes with them, which is the caller's to do. */
  dropVacant(key: number): void {
    const collections = this.byKey.get(key);
    if (collections === undefined) return;
    const kept = collections.filter(({ isVacant, headerStored }) => !isVacant || headerStored);
    if (kept.length === collections.length) return;
    for (const collection of collections) if (!kept.includes(collection)) this.dispose(collection);
    if (kept.length > 0) this.byKey.set(key, kept);
    else this.forgetKey(key);
  }

  private forgetKey(key: number): void {
    const { table, expiring } = this.around;
    this.byKey.delete(key);
    if (this.contested.delete(key)) this.around.typesChanged(key, undefined);
    const isAlive = table.isAlive(key);
    if (table.isCounted(key) !== isAlive) this.around.countKeys(isAlive ? 1 : -1);
    table.setHasParts(key, false);
    if (!isAlive || table.expiresOf(key) === 0) expiring.delete(key);
  }

  private dispose(collection: Collection): void {
    this.inDoubt.delete(collection);
    for (const entry of [collection.deleted, collection.expiry]) {
      if (entry === noEntry) continue;
      this.around.leaves(entry);
      this.free(entry);
    }
    collection.dispose();
  }

  private drop(collection: Collection, entry: number): void {
    if (collection.hasTimed) this.noteExpiry(collection, entry, 0);
    collection.remove(entry);
    if (collection.incomplete.delete(entry)) this.judge(collection);
    this.free(entry);
  }

  private free(entry: number): void {
    this.around.account(-this.around.table.byteSizeOf(entry));
    this.around.table.removePart(entry);
  }

  private completeOthers(collection: Collection): void {
    for (const entry of collection.incomplete) this.around.table.setComplete(entry);
    collection.incomplete.clear();
  }

  private raiseTop(collection: Collection, entry: number): void {
    const { table } = this.around;
    if (table.isSingle(entry)) return collection.raiseTop(table.actorOf(entry), table.counterOf(entry));
    if (table.isTombstone(entry)) return collection.raiseTop(table.actorOf(entry), table.buriedCounterOf(entry));
    const record = table.recordOf(entry);
    if (record !== undefined) for (const [actor, counter] of effectiveContext(record)) collection.raiseTop(actor, counter);
  }

  /** The cut has become wider. */
  private apply(collection: Collection): void {
    const { around } = this;
    const { table } = around;
    if (collection.expiry !== noEntry) this.cutEntry(collection, collection.expiry);
    if (collection.known && coversClock(collection.cut, collection.top as VectorClock)) {
      if (collection.size <= touchedEach) for (let at = 0; at < collection.size; at++) around.touchLeaf(collection.at(at));
      else around.touchLeaf(undefined);
      collection.condemn();
      if (collection.condemned.length > 0 || collection.unswept) around.toSweep(collection);
    } else {
      for (const entry of Array.from({ length: collection.size }, (_, at) => collection.at(at))) {
        this.cutEntry(collection, entry);
        if (table.isStored(entry) && !table.isAlive(entry)) {
          table.setStored(entry, false);
          collection.storedCount--;
        }
      }
      if (!collection.whole && collection.known) {
        collection.counted = false;
        collection.unswept = true;
        around.touchLeaf(undefined);
        around.toSweep(collection);
      } else if (!collection.known) around.touchLeaf(undefined);
    }
    this.judge(collection);
    this.refresh(collection.owner);
  }

  private cutEntry(collection: Collection, entry: number): void {
    const before = this.around.table.recordOf(entry);
    const after = before === undefined ? undefined : underCut(before, collection.cut);
    if (before === undefined || after === undefined || after === before) return;
    this.around.put(entry, after);
    this.around.mark(entry);
    this.around.touchLeaf(entry);
  }
}

const noCollections: readonly Collection[] = [];

function isEmptyRecord({ versions, context }: VersionedRecord): boolean {
  return versions.length === 0 && context.size === 0;
}
