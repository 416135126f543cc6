/**
 * Fields of hashes that expire: told, asked and taken back, and reads and writes that do so in passing. Semantics and error texts are Redis 7.4's and 8.0's (t_hash.c).
 * An expiry is part of the field's version: what writes the value anew without one takes it away.
 */
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { CollectionView, Execution } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken, parseInteger, parseIntegerWithin } from './arguments.js';
import { checkStringLength, cString, invalidExpire, notAnInteger, wrongArity } from './errors.js';
import { expiryOptions, type ExpiryUnit } from './expiry.js';
import { docsOf, firstIsKey } from './row.js';

const docs = docsOf('hash');

const noSuchField = -2;
const noExpiry = -1;
const conditionNotMet = 0;
const done = 1;
const deleted = 2;

/** Redis' bound for instants of fields: 46 bits of milliseconds. */
const instantMost = 2 ** 46 - 1;
const msPerSecond = 1000;
const fieldsMost = 2 ** 31 - 1;

const noFields = new ErrorReply('ERR Mandatory argument FIELDS is missing or not at the right position');
const countNotPositive = new ErrorReply('ERR Number of fields must be a positive integer');
const countNotAboveZero = new ErrorReply('ERR Parameter `numFields` should be greater than 0');
const invalidCount = new ErrorReply('ERR invalid number of fields');
const countMismatch = new ErrorReply('ERR The `numfields` parameter must match the number of arguments');
const negativeExpire = new ErrorReply('ERR invalid expire time, must be >= 0');
const missingExpire = new ErrorReply('ERR missing expire time');
const oneCondition = new ErrorReply('ERR Only one of FXX or FNX arguments can be specified');
const oneExpiry = new ErrorReply('ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified');

const hashAt = (execution: Execution, key: Buffer): CollectionView | undefined => execution.collection(key, 'hash');

/** Unix ms, given what time it is; or the client's error. */
type Instant = (nowMs: number) => number | ErrorReply;

function parseInstant(text: Buffer, unit: ExpiryUnit, command: string): Instant | ErrorReply {
  const value = parseInteger(text);
  if (value === undefined) return notAnInteger;
  if (value < 0) return negativeExpire;
  const isSeconds = unit === 'seconds' || unit === 'unix-seconds';
  const isSpan = unit === 'seconds' || unit === 'milliseconds';
  const ms = Number(value) * (isSeconds ? msPerSecond : 1);
  const invalid = invalidExpire(command);
  return (nowMs) => {
    const instant = isSpan ? nowMs + ms : ms;
    return instant > instantMost ? invalid : instant;
  };
}

/** `FIELDS count field ...`, from argument `at` to the end. */
function parseFields(args: readonly Buffer[], at: number, badCount: ErrorReply): readonly Buffer[] | ErrorReply {
  const [word, countText] = [args[at], args[at + 1]];
  if (word === undefined || !isToken(word, 'FIELDS')) return noFields;
  const count = countText === undefined ? undefined : parseInteger(countText);
  if (count === undefined || count < 1) return badCount;
  const fields = args.slice(at + 2);
  return fields.length === Number(count) ? fields : countMismatch;
}

/** Redis looks at the key first: a wrong argument is answered by the run, unless the key is of another type. */
const refusing =
  (key: Buffer, error: ErrorReply): Run =>
  (execution) => {
    hashAt(execution, key);
    return error;
  };

/** Gives a field that is there another expiry; one that has passed deletes it. */
function expireField(execution: Execution, key: Buffer, field: Buffer, instant: number): typeof done | typeof deleted {
  if (instant <= execution.nowMs) {
    execution.removeElement(key, 'hash', field);
    return deleted;
  }
  execution.setElementExpiry(key, 'hash', field, instant);
  return done;
}

type Condition = 'NX' | 'XX' | 'GT' | 'LT' | undefined;
const conditions = ['NX', 'XX', 'GT', 'LT'] as const;

/** `current` 0 = none, which GT takes for infinite, as LT does. */
function mayReplace(current: number, instant: number, condition: Condition): boolean {
  if (current === 0) return condition !== 'XX' && condition !== 'GT';
  if (condition === 'NX') return false;
  if (condition === 'GT') return instant > current;
  return condition !== 'LT' || instant < current;
}

/** HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...], and its like. */
const parseExpire =
  (name: string, unit: ExpiryUnit) =>
  (args: readonly Buffer[]): Run => {
    const [, key, instantText, option] = args as readonly [Buffer, Buffer, Buffer, Buffer];
    const instant = parseInstant(instantText, unit, name);
    if (instant instanceof ErrorReply) return refusing(key, instant);
    const condition = conditions.find((token) => isToken(option, token));
    const fields = parseFields(args, condition === undefined ? 3 : 4, countNotAboveZero);
    return (execution) => {
      hashAt(execution, key);
      const at = instant(execution.nowMs);
      if (at instanceof ErrorReply) return at;
      if (fields instanceof ErrorReply) return fields;
      return fields.map((field) => {
        const current = hashAt(execution, key)?.expiryOf(field);
        if (current === undefined) return noSuchField;
        return mayReplace(current, at, condition) ? expireField(execution, key, field, at) : conditionNotMet;
      });
    };
  };

