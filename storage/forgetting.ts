/**
 * Forgetting (ARCHITECTURE.md): a tombstone goes, and the context of a living record, once every home replica has seen the whole of it. Who that is and what
 * they have seen is the caller's to know; here is how it is found and dropped: in memory by each partition's ring of entries with contexts, and on disk by
 * reading a partition's rows, since what was evicted, or stood there before this start, is not in the ring.
 *
 * Drops are not logged. Replaying the log brings back some of what was forgotten after the engine's last round, and it is forgotten again; only `purged`
 * must never be behind what is gone from the engine (write-behind.ts; docs/decisions, "Forgetting").
 */
import { decodeRecord, type VectorClock, type VersionedRecord } from '../protocol/record.js';
import { decodeRecordKey, recordPart, recordType, type RecordKey } from '../protocol/record-key.js';
import type { Engine } from './engine.js';
import { decodeHeader, type CollectionHeader } from './header-row.js';
import { noEntry, type KeyTable } from './key-table.js';
import type { Loader } from './loader.js';
import { effectiveContext } from './merge.js';
import type { Partition } from './partition.js';
import { keyOfHeader, slotRows, table as tables } from './rows.js';
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
    /** The entry's record is to be written to the engine. */
    private readonly mark: (entry: number) => void,
  ) {}

  /**
   * Looks at the next `limit` entries with a context and forgets what `seenByAll` covers. Entries of which only a part is in memory are asked for: the turn's end
   * sends that. Nothing happens while somebody goes through the partition, who may be telling a peer what it holds. Returns whether each of them was judged.
   */
  step(partition: Partition, seenByAll: VectorClock, limit: number): boolean {
    const gone = new Map<number, number>();
    const judged = this.stepOver(partition, seenByAll, limit, gone);
    if (gone.size > 0) partition.raisePurged(gone);
    return judged;
  }

  /** `gone` gets the dots of plain tombstones: a pass over a queue's pops raises `purged` once. */
  private stepOver(partition: Partition, seenByAll: VectorClock, limit: number, gone: Map<number, number>): boolean {
    const { table } = this;
    let judged = true;
    for (let looked = 0; looked < limit; looked++) {
      if (partition.pins > 0) return false;
      const entry = partition.nextContext();
      if (entry === noEntry) return judged;
      if (table.isTombstone(entry) && table.isComplete(entry)) {
        const [actor, counter] = [table.actorOf(entry), table.buriedCounterOf(entry)];
        if ((seenByAll.get(actor) ?? 0) < counter) continue;
        if ((gone.get(actor) ?? 0) < counter) gone.set(actor, counter);
        this.tombstones++;
        partition.forgetTombstone(entry);
        this.afterForgetting(partition, entry);
        continue;
      }
      const record = table.recordOf(entry);
      if (record === undefined || !coversClock(seenByAll, effectiveContext(record))) continue;
      if (!partition.mayForget(entry)) judged = false;
      else if (table.isComplete(entry)) this.forget(partition, entry, record);
      else {
        this.loader.loadRecord(partition, decodeRecordKey(partition.recordKeyOf(entry)), () => undefined);
        judged = false;
      }
    }
    return judged;
  }

  /** Reads the partition's rows for contexts that memory has not, and forgets those that all have seen. Rejects with StorageError. */
  async look(partition: Partition, { firstSlot, lastSlot, seenByAll, breathe }: DiskLook): Promise<void> {
    const { hidings } = partition;
    let left = false;
    for (const name of [tables.record, tables.element, tables.header]) {
      for await (const chunk of this.engine.iterate(slotRows(name, firstSlot, lastSlot), sliceRows)) {
        const clock = seenByAll();
        const found: RecordKey[] = [];
        for (const [row, value] of chunk) {
          if (name === tables.header) {
            // Its records are in the ring once the key is in memory.
            const { slot, key } = keyOfHeader(row);
            if (!partition.isLoaded(key) && decodeHeader(value).some(hasContexts)) found.push(ofKey(slot, key));
            continue;
          }
          if (value[0] !== generalShape) continue;
          const record = decodeRecord(value);
          if (record.context.size === 0) continue;
          const recordKey = decodeRecordKey(row.subarray(1));
          if (partition.isRecordLoaded(recordKey)) continue; // memory has it as it is by now, and its ring holds it
          if (clock !== undefined && coversClock(clock, effectiveContext(record))) found.push(recordKey);
          else left = true;
        }
        await this.load(partition, found);
        const now = seenByAll();
        for (const recordKey of found) {
          const entry = partition.findRecord(recordKey);
          const record = entry === noEntry ? undefined : this.table.recordOf(entry);
          if (record === undefined || record.context.size === 0 || !this.table.isComplete(entry)) continue;
          if (partition.pins > 0 || now === undefined || !coversClock(now, effectiveContext(record))) continue;
          if (partition.mayForget(entry)) this.forget(partition, entry, record);
        }
        await breathe();
      }
    }
    if (left || partition.hidings !== hidings) return;
    partition.hasHiddenContexts = false;
    partition.clocksDirty = true;
  }

  private forget(partition: Partition, entry: number, record: VersionedRecord): void {
    if (record.versions.length === 0) this.tombstones++;
    else this.contexts++;
    partition.forget(entry, record);
    this.afterForgetting(partition, entry);
  }

  private afterForgetting(partition: Partition, entry: number): void {
    partition.touchLeaf(entry);
    if (this.table.kindOf(entry) === 0 || !partition.collections.removeUnwritten(entry)) this.mark(entry);
  }

  private load(partition: Partition, wanted: readonly RecordKey[]): Promise<unknown> {
    const loads = wanted.map((recordKey) => new Promise<void>((resolve) => this.loader.loadRecord(partition, recordKey, resolve)));
    this.loader.flush();
    return Promise.all(loads);
  }
}

function hasContexts({ deleted, expiry }: CollectionHeader): boolean {
  return deleted !== undefined || (expiry !== undefined && expiry.context.size > 0);
}

function ofKey(slot: number, key: Buffer): RecordKey {
  return { slot, key, type: recordType.string, part: recordPart.value, element: noElement };
}

const noElement = Buffer.alloc(0);
