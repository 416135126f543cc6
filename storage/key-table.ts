/**
 * All keys that a node has in memory: a hash table whose entries are numbers, not objects. An entry's fixed fields fill one line of the
 * processor's cache, its key and value lie together in a cell (cell-arena.ts), so finding and reading a key touches three or four
 * places instead of a dozen, and the garbage collector sees none of it, however many keys there are.
 *
 *   index   which entries have a hash (key-index.ts)
 *   entry   sixteen 32-bit words: see `field`. `actor`, `counter`, `term`, `expires` are the record where it is one plain version with nothing else seen;
 *           where it is one deletion with nothing else seen, a *plain tombstone*, `actor`, `term` and, in the place of `expires`, its counter
 *   cell    key | what commands see of the value, if that is not large | any other record, encoded (record.ts)
 *
 * An entry belongs to one partition, whose keys' entries are linked. Numbers of removed entries are used again. Those with a context are linked to a ring beside
 * that, in the words where other entries have their version's counter.
 *
 * A record of a collection is an entry of its own, a *part*: found by the entry of its key, its kind (type and part) and the element's bytes, which stand
 * where another entry has its key. It is in no list but its collection's row (collection.ts): the words of the links are its place there, and its owner.
 */
import { ByteWriter } from '../protocol/byte-writer.js';
import {
  decodeRecord,
  deletionTerm,
  emptyClock,
  encodeRecord,
  ownRecord,
  versionKind,
  type PlainVersion,
  type Version,
  type VersionedRecord,
} from '../protocol/record.js';
import { compareBytes, copyBytes } from './byte-loops.js';
import { CellArena, cellBytesMax } from './cell-arena.js';
import { isDeletedKind } from './collection-types.js';
import { firstAt, KeyIndex, keyHash, partHash } from './key-index.js';
import { scanHash } from './key-order.js';
import { OrderNodes } from './order-nodes.js';
import { shownValue } from './shown-value.js';

/** Words of an entry; the last six are three doubles. */
const field = {
  partition: 0,
  keyLength: 1,
  valueLength: 2,
  recordLength: 3,
  cell: 4,
  state: 5,
  dirty: 6,
  next: 7,
  previous: 8,
  /** Of parts: where in its collection's row it stands... */
  place: 7,
  /** ...and the entry of its key. */
  owner: 8,
  actor: 9,
  /** Of entries with a context: `counter` lies here in others. */
  ringNext: 10,
  ringPrevious: 11,
} as const;
const double = {
  counter: 5,
  term: 6,
  expires: 7,
  /** Of plain tombstones, which do not expire; `counter` is the ring's. */
  buried: 7,
} as const;
const wordsLog = 4;
const doublesLog = 3;
const chunkLog = 12;
const chunkEntries = 1 << chunkLog;
const inChunk = chunkEntries - 1;

/** Bits of `state`; the slot lies in the lowest fourteen. */
const slotMask = 0x3fff;
/** A value is there; it may have expired. */
const alive = 1 << 14;
/** False while the entry holds only what arrived since, to be merged with what the engine holds. */
const complete = 1 << 15;
/** Used since the evictor last passed. */
const referenced = 1 << 16;
/** The record is one plain version with nothing else seen: the entry's fields say all of it. */
const single = 1 << 17;
/** The record stands encoded in the cell; with no bytes of it there it is a plain tombstone. */
const encoded = 1 << 18;
/** Key and value are too large for a cell. */
const large = 1 << 19;
const inUse = 1 << 20;
/** The record's context is not empty: there is something to forget, once all have seen it. */
const contextual = 1 << 21;
/** Type and part of a collection's record, five bits (collection-types.ts); 0 = the entry of a key. */
const kindShift = 22;
const kindBits = 0x1f;
const kindMask = kindBits << kindShift;
/** Of an element: the engine's row of it, as it is now, shows a value. */
const stored = 1 << 27;
/** Of a key: it has collections. */
const withParts = 1 << 28;
/** Of a part: its collection counts it among those with a record. */
const recorded = withParts;
/** Of a key with collections: it is counted among its partition's living keys. */
const counted = 1 << 29;
/** The value is large and lies apart from the key, in bytes that others hold, too: a batch's, a client's request. What is encoded of the record leaves it out. */
const shared = 1 << 30;
/** Of an element: the engine has no row of it, and no round of writing behind has put one. */
const unwritten = 1 << 31;

