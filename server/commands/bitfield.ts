/**
 * BITFIELD and BITFIELD_RO: integers of any width at any bit of a string. Semantics, error texts and the three ways of overflowing are Redis
 * 7.2's (bitops.c, bitfieldGeneric).
 */
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import { LongBytes, overlay } from '../../storage/long-bytes.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken, parseInteger } from './arguments.js';
import { checkBitOffset, parseBitOffset, readBits, writeBits } from './bits.js';
import { notAnInteger, syntaxError } from './errors.js';
import { docsOf, firstIsKey } from './row.js';

const docs = docsOf('bitmap');
const nothing = Buffer.alloc(0);
const badType = new ErrorReply('ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.');
const badOverflow = new ErrorReply('ERR Invalid OVERFLOW type specified');
const getOnly = new ErrorReply('ERR BITFIELD_RO only supports the GET subcommand');
const hash = 0x23;

type Overflow = 'WRAP' | 'SAT' | 'FAIL';

interface IntegerType {
  readonly signed: boolean;
  readonly bits: number;
}

interface Access extends IntegerType {
  readonly kind: 'GET' | 'SET' | 'INCRBY';
  readonly offset: number;
  /** The value to set or to add; 0 for GET. */
  readonly amount: bigint;
  readonly overflow: Overflow;
}

function parseType(text: Buffer): IntegerType | undefined {
  const signed = text[0] === 0x69;
  if (!signed && text[0] !== 0x75) return undefined;
  const bits = parseInteger(text.subarray(1));
  return bits === undefined || bits < 1 || bits > (signed ? 64 : 63) ? undefined : { signed, bits: Number(bits) };
}

function parseAccesses(args: readonly Buffer[]): readonly Access[] | ErrorReply {
  const accesses: Access[] = [];
  let overflow: Overflow = 'WRAP';
  for (let i = 2; i < args.length; i++) {
    const left = args.length - i - 1;
    const word = args[i] as Buffer;
    if (isToken(word, 'OVERFLOW') && left >= 1) {
      const named = (['WRAP', 'SAT', 'FAIL'] as const).find((token) => isToken(args[i + 1] as Buffer, token));
      if (named === undefined) return badOverflow;
      overflow = named;
      i++;
      continue;
    }
    const kind = (['GET', 'SET', 'INCRBY'] as const).find((token) => isToken(word, token));
    if (kind === undefined || left < (kind === 'GET' ? 2 : 3)) return syntaxError;
    const type = parseType(args[i + 1] as Buffer);
    if (type === undefined) return badType;
    const offsetText = args[i + 2] as Buffer;
    const offset = offsetText[0] === hash ? parseBitOffset(offsetText.subarray(1), type.bits) : parseBitOffset(offsetText);
    if (offset instanceof ErrorReply) return offset;
    const amount = kind === 'GET' ? 0 : parseInteger(args[i + 3] as Buffer);
    if (amount === undefined) return notAnInteger;
    accesses.push({ ...type, kind, offset, amount: BigInt(amount), overflow });
    i += kind === 'GET' ? 2 : 3;
  }
  return accesses;
}

const parseBitfield =
  (readOnly: boolean) =>
  (args: readonly Buffer[]): Run | ErrorReply => {
    const key = args[1] as Buffer;
    const accesses = parseAccesses(args);
    if (accesses instanceof ErrorReply) return accesses;
    const writes = accesses.filter(({ kind }) => kind !== 'GET');
    if (writes.length === 0) {
      return (execution) => {
        const bytes = execution.string(key)?.bytes ?? nothing;
        return accesses.map((access) => read(bytes, access));
      };
    }
    if (readOnly) return getOnly;
    const length = writes.reduce((most, { offset, bits }) => Math.max(most, Math.floor((offset + bits - 1) / 8) + 1), 0);
    return (execution) => {
      checkBitOffset(execution, 8 * length - 1);
      return write(execution, key, accesses, length);
    };
  };

