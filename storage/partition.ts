/**
 * One partition on this replica: its clocks (`seen`, `ahead`, `purged`, the promised term) and its keys in memory.
 *
 * Invariant: `seen` covers a batch only when that batch and all its actor wrote before it in this partition are applied here
 * (ARCHITECTURE.md, "Gapless seen").
 */
import type { Dot, Term } from '../protocol/dot.js';
import { compareTerms, noTerm } from '../protocol/dot.js';
import { emptyClock, type VectorClock, type VersionedRecord } from '../protocol/record.js';
import type { ConflictLog } from './conflict-log.js';
import { KeyEntry } from './key-entry.js';
import type { KeyOrder } from './key-order.js';
import { noEntry, type KeyTable } from './key-table.js';
import { encodeRecordKey, recordPart, recordType, type RecordKey } from '../protocol/record-key.js';
import type { Collection } from './collection.js';
import { isDeletedKind, partOfKind, typeOfByte, typeOfKind } from './collection-types.js';
import { effectiveContext, emptyRecord, mergeFromPeer, mergeRecords, underCut } from './merge.js';
import type { LeafMarks } from './merkle-tree.js';
import { PartitionCollections } from './partition-collections.js';
import { covers, coversClock, maxClock } from './vector-clock.js';

/** Batches applied beyond a gap: all of the actor's in this partition after `prev` up to `counter`, nearly always one. */
export interface Ahead extends Dot {
  readonly prev: number;
}

/** The keys of a partition in memory, for what is off the hot path. By latin1 of the key; the newest first. */
export class PartitionEntries {
  private count = 0;
  private first = noEntry;

  constructor(
    private readonly table: KeyTable,
    private readonly partition: number,
  ) {}

  get size(): number {
    return this.count;
  }

  get(key: string): KeyEntry | undefined {
    const bytes = Buffer.from(key, 'latin1');
    const entry = this.table.find(bytes, 0, bytes.length);
    return entry === noEntry ? undefined : new KeyEntry(this.table, entry);
  }

  /** Entries may come meanwhile, none may go: who lets the event loop turn in between pins the partition. */
  *values(): Generator<KeyEntry, void, undefined> {
    for (const id of this.ids()) yield new KeyEntry(this.table, id);
  }

  *keys(): Generator<string, void, undefined> {
    for (const id of this.ids()) yield this.table.nameOf(id);
  }

  /** Their numbers in the table; the same holds. */
  *ids(): Generator<number, void, undefined> {
    for (let id = this.first; id !== noEntry; id = this.table.nextOf(id)) yield id;
  }

  /** Adds a key that is not there. */
  insert(bytes: Buffer, from: number, length: number, slot: number, complete: boolean): number {
    this.count++;
    this.first = this.table.insert(bytes, from, length, slot, this.partition, complete, this.first);
    return this.first;
  }

  remove(id: number): void {
    this.count--;
    this.first = this.table.remove(id, this.first);
  }
}

export class Partition {
  /** Gapless: actor -> counter. */
  readonly seen = new Map<number, number>();
  ahead: Ahead[] = [];
  /** The maximum of all that was ever forgotten here (`forget`). Every home replica had seen it then. */
  purged: VectorClock = emptyClock;
  /** It was raised since it was last written to the engine. */
  purgedDirty = false;
  /** Entries whose record has a context: what may be forgotten one day. */
  contexts = 0;
  /** Raised with each of them. */
  contextsAdded = 0;
  private firstContext = noEntry;
  /** The engine may hold records with contexts that are not in memory. */
  hasHiddenContexts = false;
  /** Raised whenever a context leaves memory for the engine alone. */
  hidings = 0;
  promised: Term = noTerm;
  readonly entries: PartitionEntries;
  readonly collections: PartitionCollections;
  /** Every key of the partition is in `entries`, though not every element: a key that is not there does not exist. */
  resident = false;
  /** Keys that exist, or have expired. Counts all only while resident. */
  aliveEntries = 0;
  /** Keys whose value carries an expiry, by entry. */
  readonly expiring = new Set<number>();
  /** The order of SCAN; undefined while the partition is small, or nobody has asked. */
  order: KeyOrder | undefined = undefined;
  /** Something reads the whole of it: nothing may be evicted meanwhile. */
  pins = 0;
  /** Set while somebody wants to know which entries peers' batches and records change. */
  touched: Set<number> | undefined = undefined;
  /** Clocks changed since they were last written to the engine. */
  clocksDirty = false;
  /** The store's number of the turn in which it was last written to. */
  writtenInTurn = 0;
  /** Large batches that are in memory, and on their way to the log. */
  slicing = 0;
  /** Raised with every change of the clocks. */
  changes = 0;
  /** Its Merkle tree, once there is one: told of every record that changes. */
  leaves: LeafMarks | undefined = undefined;