/** The end of a partition's list; no entry. */
export const noEntry = -1;

/** What an entry costs beside its cell: its words and, half the places being free at worst, its pairs in the index. */
const entryBytes = 64 + 24;
/** What a key costs that expires: its place in its partition's set of those, about. */
const expiringBytes = 56;
/** What an entry costs beside its bytes whose key, or value, has memory of its own: the objects, and their place among those, about. */
const apartBytes = 280;

export class KeyTable {
  private readonly index = new KeyIndex();
  private readonly words: Int32Array[] = [];
  private readonly doubles: Float64Array[] = [];
  private readonly arena = new CellArena();
  /** Of the entries that stand in an order beside their collection's row. */
  readonly nodes = new OrderNodes();
  /** Key and value of entries that are too large for a cell. Replaced, never written to. */
  private readonly largeOnes = new Map<number, Buffer>();
  /** Values that lie apart from their keys. Never written to. */
  private readonly sharedValues = new Map<number, Buffer>();
  private freeList = noEntry;
  private used = 0;

  constructor(
    /** From the node's randomness, so that nobody can choose keys that collide. */
    readonly seed: number,
  ) {}

  /** Entry numbers are below this. */
  get end(): number {
    return this.used;
  }

  /** The entry of the key that stands in `bytes` from `from`, `length` bytes long; noEntry when there is none. */
  find(bytes: Buffer, from: number, length: number): number {
    const hash = this.hashOf(bytes, from, length);
    const segment = this.index.segmentOf(hash);
    if (segment === undefined) return noEntry;
    const mask = segment.length - 1;
    for (let at = firstAt(hash, mask); ; at = (at + 2) & mask) {
      const entry = (segment[at + 1] as number) - 1;
      if (entry === noEntry) return noEntry;
      if (segment[at] === hash && this.hasKey(entry, bytes, from, length) && (this.stateOf(entry) & kindMask) === 0) return entry;
    }
  }

  /** The part of `kind` of the key at `owner` whose element stands in `bytes` from `from`; noEntry when there is none. */
  findPart(owner: number, kind: number, bytes: Buffer, from: number, length: number): number {
    const hash = partHash(this.hashOf(bytes, from, length), owner, kind);
    const segment = this.index.segmentOf(hash);
    if (segment === undefined) return noEntry;
    const mask = segment.length - 1;
    for (let at = firstAt(hash, mask); ; at = (at + 2) & mask) {
      const entry = (segment[at + 1] as number) - 1;
      if (entry === noEntry) return noEntry;
      if (segment[at] !== hash || !this.hasKey(entry, bytes, from, length)) continue;
      if (this.kindOf(entry) === kind && this.word(entry, field.owner) === owner) return entry;
    }
  }

  /** Adds a key that is not there. `next` is the partition's first entry so far: the new one stands before it. */
  insert(bytes: Buffer, from: number, length: number, slot: number, partition: number, isComplete: boolean, next: number): number {
    const state = slot | referenced | inUse | (isComplete ? complete : 0);
    const entry = this.place(bytes, from, length, partition, state, next, noEntry, this.hashOf(bytes, from, length));
    if (next !== noEntry) this.wordsOf(next)[((next & inChunk) << wordsLog) + field.previous] = entry;
    return entry;
  }

  /** Adds a part, that is not there, of the key at `owner`. `room`: bytes of the value that it is about to get. */
  insertPart(owner: number, kind: number, bytes: Buffer, from: number, length: number, isComplete: boolean, room = 0): number {
    const state = this.slotOf(owner) | referenced | inUse | (isComplete ? complete : 0) | (kind << kindShift);
    const hash = partHash(this.hashOf(bytes, from, length), owner, kind);
    return this.place(bytes, from, length, this.partitionOf(owner), state, noEntry, owner, hash, room);
  }

