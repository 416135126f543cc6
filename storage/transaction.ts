/**
 * One command's run over a partition: reads objects from memory, stages records, and hands them over as one batch or drops them.
 * One instance serves all commands of a node, one after the other, so that a run allocates nothing of its own.
 */
import { type Dot } from '../protocol/dot.js';
import { ErrorReply } from '../protocol/resp/reply.js';
import { emptyClock, versionKind, type VersionedRecord } from '../protocol/record.js';
import { slotOf } from '../protocol/slot.js';
import { CommandError, type Execution, type ScannedSlot, type StringObject, type TypeName } from './execution.js';
import { KeyEntry } from './key-entry.js';
import { KeyOrder, sliceOf } from './key-order.js';
import { deleting, emptyRecord, mergeRecords, recordCovers, replacing, withoutVersions } from './merge.js';
import type { Partition } from './partition.js';
import { incremented, withExpiry } from './string-value.js';

const notAnInteger = new ErrorReply('ERR value is not an integer or out of range');
const overflow = new ErrorReply('ERR increment or decrement would overflow');

/** Looking through more entries than these for each SCAN takes too long: from here on a partition keeps them in order. */
const unorderedEntriesMax = 16_384;
/** Entries put in order by one command. */
const orderedAtOnce = 16_384;

export class Transaction implements Execution {
  nowMs = 0;
  resp: 2 | 3 = 2;
  /** Entries whose `staged` record the batch will carry, in order. */
  readonly staged: KeyEntry[] = [];
  private current: Partition | undefined;
  private dot: Dot | undefined;
  private term = 0;
  private keysBySlot: Map<number, string[]> | undefined;
  /** The last key that was looked up, by identity of its Buffer: a command asks for the same one several times. */
  private lastKey: Buffer | undefined;
  private lastEntry: KeyEntry | undefined;

  /** `nextDot` issues the batch's dot when the first record is staged. */
  constructor(private readonly nextDot: () => Dot) {}

  begin(partition: Partition, term: number, nowMs: number, resp: 2 | 3): void {
    this.current = partition;
    this.term = term;
    this.nowMs = nowMs;
    this.resp = resp;
    this.discard();
    this.keysBySlot = undefined;
    this.lastKey = undefined;
  }

  /** Drops what was staged and not written. Nothing of it may stay on the entries: reads run in a transaction of their own. */
  discard(): void {
    for (const entry of this.staged) entry.staged = undefined;
    this.staged.length = 0;
    this.dot = undefined;
  }

  /** Drops what was staged, written or not: nobody else may see it at its entries. */
  end(): void {
    for (const entry of this.staged) entry.staged = undefined;
    this.staged.length = 0;
  }

  /** The dot of what was staged; undefined when nothing was. */
  get batchDot(): Dot | undefined {
    return this.staged.length === 0 ? undefined : this.dot;
  }

  get partition(): number {
    return this.here.number;
  }

  string(key: Buffer): StringObject | undefined {
    return this.living(this.entryOf(key));
  }

  typeOf(key: Buffer): TypeName | undefined {
    return this.living(this.entryOf(key)) === undefined ? undefined : 'string';
  }

  expiryOf(key: Buffer): number | undefined {
    return this.living(this.entryOf(key))?.expiresAtMs;
  }

  /** The entry of `key`, whatever it holds; undefined when memory has none. */
  entryOf(key: Buffer): KeyEntry | undefined {
    if (this.lastKey !== key) {
      this.lastKey = key;
      this.lastEntry = this.here.get(key.toString('latin1'));
    }
    return this.lastEntry;
  }

  setString(key: Buffer, bytes: Buffer, expiresAtMs: number): void {
    const entry = this.entryFor(key);
    const { actor, counter } = this.newDot();
    const owned = Buffer.allocUnsafe(bytes.length);
    bytes.copy(owned);
    const version = { kind: versionKind.plain, actor, counter, term: this.term, expiresAtMs, bytes: owned };
    // What this batch staged before has the same dot, so it is not among what this replaces.
    // The common case needs none of what `replacing` looks at: this actor's own last version, which its next one covers.
    const isNext = entry.single === undefined ? entry.record === undefined : entry.single.actor === actor;
    this.stage(entry, isNext ? { context: emptyClock, versions: [version] } : replacing(entry.record, version));
  }

  increment(key: Buffer, by: bigint): bigint {
    const entry = this.entryFor(key);
    const dot = this.newDot();
    const old = this.recordOf(entry);
    const hasExpired = old !== undefined && this.living(entry) === undefined;
    const result = incremented(hasExpired ? withoutVersions(old) : old, dot, this.term, by);
    if (result === 'not-an-integer') throw new CommandError(notAnInteger);
    if (result === 'overflow') throw new CommandError(overflow);
    this.stage(entry, result.record);
    return result.value;
  }