  constructor(
    readonly number: number,
    /** Of the whole node. */
    readonly table: KeyTable,
    private readonly account: (bytes: number) => void,
    private readonly conflicts: ConflictLog,
    /** An entry's record is to be written to the engine. */
    mark: (entry: number) => void,
    /** A collection has dead entries or rows. */
    toSweep: (partition: Partition, collection: Collection) => void,
    toComplete: (partition: Partition, collection: Collection) => void,
  ) {
    this.entries = new PartitionEntries(table, number);
    this.collections = new PartitionCollections({
      table,
      account,
      mark,
      expiring: this.expiring,
      put: (entry, record) => this.put(entry, record),
      merge: (entry, record) => this.merge(entry, record),
      touchLeaf: (entry) => (entry === undefined ? this.leaves?.touchAll() : this.touchLeaf(entry)),
      countKeys: (by) => void (this.aliveEntries += by),
      leaves: (entry) => this.leaveMemory(entry),
      toSweep: (collection) => toSweep(this, collection),
      toComplete: (collection) => toComplete(this, collection),
      typesChanged: (key, types) => conflicts.typesChanged(number, table.nameOf(key), types),
    });
  }

  /** The entry of the key in `bytes` (`length` of them from `from`), or noEntry when memory has none: then it does not exist if `resident`. */
  find(bytes: Buffer, from = 0, length = bytes.length): number {
    const entry = this.table.find(bytes, from, length);
    if (entry !== noEntry) this.table.touch(entry);
    return entry;
  }

  /** The entry of `key`, latin1. */
  get(key: string): KeyEntry | undefined {
    return this.entries.get(key);
  }

  /** True when a command may run on `key` without asking the engine. */
  isLoaded(key: Buffer): boolean {
    const entry = this.table.find(key, 0, key.length);
    return entry === noEntry ? this.resident : this.table.isComplete(entry);
  }

  /** The entry of a key, made when missing; what arrives before the engine's record was read leaves it incomplete. */
  findOrInsert(bytes: Buffer, from: number, length: number, slot: number): number {
    const found = this.find(bytes, from, length);
    if (found !== noEntry) return found;
    const entry = this.entries.insert(bytes, from, length, slot, this.resident);
    this.order?.add(entry);
    this.account(this.table.byteSizeOf(entry));
    return entry;
  }

  /** The same for a key that is held as latin1 text. */
  getOrCreate(key: string, slot: number): KeyEntry {
    const bytes = Buffer.from(key, 'latin1');
    return new KeyEntry(this.table, this.findOrInsert(bytes, 0, bytes.length, slot));
  }

  /** The entry of a record, made when missing. `key` and `element` are borrowed. */
  recordEntry(slot: number, key: Buffer, type: number, part: number, element: Buffer): number {
    const owner = this.findOrInsert(key, 0, key.length, slot);
    const collectionType = typeOfByte(type);
    if (collectionType === undefined) return owner;
    return this.collections.findOrInsert(this.collections.ensure(owner, collectionType), part, element);
  }

  /** The same where it is there already, else noEntry. */
  findRecord({ key, type, part, element }: RecordKey): number {
    const owner = this.find(key);
    const collectionType = typeOfByte(type);
    if (owner === noEntry || collectionType === undefined) return owner;
    const collection = this.collections.get(owner, collectionType);
    return collection === undefined ? noEntry : this.collections.find(collection, part, element);
  }

  /** True when the record in memory is all there is of it, or memory knows that there is none. */
  isRecordLoaded(recordKey: RecordKey): boolean {
    if (!this.isLoaded(recordKey.key)) return false;
    const collectionType = typeOfByte(recordKey.type);
    const owner = this.find(recordKey.key);
    if (owner === noEntry || collectionType === undefined || recordKey.part !== recordPart.element) return true;
    const collection = this.collections.get(owner, collectionType);
    if (collection === undefined) return true;
    const entry = this.collections.find(collection, recordPart.element, recordKey.element);
    return entry === noEntry ? collection.whole : this.table.isComplete(entry);
  }