  private place(
    bytes: Buffer,
    from: number,
    length: number,
    partition: number,
    state: number,
    next: number,
    previous: number,
    hash: number,
    room = 0,
  ): number {
    const entry = this.newEntry();
    const words = this.wordsOf(entry);
    const at = (entry & inChunk) << wordsLog;
    words[at + field.partition] = partition;
    words[at + field.keyLength] = length;
    words[at + field.valueLength] = 0;
    words[at + field.recordLength] = 0;
    words[at + field.state] = state;
    words[at + field.next] = next;
    words[at + field.previous] = previous;
    this.setExpires(entry, 0);
    if (length <= cellBytesMax) {
      const cell = this.arena.allocate(length + room <= cellBytesMax ? length + room : length);
      words[at + field.cell] = cell;
      copyBytes(bytes, from, length, this.arena.pageBytes[cell >>> 16] as Buffer, CellArena.byteOffset(cell));
    } else {
      words[at + field.state] = state | large;
      const own = Buffer.allocUnsafeSlow(length);
      copyBytes(bytes, from, length, own, 0);
      this.largeOnes.set(entry, own);
    }
    this.index.add(hash, entry);
    return entry;
  }

  /** Returns the partition's first entry after it, where `first` was the first. */
  remove(entry: number, first: number): number {
    const words = this.wordsOf(entry);
    const at = (entry & inChunk) << wordsLog;
    const next = words[at + field.next] as number;
    const previous = words[at + field.previous] as number;
    if (next !== noEntry) this.wordsOf(next)[((next & inChunk) << wordsLog) + field.previous] = previous;
    if (previous !== noEntry) this.wordsOf(previous)[((previous & inChunk) << wordsLog) + field.next] = next;
    this.free(entry, this.hashOf(this.keyPageOf(entry), this.keyAt(entry), words[at + field.keyLength] as number));
    return first === entry ? next : first;
  }

  /** The part is in no row any more. */
  removePart(entry: number): void {
    const hash = this.hashOf(this.keyPageOf(entry), this.keyAt(entry), this.word(entry, field.keyLength));
    this.free(entry, partHash(hash, this.ownerOf(entry), this.kindOf(entry)));
  }

  private free(entry: number, hash: number): void {
    this.index.remove(hash, entry);
    const words = this.wordsOf(entry);
    const at = (entry & inChunk) << wordsLog;
    const state = words[at + field.state] as number;
    if ((state & large) === 0) this.arena.release(words[at + field.cell] as number);
    else this.largeOnes.delete(entry);
    if ((state & shared) !== 0) this.sharedValues.delete(entry);
    words[at + field.state] = 0;
    words[at + field.next] = this.freeList;
    this.freeList = entry;
  }

  /** 0 = the entry of a key; else type and part (collection-types.ts). */
  kindOf(entry: number): number {
    return (this.stateOf(entry) >>> kindShift) & kindBits;
  }

  /** The entry of the key that a part belongs to. */
  ownerOf(part: number): number {
    return this.word(part, field.owner);
  }

  /** Where in its collection's row a part stands. */
  placeOf(part: number): number {
    return this.word(part, field.place);
  }

  setPlace(part: number, place: number): void {
    this.setWord(part, field.place, place);
  }

  /** The key has collections: whoever asks what it holds has to look at them, too. */
  hasParts(key: number): boolean {
    return (this.stateOf(key) & withParts) !== 0;
  }

  setHasParts(key: number, has: boolean): void {
    this.setState(key, withParts, has ? withParts : 0);
  }

  isCounted(key: number): boolean {
    return (this.stateOf(key) & counted) !== 0;
  }

  setCounted(key: number, is: boolean): void {
    this.setState(key, counted, is ? counted : 0);
  }

  /** The engine's row of an element shows a value. */
  isStored(part: number): boolean {
    return (this.stateOf(part) & stored) !== 0;
  }

  setStored(part: number, is: boolean): void {
    this.setState(part, stored, is ? stored : 0);
  }

  /** The engine has no row of an element: once nothing is left of it, nothing has to be deleted there. */
  isUnwritten(part: number): boolean {
    return (this.stateOf(part) & unwritten) !== 0;
  }

