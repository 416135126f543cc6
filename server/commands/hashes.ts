/** Hashes. Semantics and error texts are Redis 7.2's (t_hash.c). Each field is a record of its own; HINCRBY's are counters that add up. */
import { ErrorReply, MapReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { CollectionView, Execution } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken, parseInteger } from './arguments.js';
import { parseElementScan } from './element-scan.js';
import { checkStringLength, notAFloat, notAnInteger, outOfRange, syntaxError, wrongArity } from './errors.js';
import { addLongDoubles, longDoubleText, parseLongDouble } from './long-double.js';
import { randomPlaces } from './random-elements.js';
import { docsOf, firstIsKey } from './row.js';

const docs = docsOf('hash');
const valueNotAnInteger = new ErrorReply('ERR hash value is not an integer');
const wouldOverflow = new ErrorReply('ERR increment or decrement would overflow');
const valueNotAFloat = new ErrorReply('ERR hash value is not a float');
const notFinite = new ErrorReply('ERR value is NaN or Infinity');
const sumNotFinite = new ErrorReply('ERR increment would produce NaN or Infinity');
const longMost = 2n ** 63n - 1n;
const zero = Buffer.from('0');

const hashAt = (execution: Execution, key: Buffer): CollectionView | undefined => execution.collection(key, 'hash');

function setFields(execution: Execution, args: readonly Buffer[]): number {
  let added = 0;
  for (let i = 2; i < args.length; i += 2) {
    const value = args[i + 1] as Buffer;
    checkStringLength(execution, value.length);
    if (execution.setElement(args[1] as Buffer, 'hash', args[i] as Buffer, value)) added++;
  }
  return added;
}

const parseSet =
  (name: string, answer: (added: number) => Reply) =>
  (args: readonly Buffer[]): Run | ErrorReply =>
    args.length % 2 === 1 ? wrongArity(name) : (execution) => answer(setFields(execution, args));

function parseSetIfAbsent(args: readonly Buffer[]): Run {
  const [, key, field, value] = args as readonly [Buffer, Buffer, Buffer, Buffer];
  return (execution) => {
    if (hashAt(execution, key)?.has(field) === true) return 0;
    execution.setElement(key, 'hash', field, value);
    return 1;
  };
}

function parseGetMany(args: readonly Buffer[]): Run {
  return (execution) => {
    const hash = hashAt(execution, args[1] as Buffer);
    return args.slice(2).map((field) => hash?.get(field) ?? null);
  };
}

function parseDelete(args: readonly Buffer[]): Run {
  return (execution) => {
    let removed = 0;
    for (let i = 2; i < args.length; i++) if (execution.removeElement(args[1] as Buffer, 'hash', args[i] as Buffer)) removed++;
    return removed;
  };
}

function parseIncrement(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, field, text] = args as readonly [Buffer, Buffer, Buffer, Buffer];
  const by = parseInteger(text);
  if (by === undefined) return notAnInteger;
  return (execution) => {
    const value = execution.incrementElement(key, 'hash', field, BigInt(by));
    if (value === 'not-an-integer') return valueNotAnInteger;
    return value === 'overflow' ? wouldOverflow : value;
  };
}

function parseIncrementByFloat(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, field, text] = args as readonly [Buffer, Buffer, Buffer, Buffer];
  const by = parseLongDouble(text);
  if (by === undefined) return notAFloat;
  if (typeof by === 'string') return notFinite;
  return (execution) => {
    const value = parseLongDouble(hashAt(execution, key)?.get(field) ?? zero);
    if (value === undefined) return valueNotAFloat;
    const sum = addLongDoubles(value, by);
    if (sum === undefined) return sumNotFinite;
    const result = Buffer.from(longDoubleText(sum), 'latin1');
    execution.setElement(key, 'hash', field, result, hashAt(execution, key)?.expiryOf(field));
    return result;
  };
}

const pairsOf = (flat: readonly Buffer[]): (readonly [Buffer, Buffer])[] =>
  Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] as Buffer, flat[2 * i + 1] as Buffer] as const);

/** HRANDFIELD key [count [WITHVALUES]] */
function parseRandomField(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, countText, option] = args as readonly [Buffer, Buffer, Buffer | undefined, Buffer | undefined];
  if (countText === undefined) {
    return (execution) => {
      const hash = hashAt(execution, key);
      return hash === undefined || hash.size === 0 ? null : hash.elementAt(execution.random(hash.size));
    };
  }
  const count = parseInteger(countText);
  if (count === undefined) return notAnInteger;
  if (count < -longMost) return new ErrorReply(`ERR value is out of range, value must between ${-longMost} and ${longMost}`);
  if (args.length > 4 || (option !== undefined && !isToken(option, 'WITHVALUES'))) return syntaxError;
  const withValues = option !== undefined;
  if (withValues && (count < -longMost / 2n || count > longMost / 2n)) return outOfRange;
  return (execution) => {
    const hash = hashAt(execution, key);
    if (hash === undefined) return [];
    const long = hash.longRandom(Number(count), withValues ? 'paired elements' : 'elements');
    if (long !== undefined) return long;
    const fields = randomPlaces(execution, hash, Number(count)).map((at) => [hash.elementAt(at), hash.valueAt(at)] as const);
    if (!withValues) return fields.map(([field]) => field);
    return execution.resp === 3 ? fields : fields.flat();
  };
}

const read = ['readonly', 'fast'] as const;
const slowRead = ['readonly'] as const;