/** What is to be said of each field that is there, by its expiry, 0 = none. */
const parseEach =
  (answer: (execution: Execution, key: Buffer, field: Buffer, expiresAtMs: number) => number) =>
  (args: readonly Buffer[]): Run => {
    const key = args[1] as Buffer;
    const fields = parseFields(args, 2, countNotPositive);
    if (fields instanceof ErrorReply) return refusing(key, fields);
    return (execution) => {
      const hash = hashAt(execution, key);
      return fields.map((field) => {
        const expiresAtMs = hash?.expiryOf(field);
        return expiresAtMs === undefined ? noSuchField : answer(execution, key, field, expiresAtMs);
      });
    };
  };

/** HTTL and its like: rounded up to whole units. */
const parseQuestion = (isSpan: boolean, unitMs: number) =>
  parseEach(({ nowMs }, _key, _field, expiresAtMs) =>
    expiresAtMs === 0 ? noExpiry : Math.ceil((expiresAtMs - (isSpan ? nowMs : 0)) / unitMs),
  );

const parsePersist = parseEach((execution, key, field, expiresAtMs) => {
  if (expiresAtMs === 0) return noExpiry;
  execution.setElementExpiry(key, 'hash', field, 0);
  return done;
});

/** HGETDEL key FIELDS numfields field [field ...] */
function parseGetDelete(args: readonly Buffer[]): Run {
  const key = args[1] as Buffer;
  const fields = parseFields(args, 2, countNotPositive);
  if (fields instanceof ErrorReply) return refusing(key, fields);
  return (execution) => {
    hashAt(execution, key);
    return fields.map((field) => {
      const value = hashAt(execution, key)?.get(field) ?? null;
      if (value !== null) execution.removeElement(key, 'hash', field);
      return value;
    });
  };
}

/** HGETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...] */
function parseGetExpire(args: readonly Buffer[]): Run {
  const [, key, option] = args as readonly [Buffer, Buffer, Buffer];
  const persists = isToken(option, 'PERSIST');
  const unit = expiryOptions.find(([token]) => isToken(option, token))?.[1];
  const instant = unit === undefined ? undefined : parseInstant(args[3] as Buffer, unit, 'hgetex');
  if (instant instanceof ErrorReply) return refusing(key, instant);
  const fields = parseFields(args, unit !== undefined ? 4 : persists ? 3 : 2, countNotPositive);
  return (execution) => {
    hashAt(execution, key);
    const at = instant?.(execution.nowMs);
    if (at instanceof ErrorReply) return at;
    if (fields instanceof ErrorReply) return fields;
    return fields.map((field): Reply => {
      const hash = hashAt(execution, key);
      const value = hash?.get(field) ?? null;
      if (value === null) return null;
      if (at !== undefined) expireField(execution, key, field, at);
      else if (persists && hash?.expiryOf(field) !== 0) execution.setElementExpiry(key, 'hash', field, 0);
      return value;
    });
  };
}

interface SetOptions {
  condition: 'FNX' | 'FXX' | undefined;
  instant: Instant | undefined;
  keeps: boolean;
}

/** Field and value one after the other. */
type Fields = readonly Buffer[];

function parseSetOptions(args: readonly Buffer[]): { readonly options: SetOptions; readonly fields: Fields } | ErrorReply {
  const options: SetOptions = { condition: undefined, instant: undefined, keeps: false };
  for (let i = 2; i < args.length; i++) {
    const option = args[i] as Buffer;
    const unit = expiryOptions.find(([token]) => isToken(option, token))?.[1];
    const keeps = isToken(option, 'KEEPTTL');
    const condition = isToken(option, 'FNX') ? 'FNX' : isToken(option, 'FXX') ? 'FXX' : undefined;
    if (isToken(option, 'FIELDS')) {
      if (i >= args.length - 3) return wrongArity('hsetex');
      const count = parseIntegerWithin(args[i + 1] as Buffer, 1, fieldsMost);
      const fields = args.slice(i + 2);
      if (count === undefined) return invalidCount;
      return fields.length === 2 * count ? { options, fields } : wrongArity('hsetex');
    }
    if (unit !== undefined || keeps) {
      if (options.instant !== undefined || options.keeps) return oneExpiry;
      options.keeps = keeps;
      if (unit === undefined) continue;
      const text = args[++i];
      if (text === undefined) return missingExpire;
      const instant = parseInstant(text, unit, 'hsetex');
      if (instant instanceof ErrorReply) return instant;
      options.instant = instant;
    } else if (condition !== undefined) {
      if (options.condition !== undefined) return oneCondition;
      options.condition = condition;
    } else return new ErrorReply(`ERR unknown argument: ${cString(option)}`, 'latin1');
  }
  return noFields;
}

