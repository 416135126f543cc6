/**
 * Where an element of a list stands: bytes whose order is the order of the list, unique for ever, and never changed while the element lives. They are what an
 * element's record is found by. Between two positions there is always room, so inserting changes nothing but the new element: Logoot's idea (Weiss et al.,
 * 2009), with integers at the ends as a list is mostly pushed to, and LSEQ's (Nédelec et al., 2013) of keeping close to one neighbour, so that a place where
 * many are inserted one after the other does not run out of room.
 *
 *   position   integer | (1 | step u32)* | 0 | actor u32 | counter u56 | [ (1 | step u32)+ | 0 | actor u32 | counter u56 ]*
 *   integer    0x80 + n and n bytes, or 0x80 - n and n bytes of a negative one + 256^n: n = 0..6, the fewest that hold it
 *
 *   RPUSH a, RPUSH b                 a = 0 . dot             b = 1 . dot
 *   LINSERT AFTER a                  0 1:(2^32 - 2048) . dot      behind all that is 0 itself, before 1
 *   two nodes push at once           1 . dot of one, 1 . dot of the other: both stand, in the order of their dots
 *   LINSERT between those two        the whole position of the first, and steps and a dot behind it
 *
 * The step that ends a position, before its dot, is never 0: so there is room before every one.
 */
import { ByteReader } from '../protocol/byte-reader.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import type { Dot } from '../protocol/dot.js';

const mark = { dot: 0, step: 1 } as const;
const dotBytes = 11;
const twoTo32 = 0x1_0000_0000;
const integerZero = 0x80;
/** The longest integer of a position: 48 bits, which nobody's pushes exceed. */
const integerBytesMax = 6;
/** What is left free beside the neighbour that an insertion keeps close to: 2^21 insertions at one pivot fit one step. */
const stride = 2048;
/** Steps between two neighbours after a rewriting, at least. */
const spreadLeast = 64;

/** In bytes. Pushes need 16 or so, insertions between two of them 21 or so; list-writer.ts sees to it that none is longer. */
export const positionBytesMost = 48;

/** Which neighbour an insertion keeps close to: the other is where the next one is expected. */
export type Side = 'left' | 'right';

const writer = new ByteWriter(64);

/** `count` positions, in order, after `left` and before `right`; undefined: that end of the list is open. Owned by the caller. */
export function positionsBetween(left: Buffer | undefined, right: Buffer | undefined, count: number, near: Side, dot: Dot): Buffer[] {
  if (left !== undefined && right !== undefined) return between(left, right, count, near, dot);
  if (left === undefined && right === undefined) return integers(0, count, 1, dot);
  return left !== undefined ? integers(integerOf(left) + 1, count, 1, dot) : integers(integerOf(right as Buffer) - count, count, 1, dot);
}

/**
 * Whether the `length` bytes from `at` are a position that a list's writer makes: between others, room is found or an assertion fails. A peer's, or a later
 * release's, may be none.
 */
export function isPosition(bytes: Buffer, at: number, length: number): boolean {
  const end = at + length;
  if (length === 0 || length > positionBytesMost) return false;
  const integerBytes = (bytes[at] as number) - integerZero;
  const size = Math.abs(integerBytes);
  if (size > integerBytesMax || size + 1 + 1 + dotBytes > length) return false;
  const highest = bytes[at + 1] as number;
  if (integerBytes > 0 && highest === 0) return false; // fewer would hold it
  if (integerBytes < -1 && highest === 0xff) return false;
  // Half of the longest ones are never reached from the others, so that pushes beside it have room.
  if (size === integerBytesMax && integerBytes > 0 === highest >= 0x80) return false;
  let next = at + 1 + size;
  for (let isFirst = true; next < end; isFirst = false) {
    let last = isFirst ? 1 : 0;
    for (; bytes[next] === mark.step && next + 5 <= end; next += 5) last = bytes.readUInt32BE(next + 1);
    if (last === 0 || bytes[next] !== mark.dot) return false;
    next += 1 + dotBytes;
  }
  return next === end;
}

