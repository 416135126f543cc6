/**
 * Brings records from the engine into memory: single keys, gathered into one read per turn, and whole partitions. What is in memory
 * already is merged with, never replaced: a batch may have arrived while the read was under way.
 */
import { decodeRecord, type VersionedRecord } from '../protocol/record.js';
import { decodeRecordKey, slotRange } from '../protocol/record-key.js';
import { StorageError, type Engine } from './engine.js';
import type { KeyTable } from './key-table.js';
import { recordRow, stringRow } from './rows.js';
import type { Partition } from './partition.js';

/** Whole partitions read at once: all of it stays in memory until it was used. */
const wholesAtOnce = 4;
/** Entries looked at before the event loop gets its turn. */
const sliceEntries = 5000;

interface WantedKey {
  readonly partition: Partition;
  readonly entry: number;
  readonly waiting: (() => void)[];
}

export class Loader {
  private wanted = new Map<string, WantedKey>();
  private readonly wholes = new Map<number, Promise<void>>();
  private wholesUnderWay = 0;
  /** Those who may begin to read a whole partition when another has been read. */
  private readonly wholesWaiting: (() => void)[] = [];
  /** Records asked of the engine so far. */
  reads = 0;

  constructor(
    private readonly engine: Engine,
    private readonly table: KeyTable,
    private readonly partition: (number: number) => Partition,
    private readonly onFailure: (error: StorageError) => void,
    private readonly nextTurn: () => Promise<void>,
  ) {}

  /** Calls `loaded` once `key` may be used (partition.isLoaded); its read goes out with the turn's others at flush(). */
  load(partition: Partition, key: Buffer, slot: number, loaded: () => void): void {
    const name = key.toString('latin1');
    const wanted = this.wanted.get(name);
    if (wanted !== undefined) {
      wanted.waiting.push(loaded);
      return;
    }
    partition.pins++; // the entry stays until its record has come
    const entry = partition.findOrInsert(key, 0, key.length, slot);
    this.wanted.set(name, { partition, entry, waiting: [loaded] });
  }

  /** Sends the gathered reads. */
  flush(): void {
    if (this.wanted.size === 0) return;
    const batch = [...this.wanted.values()];
    this.wanted = new Map();
    this.complete(batch.map(({ entry }) => entry)).then(
      () => {
        for (const { partition, waiting } of batch) {
          partition.pins--;
          for (const loaded of waiting) loaded();
        }
      },
      (error: unknown) => this.fail(error),
    );
  }

  /** Merges the engine's records into entries that hold only what came since; none of them may be evicted meanwhile. */
  async complete(entries: readonly number[]): Promise<void> {
    const { table } = this;
    const incomplete = entries.filter((entry) => !table.isComplete(entry));
    if (incomplete.length === 0) return;
    this.reads += incomplete.length;
    const rows = await this.engine.getMany(incomplete.map((entry) => stringRow(table.slotOf(entry), table.keyBytes(entry))));
    incomplete.forEach((entry, i) => {
      const row = rows[i];
      merge(this.partition(table.partitionOf(entry)), entry, row === undefined ? undefined : decodeRecord(row));
    });
  }

  /** Loads a whole partition: afterwards it is resident until something is evicted. `firstSlot`..`lastSlot` are its slots. */
  loadPartition(partition: Partition, firstSlot: number, lastSlot: number): Promise<void> {
    if (partition.resident) return Promise.resolve();
    let loading = this.wholes.get(partition.number);
    if (loading === undefined) {
      loading = this.loadWhole(partition, firstSlot, lastSlot)
        .catch((error: unknown) => {
          this.fail(error);
          throw error;
        })
        .finally(() => this.wholes.delete(partition.number));
      this.wholes.set(partition.number, loading);
    }
    return loading;
  }

  private async loadWhole(partition: Partition, firstSlot: number, lastSlot: number): Promise<void> {
    if (this.wholesUnderWay < wholesAtOnce) this.wholesUnderWay++;
    else await new Promise<void>((resolve) => this.wholesWaiting.push(resolve)); // and takes over the place of the one that ends
    partition.pins++;
    try {
      const range = slotRange(firstSlot, lastSlot);
      for await (const chunk of this.engine.iterate({ from: recordRow(range.from), to: recordRow(range.to) })) {
        this.reads += chunk.length;
        for (const [row, value] of chunk) {
          const { key, slot } = decodeRecordKey(row.subarray(1));
          merge(partition, partition.findOrInsert(key, 0, key.length, slot), decodeRecord(value));
        }
      }
      let completed = 0;
      for (const entry of partition.entries.ids()) {
        this.table.setComplete(entry);
        if (++completed % sliceEntries === 0) await this.nextTurn();
      }
      partition.resident = true;
      partition.hasHiddenContexts = false;
    } finally {
      partition.pins--;
      const next = this.wholesWaiting.shift();
      if (next === undefined) this.wholesUnderWay--;
      else next();
    }
  }

  private fail(error: unknown): void {
    this.onFailure(error instanceof StorageError ? error : new StorageError('IO', 'the storage engine cannot be read', { cause: error }));
  }
}

/** Nothing happens when the entry was completed by another read meanwhile. */
function merge(partition: Partition, entry: number, record: VersionedRecord | undefined): void {
  if (partition.table.isComplete(entry)) return;
  partition.table.setComplete(entry);
  if (record !== undefined) partition.merge(entry, record);
}