/** HSETEX key [FNX | FXX] [EX seconds | PX ms | EXAT seconds | PXAT ms | KEEPTTL] FIELDS numfields field value [field value ...] */
function parseSetExpire(args: readonly Buffer[]): Run | ErrorReply {
  const key = args[1] as Buffer;
  const parsed = parseSetOptions(args);
  if (parsed instanceof ErrorReply) return parsed;
  const { options, fields } = parsed;
  return (execution) => {
    const at = options.instant?.(execution.nowMs);
    if (at instanceof ErrorReply) return at;
    const hash = hashAt(execution, key);
    if (options.condition !== undefined) {
      const mustBeThere = options.condition === 'FXX';
      for (let i = 0; i < fields.length; i += 2) if ((hash?.has(fields[i] as Buffer) ?? false) !== mustBeThere) return 0;
    }
    for (let i = 0; i < fields.length; i += 2) {
      const [field, value] = [fields[i] as Buffer, fields[i + 1] as Buffer];
      checkStringLength(execution, value.length);
      const kept = options.keeps ? hashAt(execution, key)?.expiryOf(field) : undefined;
      execution.setElement(key, 'hash', field, value, kept);
      if (at !== undefined) expireField(execution, key, field, at);
    }
    return 1;
  };
}

const perField = 'O(N) where N is the number of specified fields';

function row(
  name: string,
  arity: number,
  flags: KeyedRow['flags'],
  since: string,
  summary: string,
  syntax: string,
  parse: KeyedRow['parse'],
): KeyedRow {
  const categories = [flags.includes('write') ? 'write' : 'read', 'hash', 'fast'];
  return { scope: 'keys', name, arity, flags, keys: firstIsKey, categories, docs: docs(since, perField, summary, syntax), parse };
}

const someFields = 'FIELDS numfields field [field ...]';
const whens = 'EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds';

const expireRow = (name: string, unit: ExpiryUnit, argument: string, summary: string): KeyedRow =>
  row(
    name,
    -6,
    ['write', 'denyoom', 'fast'],
    '7.4.0',
    summary,
    `key ${argument} [NX | XX | GT | LT] ${someFields}`,
    parseExpire(name, unit),
  );

const questionRow = (name: string, isSpan: boolean, unitMs: number, summary: string): KeyedRow =>
  row(name, -5, ['readonly', 'fast'], '7.4.0', summary, `key ${someFields}`, parseQuestion(isSpan, unitMs));

export const hashExpiryRows: readonly KeyedRow[] = [
  expireRow('hexpire', 'seconds', 'seconds', 'Set expiry for hash field using relative time to expire (seconds)'),
  expireRow('hpexpire', 'milliseconds', 'milliseconds', 'Set expiry for hash field using relative time to expire (milliseconds)'),
  expireRow('hexpireat', 'unix-seconds', 'unix-time-seconds', 'Set expiry for hash field using an absolute Unix timestamp (seconds)'),
  expireRow(
    'hpexpireat',
    'unix-milliseconds',
    'unix-time-milliseconds',
    'Set expiry for hash field using an absolute Unix timestamp (milliseconds)',
  ),
  questionRow('httl', true, msPerSecond, 'Returns the TTL in seconds of a hash field.'),
  questionRow('hpttl', true, 1, 'Returns the TTL in milliseconds of a hash field.'),
  questionRow('hexpiretime', false, msPerSecond, 'Returns the expiration time of a hash field as a Unix timestamp, in seconds.'),
  questionRow('hpexpiretime', false, 1, 'Returns the expiration time of a hash field as a Unix timestamp, in msec.'),
  row(
    'hpersist',
    -5,
    ['write', 'fast'],
    '7.4.0',
    'Removes the expiration time for each specified field',
    `key ${someFields}`,
    parsePersist,
  ),
  row(
    'hgetdel',
    -5,
    ['write', 'fast'],
    '8.0.0',
    'Returns the value of a field and deletes it from the hash.',
    `key ${someFields}`,
    parseGetDelete,
  ),
  row(
    'hgetex',
    -5,
    ['write', 'fast'],
    '8.0.0',
    'Get the value of one or more fields of a given hash key, and optionally set their expiration.',
    `key [${whens} | PERSIST] ${someFields}`,
    parseGetExpire,
  ),
  row(
    'hsetex',
    -6,
    ['write', 'denyoom', 'fast'],
    '8.0.0',
    'Set the value of one or more fields of a given hash key, and optionally set their expiration.',
    `key [FNX | FXX] [${whens} | KEEPTTL] FIELDS numfields field value [field value ...]`,
    parseSetExpire,
  ),
];
