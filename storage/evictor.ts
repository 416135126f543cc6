/**
 * Keeps memory below its bound by the clock algorithm: a hand goes round the entries, spares once what was used since it last came
 * by, and forgets what is clean. What is dirty, incomplete or being read whole stays.
 *
 * So does, beside the bound, the value that is a large part of it and was used last: for a while, or each use of one that is larger than all memory for entries
 * would read all of it again.
 */
import type { Clock } from './clock.js';
import type { KeyTable } from './key-table.js';
import type { Partition } from './partition.js';

/** Entries looked at in one turn of the event loop. */
const stepEntries = 2000;
/** How long the large value that was used last stays after that. */
const largeStaysMs = 10_000;
/** Above this, and a part of the bound, a value is large. */
const largeBytesMin = 1024 * 1024;
const largePart = 1 / 8;

export class Evictor {
  /** The hand: an entry's number. */
  private hand = 0;
  /** The large value that stays. */
  private staying: { readonly entry: number; readonly untilMs: number } | undefined;
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
    let excess = memoryBytes - this.bytesMax - this.stayingBytes();
    for (let budget = Math.min(stepEntries, 2 * table.end); excess > 0 && budget > 0; budget--) {
      if (this.hand >= table.end) this.hand = 0;
      const entry = this.hand++;
      if (!table.isInUse(entry)) continue;
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