  setUnwritten(part: number, is: boolean): void {
    this.setState(part, unwritten, is ? unwritten : 0);
  }

  /** Its collection counts it among its elements with a record. */
  isRecorded(part: number): boolean {
    return (this.stateOf(part) & recorded) !== 0;
  }

  setRecorded(part: number, is: boolean): void {
    this.setState(part, recorded, is ? recorded : 0);
  }

  isInUse(entry: number): boolean {
    return (this.stateOf(entry) & inUse) !== 0;
  }

  partitionOf(entry: number): number {
    return this.word(entry, field.partition);
  }

  slotOf(entry: number): number {
    return this.stateOf(entry) & slotMask;
  }

  /** The next entry of its partition, or noEntry. */
  nextOf(entry: number): number {
    return this.word(entry, field.next);
  }

  isAlive(entry: number): boolean {
    return (this.stateOf(entry) & alive) !== 0;
  }

  /** A value is there at `nowMs`, Unix ms. */
  isLiving(entry: number, nowMs: number): boolean {
    if ((this.stateOf(entry) & alive) === 0) return false;
    const expiresAtMs = this.expiresOf(entry);
    return expiresAtMs === 0 || expiresAtMs > nowMs;
  }

  /** Unix ms; 0 = never, or nothing is there. */
  expiresOf(entry: number): number {
    if ((this.stateOf(entry) & alive) === 0) return 0;
    return (this.doubles[entry >>> chunkLog] as Float64Array)[((entry & inChunk) << doublesLog) + double.expires] as number;
  }

  isComplete(entry: number): boolean {
    return (this.stateOf(entry) & complete) !== 0;
  }

  setComplete(entry: number): void {
    this.setState(entry, complete, complete);
  }

  /** The evictor's mark: an entry was used. */
  touch(entry: number): void {
    if ((this.stateOf(entry) & referenced) === 0) this.setState(entry, referenced, referenced);
  }

  /** Takes the mark away; returns whether it was there. */
  untouch(entry: number): boolean {
    if ((this.stateOf(entry) & referenced) === 0) return false;
    this.setState(entry, referenced, 0);
    return true;
  }

  /**
   * Number of the write-behind round that will write it to the engine; 0 = the engine has it as it is. It belongs to the entry's number: one that is free, and used
   * again, still stands in the round's list.
   */
  dirtyOf(entry: number): number {
    return this.word(entry, field.dirty);
  }

  setDirty(entry: number, round: number): void {
    this.wordsOf(entry)[((entry & inChunk) << wordsLog) + field.dirty] = round;
  }

  hasRecord(entry: number): boolean {
    return (this.stateOf(entry) & (single | encoded)) !== 0;
  }

  /** The record has seen more than its own versions: such an entry stands in a ring (enterRing). */
  hasContext(entry: number): boolean {
    return (this.stateOf(entry) & contextual) !== 0;
  }

  /** Adds an entry that has just got a context to the end of the ring that `first` begins; returns the ring's first. */
  enterRing(entry: number, first: number): number {
    const last = first === noEntry ? entry : this.word(first, field.ringPrevious);
    const next = first === noEntry ? entry : first;
    this.setWord(entry, field.ringNext, next);
    this.setWord(entry, field.ringPrevious, last);
    this.setWord(last, field.ringNext, entry);
    this.setWord(next, field.ringPrevious, entry);
    return next;
  }

  /** Takes an entry out, before its record changes; returns the ring's first. */
  leaveRing(entry: number, first: number): number {
    const next = this.word(entry, field.ringNext);
    if (next === entry) return noEntry;
    const previous = this.word(entry, field.ringPrevious);
    this.setWord(previous, field.ringNext, next);
    this.setWord(next, field.ringPrevious, previous);
    return first === entry ? next : first;
  }

  /** The entry after it in its ring. */
  nextInRing(entry: number): number {
    return this.word(entry, field.ringNext);
  }

  /** The record is one plain version with nothing else seen: actorOf, counterOf, termOf are its. */
  isSingle(entry: number): boolean {
    return (this.stateOf(entry) & single) !== 0;
  }

