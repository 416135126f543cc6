/**
 * The batch: what one command writes, under one dot. Its bytes are encoded once, by the coordinator, and are the same in
 * the commit log, in peer frames and in hints. Big-endian; batches may follow one another without anything between:
 *
 *   batch    format version u8 = 1 | flags u8 = 0 | part count u16 | length u32 | actor u32 | counter u64 | part*
 *            the length is the whole batch's, these fields included
 *   part     partition u16 | epoch u32 | term u64 | prev u64 | record count u32 | record bytes u32 | record*
 *   record   key length u32 | key (record-key.ts) | value length u32 | value (record.ts)
 */
import { ByteReader } from './byte-reader.js';
import { ByteWriter } from './byte-writer.js';
import type { Dot } from './dot.js';
import { FormatError } from './format-error.js';
import { recordKeyOverhead, writeNamedRecordKey, writeRecordKey, readRecordKey } from './record-key.js';
import { encodeRecord, readRecord } from './record.js';
import type { VersionedRecord } from './record.js';

export interface BatchRecord {
  readonly slot: number;
  /** The key's bytes as latin1 text. */
  readonly name: string;
  readonly type: number;
  readonly part: number;
  /** Owned; empty unless part is `element`. */
  readonly element: Buffer;
  /** Owned. */
  readonly record: VersionedRecord;
}

export interface BatchPart {
  readonly partition: number;
  /** Which placement of the partition its sender believes in. */
  readonly epoch: number;
  /** Counter of the term it was written in; the term's actor is the batch's. */
  readonly term: number;
  /** The actor's previous counter in this partition; 0 before its first. `seen` moves over this batch only from there. */
  readonly prev: number;
  readonly records: readonly BatchRecord[];
}

export interface Batch {
  readonly dot: Dot;
  /** Nearly always one. */
  readonly parts: readonly BatchPart[];
}

const formatVersion = 1;
const partCountAt = 2;
const batchLengthAt = 4;
const dotAt = 8;
/** Bytes of a batch before its parts. */
const headerBytes = 20;
const partCountMax = 0xffff;

/** Where a batch lies in its encoder's writer. */
export interface EncodedBatch {
  readonly offset: number;
  readonly length: number;
}

/**
 * Writes the batches of a turn back to back into one writer. Call `begin`, then for each part `part` and its `record`s, then `end`,
 * or `abort` when the command failed. Nothing is allocated per record.
 */
export class BatchEncoder {
  #batchAt = -1;
  #partAt = -1;
  #partCount = 0;
  #recordCount = 0;

  /** The writer's owner takes the bytes and resets it, between batches only. */
  constructor(readonly writer: ByteWriter = new ByteWriter()) {}

