/** Writes the parts that RDB values are made of (rdb.c), as Redis writes them, but for compression. */
import { ByteWriter } from '../byte-writer.js';
import { lengthForm, stringEncoding } from './types.js';

/** The longest text of a 32-bit integer. */
const integerDigitsMax = 11;
const integerText = /^(0|-?[1-9]\d{0,9})$/;

export class RdbWriter {
  private readonly bytes = new ByteWriter(64);

  u8(value: number): void {
    this.bytes.u8(value);
  }

  /** A number of elements or bytes, or another one up to 2^53. */
  length(length: number): void {
    if (length < 1 << 6) this.bytes.u8(length);
    else if (length < 1 << 14) this.bytes.u16((lengthForm.bits14 << 14) | length);
    else if (length < 2 ** 32) {
      this.bytes.u8(lengthForm.u32);
      this.bytes.u32(length);
    } else {
      this.bytes.u8(lengthForm.u64);
      this.bytes.counter(length);
    }
  }

  /** The same of any 64 bits. */
  wide(value: bigint): void {
    if (value < 2n ** 32n) return this.length(Number(value));
    this.bytes.u8(lengthForm.u64);
    const big = Buffer.alloc(8);
    big.writeBigUInt64BE(value);
    this.bytes.bytes(big);
  }

  /** Bytes as they are, with no length before them. */
  raw(bytes: Buffer): void {
    this.bytes.bytes(bytes);
  }

  /** 64 bits, little-endian; up to 2^53. */
  u64LE(value: number): void {
    const little = Buffer.alloc(8);
    little.writeBigUInt64LE(BigInt(value));
    this.bytes.bytes(little);
  }

  /** Integers that fit 32 bits are stored as such. */
  string(bytes: Buffer): void {
    const text = bytes.length <= integerDigitsMax ? bytes.toString('latin1') : '';
    if (integerText.test(text) && Number(text) === (Number(text) | 0)) return this.integer(Number(text));
    this.length(bytes.length);
    this.bytes.bytes(bytes);
  }

  /** A double as a binary one. */
  doubleLE(value: number): void {
    const little = Buffer.alloc(8);
    little.writeDoubleLE(value);
    this.bytes.bytes(little);
  }

  /** What was written, owned by the caller. */
  take(): Buffer {
    return this.bytes.take();
  }

  private integer(value: number): void {
    const little = Buffer.alloc(4);
    little.writeInt32LE(value);
    const [encoding, length] =
      value === (value << 24) >> 24
        ? [stringEncoding.int8, 1]
        : value === (value << 16) >> 16
          ? [stringEncoding.int16, 2]
          : [stringEncoding.int32, 4];
    this.bytes.u8((lengthForm.encoded << 6) | encoding);
    this.bytes.bytes(little.subarray(0, length));
  }
}
