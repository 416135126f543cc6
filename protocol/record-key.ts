/**
 * Record keys: where a record lies, in the log, in peer frames and in RocksDB alike.
 *
 *   slot u16 | key length u32 | key | type u8 | part u8 | element
 *
 * Big-endian. A partition is a run of consecutive slots, so its records are one contiguous range; so are one slot's and one key's.
 * A record's key names its type. Parts: a string has `value` alone; a collection has `deleted`, `expiry` and `element` records.
 */
import { ByteReader } from './byte-reader.js';
import type { ByteWriter } from './byte-writer.js';
import { FormatError } from './format-error.js';

/** One byte per Redis type; fixed on disk and on the wire. */
export const recordType = { string: 0x73 /* s */, hash: 0x68, set: 0x65, zset: 0x7a, list: 0x6c, stream: 0x78, hyperloglog: 0x70 } as const;

/** Which part of its key a record is; fixed on disk and on the wire. */
export const recordPart = { value: 0, deleted: 1, expiry: 2, element: 3 } as const;

/** Bytes before the key and after it, the element left out. */
export const recordKeyOverhead = 8;

export interface RecordKey {
  readonly slot: number;
  /** Borrowed from the encoded bytes. */
  readonly key: Buffer;
  readonly type: number;
  readonly part: number;
  /** Borrowed; empty unless part is `element`. */
  readonly element: Buffer;
}

/** Keys of records from `from` (inclusive) to `to` (exclusive). */
export interface RecordKeyRange {
  readonly from: Buffer;
  readonly to: Buffer;
}

const noElement = Buffer.alloc(0);
export const slotMax = 0x3fff;
const types: ReadonlySet<number> = new Set(Object.values(recordType));
/** Above every type: ends the range of a key. */
const aboveTypes = 0xff;

/** Owned by the caller. */
export function encodeRecordKey(slot: number, key: Buffer, type: number, part: number, element: Buffer = noElement): Buffer {
  const bytes = Buffer.allocUnsafe(recordKeyOverhead + key.length + element.length);
  const end = encodeKeyPrefix(bytes, slot, key);
  bytes[end] = type;
  bytes[end + 1] = part;
  bytes.set(element, end + 2);
  return bytes;
}

/** Appends the same bytes to a writer. */
export function writeRecordKey(writer: ByteWriter, slot: number, key: Buffer, type: number, part: number, element: Buffer): void {
  writer.u16(slot);
  writer.u32(key.length);
  writer.bytes(key);
  writer.u8(type);
  writer.u8(part);
  writer.bytes(element);
}

/** Copies nothing. Throws FormatError. */
export function decodeRecordKey(bytes: Buffer): RecordKey {
  const reader = new ByteReader(bytes);
  const slot = reader.u16();
  if (slot > slotMax) throw new FormatError('INVALID', `slot ${slot}`);
  const key = reader.bytes(reader.u32());
  const type = reader.u8();
  const part = reader.u8();
  checkKeyParts(type, part, reader.remaining);
  return { slot, key, type, part, element: reader.bytes(reader.remaining) };
}

/** All records of a run of slots. Throws RangeError outside 0..16383. */
export function slotRange(first: number, lastInclusive: number): RecordKeyRange {
  if (!(first >= 0 && first <= lastInclusive && lastInclusive <= slotMax)) throw new RangeError(`slots ${first} to ${lastInclusive}`);
  return { from: encodeSlot(first), to: encodeSlot(lastInclusive + 1) };
}

/** All records of one key, of whatever type. */
export function keyRange(slot: number, key: Buffer): RecordKeyRange {
  const to = Buffer.allocUnsafe(7 + key.length);
  const end = encodeKeyPrefix(to, slot, key);
  to[end] = aboveTypes;
  return { from: to.subarray(0, end), to };
}

function encodeSlot(slot: number): Buffer {
  return Buffer.from([slot >>> 8, slot & 0xff]);
}

/** Slot, length and key; returns where they end. */
function encodeKeyPrefix(bytes: Buffer, slot: number, key: Buffer): number {
  bytes.writeUInt16BE(slot, 0);
  bytes.writeUInt32BE(key.length, 2);
  bytes.set(key, 6);
  return 6 + key.length;
}

/** Throws FormatError where type, part and the length of an element do not go together. */
export function checkKeyParts(type: number, part: number, elementBytes: number): void {
  if (!types.has(type)) throw new FormatError('UNKNOWN', `record of type ${type}`);
  if (part > recordPart.element) throw new FormatError('UNKNOWN', `part ${part} of a key`);
  if (elementBytes < 0) throw new FormatError('TRUNCATED', 'a record key is cut off');
  if (part !== recordPart.element && elementBytes > 0) throw new FormatError('INVALID', `an element in part ${part} of a key`);
}
