/** Sets. Semantics and error texts are Redis 7.2's (t_set.c). Each member is a record of its own, with an empty value. */
import { ErrorReply, SetReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { CollectionView, Execution, SetOperation } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { parseInteger } from './arguments.js';
import { parseElementScan } from './element-scan.js';
import { notAnInteger, notPositive, syntaxError } from './errors.js';
import { differentPlaces, randomPlaces } from './random-elements.js';
import { combined, longCombined, membersOf } from './set-algebra.js';
import { allAreKeys, familyOf, firstIsKey } from './row.js';

const { docs, row } = familyOf('set');
const longMost = 2n ** 63n - 1n;
const noValue = Buffer.alloc(0);
/** A set that loses all is deleted as a whole from so many members on: one record stands for all that are gone. */
const wholeFrom = 64;
const notEnoughKeys = new ErrorReply('ERR numkeys should be greater than 0');
const tooManyKeys = new ErrorReply("ERR Number of keys can't be greater than number of args");
const negativeLimit = new ErrorReply("ERR LIMIT can't be negative");

const setAt = (execution: Execution, key: Buffer): CollectionView | undefined => execution.collection(key, 'set');

function parseAdd(args: readonly Buffer[]): Run {
  return (execution) => {
    let added = 0;
    for (let i = 2; i < args.length; i++) {
      const [key, member] = [args[1] as Buffer, args[i] as Buffer];
      if (setAt(execution, key)?.has(member) === true) continue;
      execution.setElement(key, 'set', member, noValue);
      added++;
    }
    return added;
  };
}

function parseRemove(args: readonly Buffer[]): Run {
  return (execution) => {
    let removed = 0;
    for (let i = 2; i < args.length; i++) if (execution.removeElement(args[1] as Buffer, 'set', args[i] as Buffer)) removed++;
    return removed;
  };
}

function parseMove(args: readonly Buffer[]): Run {
  const [, source, target, member] = args as readonly [Buffer, Buffer, Buffer, Buffer];
  return (execution) => {
    const from = setAt(execution, source);
    if (from === undefined) return 0;
    const to = setAt(execution, target);
    const isThere = from.has(member);
    if (source.equals(target)) return isThere ? 1 : 0;
    if (!isThere) return 0;
    execution.removeElement(source, 'set', member);
    if (to?.has(member) !== true) execution.setElement(target, 'set', member, noValue);
    return 1;
  };
}

function parsePop(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, countText] = args as readonly [Buffer, Buffer, Buffer | undefined];
  if (args.length > 3) return syntaxError;
  const pop = (execution: Execution, set: CollectionView, count: number): Buffer[] => {
    const { size } = set;
    const members = differentPlaces(execution, size, count).map((at) => set.elementAt(at));
    if (members.length === size && size >= wholeFrom) execution.delete(key);
    else execution.removeElements(key, 'set', members);
    return members;
  };
  if (countText === undefined) {
    return (execution) => {
      const set = setAt(execution, key);
      return set === undefined ? null : (pop(execution, set, 1)[0] ?? null);
    };
  }
  const count = parseInteger(countText);
  if (count === undefined || count < 0) return notPositive;
  return (execution) => {
    const set = setAt(execution, key);
    return new SetReply(set === undefined ? [] : pop(execution, set, Number(count)));
  };
}

function parseRandomMember(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, countText] = args as readonly [Buffer, Buffer, Buffer | undefined];
  if (args.length > 3) return syntaxError;
  if (countText === undefined) {
    return (execution) => {
      const set = setAt(execution, key);
      return set === undefined || set.size === 0 ? null : set.elementAt(execution.random(set.size));
    };
  }
  const count = parseInteger(countText);
  if (count === undefined) return notAnInteger;
  if (count < -longMost) return new ErrorReply(`ERR value is out of range, value must between ${-longMost} and ${longMost}`);
  return (execution) => {
    const set = setAt(execution, key);
    if (set === undefined) return [];
    return set.longRandom(Number(count), 'elements') ?? randomPlaces(execution, set, Number(count)).map((at) => set.elementAt(at));
  };
}

