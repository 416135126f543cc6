/** Ranges of sorted sets: counted, read, stored and removed. Semantics and error texts are Redis 7.2's (t_zset.c). */
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution, ScoredMember, SortedView } from '../../storage/execution.js';
import { encodeScore } from '../../storage/score-value.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken, parseInteger } from './arguments.js';
import { notAnInteger, syntaxError } from './errors.js';
import { countOf, limited, parseRange, type RangeKind, type RangeQuestion } from './rank-range.js';
import { familyOf, firstIsKey } from './row.js';
import { scoredReply } from './scored-reply.js';

const { docs, row } = familyOf('sorted-set');

const limitOfRanks = new ErrorReply('ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX');
const scoresOfMembers = new ErrorReply('ERR syntax error, WITHSCORES not supported in combination with BYLEX');

/** What a command's name says; undefined = its options do. */
interface RangeForm {
  readonly kind?: RangeKind;
  readonly isReverse?: boolean;
}

interface RangeRead {
  readonly range: RangeQuestion;
  readonly offset: number;
  readonly limit: number;
  readonly isReverse: boolean;
  readonly withScores: boolean;
}

/** `args` from the key on. */
function parseRead(args: readonly Buffer[], form: RangeForm, stores: boolean): RangeRead | ErrorReply {
  let { kind, isReverse } = form;
  let withScores = false;
  let [offset, limit]: (number | bigint)[] = [0, -1];
  for (let i = 3; i < args.length; i++) {
    const option = args[i] as Buffer;
    const value = args[i + 2];
    if (!stores && isToken(option, 'WITHSCORES')) withScores = true;
    else if (isToken(option, 'LIMIT') && value !== undefined) {
      const [first, second] = [parseInteger(args[i + 1] as Buffer), parseInteger(value)];
      if (first === undefined || second === undefined) return notAnInteger;
      [offset, limit] = [first, second];
      i += 2;
    } else if (isReverse === undefined && isToken(option, 'REV')) isReverse = true;
    else if (kind === undefined && isToken(option, 'BYLEX')) kind = 'lex';
    else if (kind === undefined && isToken(option, 'BYSCORE')) kind = 'score';
    else return syntaxError;
  }
  kind ??= 'rank';
  isReverse ??= false;
  if (limit !== -1 && kind === 'rank') return limitOfRanks;
  if (withScores && kind === 'lex') return scoresOfMembers;
  const range = parseRange(kind, args[1] as Buffer, args[2] as Buffer, isReverse);
  if (range instanceof ErrorReply) return range;
  return { range, offset: kind === 'rank' ? 0 : Number(offset), limit: Number(limit), isReverse, withScores };
}

function membersOf(set: SortedView, { range, offset, limit, isReverse }: RangeRead): ScoredMember[] {
  const { from, to } = limited(range(set), offset, limit, isReverse);
  const members = set.slice(from, to);
  return isReverse ? members.reverse() : members;
}

const parseReading =
  (form: RangeForm) =>
  (args: readonly Buffer[]): Run | ErrorReply => {
    const read = parseRead(args.slice(1), form, false);
    if (read instanceof ErrorReply) return read;
    return (execution) => {
      const set = execution.sorted(args[1] as Buffer);
      if (set === undefined) return [];
      const { from, to } = limited(read.range(set), read.offset, read.limit, read.isReverse);
      return set.longSlice(from, to, read.withScores, read.isReverse) ?? scoredReply(execution, membersOf(set, read), read.withScores);
    };
  };

/** Puts them in place of whatever is at `target`. */
export function store(execution: Execution, target: Buffer, members: readonly ScoredMember[]): number {
  execution.delete(target);
  for (const { member, score } of members) execution.setElement(target, 'zset', member, encodeScore(score));
  return members.length;
}

function parseStoring(args: readonly Buffer[]): Run | ErrorReply {
  const read = parseRead(args.slice(2), {}, true);
  if (read instanceof ErrorReply) return read;
  return (execution) => {
    const set = execution.sorted(args[2] as Buffer);
    return store(execution, args[1] as Buffer, set === undefined ? [] : membersOf(set, read));
  };
}

