/**
 * Redis' packed list of short strings (listpack.c), as small hashes and sets stand in RDB: total bytes u32 | count u16 | entries | 0xff. Little-endian. An entry
 * is an encoding byte, what it says follows, and its own length, by which Redis walks backwards and which is skipped here.
 *
 *   0xxxxxxx 7-bit unsigned    10xxxxxx string of 6-bit length       110xxxxx + 1 byte: 13-bit signed    1110xxxx + 1 byte: string of 12-bit length
 *   11110000 string of 32-bit length       11110001..100: integers of 16, 24, 32, 64 bits
 */
import { FormatError } from '../format-error.js';

const headerBytes = 6;
const end = 0xff;

/** The entries as strings, in memory of their own. Throws FormatError. */
export function readListpack(bytes: Buffer): Buffer[] {
  if (bytes.length < headerBytes + 1 || bytes.readUInt32LE(0) !== bytes.length)
    throw new FormatError('INVALID', `a listpack of ${bytes.length} bytes`);
  const entries: Buffer[] = [];
  let at = headerBytes;
  while (bytes[at] !== end) {
    const { value, length } = readEntry(bytes, at);
    entries.push(value);
    at += length + backLengthBytes(length);
    if (at >= bytes.length) throw new FormatError('TRUNCATED', 'a listpack without an end');
  }
  const count = bytes.readUInt16LE(4);
  if (at !== bytes.length - 1 || (count !== 0xffff && count !== entries.length))
    throw new FormatError('INVALID', `a listpack of ${count} entries has ${entries.length}`);
  return entries;
}

function readEntry(bytes: Buffer, at: number): { readonly value: Buffer; readonly length: number } {
  const first = bytes[at] as number;
  if (first < 0x80) return { value: textOf(first), length: 1 };
  if (first < 0xc0) return stringAt(bytes, at, 1, first & 0x3f);
  need(bytes, at + 1, 1);
  const second = bytes[at + 1] as number;
  if (first < 0xe0) {
    const raw = ((first & 0x1f) << 8) | second;
    return { value: textOf(raw >= 0x1000 ? raw - 0x2000 : raw), length: 2 };
  }
  if (first < 0xf0) return stringAt(bytes, at, 2, ((first & 0x0f) << 8) | second);
  if (first === 0xf0) {
    need(bytes, at + 1, 4);
    return stringAt(bytes, at, 5, bytes.readUInt32LE(at + 1));
  }
  const width = integerWidths[first - 0xf1];
  if (width === undefined) throw new FormatError('UNKNOWN', `a listpack entry that begins with ${first}`);
  need(bytes, at + 1, width);
  const value = width === 8 ? bytes.readBigInt64LE(at + 1) : bytes.readIntLE(at + 1, width);
  return { value: textOf(value), length: 1 + width };
}

/** What a listpack of these strings takes, as Redis packs them: integers that fit 64 bits as such. */
export function listpackBytes(values: readonly Buffer[]): number {
  let bytes = headerBytes + 1;
  for (const value of values) {
    const length = packedBytes(value);
    bytes += length + backLengthBytes(length);
  }
  return bytes;
}

const integerText = /^(0|-?[1-9]\d{0,18})$/;
/** Bits of an integer, and the bytes that it takes. */
const integerBits = [
  [13, 2],
  [16, 3],
  [24, 4],
  [32, 5],
  [64, 9],
] as const;

/** The integer that the bytes are the text of, within 64 bits. */
function integerIn(value: Buffer): bigint | undefined {
  if (value.length > 20 || !integerText.test(value.toString('latin1'))) return undefined;
  const integer = BigInt(value.toString('latin1'));
  return BigInt.asIntN(64, integer) === integer ? integer : undefined;
}

function integerBytes(integer: bigint): number {
  if (integer >= 0n && integer < 128n) return 1;
  return integerBits.find(([bits]) => BigInt.asIntN(bits, integer) === integer)?.[1] ?? 9;
}

const stringBytes = (length: number): number => length + (length < 64 ? 1 : length < 4096 ? 2 : 5);

function packedBytes(value: Buffer): number {
  const integer = integerIn(value);
  return integer === undefined ? stringBytes(value.length) : integerBytes(integer);
}

/** A listpack of these, as Redis packs them. Owned by the caller. */
export function writeListpack(values: readonly (Buffer | bigint)[]): Buffer {
  const parts: Buffer[] = [];
  for (const value of values) {
    const integer = typeof value === 'bigint' ? value : integerIn(value);
    const entry = integer === undefined ? packedString(value as Buffer) : packedInteger(integer);
    parts.push(entry, backLength(entry.length));
  }
  const header = Buffer.alloc(headerBytes);
  const body = Buffer.concat(parts);
  header.writeUInt32LE(headerBytes + body.length + 1, 0);
  header.writeUInt16LE(Math.min(values.length, 0xffff), 4);
  return Buffer.concat([header, body, Buffer.of(end)]);
}

function packedInteger(integer: bigint): Buffer {
  const bytes = integerBytes(integer);
  if (bytes === 1) return Buffer.of(Number(integer));
  if (bytes === 2) {
    const raw = Number(BigInt.asUintN(13, integer));
    return Buffer.of(0xc0 | (raw >> 8), raw & 0xff);
  }
  const entry = Buffer.alloc(bytes);
  entry[0] = 0xf1 + integerWidths.indexOf(bytes - 1);
  if (bytes === 9) entry.writeBigInt64LE(integer, 1);
  else entry.writeIntLE(Number(integer), 1, bytes - 1);
  return entry;
}

function packedString(value: Buffer): Buffer {
  const { length } = value;
  if (length < 64) return Buffer.concat([Buffer.of(0x80 | length), value]);
  if (length < 4096) return Buffer.concat([Buffer.of(0xe0 | (length >> 8), length & 0xff), value]);
  const head = Buffer.alloc(5);
  head[0] = 0xf0;
  head.writeUInt32LE(length, 1);
  return Buffer.concat([head, value]);
}

/** An entry's length, to be read backwards: seven bits a byte, the last byte first, and all but the first written one say that more stand before them. */
function backLength(length: number): Buffer {
  const bytes = Buffer.alloc(backLengthBytes(length));
  let left = length;
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = (left & 0x7f) | (i > 0 ? 0x80 : 0);
    left = Math.floor(left / 128);
  }
  return bytes;
}

const integerWidths = [2, 3, 4, 8];

function stringAt(bytes: Buffer, at: number, head: number, length: number): { readonly value: Buffer; readonly length: number } {
  need(bytes, at + head, length);
  return { value: Buffer.from(bytes.subarray(at + head, at + head + length)), length: head + length };
}

function need(bytes: Buffer, at: number, length: number): void {
  if (at + length > bytes.length) throw new FormatError('TRUNCATED', `${length} bytes at ${at} of a listpack of ${bytes.length}`);
}

/** Bytes that the length of an entry takes behind it: seven bits each. */
function backLengthBytes(length: number): number {
  if (length < 128) return 1;
  if (length < 16_384) return 2;
  if (length < 2_097_152) return 3;
  return length < 268_435_456 ? 4 : 5;
}

const textOf = (value: number | bigint): Buffer => Buffer.from(String(value), 'latin1');
