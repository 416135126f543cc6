/**
 * Keeps memory below its bound by the clock algorithm: a hand goes round the entries, spares once what was used since it last came
 * by, and forgets what is clean. What is dirty, incomplete or being read whole stays.
 */
import type { KeyTable } from './key-table.js';
import type { Partition } from './partition.js';

/** Entries looked at in one turn of the event loop. */
const stepEntries = 2000;

export class Evictor {
  /** The hand: an entry's number. */
  private hand = 0;
  /** Entries forgotten so far. */
  evicted = 0;

  constructor(
    private readonly table: KeyTable,
    private readonly partition: (number: number) => Partition,
    private readonly bytesMax: number,
  ) {}

  /** Moves the hand when memory is over its bound; at most `stepEntries` entries. */
  step(memoryBytes: number): void {
    const { table } = this;
    let excess = memoryBytes - this.bytesMax;
    for (let budget = Math.min(stepEntries, 2 * table.end); excess > 0 && budget > 0; budget--) {
      if (this.hand >= table.end) this.hand = 0;
      const entry = this.hand++;
      if (!table.isInUse(entry) || table.untouch(entry) || !table.isComplete(entry) || table.dirtyOf(entry) !== 0) continue;
      const partition = this.partition(table.partitionOf(entry));
      if (partition.pins > 0) continue;
      const bytes = table.byteSizeOf(entry);
      if (!partition.evict(entry)) continue;
      excess -= bytes;
      this.evicted++;
    }
  }
}
