/**
 * The engine's row of a key's collections: what is true of all its elements' rows together. It is written with them in one atomic batch. Big-endian,
 * one after the other for each type that the key has:
 *
 *   collection   type u8 (collection-types.ts) | flags u8 | count u64 | [soonest u64] | clock top | length u32 | `deleted` record | length u32 | expiry record
 *   flags        1: the count holds; else the elements' rows have to be counted
 *                2: some elements expire, none before `soonest` (Unix ms)
 *
 * A length of 0 = there is no such record. Where there is a `deleted` record, rows may be left that it kills. A key without a header row has no rows of elements.
 */
import { ByteReader } from '../protocol/byte-reader.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import { FormatError } from '../protocol/format-error.js';
import { decodeClock, encodeClock, encodeRecord, readRecord, type VectorClock, type VersionedRecord } from '../protocol/record.js';
import { typeOfNumber, type CollectionType } from './collection-types.js';

const countedFlag = 1;
const timedFlag = 2;

export interface CollectionHeader {
  readonly type: CollectionType;
  readonly counted: boolean;
  /** Living elements among the rows; means nothing unless counted. */
  readonly count: number;
  /** No row's element expires before this, Unix ms; 0 = none does. */
  readonly soonestMs: number;
  /** The maximum of all that was ever written to its elements here. */
  readonly top: VectorClock;
  readonly deleted: VersionedRecord | undefined;
  readonly expiry: VersionedRecord | undefined;
}

const writer = new ByteWriter(256);

/** Owned by the caller. */
export function encodeHeader(collections: readonly CollectionHeader[]): Buffer {
  writer.reset();
  for (const { type, counted, count, soonestMs, top, deleted, expiry } of collections) {
    writer.u8(type.number);
    writer.u8((counted ? countedFlag : 0) | (soonestMs === 0 ? 0 : timedFlag));
    writer.counter(counted ? count : 0);
    if (soonestMs !== 0) writer.counter(soonestMs);
    encodeClock(writer, top);
    for (const record of [deleted, expiry]) {
      const lengthAt = writer.length;
      writer.u32(0);
      if (record === undefined) continue;
      encodeRecord(writer, record);
      writer.patchU32(lengthAt, writer.length - lengthAt - 4);
    }
  }
  return Buffer.from(writer.view());
}

/** What it returns keeps nothing of `bytes`. Throws FormatError. */
export function decodeHeader(bytes: Buffer): CollectionHeader[] {
  const reader = new ByteReader(bytes);
  const collections: CollectionHeader[] = [];
  while (reader.remaining > 0) {
    const number = reader.u8();
    const type = typeOfNumber(number);
    if (type === undefined) throw new FormatError('UNKNOWN', `a collection of type ${number}`);
    const flags = reader.u8();
    const count = reader.counter();
    const soonestMs = (flags & timedFlag) === 0 ? 0 : reader.counter();
    const top = decodeClock(reader);
    const deleted = readPart(reader);
    const expiry = readPart(reader);
    collections.push({ type, counted: (flags & countedFlag) !== 0, count, soonestMs, top, deleted, expiry });
  }
  return collections;
}

function readPart(reader: ByteReader): VersionedRecord | undefined {
  const length = reader.u32();
  return length === 0 ? undefined : readRecord(reader, length, true);
}