  actorOf(entry: number): number {
    return this.word(entry, field.actor) >>> 0;
  }

  /** The record is one deletion with nothing else seen: actorOf and buriedCounterOf are its dot, and termOf is the term that it says, 0 = none. */
  isTombstone(entry: number): boolean {
    return (this.stateOf(entry) & encoded) !== 0 && this.word(entry, field.recordLength) === 0;
  }

  buriedCounterOf(entry: number): number {
    return (this.doubles[entry >>> chunkLog] as Float64Array)[((entry & inChunk) << doublesLog) + double.buried] as number;
  }

  counterOf(entry: number): number {
    return (this.doubles[entry >>> chunkLog] as Float64Array)[((entry & inChunk) << doublesLog) + double.counter] as number;
  }

  termOf(entry: number): number {
    return (this.doubles[entry >>> chunkLog] as Float64Array)[((entry & inChunk) << doublesLog) + double.term] as number;
  }

  /** Sets the record to one plain version with nothing else seen; `length` bytes of `bytes` from `from` are copied. */
  setPlain(
    entry: number,
    actor: number,
    counter: number,
    term: number,
    expiresAtMs: number,
    bytes: Buffer,
    from: number,
    length: number,
  ): void {
    this.resize(entry, length, 0);
    this.setState(entry, alive | single | encoded | contextual, alive | single);
    const doubles = this.doubles[entry >>> chunkLog] as Float64Array;
    const at = (entry & inChunk) << doublesLog;
    doubles[at + double.counter] = counter;
    doubles[at + double.term] = term;
    doubles[at + double.expires] = expiresAtMs;
    this.wordsOf(entry)[((entry & inChunk) << wordsLog) + field.actor] = actor;
    copyBytes(bytes, from, length, this.keyPageOf(entry), this.valueAt(entry));
  }

  /** The same, but nothing is copied: the value is `bytes`, which nobody may write to from now on. For large ones: each is an object by itself. */
  sharePlain(entry: number, actor: number, counter: number, term: number, expiresAtMs: number, bytes: Buffer): void {
    this.setPlain(entry, actor, counter, term, expiresAtMs, bytes, 0, 0);
    this.share(entry, bytes);
  }

  private share(entry: number, bytes: Buffer): void {
    this.setState(entry, shared, shared);
    this.setWord(entry, field.valueLength, bytes.length);
    this.sharedValues.set(entry, bytes);
  }

  /** Sets any record. It is copied, but for a large value that it consists of, beside its context: that one is shared, as in sharePlain. */
  setRecord(entry: number, record: VersionedRecord): void {
    const { context, versions } = record;
    const [version] = versions;
    const isDeleted = isDeletedKind(this.kindOf(entry));
    if (version?.kind === versionKind.plain && versions.length === 1 && context.size === 0 && !isDeleted) {
      const { actor, counter, term, expiresAtMs, bytes } = version;
      if (isShareable(bytes)) this.sharePlain(entry, actor, counter, term, expiresAtMs, bytes);
      else this.setPlain(entry, actor, counter, term, expiresAtMs, bytes, 0, bytes.length);
      return;
    }
    const term = context.get(deletionTerm) ?? 0;
    if (version === undefined && !isDeleted && context.size === (term === 0 ? 1 : 2)) {
      for (const [actor, counter] of context) if (actor !== deletionTerm) return this.setTombstone(entry, actor, counter, term);
    }
    const shown = version === undefined || isDeleted ? undefined : shownValue(record);
    const apart = version?.kind === versionKind.plain && versions.length === 1 && isShareable(version.bytes) ? version : undefined;
    recordWriter.reset();
    encodeRecord(recordWriter, apart === undefined ? record : { context, versions: [{ ...apart, bytes: noBytes }] });
    const bytes = recordWriter.view();
    const valueLength = apart === undefined ? (shown?.bytes.length ?? 0) : 0;
    this.resize(entry, valueLength, bytes.length);
    const has = (shown === undefined ? encoded : alive | encoded) | (context.size === 0 && !isDeleted ? 0 : contextual);
    this.setState(entry, alive | single | encoded | contextual, has);
    this.setExpires(entry, shown?.expiresAtMs ?? 0);
    const page = this.keyPageOf(entry);
    const at = this.valueAt(entry);
    if (shown !== undefined && apart === undefined) copyBytes(shown.bytes, 0, valueLength, page, at);
    copyBytes(bytes, 0, bytes.length, page, at + valueLength);
    if (apart !== undefined) this.share(entry, apart.bytes);
    if (recordWriter.length > recordBytesKept) recordWriter = new ByteWriter(256);
  }

