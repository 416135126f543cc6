/** An array of bulk strings, put together byte by byte from memory that may change right after: a long range of a list is answered so, without a Buffer for each value. */
import { EncodedReply } from './reply.js';

const firstBytes = 16_384;
/** More than this is not kept for the next one. */
const keptBytes = 1 << 20;
/** `*` or `$`, up to thirteen digits, CR LF. */
const headerBytes = 16;
/** Up to this length a loop beats the call into the runtime's copy. */
const loopedBytes = 64;
/** The same of a loop over four bytes at a time, which takes less than half as long as one over bytes. */
const loopedByFour = 112;
/** Type bytes of RESP. */
export const headerType = { array: 0x2a, bulk: 0x24, integer: 0x3a, map: 0x25, set: 0x7e } as const;
const { array, bulk } = headerType;
const comma = 0x2c;
const zero = 0x30;

/** Used again for each reply; one is written at a time. */
export class BulkArrayWriter {
  private memory = Buffer.allocUnsafeSlow(firstBytes);
  /** Of the same. */
  private view = viewOf(this.memory);
  private used = 0;

  begin(count: number): void {
    this.used = 0;
    this.reserve(headerBytes);
    this.header(array, count);
  }

  /** A header within the reply, of a map, a set, an array in it; or an integer, not below 0, which looks like one. */
  open(type: number, count: number): void {
    this.reserve(headerBytes);
    this.header(type, count);
  }

  /** A double, which RESP2 has no type for. */
  addDouble(text: string, resp: 2 | 3): void {
    this.reserve(text.length + headerBytes + 2);
    if (resp === 2) this.header(bulk, text.length);
    else this.memory[this.used++] = comma;
    const { memory } = this;
    this.used += memory.write(text, this.used, 'latin1');
    memory[this.used++] = 0x0d;
    memory[this.used++] = 0x0a;
  }

  /** Bytes that were written and not taken yet. */
  get length(): number {
    return this.used;
  }

  /** What was written since the last piece, by one that broke off, is forgotten. */
  drop(): void {
    this.used = 0;
  }

  /** A copy of what was written since the last piece. */
  takePiece(): Buffer {
    const piece = Buffer.from(this.memory.subarray(0, this.used));
    this.used = 0;
    if (this.memory.length > keptBytes) this.use(Buffer.allocUnsafeSlow(firstBytes));
    return piece;
  }

  /** Copies `length` bytes of `bytes` from `from`. `view`, of the same memory as `bytes` from its first byte on, makes that faster. */
  add(bytes: Buffer, from: number, length: number, view?: DataView): void {
    this.reserve(length + headerBytes + 2);
    this.header(bulk, length);
    const { memory } = this;
    let at = this.used;
    if (view !== undefined && length <= loopedByFour) {
      const mine = this.view;
      const end = from + length;
      let i = from;
      for (; i + 4 <= end; i += 4, at += 4) mine.setUint32(at, view.getUint32(i));
      for (; i < end; i++) memory[at++] = bytes[i] as number;
    } else if (length <= loopedBytes) for (let i = from; i < from + length; i++) memory[at++] = bytes[i] as number;
    else {
      memory.set(bytes.subarray(from, from + length), at);
      at += length;
    }
    memory[at++] = 0x0d;
    memory[at++] = 0x0a;
    this.used = at;
  }

  end(): EncodedReply {
    const reply = new EncodedReply(Buffer.from(this.memory.subarray(0, this.used)));
    if (this.memory.length > keptBytes) this.use(Buffer.allocUnsafeSlow(firstBytes));
    return reply;
  }

  private use(memory: Buffer<ArrayBuffer>): void {
    this.memory = memory;
    this.view = viewOf(memory);
  }

  private header(type: number, value: number): void {
    const { memory } = this;
    memory[this.used++] = type;
    let digits = 1;
    for (let power = 10; value >= power; power *= 10) digits++;
    let rest = value;
    for (let at = this.used + digits - 1; at >= this.used; at--) {
      const tenth = Math.floor(rest / 10);
      memory[at] = zero + rest - 10 * tenth;
      rest = tenth;
    }
    this.used += digits;
    memory[this.used++] = 0x0d;
    memory[this.used++] = 0x0a;
  }

  private reserve(bytes: number): void {
    if (this.memory.length - this.used >= bytes) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.memory.length, this.used + bytes));
    larger.set(this.memory.subarray(0, this.used));
    this.use(larger);
  }
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}
