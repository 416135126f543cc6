/**
 * One type of collection at one key, derived from its records: which entries of the key table are its elements, which of them live, how many more there
 * are on disk, and what has become of it as a whole. It holds numbers of entries, no elements: the table does (key-table.ts).
 *
 *   entries   [ living ... | not living ... ]        a row of entry numbers; each entry knows its place, so both halves are kept by swapping
 *
 * Invariants: an entry of this collection that is not in the row at its place is *condemned*: a deletion has covered it, and nobody has swept it yet.
 * `known`, `counted` and nothing `incomplete`: the collection has `living + elsewhere` elements. `whole`: every element's record is in memory.
 */
import { emptyClock, type VectorClock } from '../protocol/record.js';
import { recordPart } from '../protocol/record-key.js';
import { kindOf, type CollectionType } from './collection-types.js';
import { ElementExpiries } from './element-expiries.js';
import { ElsewhereBounds } from './elsewhere-bounds.js';
import { EntryRow } from './entry-row.js';
import type { KeyOrder } from './key-order.js';
import { LoadedRanges } from './loaded-ranges.js';
import { noEntry, type KeyTable } from './key-table.js';

const noReaders: readonly (() => void)[] = [];
/** What the object takes beside its row, about. */
const objectBytes = 1130;
/** What the order of HSCAN takes for each element, about. */
const orderBytesEach = 16;

/** What keeps a collection's elements in an order of its own (a sorted set's ranks, a list's positions). Made when it is first needed; forgotten when the collection begins anew. */
export interface ElementIndex {
  /** An element came, got another record, or died: look at the table. */
  changed(entry: number, isLiving: boolean): void;
  /** All living elements are in it. */
  readonly isFilled: boolean;
  /** Takes in up to `budget` elements that are not in it yet. */
  fill(budget: number): void;
  /** What it takes in memory, which it accounts. */
  readonly byteSize: number;
  /** It is forgotten: what it took in memory is given back. */
  dispose(): void;
}

export class Collection {
  /** The key's header row was read: what is said of the engine's rows holds. */
  known: boolean;
  whole: boolean;
  /** False: some rows on disk may be dead, so that they must be read to be counted. */
  counted = true;
  /** Living elements whose rows are not in memory. */
  elsewhere = 0;
  /** Living elements by what the engine holds, for its header row. */
  storedCount = 0;
  /** It may count rows that the disk has lost: whoever reads the header row has to count them anew. */
  storedInDoubt = false;
  /** The engine has a header row that names this collection. */
  headerStored = false;
  /** Entries whose rows have not been merged with yet. */
  readonly incomplete = new Set<number>();
  /** The maximum of all that was written to its elements here. */
  readonly top = new Map<number, number>();
  /** What `deleted` kills. */
  cut: VectorClock = emptyClock;
  /** The entries of the two records beside the elements. */
  deleted = noEntry;
  expiry = noEntry;
  /** Unix ms; 0 = never. */
  expiresAtMs = 0;
  /** No element whose row is not in memory expires before this, Unix ms; 0 = none does. */
  soonestElsewhereMs = 0;
  /** Of elements in memory that expire; undefined while none does. */
  private timed: ElementExpiries | undefined = undefined;
  /** Entries put aside by deletions, to be swept. */
  condemned: Int32Array[] = [];
  /** Dead rows may be left on disk. */
  unswept = false;
  /** Raised with every change of an element. */
  changes = 0;
  index: ElementIndex | undefined = undefined;
  /** A command used all of it, or its order, since eviction last came by. */
  usedWhole = false;
  /** Eviction spares it until then for that. */
  private staysUntilMs = 0;
  /** Those who read by the order, told before it goes. */
  readers: readonly (() => void)[] = noReaders;
  /** Of one that is not whole: ranges of elements of which all records are in memory. Its type is ordered in parts. */
  readonly loaded = new LoadedRanges();
  /** Where the living ones are that are not in memory. The same types have it. */
  readonly elsewhereBounds = new ElsewhereBounds();
  /** The order of HSCAN, of a large collection that is whole; made by whoever needs it. */
  private scanOrder: KeyOrder | undefined = undefined;
  private orderBytes = 0;
  private entries = new EntryRow();
  private livingCount = 0;
  /** Entries in the row that have a record. */
  private recordedCount = 0;

  constructor(
    private readonly table: KeyTable,
    /** The entry of its key. */
    readonly owner: number,
    readonly type: CollectionType,
    known: boolean,
    /** Of memory that it takes, an order of its own included. */
    readonly account: (bytes: number) => void,
  ) {
    this.known = known;
    this.whole = known; // a key whose header row does not name it has no rows of it
    if (!known) this.elsewhereBounds.all();
    account(this.byteSize);
  }