function integers(first: number, count: number, apart: number, dot: Dot): Buffer[] {
  const made: Buffer[] = []; // a loop: Array.from() takes as long as the bytes
  for (let i = 0; i < count; i++) {
    writer.reset();
    writeInteger(first + i * apart);
    made.push(ended(dot));
  }
  return made;
}

/**
 * Goes down the two positions as far as they agree, and further along `left` where there is no room between them. `prefix` (what the writer has) is what all
 * that is made begins with: `left` comes before it or lies under it, and `right` after it or under it.
 */
function between(left: Buffer, right: Buffer, count: number, near: Side, dot: Dot): Buffer[] {
  const [l, r] = [new ByteReader(left), new ByteReader(right)];
  const [from, to] = [readInteger(l), readInteger(r)];
  if (to - from > count) {
    const apart = Math.floor((to - from) / (count + 1));
    if (count > 1) return integers(from + apart, count, apart, dot);
    return integers(near === 'left' ? from + 1 : to - 1, 1, 1, dot);
  }
  writer.reset();
  writeInteger(from);
  /** Everything under the prefix is before `right`. */
  let isOpen = from < to;
  /** Every step under the prefix is after `left`. */
  let isBare = false;
  const least = count === 1 ? 1 : count * spreadLeast;
  for (;;) {
    const lMark: number | undefined = isBare || l.remaining === 0 ? undefined : l.u8();
    const rMark: number | undefined = isOpen ? undefined : r.u8();
    if (lMark === mark.dot && rMark === mark.dot) {
      const [a, b] = [l.bytes(dotBytes), r.bytes(dotBytes)];
      writer.u8(mark.dot);
      writer.bytes(a);
      isOpen = !a.equals(b);
      continue;
    }
    isBare = lMark !== mark.step;
    if (!isOpen && rMark !== mark.step) throw new Error('two positions of a list are not in order');
    const low = isBare ? 0 : l.u32();
    const high = isOpen ? twoTo32 : r.u32();
    if (high - low > least) return steps(low, high, count, near, dot);
    writer.u8(mark.step);
    writer.u32(low);
    isOpen ||= low < high;
  }
}

/** Steps after `low` and before `high`, behind what the writer has. */
function steps(low: number, high: number, count: number, near: Side, dot: Dot): Buffer[] {
  const prefix = writer.take();
  const apart = count > 1 ? Math.floor((high - low) / (count + 1)) : Math.min(stride, Math.floor((high - low) / 2));
  const first = count > 1 || near === 'left' ? low + apart : high - apart;
  const made: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    writer.reset();
    writer.bytes(prefix);
    writer.u8(mark.step);
    writer.u32(first + i * apart);
    made.push(ended(dot));
  }
  return made;
}

function ended({ actor, counter }: Dot): Buffer {
  writer.u8(mark.dot);
  writer.u32(actor);
  const high = Math.floor(counter / twoTo32);
  writer.u8(high >>> 16);
  writer.u16(high & 0xffff);
  writer.u32(counter >>> 0);
  return writer.take();
}

function integerOf(position: Buffer): number {
  return readInteger(new ByteReader(position));
}

function writeInteger(value: number): void {
  let length = value < 0 ? 1 : 0;
  let range = value < 0 ? 256 : 1;
  while (value < 0 ? value < -range : value >= range) {
    range *= 256;
    length++;
  }
  if (length > integerBytesMax) throw new RangeError(`a list's end at ${value}`);
  writer.u8(value < 0 ? integerZero - length : integerZero + length);
  let rest = value < 0 ? value + range : value;
  for (let i = 0; i < length; i++) {
    range /= 256;
    writer.u8(Math.floor(rest / range));
    rest %= range;
  }
}

function readInteger(reader: ByteReader): number {
  const first = reader.u8();
  const length = Math.abs(first - integerZero);
  let value = 0;
  let range = 1;
  for (let i = 0; i < length; i++) {
    value = value * 256 + reader.u8();
    range *= 256;
  }
  return first < integerZero ? value - range : value;
}
