/**
 * Keeps memory below its bound by the clock algorithm: a hand goes round the entries, spares once what was used since it last came
 * by, and forgets what is clean. What is dirty, incomplete or being read whole stays.
 *
 * A hash, a set or a sorted set that commands use as a whole is kept as one: what they read by its order touches no element, and where one is forgotten the next
 * command has to read all of them.
 *
 * So does, beside the bound, the value, or the collection, that is a large part of it and was used last: for a while, or each use of one that is larger than all memory
 * for entries would read all of it again.
 */
import type { Clock } from './clock.js';
import type { Collection } from './collection.js';
import { typeOfKind } from './collection-types.js';
import type { KeyTable } from './key-table.js';
import type { Partition } from './partition.js';

/** Entries looked at in one turn of the event loop. */
const stepEntries = 2000;
/** How long the large value that was used last stays after that, and a collection that was used as a whole. */
const largeStaysMs = 10_000;
/** Above this, and a part of the bound, a value is large. */
const largeBytesMin = 1024 * 1024;
const largePart = 1 / 8;
/** A collection of fewer is read again within milliseconds. */
const manyElements = 1000;
/** A collection that is larger than this part of the bound stays beside it; so far above the bound none stays whole. */
const wholePart = 1 / 2;

export class Evictor {
  /** The hand: an entry's number. */
  private hand = 0;
  /** The large value that stays. */
  private staying: { readonly entry: number; readonly untilMs: number } | undefined;
  /** The large collection that stays. */
  private stayingWhole: { readonly collection: Collection; readonly untilMs: number } | undefined;
  /** Entries forgotten so far. */
  evicted = 0;

  constructor(
    private readonly table: KeyTable,
    private readonly partition: (number: number) => Partition,
    private readonly bytesMax: number,
    private readonly clock: Clock,
  ) {}

  /** Moves the hand when memory is over its bound; at most `stepEntries` entries. */
  step(memoryBytes: number): void {
    if (memoryBytes <= this.bytesMax) return;
    const { table } = this;
    let excess = memoryBytes - this.bytesMax - this.stayingBytes() - this.stayingWholeBytes();
    for (let budget = Math.min(stepEntries, 2 * table.end); excess > 0 && budget > 0; budget--) {
      if (this.hand >= table.end) this.hand = 0;
      const entry = this.hand++;
      if (!table.isInUse(entry)) continue;
      if (this.isUsedWhole(entry) && this.staysWhole(entry, excess)) continue;
      if (table.untouch(entry)) {
        if (this.isLarge(entry)) excess -= this.stays(entry);
        continue;
      }
      if (entry === this.staying?.entry || !table.isComplete(entry) || table.dirtyOf(entry) !== 0) continue;
      const partition = this.partition(table.partitionOf(entry));
      if (partition.pins > 0) continue;
      const bytes = table.byteSizeOf(entry);
      if (!partition.evict(entry)) continue;
      excess -= bytes;
      this.evicted++;
    }
  }

  /** An element without which its collection, of many, would not be whole any more, and that is used as one. */
  private isUsedWhole(entry: number): boolean {
    const { table, clock } = this;
    const kind = table.kindOf(entry);
    if (kind === 0 || typeOfKind(kind).isOrderedInParts) return false;
    const collection = this.collectionOf(entry);
    if (!collection.whole || collection.size < manyElements || !collection.holds(entry)) return false;
    const nowMs = clock.monotonicMs();
    return nowMs < collection.staysWholeUntil(nowMs + largeStaysMs);
  }

  /** Of those that are a large part of memory one stays, beside the bound; the others do as long as memory is not far above it. */
  private staysWhole(entry: number, excess: number): boolean {
    const collection = this.collectionOf(entry);
    if (this.bytesOf(collection) <= this.bytesMax * wholePart) return excess < this.bytesMax * wholePart;
    const nowMs = this.clock.monotonicMs();
    if (this.stayingWhole !== undefined && this.stayingWhole.collection !== collection && nowMs < this.stayingWhole.untilMs) return false;
    this.stayingWhole = { collection, untilMs: collection.staysWholeUntil(nowMs + largeStaysMs) };
    return true;
  }

  private collectionOf(entry: number): Collection {
    return this.partition(this.table.partitionOf(entry)).collections.ofPart(entry);
  }

  /** About, by the size of one of its elements. */
  private bytesOf(collection: Collection): number {
    return collection.byteSize + (collection.size > 0 ? collection.size * this.table.byteSizeOf(collection.at(0)) : 0);
  }

  private stayingWholeBytes(): number {
    const { stayingWhole } = this;
    if (stayingWhole === undefined) return 0;
    if (stayingWhole.collection.whole && this.clock.monotonicMs() < stayingWhole.untilMs) return this.bytesOf(stayingWhole.collection);
    this.stayingWhole = undefined;
    return 0;
  }

  private isLarge(entry: number): boolean {
    return this.table.valueLengthOf(entry) > Math.max(largeBytesMin, this.bytesMax * largePart);
  }

  /** Returns by how much more memory may be used for that. */
  private stays(entry: number): number {
    const before = this.stayingBytes();
    this.staying = { entry, untilMs: this.clock.monotonicMs() + largeStaysMs };
    return this.table.byteSizeOf(entry) - before;
  }

  private stayingBytes(): number {
    const { staying, table } = this;
    if (staying === undefined) return 0;
    if (table.isInUse(staying.entry) && this.isLarge(staying.entry) && this.clock.monotonicMs() < staying.untilMs)
      return table.byteSizeOf(staying.entry);
    this.staying = undefined;
    return 0;
  }
}
