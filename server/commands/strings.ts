/**
 * Strings and counters. Semantics and error texts are Redis 7.2's (redis.io/commands/?group=string), but for one: an instant of expiry
 * beyond 2^53 ms, in the year 287396, is refused as an invalid expire time, since instants are exact doubles here.
 */
import { ErrorReply, ok } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import { LongBytes, overlay } from '../../storage/long-bytes.js';
import type { KeyedRow, Run } from '../command-table.js';
import { int64Min, isToken, parseInteger } from './arguments.js';
import { checkStringLength, notAnInteger, syntaxError, wrongArity } from './errors.js';
import type { ExpiryUnit } from './expiry.js';
import { Expiry, expiryOptions } from './expiry.js';
import { allAreKeys, docsOf, firstIsKey, keyValuePairs } from './row.js';

const docs = docsOf('string');
const decrementOverflow = new ErrorReply('ERR decrement would overflow');

interface SetOptions {
  readonly condition: 'none' | 'absent' | 'present';
  readonly get: boolean;
  readonly keepTtl: boolean;
  readonly expiry: Expiry | undefined;
}

const plainSet: SetOptions = { condition: 'none', get: false, keepTtl: false, expiry: undefined };

/** Options may come in any order and be repeated; two of different kinds that exclude each other are a syntax error. */
function parseSetOptions(args: readonly Buffer[]): SetOptions | ErrorReply {
  if (args.length === 3) return plainSet;
  let condition: SetOptions['condition'] = 'none';
  let get = false;
  let keepTtl = false;
  let unit: ExpiryUnit | undefined;
  let amount: Buffer | undefined;
  for (let i = 3; i < args.length; i++) {
    const option = args[i] as Buffer;
    if (isToken(option, 'NX') && condition !== 'present') condition = 'absent';
    else if (isToken(option, 'XX') && condition !== 'absent') condition = 'present';
    else if (isToken(option, 'GET')) get = true;
    else if (isToken(option, 'KEEPTTL') && unit === undefined) keepTtl = true;
    else {
      const named = expiryOptions.find(([token]) => isToken(option, token))?.[1];
      amount = args[++i];
      if (named === undefined || amount === undefined || keepTtl || (unit ?? named) !== named) return syntaxError;
      unit = named;
    }
  }
  if (unit === undefined || amount === undefined) return { condition, get, keepTtl, expiry: undefined };
  const expiry = Expiry.parse(amount, unit, 'set');
  if (expiry instanceof ErrorReply) return expiry;
  return expiry.isPositive ? { condition, get, keepTtl, expiry } : expiry.invalid;
}

function parseSet(args: readonly Buffer[]): Run | ErrorReply {
  const key = args[1] as Buffer;
  const value = args[2] as Buffer;
  const options = parseSetOptions(args);
  if (options === plainSet) {
    return (execution) => {
      execution.setString(key, value, 0);
      return ok;
    };
  }
  return options instanceof ErrorReply ? options : (execution) => setWithOptions(execution, key, value, options);
}

function setWithOptions(execution: Execution, key: Buffer, value: Buffer, options: SetOptions) {
  const instant = options.expiry?.at(execution.nowMs) ?? 0;
  if (instant instanceof ErrorReply) return instant;
  const previous = options.get ? (execution.string(key)?.bytes ?? null) : null;
  if (options.condition !== 'none') {
    const present = execution.typeOf(key) !== undefined;
    if (present !== (options.condition === 'present')) return previous;
  }
  const expiresAtMs = options.keepTtl ? (execution.expiryOf(key) ?? 0) : instant;
  if (expiresAtMs !== 0 && expiresAtMs <= execution.nowMs) execution.delete(key);
  else execution.setString(key, value, expiresAtMs);
  return options.get ? previous : ok;
}

/** SET is blind unless an option looks at what was there. */
function isBlindSet(args: readonly Buffer[]): boolean {
  if (args.length === 3) return true;
  const options = parseSetOptions(args);
  return !(options instanceof ErrorReply) && options.condition === 'none' && !options.get && !options.keepTtl;
}

/** `sign` -1 for DECRBY. */
function parseIncrementBy(args: readonly Buffer[], sign: 1n | -1n): Run | ErrorReply {
  const amount = parseInteger(args[2] as Buffer);
  if (amount === undefined) return notAnInteger;
  if (sign < 0n && amount === int64Min) return decrementOverflow;
  return incrementBy(args[1] as Buffer, sign * BigInt(amount));
}

const incrementBy =
  (key: Buffer, by: bigint): Run =>
  (execution) =>
    execution.increment(key, by);

