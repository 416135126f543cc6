/**
 * Reads every record of a partition as it is stored, for hashing: what memory holds, and what only the engine holds, in slices between which the
 * event loop gets its turn. What is written meanwhile may be read before or after; its leaf is marked then and read again.
 *
 * With `checkDisk` the engine's rows are also held against memory's records: a row that differs or is lost, though nothing is
 * waiting to be written there, is rewritten from memory, which is what commands are answered from.
 */
import { FormatError } from '../protocol/format-error.js';
import { decodeRecord, emptyClock, type VectorClock, type VersionedRecord } from '../protocol/record.js';
import { decodeRecordKey, encodeRecordKey, recordPart, type RecordKey } from '../protocol/record-key.js';
import type { Clock } from './clock.js';
import { partOfKind, typeOfByte } from './collection-types.js';
import { StorageError, type Engine } from './engine.js';
import { decodeHeader } from './header-row.js';
import { noEntry, type KeyTable } from './key-table.js';
import { LongRecord, longValueBytes } from './long-record.js';
import { leafOf } from './merkle-tree.js';
import { cutOf, emptyRecord, mergeRecords, underCut } from './merge.js';
import type { Partition } from './partition.js';
import { entryBytes, isNothing, isRowOf, longRecord, type RecordPack } from './record-pack.js';
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
  private async *memory(partition: Partition, { wanted, into }: ScanOptions, told: Set<number>): AsyncGenerator<void> {
    const { table } = this;
    let looked = 0;
    let isFull = sliceEnd(into);
    for (const entry of partition.recordEntries()) {
      if (!table.isComplete(entry)) continue;
      told.add(entry);
      const telling = this.tell(partition, into, entry, wanted);
      if (telling !== undefined) await telling;
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
    // Snapshots, taken now: all that is not in them is in memory.
    const [strings, elements, headers] = [tables.record, tables.element, tables.header].map((name) =>
      this.engine.iterate(slotRows(name, firstSlot, lastSlot), sliceRecords),
    ) as [EngineRows, EngineRows, EngineRows];
    const others = new Set<number>();
    for (const entry of partition.recordEntries()) if (!told.has(entry)) others.add(entry);
    const cuts = new Map<string, VectorClock>();
    for await (const chunk of headers) {
      for (const [row, value] of chunk) this.tellHeader(partition, into, row, value, wanted, cuts);
      yield;
      await this.nextTurn();
    }
    const suspects: number[] = [];
    for (const rows of [strings, elements]) {
      for await (const chunk of rows) {
        for (const [row, value] of chunk) {
          const encodedKey = row.subarray(1);
          const recordKey = decodeRecordKey(encodedKey);
          const entry = partition.findRecord(recordKey);
          others.delete(entry);
          if (told.delete(entry)) {
            if (checkDisk && table.dirtyOf(entry) === 0 && !isRowOf(table, entry, value)) suspects.push(entry);
            continue;
          }
          const leaf = leafOf(recordKey.key, 0, recordKey.key.length, recordKey.element);
          if (wanted !== undefined && wanted[leaf] !== 1) continue;
          const cut = this.cutOf(partition, recordKey, cuts);
          if (cut === 'all') continue;
          const newer = entry === noEntry ? undefined : table.recordOf(entry);
          if (newer === undefined && cut.size === 0 && value[0] !== generalShape) {
            if (value.length <= longValueBytes) into.addEncoded(leaf, encodedKey, value);
            else await this.hash(into, new LongRecord(leaf, Buffer.from(encodedKey), noBytes, value));
          } else {
            const merged = newer === undefined ? decodeRecord(value) : mergeRecords(newer, decodeRecord(value));
            into.add(leaf, encodedKey, underCut(merged, cut));
          }
        }
        yield;
        await this.nextTurn();
      }
    }
    for (const entry of others) if (table.isInUse(entry)) await this.tell(partition, into, entry, wanted);
    yield;
    if (!checkDisk) return;
    for (const entry of told)
      if (table.dirtyOf(entry) === 0 && hasRow(table.kindOf(entry)) && !isNothing(table.recordOf(entry))) suspects.push(entry);
    for (let at = 0; at < suspects.length; at += sliceRecords) await this.verify(partition, suspects.slice(at, at + sliceRecords));
  }

  /** The records in the header row of a key that memory does not know; `cuts` gets what they delete. */
  private tellHeader(
    partition: Partition,
    into: RecordPack,
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
        into.add(leaf, encodeRecordKey(slot, key, type.byte, part), mergeRecords(newer(entry), record));
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

  /** Undefined: it is told. A long one is when what is returned resolves. */
  private tell(partition: Partition, into: RecordPack, entry: number, wanted: Uint8Array | undefined): Promise<void> | undefined {
    const { table } = this;
    const isLong = table.valueLengthOf(entry) > longValueBytes;
    const isKey = table.kindOf(entry) === 0;
    if (isKey && !isLong) {
      into.addEntry(table, entry, wanted);
      return undefined;
    }
    const key = table.keyBytes(isKey ? entry : table.ownerOf(entry));
    const leaf = leafOf(key, 0, key.length, isKey ? undefined : table.keyBytes(entry));
    if (wanted !== undefined && wanted[leaf] !== 1) return undefined;
    const record = isKey ? table.recordOf(entry) : partition.recordOf(entry);
    const recordKey = partition.recordKeyOf(entry);
    const long = isLong && record !== undefined ? longRecord(leaf, recordKey, record) : undefined;
    if (long !== undefined) return this.hash(into, long);
    into.add(leaf, recordKey, record);
    return undefined;
  }

  /** Its value is never written to: it is what was there when this began, whatever the key shows by the end. */
  private async hash(into: RecordPack, record: LongRecord): Promise<void> {
    while (!record.proceed()) await this.nextTurn();
    into.addLong(record);
  }

  /** A snapshot is older than memory: only a row that is read now, while nothing changes, shows that the disk is wrong. */
  private async verify(partition: Partition, suspects: readonly number[]): Promise<void> {
    const { table } = this;
    const before = suspects.map((entry) => (table.dirtyOf(entry) === 0 ? Buffer.from(entryBytes(table, entry)) : undefined));
    const rows = await this.engine.getMany(suspects.map((entry) => rowOf(partition.recordKeyOf(entry))));
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

const noBytes: Buffer = Buffer.alloc(0);

type EngineRows = ReturnType<Engine['iterate']>;

/** Names a collection among all of a partition. */
function collectionName(type: number, key: Buffer): string {
  return `${type} ${key.toString('latin1')}`;
}

/** False: its record is in its key's header row. */
function hasRow(kind: number): boolean {
  return kind === 0 || partOfKind(kind) === recordPart.element;
}

/** Whether so much was packed since now that the event loop should have its turn. */
function sliceEnd(pack: RecordPack): () => boolean {
  const { count, bytes } = pack;
  return () => pack.count - count >= sliceRecords || pack.bytes - bytes >= sliceBytes;
}

/** First byte of a record that may have a context (protocol/record.ts). */
const generalShape = 2;
