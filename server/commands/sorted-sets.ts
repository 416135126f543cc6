/** Sorted sets: members by themselves, and the first and last ones. Semantics and error texts are Redis 7.2's (t_zset.c). Each member is a record of its own. */
import { DoubleReply, ErrorReply, nilArray } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution, ScoredMember, SortedView } from '../../storage/execution.js';
import { encodeScore } from '../../storage/score-value.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken, parseInteger } from './arguments.js';
import { countedFrom } from './counted-keys.js';
import { parseElementScan } from './element-scan.js';
import { notAFloat, notAnInteger, notPositive, outOfRange, syntaxError, wrongArity } from './errors.js';
import { randomPlaces } from './random-elements.js';
import { familyOf, firstIsKey } from './row.js';
import { parseScore } from './score-arguments.js';
import { flatPairs, nestedPairs, scoredReply } from './scored-reply.js';

const { docs, row } = familyOf('sorted-set');

const bothExistences = new ErrorReply('ERR XX and NX options at the same time are not compatible');
const bothDirections = new ErrorReply('ERR GT, LT, and/or NX options at the same time are not compatible');
const oneIncrement = new ErrorReply('ERR INCR option supports a single increment-element pair');
const notANumber = new ErrorReply('ERR resulting score is not a number (NaN)');
const notEnoughKeys = new ErrorReply('ERR numkeys should be greater than 0');
const countTooSmall = new ErrorReply('ERR count should be greater than 0');
const longMost = 2n ** 63n - 1n;

/** Of ZADD and GEOADD. */
export interface AddOptions {
  nx: boolean;
  xx: boolean;
  gt: boolean;
  lt: boolean;
  ch: boolean;
  incr: boolean;
}

const addTokens = [
  ['NX', 'nx'],
  ['XX', 'xx'],
  ['GT', 'gt'],
  ['LT', 'lt'],
  ['CH', 'ch'],
  ['INCR', 'incr'],
] as const;

/** ZADD, and ZINCRBY, which is ZADD INCR. */
const parseAdd =
  (increments: boolean) =>
  (args: readonly Buffer[]): Run | ErrorReply => {
    const options: AddOptions = { nx: false, xx: false, gt: false, lt: false, ch: false, incr: increments };
    let at = 2;
    for (; at < args.length; at++) {
      const token = addTokens.find(([name]) => isToken(args[at] as Buffer, name));
      if (token === undefined) break;
      options[token[1]] = true;
    }
    const { nx, xx, gt, lt, incr } = options;
    const count = (args.length - at) / 2;
    if (count === 0 || !Number.isInteger(count)) return syntaxError;
    if (nx && xx) return bothExistences;
    if ((gt && (nx || lt)) || (lt && nx)) return bothDirections;
    if (incr && count > 1) return oneIncrement;
    const scores: number[] = [];
    for (let i = at; i < args.length; i += 2) {
      const score = parseScore(args[i] as Buffer);
      if (score === undefined) return notAFloat;
      scores.push(score);
    }
    const key = args[1] as Buffer;
    const members = scores.map((_, i) => args[at + 2 * i + 1] as Buffer);
    return incr
      ? (execution) => increment(execution, key, members[0] as Buffer, scores[0] as number, options)
      : (execution) => add(execution, key, members, scores, options);
  };

/** Whether the conditions let `next` take the place of `score`. */
const mayReplace = ({ nx, gt, lt }: AddOptions, score: number, next: number): boolean =>
  !nx && !(gt && next <= score) && !(lt && next >= score);

/** How many members came, or changed with CH. `scores` are the members'. */
export function add(execution: Execution, key: Buffer, members: readonly Buffer[], scores: readonly number[], options: AddOptions): Reply {
  let added = 0;
  let changed = 0;
  let set = execution.sorted(key);
  members.forEach((member, i) => {
    const next = scores[i] as number;
    set ??= execution.sorted(key);
    const score = set?.scoreOf(member);
    if (score === undefined) {
      if (options.xx) return;
      added++;
    } else {
      if (score === next || !mayReplace(options, score, next)) return;
      changed++;
    }
    execution.setElement(key, 'zset', member, encodeScore(next));
  });
  return options.ch ? added + changed : added;
}

function increment(execution: Execution, key: Buffer, member: Buffer, by: number, options: AddOptions): Reply {
  const score = execution.sorted(key)?.scoreOf(member);
  if (score === undefined ? options.xx : options.nx) return null;
  if (score !== undefined) {
    const next = score + by;
    if (Number.isNaN(next)) return notANumber;
    if (!mayReplace(options, score, next)) return null;
  }
  const result = execution.incrementScore(key, member, by);
  return result === 'not-a-number' ? notANumber : new DoubleReply(result);
}

