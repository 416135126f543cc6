/** Lists by index and by value: read, changed, inserted into and trimmed. Semantics and error texts are Redis 7.2's (t_list.c). */
import { ErrorReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken, parseInteger } from './arguments.js';
import { notAnInteger, syntaxError } from './errors.js';
import { familyOf, firstIsKey } from './row.js';

const { docs, row } = familyOf('list');

const longMost = 2n ** 63n - 1n;
const noSuchKey = new ErrorReply('ERR no such key');
const indexOutOfRange = new ErrorReply('ERR index out of range');
const beyondLong = new ErrorReply(`ERR value is out of range, value must between ${-longMost} and ${longMost}`);
const rankIsZero = new ErrorReply(
  "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
);
const negativeCount = new ErrorReply("ERR COUNT can't be negative");
const negativeMaximum = new ErrorReply("ERR MAXLEN can't be negative");

/** The first index and the one behind the last of a range whose ends count from the end where they are negative, and are both inclusive. */
function rangeOf(size: number, start: number, stop: number): readonly [from: number, to: number] {
  const from = Math.max(0, start < 0 ? size + start : start);
  const to = Math.min(size, (stop < 0 ? size + stop : stop) + 1);
  return from < to ? [from, to] : [0, 0];
}

function parseRange(args: readonly Buffer[]): Run | ErrorReply {
  const [start, stop] = [parseInteger(args[2] as Buffer), parseInteger(args[3] as Buffer)];
  if (start === undefined || stop === undefined) return notAnInteger;
  return (execution) => {
    const list = execution.list(args[1] as Buffer);
    return list === undefined ? [] : list.range(...rangeOf(list.size, Number(start), Number(stop)));
  };
}

function parseTrim(args: readonly Buffer[]): Run | ErrorReply {
  const key = args[1] as Buffer;
  const [start, stop] = [parseInteger(args[2] as Buffer), parseInteger(args[3] as Buffer)];
  if (start === undefined || stop === undefined) return notAnInteger;
  return (execution) => {
    const list = execution.list(key);
    if (list === undefined) return ok;
    const { size } = list;
    const [from, to] = rangeOf(size, Number(start), Number(stop));
    const gone =
      from === to
        ? [[0, size] as const]
        : (
            [
              [0, from],
              [to, size],
            ] as const
          ).filter(([first, end]) => first < end);
    if (gone.length > 0) execution.removeFromList(key, gone);
    return ok;
  };
}

function parseIndex(args: readonly Buffer[]): Run {
  const index = parseInteger(args[2] as Buffer);
  return (execution) => {
    const list = execution.list(args[1] as Buffer);
    if (list === undefined) return null;
    if (index === undefined) return notAnInteger;
    const at = index < 0 ? list.size + Number(index) : Number(index);
    return at < 0 ? null : (list.slice(at, at + 1)[0] ?? null);
  };
}

function parseSet(args: readonly Buffer[]): Run {
  const [, key, indexText, value] = args as readonly [Buffer, Buffer, Buffer, Buffer];
  const index = parseInteger(indexText);
  return (execution) => {
    const list = execution.list(key);
    if (list === undefined) return noSuchKey;
    if (index === undefined) return notAnInteger;
    const at = index < 0 ? list.size + Number(index) : Number(index);
    if (at < 0 || at >= list.size) return indexOutOfRange;
    execution.replaceInList(key, at, value);
    return ok;
  };
}

function parseInsert(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, where, pivot, value] = args as readonly [Buffer, Buffer, Buffer, Buffer, Buffer];
  const isAfter = isToken(where, 'AFTER');
  if (!isAfter && !isToken(where, 'BEFORE')) return syntaxError;
  return (execution) => {
    const list = execution.list(key);
    if (list === undefined) return 0;
    const [at] = list.indexesOf({ value: pivot, fromEnd: false, most: 1, lookedAt: Infinity });
    if (at === undefined) return -1;
    const { size } = list;
    // The next one at this pivot will stand between it and this one.
    execution.insertIntoList(key, isAfter ? at + 1 : at, [value], isAfter ? 'right' : 'left');
    return size + 1;
  };
}

/** Indexes in order, those beside one another together. */
function rangesOf(indexes: readonly number[]): (readonly [from: number, to: number])[] {
  const ranges: [from: number, to: number][] = [];
  let last: [from: number, to: number] | undefined;
  for (const index of indexes) {
    if (last?.[1] === index) last[1]++;
    else ranges.push((last = [index, index + 1]));
  }
  return ranges;
}