  /** The record key of an entry's record; owned by the caller. */
  recordKeyOf(entry: number): Buffer {
    const { table } = this;
    const kind = table.kindOf(entry);
    if (kind === 0) return encodeRecordKey(table.slotOf(entry), table.keyBytes(entry), recordType.string, recordPart.value);
    const key = table.keyBytes(table.ownerOf(entry));
    return encodeRecordKey(table.slotOf(entry), key, typeOfKind(kind).byte, partOfKind(kind), table.keyBytes(entry));
  }

  /** Every entry that may have a record: keys, and the parts of each. Some may come meanwhile, none may go. */
  *recordEntries(): Generator<number, void, undefined> {
    for (const key of this.entries.ids()) {
      yield key;
      if (!this.table.hasParts(key)) continue;
      for (const collection of this.collections.of(key)) yield* collection.allEntries();
    }
  }

  /** The entry's record, where a deletion of its collection has been applied to it. Owned by the caller. */
  recordOf(entry: number): VersionedRecord | undefined {
    const record = this.table.recordOf(entry);
    if (record === undefined || this.table.kindOf(entry) === 0) return record;
    const collection = this.collections.ofPart(entry);
    if (collection.condemned.length === 0 || partOfKind(this.table.kindOf(entry)) !== recordPart.element || collection.holds(entry))
      return record;
    const left = underCut(record, collection.cut);
    return left.versions.length === 0 && left.context.size === 0 ? undefined : left;
  }

  /** Tells the tree that the record of `entry` has changed. */
  touchLeaf(entry: number): void {
    const { leaves, table } = this;
    if (leaves === undefined) return;
    if (table.kindOf(entry) === 0) {
      const key = table.keyBytes(entry);
      leaves.touch(key, 0, key.length);
    } else {
      const key = table.keyBytes(table.ownerOf(entry));
      leaves.touch(key, 0, key.length, table.keyBytes(entry));
    }
  }

  /** Every key of the partition is in memory, and of each it is known whether it has a value. */
  get isResident(): boolean {
    return this.resident && this.collections.inDoubt.size === 0;
  }

  /** Every record of the partition is in memory. */
  get isWhole(): boolean {
    if (!this.resident) return false;
    for (const key of this.collections.keys) for (const { whole } of this.collections.of(key)) if (!whole) return false;
    return true;
  }

  /** The key has a value that has expired, or an element has. */
  hasExpired(key: number, nowMs: number): boolean {
    const { table } = this;
    if (table.isAlive(key) && !table.isLiving(key, nowMs)) return true;
    if (!table.hasParts(key)) return false;
    return this.collections
      .of(key)
      .some((each) => each.mayLive && ((each.expiresAtMs !== 0 && each.expiresAtMs <= nowMs) || each.hasExpired(nowMs)));
  }

  /** The key has a value that has not expired, as far as that is known without reading the engine. */
  isLivingKey(key: number, nowMs: number): boolean {
    const { table } = this;
    if (table.isLiving(key, nowMs)) return true;
    if (!table.hasParts(key)) return false;
    return this.collections.of(key).some(({ mayLive, expiresAtMs }) => mayLive && (expiresAtMs === 0 || expiresAtMs > nowMs));
  }

  /**
   * Whether a plain version, or a plain tombstone, by `actor` is all that the record comes to when it is written or merged at `counter`: the entry holds nothing, or
   * the same actor's last one of either, which its next one covers. (A deletion that says its term leaves that behind.)
   */
  isNextOf(entry: number, actor: number, counter: number): boolean {
    const { table } = this;
    if (table.kindOf(entry) !== 0 && !this.mayBePlain(entry, actor, counter)) return false;
    if (table.isSingle(entry)) return table.actorOf(entry) === actor && table.counterOf(entry) < counter;
    if (!table.hasRecord(entry)) return true;
    return (
      table.isTombstone(entry) && table.actorOf(entry) === actor && table.termOf(entry) === 0 && table.buriedCounterOf(entry) < counter
    );
  }

  private mayBePlain(entry: number, actor: number, counter: number): boolean {
    return !isDeletedKind(this.table.kindOf(entry)) && !covers(this.collections.ofPart(entry).cut, { actor, counter });
  }

  /** Replaces the record by one plain version with nothing else seen, where `isNextOf` holds; `length` of `bytes` from `from` are copied. */
  putPlain(
    entry: number,
    actor: number,
    counter: number,
    term: number,
    expiresAtMs: number,
    bytes: Buffer,
    from: number,
    length: number,
  ): void {
    const { table } = this;
    if (this.collections.hasSnapshots) this.beforeChange(entry);
    const wasAlive = table.isAlive(entry);
    const expiredAtMs = table.expiresOf(entry);
    const size = table.byteSizeOf(entry);
    if (table.hasContext(entry)) this.leaveRing(entry);
    table.setPlain(entry, actor, counter, term, expiresAtMs, bytes, from, length);
    this.changed(entry, wasAlive, expiredAtMs, size);
  }

