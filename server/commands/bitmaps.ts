/**
 * Bits of strings: SETBIT GETBIT BITCOUNT BITPOS BITOP, plain writes of the whole string. Bit 0 is the highest of the first byte. Semantics and error
 * texts are Redis 7.2's (bitops.c).
 */
import { ErrorReply } from '../../protocol/resp/reply.js';
import { LongBytes, overlay, type Fill } from '../../storage/long-bytes.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken, parseInteger } from './arguments.js';
import { bitAt, checkBitOffset, parseBitOffset } from './bits.js';
import { walkBits, type BitRange } from './bit-walk.js';
import { notAnInteger, syntaxError } from './errors.js';
import { docsOf, firstIsKey } from './row.js';

const docs = docsOf('bitmap');
const nothing = Buffer.alloc(0);
const notABit = new ErrorReply('ERR bit is not an integer or out of range');
const bitArgument = new ErrorReply('ERR The bit argument must be 1 or 0.');
const notTakesOne = new ErrorReply('ERR BITOP NOT must be called with a single source key.');

const onesOf = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

function parseSetBit(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, offsetText, bitText] = args as readonly [Buffer, Buffer, Buffer, Buffer];
  const offset = parseBitOffset(offsetText);
  if (offset instanceof ErrorReply) return offset;
  const bit = parseInteger(bitText);
  if (bit !== 0 && bit !== 1) return notABit;
  return (execution) => {
    checkBitOffset(execution, offset);
    const before = execution.string(key);
    const bytes = before?.bytes ?? nothing;
    const old = bitAt(bytes, offset);
    const at = Math.floor(offset / 8);
    if (before !== undefined && at < bytes.length && old === bit) return old;
    const changed = execution.made(new LongBytes(Math.max(bytes.length, at + 1), [{ bytes, at: 0 }], overlay));
    const mask = 1 << (7 - (offset % 8));
    changed[at] = bit === 1 ? (changed[at] as number) | mask : (changed[at] as number) & ~mask;
    execution.setString(key, changed, before?.expiresAtMs ?? 0);
    return old;
  };
}

function parseGetBit(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, offsetText] = args as readonly [Buffer, Buffer, Buffer];
  const offset = parseBitOffset(offsetText);
  if (offset instanceof ErrorReply) return offset;
  return (execution) => bitAt(execution.string(key)?.bytes ?? nothing, offset);
}

/** Ends as a client gives them; undefined `end` = the string's. */
interface Ends {
  readonly start: number;
  readonly end: number | undefined;
  readonly inBits: boolean;
}

const wholeString: Ends = { start: 0, end: undefined, inBits: false };

/** From the argument at `at` on: start, end, BYTE or BIT. BITPOS looks at the unit before the end. */
function parseEnds(args: readonly Buffer[], at: number, unitFirst: boolean): Ends | ErrorReply {
  const [startText, endText, unit] = args.slice(at);
  if (startText === undefined || args.length > at + 3) return syntaxError;
  const start = parseInteger(startText);
  if (start === undefined) return notAnInteger;
  const end = endText === undefined ? undefined : parseInteger(endText);
  const isBadEnd = endText !== undefined && end === undefined;
  const isBadUnit = unit !== undefined && !isToken(unit, 'BIT') && !isToken(unit, 'BYTE');
  if (isBadUnit && (unitFirst || !isBadEnd)) return syntaxError;
  if (isBadEnd) return notAnInteger;
  return { start: Number(start), end: end === undefined ? undefined : Number(end), inBits: unit !== undefined && isToken(unit, 'BIT') };
}

/** Undefined when it is empty. */
function bitRange(bytes: Buffer, { start, end = -1, inBits }: Ends): BitRange | undefined {
  const total = inBits ? bytes.length * 8 : bytes.length;
  const first = Math.max(0, start < 0 ? total + start : start);
  const last = Math.min(total - 1, Math.max(0, end < 0 ? total + end : end));
  if (first > last) return undefined;
  return inBits ? { first, last } : { first: first * 8, last: last * 8 + 7 };
}

function countOnes(bytes: Buffer, { first, last }: BitRange): number {
  const [firstByte, lastByte] = [Math.floor(first / 8), Math.floor(last / 8)];
  let ones = 0;
  for (let i = firstByte; i <= lastByte; i++) ones += onesOf[bytes[i] as number] as number;
  const before = (bytes[firstByte] as number) >> (8 - (first % 8));
  const after = (bytes[lastByte] as number) & ((1 << (7 - (last % 8))) - 1);
  return ones - (onesOf[before] as number) - (onesOf[after] as number);
}

function parseBitCount(args: readonly Buffer[]): Run | ErrorReply {
  const key = args[1] as Buffer;
  const ends = args.length === 2 ? wholeString : args.length === 3 ? syntaxError : parseEnds(args, 2, false);
  if (ends instanceof ErrorReply) return ends;
  return (execution) => {
    const bytes = execution.string(key)?.bytes ?? nothing;
    const { start, end = -1 } = ends;
    if (start < 0 && end < 0 && start > end) return 0;
    const range = bitRange(bytes, ends);
    if (range === undefined) return 0;
    let ones = 0;
    const count = (part: BitRange): undefined => void (ones += countOnes(bytes, part));
    return walkBits(range, count, () => ones);
  };
}

