/**
 * One command's run over a partition: reads objects from memory, stages records, and hands them over as one batch or drops them.
 * One instance serves all commands of a node, one after the other, so that a run allocates nothing of its own.
 */
import { type Dot } from '../protocol/dot.js';
import { ErrorReply, StoredValue } from '../protocol/resp/reply.js';
import { versionKind, type VersionedRecord } from '../protocol/record.js';
import { slotOf } from '../protocol/slot.js';
import { CommandError, type Execution, type ScannedSlot, type StringObject, type TypeName } from './execution.js';
import { KeyOrder, sliceOf } from './key-order.js';
import { noEntry } from './key-table.js';
import { deleting, emptyRecord, mergeRecords, recordCovers, replacing, withoutVersions } from './merge.js';
import type { Partition } from './partition.js';
import { incremented, shownString, withExpiry } from './string-value.js';

const notAnInteger = new ErrorReply('ERR value is not an integer or out of range');
const overflow = new ErrorReply('ERR increment or decrement would overflow');
const noBytes: Buffer = Buffer.alloc(0);
/** Up to this many staged keys are looked through one by one. */
const searchedMax = 16;
/** Places for staged keys that are kept for the next command. */
const stagedKept = 64;

/** What the batch will write to one key. */
export class Staged {
  /** In the key table. */
  entry = noEntry;
  /** Borrowed until the command has run. */
  key = noBytes;
  slot = 0;
  /** Undefined: one plain version with nothing else seen, of `bytes` and `expiresAtMs`. */
  record: VersionedRecord | undefined = undefined;
  /** Borrowed until the command has run. */
  bytes = noBytes;
  expiresAtMs = 0;
}

/** Looking through more entries than these for each SCAN takes too long: from here on a partition keeps them in order. */
const unorderedEntriesMax = 16_384;
/** Entries put in order by one command. */
const orderedAtOnce = 2048;

export class Transaction implements Execution {
  nowMs = 0;
  resp: 2 | 3 = 2;
  /** How many of `staged` the batch will carry. */
  stagedCount = 0;
  /** In the order of writing. Used again by the next command. */
  readonly staged: Staged[] = [];
  private current: Partition | undefined;
  private dot: Dot | undefined;
  private term = 0;
  private livingBySlot: Map<number, number[]> | undefined;
  /** The last key that was looked up, by identity of its Buffer: a command asks for the same one several times. */
  private lastKey: Buffer | undefined;
  private lastEntry = noEntry;
  /** `staged` by entry, once there are many. */
  private stagedByEntry: Map<number, Staged> | undefined;
  private readonly stored = new StoredValue();

  /** `nextDot` issues the batch's dot when the first record is staged. `limits` are read each time. */
  constructor(
    private readonly nextDot: () => Dot,
    private readonly limits: { readonly stringBytesMax: number } = { stringBytesMax: Infinity },
  ) {}

  get stringBytesMax(): number {
    return this.limits.stringBytesMax;
  }

  begin(partition: Partition, term: number, nowMs: number, resp: 2 | 3): void {
    this.current = partition;
    this.term = term;
    this.nowMs = nowMs;
    this.resp = resp;
    this.discard();
    this.livingBySlot = undefined;
    this.lastKey = undefined;
  }

  /** Drops what was staged. */
  discard(): void {
    this.dot = undefined;
    this.stagedByEntry = undefined;
    for (let i = 0; i < this.stagedCount; i++) {
      const staged = this.staged[i] as Staged;
      staged.key = staged.bytes = noBytes;
      staged.record = undefined;
    }
    this.stagedCount = 0;
    if (this.staged.length > stagedKept) this.staged.length = stagedKept;
  }

  /** The dot of what was staged; undefined when nothing was. */
  get batchDot(): Dot | undefined {
    return this.stagedCount === 0 ? undefined : this.dot;
  }

  /** About how many bytes of keys and values the batch will carry. */
  get stagedBytes(): number {
    let sum = 0;
    for (let i = 0; i < this.stagedCount; i++) {
      const { key, bytes, record } = this.staged[i] as Staged;
      sum += key.length + 64;
      if (record === undefined) sum += bytes.length;
      else for (const version of record.versions) sum += version.kind === versionKind.plain ? version.bytes.length : 64;
    }
    return sum;
  }

  get partition(): number {
    return this.here.number;
  }

