/** Commands on keys of any type. Semantics and error texts are Redis 7.2's (redis.io/commands/?group=generic). */
import { ErrorReply, StatusReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution, TypeName } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken } from './arguments.js';
import type { ExpiryUnit } from './expiry.js';
import { Expiry } from './expiry.js';
import { allAreKeys, docsOf, firstIsKey } from './row.js';

const docs = docsOf('generic');
const noSuchKey = -2;
const noExpiry = -1;
const msPerSecond = 1000;

const incompatibleWithNx = new ErrorReply('ERR NX and XX, GT or LT options at the same time are not compatible');
const incompatibleBounds = new ErrorReply('ERR GT and LT options at the same time are not compatible');

const none = new StatusReply('none');
const typeReplies: Readonly<Record<TypeName, StatusReply>> = {
  string: new StatusReply('string'),
  hash: new StatusReply('hash'),
  set: new StatusReply('set'),
  zset: new StatusReply('zset'),
  list: new StatusReply('list'),
  stream: new StatusReply('stream'),
};

/** Which expiry may be replaced; all that are true must hold. */
interface ExpireConditions {
  /** NX */
  readonly onlyWithout: boolean;
  /** XX */
  readonly onlyWith: boolean;
  /** GT; no expiry counts as infinite. */
  readonly onlyLater: boolean;
  /** LT; no expiry counts as infinite. */
  readonly onlyEarlier: boolean;
}

function parseExpireConditions(args: readonly Buffer[]): ExpireConditions | ErrorReply {
  let [onlyWithout, onlyWith, onlyLater, onlyEarlier] = [false, false, false, false];
  for (let i = 3; i < args.length; i++) {
    const option = args[i] as Buffer;
    if (isToken(option, 'NX')) onlyWithout = true;
    else if (isToken(option, 'XX')) onlyWith = true;
    else if (isToken(option, 'GT')) onlyLater = true;
    else if (isToken(option, 'LT')) onlyEarlier = true;
    else return new ErrorReply(`ERR Unsupported option ${option.toString().replace(/[\r\n]+$/, '')}`);
  }
  if (onlyWithout && (onlyWith || onlyLater || onlyEarlier)) return incompatibleWithNx;
  if (onlyLater && onlyEarlier) return incompatibleBounds;
  return { onlyWithout, onlyWith, onlyLater, onlyEarlier };
}

/** `current` 0 = no expiry. */
function mayReplace(current: number, instant: number, conditions: ExpireConditions): boolean {
  if (conditions.onlyWithout && current !== 0) return false;
  if (conditions.onlyWith && current === 0) return false;
  if (conditions.onlyLater && (current === 0 || instant <= current)) return false;
  return !(conditions.onlyEarlier && current !== 0 && instant >= current);
}

const parseExpire =
  (command: string, unit: ExpiryUnit) =>
  (args: readonly Buffer[]): Run | ErrorReply => {
    const key = args[1] as Buffer;
    const conditions = parseExpireConditions(args);
    if (conditions instanceof ErrorReply) return conditions;
    const expiry = Expiry.parse(args[2] as Buffer, unit, command);
    if (expiry instanceof ErrorReply) return expiry;
    return (execution) => {
      const instant = expiry.at(execution.nowMs);
      if (instant instanceof ErrorReply) return instant;
      const current = execution.expiryOf(key);
      if (current === undefined || !mayReplace(current, instant, conditions)) return 0;
      if (instant <= execution.nowMs) execution.delete(key);
      else execution.setExpiry(key, instant);
      return 1;
    };
  };

/** `answer` turns the milliseconds left into the reply. */
const parseTimeToLive =
  (answer: (leftMs: number) => number) =>
  (args: readonly Buffer[]): Run => {
    const key = args[1] as Buffer;
    return (execution) => {
      const expiresAtMs = execution.expiryOf(key);
      if (expiresAtMs === undefined) return noSuchKey;
      return expiresAtMs === 0 ? noExpiry : answer(Math.max(0, expiresAtMs - execution.nowMs));
    };
  };

