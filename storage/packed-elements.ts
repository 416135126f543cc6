/**
 * A set or sorted set in one piece of bytes, as it is brought from another partition: a RESP array of bulk strings, its members, or members and scores in turn.
 *
 *     *4 CR LF $1 CR LF a CR LF $8 CR LF (score) CR LF $1 CR LF b CR LF ...
 *
 * An element's number is its place. They are found by a table of places under a hash of their bytes, which is made over turns: open addressing, at most half full.
 */
import { compareBytes } from './byte-loops.js';
import { noElement, type ElementSource } from './element-source.js';
import { scanHash } from './key-order.js';
import { decodeScore } from './score-value.js';

const lineFeed = 0x0a;
const zero = 0x30;
/** `$0` CR LF and CR LF: no bulk string is shorter. */
const bulkBytesLeast = 6;

export class PackedElements implements ElementSource {
  readonly size: number;
  /** Elements that were taken in. */
  private taken = 0;
  /** Where the next one begins. */
  private next: number;
  /** Of each element's bytes, and then of its score's. */
  private places: { readonly starts: Int32Array; readonly lengths: Int32Array; readonly index: Int32Array } | undefined = undefined;

  /** `parts` of them make an element: 1 of a set, 2 of a sorted set. `bytes` are never written to. */
  constructor(
    private readonly bytes: Buffer,
    private readonly parts: 1 | 2,
  ) {
    const { value, next } = numberAt(bytes, 0);
    this.next = next;
    this.size = Math.min(Math.floor(value / parts), Math.floor(bytes.length / (bulkBytesLeast * parts)));
  }

  get identity(): this {
    return this;
  }

  get stepsToPrepare(): number {
    return this.size - this.taken;
  }

  open(): void {
    // Nothing changes.
  }

  close(): void {
    // Nothing is held.
  }

  prepare(budget: number): boolean {
    const { bytes, parts, size } = this;
    const { starts, lengths, index } = (this.places ??= {
      starts: new Int32Array(size * parts),
      lengths: new Int32Array(size * parts),
      index: new Int32Array(2 ** Math.ceil(Math.log2(2 * size + 2))),
    });
    for (let left = budget; left > 0 && this.taken < size; left--) {
      const element = this.taken++;
      for (let part = element * parts; part < (element + 1) * parts; part++) {
        const { value, next } = numberAt(bytes, this.next);
        const length = Math.min(value, bytes.length - next);
        starts[part] = next;
        lengths[part] = length;
        this.next = Math.min(next + length + 2, bytes.length);
      }
      const mask = index.length - 1;
      let at = scanHash(bytes, this.fromOf(element), this.lengthOf(element)) & mask;
      while (index[at] !== 0) at = (at + 1) & mask;
      index[at] = element + 1;
    }
    return this.taken === size;
  }

  at(index: number): number {
    return index;
  }

  find(bytes: Buffer, from: number, length: number): number {
    const { index } = this.prepared;
    const mask = index.length - 1;
    for (let at = scanHash(bytes, from, length) & mask; ; at = (at + 1) & mask) {
      const element = (index[at] as number) - 1;
      if (element === noElement) return noElement;
      if (this.lengthOf(element) !== length) continue;
      const start = this.fromOf(element);
      if (compareBytes(this.bytes, start, start + length, bytes, from, from + length) === 0) return element;
    }
  }

  bytesOf(): Buffer {
    return this.bytes;
  }

  fromOf(element: number): number {
    return this.prepared.starts[element * this.parts] as number;
  }

  lengthOf(element: number): number {
    return this.prepared.lengths[element * this.parts] as number;
  }

  scoreOf(element: number): number {
    if (this.parts === 1) return 1;
    const { starts, lengths } = this.prepared;
    return decodeScore(this.bytes, starts[2 * element + 1], lengths[2 * element + 1]);
  }

  /** It came with the command, and every run of that has the same one. */
  isSame(other: ElementSource): boolean {
    return other === this;
  }

  private get prepared(): { readonly starts: Int32Array; readonly lengths: Int32Array; readonly index: Int32Array } {
    if (this.places === undefined) throw new Error('elements are looked at before they were prepared');
    return this.places;
  }
}

/** The number in a line of one type byte and digits, and where the next line begins. Bytes that Torc's writer has not made give some number. */
function numberAt(bytes: Buffer, at: number): { readonly value: number; readonly next: number } {
  let value = 0;
  let next = at + 1;
  for (; next < bytes.length && bytes[next] !== lineFeed; next++) {
    const digit = (bytes[next] as number) - zero;
    if (digit >= 0 && digit <= 9) value = 10 * value + digit;
  }
  next = Math.min(next + 1, bytes.length);
  return { value, next };
}