/** SISMEMBER and SMISMEMBER. A key that is not here is asked for, too: another replica may have it. */
const membership =
  (answer: (isMember: (index: number) => 0 | 1, args: readonly Buffer[]) => Reply) =>
  (args: readonly Buffer[]): Run =>
  (execution) => {
    const set = setAt(execution, args[1] as Buffer);
    return answer((index) => (set?.has(args[index] as Buffer) === true ? 1 : 0), args);
  };

const parseCombination =
  (operation: SetOperation) =>
  (args: readonly Buffer[]): Run =>
  (execution) => {
    const sets = setsOf(execution, args.slice(1));
    return longCombined(execution, operation, sets, Infinity, false) ?? new SetReply(combined(operation, sets, Infinity));
  };

const setsOf = (execution: Execution, keys: readonly Buffer[]): (CollectionView | undefined)[] => keys.map((key) => setAt(execution, key));

const parseStore =
  (operation: SetOperation) =>
  (args: readonly Buffer[]): Run => {
    const target = args[1] as Buffer;
    return (execution) => {
      const members = membersOf(execution, operation, setsOf(execution, args.slice(2)));
      execution.delete(target);
      for (const member of members) execution.setElement(target, 'set', member, noValue);
      return members.length;
    };
  };

/** The keys that follow their number; as many as there are, when there are fewer. */
function countedKeys(args: readonly Buffer[]): readonly Buffer[] {
  const count = parseInteger(args[1] as Buffer);
  return count === undefined || count < 1 ? [] : args.slice(2, Number(count) + 2);
}

function parseIntersectionCount(args: readonly Buffer[]): Run | ErrorReply {
  const count = parseInteger(args[1] as Buffer);
  if (count === undefined || count < 1) return notEnoughKeys;
  if (count > args.length - 2) return tooManyKeys;
  let limit = 0n;
  for (let i = 2 + Number(count); i < args.length; i += 2) {
    const value = args[i + 1];
    if (args[i]?.toString('latin1').toUpperCase() !== 'LIMIT' || value === undefined) return syntaxError;
    const parsed = parseInteger(value);
    if (parsed === undefined || parsed < 0) return negativeLimit;
    limit = BigInt(parsed);
  }
  const keys = countedKeys(args);
  const most = limit === 0n ? Infinity : Number(limit);
  return (execution) => {
    const sets = setsOf(execution, keys);
    return longCombined(execution, 'inter', sets, most, true) ?? combined('inter', sets, most).length;
  };
}

const read = ['readonly', 'fast'] as const;
const slowRead = ['readonly'] as const;
const write = ['write', 'fast'] as const;
const store = ['write', 'denyoom'] as const;

const ofAll = 'O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.';
const ofSum = 'O(N) where N is the total number of elements in all given sets.';

