/** Reads the parts that RDB values are made of (rdb.c). Throws FormatError, and nothing else, on bytes that are not what they claim to be. */
import { FormatError } from '../format-error.js';
import { decompressLzf } from './lzf.js';
import { lengthForm, stringEncoding } from './types.js';

const lengthMax = 512 * 1024 * 1024;

export class RdbReader {
  private at = 0;

  /** `bytes` is borrowed for as long as the reader, and all it returned, is used. */
  constructor(private readonly bytes: Buffer) {}

  u8(): number {
    return this.take(1)[0] as number;
  }

  /** A number of elements or bytes, at most 2^29. */
  length(): number {
    const first = this.u8();
    if (first >> 6 === lengthForm.encoded) throw new FormatError('INVALID', 'an encoded string where a length should be');
    return this.lengthAfter(first);
  }

  /** A number written as a length is, up to 2^53. */
  number(): number {
    const first = this.u8();
    if (first >> 6 === lengthForm.encoded) throw new FormatError('INVALID', 'an encoded string where a number should be');
    const value = this.numberAfter(first);
    if (!Number.isSafeInteger(value)) throw new FormatError('INVALID', `a number of ${value}`);
    return value;
  }

  /** The same of any 64 bits. */
  wide(): bigint {
    const first = this.u8();
    return first === lengthForm.u64 ? this.take(8).readBigUInt64BE() : BigInt(this.numberAfter(first));
  }

  /** Bytes as they are; borrowed. */
  raw(length: number): Buffer {
    return this.take(length);
  }

  /** 64 bits, little-endian, up to 2^53. */
  u64LE(): number {
    const value = Number(this.take(8).readBigUInt64LE());
    if (!Number.isSafeInteger(value)) throw new FormatError('INVALID', `a number of ${value}`);
    return value;
  }

  /** Borrowed where it was stored as it is. */
  string(): Buffer {
    const first = this.u8();
    if (first >> 6 !== lengthForm.encoded) return this.take(this.lengthAfter(first));
    switch (first & 0x3f) {
      case stringEncoding.int8:
        return textOf(this.take(1).readInt8());
      case stringEncoding.int16:
        return textOf(this.take(2).readInt16LE());
      case stringEncoding.int32:
        return textOf(this.take(4).readInt32LE());
      case stringEncoding.lzf: {
        const compressedLength = this.length();
        const length = this.length();
        return decompressLzf(this.take(compressedLength), length);
      }
      default:
        throw new FormatError('UNKNOWN', `a string in encoding ${first & 0x3f}`);
    }
  }

  private numberAfter(first: number): number {
    if (first >> 6 === lengthForm.bits6) return first & 0x3f;
    if (first >> 6 === lengthForm.bits14) return ((first & 0x3f) << 8) | this.u8();
    if (first === lengthForm.u32) return this.take(4).readUInt32BE();
    if (first === lengthForm.u64) return Number(this.take(8).readBigUInt64BE());
    throw new FormatError('UNKNOWN', `a length that begins with ${first}`);
  }

  private lengthAfter(first: number): number {
    const length = this.numberAfter(first);
    if (length > lengthMax) throw new FormatError('INVALID', `a length of ${length}`);
    return length;
  }

  private take(length: number): Buffer {
    const end = this.at + length;
    if (end > this.bytes.length) throw new FormatError('TRUNCATED', `${length} bytes at ${this.at} of ${this.bytes.length}`);
    const taken = this.bytes.subarray(this.at, end);
    this.at = end;
    return taken;
  }
}

const textOf = (value: number): Buffer => Buffer.from(String(value), 'latin1');
