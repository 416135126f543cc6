/**
 * The bytes of the commit log's segments, format version 1. The log is endless; a position in it counts the bytes of all entries
 * before, segment headers not included, so an entry's end is the next one's position also across segments. A segment's file is
 * named after the position of its first entry. All numbers are big-endian.
 *
 *   segment   magic "TORC.LOG" 8 | format version 4 | first position 8 | crc32 of the 20 bytes before 4 | entry | entry | ...
 *   entry     length 4 | checksum 4 | kind 1 | guard 3 | payload (length bytes)
 *
 * The checksum is the crc32 of kind, guard and payload, begun with the low 32 bits of the position, so an intact entry at a wrong
 * place fails. The guard is a 24-bit hash of position, length and kind: it tells a header from rubbish before anything is read
 * on the word of its length, and lets the search for entries behind a bad one pass over a segment at a few nanoseconds a byte.
 * A later format keeps the segment header, so that an older program can refuse it by its number.
 */
import { crc32 } from 'node:zlib';

export const logFormatVersion = 1;
export const segmentHeaderBytes = 24;
export const entryHeaderBytes = 12;

/** The largest payload of an entry: 1 GiB, above any command the protocol lets in. */
export const payloadBytesMax = 1 << 30;

/**
 * The one kind the log writes itself: its payload is a position (8 bytes), and everything before that position was durable when
 * the entry was written. Callers' kinds are 1..255.
 */
export const durableMarkKind = 0;

const magic = Buffer.from('TORC.LOG', 'latin1');
const twoTo32 = 2 ** 32;

/** Sorts by position, as all names have 16 digits. */
export function segmentName(firstPosition: number): string {
  return `log-${firstPosition.toString(16).padStart(16, '0')}`;
}

/** The position that a segment's name gives; undefined when it is not the name of a segment. */
export function segmentPosition(name: string): number | undefined {
  if (!/^log-[0-9a-f]{16}$/.test(name)) return undefined;
  const position = Number.parseInt(name.slice(4), 16);
  return Number.isSafeInteger(position) ? position : undefined;
}

export function encodePosition(position: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(Math.floor(position / twoTo32), 0);
  bytes.writeUInt32BE(position >>> 0, 4);
  return bytes;
}

export function decodePosition(bytes: Buffer, offset: number): number {
  return bytes.readUInt32BE(offset) * twoTo32 + bytes.readUInt32BE(offset + 4);
}

export function encodeSegmentHeader(firstPosition: number, version = logFormatVersion): Buffer {
  const bytes = Buffer.alloc(segmentHeaderBytes);
  magic.copy(bytes, 0);
  bytes.writeUInt32BE(version, 8);
  encodePosition(firstPosition).copy(bytes, 12);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 20)), 20);
  return bytes;
}

/** The format version of a whole header of the segment that begins at `firstPosition`; undefined when it is cut short or damaged. */
export function segmentVersion(header: Buffer, firstPosition: number): number | undefined {
  if (header.length < segmentHeaderBytes || !header.subarray(0, 8).equals(magic)) return undefined;
  if (header.readUInt32BE(20) !== crc32(header.subarray(0, 20)) || decodePosition(header, 12) !== firstPosition) return undefined;
  return header.readUInt32BE(8);
}

/** Writes the header of the entry whose payload already stands at `offset + entryHeaderBytes`. */
export function sealEntry(target: Buffer, offset: number, position: number, kind: number, payloadBytes: number): void {
  target.writeUInt32BE(payloadBytes, offset);
  target.writeUInt32BE(((kind << 24) | entryGuard(position, payloadBytes, kind)) >>> 0, offset + 8);
  target.writeUInt32BE(crc32(target.subarray(offset + 8, offset + entryHeaderBytes + payloadBytes), position >>> 0), offset + 4);
}

/** The payload's length by the entry header at `offset`, which must be whole; -1 when its guard says that no entry of this position starts here. */
export function entryPayloadBytes(source: Buffer, offset: number, position: number): number {
  const length = source.readUInt32BE(offset);
  const kindAndGuard = source.readUInt32BE(offset + 8);
  return (kindAndGuard & 0xffffff) === entryGuard(position, length, kindAndGuard >>> 24) && length <= payloadBytesMax ? length : -1;
}

/** Whether the entry at `offset`, all of which is in `source`, has its checksum. */
export function entryIsIntact(source: Buffer, offset: number, position: number, payloadBytes: number): boolean {
  return source.readUInt32BE(offset + 4) === crc32(source.subarray(offset + 8, offset + entryHeaderBytes + payloadBytes), position >>> 0);
}

/** Two rounds of multiply and shift, as in MurmurHash3's finalizer. */
function entryGuard(position: number, payloadBytes: number, kind: number): number {
  let hash = (position >>> 0) ^ Math.imul(Math.floor(position / twoTo32) + kind + 1, 0x9e3779b1) ^ Math.imul(payloadBytes + 1, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) & 0xffffff;
}