  begin(actor: number, counter: number): void {
    if (this.#batchAt >= 0) throw new Error('a batch was begun within a batch');
    const writer = this.writer;
    this.#batchAt = writer.length;
    this.#partCount = 0;
    writer.u8(formatVersion);
    writer.u8(0);
    writer.u16(0);
    writer.u32(0);
    writer.u32(actor);
    writer.counter(counter);
  }

  part(partition: number, epoch: number, term: number, prev: number): void {
    if (this.#batchAt < 0) throw new Error('a part was begun outside a batch');
    if (this.#partCount === partCountMax) throw new RangeError('too many parts in one batch');
    const writer = this.writer;
    this.#endPart();
    this.#partCount++;
    writer.u16(partition);
    writer.u32(epoch);
    writer.counter(term);
    writer.counter(prev);
    this.#partAt = writer.length;
    writer.u32(0);
    writer.u32(0);
  }

  /** `key` and `element` are copied; so are the bytes of the record's versions. */
  record(slot: number, key: Buffer, type: number, part: number, element: Buffer, record: VersionedRecord): void {
    const writer = this.beginRecord();
    writer.u32(recordKeyOverhead + key.length + element.length);
    writeRecordKey(writer, slot, key, type, part, element);
    endRecord(writer, record);
  }

  /** The same for a key that is held as latin1 text, and without an element. */
  namedRecord(slot: number, name: string, type: number, part: number, record: VersionedRecord): void {
    const writer = this.beginRecord();
    writer.u32(recordKeyOverhead + name.length);
    writeNamedRecordKey(writer, slot, name, type, part);
    endRecord(writer, record);
  }

  private beginRecord(): ByteWriter {
    if (this.#partAt < 0) throw new Error('a record was written outside a part');
    this.#recordCount++;
    return this.writer;
  }

  /** The offset is the writer's; it holds until the writer is reset or taken. */
  end(): EncodedBatch {
    if (this.#batchAt < 0) throw new Error('a batch was ended that had not begun');
    const writer = this.writer;
    this.#endPart();
    const offset = this.#batchAt;
    const length = writer.length - offset;
    writer.patchU16(offset + partCountAt, this.#partCount);
    writer.patchU32(offset + batchLengthAt, length);
    this.#batchAt = -1;
    return { offset, length };
  }

  /** Drops the batch that was begun, if one was; those before it stay. */
  abort(): void {
    if (this.#batchAt < 0) return;
    this.writer.reset(this.#batchAt);
    this.#batchAt = -1;
    this.#partAt = -1;
    this.#recordCount = 0;
  }

  #endPart(): void {
    if (this.#partAt < 0) return;
    const writer = this.writer;
    writer.patchU32(this.#partAt, this.#recordCount);
    writer.patchU32(this.#partAt + 4, writer.length - this.#partAt - 8);
    this.#partAt = -1;
    this.#recordCount = 0;
  }
}

/** All batches in `bytes`, in order. What it returns is owned by the caller and keeps nothing of `bytes`. Throws FormatError, also when the last one is cut off. */
export function decodeBatches(bytes: Buffer): Batch[] {
  const reader = new ByteReader(bytes);
  const batches: Batch[] = [];
  while (reader.remaining > 0) batches.push(readBatch(reader));
  return batches;
}

/** The dot of the batch at `offset`, without decoding it. Throws FormatError when not even its header is there. */
export function batchDot(bytes: Buffer, offset = 0): Dot {
  const reader = new ByteReader(bytes, offset);
  reader.skip(dotAt);
  return { actor: reader.u32(), counter: reader.counter() };
}

/** Bytes of the batch at `offset`, its header included. Throws FormatError when `bytes` hold less. */
export function batchLength(bytes: Buffer, offset = 0): number {
  const reader = new ByteReader(bytes, offset);
  reader.skip(batchLengthAt);
  const length = reader.u32();
  if (length < headerBytes) throw new FormatError('INVALID', `a batch of ${length} bytes`);
  if (length > bytes.length - offset) throw new FormatError('TRUNCATED', `a batch of ${length} bytes in ${bytes.length - offset}`);
  return length;
}

function readBatch(reader: ByteReader): Batch {
  const start = reader.position;
  const version = reader.u8();
  if (version !== formatVersion) throw new FormatError('UNKNOWN', `batch of format version ${version}`);
  const flags = reader.u8();
  if (flags !== 0) throw new FormatError('UNKNOWN', `batch with flags ${flags}`);
  const partCount = reader.u16();
  const length = reader.u32();
  const actor = reader.u32();
  const counter = reader.counter();
  const parts: BatchPart[] = [];
  for (let i = 0; i < partCount; i++) parts.push(readPart(reader));
  checkLength('a batch', length, reader.position - start);
  return { dot: { actor, counter }, parts };
}

function readPart(reader: ByteReader): BatchPart {
  const partition = reader.u16();
  const epoch = reader.u32();
  const term = reader.counter();
  const prev = reader.counter();
  const recordCount = reader.u32();
  const recordBytes = reader.u32();
  const start = reader.position;
  const records: BatchRecord[] = [];
  for (let i = 0; i < recordCount; i++) {
    const key = readRecordKey(reader, reader.u32());
    const valueBytes = reader.u32();
    const valueAt = reader.position;
    const record = readRecord(reader, valueBytes, true);
    checkLength('a record', valueBytes, reader.position - valueAt);
    records.push({ slot: key.slot, name: key.name, type: key.type, part: key.part, element: key.element, record });
  }
  checkLength('a part', recordBytes, reader.position - start);
  return { partition, epoch, term, prev, records };
}

function checkLength(what: string, announced: number, actual: number): void {
  if (announced !== actual) throw new FormatError('INVALID', `${what} says that it has ${announced} bytes but has ${actual}`);
}

function endRecord(writer: ByteWriter, record: VersionedRecord): void {
  const valueAt = writer.length;
  writer.u32(0);
  encodeRecord(writer, record);
  writer.patchU32(valueAt, writer.length - valueAt - 4);
}