/** Where the first such bit is; undefined = nowhere. */
function positionOf(bytes: Buffer, bit: number, { first, last }: BitRange): number | undefined {
  const without = bit === 1 ? 0 : 0xff;
  for (let at = first; at <= last; at++) {
    if (at % 8 === 0) while (at + 7 <= last && bytes[at / 8] === without) at += 8;
    if (at <= last && bitAt(bytes, at) === bit) return at;
  }
  return undefined;
}

function parseBitPosition(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, bitText] = args as readonly [Buffer, Buffer, Buffer];
  const bit = parseInteger(bitText);
  if (bit === undefined) return notAnInteger;
  if (bit !== 0 && bit !== 1) return bitArgument;
  const ends = args.length === 3 ? wholeString : parseEnds(args, 3, true);
  if (ends instanceof ErrorReply) return ends;
  return (execution) => {
    const value = execution.string(key);
    if (value === undefined) return bit === 1 ? -1 : 0;
    const range = bitRange(value.bytes, ends);
    if (range === undefined) return -1;
    // A string without an end given goes on in zeros for ever.
    const beyond = bit === 0 && ends.end === undefined ? value.bytes.length * 8 : -1;
    return walkBits(
      range,
      (part) => positionOf(value.bytes, bit, part),
      () => beyond,
    );
  };
}

/** Makes each byte of those of the sources, which go on in zeros; the result is as long as the longest. */
const combining =
  (combine: (a: number, b: number) => number): Fill =>
  (result, sources, from, to) => {
    result.fill(0, from, to);
    overlay(result, sources.slice(0, 1), from, to);
    for (const { bytes } of sources.slice(1)) {
      const end = Math.max(from, Math.min(to, bytes.length));
      for (let at = from; at < end; at++) result[at] = combine(result[at] as number, bytes[at] as number);
      for (let at = end; at < to; at++) result[at] = combine(result[at] as number, 0);
    }
  };

const invert: Fill = (result, sources, from, to) => {
  overlay(result, sources, from, to);
  for (let at = from; at < to; at++) result[at] = ~(result[at] as number);
};

const operations: Readonly<Record<string, Fill>> = {
  AND: combining((a, b) => a & b),
  OR: combining((a, b) => a | b),
  XOR: combining((a, b) => a ^ b),
  NOT: invert,
};

function parseBitOperation(args: readonly Buffer[]): Run | ErrorReply {
  const [, operation, target, ...sources] = args as readonly [Buffer, Buffer, Buffer, ...Buffer[]];
  const fill = Object.entries(operations).find(([token]) => isToken(operation, token))?.[1];
  if (fill === undefined) return syntaxError;
  if (fill === invert && sources.length !== 1) return notTakesOne;
  return (execution) => {
    const values = sources.map((source) => ({ bytes: execution.string(source)?.bytes ?? nothing, at: 0 }));
    const length = values.reduce((longest, { bytes }) => Math.max(longest, bytes.length), 0);
    if (length === 0) execution.delete(target);
    else execution.setString(target, execution.made(new LongBytes(length, values, fill)), 0);
    return length;
  };
}

export const bitmapRows: readonly KeyedRow[] = [
  {
    scope: 'keys',
    name: 'setbit',
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: firstIsKey,
    categories: ['write', 'bitmap', 'slow'],
    docs: docs(
      '2.2.0',
      'O(N) where N is the length of the resulting value, which is written whole.',
      "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.",
      'key offset value',
    ),
    parse: parseSetBit,
  },
  {
    scope: 'keys',
    name: 'getbit',
    arity: 3,
    flags: ['readonly', 'fast'],
    keys: firstIsKey,
    categories: ['read', 'bitmap', 'fast'],
    docs: docs('2.2.0', 'O(1)', 'Returns a bit value by offset.', 'key offset'),
    parse: parseGetBit,
  },
  {
    scope: 'keys',
    name: 'bitcount',
    arity: -2,
    flags: ['readonly'],
    keys: firstIsKey,
    categories: ['read', 'bitmap', 'slow'],
    docs: docs('2.6.0', 'O(N)', 'Counts the number of set bits (population counting) in a string.', 'key [start end [BYTE | BIT]]'),
    parse: parseBitCount,
  },
  {
    scope: 'keys',
    name: 'bitpos',
    arity: -3,
    flags: ['readonly'],
    keys: firstIsKey,
    categories: ['read', 'bitmap', 'slow'],
    docs: docs('2.8.7', 'O(N)', 'Finds the first set (1) or clear (0) bit in a string.', 'key bit [start [end [BYTE | BIT]]]'),
    parse: parseBitPosition,
  },
  {
    scope: 'keys',
    name: 'bitop',
    arity: -4,
    flags: ['write', 'denyoom'],
    keys: { first: 2, last: -1, step: 1 },
    categories: ['write', 'bitmap', 'slow'],
    docs: docs(
      '2.6.0',
      'O(N)',
      'Performs bitwise operations on multiple strings, and stores the result.',
      'AND | OR | XOR | NOT destkey key [key ...]',
    ),
    parse: parseBitOperation,
  },
];
