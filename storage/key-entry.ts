/**
 * One key in memory as an object: a view of its entry in the key table, for everything off the hot path. It holds while the entry is neither evicted nor
 * purged: whoever keeps one from turn to turn pins the partition.
 */
import type { VersionedRecord } from '../protocol/record.js';
import type { KeyTable } from './key-table.js';

export class KeyEntry {
  constructor(
    private readonly table: KeyTable,
    /** Its number in the table. */
    readonly id: number,
  ) {}

  /** latin1 of the key's bytes. */
  get key(): string {
    return this.table.nameOf(this.id);
  }

  /** Owned by the caller. */
  get keyBytes(): Buffer {
    return this.table.keyBytes(this.id);
  }

  get slot(): number {
    return this.table.slotOf(this.id);
  }

  get partition(): number {
    return this.table.partitionOf(this.id);
  }

  /** False while the record holds only what arrived since, to be merged with what the engine holds. */
  get complete(): boolean {
    return this.table.isComplete(this.id);
  }

  /** Decoded anew each time. Undefined when there is none. */
  get record(): VersionedRecord | undefined {
    return this.table.recordOf(this.id);
  }

  /** A value is there; it may have expired. */
  get alive(): boolean {
    return this.table.isAlive(this.id);
  }

  /** The value as commands see it; shared only where it is never written to. */
  get bytes(): Buffer {
    return this.table.valueOf(this.id);
  }

  get valueLength(): number {
    return this.table.valueLengthOf(this.id);
  }

  /** Unix ms; 0 = never. */
  get expiresAtMs(): number {
    return this.table.expiresOf(this.id);
  }

  /** What it costs in memory. */
  get byteSize(): number {
    return this.table.byteSizeOf(this.id);
  }

  /** The write-behind round that will write it to the engine; 0 = the engine has it as it is. */
  get dirtyRound(): number {
    return this.table.dirtyOf(this.id);
  }

  isLiving(nowMs: number): boolean {
    return this.table.isLiving(this.id, nowMs);
  }
}