  string(key: Buffer): StringObject | undefined {
    const entry = this.entryOf(key);
    const staged = this.stagedOf(entry);
    if (staged !== undefined) return this.livingStaged(staged);
    const { table } = this.here;
    if (entry === noEntry || !table.isLiving(entry, this.nowMs)) return undefined;
    return { bytes: table.valueOf(entry), expiresAtMs: table.expiresOf(entry) };
  }

  value(key: Buffer): StoredValue | Buffer | null {
    const entry = this.entryOf(key);
    const { table } = this.here;
    if (this.stagedCount > 0) return this.string(key)?.bytes ?? null;
    if (entry === noEntry || !table.isLiving(entry, this.nowMs)) return null;
    const { stored } = this;
    stored.memory = table.pageOf(entry);
    stored.at = table.valueAt(entry);
    stored.length = table.valueLengthOf(entry);
    stored.isShared = table.isLarge(entry);
    return stored;
  }

  typeOf(key: Buffer): TypeName | undefined {
    return this.isLiving(this.entryOf(key)) ? 'string' : undefined;
  }

  expiryOf(key: Buffer): number | undefined {
    const entry = this.entryOf(key);
    const staged = this.stagedOf(entry);
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
    const { actor, counter } = this.newDot();
    const staged = this.stage(entry, key);
    // What this batch staged before has the same dot, so it is not among what this replaces.
    // The common case needs none of what `replacing` looks at: this actor's own last version, which its next one covers.
    staged.bytes = bytes;
    staged.expiresAtMs = expiresAtMs;
    if (this.here.isNextOf(entry, actor, counter)) staged.record = undefined;
    else {
      const version = { kind: versionKind.plain, actor, counter, term: this.term, expiresAtMs, bytes };
      staged.record = replacing(this.here.table.recordOf(entry), version);
    }
  }

  increment(key: Buffer, by: bigint): bigint {
    const entry = this.entryFor(key);
    const dot = this.newDot();
    const old = this.recordOf(entry);
    const hasExpired = old !== undefined && !this.isLiving(entry);
    const result = incremented(hasExpired ? withoutVersions(old) : old, dot, this.term, by);
    if (result === 'not-an-integer') throw new CommandError(notAnInteger);
    if (result === 'overflow') throw new CommandError(overflow);
    this.stage(entry, key).record = result.record;
    return result.value;
  }

  setExpiry(key: Buffer, expiresAtMs: number): boolean {
    const entry = this.entryOf(key);
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
    if (!this.isLiving(entry)) return false;
    this.remove(entry, key);
    return true;
  }

  /** Deletes what lies at `entry`, living or expired: the sweeper's and FLUSHALL's. */
  remove(entry: number, key: Buffer): void {
    this.stage(entry, key).record = deleting(this.here.table.recordOf(entry) ?? emptyRecord, this.newDot());
  }

  /** Deletes `key` if its value has expired: the sweeper's. */
  removeExpired(key: Buffer): boolean {
    const entry = this.entryOf(key);
    if (entry === noEntry) return false;
    const { table } = this.here;
    if (!table.isAlive(entry) || table.isLiving(entry, this.nowMs)) return false;
    this.remove(entry, key);
    return true;
  }

  keyCount(): number {
    return this.here.aliveEntries;
  }

  keysInSlot(slot: number, limit: number, after?: Buffer): readonly Buffer[] {
    const { table } = this.here;
    const keys = this.livingInSlot(slot).map((entry) => table.nameOf(entry));
    const afterKey = after?.toString('latin1');
    const found: Buffer[] = [];
    for (const key of keys.toSorted()) {
      if (found.length >= limit) break;
      if (afterKey === undefined || key > afterKey) found.push(Buffer.from(key, 'latin1'));
    }
    return found;
  }

  scanSlot(slot: number, position: number, limit: number): ScannedSlot {
    const { table } = this.here;
    const order = this.orderOf(this.here);
    if (order?.isFilled === false) return { keys: [], examined: 0, next: position };
    const { keys, next } =
      order?.slice(slot, position, limit) ?? sliceOf(this.livingInSlot(slot), (entry) => table.scanHashOf(entry), position, limit);
    const living = keys.filter((entry) => table.isLiving(entry, this.nowMs));
    return { keys: living.map((entry) => table.keyBytes(entry)), examined: keys.length, next };
  }