  /** Sets the record to one deletion with nothing else seen. `term`: what it says (protocol/record.ts, `deletionTerm`), or 0. */
  setTombstone(entry: number, actor: number, counter: number, term: number): void {
    this.resize(entry, 0, 0);
    this.setState(entry, alive | single | encoded | contextual, encoded | contextual);
    const doubles = this.doubles[entry >>> chunkLog] as Float64Array;
    const at = (entry & inChunk) << doublesLog;
    doubles[at + double.term] = term;
    doubles[at + double.buried] = counter;
    this.setWord(entry, field.actor, actor);
  }

  /** Takes the record away; the key stays. */
  clearRecord(entry: number): void {
    this.resize(entry, 0, 0);
    this.setState(entry, alive | single | encoded | contextual, 0);
    this.setExpires(entry, 0);
  }

  /** Owned by the caller; undefined when the entry has none. */
  recordOf(entry: number): VersionedRecord | undefined {
    const state = this.stateOf(entry);
    if ((state & single) !== 0) {
      const version = {
        kind: versionKind.plain,
        actor: this.actorOf(entry),
        counter: this.counterOf(entry),
        term: this.termOf(entry),
        expiresAtMs: this.expiresOf(entry),
        bytes: this.valueOf(entry),
      };
      return { context: emptyClock, versions: [version] };
    }
    if ((state & encoded) === 0) return undefined;
    if (this.isTombstone(entry)) {
      const context = new Map([[this.actorOf(entry), this.buriedCounterOf(entry)]]);
      const term = this.termOf(entry);
      return { context: term === 0 ? context : context.set(deletionTerm, term), versions: noVersions };
    }
    const isApart = (state & shared) !== 0;
    const from = this.keyAt(entry) + this.keyLengthOf(entry) + (isApart ? 0 : this.valueLengthOf(entry));
    const record = ownRecord(decodeRecord(this.keyPageOf(entry).subarray(from, from + this.word(entry, field.recordLength))));
    if (!isApart) return record;
    const bytes = this.sharedValues.get(entry) as Buffer;
    return { context: record.context, versions: [{ ...(record.versions[0] as PlainVersion), bytes }] };
  }

  /** The memory that the entry's key lies in, borrowed until anything is written. */
  keyPageOf(entry: number): Buffer {
    if ((this.stateOf(entry) & large) !== 0) return this.largeOnes.get(entry) as Buffer;
    return this.arena.pageBytes[this.word(entry, field.cell) >>> 16] as Buffer;
  }

  /** The same of its value. */
  valuePageOf(entry: number): Buffer {
    const state = this.stateOf(entry);
    if ((state & (large | shared)) === 0) return this.arena.pageBytes[this.word(entry, field.cell) >>> 16] as Buffer;
    return ((state & shared) === 0 ? this.largeOnes.get(entry) : this.sharedValues.get(entry)) as Buffer;
  }

  keyLengthOf(entry: number): number {
    return this.word(entry, field.keyLength);
  }

  /** Where in `valuePageOf` the value begins. */
  valueAt(entry: number): number {
    if ((this.stateOf(entry) & shared) !== 0) return 0;
    return this.keyAt(entry) + this.word(entry, field.keyLength);
  }

  /** The value has memory of its own, which is replaced and never written to. */
  isLarge(entry: number): boolean {
    return (this.stateOf(entry) & (large | shared)) !== 0;
  }

  valueLengthOf(entry: number): number {
    return this.word(entry, field.valueLength);
  }