/** On the ranks between two bounds; 0 where there is no key. */
const parseBetween =
  (kind: RangeKind, answer: (execution: Execution, key: Buffer, set: SortedView, range: RangeQuestion) => Reply) =>
  (args: readonly Buffer[]): Run | ErrorReply => {
    const [, key, first, last] = args as readonly [Buffer, Buffer, Buffer, Buffer];
    const range = parseRange(kind, first, last);
    if (range instanceof ErrorReply) return range;
    return (execution) => {
      const set = execution.sorted(key);
      return set === undefined ? 0 : answer(execution, key, set, range);
    };
  };

const parseCount = (kind: RangeKind) => parseBetween(kind, (_execution, _key, set, range) => countOf(range(set)));

const parseRemoval = (kind: RangeKind) =>
  parseBetween(kind, (execution, key, set, range) => {
    const { from, to } = range(set);
    const members = set.slice(from, to);
    for (const { member } of members) execution.removeElement(key, 'zset', member);
    return members.length;
  });

const logAndReturned = 'O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned.';
const logAndRemoved =
  'O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.';
const log = 'O(log(N)) with N being the number of elements in the sorted set.';

const reading = (name: string, since: string, summary: string, syntax: string, form: RangeForm): KeyedRow =>
  row(name, -4, ['readonly'], firstIsKey, docs(since, logAndReturned, summary, syntax), parseReading(form));

const removal = (name: string, since: string, what: string, syntax: string, kind: RangeKind): KeyedRow =>
  row(
    name,
    4,
    ['write'],
    firstIsKey,
    docs(
      since,
      logAndRemoved,
      `Removes members in a sorted set within ${what}. Deletes the sorted set if all members were removed.`,
      syntax,
    ),
    parseRemoval(kind),
  );

export const sortedSetRangeRows: readonly KeyedRow[] = [
  row(
    'zcount',
    4,
    ['readonly', 'fast'],
    firstIsKey,
    docs('2.0.0', log, 'Returns the count of members in a sorted set that have scores within a range.', 'key min max'),
    parseCount('score'),
  ),
  row(
    'zlexcount',
    4,
    ['readonly', 'fast'],
    firstIsKey,
    docs('2.8.9', log, 'Returns the number of members in a sorted set within a lexicographical range.', 'key min max'),
    parseCount('lex'),
  ),
  reading(
    'zrange',
    '1.2.0',
    'Returns members in a sorted set within a range of indexes.',
    'key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]',
    {},
  ),
  reading(
    'zrevrange',
    '1.2.0',
    'Returns members in a sorted set within a range of indexes in reverse order.',
    'key start stop [WITHSCORES]',
    { kind: 'rank', isReverse: true },
  ),
  reading(
    'zrangebyscore',
    '1.0.5',
    'Returns members in a sorted set within a range of scores.',
    'key min max [WITHSCORES] [LIMIT offset count]',
    { kind: 'score', isReverse: false },
  ),
  reading(
    'zrevrangebyscore',
    '2.2.0',
    'Returns members in a sorted set within a range of scores in reverse order.',
    'key max min [WITHSCORES] [LIMIT offset count]',
    { kind: 'score', isReverse: true },
  ),
  reading('zrangebylex', '2.8.9', 'Returns members in a sorted set within a lexicographical range.', 'key min max [LIMIT offset count]', {
    kind: 'lex',
    isReverse: false,
  }),
  reading(
    'zrevrangebylex',
    '2.8.9',
    'Returns members in a sorted set within a lexicographical range in reverse order.',
    'key max min [LIMIT offset count]',
    { kind: 'lex', isReverse: true },
  ),
  row(
    'zrangestore',
    -5,
    ['write', 'denyoom'],
    { first: 1, last: 2, step: 1 },
    docs(
      '6.2.0',
      'O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored into the destination key.',
      'Stores a range of members from sorted set in a key.',
      'dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]',
    ),
    parseStoring,
  ),
  removal('zremrangebyrank', '2.0.0', 'a range of indexes', 'key start stop', 'rank'),
  removal('zremrangebyscore', '1.2.0', 'a range of scores', 'key min max', 'score'),
  removal('zremrangebylex', '2.8.9', 'a lexicographical range', 'key min max', 'lex'),
];
