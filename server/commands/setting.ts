/** Strings that are set on a condition, or read and changed in one step. Semantics and error texts are Redis 7.2's (t_string.c). */
import { ErrorReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken } from './arguments.js';
import { syntaxError, wrongArity } from './errors.js';
import type { ExpiryUnit } from './expiry.js';
import { Expiry, expiryOptions } from './expiry.js';
import { docsOf, firstIsKey, keyValuePairs } from './row.js';

const docs = docsOf('string');

function parseSetIfAbsent(args: readonly Buffer[]): Run {
  const [, key, value] = args as readonly [Buffer, Buffer, Buffer];
  return (execution) => {
    if (execution.typeOf(key) !== undefined) return 0;
    execution.setString(key, value, 0);
    return 1;
  };
}

/** Redis looks at the span before anything else, as SET does. */
const parseSetWithExpiry =
  (command: string, unit: ExpiryUnit) =>
  (args: readonly Buffer[]): Run | ErrorReply => {
    const [, key, span, value] = args as readonly [Buffer, Buffer, Buffer, Buffer];
    const expiry = Expiry.parse(span, unit, command);
    if (expiry instanceof ErrorReply) return expiry;
    if (!expiry.isPositive) return expiry.invalid;
    return (execution) => {
      const instant = expiry.at(execution.nowMs);
      if (instant instanceof ErrorReply) return instant;
      execution.setString(key, value, instant);
      return ok;
    };
  };

function parseGetSet(args: readonly Buffer[]): Run {
  const [, key, value] = args as readonly [Buffer, Buffer, Buffer];
  return (execution) => {
    const before = execution.string(key)?.bytes ?? null;
    execution.setString(key, value, 0);
    return before;
  };
}

function parseGetDelete(args: readonly Buffer[]): Run {
  const key = args[1] as Buffer;
  return (execution) => {
    const before = execution.string(key);
    if (before === undefined) return null;
    execution.delete(key);
    return before.bytes;
  };
}

/** Undefined: the expiry stays as it is. An error is the client's only if there is a key, as in Redis. */
type GetExpiry = Expiry | ErrorReply | 'persist' | undefined;

function parseGetExpiry(args: readonly Buffer[]): { readonly change: GetExpiry } | ErrorReply {
  let persist = false;
  let unit: ExpiryUnit | undefined;
  let amount: Buffer | undefined;
  for (let i = 2; i < args.length; i++) {
    const option = args[i] as Buffer;
    if (isToken(option, 'PERSIST') && unit === undefined) {
      persist = true;
      continue;
    }
    const named = expiryOptions.find(([token]) => isToken(option, token))?.[1];
    amount = args[++i];
    if (named === undefined || amount === undefined || persist || (unit ?? named) !== named) return syntaxError;
    unit = named;
  }
  if (persist) return { change: 'persist' };
  if (unit === undefined || amount === undefined) return { change: undefined };
  const expiry = Expiry.parse(amount, unit, 'getex');
  return { change: expiry instanceof ErrorReply || expiry.isPositive ? expiry : expiry.invalid };
}

function parseGetWithExpiry(args: readonly Buffer[]): Run | ErrorReply {
  const key = args[1] as Buffer;
  const options = parseGetExpiry(args);
  return options instanceof ErrorReply ? options : (execution) => getWithExpiry(execution, key, options.change);
}

function getWithExpiry(execution: Execution, key: Buffer, change: GetExpiry): Reply {
  const value = execution.string(key);
  if (value === undefined) return null;
  const { bytes, expiresAtMs } = value;
  if (change instanceof ErrorReply) return change;
  if (change === 'persist') {
    if (expiresAtMs !== 0) execution.setExpiry(key, 0);
  } else if (change !== undefined) {
    const instant = change.at(execution.nowMs);
    if (instant instanceof ErrorReply) return instant;
    if (instant <= execution.nowMs) execution.delete(key);
    else execution.setExpiry(key, instant);
  }
  return bytes;
}

function parseMultiSetIfAbsent(args: readonly Buffer[]): Run | ErrorReply {
  if (args.length % 2 === 0) return wrongArity('msetnx');
  return (execution) => {
    for (let i = 1; i < args.length; i += 2) if (execution.typeOf(args[i] as Buffer) !== undefined) return 0;
    for (let i = 1; i < args.length; i += 2) execution.setString(args[i] as Buffer, args[i + 1] as Buffer, 0);
    return 1;
  };
}

export const settingRows: readonly KeyedRow[] = [
  {
    scope: 'keys',
    name: 'setnx',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: firstIsKey,
    categories: ['write', 'string', 'fast'],
    docs: docs('1.0.0', 'O(1)', "Set the string value of a key only when the key doesn't exist.", 'key value'),
    parse: parseSetIfAbsent,
  },
  {
    scope: 'keys',
    name: 'setex',
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: firstIsKey,
    categories: ['write', 'string', 'slow'],
    docs: docs(
      '2.0.0',
      'O(1)',
      "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
      'key seconds value',
    ),
    blind: () => true,
    parse: parseSetWithExpiry('setex', 'seconds'),
  },
  {
    scope: 'keys',
    name: 'psetex',
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: firstIsKey,
    categories: ['write', 'string', 'slow'],
    docs: docs(
      '2.6.0',
      'O(1)',
      "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't exist.",
      'key milliseconds value',
    ),
    blind: () => true,
    parse: parseSetWithExpiry('psetex', 'milliseconds'),
  },
  {
    scope: 'keys',
    name: 'getset',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: firstIsKey,
    categories: ['write', 'string', 'fast'],
    docs: docs('1.0.0', 'O(1)', 'Returns the previous string value of a key after setting it to a new value.', 'key value'),
    parse: parseGetSet,
  },
  {
    scope: 'keys',
    name: 'getdel',
    arity: 2,
    flags: ['write', 'fast'],
    keys: firstIsKey,
    categories: ['write', 'string', 'fast'],
    docs: docs('6.2.0', 'O(1)', 'Returns the string value of a key after deleting the key.', 'key'),
    parse: parseGetDelete,
  },
  {
    scope: 'keys',
    name: 'getex',
    arity: -2,
    flags: ['write', 'fast'],
    keys: firstIsKey,
    categories: ['write', 'string', 'fast'],
    docs: docs(
      '6.2.0',
      'O(1)',
      'Returns the string value of a key after setting its expiration time.',
      'key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]',
    ),
    parse: parseGetWithExpiry,
  },
  {
    scope: 'keys',
    name: 'msetnx',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: keyValuePairs,
    categories: ['write', 'string', 'slow'],
    docs: docs(
      '1.0.1',
      'O(N) where N is the number of keys to set.',
      "Atomically modifies the string values of one or more keys only when all keys don't exist.",
      'key value [key value ...]',
    ),
    parse: parseMultiSetIfAbsent,
  },
];