  /** Undefined for a small partition. It is not evicted from until its order is filled. */
  private orderOf(partition: Partition): KeyOrder | undefined {
    if (partition.order === undefined) {
      if (partition.entries.size <= unorderedEntriesMax) return undefined;
      partition.order = new KeyOrder(partition.table, partition.entries.ids());
      partition.pins++;
    }
    if (!partition.order.isFilled && partition.order.fill(orderedAtOnce)) partition.pins--;
    return partition.order;
  }

  private get here(): Partition {
    if (this.current === undefined) throw new Error('a transaction is used before begin()');
    return this.current;
  }

  private newDot(): Dot {
    return (this.dot ??= this.nextDot());
  }

  private isLiving(entry: number): boolean {
    const staged = this.stagedOf(entry);
    if (staged !== undefined) return this.livingStaged(staged) !== undefined;
    return entry !== noEntry && this.here.table.isLiving(entry, this.nowMs);
  }

  /** The string as it will be, if it is living. */
  private livingStaged({ entry, record, bytes, expiresAtMs }: Staged): StringObject | undefined {
    const shown = record === undefined ? { bytes, expiresAtMs } : shownString(this.merged(entry, record));
    return shown === undefined || (shown.expiresAtMs !== 0 && shown.expiresAtMs <= this.nowMs) ? undefined : shown;
  }

  private entryFor(key: Buffer): number {
    const known = this.entryOf(key);
    if (known !== noEntry) return known;
    return (this.lastEntry = this.here.findOrInsert(key, 0, key.length, slotOf(key)));
  }

  private recordOf(entry: number): VersionedRecord | undefined {
    const staged = this.stagedOf(entry);
    if (staged === undefined) return this.here.table.recordOf(entry);
    const { record, bytes, expiresAtMs } = staged;
    if (record !== undefined) return this.merged(entry, record);
    return replacing(undefined, { kind: versionKind.plain, ...this.newDot(), term: this.term, expiresAtMs, bytes });
  }

  /** What the key's record will be: an increment leaves other actors' sums to the record that it is merged with. */
  private merged(entry: number, record: VersionedRecord): VersionedRecord {
    const old = this.here.table.recordOf(entry);
    return old === undefined ? record : mergeRecords(old, record);
  }

  private stagedOf(entry: number): Staged | undefined {
    if (this.stagedCount === 0) return undefined;
    if (this.stagedByEntry !== undefined) return this.stagedByEntry.get(entry);
    for (let i = 0; i < this.stagedCount; i++) if (this.staged[i]?.entry === entry) return this.staged[i];
    return undefined;
  }

  /** The place for what the batch writes to `entry`: one for each. */
  private stage(entry: number, key: Buffer): Staged {
    const known = this.stagedOf(entry);
    if (known !== undefined) return known;
    const { table } = this.here;
    if (table.hasRecord(entry) && this.isWritten(entry)) throw new Error('a dot was issued twice');
    const staged = (this.staged[this.stagedCount++] ??= new Staged());
    staged.entry = entry;
    staged.key = key;
    staged.slot = table.slotOf(entry);
    if (this.stagedByEntry !== undefined) this.stagedByEntry.set(entry, staged);
    else if (this.stagedCount > searchedMax)
      this.stagedByEntry = new Map(this.staged.slice(0, this.stagedCount).map((each) => [each.entry, each]));
    return staged;
  }

  /** The record has seen this batch's dot. */
  private isWritten(entry: number): boolean {
    const { table } = this.here;
    const { actor, counter } = this.newDot();
    if (table.isSingle(entry)) return table.actorOf(entry) === actor && table.counterOf(entry) >= counter;
    return recordCovers(table.recordOf(entry) ?? emptyRecord, { actor, counter });
  }

  private livingInSlot(slot: number): readonly number[] {
    return (this.livingBySlot ??= this.entriesBySlot()).get(slot) ?? [];
  }

  private entriesBySlot(): Map<number, number[]> {
    const bySlot = new Map<number, number[]>();
    const { entries, table } = this.here;
    for (const entry of entries.ids()) {
      if (!table.isLiving(entry, this.nowMs)) continue;
      const slot = table.slotOf(entry);
      const known = bySlot.get(slot);
      if (known === undefined) bySlot.set(slot, [entry]);
      else known.push(entry);
    }
    return bySlot;
  }
}
