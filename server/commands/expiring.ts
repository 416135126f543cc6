/** When keys expire: told, asked and taken back. Semantics and error texts are Redis 7.2's (expire.c). */
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken } from './arguments.js';
import { cString } from './errors.js';
import type { ExpiryUnit } from './expiry.js';
import { Expiry } from './expiry.js';
import { docsOf, firstIsKey } from './row.js';

const docs = docsOf('generic');
const noSuchKey = -2;
const noExpiry = -1;
const msPerSecond = 1000;

const incompatibleWithNx = new ErrorReply('ERR NX and XX, GT or LT options at the same time are not compatible');
const incompatibleBounds = new ErrorReply('ERR GT and LT options at the same time are not compatible');

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
    else return new ErrorReply(`ERR Unsupported option ${cString(option).replace(/[\r\n]+$/, '')}`, 'latin1');
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

/** `answer` turns the instant at which a key expires into the reply. */
const parseExpiryQuestion =
  (answer: (expiresAtMs: number, nowMs: number) => number) =>
  (args: readonly Buffer[]): Run => {
    const key = args[1] as Buffer;
    return (execution) => {
      const expiresAtMs = execution.expiryOf(key);
      if (expiresAtMs === undefined) return noSuchKey;
      return expiresAtMs === 0 ? noExpiry : answer(expiresAtMs, execution.nowMs);
    };
  };

const wholeSeconds = (ms: number): number => Math.floor((ms + msPerSecond / 2) / msPerSecond);
const msLeft = (expiresAtMs: number, nowMs: number): number => Math.max(0, expiresAtMs - nowMs);

function persist(execution: Execution, key: Buffer): Reply {
  const expiresAtMs = execution.expiryOf(key);
  if (expiresAtMs === undefined || expiresAtMs === 0) return 0;
  return execution.setExpiry(key, 0) ? 1 : 0;
}

const expireRow = (name: string, since: string, unit: ExpiryUnit, argument: string, summary: string): KeyedRow => ({
  scope: 'keys',
  name,
  arity: -3,
  flags: ['write', 'fast'],
  keys: firstIsKey,
  categories: ['keyspace', 'write', 'fast'],
  docs: docs(since, 'O(1)', summary, `key ${argument} [NX | XX | GT | LT]`),
  parse: parseExpire(name, unit),
});

const questionRow = (name: string, since: string, summary: string, answer: (expiresAtMs: number, nowMs: number) => number): KeyedRow => ({
  scope: 'keys',
  name,
  arity: 2,
  flags: ['readonly', 'fast'],
  keys: firstIsKey,
  categories: ['keyspace', 'read', 'fast'],
  docs: docs(since, 'O(1)', summary, 'key'),
  parse: parseExpiryQuestion(answer),
});

export const expiringRows: readonly KeyedRow[] = [
  expireRow('expire', '1.0.0', 'seconds', 'seconds', 'Sets the expiration time of a key in seconds.'),
  expireRow('pexpire', '2.6.0', 'milliseconds', 'milliseconds', 'Sets the expiration time of a key in milliseconds.'),
  expireRow('expireat', '1.2.0', 'unix-seconds', 'unix-time-seconds', 'Sets the expiration time of a key to a Unix timestamp.'),
  expireRow(
    'pexpireat',
    '2.6.0',
    'unix-milliseconds',
    'unix-time-milliseconds',
    'Sets the expiration time of a key to a Unix milliseconds timestamp.',
  ),
  questionRow('ttl', '1.0.0', 'Returns the expiration time in seconds of a key.', (at, nowMs) => wholeSeconds(msLeft(at, nowMs))),
  questionRow('pttl', '2.6.0', 'Returns the expiration time in milliseconds of a key.', msLeft),
  questionRow('expiretime', '7.0.0', 'Returns the expiration time of a key as a Unix timestamp.', wholeSeconds),
  questionRow('pexpiretime', '7.0.0', 'Returns the expiration time of a key as a Unix milliseconds timestamp.', (at) => at),
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
];
