/** Lists at their ends: pushed to, popped from, moved between. Semantics and error texts are Redis 7.2's (t_list.c). Each element is a record of its own. */
import { ErrorReply, nilArray } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution, ListView } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken, parseInteger } from './arguments.js';
import { countedFrom } from './counted-keys.js';
import { notPositive, syntaxError, wrongArity } from './errors.js';
import { familyOf, firstIsKey } from './row.js';

const { docs, row } = familyOf('list');

type End = 'left' | 'right';

const notEnoughKeys = new ErrorReply('ERR numkeys should be greater than 0');
const countTooSmall = new ErrorReply('ERR count should be greater than 0');
const twoKeys = { first: 1, last: 2, step: 1 } as const;

function push(execution: Execution, key: Buffer, end: End, values: readonly Buffer[]): number {
  const size = execution.list(key)?.size ?? 0;
  execution.insertIntoList(key, end === 'left' ? 0 : size, end === 'left' ? values.toReversed() : values, 'left');
  return size + values.length;
}

/** LPUSH and its like. `onlyIfThere`: LPUSHX. */
const parsePush =
  (end: End, onlyIfThere: boolean) =>
  (args: readonly Buffer[]): Run => {
    const [, key, ...values] = args as readonly [Buffer, Buffer, ...Buffer[]];
    return (execution) => (onlyIfThere && execution.list(key) === undefined ? 0 : push(execution, key, end, values));
  };

/** Takes away up to `count` from one end, the outermost first. */
function pop(execution: Execution, key: Buffer, list: ListView, end: End, count: number): Buffer[] {
  const { size } = list;
  const taken = Math.min(size, count);
  const [from, to] = end === 'left' ? [0, taken] : [size - taken, size];
  const values = list.slice(from, to);
  if (taken > 0) execution.removeFromList(key, [[from, to]]);
  return end === 'left' ? values : values.reverse();
}

const parsePop =
  (name: string, end: End) =>
  (args: readonly Buffer[]): Run | ErrorReply => {
    const [, key, countText] = args as readonly [Buffer, Buffer, Buffer | undefined];
    if (args.length > 3) return wrongArity(name);
    if (countText === undefined) {
      return (execution) => {
        const list = execution.list(key);
        return list === undefined ? null : (pop(execution, key, list, end, 1)[0] ?? null);
      };
    }
    const count = parseInteger(countText);
    if (count === undefined || count < 0) return notPositive;
    return (execution) => {
      const list = execution.list(key);
      return list === undefined ? nilArray : pop(execution, key, list, end, Number(count));
    };
  };

function endOf(argument: Buffer): End | undefined {
  if (isToken(argument, 'LEFT')) return 'left';
  return isToken(argument, 'RIGHT') ? 'right' : undefined;
}

function move(execution: Execution, source: Buffer, target: Buffer, from: End, to: End): Reply {
  const list = execution.list(source);
  if (list === undefined) return null;
  execution.list(target); // an error where it is no list, before anything is written
  const { size } = list;
  const [value = null] = from === 'left' ? list.slice(0, 1) : list.slice(size - 1, size);
  if (source.equals(target)) {
    if (from !== to) execution.rotateList(source, from);
  } else if (value !== null) {
    pop(execution, source, list, from, 1);
    push(execution, target, to, [value]);
  }
  return value;
}

function parseMove(args: readonly Buffer[]): Run | ErrorReply {
  const [, source, target, fromText, toText] = args as readonly [Buffer, Buffer, Buffer, Buffer, Buffer];
  const [from, to] = [endOf(fromText), endOf(toText)];
  if (from === undefined || to === undefined) return syntaxError;
  return (execution) => move(execution, source, target, from, to);
}