  /** The same where `bytes`, the whole value, are large and given away (isShareable): nothing is copied. */
  sharePlain(entry: number, actor: number, counter: number, term: number, expiresAtMs: number, bytes: Buffer): void {
    const { table } = this;
    if (this.collections.hasSnapshots) this.beforeChange(entry);
    const wasAlive = table.isAlive(entry);
    const expiredAtMs = table.expiresOf(entry);
    const size = table.byteSizeOf(entry);
    if (table.hasContext(entry)) this.leaveRing(entry);
    table.sharePlain(entry, actor, counter, term, expiresAtMs, bytes);
    this.changed(entry, wasAlive, expiredAtMs, size);
  }

  /** Replaces the record by one deletion with nothing else seen, where `isNextOf` holds. `term`: what it says, or 0. */
  putTombstone(entry: number, actor: number, counter: number, term: number): void {
    const { table } = this;
    if (this.collections.hasSnapshots) this.beforeChange(entry);
    const wasAlive = table.isAlive(entry);
    const expiredAtMs = table.expiresOf(entry);
    const size = table.byteSizeOf(entry);
    if (table.hasContext(entry)) this.leaveRing(entry);
    table.setTombstone(entry, actor, counter, term);
    this.enterRing(entry);
    this.changed(entry, wasAlive, expiredAtMs, size);
  }

  /** Replaces an entry's record, keeping counts, the expiry index and the memory account true. `record` is copied, but for a large value in it, which nobody may write to from now on (KeyTable.setRecord). */
  put(entry: number, record: VersionedRecord): void {
    const { table } = this;
    if (this.collections.hasSnapshots) this.beforeChange(entry);
    const wasAlive = table.isAlive(entry);
    const expiredAtMs = table.expiresOf(entry);
    const size = table.byteSizeOf(entry);
    if (table.hasContext(entry)) this.leaveRing(entry);
    if (record.versions.length === 0 && record.context.size === 0) table.clearRecord(entry);
    else table.setRecord(entry, record);
    if (table.hasContext(entry)) this.enterRing(entry);
    this.changed(entry, wasAlive, expiredAtMs, size);
  }

  private beforeChange(entry: number): void {
    if (this.table.kindOf(entry) !== 0) this.collections.beforeChange(entry);
  }

  /** An entry whose record has a context, and the next one with each call, for ever round; noEntry when there is none. */
  nextContext(): number {
    const entry = this.firstContext;
    if (entry !== noEntry) this.firstContext = this.table.nextInRing(entry);
    return entry;
  }

  /**
   * Drops the entry's context, and with it all of a tombstone, since every home replica has seen the whole of it (ARCHITECTURE.md, "Forgetting"): whoever still
   * sends what it removed is judged by `purged` from now on. The entry is complete, and its partition not pinned.
   */
  forget(entry: number, record: VersionedRecord): void {
    this.raisePurged(effectiveContext(record));
    const isDeletion = isDeletedKind(this.table.kindOf(entry));
    this.put(entry, isDeletion ? emptyRecord : { context: emptyClock, versions: record.versions });
  }

  /** The same for a plain tombstone, but that `purged` is the caller's to raise, by this dot or a later one of its actor, in the same turn. */
  forgetTombstone(entry: number): void {
    this.put(entry, emptyRecord);
  }

  /** Whether what a deletion covers is swept, so that the deletion itself may be forgotten. True for every other record. */
  mayForget(entry: number): boolean {
    if (!isDeletedKind(this.table.kindOf(entry))) return true;
    const { condemned, unswept, known } = this.collections.ofPart(entry);
    return known && condemned.length === 0 && !unswept;
  }

  raisePurged(clock: VectorClock): void {
    const raised = maxClock(this.purged, clock);
    if (raised === this.purged) return;
    this.purged = raised;
    this.purgedDirty = true;
  }

  private enterRing(entry: number): void {
    if (this.contexts++ === 0) this.clocksDirty = true; // they say whether there are contexts
    this.contextsAdded++;
    this.firstContext = this.table.enterRing(entry, this.firstContext);
  }

