/**
 * Reads every record of a partition as it is stored, for hashing: what memory holds, and what only the engine holds, in slices between which the
 * event loop gets its turn. What is written meanwhile may be read before or after; its leaf is marked then and read again.
 *
 * With `checkDisk` the engine's rows are also held against memory's records: a row that differs or is lost, though nothing is
 * waiting to be written there, is rewritten from memory, which is what commands are answered from.
 */
import { ByteWriter } from '../protocol/byte-writer.js';
import { FormatError } from '../protocol/format-error.js';
import { decodeRecord, emptyClock, encodeRecord, type VectorClock, type VersionedRecord } from '../protocol/record.js';
import { decodeRecordKey, encodeRecordKey, recordPart, type RecordKey } from '../protocol/record-key.js';
import type { Clock } from './clock.js';
import { partOfKind, typeOfByte } from './collection-types.js';
import { StorageError, type Engine } from './engine.js';
import { decodeHeader } from './header-row.js';
import { noEntry, type KeyTable } from './key-table.js';
import type { HashedRecord } from './merkle-hashing.js';
import { leafOf } from './merkle-tree.js';
import { cutOf, emptyRecord, mergeRecords, underCut } from './merge.js';
import type { Partition } from './partition.js';
import { keyOfHeader, rowOf, slotRows, table as tables } from './rows.js';
import { maxClock } from './vector-clock.js';

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

  /** Slices of records, each once, owned by the caller; some may be empty. Rejects with StorageError. */
  async *read(partition: Partition, options: ScanOptions): AsyncGenerator<readonly HashedRecord[]> {
    partition.pins++; // what is in memory now stays there, so that nothing is read from an old row
    try {
      const told = new Set<number>();
      yield* this.memory(partition, options, told);
      if (!partition.isWhole || options.checkDisk) yield* this.disk(partition, options, told);
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
  private async *memory(partition: Partition, { wanted }: ScanOptions, told: Set<number>): AsyncGenerator<readonly HashedRecord[]> {
    const { table } = this;
    let slice = new Slice();
    for (const entry of partition.recordEntries()) {
      if (!table.isComplete(entry)) continue;
      told.add(entry);
      this.tell(partition, slice, entry, wanted);
      if (!slice.countsAsFull()) continue;
      yield slice.records;
      await this.nextTurn();
      slice = new Slice();
    }
    yield slice.records;
  }

  /** What the engine holds and `told` does not; with it, what came to memory since. */
  private async *disk(
    partition: Partition,
    { firstSlot, lastSlot, wanted, checkDisk }: ScanOptions,
    told: Set<number>,
  ): AsyncGenerator<readonly HashedRecord[]> {
    const { table } = this;
    // Snapshots, taken now: all that is not in them is in memory.
    const [strings, elements, headers] = [tables.record, tables.element, tables.header].map((name) =>
      this.engine.iterate(slotRows(name, firstSlot, lastSlot), sliceRecords),
    ) as [EngineRows, EngineRows, EngineRows];
    const others = new Set<number>();
    for (const entry of partition.recordEntries()) if (!told.has(entry)) others.add(entry);
    const cuts = new Map<string, VectorClock>();
    for await (const chunk of headers) {
      const slice = new Slice();
      for (const [row, value] of chunk) this.tellHeader(partition, slice, row, value, wanted, cuts);
      yield slice.records;
      await this.nextTurn();
    }
    const suspects: number[] = [];
    for (const rows of [strings, elements]) {
      for await (const chunk of rows) {
        const slice = new Slice();
        for (const [row, value] of chunk) {
          const encodedKey = row.subarray(1);
          const recordKey = decodeRecordKey(encodedKey);
          const entry = partition.findRecord(recordKey);
          others.delete(entry);
          if (told.delete(entry)) {
            if (checkDisk && table.dirtyOf(entry) === 0 && !value.equals(encoded(table.recordOf(entry)))) suspects.push(entry);
            continue;
          }
          const leaf = leafOf(recordKey.key, 0, recordKey.key.length, recordKey.element);
          if (wanted !== undefined && wanted[leaf] !== 1) continue;
          const cut = this.cutOf(partition, recordKey, cuts);
          if (cut === 'all') continue;
          const newer = entry === noEntry ? undefined : table.recordOf(entry);
          if (newer === undefined && cut.size === 0) slice.add(leaf, encodedKey, stored(value));
          else {
            const merged = newer === undefined ? decodeRecord(value) : mergeRecords(newer, decodeRecord(value));
            slice.add(leaf, encodedKey, encodedForDigest(underCut(merged, cut)));
          }
        }
        yield slice.records;
        await this.nextTurn();
      }
    }
    const rest = new Slice();
    for (const entry of others) if (table.isInUse(entry)) this.tell(partition, rest, entry, wanted);
    yield rest.records;
    if (!checkDisk) return;
    for (const entry of told)
      if (table.dirtyOf(entry) === 0 && hasRow(table.kindOf(entry)) && !isNothing(table.recordOf(entry))) suspects.push(entry);
    for (let at = 0; at < suspects.length; at += sliceRecords) await this.verify(partition, suspects.slice(at, at + sliceRecords));
  }

  /** The records in the header row of a key that memory does not know; `cuts` gets what they delete. */
  private tellHeader(
    partition: Partition,
    slice: Slice,
    row: Buffer,
    value: Buffer,
    wanted: Uint8Array | undefined,
    cuts: Map<string, VectorClock>,
  ): void {
    const { slot, key } = keyOfHeader(row);
    if (partition.isLoaded(key)) return;
    const leaf = leafOf(key);
    for (const { type, deleted, expiry } of decodeHeader(value)) {
      if (deleted !== undefined) cuts.set(collectionName(type.byte, key), cutOf(deleted));
      if (wanted !== undefined && wanted[leaf] !== 1) continue;
      const owner = this.table.find(key, 0, key.length);
      const known = owner === noEntry ? undefined : partition.collections.get(owner, type);
      const newer = (entry: number | undefined): VersionedRecord =>
        (entry === undefined || entry === noEntry ? undefined : this.table.recordOf(entry)) ?? emptyRecord;
      for (const [part, record, entry] of [
        [recordPart.deleted, deleted, known?.deleted],
        [recordPart.expiry, expiry, known?.expiry],
      ] as const) {
        if (record === undefined) continue;
        slice.add(leaf, encodeRecordKey(slot, key, type.byte, part), encodedForDigest(mergeRecords(newer(entry), record)));
      }
    }
  }

  /** What a deletion covers of a row that is in memory in part at most; `all` = memory knows that the row is dead. */
  private cutOf(partition: Partition, { key, type, part }: RecordKey, cuts: ReadonlyMap<string, VectorClock>): VectorClock | 'all' {
    const collectionType = part === recordPart.element ? typeOfByte(type) : undefined;
    if (collectionType === undefined) return emptyClock;
    const owner = this.table.find(key, 0, key.length);
    const collection = owner === noEntry ? undefined : partition.collections.get(owner, collectionType);
    const onDisk = cuts.get(collectionName(type, key)) ?? emptyClock;
    if (collection === undefined) return onDisk;
    return collection.known && collection.whole ? 'all' : maxClock(collection.cut, onDisk);
  }

  private tell(partition: Partition, slice: Slice, entry: number, wanted: Uint8Array | undefined): void {
    const { table } = this;
    const isPart = table.kindOf(entry) !== 0;
    const key = table.keyBytes(isPart ? table.ownerOf(entry) : entry);
    const leaf = isPart ? leafOf(key, 0, key.length, table.keyBytes(entry)) : leafOf(key);
    if (wanted !== undefined && wanted[leaf] !== 1) return;
    slice.add(leaf, partition.recordKeyOf(entry), encodedForDigest(partition.recordOf(entry)));
  }

  /** A snapshot is older than memory: only a row that is read now, while nothing changes, shows that the disk is wrong. */
  private async verify(partition: Partition, suspects: readonly number[]): Promise<void> {
    const { table } = this;
    const before = suspects.map((entry) => (table.dirtyOf(entry) === 0 ? encoded(table.recordOf(entry)) : undefined));
    const rows = await this.engine.getMany(suspects.map((entry) => rowOf(partition.recordKeyOf(entry))));
    suspects.forEach((entry, i) => {
      const bytes = before[i];
      const changed = table.dirtyOf(entry) !== 0 || bytes?.equals(encoded(table.recordOf(entry))) !== true;
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

type EngineRows = ReturnType<Engine['iterate']>;

/** Names a collection among all of a partition. */
function collectionName(type: number, key: Buffer): string {
  return `${type} ${key.toString('latin1')}`;
}

/** False: its record is in its key's header row. */
function hasRow(kind: number): boolean {
  return kind === 0 || partOfKind(kind) === recordPart.element;
}

class Slice {
  readonly records: HashedRecord[] = [];
  private bytes = 0;
  private looked = 0;

  add(leaf: number, key: Buffer, record: Buffer | undefined): void {
    if (record === undefined) return;
    this.records.push({ leaf, key, record });
    this.bytes += key.length + record.length;
  }

  /** Counts one more entry looked at. */
  countsAsFull(): boolean {
    return ++this.looked >= sliceEntries || this.records.length >= sliceRecords || this.bytes >= sliceBytes;
  }
}

const writer = new ByteWriter(256);

function encoded(record: VersionedRecord | undefined): Buffer {
  writer.reset();
  if (record !== undefined) encodeRecord(writer, record);
  return Buffer.from(writer.view());
}

/**
 * A record as digests see it: dots and payloads. Contexts count only where nothing else is left, since replicas drop those of living
 * records at different times. Undefined = nothing is stored.
 */
function encodedForDigest(record: VersionedRecord | undefined): Buffer | undefined {
  if (record === undefined || isNothing(record)) return undefined;
  return encoded(record.versions.length > 0 && record.context.size > 0 ? { context: emptyClock, versions: record.versions } : record);
}

/** The same of a row's value. */
function stored(value: Buffer): Buffer | undefined {
  return value[0] === generalShape ? encodedForDigest(decodeRecord(value)) : value;
}

/** First byte of a record that may have a context (protocol/record.ts). */
const generalShape = 2;

function isNothing(record: VersionedRecord | undefined): boolean {
  return record === undefined || (record.versions.length === 0 && record.context.size === 0);
}