  setExpiry(key: Buffer, expiresAtMs: number): boolean {
    const entry = this.entryOf(key);
    if (entry === undefined || this.living(entry) === undefined) return false;
    const record = this.recordOf(entry);
    if (record === undefined) return false;
    const changed = withExpiry(record, this.newDot(), this.term, expiresAtMs);
    if (changed === undefined) return false;
    this.stage(entry, changed);
    return true;
  }

  delete(key: Buffer): boolean {
    const entry = this.entryOf(key);
    if (entry === undefined || this.living(entry) === undefined) return false;
    this.remove(entry);
    return true;
  }

  /** Deletes what lies at `entry`, living or expired: the sweeper's and FLUSHALL's. */
  remove(entry: KeyEntry): void {
    this.stage(entry, deleting(entry.record ?? emptyRecord, this.newDot()));
  }

  /** Deletes `key` if its value has expired: the sweeper's. */
  removeExpired(key: Buffer): boolean {
    const entry = this.entryOf(key);
    if (entry === undefined || !entry.alive || entry.isLiving(this.nowMs)) return false;
    this.remove(entry);
    return true;
  }

  keyCount(): number {
    return this.here.aliveEntries;
  }

  keysInSlot(slot: number, limit: number, after?: Buffer): readonly Buffer[] {
    const keys = this.livingInSlot(slot).toSorted();
    const afterKey = after?.toString('latin1');
    const found: Buffer[] = [];
    for (const key of keys) {
      if (found.length >= limit) break;
      if (afterKey === undefined || key > afterKey) found.push(Buffer.from(key, 'latin1'));
    }
    return found;
  }

  scanSlot(slot: number, position: number, limit: number): ScannedSlot {
    const { here } = this;
    if (here.order === undefined && here.entries.size > unorderedEntriesMax) here.order = new KeyOrder(here.entries.values());
    if (here.order === undefined) {
      const { keys, next } = sliceOf(this.livingInSlot(slot), position, limit);
      return { keys: keys.map((key) => Buffer.from(key, 'latin1')), examined: keys.length, next };
    }
    if (!here.order.fill(orderedAtOnce)) return { keys: [], examined: 0, next: position };
    const { keys, next } = here.order.slice(slot, position, limit);
    const living = keys.filter((key) => here.entries.get(key)?.isLiving(this.nowMs) === true);
    return { keys: living.map((key) => Buffer.from(key, 'latin1')), examined: keys.length, next };
  }

  private get here(): Partition {
    if (this.current === undefined) throw new Error('a transaction is used before begin()');
    return this.current;
  }

  private newDot(): Dot {
    return (this.dot ??= this.nextDot());
  }

  private living(entry: KeyEntry | undefined): StringObject | undefined {
    if (entry === undefined) return undefined;
    if (entry.staged !== undefined) {
      const view = new KeyEntry(entry.key, entry.slot, entry.partition, true);
      view.setRecord(withStaged(entry, entry.staged));
      return view.isLiving(this.nowMs) ? view : undefined;
    }
    return entry.isLiving(this.nowMs) ? entry : undefined;
  }

  private entryFor(key: Buffer): KeyEntry {
    const known = this.entryOf(key);
    if (known !== undefined) return known;
    this.lastEntry = this.here.getOrCreate(key.toString('latin1'), slotOf(key));
    return this.lastEntry;
  }

  private recordOf(entry: KeyEntry): VersionedRecord | undefined {
    return entry.staged === undefined ? entry.record : withStaged(entry, entry.staged);
  }

  private stage(entry: KeyEntry, record: VersionedRecord): void {
    if (entry.staged === undefined) {
      if (entry.record !== undefined && recordCovers(entry.record, this.newDot())) throw new Error('a dot was issued twice');
      this.staged.push(entry);
    }
    entry.staged = record;
  }

  private livingInSlot(slot: number): readonly string[] {
    return (this.keysBySlot ??= this.livingBySlot()).get(slot) ?? [];
  }

  private livingBySlot(): Map<number, string[]> {
    const bySlot = new Map<number, string[]>();
    for (const entry of this.here.entries.values()) {
      if (!entry.isLiving(this.nowMs)) continue;
      const keys = bySlot.get(entry.slot);
      if (keys === undefined) bySlot.set(entry.slot, [entry.key]);
      else keys.push(entry.key);
    }
    return bySlot;
  }
}

/** What the key's record will be: an increment leaves other actors' sums to the record that it is merged with. */
function withStaged(entry: KeyEntry, record: VersionedRecord): VersionedRecord {
  return entry.record === undefined ? record : mergeRecords(entry.record, record);
}