function parseRemove(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, countText, value] = args as readonly [Buffer, Buffer, Buffer, Buffer];
  const count = parseInteger(countText);
  if (count === undefined) return notAnInteger;
  if (count < -longMost) return beyondLong;
  return (execution) => {
    const list = execution.list(key);
    if (list === undefined) return 0;
    const most = count === 0 ? Infinity : Math.abs(Number(count));
    const found = list.indexesOf({ value, fromEnd: count < 0, most, lookedAt: Infinity });
    if (found.length > 0) execution.removeFromList(key, rangesOf(count < 0 ? found.toReversed() : found));
    return found.length;
  };
}

interface PositionOptions {
  rank: number;
  count: number | undefined;
  maximum: number;
}

function parsePositionOptions(args: readonly Buffer[]): PositionOptions | ErrorReply {
  const options: PositionOptions = { rank: 1, count: undefined, maximum: 0 };
  for (let i = 3; i < args.length; i += 2) {
    const [name, text] = [args[i] as Buffer, args[i + 1]];
    if (text === undefined) return syntaxError;
    const value = parseInteger(text);
    if (isToken(name, 'RANK')) {
      if (value === undefined) return notAnInteger;
      if (value < -longMost) return beyondLong;
      if (value === 0) return rankIsZero;
      options.rank = Number(value);
    } else if (isToken(name, 'COUNT')) {
      if (value === undefined || value < 0) return negativeCount;
      options.count = Number(value);
    } else if (isToken(name, 'MAXLEN')) {
      if (value === undefined || value < 0) return negativeMaximum;
      options.maximum = Number(value);
    } else return syntaxError;
  }
  return options;
}

/** LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len] */
function parsePosition(args: readonly Buffer[]): Run | ErrorReply {
  const options = parsePositionOptions(args);
  if (options instanceof ErrorReply) return options;
  const { rank, count, maximum } = options;
  return (execution): Reply => {
    const list = execution.list(args[1] as Buffer);
    if (list === undefined) return count === undefined ? null : [];
    const passed = Math.abs(rank) - 1;
    const most = passed + (count === undefined ? 1 : count === 0 ? Infinity : count);
    const sought = { value: args[2] as Buffer, fromEnd: rank < 0, most, lookedAt: maximum === 0 ? Infinity : maximum };
    return list.search(sought, passed, count !== undefined);
  };
}

const slowRead = ['readonly'] as const;

export const listIndexRows: readonly KeyedRow[] = [
  row(
    'lrange',
    4,
    slowRead,
    firstIsKey,
    docs(
      '1.0.0',
      'O(log(S)+N) where S is the length of the list and N is the number of elements in the specified range.',
      'Returns a range of elements from a list.',
      'key start stop',
    ),
    parseRange,
  ),
  row(
    'lindex',
    3,
    slowRead,
    firstIsKey,
    docs('1.0.0', 'O(log(N)) where N is the length of the list.', 'Returns an element from a list by its index.', 'key index'),
    parseIndex,
  ),
  row(
    'lset',
    4,
    ['write', 'denyoom'],
    firstIsKey,
    docs(
      '1.0.0',
      'O(log(N)) where N is the length of the list.',
      'Sets the value of an element in a list by its index.',
      'key index element',
    ),
    parseSet,
  ),
  row(
    'linsert',
    5,
    ['write', 'denyoom'],
    firstIsKey,
    docs(
      '2.2.0',
      'O(N) where N is the number of elements to traverse before seeing the value pivot.',
      'Inserts an element before or after another element in a list.',
      'key <BEFORE | AFTER> pivot element',
    ),
    parseInsert,
  ),
  row(
    'lrem',
    4,
    ['write'],
    firstIsKey,
    docs(
      '1.0.0',
      'O(N+M) where N is the length of the list and M is the number of elements removed.',
      'Removes elements from a list. Deletes the list if the last element was removed.',
      'key count element',
    ),
    parseRemove,
  ),
  row(
    'ltrim',
    4,
    ['write'],
    firstIsKey,
    docs(
      '1.0.0',
      'O(N) where N is the number of elements to be removed by the operation.',
      'Removes elements from both ends a list. Deletes the list if all elements were trimmed.',
      'key start stop',
    ),
    parseTrim,
  ),
  row(
    'lpos',
    -3,
    slowRead,
    firstIsKey,
    docs(
      '6.0.6',
      'O(N) where N is the number of elements in the list, for the average case.',
      'Returns the index of matching elements in a list.',
      'key element [RANK rank] [COUNT num-matches] [MAXLEN len]',
    ),
    parsePosition,
  ),
];
