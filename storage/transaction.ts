/**
 * One command's run over a partition: reads objects from memory (transaction-reads.ts), stages records, and hands them over as one batch or drops them.
 * One instance serves all commands of a node, one after the other, so that a run allocates nothing of its own.
 */
import type { Dot } from '../protocol/dot.js';
import { versionKind, type VectorClock, type VersionedRecord } from '../protocol/record.js';
import { recordPart, recordType } from '../protocol/record-key.js';
import { ErrorReply } from '../protocol/resp/reply.js';
import { slotOf } from '../protocol/slot.js';
import type { Collection } from './collection.js';
import { collectionTypes, type CollectionType } from './collection-types.js';
import { CommandError, type CollectionName, type Execution, type ValueLimits } from './execution.js';
import { noEntry } from './key-table.js';
import { insertIntoList, removeFromList, replaceInList, rotateList, type IndexRange, type ListWriting } from './list-writer.js';
import type { Side } from './list-position.js';
import { cutOf, deleting, deletingAll, emptyRecord, recordCovers, replacing, withoutVersions } from './merge.js';
import type { Partition } from './partition.js';
import { coversClock, covers } from './vector-clock.js';
import { scoreIncremented } from './score-value.js';
import type { Staged } from './staged-writes.js';
import { incremented, withExpiry } from './string-value.js';
import { TransactionReads } from './transaction-reads.js';

const notAnInteger = new ErrorReply('ERR value is not an integer or out of range');
const overflow = new ErrorReply('ERR increment or decrement would overflow');
const wrongType = new ErrorReply('WRONGTYPE Operation against a key holding the wrong kind of value');
const noBytes: Buffer = Buffer.alloc(0);

export class Transaction extends TransactionReads implements Execution, ListWriting {
  private dot: Dot | undefined;
  private term = 0;
  /** What its deletions say: its term, or 0 where others may take writes at the same time. */
  private deletionTerm = 0;

  /** `nextDot` issues the batch's dot when the first record is staged. `limits` are read each time. */
  constructor(
    private readonly nextDot: () => Dot,
    limits: ValueLimits = { stringBytesMax: Infinity, sparseBytesMax: Infinity },
  ) {
    super(limits);
  }

  /** With `ordersDeletions` what the command deletes of values stays deleted whatever coordinators of older terms write. */
  begin(partition: Partition, term: number, nowMs: number, resp: 2 | 3, ordersDeletions = false): void {
    this.term = term;
    this.deletionTerm = ordersDeletions ? term : 0;
    this.beginReading(partition, nowMs, resp);
    this.discard();
  }

  /** Drops what was staged. */
  discard(): void {
    this.dot = undefined;
    if (this.needs.length > 0) this.needs = [];
    if (this.lacking !== undefined) this.lacking = undefined;
    this.sizes.clear();
    if (this.cleared.size > 0) this.cleared.clear();
    this.forgetStaged();
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
    this.stage(entry, key).setRecord(result.record);
    return result.value;
  }

  setElement(key: Buffer, name: CollectionName, element: Buffer, bytes: Buffer, expiresAtMs = 0): boolean {
    return this.setIn(this.writable(key, collectionTypes[name]), key, element, bytes, expiresAtMs);
  }

  /** The same of many that do not expire, in this order. */
  setElements(key: Buffer, name: CollectionName, elements: readonly Buffer[], values: readonly Buffer[]): void {
    if (elements.length === 0) return;
    const collection = this.writable(key, collectionTypes[name]);
    for (let i = 0; i < elements.length; i++) this.setIn(collection, key, elements[i] as Buffer, values[i] as Buffer, 0);
  }

  private setIn(collection: Collection, key: Buffer, element: Buffer, bytes: Buffer, expiresAtMs: number): boolean {
    const entry = this.here.collections.findOrInsert(collection, recordPart.element, element, 0, element.length, bytes.length);
    const isNew = !this.hasElementAt(collection, entry, element);
    if (isNew) this.grown(collection, key);
    this.stagePlain(entry, key, collection.type.byte, recordPart.element, element, bytes, expiresAtMs);
    return isNew;
  }

  addToList(key: Buffer, positions: readonly Buffer[], values: readonly Buffer[]): void {
    if (positions.length === 0) return;
    const collection = this.writable(key, collectionTypes.list);
    for (const [i, position] of positions.entries()) {
      const value = values[i] as Buffer;
      const entry = this.here.collections.findOrInsert(collection, recordPart.element, position, 0, position.length, value.length);
      this.here.collections.complete(entry, undefined);
      this.grown(collection, key);
      this.stagePlain(entry, key, collection.type.byte, recordPart.element, position, value, 0);
    }
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
    this.stagePart(entry, key, type.byte, recordPart.element, element).setRecord(changed);
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
    this.stagePart(entry, key, type.byte, recordPart.element, element).setRecord(result.record);
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
    if (result.record !== undefined) this.stagePart(entry, key, type.byte, recordPart.element, member).setRecord(result.record);
    return result.score;
  }

  removeElement(key: Buffer, name: CollectionName, element: Buffer): boolean {
    const shown = this.toRemoveFrom(key, name);
    return shown !== undefined && this.removeFrom(shown, key, element);
  }