function row(name: string, arity: number, flags: KeyedRow['flags'], rowDocs: KeyedRow['docs'], parse: KeyedRow['parse']): KeyedRow {
  const categories = [flags.includes('write') ? 'write' : 'read', 'hash', flags.includes('fast') ? 'fast' : 'slow'];
  return { scope: 'keys', name, arity, flags, keys: firstIsKey, categories, docs: rowDocs, parse };
}

/** A read of one hash; `none` is the answer where there is no key. */
const question =
  (none: Reply, answer: (hash: CollectionView, args: readonly Buffer[]) => Reply) =>
  (args: readonly Buffer[]): Run =>
  (execution) => {
    const hash = hashAt(execution, args[1] as Buffer);
    return hash === undefined ? none : answer(hash, args);
  };

/** The same where a field decides, which is asked for even if there is no key here: another replica may have it. */
const fieldQuestion =
  (none: Reply, answer: (value: Buffer) => Reply) =>
  (args: readonly Buffer[]): Run =>
  (execution) => {
    const value = hashAt(execution, args[1] as Buffer)?.get(args[2] as Buffer);
    return value === undefined ? none : answer(value);
  };

export const hashRows: readonly KeyedRow[] = [
  row(
    'hset',
    -4,
    ['write', 'denyoom', 'fast'],
    docs(
      '2.0.0',
      'O(1) for each field/value pair added.',
      'Creates or modifies the value of a field in a hash.',
      'key field value [field value ...]',
    ),
    parseSet('hset', (added) => added),
  ),
  row(
    'hmset',
    -4,
    ['write', 'denyoom', 'fast'],
    docs(
      '2.0.0',
      'O(N) where N is the number of fields being set.',
      'Sets the values of multiple fields.',
      'key field value [field value ...]',
    ),
    parseSet('hmset', () => ok),
  ),
  row(
    'hsetnx',
    4,
    ['write', 'denyoom', 'fast'],
    docs('2.0.0', 'O(1)', "Sets the value of a field in a hash only when the field doesn't exist.", 'key field value'),
    parseSetIfAbsent,
  ),
  row(
    'hget',
    3,
    read,
    docs('2.0.0', 'O(1)', 'Returns the value of a field in a hash.', 'key field'),
    fieldQuestion(null, (value) => value),
  ),
  row(
    'hmget',
    -3,
    read,
    docs(
      '2.0.0',
      'O(N) where N is the number of fields being requested.',
      'Returns the values of all fields in a hash.',
      'key field [field ...]',
    ),
    parseGetMany,
  ),
  row(
    'hgetall',
    2,
    slowRead,
    docs('2.0.0', 'O(N) where N is the size of the hash.', 'Returns all fields and values in a hash.', 'key'),
    question(new MapReply([]), (hash) => hash.long('map of elements') ?? new MapReply(pairsOf(hash.pairs()))),
  ),
  row(
    'hkeys',
    2,
    slowRead,
    docs('2.0.0', 'O(N) where N is the size of the hash.', 'Returns all fields in a hash.', 'key'),
    question([], (hash) => hash.long('elements') ?? hash.elements()),
  ),
  row(
    'hvals',
    2,
    slowRead,
    docs('2.0.0', 'O(N) where N is the size of the hash.', 'Returns all values in a hash.', 'key'),
    question([], (hash) => hash.long('values') ?? hash.pairs().filter((_, i) => i % 2 === 1)),
  ),
  row(
    'hlen',
    2,
    read,
    docs('2.0.0', 'O(1)', 'Returns the number of fields in a hash.', 'key'),
    question(0, (hash) => hash.size),
  ),
  row(
    'hstrlen',
    3,
    read,
    docs('3.2.0', 'O(1)', 'Returns the length of the value of a field.', 'key field'),
    fieldQuestion(0, (value) => value.length),
  ),
  row(
    'hexists',
    3,
    read,
    docs('2.0.0', 'O(1)', 'Determines whether a field exists in a hash.', 'key field'),
    fieldQuestion(0, () => 1),
  ),
  row(
    'hdel',
    -3,
    ['write', 'fast'],
    docs(
      '2.0.0',
      'O(N) where N is the number of fields to be removed.',
      'Deletes one or more fields and their values from a hash. Deletes the hash if no fields remain.',
      'key field [field ...]',
    ),
    parseDelete,
  ),
  row(
    'hincrby',
    4,
    ['write', 'denyoom', 'fast'],
    docs(
      '2.0.0',
      'O(1)',
      "Increments the integer value of a field in a hash by a number. Uses 0 as initial value if the field doesn't exist.",
      'key field increment',
    ),
    parseIncrement,
  ),
  row(
    'hincrbyfloat',
    4,
    ['write', 'denyoom', 'fast'],
    docs(
      '2.6.0',
      'O(1)',
      "Increments the floating point value of a field by a number. Uses 0 as initial value if the field doesn't exist.",
      'key field increment',
    ),
    parseIncrementByFloat,
  ),
  row(
    'hrandfield',
    -2,
    slowRead,
    docs(
      '6.2.0',
      'O(N) where N is the number of fields returned.',
      'Returns one or more random fields from a hash.',
      'key [count [WITHVALUES]]',
    ),
    parseRandomField,
  ),
  row(
    'hscan',
    -3,
    slowRead,
    docs(
      '2.8.0',
      'O(N) for a complete iteration, N being the number of fields.',
      'Iterates over fields and values of a hash.',
      'key cursor [MATCH pattern] [COUNT count] [NOVALUES]',
    ),
    (args) => parseElementScan(args, 'hash'),
  ),
];