  private leaveRing(entry: number): void {
    this.firstContext = this.table.leaveRing(entry, this.firstContext);
    if (--this.contexts === 0) this.clocksDirty = true;
  }

  /** Merges a batch's record, which is copied as in `put`. */
  merge(entry: number, record: VersionedRecord): void {
    const old = this.table.recordOf(entry);
    const merged = underCut(old === undefined ? record : mergeRecords(old, record), this.cutFor(entry));
    this.put(entry, merged);
    if (hasSeveral(merged) || hasSeveral(old)) this.noteConflict(entry, old, merged);
  }

  /** What a deletion of the entry's collection covers of its record. */
  private cutFor(entry: number): VectorClock {
    const kind = this.table.kindOf(entry);
    return kind === 0 || isDeletedKind(kind) ? emptyClock : this.collections.ofPart(entry).cut;
  }

  private noteConflict(entry: number, old: VersionedRecord | undefined, merged: VersionedRecord): void {
    const { table } = this;
    const kind = table.kindOf(entry);
    if (kind === 0) this.conflicts.changed(this.number, table.nameOf(entry), undefined, old, merged);
    else if (partOfKind(kind) === recordPart.element && typeOfKind(kind).hasValues)
      this.conflicts.changed(this.number, table.nameOf(table.ownerOf(entry)), table.nameOf(entry), old, merged);
  }

  /**
   * Merges a record that a peer sent with its `seen`. False = it may speak of what was removed and forgotten here: it was discarded and
   * has to be fetched anew. `record` is copied as in `put`.
   */
  mergeFromPeer(entry: number, record: VersionedRecord, peerSeen: VectorClock): boolean {
    const old = this.table.recordOf(entry);
    const merged = mergeFromPeer(old, record, { seen: this.seen, peerSeen, purged: this.purged, cut: this.cutFor(entry) });
    if (merged === 'discard') return false;
    const left = underCut(merged.record, this.cutFor(entry));
    // A context that was forgotten here does not come back with the copy of one who has not forgotten it yet.
    const isForgotten =
      left.context.size > 0 && coversClock(this.purged, effectiveContext(left)) && !isDeletedKind(this.table.kindOf(entry));
    if (isForgotten && this.table.isComplete(entry)) this.forget(entry, left);
    else this.put(entry, left);
    if (merged.wasLost && this.table.isComplete(entry)) this.collections.wasLost(entry);
    if (hasSeveral(left) || hasSeveral(old)) this.noteConflict(entry, old, left);
    return true;
  }

  /** The counter of the last write by `actor` that the entry's record has seen; 0 = none. */
  counterBy(actor: number, entry: number): number {
    if (entry === noEntry) return 0;
    const { table } = this;
    let last = 0;
    if (table.isSingle(entry)) last = table.actorOf(entry) === actor ? table.counterOf(entry) : 0;
    else if (table.isTombstone(entry)) last = table.actorOf(entry) === actor ? table.buriedCounterOf(entry) : 0;
    else if (table.hasRecord(entry)) last = effectiveContext(table.recordOf(entry) ?? emptyRecord).get(actor) ?? 0;
    return table.hasParts(entry) ? Math.max(last, this.topOf(entry).get(actor) ?? 0) : last;
  }

  /** The maximum of all dots ever written here to the key's collections. */
  topOf(key: number): VectorClock {
    const top = new Map<number, number>();
    for (const collection of this.collections.of(key)) {
      const raise = (actor: number, counter: number): void => {
        if ((top.get(actor) ?? 0) < counter) top.set(actor, counter);
      };
      for (const [actor, counter] of collection.top) raise(actor, counter);
      const deletions = collection.deleted === noEntry ? undefined : this.table.recordOf(collection.deleted);
      for (const { actor, counter } of deletions?.versions ?? []) raise(actor, counter);
      const expiry = collection.expiry === noEntry ? undefined : this.table.recordOf(collection.expiry);
      if (expiry !== undefined) for (const [actor, counter] of effectiveContext(expiry)) raise(actor, counter);
    }
    return top;
  }

  /** Forgets an entry that is complete and clean; a key's takes the partition's being resident with it. False = it has to stay. */
  evict(entry: number): boolean {
    const { table } = this;
    if (table.kindOf(entry) !== 0) {
      if (partOfKind(table.kindOf(entry)) !== recordPart.element) return false; // with its key
      const collection = this.collections.ofPart(entry);
      if (!collection.holds(entry)) return false;
      this.collections.evict(entry);
      return true;
    }
    if (table.hasParts(entry) && !this.collections.evictHeaders(entry)) return false;
    if (table.isAlive(entry)) this.aliveEntries--;
    if (table.expiresOf(entry) !== 0) this.expiring.delete(entry);
    this.leaveMemory(entry);
    this.removeEmpty(entry);
    this.resident = false;
    return true;
  }