const parseCount =
  (counts: (execution: Execution, key: Buffer) => boolean) =>
  (args: readonly Buffer[]): Run =>
  (execution): Reply => {
    let count = 0;
    for (let i = 1; i < args.length; i++) if (counts(execution, args[i] as Buffer)) count++;
    return count;
  };

function persist(execution: Execution, key: Buffer): Reply {
  const expiresAtMs = execution.expiryOf(key);
  if (expiresAtMs === undefined || expiresAtMs === 0) return 0;
  return execution.setExpiry(key, 0) ? 1 : 0;
}

const expireSyntax = (unit: string): string => `key ${unit} [NX | XX | GT | LT]`;

export const keyRows: readonly KeyedRow[] = [
  {
    scope: 'keys',
    name: 'del',
    arity: -2,
    flags: ['write'],
    keys: allAreKeys,
    categories: ['keyspace', 'write', 'slow'],
    docs: docs('1.0.0', 'O(N) where N is the number of keys that will be removed.', 'Deletes one or more keys.', 'key [key ...]'),
    split: 'sum',
    parse: parseCount((execution, key) => execution.delete(key)),
  },
  {
    scope: 'keys',
    name: 'exists',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: allAreKeys,
    categories: ['keyspace', 'read', 'fast'],
    docs: docs('1.0.0', 'O(N) where N is the number of keys to check.', 'Determines whether one or more keys exist.', 'key [key ...]'),
    split: 'sum',
    parse: parseCount((execution, key) => execution.typeOf(key) !== undefined),
  },
  {
    scope: 'keys',
    name: 'expire',
    arity: -3,
    flags: ['write', 'fast'],
    keys: firstIsKey,
    categories: ['keyspace', 'write', 'fast'],
    docs: docs('1.0.0', 'O(1)', 'Sets the expiration time of a key in seconds.', expireSyntax('seconds')),
    parse: parseExpire('expire', 'seconds'),
  },
  {
    scope: 'keys',
    name: 'pexpire',
    arity: -3,
    flags: ['write', 'fast'],
    keys: firstIsKey,
    categories: ['keyspace', 'write', 'fast'],
    docs: docs('2.6.0', 'O(1)', 'Sets the expiration time of a key in milliseconds.', expireSyntax('milliseconds')),
    parse: parseExpire('pexpire', 'milliseconds'),
  },
  {
    scope: 'keys',
    name: 'ttl',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstIsKey,
    categories: ['keyspace', 'read', 'fast'],
    docs: docs('1.0.0', 'O(1)', 'Returns the expiration time in seconds of a key.', 'key'),
    parse: parseTimeToLive((leftMs) => Math.floor((leftMs + msPerSecond / 2) / msPerSecond)),
  },
  {
    scope: 'keys',
    name: 'pttl',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstIsKey,
    categories: ['keyspace', 'read', 'fast'],
    docs: docs('2.6.0', 'O(1)', 'Returns the expiration time in milliseconds of a key.', 'key'),
    parse: parseTimeToLive((leftMs) => leftMs),
  },
  {
    scope: 'keys',
    name: 'persist',
    arity: 2,
    flags: ['write', 'fast'],
    keys: firstIsKey,
    categories: ['keyspace', 'write', 'fast'],
    docs: docs('2.2.0', 'O(1)', 'Removes the expiration time of a key.', 'key'),
    parse: (args) => {
      const key = args[1] as Buffer;
      return (execution) => persist(execution, key);
    },
  },
  {
    scope: 'keys',
    name: 'type',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstIsKey,
    categories: ['keyspace', 'read', 'fast'],
    docs: docs('1.0.0', 'O(1)', 'Determines the type of value stored at a key.', 'key'),
    parse: (args) => {
      const key = args[1] as Buffer;
      return (execution) => {
        const type = execution.typeOf(key);
        return type === undefined ? none : typeReplies[type];
      };
    },
  },
];