/** The string grows to `length` bytes whether or not an overflow keeps it from being written to. */
function write(execution: Execution, key: Buffer, accesses: readonly Access[], length: number): Reply {
  const before = execution.string(key);
  const old = before?.bytes ?? nothing;
  const bytes = execution.made(new LongBytes(Math.max(old.length, length), [{ bytes: old, at: 0 }], overlay));
  let isChanged = bytes.length !== before?.bytes.length;
  const replies = accesses.map((access): Reply => {
    const was = read(bytes, access);
    if (access.kind === 'GET') return was;
    const value = access.kind === 'SET' ? within(access, access.amount, 0n) : within(access, was, access.amount);
    if (value === undefined) return null;
    writeBits(bytes, access.offset, access.bits, value);
    isChanged ||= read(bytes, access) !== was;
    return access.kind === 'SET' ? was : value;
  });
  if (isChanged) execution.setString(key, bytes, before?.expiresAtMs ?? 0);
  return replies;
}

function read(bytes: Buffer, { signed, bits, offset }: Access): bigint {
  const value = readBits(bytes, offset, bits);
  return signed ? BigInt.asIntN(bits, value) : value;
}

/** value + increment as the type holds it; undefined when it does not and the overflow is to fail. In 64-bit arithmetic, as in C. */
function within({ signed, bits, overflow }: Access, value: bigint, increment: bigint): bigint | undefined {
  const direction = signed ? signedOverflow(value, increment, bits) : unsignedOverflow(BigInt.asUintN(64, value), increment, bits);
  if (direction === 0) return value + increment;
  if (overflow === 'FAIL') return undefined;
  if (overflow === 'WRAP') return signed ? BigInt.asIntN(bits, value + increment) : BigInt.asUintN(bits, value + increment);
  const most = (1n << BigInt(signed ? bits - 1 : bits)) - 1n;
  if (direction > 0) return most;
  return signed ? -most - 1n : 0n;
}

function unsignedOverflow(value: bigint, increment: bigint, bits: number): -1 | 0 | 1 {
  const most = (1n << BigInt(bits)) - 1n;
  if (value > most || (increment > 0n && increment > most - value)) return 1;
  return increment < 0n && increment < -value ? -1 : 0;
}

/** What is left to the ends is itself computed in 64 bits, which shows for values that the type could never hold. */
function signedOverflow(value: bigint, increment: bigint, bits: number): -1 | 0 | 1 {
  const most = (1n << BigInt(bits - 1)) - 1n;
  const least = -most - 1n;
  const toMost = BigInt.asIntN(64, most - value);
  const toLeast = BigInt.asIntN(64, least - value);
  if (value > most || (bits !== 64 && increment > toMost) || (value >= 0n && increment > 0n && increment > toMost)) return 1;
  if (value < least || (bits !== 64 && increment < toLeast) || (value < 0n && increment < 0n && increment < toLeast)) return -1;
  return 0;
}

export const bitfieldRows: readonly KeyedRow[] = [
  {
    scope: 'keys',
    name: 'bitfield',
    arity: -2,
    flags: ['write', 'denyoom'],
    keys: firstIsKey,
    categories: ['write', 'bitmap', 'slow'],
    docs: docs(
      '3.2.0',
      'O(1) for each operation, and O(N) for a write, N being the length of the resulting value, which is written whole.',
      'Performs arbitrary bitfield integer operations on strings.',
      'key [GET encoding offset | [OVERFLOW WRAP | SAT | FAIL] SET encoding offset value | INCRBY encoding offset increment ...]',
    ),
    parse: parseBitfield(false),
  },
  {
    scope: 'keys',
    name: 'bitfield_ro',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: firstIsKey,
    categories: ['read', 'bitmap', 'fast'],
    docs: docs(
      '6.0.0',
      'O(1) for each operation.',
      'Performs arbitrary read-only bitfield integer operations on strings.',
      'key [GET encoding offset [GET encoding offset ...]]',
    ),
    parse: parseBitfield(true),
  },
];
