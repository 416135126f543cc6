/**
 * Records on their way to be hashed, packed while they are read: each one's bytes are copied once, from the key table's memory, and nothing is allocated for
 * it. The layout is the input of `digest` and `leaves` (merkle-hashing.ts).
 */
import { ByteWriter } from '../protocol/byte-writer.js';
import { emptyClock, encodeRecord, encodeRecordAround, type VersionedRecord } from '../protocol/record.js';
import { recordKeyOverhead, recordPart, recordType } from '../protocol/record-key.js';
import type { KeyTable } from './key-table.js';
import { LongRecord, longValueBytes } from './long-record.js';
import { packedHeadBytes } from './merkle-hashing.js';
import { leafOf } from './merkle-tree.js';
import { encodeSingle } from './single-record.js';

const initialBytes = 128 * 1024;

export class RecordPack {
  private readonly writer = new ByteWriter(initialBytes);
  /** Records since it was taken last. */
  count = 0;
  /** Of these, those that are hashed already. */
  private long: LongRecord[] = [];

  get bytes(): number {
    return this.writer.length;
  }

  /** Adds what memory holds of a key, if that is anything and `wanted`, by leaf, does not leave it out. */
  addEntry(table: KeyTable, entry: number, wanted: Uint8Array | undefined): void {
    const page = table.keyPageOf(entry);
    const keyAt = table.keyAt(entry);
    const keyLength = table.keyLengthOf(entry);
    const leaf = leafOf(page, keyAt, keyLength);
    if (wanted !== undefined && wanted[leaf] !== 1) return;
    const { writer } = this;
    const isPlain = table.isSingle(entry);
    const record = isPlain ? undefined : table.recordOf(entry);
    if (!isPlain && isNothing(record)) return;
    this.count++;
    const lengthsAt = writer.length + 1;
    writer.u8(leaf);
    writer.u32(recordKeyOverhead + keyLength);
    writer.u32(0);
    writer.u16(table.slotOf(entry));
    writer.u32(keyLength);
    writer.part(page, keyAt, keyLength);
    writer.u8(recordType.string);
    writer.u8(recordPart.value);
    const recordAt = writer.length;
    writeEntry(writer, table, entry, record === undefined ? undefined : shownToDigest(record));
    writer.patchU32(lengthsAt + 4, writer.length - recordAt);
  }

  /** Adds a record that is not in memory, or not as such; nothing where nothing is stored. */
  add(leaf: number, recordKey: Buffer, record: VersionedRecord | undefined): void {
    if (record === undefined || isNothing(record)) return;
    const { writer } = this;
    const recordLengthAt = this.begin(leaf, recordKey);
    const recordAt = writer.length;
    encodeRecord(writer, shownToDigest(record));
    writer.patchU32(recordLengthAt, writer.length - recordAt);
  }

  /** The same of one whose encoding is known to have no context. */
  addEncoded(leaf: number, recordKey: Buffer, record: Buffer): void {
    const recordLengthAt = this.begin(leaf, recordKey);
    this.writer.bytes(record);
    this.writer.patchU32(recordLengthAt, record.length);
  }

  /** Adds one that is hashed. */
  addLong(record: LongRecord): void {
    this.count++;
    this.long.push(record);
  }

  takeLong(): readonly LongRecord[] {
    const { long } = this;
    if (long.length > 0) this.long = [];
    return long;
  }

  /** What was packed, in memory of its own that may be transferred; the pack is empty then. */
  take(): Uint8Array<ArrayBuffer> {
    const packed = new Uint8Array(this.writer.length);
    packed.set(this.writer.view());
    this.writer.reset();
    this.count = 0;
    return packed;
  }

  private begin(leaf: number, recordKey: Buffer): number {
    const { writer } = this;
    this.count++;
    writer.u8(leaf);
    writer.u32(recordKey.length);
    writer.u32(0);
    const recordLengthAt = writer.length - 4;
    writer.bytes(recordKey);
    return recordLengthAt;
  }
}

/** The record to be hashed by itself; undefined where it is not long, or its value is not all that is long of it. */
export function longRecord(leaf: number, recordKey: Buffer, record: VersionedRecord): LongRecord | undefined {
  const head = new ByteWriter(64);
  const value = encodeRecordAround(head, shownToDigest(record), longValueBytes);
  return value === undefined ? undefined : new LongRecord(leaf, recordKey, head.take(), value);
}

/** The record keys of a pack, in its order; owned by the caller. */
export function recordKeysOf(packed: Uint8Array): Buffer[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const keys: Buffer[] = [];
  for (let at = 0; at < packed.length;) {
    const keyEnd = at + packedHeadBytes + view.getUint32(at + 1);
    keys.push(Buffer.from(packed.subarray(at + packedHeadBytes, keyEnd)));
    at = keyEnd + view.getUint32(at + 5);
  }
  return keys;
}

const noBytes: Buffer = Buffer.alloc(0);
const writer = new ByteWriter(256);

/** An entry's record as the engine is to have it; borrowed until the next call, empty where there is none. */
export function entryBytes(table: KeyTable, entry: number): Buffer {
  writer.reset();
  writeEntry(writer, table, entry, table.isSingle(entry) ? undefined : table.recordOf(entry));
  return writer.view();
}

/** The row is that of the entry's record, as the engine is to have it. */
export function isRowOf(table: KeyTable, entry: number, row: Buffer): boolean {
  if (table.valueLengthOf(entry) <= longValueBytes) return row.equals(entryBytes(table, entry));
  const record = table.recordOf(entry);
  if (record === undefined) return false;
  writer.reset();
  const value = encodeRecordAround(writer, record, longValueBytes) ?? noBytes;
  const { length } = writer;
  return row.length === length + value.length && writer.view().equals(row.subarray(0, length)) && value.equals(row.subarray(length));
}

export function isNothing(record: VersionedRecord | undefined): boolean {
  return record === undefined || (record.versions.length === 0 && record.context.size === 0);
}

/** `record` is the entry's, unless that is plain. */
function writeEntry(to: ByteWriter, table: KeyTable, entry: number, record: VersionedRecord | undefined): void {
  if (record !== undefined) encodeRecord(to, record);
  else if (table.isSingle(entry)) encodeSingle(to, table, entry);
}

/**
 * A record as digests see it: dots and payloads. Contexts count only where nothing else is left, since replicas drop those of living records at different
 * times.
 */
function shownToDigest(record: VersionedRecord): VersionedRecord {
  return record.versions.length > 0 && record.context.size > 0 ? { context: emptyClock, versions: record.versions } : record;
}
