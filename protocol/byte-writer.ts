/**
 * A Buffer that grows while it is written, for every format of ours: big-endian, no padding. One writer lives as long as its
 * owner and is reset between uses, so the hot path allocates nothing. Plain stores are used throughout: on Node 20 they
 * beat Buffer's checked write methods and a DataView.
 */
import { counterMax } from './dot.js';

const initialBytes = 1024;
/** Up to this length a loop beats the call into native code that `set` makes. */
const shortBytes = 24;
const twoTo32 = 0x1_0000_0000;

export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(capacity: number = initialBytes) {
    this.#buffer = Buffer.allocUnsafeSlow(capacity);
  }

  /** Bytes written since the last reset. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    const at = this.#reserve(1);
    this.#buffer[at] = value;
  }

  u16(value: number): void {
    const at = this.#reserve(2);
    const buffer = this.#buffer;
    buffer[at] = value >>> 8;
    buffer[at + 1] = value;
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    store32(this.#buffer, at, value);
  }

  /** A counter or an instant, 0..2^53-1, as eight bytes. Throws RangeError outside. */
  counter(value: number): void {
    if (!(value >= 0 && value <= counterMax)) throw new RangeError(`${value} is no counter: it must lie in 0..2^53-1`);
    const at = this.#reserve(8);
    const low = value >>> 0;
    store32(this.#buffer, at, (value - low) / twoTo32);
    store32(this.#buffer, at + 4, low);
  }

  /** Two's complement. Throws RangeError outside -2^63..2^63-1. */
  i64(value: bigint): void {
    const at = this.#reserve(8);
    const double = Number(value);
    if (!Number.isSafeInteger(double)) {
      this.#buffer.writeBigInt64BE(value, at);
      return;
    }
    const low = double >>> 0;
    store32(this.#buffer, at, (double - low) / twoTo32);
    store32(this.#buffer, at + 4, low);
  }

  /** Copies `bytes`; no length goes before them. */
  bytes(bytes: Buffer): void {
    const length = bytes.length;
    const at = this.#reserve(length);
    const buffer = this.#buffer;
    if (length > shortBytes) buffer.set(bytes, at);
    else for (let i = 0; i < length; i++) buffer[at + i] = bytes[i]!;
  }

  /** Overwrites four bytes that were written before. */
  patchU32(offset: number, value: number): void {
    this.#checkWritten(offset, 4);
    store32(this.#buffer, offset, value);
  }

  /** Overwrites two bytes that were written before. */
  patchU16(offset: number, value: number): void {
    this.#checkWritten(offset, 2);
    this.#buffer[offset] = value >>> 8;
    this.#buffer[offset + 1] = value;
  }

  /** Forgets what was written from `length` on; without it, everything. Views handed out before are void. */
  reset(length = 0): void {
    if (length > this.#length) throw new RangeError(`reset to ${length} of ${this.#length} bytes`);
    this.#length = length;
  }

  /** What was written, borrowed: valid until the next write or reset. */
  view(from = 0, to: number = this.#length): Buffer {
    return this.#buffer.subarray(from, to);
  }

  /** What was written, owned by the caller; the writer starts anew. Hands its memory over rather than copying when most of it is used. */
  take(): Buffer {
    const written = this.view();
    this.#length = 0;
    if (written.length * 2 < this.#buffer.length) return Buffer.from(written);
    this.#buffer = Buffer.allocUnsafeSlow(this.#buffer.length);
    return written;
  }

  /** Makes room; returns where to write. */
  #reserve(bytes: number): number {
    const at = this.#length;
    const length = at + bytes;
    if (length > this.#buffer.length) this.#grow(length);
    this.#length = length;
    return at;
  }

  #grow(length: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(length, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }

  #checkWritten(offset: number, bytes: number): void {
    if (!(offset >= 0 && offset + bytes <= this.#length)) throw new RangeError(`patch at ${offset} of ${this.#length} bytes`);
  }
}

function store32(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >>> 24;
  buffer[at + 1] = value >>> 16;
  buffer[at + 2] = value >>> 8;
  buffer[at + 3] = value;
}
