/**
 * The counterpart of ByteWriter: reads big-endian fields one after another and throws FormatError, never anything else, when the
 * bytes end early or hold a number that no writer writes.
 */
import { FormatError } from './format-error.js';

const twoTo32 = 0x1_0000_0000;
/** The high half of 2^53 - 1. */
const counterHighMax = 0x1f_ffff;

export class ByteReader {
  #bytes: Buffer;
  #position: number;

  /** `bytes` is borrowed for as long as the reader, and all it returned, is used. */
  constructor(bytes: Buffer, position = 0) {
    this.#bytes = bytes;
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  /** Bytes that are left. */
  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  u8(): number {
    return byteAt(this.#bytes, this.#advance(1));
  }

  u16(): number {
    const at = this.#advance(2);
    return byteAt(this.#bytes, at) * 0x100 + byteAt(this.#bytes, at + 1);
  }

  u32(): number {
    return load32(this.#bytes, this.#advance(4));
  }

  /** Eight bytes, 0..2^53-1. */
  counter(): number {
    const at = this.#advance(8);
    const high = load32(this.#bytes, at);
    if (high > counterHighMax) throw new FormatError('INVALID', 'a counter exceeds 53 bits');
    return high * twoTo32 + load32(this.#bytes, at + 4);
  }

  f64(): number {
    return this.#bytes.readDoubleBE(this.#advance(8));
  }

  i64(): bigint {
    const at = this.#advance(8);
    const double = (load32(this.#bytes, at) | 0) * twoTo32 + load32(this.#bytes, at + 4);
    return Number.isSafeInteger(double) ? BigInt(double) : this.#bytes.readBigInt64BE(at);
  }

  /** The next `length` bytes in memory of their own. */
  ownBytes(length: number): Buffer {
    const at = this.#advance(length);
    const own = Buffer.allocUnsafe(length);
    this.#bytes.copy(own, 0, at, at + length);
    return own;
  }

  /** The next `length` bytes as latin1 text. */
  latin1(length: number): string {
    const at = this.#advance(length);
    return this.#bytes.toString('latin1', at, at + length);
  }

  /** The next `length` bytes, borrowed from the input. */
  bytes(length: number): Buffer {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Moves past bytes without looking at them. */
  skip(length: number): void {
    this.#advance(length);
  }

  /** Moves over `length` bytes; returns where they begin. */
  #advance(length: number): number {
    const at = this.#position;
    const position = at + length;
    if (length < 0 || position > this.#bytes.length) {
      throw new FormatError('TRUNCATED', `${length} bytes at ${at}, but there are only ${this.#bytes.length}`);
    }
    this.#position = position;
    return at;
  }
}

function load32(bytes: Buffer, at: number): number {
  return ((byteAt(bytes, at) << 24) | (byteAt(bytes, at + 1) << 16) | (byteAt(bytes, at + 2) << 8) | byteAt(bytes, at + 3)) >>> 0;
}

/** Within the bounds: #advance has looked. */
function byteAt(bytes: Buffer, at: number): number {
  return bytes[at] as number;
}