function parseRemove(args: readonly Buffer[]): Run {
  return (execution) => {
    let removed = 0;
    for (let i = 2; i < args.length; i++) if (execution.removeElement(args[1] as Buffer, 'zset', args[i] as Buffer)) removed++;
    return removed;
  };
}

const scoreReply = (score: number | undefined): Reply => (score === undefined ? null : new DoubleReply(score));

/** ZRANK and ZREVRANK. */
const parseRank =
  (name: string, isReverse: boolean) =>
  (args: readonly Buffer[]): Run | ErrorReply => {
    const [, key, member, option] = args as readonly [Buffer, Buffer, Buffer, Buffer | undefined];
    if (args.length > 4) return wrongArity(name);
    if (option !== undefined && !isToken(option, 'WITHSCORE')) return syntaxError;
    const none = option === undefined ? null : nilArray;
    return (execution) => {
      const set = execution.sorted(key);
      const rank = set?.rankOf(member);
      if (set === undefined || rank === undefined) return none;
      const shown = isReverse ? set.size - 1 - rank : rank;
      return option === undefined ? shown : [shown, scoreReply(set.scoreOf(member))];
    };
  };

/** Takes away up to `count` from one end, the outermost first. */
function pop(execution: Execution, key: Buffer, set: SortedView, isMax: boolean, count: number): readonly ScoredMember[] {
  const { size } = set;
  const taken = isMax ? set.slice(Math.max(0, size - count), size).reverse() : set.slice(0, Math.min(count, size));
  for (const { member } of taken) execution.removeElement(key, 'zset', member);
  return taken;
}

const parsePop =
  (isMax: boolean) =>
  (args: readonly Buffer[]): Run | ErrorReply => {
    const [, key, countText] = args as readonly [Buffer, Buffer, Buffer | undefined];
    if (args.length > 3) return syntaxError;
    const count = countText === undefined ? 1 : parseInteger(countText);
    if (count === undefined || count < 0) return notPositive;
    return (execution) => {
      const set = execution.sorted(key);
      if (set === undefined) return [];
      const taken = pop(execution, key, set, isMax, Number(count));
      return execution.resp === 3 && countText !== undefined ? nestedPairs(taken) : flatPairs(taken);
    };
  };

/** ZMPOP numkeys key [key ...] MIN|MAX [COUNT count] */
function parseManyPop(args: readonly Buffer[]): Run | ErrorReply {
  const keyCount = parseInteger(args[1] as Buffer);
  if (keyCount === undefined || keyCount < 1) return notEnoughKeys;
  const whereAt = 2 + Number(keyCount);
  const where = args[whereAt];
  if (where === undefined) return syntaxError;
  const isMax = isToken(where, 'MAX');
  if (!isMax && !isToken(where, 'MIN')) return syntaxError;
  let count: number | bigint | undefined;
  for (let i = whereAt + 1; i < args.length; i += 2) {
    const value = args[i + 1];
    if (count !== undefined || value === undefined || !isToken(args[i] as Buffer, 'COUNT')) return syntaxError;
    count = parseInteger(value);
    if (count === undefined || count < 1) return countTooSmall;
  }
  const keys = args.slice(2, whereAt);
  return (execution) => {
    for (const key of keys) {
      const set = execution.sorted(key);
      if (set !== undefined) return [key, nestedPairs(pop(execution, key, set, isMax, Number(count ?? 1)))];
    }
    return nilArray;
  };
}

/** ZRANDMEMBER key [count [WITHSCORES]] */
function parseRandomMember(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, countText, option] = args as readonly [Buffer, Buffer, Buffer | undefined, Buffer | undefined];
  if (countText === undefined) {
    return (execution) => {
      const set = execution.sorted(key);
      return set === undefined || set.size === 0 ? null : set.elementAt(execution.random(set.size));
    };
  }
  const count = parseInteger(countText);
  if (count === undefined) return notAnInteger;
  if (count < -longMost) return new ErrorReply(`ERR value is out of range, value must between ${-longMost} and ${longMost}`);
  if (args.length > 4 || (option !== undefined && !isToken(option, 'WITHSCORES'))) return syntaxError;
  const withScores = option !== undefined;
  if (withScores && (count < -longMost / 2n || count > longMost / 2n)) return outOfRange;
  return (execution) => {
    const set = execution.sorted(key);
    if (set === undefined) return [];
    const long = set.longRandom(Number(count), withScores ? 'scored members' : 'elements');
    if (long !== undefined) return long;
    const members = randomPlaces(execution, set, Number(count)).map((at) => set.elementAt(at));
    const scored = members.map((member) => ({ member, score: withScores ? (set.scoreOf(member) ?? 0) : 0 }));
    return scoredReply(execution, scored, withScores);
  };
}