  /** The value as commands see it. Owned by the caller, or shared and never written to when it is large. */
  valueOf(entry: number): Buffer {
    const at = this.valueAt(entry);
    const bytes = this.valuePageOf(entry).subarray(at, at + this.valueLengthOf(entry));
    return this.isLarge(entry) ? bytes : Buffer.from(bytes);
  }

  /** Gives `to` the value, borrowed as by valuePageOf: what is asked of each element of a long range looks into the table once. `view` is of the same memory as `bytes`. */
  giveValue(entry: number, to: { add(bytes: Buffer, from: number, length: number, view?: DataView): void }): void {
    const words = this.wordsOf(entry);
    const at = (entry & inChunk) << wordsLog;
    const length = words[at + field.valueLength] as number;
    if (((words[at + field.state] as number) & (large | shared)) !== 0) return to.add(this.valuePageOf(entry), this.valueAt(entry), length);
    const cell = words[at + field.cell] as number;
    const { pageBytes, pageViews } = this.arena;
    const from = CellArena.byteOffset(cell) + (words[at + field.keyLength] as number);
    to.add(pageBytes[cell >>> 16] as Buffer, from, length, pageViews[cell >>> 16]);
  }

  /** The value is these bytes. */
  hasValue(entry: number, bytes: Buffer): boolean {
    if (this.valueLengthOf(entry) !== bytes.length) return false;
    const at = this.valueAt(entry);
    return compareBytes(this.valuePageOf(entry), at, at + bytes.length, bytes, 0, bytes.length) === 0;
  }

  /** The key, or a part's element, borrowed until anything is written. */
  keyView(entry: number): Buffer {
    const at = this.keyAt(entry);
    return this.keyPageOf(entry).subarray(at, at + this.word(entry, field.keyLength));
  }

  /** The same, owned by the caller. */
  keyBytes(entry: number): Buffer {
    return Buffer.from(this.keyView(entry));
  }

  /** As Buffer.compare of the two keys; of parts, of their elements. */
  compareKeys(entry: number, other: number): number {
    const at = this.keyAt(entry);
    const otherAt = this.keyAt(other);
    const otherEnd = otherAt + this.word(other, field.keyLength);
    return compareBytes(this.keyPageOf(entry), at, at + this.word(entry, field.keyLength), this.keyPageOf(other), otherAt, otherEnd);
  }

  /** As Buffer.compare of the entry's key and `bytes`. */
  compareKeyTo(entry: number, bytes: Buffer): number {
    const at = this.keyAt(entry);
    return compareBytes(this.keyPageOf(entry), at, at + this.word(entry, field.keyLength), bytes, 0, bytes.length);
  }

  /** The key as latin1 text. */
  nameOf(entry: number): string {
    const at = this.keyAt(entry);
    return this.keyPageOf(entry).toString('latin1', at, at + this.word(entry, field.keyLength));
  }

  /** The key's place in the order of SCAN. */
  scanHashOf(entry: number): number {
    return scanHash(this.keyPageOf(entry), this.keyAt(entry), this.word(entry, field.keyLength));
  }

  /** What the entry costs in memory. */
  byteSizeOf(entry: number): number {
    const words = this.wordsOf(entry);
    const at = (entry & inChunk) << wordsLog;
    const expiring = this.expiresOf(entry) !== 0 && this.kindOf(entry) === 0 ? expiringBytes : 0;
    if (((words[at + field.state] as number) & (large | shared)) === 0)
      return entryBytes + expiring + this.arena.bytesAt(words[at + field.cell] as number);
    const bytes =
      (words[at + field.keyLength] as number) + (words[at + field.valueLength] as number) + (words[at + field.recordLength] as number);
    return entryBytes + expiring + bytes + apartBytes;
  }

  /** Where in `keyPageOf` the key begins. */
  keyAt(entry: number): number {
    return (this.stateOf(entry) & large) === 0 ? CellArena.byteOffset(this.word(entry, field.cell)) : 0;
  }

