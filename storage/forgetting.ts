/**
 * Forgetting (ARCHITECTURE.md): a tombstone goes, and the context of a living record, once every home replica has seen the whole of it. Who that is and what
 * they have seen is the caller's to know; here is how it is found and dropped: in memory by each partition's ring of entries with contexts, and on disk by
 * reading a partition's rows, since what was evicted, or stood there before this start, is not in the ring.
 *
 * Drops are not logged. Replaying the log brings back some of what was forgotten after the engine's last round, and it is forgotten again; only `purged`
 * must never be behind what is gone from the engine (write-behind.ts; docs/decisions, "Forgetting").
 */
import { decodeRecord, type VectorClock, type VersionedRecord } from '../protocol/record.js';
import { decodeRecordKey, slotRange } from '../protocol/record-key.js';
import { slotOf } from '../protocol/slot.js';
import type { Engine } from './engine.js';
import { noEntry, type KeyTable } from './key-table.js';
import type { Loader } from './loader.js';
import { effectiveContext } from './merge.js';
import type { Partition } from './partition.js';
import { recordRow } from './rows.js';
import { coversClock } from './vector-clock.js';

/** Rows read, and looked at, before the event loop gets its turn. */
const sliceRows = 500;
/** First byte of a record that may have a context (protocol/record.ts). */
const generalShape = 2;

export interface DiskLook {
  readonly firstSlot: number;
  readonly lastSlot: number;
  /** What every home replica has seen, asked anew for each slice; undefined = not known now. */
  readonly seenByAll: () => VectorClock | undefined;
  /** Between two slices. */
  readonly breathe: () => Promise<void>;
}

export class Forgetting {
  /** So far: tombstones that went, and contexts of living records. */
  tombstones = 0;
  contexts = 0;

  constructor(
    private readonly engine: Engine,
    private readonly table: KeyTable,
    private readonly loader: Loader,
    /** The entry's record changed: it is to be written to the engine, and its leaf hashed. */
    private readonly changed: (partition: Partition, entry: number) => void,
  ) {}

  /**
   * Looks at the next `limit` entries with a context and forgets what `seenByAll` covers. Entries of which only a part is in memory are asked for: the turn's end
   * sends that. Nothing happens while somebody goes through the partition, who may be telling a peer what it holds. Returns whether each of them was judged.
   */
  step(partition: Partition, seenByAll: VectorClock, limit: number): boolean {
    const { table } = this;
    let judged = true;
    for (let looked = 0; looked < limit; looked++) {
      if (partition.pins > 0) return false;
      const entry = partition.nextContext();
      if (entry === noEntry) return judged;
      const record = table.recordOf(entry);
      if (record === undefined || !coversClock(seenByAll, effectiveContext(record))) continue;
      if (table.isComplete(entry)) this.forget(partition, entry, record);
      else {
        this.loader.load(partition, table.keyBytes(entry), table.slotOf(entry), () => undefined);
        judged = false;
      }
    }
    return judged;
  }

  /** Reads the partition's rows for contexts that memory has not, and forgets those that all have seen. Rejects with StorageError. */
  async look(partition: Partition, { firstSlot, lastSlot, seenByAll, breathe }: DiskLook): Promise<void> {
    const { hidings } = partition;
    const range = slotRange(firstSlot, lastSlot);
    let left = false;
    for await (const chunk of this.engine.iterate({ from: recordRow(range.from), to: recordRow(range.to) }, sliceRows)) {
      const clock = seenByAll();
      const found: Buffer[] = [];
      for (const [row, value] of chunk) {
        if (value[0] !== generalShape) continue;
        const record = decodeRecord(value);
        if (record.context.size === 0) continue;
        const { key } = decodeRecordKey(row.subarray(1));
        if (partition.isLoaded(key)) continue; // memory has it as it is by now, and its ring holds it
        if (clock !== undefined && coversClock(clock, effectiveContext(record))) found.push(key);
        else left = true;
      }
      await this.load(partition, found);
      const now = seenByAll();
      for (const key of found) {
        const entry = this.table.find(key, 0, key.length);
        const record = entry === noEntry ? undefined : this.table.recordOf(entry);
        if (record === undefined || record.context.size === 0 || !this.table.isComplete(entry)) continue;
        if (partition.pins === 0 && now !== undefined && coversClock(now, effectiveContext(record))) this.forget(partition, entry, record);
      }
      await breathe();
    }
    if (left || partition.hidings !== hidings) return;
    partition.hasHiddenContexts = false;
    partition.clocksDirty = true;
  }

  private forget(partition: Partition, entry: number, record: VersionedRecord): void {
    if (record.versions.length === 0) this.tombstones++;
    else this.contexts++;
    partition.forget(entry, record);
    this.changed(partition, entry);
  }

  private load(partition: Partition, keys: readonly Buffer[]): Promise<unknown> {
    const loads = keys.map((key) => new Promise<void>((resolve) => this.loader.load(partition, key, slotOf(key), resolve)));
    this.loader.flush();
    return Promise.all(loads);
  }
}