  /** An entry is about to be in the engine alone. */
  private leaveMemory(entry: number): void {
    if (!this.table.hasContext(entry)) return;
    this.leaveRing(entry);
    this.hasHiddenContexts = true;
    this.hidings++;
  }

  /** Takes out an entry without a record, that the engine has no row of either. A key's stays while it has collections. */
  removeEmpty(entry: number): void {
    if (this.table.kindOf(entry) !== 0) return this.collections.removeEmpty(entry);
    if (this.table.hasParts(entry)) return;
    this.account(-this.table.byteSizeOf(entry));
    this.order?.remove(entry);
    this.entries.remove(entry);
  }

  private changed(entry: number, wasAlive: boolean, expiredAtMs: number, size: number): void {
    const { table } = this;
    const newSize = table.byteSizeOf(entry);
    if (newSize !== size) this.account(newSize - size);
    if (table.kindOf(entry) !== 0) return this.collections.changed(entry, wasAlive);
    if (table.hasParts(entry)) return this.collections.refresh(entry);
    const isAlive = table.isAlive(entry);
    if (isAlive !== wasAlive) this.aliveEntries += isAlive ? 1 : -1;
    const expiresAtMs = table.expiresOf(entry);
    if (expiresAtMs === expiredAtMs) return;
    if (expiresAtMs === 0) this.expiring.delete(entry);
    else if (expiredAtMs === 0) this.expiring.add(entry);
  }

  hasSeen({ actor, counter }: Dot): boolean {
    return this.hasSeenOf(actor, counter);
  }

  hasSeenOf(actor: number, counter: number): boolean {
    if ((this.seen.get(actor) ?? 0) >= counter) return true;
    return this.ahead.length > 0 && this.ahead.some((a) => a.actor === actor && a.prev < counter && counter <= a.counter);
  }

  /** Notes an applied batch. Returns false when it lies beyond a gap, which then has to be asked for. */
  note(actor: number, counter: number, prev: number): boolean {
    this.clocksDirty = true;
    this.changes++;
    if ((this.seen.get(actor) ?? 0) < prev) {
      // What follows a batch ahead joins it: hints come in long rows, and each look goes through all of this.
      const before = this.ahead.findIndex((a) => a.actor === actor && a.counter === prev);
      if (before < 0) this.ahead.push({ actor, counter, prev });
      else this.ahead[before] = { actor, counter, prev: (this.ahead[before] as Ahead).prev };
      return false;
    }
    if ((this.seen.get(actor) ?? 0) < counter) this.seen.set(actor, counter);
    if (this.ahead.length > 0) this.closeGaps();
    return this.ahead.length === 0;
  }

  /** A finished comparison: everything the peer had seen when it began is here now. */
  raiseSeen(peerSeen: VectorClock, peerAhead: readonly Ahead[], peerPurged: VectorClock): void {
    this.clocksDirty = true;
    this.changes++;
    for (const [actor, counter] of peerSeen) if ((this.seen.get(actor) ?? 0) < counter) this.seen.set(actor, counter);
    for (const a of peerAhead) if (!this.hasSeen(a)) this.ahead.push(a);
    this.raisePurged(peerPurged);
    this.closeGaps();
  }

  private closeGaps(): void {
    let moved = this.ahead.length > 0;
    while (moved) {
      moved = false;
      for (const a of this.ahead) {
        const seen = this.seen.get(a.actor) ?? 0;
        if (seen < a.counter && seen >= a.prev) {
          this.seen.set(a.actor, a.counter);
          moved = true;
        }
      }
    }
    this.ahead = this.ahead.filter((a) => (this.seen.get(a.actor) ?? 0) < a.counter);
  }

  /** Promises the term (counter, actor) unless a newer one was promised. The caller makes it durable. */
  promise(counter: number, actor: number): boolean {
    const { promised } = this;
    if (promised.counter === counter && promised.actor === actor) return true;
    const term = { counter, actor };
    if (compareTerms(promised, term) > 0) return false;
    this.promised = term;
    this.clocksDirty = true;
    return true;
  }
}

function hasSeveral(record: VersionedRecord | undefined): boolean {
  return record !== undefined && record.versions.length > 1;
}
