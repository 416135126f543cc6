/**
 * Keeps memory below its bound by the clock algorithm: a hand goes round the entries, spares once what was used since it last came
 * by, and forgets what is clean. What is dirty, unsettled, incomplete or being read whole stays.
 */
import type { KeyEntry } from './key-entry.js';
import type { Partition } from './partition.js';

/** Entries looked at in one turn of the event loop. */
const stepEntries = 2000;

export class Evictor {
  private partitionHand: Iterator<Partition> | undefined;
  private partition: Partition | undefined;
  private entryHand: Iterator<KeyEntry> | undefined;
  /** Entries forgotten so far. */
  evicted = 0;

  constructor(
    private readonly partitions: ReadonlyMap<number, Partition>,
    private readonly bytesMax: number,
  ) {}

  /** Moves the hand when memory is over its bound; at most `stepEntries` entries. */
  step(memoryBytes: number): void {
    for (let budget = stepEntries, excess = memoryBytes - this.bytesMax; excess > 0 && budget > 0; budget--) {
      const entry = this.next();
      if (entry === undefined || this.partition === undefined) return;
      if (entry.referenced) entry.referenced = false;
      else if (entry.complete && entry.dirtyRound === 0 && entry.unsettled?.settled !== false && this.partition.pins === 0) {
        excess -= entry.byteSize;
        this.partition.evict(entry);
        this.evicted++;
      }
    }
  }

  private next(): KeyEntry | undefined {
    for (let laps = 0; laps < 2;) {
      const entry = this.entryHand?.next();
      if (entry?.done === false) return entry.value;
      const partition = this.partitionHand?.next();
      if (partition === undefined || partition.done === true) {
        this.partitionHand = this.partitions.values();
        laps++;
        continue;
      }
      this.partition = partition.value;
      this.entryHand = partition.value.entries.values();
    }
    return undefined;
  }
}