  /** Makes room for a value and an encoded record beside the key, which stays. */
  private resize(entry: number, valueLength: number, recordLength: number): void {
    const words = this.wordsOf(entry);
    const at = (entry & inChunk) << wordsLog;
    const keyLength = words[at + field.keyLength] as number;
    const bytes = keyLength + valueLength + recordLength;
    const cell = words[at + field.cell] as number;
    const state = words[at + field.state] as number;
    if ((state & shared) !== 0) {
      words[at + field.state] = state & ~shared;
      this.sharedValues.delete(entry);
    }
    if ((state & large) !== 0 || bytes > cellBytesMax || !this.arena.fits(cell, bytes)) this.move(entry, keyLength, bytes);
    words[at + field.valueLength] = valueLength;
    words[at + field.recordLength] = recordLength;
  }

  private move(entry: number, keyLength: number, bytes: number): void {
    const words = this.wordsOf(entry);
    const at = (entry & inChunk) << wordsLog;
    const state = words[at + field.state] as number;
    const cell = words[at + field.cell] as number;
    const old = this.keyPageOf(entry);
    const oldAt = this.keyAt(entry);
    if (bytes <= cellBytesMax) {
      const target = this.arena.allocate(bytes);
      copyBytes(old, oldAt, keyLength, this.arena.pageBytes[target >>> 16] as Buffer, CellArena.byteOffset(target));
      words[at + field.cell] = target;
      words[at + field.state] = state & ~large;
      this.largeOnes.delete(entry);
    } else {
      const own = Buffer.allocUnsafeSlow(bytes);
      copyBytes(old, oldAt, keyLength, own, 0);
      words[at + field.state] = state | large;
      this.largeOnes.set(entry, own);
    }
    if ((state & large) === 0) this.arena.release(cell);
  }

  private hasKey(entry: number, bytes: Buffer, from: number, length: number): boolean {
    if (this.word(entry, field.keyLength) !== length) return false;
    const page = this.keyPageOf(entry);
    const at = this.keyAt(entry);
    if (length > 256) return page.compare(bytes, from, from + length, at, at + length) === 0;
    for (let i = 0; i < length; i++) if (page[at + i] !== bytes[from + i]) return false;
    return true;
  }

  private hashOf(bytes: Buffer, from: number, length: number): number {
    return keyHash(this.seed, bytes, from, length);
  }

  private newEntry(): number {
    const free = this.freeList;
    if (free !== noEntry) {
      this.freeList = this.nextOf(free);
      return free;
    }
    const entry = this.used++;
    if (entry >>> chunkLog === this.words.length) {
      const memory = new ArrayBuffer(chunkEntries << (wordsLog + 2));
      this.words.push(new Int32Array(memory));
      this.doubles.push(new Float64Array(memory));
    }
    return entry;
  }

  private wordsOf(entry: number): Int32Array {
    return this.words[entry >>> chunkLog] as Int32Array;
  }

  private word(entry: number, name: number): number {
    return (this.words[entry >>> chunkLog] as Int32Array)[((entry & inChunk) << wordsLog) + name] as number;
  }

  private setWord(entry: number, name: number, value: number): void {
    (this.words[entry >>> chunkLog] as Int32Array)[((entry & inChunk) << wordsLog) + name] = value;
  }

  private stateOf(entry: number): number {
    return this.word(entry, field.state);
  }

  private setState(entry: number, mask: number, bits: number): void {
    const words = this.wordsOf(entry);
    const at = ((entry & inChunk) << wordsLog) + field.state;
    words[at] = ((words[at] as number) & ~mask) | bits;
  }

  private setExpires(entry: number, expiresAtMs: number): void {
    (this.doubles[entry >>> chunkLog] as Float64Array)[((entry & inChunk) << doublesLog) + double.expires] = expiresAtMs;
  }
}

/** A value of so many bytes is not copied: it is worth the objects that it takes by itself. */
const sharedBytesMin = 256 * 1024;
/** Memory for encoding that is kept. */
const recordBytesKept = 1024 * 1024;
const noBytes: Buffer = Buffer.alloc(0);
const noVersions: readonly Version[] = [];
let recordWriter = new ByteWriter(256);

/** It is large, and would keep little else in memory. */
export function isShareable(bytes: Buffer): boolean {
  return bytes.length >= sharedBytesMin && 2 * bytes.length >= bytes.buffer.byteLength;
}