  /** What it takes in memory beside its entries. */
  get byteSize(): number {
    return objectBytes + this.entries.byteLength + this.orderBytes + (this.index?.byteSize ?? 0) + (this.timed?.byteSize ?? 0);
  }

  get order(): KeyOrder | undefined {
    return this.scanOrder;
  }

  set order(order: KeyOrder | undefined) {
    if (this.scanOrder === order) return;
    this.scanOrder = order;
    const bytes = order === undefined ? 0 : orderBytesEach * this.livingCount;
    this.account(bytes - this.orderBytes);
    this.orderBytes = bytes;
  }

  /** Entries in the row. */
  get size(): number {
    return this.entries.length;
  }

  /** Living elements in memory. */
  get living(): number {
    return this.livingCount;
  }

  /** The `at`th entry of the row; those below `living` live. */
  at(at: number): number {
    return this.entries.at(at);
  }

  /** Memory has all there is of an element: without an entry it is not there. */
  hasAllOf(element: Buffer): boolean {
    return this.whole || this.loaded.has(element);
  }

  /** Eviction comes by: until when it is to be spared, which is until `untilMs` if all of it was used since it last did. */
  staysWholeUntil(untilMs: number): number {
    if (this.usedWhole) this.staysUntilMs = untilMs;
    this.usedWhole = false;
    return this.staysUntilMs;
  }

  /** An element in memory, at this entry, leaves it. */
  left(entry: number): void {
    const { loaded, table, type } = this;
    if (!type.isOrderedInParts) this.dropIndex();
    else {
      if (this.whole) loaded.addAll();
      const element = table.keyBytes(entry);
      loaded.cutBehind(element);
      if (table.isAlive(entry)) {
        this.elsewhereBounds.left(element);
        this.index?.changed(entry, false);
      }
    }
    this.whole = false;
    this.order = undefined;
  }

  /** Living elements; holds when isCounted(). */
  get count(): number {
    return this.livingCount + this.elsewhere;
  }

  /** An element in memory expires; it may have done so. */
  get hasTimed(): boolean {
    return this.timed !== undefined;
  }

  /** Unix ms before which no element in memory expires; 0 = none does. */
  get soonestMs(): number {
    return this.timed?.soonestMs ?? 0;
  }

  /** The same of all elements. */
  get soonestOfAllMs(): number {
    const [here, elsewhere] = [this.soonestMs, this.soonestElsewhereMs];
    return here === 0 || elsewhere === 0 ? here + elsewhere : Math.min(here, elsewhere);
  }

  /** Notes when an element in memory expires; 0 = never, or it is none any more. */
  setExpiryOf(entry: number, expiresAtMs: number): void {
    if (this.timed === undefined && expiresAtMs === 0) return;
    this.timed ??= new ElementExpiries();
    const bytes = this.timed.byteSize;
    this.timed.set(entry, expiresAtMs);
    this.account(this.timed.byteSize - bytes);
    if (this.timed.size === 0) this.timed = undefined;
  }

  /** An element whose row is not in memory any more. */
  noteElsewhere(expiresAtMs: number): void {
    if (expiresAtMs !== 0 && (this.soonestElsewhereMs === 0 || expiresAtMs < this.soonestElsewhereMs))
      this.soonestElsewhereMs = expiresAtMs;
  }

  /** Of the living elements in memory those that have expired. */
  expiredCount(nowMs: number): number {
    return this.timed?.countDue(nowMs) ?? 0;
  }

  /** Up to `most` of their entries. */
  expiredEntries(nowMs: number, most: number): number[] {
    return this.timed?.due(nowMs, most) ?? [];
  }

  /** An element in memory has expired. */
  hasExpired(nowMs: number): boolean {
    return this.timed !== undefined && this.timed.soonestMs <= nowMs;
  }

  /** The same of one that is not in memory, as far as is known. */
  mayHaveExpiredElsewhere(nowMs: number): boolean {
    return this.soonestElsewhereMs !== 0 && this.soonestElsewhereMs <= nowMs;
  }

  isCounted(): boolean {
    return this.known && this.counted && this.incomplete.size === 0;
  }

  /** Whether there is a living element, as far as that is known: one that is in doubt is taken to be there. */
  get mayLive(): boolean {
    return this.livingCount > 0 || this.elsewhere > 0 || !this.counted;
  }

  /** False: the entry is condemned. */
  holds(entry: number): boolean {
    const place = this.table.placeOf(entry);
    return place >= 0 && place < this.entries.length && this.entries.at(place) === entry; // the collection's own records have none
  }