export const setRows: readonly KeyedRow[] = [
  row(
    'sadd',
    -3,
    ['write', 'denyoom', 'fast'],
    firstIsKey,
    docs(
      '1.0.0',
      'O(1) for each element added.',
      "Adds one or more members to a set. Creates the key if it doesn't exist.",
      'key member [member ...]',
    ),
    parseAdd,
  ),
  row(
    'srem',
    -3,
    write,
    firstIsKey,
    docs(
      '1.0.0',
      'O(N) where N is the number of members to be removed.',
      'Removes one or more members from a set. Deletes the set if the last member was removed.',
      'key member [member ...]',
    ),
    parseRemove,
  ),
  row(
    'sismember',
    3,
    read,
    firstIsKey,
    docs('1.0.0', 'O(1)', 'Determines whether a member belongs to a set.', 'key member'),
    membership((isMember) => isMember(2)),
  ),
  row(
    'smismember',
    -3,
    read,
    firstIsKey,
    docs(
      '6.2.0',
      'O(N) where N is the number of elements being checked for membership',
      'Determines whether multiple members belong to a set.',
      'key member [member ...]',
    ),
    membership((isMember, args) => args.slice(2).map((_, i) => isMember(i + 2))),
  ),
  row(
    'scard',
    2,
    read,
    firstIsKey,
    docs('1.0.0', 'O(1)', 'Returns the number of members in a set.', 'key'),
    (args) => (execution) => setAt(execution, args[1] as Buffer)?.size ?? 0,
  ),
  row(
    'smembers',
    2,
    slowRead,
    firstIsKey,
    docs('1.0.0', 'O(N) where N is the set cardinality.', 'Returns all members of a set.', 'key'),
    (args) => (execution) => {
      const set = setAt(execution, args[1] as Buffer);
      return set?.long('set of elements') ?? new SetReply(set?.elements() ?? []);
    },
  ),
  row(
    'spop',
    -2,
    write,
    firstIsKey,
    docs(
      '1.0.0',
      'Without the count argument O(1), otherwise O(N) where N is the value of the passed count.',
      'Returns one or more random members from a set after removing them. Deletes the set if the last member was popped.',
      'key [count]',
    ),
    parsePop,
  ),
  row(
    'srandmember',
    -2,
    slowRead,
    firstIsKey,
    docs(
      '1.0.0',
      'Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.',
      'Returns one or multiple random members from a set.',
      'key [count]',
    ),
    parseRandomMember,
  ),
  row(
    'smove',
    4,
    write,
    { first: 1, last: 2, step: 1 },
    docs('1.0.0', 'O(1)', 'Moves a member from one set to another.', 'source destination member'),
    parseMove,
  ),
  row(
    'sinter',
    -2,
    slowRead,
    allAreKeys,
    docs('1.0.0', ofAll, 'Returns the intersect of multiple sets.', 'key [key ...]'),
    parseCombination('inter'),
  ),
  {
    ...row(
      'sintercard',
      -3,
      ['readonly', 'movablekeys'],
      { first: 0, last: 0, step: 0 },
      docs('7.0.0', ofAll, 'Returns the number of members of the intersect of multiple sets.', 'numkeys key [key ...] [LIMIT limit]'),
      parseIntersectionCount,
    ),
    findKeys: countedKeys,
  },
  row(
    'sinterstore',
    -3,
    store,
    allAreKeys,
    docs('1.0.0', ofAll, 'Stores the intersect of multiple sets in a key.', 'destination key [key ...]'),
    parseStore('inter'),
  ),
  row(
    'sunion',
    -2,
    slowRead,
    allAreKeys,
    docs('1.0.0', ofSum, 'Returns the union of multiple sets.', 'key [key ...]'),
    parseCombination('union'),
  ),
  row(
    'sunionstore',
    -3,
    store,
    allAreKeys,
    docs('1.0.0', ofSum, 'Stores the union of multiple sets in a key.', 'destination key [key ...]'),
    parseStore('union'),
  ),
  row(
    'sdiff',
    -2,
    slowRead,
    allAreKeys,
    docs('1.0.0', ofSum, 'Returns the difference of multiple sets.', 'key [key ...]'),
    parseCombination('diff'),
  ),
  row(
    'sdiffstore',
    -3,
    store,
    allAreKeys,
    docs('1.0.0', ofSum, 'Stores the difference of multiple sets in a key.', 'destination key [key ...]'),
    parseStore('diff'),
  ),
  row(
    'sscan',
    -3,
    slowRead,
    firstIsKey,
    docs(
      '2.8.0',
      'O(N) for a complete iteration, N being the number of members.',
      'Iterates over members of a set.',
      'key cursor [MATCH pattern] [COUNT count]',
    ),
    (args) => parseElementScan(args, 'set'),
  ),
];