  removeElements(key: Buffer, name: CollectionName, elements: readonly Buffer[]): number {
    const shown = this.toRemoveFrom(key, name);
    let removed = 0;
    if (shown !== undefined) for (const element of elements) if (this.removeFrom(shown, key, element)) removed++;
    return removed;
  }

  private toRemoveFrom(key: Buffer, name: CollectionName): Collection | undefined {
    const owner = this.entryOf(key);
    const shown = owner === noEntry ? undefined : this.shownOf(owner, key);
    if (shown === undefined) return undefined;
    if (shown === 'string' || shown.type !== collectionTypes[name]) throw new CommandError(wrongType);
    return shown;
  }

  private removeFrom(shown: Collection, key: Buffer, element: Buffer): boolean {
    const { type } = shown;
    const entry = this.here.collections.find(shown, recordPart.element, element);
    if (!this.hasElementAt(shown, entry, element)) return false;
    this.clearOthers(shown.owner, key, shown);
    this.stageTombstone(this.stagePart(entry, key, type.byte, recordPart.element, element), type.hasValues ? this.deletionTerm : 0);
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
    this.stage(entry, key).setRecord(changed);
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
    this.stageTombstone(this.stage(entry, key), this.deletionTerm);
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
        this.stageTombstone(staged, this.deletionTerm);
        removed++;
      }
    }
    return removed;
  }

  private newDot(): Dot {
    return (this.dot ??= this.nextDot());
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
    return staged.record === undefined ? !staged.deletes : staged.record.versions.length > 0;
  }

  /** Deletes a collection as a whole: one record, and tombstones for what this replica holds and its `seen` does not cover. */
  private clear(collection: Collection, key: Buffer): void {
    const { here } = this;
    const { table, collections, seen } = here;
    const dot = this.newDot();
    for (const staged of this.stagedOf(collection)) staged.setRecord(deleting(table.recordOf(staged.entry) ?? emptyRecord, dot)); // what this very batch wrote before
    const entry = collections.findOrInsert(collection, recordPart.deleted, noBytes);
    const record = deletingAll(table.recordOf(entry), new Map(seen), dot, this.term);
    const cut = cutOf(record);
    this.stagePart(entry, key, collection.type.byte, recordPart.deleted, noBytes).setRecord(record);
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
    this.stagePart(entry, key, collection.type.byte, part, element).setRecord(deleting(record, this.newDot()));
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
    this.stageTombstone(this.stagePart(expiry, key, type.byte, recordPart.expiry, noBytes), 0);
  }

  /** Stages one plain version that replaces all there is of the record. */
  private stagePlain(entry: number, key: Buffer, type: number, part: number, element: Buffer, bytes: Buffer, expiresAtMs: number): void {
    const dot = this.newDot();
    const { actor, counter } = dot;
    const staged = this.stagePart(entry, key, type, part, element);
    // What this batch staged before has the same dot, so it is not among what this replaces.
    // The common case needs none of what `replacing` looks at: this actor's own last version, which its next one covers.
    if (this.cleared.size === 0 ? this.here.isNextOf(entry, actor, counter) : this.isCleared(entry, dot))
      staged.setPlain(bytes, expiresAtMs);
    else {
      const version = { kind: versionKind.plain, actor, counter, term: this.term, expiresAtMs, bytes };
      staged.setRecord(replacing(this.tableRecord(entry), version));
    }
  }

  /** The batch deletes, with its collection, all that there is of the record: what it writes then is alone there. */
  private isCleared(entry: number, { actor, counter }: Dot): boolean {
    const { table, collections } = this.here;
    if (!table.hasRecord(entry)) return this.here.isNextOf(entry, actor, counter);
    if (!table.isSingle(entry) || table.kindOf(entry) === 0) return false;
    const cut = this.cleared.get(collections.ofPart(entry));
    return cut !== undefined && covers(cut, { actor: table.actorOf(entry), counter: table.counterOf(entry) });
  }

  /** Makes of what is staged a deletion of all that there is of the record. `term`: what it says, or 0. */
  private stageTombstone(staged: Staged, term: number): void {
    const { entry } = staged;
    const dot = this.newDot();
    if (this.cleared.size === 0 && this.here.isNextOf(entry, dot.actor, dot.counter)) staged.setTombstone(term);
    else staged.setRecord(deleting(this.tableRecord(entry), dot, term));
  }

  private entryFor(key: Buffer): number {
    const known = this.entryOf(key);
    if (known !== noEntry) return known;
    return (this.lastEntry = this.here.findOrInsert(key, 0, key.length, slotOf(key)));
  }

  protected recordOf(entry: number): VersionedRecord | undefined {
    const staged = this.writes.of(entry);
    if (staged === undefined) return this.tableRecord(entry);
    const { record, bytes, expiresAtMs, deletes, deletionTerm } = staged;
    if (record !== undefined) return this.merged(entry, record);
    if (deletes) return deleting(undefined, this.newDot(), deletionTerm);
    return replacing(undefined, { kind: versionKind.plain, ...this.newDot(), term: this.term, expiresAtMs, bytes });
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
    if (table.isTombstone(entry)) return table.actorOf(entry) === actor && table.buriedCounterOf(entry) >= counter;
    return recordCovers(table.recordOf(entry) ?? emptyRecord, { actor, counter });
  }
}