  /** Every entry that is there now: the two records, the row, the condemned. Whoever lets the event loop turn in between pins the partition. */
  *allEntries(): Generator<number, void, undefined> {
    if (this.deleted !== noEntry) yield this.deleted;
    if (this.expiry !== noEntry) yield this.expiry;
    const condemned = [...this.condemned];
    yield* this.entries.copy(); // since places change
    for (const row of condemned) for (const entry of row) if (this.isCondemned(entry)) yield entry;
  }

  /** The living entries in memory, a copy: places change. */
  livingEntries(): EntryRow {
    return this.entries.copy(this.livingCount);
  }

  /** The same without those that have expired. */
  unexpiredEntries(nowMs: number): EntryRow {
    const entries = this.livingEntries();
    if (!this.hasExpired(nowMs)) return entries;
    for (const entry of this.expiredEntries(nowMs, Infinity)) entries.set(this.table.placeOf(entry), noEntry);
    const rest = new EntryRow();
    for (let at = 0; at < entries.length; at++) if (entries.at(at) !== noEntry) rest.push(entries.at(at));
    return rest;
  }

  /** Of an entry that stood among the condemned: it may have been settled, or have gone, since. */
  isCondemned(entry: number): boolean {
    const { table } = this;
    const isElement = table.isInUse(entry) && table.kindOf(entry) === kindOf(this.type, recordPart.element);
    return isElement && table.ownerOf(entry) === this.owner && !this.holds(entry);
  }

  add(entry: number, isLiving: boolean): void {
    const { entries } = this;
    const bytes = entries.byteLength;
    this.table.setPlace(entry, entries.length);
    entries.push(entry);
    if (entries.byteLength !== bytes) this.account(entries.byteLength - bytes);
    this.table.setRecorded(entry, false);
    this.countRecord(entry);
    if (isLiving) this.revive(entry);
  }

  /** The entry may have got a record, or lost it. */
  countRecord(entry: number): void {
    const { table } = this;
    const has = table.hasRecord(entry);
    if (has === table.isRecorded(entry)) return;
    table.setRecorded(entry, has);
    this.recordedCount += has ? 1 : -1;
  }

  /** An entry came to live. */
  revive(entry: number): void {
    this.swap(this.table.placeOf(entry), this.livingCount++);
  }

  /** An entry lives no longer. */
  retire(entry: number): void {
    this.swap(this.table.placeOf(entry), --this.livingCount);
  }

  /** Takes an entry out of the row. */
  remove(entry: number): void {
    if (this.table.placeOf(entry) < this.livingCount) this.retire(entry);
    if (this.table.isRecorded(entry)) this.recordedCount--;
    this.swap(this.table.placeOf(entry), this.entries.length - 1);
    this.entries.pop();
  }

  /** Puts all entries aside, dead: the collection begins anew. */
  condemn(): void {
    this.condemned.push(...this.entries.pieces());
    this.account(-this.entries.byteLength);
    this.entries = new EntryRow();
    this.account(this.entries.byteLength);
    this.livingCount = this.recordedCount = 0;
    this.elsewhere = 0;
    this.soonestElsewhereMs = 0;
    this.account(-(this.timed?.byteSize ?? 0));
    this.timed = undefined;
    this.storedCount = 0;
    this.storedInDoubt = false;
    this.counted = true;
    this.incomplete.clear();
    this.changes++;
    this.dropIndex();
    this.order = undefined;
    if (!this.whole) this.unswept = true;
    this.whole = true; // what rows there are, are dead
    this.loaded.clear();
    this.elsewhereBounds.none();
  }

  /** It begins anew, or is not whole any more. */
  dropIndex(): void {
    for (const each of this.readers) each();
    this.index?.dispose();
    this.index = undefined;
  }

  raiseTop(actor: number, counter: number): void {
    if ((this.top.get(actor) ?? 0) < counter) this.top.set(actor, counter);
  }

  /** No element of it has a record, in memory or on disk. */
  get isBare(): boolean {
    return this.known && this.whole && !this.unswept && this.condemned.length === 0 && this.livingCount === 0 && this.recordedCount === 0;
  }

  /** Nothing is left of it. */
  get isVacant(): boolean {
    return this.size === 0 && this.deleted === noEntry && this.expiry === noEntry && this.isBare;
  }

  /** It is forgotten: what it took in memory is given back. */
  dispose(): void {
    this.dropIndex();
    this.account(-this.byteSize);
  }

  private swap(from: number, to: number): void {
    if (from === to) return;
    const { entries, table } = this;
    const one = entries.at(from);
    const other = entries.at(to);
    entries.set(to, one);
    entries.set(from, other);
    table.setPlace(one, to);
    table.setPlace(other, from);
  }
}