/** LMPOP numkeys key [key ...] LEFT|RIGHT [COUNT count] */
function parseManyPop(args: readonly Buffer[]): Run | ErrorReply {
  const keyCount = parseInteger(args[1] as Buffer);
  if (keyCount === undefined || keyCount < 1) return notEnoughKeys;
  const endAt = 2 + Number(keyCount);
  const end = args[endAt] === undefined ? undefined : endOf(args[endAt]);
  if (end === undefined) return syntaxError;
  let count: number | bigint | undefined;
  for (let i = endAt + 1; i < args.length; i += 2) {
    const value = args[i + 1];
    if (count !== undefined || value === undefined || !isToken(args[i] as Buffer, 'COUNT')) return syntaxError;
    count = parseInteger(value);
    if (count === undefined || count < 1) return countTooSmall;
  }
  const keys = args.slice(2, endAt);
  return (execution) => {
    for (const key of keys) {
      const list = execution.list(key);
      if (list !== undefined) return [key, pop(execution, key, list, end, Number(count ?? 1))];
    }
    return nilArray;
  };
}

const pushing = ['write', 'denyoom', 'fast'] as const;
const ofPushed = 'O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.';

export const listRows: readonly KeyedRow[] = [
  row(
    'lpush',
    -3,
    pushing,
    firstIsKey,
    docs('1.0.0', ofPushed, "Prepends one or more elements to a list. Creates the key if it doesn't exist.", 'key element [element ...]'),
    parsePush('left', false),
  ),
  row(
    'rpush',
    -3,
    pushing,
    firstIsKey,
    docs('1.0.0', ofPushed, "Appends one or more elements to a list. Creates the key if it doesn't exist.", 'key element [element ...]'),
    parsePush('right', false),
  ),
  row(
    'lpushx',
    -3,
    pushing,
    firstIsKey,
    docs('2.2.0', ofPushed, 'Prepends one or more elements to a list only when the list exists.', 'key element [element ...]'),
    parsePush('left', true),
  ),
  row(
    'rpushx',
    -3,
    pushing,
    firstIsKey,
    docs('2.2.0', ofPushed, 'Appends an element to a list only when the list exists.', 'key element [element ...]'),
    parsePush('right', true),
  ),
  row(
    'lpop',
    -2,
    ['write', 'fast'],
    firstIsKey,
    docs(
      '1.0.0',
      'O(N) where N is the number of elements returned',
      'Returns the first elements in a list after removing it. Deletes the list if the last element was popped.',
      'key [count]',
    ),
    parsePop('lpop', 'left'),
  ),
  row(
    'rpop',
    -2,
    ['write', 'fast'],
    firstIsKey,
    docs(
      '1.0.0',
      'O(N) where N is the number of elements returned',
      'Returns and removes the last elements of a list. Deletes the list if the last element was popped.',
      'key [count]',
    ),
    parsePop('rpop', 'right'),
  ),
  row(
    'llen',
    2,
    ['readonly', 'fast'],
    firstIsKey,
    docs('1.0.0', 'O(1)', 'Returns the length of a list.', 'key'),
    (args) => (execution) => execution.list(args[1] as Buffer)?.size ?? 0,
  ),
  row(
    'lmove',
    5,
    ['write', 'denyoom'],
    twoKeys,
    docs(
      '6.2.0',
      'O(1)',
      'Returns an element after popping it from one list and pushing it to another. Deletes the list if the last element was moved.',
      'source destination <LEFT | RIGHT> <LEFT | RIGHT>',
    ),
    parseMove,
  ),
  row(
    'rpoplpush',
    3,
    ['write', 'denyoom'],
    twoKeys,
    docs(
      '1.2.0',
      'O(1)',
      'Returns the last element of a list after removing and pushing it to another list. Deletes the list if the last element was popped.',
      'source destination',
    ),
    (args) => (execution) => move(execution, args[1] as Buffer, args[2] as Buffer, 'right', 'left'),
  ),
  {
    ...row(
      'lmpop',
      -4,
      ['write', 'movablekeys'],
      { first: 0, last: 0, step: 0 },
      docs(
        '7.0.0',
        'O(N+M) where N is the number of provided keys and M is the number of elements returned.',
        'Returns multiple elements from a list after removing them. Deletes the list if the last element was popped.',
        'numkeys key [key ...] <LEFT | RIGHT> [COUNT count]',
      ),
      parseManyPop,
    ),
    findKeys: countedFrom(1),
  },
];