function parseMultiSet(args: readonly Buffer[]): Run | ErrorReply {
  if (args.length % 2 === 0) return wrongArity('mset');
  return (execution) => {
    for (let i = 1; i < args.length; i += 2) execution.setString(args[i] as Buffer, args[i + 1] as Buffer, 0);
    return ok;
  };
}

function append(execution: Execution, key: Buffer, suffix: Buffer): number {
  const before = execution.string(key);
  if (before === undefined) {
    execution.setString(key, suffix, 0);
    return suffix.length;
  }
  const bytes = before.bytes.length + suffix.length;
  checkStringLength(execution, bytes);
  const parts = [
    { bytes: before.bytes, at: 0 },
    { bytes: suffix, at: before.bytes.length },
  ];
  execution.setString(key, execution.made(new LongBytes(bytes, parts, overlay)), before.expiresAtMs);
  return bytes;
}

export const stringRows: readonly KeyedRow[] = [
  {
    scope: 'keys',
    name: 'get',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstIsKey,
    categories: ['read', 'string', 'fast'],
    docs: docs('1.0.0', 'O(1)', 'Returns the string value of a key.', 'key'),
    parse: (args) => {
      const key = args[1] as Buffer;
      return (execution) => execution.value(key);
    },
  },
  {
    scope: 'keys',
    name: 'set',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: firstIsKey,
    categories: ['write', 'string', 'slow'],
    docs: docs(
      '1.0.0',
      'O(1)',
      "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
      'key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]',
    ),
    blind: isBlindSet,
    parse: parseSet,
  },
  {
    scope: 'keys',
    name: 'mget',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: allAreKeys,
    categories: ['read', 'string', 'fast'],
    docs: docs(
      '1.0.0',
      'O(N) where N is the number of keys to retrieve.',
      'Returns the string values of one or more keys.',
      'key [key ...]',
    ),
    split: 'array',
    parse: (args) => {
      const keys = args.slice(1);
      return (execution) => keys.map((key) => (execution.typeOf(key) === 'string' ? (execution.string(key)?.bytes ?? null) : null));
    },
  },
  {
    scope: 'keys',
    name: 'mset',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: keyValuePairs,
    categories: ['write', 'string', 'slow'],
    docs: docs(
      '1.0.1',
      'O(N) where N is the number of keys to set.',
      'Creates or modifies the string values of one or more keys.',
      'key value [key value ...]',
    ),
    split: 'first-error-or-ok',
    blind: () => true,
    parse: parseMultiSet,
  },
  {
    scope: 'keys',
    name: 'incr',
    arity: 2,
    flags: ['write', 'denyoom', 'fast'],
    keys: firstIsKey,
    categories: ['write', 'string', 'fast'],
    docs: docs('1.0.0', 'O(1)', "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.", 'key'),
    parse: (args) => incrementBy(args[1] as Buffer, 1n),
  },
  {
    scope: 'keys',
    name: 'incrby',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: firstIsKey,
    categories: ['write', 'string', 'fast'],
    docs: docs(
      '1.0.0',
      'O(1)',
      "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
      'key increment',
    ),
    parse: (args) => parseIncrementBy(args, 1n),
  },
  {
    scope: 'keys',
    name: 'decr',
    arity: 2,
    flags: ['write', 'denyoom', 'fast'],
    keys: firstIsKey,
    categories: ['write', 'string', 'fast'],
    docs: docs('1.0.0', 'O(1)', "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.", 'key'),
    parse: (args) => incrementBy(args[1] as Buffer, -1n),
  },
  {
    scope: 'keys',
    name: 'decrby',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: firstIsKey,
    categories: ['write', 'string', 'fast'],
    docs: docs(
      '1.0.0',
      'O(1)',
      "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.",
      'key decrement',
    ),
    parse: (args) => parseIncrementBy(args, -1n),
  },
  {
    scope: 'keys',
    name: 'append',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: firstIsKey,
    categories: ['write', 'string', 'fast'],
    docs: docs(
      '2.0.0',
      'O(N) where N is the length of the resulting value, which is written whole.',
      "Appends a string to the value of a key. Creates the key if it doesn't exist.",
      'key value',
    ),
    parse: (args) => {
      const key = args[1] as Buffer;
      const suffix = args[2] as Buffer;
      return (execution) => append(execution, key, suffix);
    },
  },
  {
    scope: 'keys',
    name: 'strlen',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstIsKey,
    categories: ['read', 'string', 'fast'],
    docs: docs('2.2.0', 'O(1)', 'Returns the length of a string value.', 'key'),
    parse: (args) => {
      const key = args[1] as Buffer;
      return (execution) => execution.string(key)?.bytes.length ?? 0;
    },
  },
];
