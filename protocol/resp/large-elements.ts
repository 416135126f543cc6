/**
 * The large elements of a request that arrives, each in memory of its own: joining all of a request once its last byte is there copies half a gigabyte in one turn
 * of the event loop.
 *
 *     *3\r\n $3\r\n SET\r\n $1\r\n k\r\n $536870912\r\n   .................   \r\n
 *     the rest: an unfinished request                    an element apart    the rest again
 *
 * Bound: nothing is allocated for bytes that have only been announced until a small part of them has come; the memory for the rest is not touched before they come.
 */
import { UnfinishedRequest } from './unfinished-request.js';

/** An element of so many bytes is large. */
export const largeElementBytes = 256 * 1024;
/** Memory for all of one is taken once this part of it is there. */
const partBeforeRoom = 1 / 64;

const carriageReturn = 0x0d;
const zero = 0x30;
const noPieces: readonly Buffer[] = [];

class LargeElement {
  /** What came before there was room for all. */
  private readonly begun = new UnfinishedRequest();
  /** Of that, what is not in its place yet, and the place of its first byte. */
  private early = noPieces;
  private earlyNext = 0;
  private earlyAt = 0;
  private buffer: Buffer | undefined;
  filled = 0;

  constructor(
    readonly length: number,
    /** Where in the rest it belongs. */
    readonly at: number,
  ) {}

  fill(chunk: Buffer, from: number): number {
    const piece = chunk.subarray(from, from + this.length - this.filled);
    if (this.buffer === undefined) this.begun.keep(piece);
    else {
      this.buffer.set(piece, this.filled);
      this.placeEarly(this.buffer, piece.length);
    }
    this.filled += piece.length;
    if (this.buffer === undefined && this.filled >= this.length * partBeforeRoom) {
      this.buffer = Buffer.allocUnsafeSlow(this.length);
      this.early = this.begun.takePieces();
    }
    return piece.length;
  }

  /** With what comes as much of what came before is put in its place: all of that at once is some megabytes of half a gigabyte. It is there long before the last byte comes. */
  private placeEarly(buffer: Buffer, bytes: number): void {
    for (let left = bytes; left > 0 && this.earlyNext < this.early.length;) {
      const piece = this.early[this.earlyNext++] as Buffer;
      buffer.set(piece, this.earlyAt);
      this.earlyAt += piece.length;
      left -= piece.length;
    }
    if (this.earlyNext === this.early.length) this.early = noPieces;
  }

  /** The next `length` bytes of the stream are its own, and are copied when they come. */
  copies(length: number): boolean {
    return this.buffer !== undefined && length <= this.length - this.filled;
  }

  take(): Buffer {
    if (this.filled < this.length || this.buffer === undefined) throw new Error('an element of a request is taken before it has come');
    this.placeEarly(this.buffer, this.length); // one that came in few pieces
    return this.buffer;
  }
}

export class LargeElements {
  private readonly elements: LargeElement[] = [];

  /** That have come. */
  get byteLength(): number {
    return this.elements.reduce((sum, { filled }) => sum + filled, 0);
  }

  /** An element of `length` bytes begins, before which stand `at` bytes of the rest. */
  begin(length: number, at: number): void {
    this.elements.push(new LargeElement(length, at));
  }

  /** The next `length` bytes of the stream are the last element's own, and are copied: `fill` borrows the chunk that they are. */
  copies(length: number): boolean {
    return this.elements.at(-1)?.copies(length) === true;
  }

  /** Takes as much of `chunk`, from `from` on, as belongs to the last element; returns how much. The chunk is given away, but where `copies` has said so. */
  fill(chunk: Buffer, from: number): number {
    return this.elements.at(-1)?.fill(chunk, from) ?? 0;
  }

  /** The arguments of the whole request, which the guard has passed. `rest` is given away. */
  argumentsWith(rest: Buffer): Buffer[] {
    const args: Buffer[] = [];
    let at = lineEnd(rest, 0);
    for (let next = 0; at < rest.length; at += 2) {
      const end = lineEnd(rest, at);
      const length = lengthIn(rest, at + 1);
      const apart = this.elements[next];
      if (apart?.at === end) {
        next++;
        args.push(apart.take());
        at = end;
      } else {
        args.push(rest.subarray(end, end + length));
        at = end + length;
      }
    }
    return args;
  }
}

/** Where the header line that begins at `at` has ended. The byte after its CR may be any. */
function lineEnd(bytes: Buffer, at: number): number {
  return bytes.indexOf(carriageReturn, at) + 2;
}

function lengthIn(bytes: Buffer, at: number): number {
  let length = 0;
  for (let i = at; bytes[i] !== carriageReturn; i++) length = length * 10 + (bytes[i] as number) - zero;
  return length;
}
