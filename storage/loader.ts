/**
 * Brings records from the engine into memory: single keys, gathered into one read per turn, and whole partitions. What is in memory
 * already is merged with, never replaced: a batch may have arrived while the read was under way.
 */
import { decodeRecord, ownRecord, type VersionedRecord } from '../protocol/record.js';
import { decodeRecordKey, slotRange } from '../protocol/record-key.js';
import { StorageError, type Engine } from './engine.js';
import type { KeyEntry } from './key-entry.js';
import { recordRow, rowKey } from './rows.js';
import type { Partition } from './partition.js';

/** Whole partitions read at once: all of it stays in memory until it was used. */
const wholesAtOnce = 4;

interface WantedKey {
  readonly partition: Partition;
  readonly entry: KeyEntry;
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
    private readonly partitions: ReadonlyMap<number, Partition>,
    private readonly onFailure: (error: StorageError) => void,
  ) {}

  /** Calls `loaded` once `key` may be used (partition.isLoaded); its read goes out with the turn's others at flush(). */
  load(partition: Partition, key: string, slot: number, loaded: () => void): void {
    const wanted = this.wanted.get(key);
    if (wanted !== undefined) {
      wanted.waiting.push(loaded);
      return;
    }
    partition.pins++; // the entry stays until its record has come
    const entry = partition.getOrCreate(key, slot);
    this.wanted.set(key, { partition, entry, waiting: [loaded] });
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

  /** Merges the engine's records into entries that hold only what came since. */
  async complete(entries: readonly KeyEntry[]): Promise<void> {
    const incomplete = entries.filter((entry) => !entry.complete);
    if (incomplete.length === 0) return;
    this.reads += incomplete.length;
    const rows = await this.engine.getMany(incomplete.map((entry) => rowKey(entry)));
    incomplete.forEach((entry, i) => {
      const row = rows[i];
      const partition = this.partitions.get(entry.partition);
      if (partition !== undefined) merge(partition, entry, row === undefined ? undefined : decodeRecord(row));
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
          merge(partition, partition.getOrCreate(key.toString('latin1'), slot), ownRecord(decodeRecord(value)));
        }
      }
      for (const entry of partition.entries.values()) entry.complete = true;
      partition.resident = true;
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
function merge(partition: Partition, entry: KeyEntry, record: VersionedRecord | undefined): void {
  if (entry.complete) return;
  entry.complete = true;
  if (record !== undefined) partition.merge(entry, record);
}
