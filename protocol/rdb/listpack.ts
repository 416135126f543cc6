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
const integerBits = [
  [13, 2],
  [16, 3],
  [24, 4],
  [32, 5],
  [64, 9],
] as const;

function packedBytes(value: Buffer): number {
  const { length } = value;
  if (length <= 20 && integerText.test(value.toString('latin1'))) {
    const integer = BigInt(value.toString('latin1'));
    if (integer >= 0n && integer < 128n) return 1;
    for (const [bits, bytes] of integerBits) if (BigInt.asIntN(bits, integer) === integer) return bytes;
  }
  return length + (length < 64 ? 1 : length < 4096 ? 2 : 5);
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
