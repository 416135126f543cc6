/**
 * Ranges of a sorted set, by rank, score or member: each is parsed to a question of the set whose answer is a run of ranks, so that reading, counting and
 * removing are the same for all three. A LIMIT, and the other direction, are reckoned in ranks as well.
 */
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { SortedView } from '../../storage/execution.js';
import { parseInteger } from './arguments.js';
import { notAnInteger } from './errors.js';
import { parseLexBound, parseScoreBound, type LexBound } from './score-arguments.js';

const notFloats = new ErrorReply('ERR min or max is not a float');
const notMembers = new ErrorReply('ERR min or max not valid string range item');

/** Ranks `from` to before `to`; empty when there are none between. */
export interface RankRange {
  readonly from: number;
  readonly to: number;
}

export type RangeQuestion = (set: SortedView) => RankRange;
export type RangeKind = 'rank' | 'score' | 'lex';

const none: RankRange = { from: 0, to: 0 };

/** Ranks count from the end where they are negative. With `isReverse` rank 0 is the last one. */
function parseRanks(first: Buffer, last: Buffer, isReverse: boolean): RangeQuestion | ErrorReply {
  const [start, stop] = [parseInteger(first), parseInteger(last)];
  if (start === undefined || stop === undefined) return notAnInteger;
  return ({ size }) => {
    const from = Math.max(0, start < 0 ? size + Number(start) : Number(start));
    const to = Math.min(size, 1 + (stop < 0 ? size + Number(stop) : Number(stop)));
    if (from >= to) return none;
    return isReverse ? { from: size - to, to: size - from } : { from, to };
  };
}

function parseScores(least: Buffer, most: Buffer): RangeQuestion | ErrorReply {
  const [min, max] = [parseScoreBound(least), parseScoreBound(most)];
  if (min === undefined || max === undefined) return notFloats;
  return (set) => ({ from: set.countToScore(min.value, min.exclusive), to: set.countToScore(max.value, !max.exclusive) });
}

function parseMembers(least: Buffer, most: Buffer): RangeQuestion | ErrorReply {
  const [min, max] = [parseLexBound(least), parseLexBound(most)];
  if (min === undefined || max === undefined) return notMembers;
  const before = (set: SortedView, bound: LexBound, isIncluded: (exclusive: boolean) => boolean): number => {
    if (bound === 'first') return 0;
    return bound === 'last' ? set.size : set.countToMember(bound.value, isIncluded(bound.exclusive));
  };
  return (set) => ({
    from: before(set, min, (exclusive) => exclusive),
    to: before(set, max, (exclusive) => !exclusive),
  });
}

/** `first` and `last` as the command has them: of scores and members the other way about where it is reversed. */
export function parseRange(kind: RangeKind, first: Buffer, last: Buffer, isReverse = false): RangeQuestion | ErrorReply {
  if (kind === 'rank') return parseRanks(first, last, isReverse);
  const [least, most] = isReverse ? [last, first] : [first, last];
  return kind === 'score' ? parseScores(least, most) : parseMembers(least, most);
}

export const countOf = ({ from, to }: RankRange): number => Math.max(0, to - from);

/** What LIMIT leaves of it: `limit` below 0 = all, an `offset` below 0 = nothing. Counted from the end where the range is reversed. */
export function limited({ from, to }: RankRange, offset: number, limit: number, isReverse: boolean): RankRange {
  if (offset < 0) return none;
  const rest = Math.max(0, to - from - offset);
  const taken = limit < 0 ? rest : Math.min(limit, rest);
  const first = isReverse ? to - offset - taken : from + offset;
  return { from: first, to: first + taken };
}
