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
import { BatchCursor, batchFormatVersion } from './batch-cursor.js';
import { GatheredBytes } from './gathered-bytes.js';
import { recordKeyOverhead, writeRecordKey } from './record-key.js';
import { deletionTerm, dotBytes, encodeRecordAround, expiryFlag, recordShape, tombstoneBytes, versionKind } from './record.js';
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

const noElement = Buffer.alloc(0);
const partCountAt = 2;
const batchLengthAt = 4;
const dotAt = 8;
/** Bytes of a batch before its parts, of which each begins with its partition. */
export const batchHeaderBytes = 20;
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
  #actor = 0;
  #counter = 0;
  /** Values that are left out of the writer, and where in it they belong; undefined = none is. */
  readonly #apart: { readonly at: number; readonly bytes: Buffer }[] | undefined;
  #apartBytes = 0;
  /** The same up to the beginning of the part. */
  #apartBeforePart = 0;

  /** The writer's owner takes the bytes and resets it, between batches only. */
  constructor(
    readonly writer: ByteWriter = new ByteWriter(),
    /** Values of more bytes are not copied, and all is to be had from `takeGathered` alone: an encoder for one batch. */
    private readonly copiedBytesMost = Infinity,
  ) {
    this.#apart = copiedBytesMost === Infinity ? undefined : [];
  }

  begin(actor: number, counter: number): void {
    if (this.#batchAt >= 0) throw new Error('a batch was begun within a batch');
    const writer = this.writer;
    this.#batchAt = writer.length;
    this.#partCount = 0;
    this.#actor = actor;
    this.#counter = counter;
    writer.u8(batchFormatVersion);
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
    this.#apartBeforePart = this.#apartBytes;
    writer.u32(0);
    writer.u32(0);
  }

  /** `key` and `element` are copied; so are the bytes of the record's versions, as far as they are not left out. */
  record(slot: number, key: Buffer, type: number, part: number, element: Buffer, record: VersionedRecord): void {
    const writer = this.beginRecord();
    writer.u32(recordKeyOverhead + key.length + element.length);
    writeRecordKey(writer, slot, key, type, part, element);
    const valueAt = writer.length;
    writer.u32(0);
    const rest = encodeRecordAround(writer, record, this.copiedBytesMost);
    writer.patchU32(valueAt, writer.length - valueAt - 4 + (rest?.length ?? 0));
    if (rest !== undefined) this.#leaveOut(rest);
  }

  /** The same for one plain version with nothing else seen, written in this batch and in `term`: encodes it without an object for it. */
  plain(slot: number, key: Buffer, type: number, part: number, element: Buffer, term: number, expiresAtMs: number, bytes: Buffer): void {
    const writer = this.beginRecord();
    writer.u32(recordKeyOverhead + key.length + element.length);
    writeRecordKey(writer, slot, key, type, part, element);
    writer.u32(22 + (expiresAtMs === 0 ? 0 : 8) + bytes.length);
    writer.u8(recordShape.oneVersion);
    writer.u8(expiresAtMs === 0 ? versionKind.plain : versionKind.plain | expiryFlag);
    writer.u32(this.#actor);
    writer.counter(this.#counter);
    writer.counter(term);
    if (expiresAtMs !== 0) writer.counter(expiresAtMs);
    if (bytes.length > this.copiedBytesMost) this.#leaveOut(bytes);
    else writer.bytes(bytes);
  }

  /** The same for one deletion with nothing else seen, in this batch; `term` is what it says of its term (record.ts, `deletionTerm`), or 0. */
  tombstone(slot: number, key: Buffer, type: number, part: number, element: Buffer, term: number): void {
    const writer = this.beginRecord();
    writer.u32(recordKeyOverhead + key.length + element.length);
    writeRecordKey(writer, slot, key, type, part, element);
    writer.u32(tombstoneBytes + (term === 0 ? 0 : dotBytes));
    writer.u8(recordShape.general);
    writer.u16(term === 0 ? 1 : 2);
    if (term !== 0) {
      writer.u32(deletionTerm);
      writer.counter(term);
    }
    writer.u32(this.#actor);
    writer.counter(this.#counter);
    writer.u16(0);
  }

  #leaveOut(bytes: Buffer): void {
    this.#apart?.push({ at: this.writer.length, bytes });
    this.#apartBytes += bytes.length;
  }

  /** What was encoded, with the values that were left out in their places; they are shared. */
  takeGathered(): GatheredBytes {
    const written = this.writer.take();
    const parts: Buffer[] = [];
    let from = 0;
    for (const { at, bytes } of this.#apart ?? []) {
      parts.push(written.subarray(from, at), bytes);
      from = at;
    }
    parts.push(written.subarray(from));
    return new GatheredBytes(parts);
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
    const length = writer.length - offset + this.#apartBytes;
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
    writer.patchU32(this.#partAt + 4, writer.length - this.#partAt - 8 + this.#apartBytes - this.#apartBeforePart);
    this.#partAt = -1;
    this.#recordCount = 0;
  }
}

/** All batches in `bytes`, in order. What it returns is owned by the caller and keeps nothing of `bytes`. Throws FormatError, also when the last one is cut off. */
export function decodeBatches(bytes: Buffer): Batch[] {
  const cursor = new BatchCursor();
  cursor.reset(bytes);
  const batches: Batch[] = [];
  while (cursor.nextBatch()) {
    const { actor, counter } = cursor;
    const parts: BatchPart[] = [];
    while (cursor.nextPart()) {
      const { partition, epoch, term, prev } = cursor;
      const records: BatchRecord[] = [];
      while (cursor.nextRecord()) {
        const { slot, name, type, part, elementAt, elementLength } = cursor;
        const element = elementLength === 0 ? noElement : Buffer.from(bytes.subarray(elementAt, elementAt + elementLength));
        records.push({ slot, name, type, part, element, record: cursor.record() });
      }
      parts.push({ partition, epoch, term, prev, records });
    }
    batches.push({ dot: { actor, counter }, parts });
  }
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
  if (length < batchHeaderBytes) throw new FormatError('INVALID', `a batch of ${length} bytes`);
  if (length > bytes.length - offset) throw new FormatError('TRUNCATED', `a batch of ${length} bytes in ${bytes.length - offset}`);
  return length;
}
