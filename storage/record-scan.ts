/**
 * Reads every record of a partition as it is stored, for hashing: what memory holds, and what only the engine holds, in slices between which the
 * event loop gets its turn. What is written meanwhile may be read before or after; its leaf is marked then and read again.
 *
 * With `checkDisk` the engine's rows are also held against memory's records: a row that differs or is lost, though nothing is
 * waiting to be written there, is rewritten from memory, which is what commands are answered from.
 */
import { FormatError } from '../protocol/format-error.js';
import { decodeRecord } from '../protocol/record.js';
import { decodeRecordKey, slotRange } from '../protocol/record-key.js';
import type { Clock } from './clock.js';
import { StorageError, type Engine } from './engine.js';
import { noEntry, type KeyTable } from './key-table.js';
import { leafOf } from './merkle-tree.js';
import { mergeRecords } from './merge.js';
import type { Partition } from './partition.js';
import { entryBytes, isNothing, type RecordPack } from './record-pack.js';
import { recordRow, stringRow } from './rows.js';

/** A slice ends after so many records or so many bytes of them, or when so many entries were looked at. */
const sliceRecords = 500;
const sliceBytes = 256 * 1024;
const sliceEntries = 4000;

export interface ScanOptions {
  readonly firstSlot: number;
  readonly lastSlot: number;
  /** By leaf: 1 = its records are wanted. Undefined = all are. */
  readonly wanted?: Uint8Array | undefined;
  readonly checkDisk: boolean;
  /** Where the records go; whoever reads takes them from there between two slices. */
  readonly into: RecordPack;
}

export class RecordScan {
  /** Rows on disk that were not what memory holds, and were written again. */
  rowsRewritten = 0;

  constructor(
    private readonly engine: Engine,
    private readonly clock: Clock,
    private readonly table: KeyTable,
    /** The entry's record is to be written to the engine. */
    private readonly rewrite: (entry: number) => void,
  ) {}

  /** Packs each record once; yields after each slice, some of which may be empty. Rejects with StorageError. */
  async *read(partition: Partition, options: ScanOptions): AsyncGenerator<void> {
    partition.pins++; // what is in memory now stays there, so that nothing is read from an old row
    try {
      const told = new Set<number>();
      yield* this.memory(partition, options, told);
      if (!partition.resident || options.checkDisk) yield* this.disk(partition, options, told);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new StorageError('DAMAGED', `a record of partition ${partition.number} cannot be understood: ${error.message}`, {
        cause: error,
      });
    } finally {
      partition.pins--;
    }
  }

  /** Whole records in memory, but those that come meanwhile. `told` gets their entries. */
  private async *memory(partition: Partition, { wanted, into }: ScanOptions, told: Set<number>): AsyncGenerator<void> {
    const { table } = this;
    let looked = 0;
    let isFull = sliceEnd(into);
    for (const entry of partition.entries.ids()) {
      if (!table.isComplete(entry)) continue;
      told.add(entry);
      into.addEntry(table, entry, wanted);
      if (++looked < sliceEntries && !isFull()) continue;
      yield;
      await this.nextTurn();
      [looked, isFull] = [0, sliceEnd(into)];
    }
    yield;
  }

  /** What the engine holds and `told` does not; with it, what came to memory since. */
  private async *disk(
    partition: Partition,
    { firstSlot, lastSlot, wanted, checkDisk, into }: ScanOptions,
    told: Set<number>,
  ): AsyncGenerator<void> {
    const { table } = this;
    const range = slotRange(firstSlot, lastSlot);
    // A snapshot, taken now: all that is not in it is in memory.
    const rows = this.engine.iterate({ from: recordRow(range.from), to: recordRow(range.to) }, sliceRecords);
    const others = new Set<number>();
    for (const entry of partition.entries.ids()) if (!told.has(entry)) others.add(entry);
    const suspects: number[] = [];
    for await (const chunk of rows) {
      for (const [row, value] of chunk) {
        const recordKey = row.subarray(1);
        const { key } = decodeRecordKey(recordKey);
        const entry = table.find(key, 0, key.length);
        others.delete(entry);
        if (told.delete(entry)) {
          if (checkDisk && table.dirtyOf(entry) === 0 && !value.equals(entryBytes(table, entry))) suspects.push(entry);
          continue;
        }
        const leaf = leafOf(key);
        if (wanted !== undefined && wanted[leaf] !== 1) continue;
        const newer = entry === noEntry ? undefined : table.recordOf(entry);
        if (newer !== undefined) into.add(leaf, recordKey, mergeRecords(newer, decodeRecord(value)));
        else if (value[0] === generalShape) into.add(leaf, recordKey, decodeRecord(value));
        else into.addEncoded(leaf, recordKey, value);
      }
      yield;
      await this.nextTurn();
    }
    for (const entry of others) into.addEntry(table, entry, wanted);
    yield;
    if (!checkDisk) return;
    for (const entry of told) if (table.dirtyOf(entry) === 0 && !isNothing(table.recordOf(entry))) suspects.push(entry);
    for (let at = 0; at < suspects.length; at += sliceRecords) await this.verify(suspects.slice(at, at + sliceRecords));
  }

  /** A snapshot is older than memory: only a row that is read now, while nothing changes, shows that the disk is wrong. */
  private async verify(suspects: readonly number[]): Promise<void> {
    const { table } = this;
    const before = suspects.map((entry) => (table.dirtyOf(entry) === 0 ? Buffer.from(entryBytes(table, entry)) : undefined));
    const rows = await this.engine.getMany(suspects.map((entry) => stringRow(table.slotOf(entry), table.keyBytes(entry))));
    suspects.forEach((entry, i) => {
      const bytes = before[i];
      const changed = table.dirtyOf(entry) !== 0 || bytes?.equals(entryBytes(table, entry)) !== true;
      const row = rows[i];
      if (changed || (row === undefined ? bytes.length === 0 : row.equals(bytes))) return;
      this.rowsRewritten++;
      this.rewrite(entry);
    });
  }

  private nextTurn(): Promise<void> {
    return new Promise((resolve) => this.clock.after(0, resolve));
  }
}

/** Whether so much was packed since now that the event loop should have its turn. */
function sliceEnd(pack: RecordPack): () => boolean {
  const { count, bytes } = pack;
  return () => pack.count - count >= sliceRecords || pack.bytes - bytes >= sliceBytes;
}

/** First byte of a record that may have a context (protocol/record.ts). */
const generalShape = 2;