const ofLog = 'O(log(N)*M) with N being the number of elements in the sorted set and M being the number of elements popped.';

export const sortedSetRows: readonly KeyedRow[] = [
  row(
    'zadd',
    -4,
    ['write', 'denyoom', 'fast'],
    firstIsKey,
    docs(
      '1.2.0',
      'O(log(N)) for each item added, where N is the number of elements in the sorted set.',
      "Adds one or more members to a sorted set, or updates their scores. Creates the key if it doesn't exist.",
      'key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]',
    ),
    parseAdd(false),
  ),
  row(
    'zincrby',
    4,
    ['write', 'denyoom', 'fast'],
    firstIsKey,
    docs(
      '1.2.0',
      'O(log(N)) where N is the number of elements in the sorted set.',
      'Increments the score of a member in a sorted set.',
      'key increment member',
    ),
    parseAdd(true),
  ),
  row(
    'zrem',
    -3,
    ['write', 'fast'],
    firstIsKey,
    docs(
      '1.2.0',
      'O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed.',
      'Removes one or more members from a sorted set. Deletes the sorted set if all members were removed.',
      'key member [member ...]',
    ),
    parseRemove,
  ),
  row(
    'zscore',
    3,
    ['readonly', 'fast'],
    firstIsKey,
    docs('1.2.0', 'O(1)', 'Returns the score of a member in a sorted set.', 'key member'),
    (args) => (execution) => scoreReply(execution.sorted(args[1] as Buffer)?.scoreOf(args[2] as Buffer)),
  ),
  row(
    'zmscore',
    -3,
    ['readonly', 'fast'],
    firstIsKey,
    docs(
      '6.2.0',
      'O(N) where N is the number of members being requested.',
      'Returns the score of one or more members in a sorted set.',
      'key member [member ...]',
    ),
    (args) => (execution) => {
      const set = execution.sorted(args[1] as Buffer);
      return args.slice(2).map((member) => scoreReply(set?.scoreOf(member)));
    },
  ),
  row(
    'zcard',
    2,
    ['readonly', 'fast'],
    firstIsKey,
    docs('1.2.0', 'O(1)', 'Returns the number of members in a sorted set.', 'key'),
    (args) => (execution) => execution.sorted(args[1] as Buffer)?.size ?? 0,
  ),
  row(
    'zrank',
    -3,
    ['readonly', 'fast'],
    firstIsKey,
    docs('2.0.0', 'O(log(N))', 'Returns the index of a member in a sorted set ordered by ascending scores.', 'key member [WITHSCORE]'),
    parseRank('zrank', false),
  ),
  row(
    'zrevrank',
    -3,
    ['readonly', 'fast'],
    firstIsKey,
    docs('2.0.0', 'O(log(N))', 'Returns the index of a member in a sorted set ordered by descending scores.', 'key member [WITHSCORE]'),
    parseRank('zrevrank', true),
  ),
  row(
    'zpopmin',
    -2,
    ['write', 'fast'],
    firstIsKey,
    docs(
      '5.0.0',
      ofLog,
      'Returns the lowest-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.',
      'key [count]',
    ),
    parsePop(false),
  ),
  row(
    'zpopmax',
    -2,
    ['write', 'fast'],
    firstIsKey,
    docs(
      '5.0.0',
      ofLog,
      'Returns the highest-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.',
      'key [count]',
    ),
    parsePop(true),
  ),
  {
    ...row(
      'zmpop',
      -4,
      ['write', 'movablekeys'],
      { first: 0, last: 0, step: 0 },
      docs(
        '7.0.0',
        'O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.',
        'Returns the highest- or lowest-scoring members from one or more sorted sets after removing them. Deletes the sorted set if the last member was popped.',
        'numkeys key [key ...] <MIN | MAX> [COUNT count]',
      ),
      parseManyPop,
    ),
    findKeys: countedFrom(1),
  },
  row(
    'zrandmember',
    -2,
    ['readonly'],
    firstIsKey,
    docs(
      '6.2.0',
      'O(N) where N is the number of members returned.',
      'Returns one or more random members from a sorted set.',
      'key [count [WITHSCORES]]',
    ),
    parseRandomMember,
  ),
  row(
    'zscan',
    -3,
    ['readonly'],
    firstIsKey,
    docs(
      '2.8.0',
      'O(N) for a complete iteration, N being the number of members.',
      'Iterates over members and scores of a sorted set.',
      'key cursor [MATCH pattern] [COUNT count]',
    ),
    (args) => parseElementScan(args, 'zset'),
  ),
];
