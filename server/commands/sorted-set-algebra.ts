/** Union, intersection and difference of sorted sets, and of sets, whose members count with score 1. Semantics and error texts are Redis 7.2's (t_zset.c). */
import { ErrorReply, type Reply } from '../../protocol/resp/reply.js';
import { zeroForNan, type Aggregate, type Scoring } from '../../storage/combined-scores.js';
import type { CollectionView, Execution, ScoredMember, SetOperation, SortedView } from '../../storage/execution.js';
import { decodeScore } from '../../storage/score-value.js';
import type { KeyedRow, Run } from '../command-table.js';
import { isToken, parseInteger } from './arguments.js';
import { countedFrom } from './counted-keys.js';
import { notAnInteger, syntaxError } from './errors.js';
import { parseScore } from './score-arguments.js';
import { scoredReply } from './scored-reply.js';
import { combinable } from './set-algebra.js';
import { store } from './sorted-set-ranges.js';
import { familyOf } from './row.js';

const { docs, row } = familyOf('sorted-set');

const notAWeight = new ErrorReply('ERR weight value is not a float');
const negativeLimit = new ErrorReply("ERR LIMIT can't be negative");

const aggregates: Readonly<Record<string, Aggregate>> = {
  SUM: (score, other) => zeroForNan(score + other),
  MIN: (score, other) => (other < score ? other : score),
  MAX: (score, other) => (other > score ? other : score),
};

interface Source {
  /** Undefined: there is none. */
  readonly view: CollectionView | undefined;
  readonly size: number;
  readonly weight: number;
  /** Members and their weighted scores. */
  all(): ScoredMember[];
  /** Weighted. NaN where an infinite score has the weight 0: Redis makes 0 of that only in the source that it goes through. */
  scoreOf(member: Buffer): number | undefined;
}

interface Options {
  weights: readonly number[];
  aggregate: Aggregate;
  withScores: boolean;
  /** Of ZINTERCARD. */
  limit: number;
}

/** What a command of the family takes. */
interface Form {
  readonly name: string;
  readonly operation: SetOperation;
  /** Where the number of keys stands. */
  readonly countAt: 1 | 2;
  readonly isCount?: true;
}

const nothing: Source = { view: undefined, size: 0, weight: 1, all: () => [], scoreOf: () => undefined };

function sortedSource(set: SortedView, weight: number): Source {
  const weighted = (score: number): number => zeroForNan(score * weight);
  return {
    view: set,
    size: set.size,
    weight,
    all: () => {
      const pairs = set.pairs();
      return Array.from({ length: pairs.length / 2 }, (_, i) => ({
        member: pairs[2 * i] as Buffer,
        score: weighted(decodeScore(pairs[2 * i + 1] as Buffer)),
      }));
    },
    scoreOf: (member) => {
      const score = set.scoreOf(member);
      return score === undefined ? undefined : score * weight;
    },
  };
}

function setSource(set: CollectionView, weight: number): Source {
  return {
    view: set,
    size: set.size,
    weight,
    all: () => set.elements().map((member) => ({ member, score: weight })),
    scoreOf: (member) => (set.has(member) ? weight : undefined),
  };
}

/** Throws CommandError WRONGTYPE. */
function sourceAt(execution: Execution, key: Buffer, weight: number): Source {
  if (execution.typeOf(key) === 'set') {
    const set = execution.collection(key, 'set');
    return set === undefined ? nothing : setSource(set, weight);
  }
  const sorted = execution.sorted(key);
  return sorted === undefined ? nothing : sortedSource(sorted, weight);
}

const inOrder = (x: ScoredMember, y: ScoredMember): number =>
  x.score === y.score ? Buffer.compare(x.member, y.member) : x.score < y.score ? -1 : 1;

/** Smaller sources are added to first, as Redis does: sums of doubles hang on that. */
const inTurn = (operation: SetOperation, sources: readonly Source[]): readonly Source[] =>
  operation === 'diff' ? sources : sources.toSorted((x, y) => x.size - y.size);

/** The collections that are there, in the order of `sources`, and how their scores become one. */
function together(
  operation: SetOperation,
  sources: readonly Source[],
  aggregate: Aggregate,
): { views: readonly CollectionView[]; scoring: Scoring } {
  const views = combinable(
    operation,
    sources.map(({ view }) => view),
  );
  return { views, scoring: { weights: sources.filter(({ view }) => view !== undefined).map(({ weight }) => weight), aggregate } };
}

/** The reply that of large sources is made over several turns of the event loop; undefined where `combined` can make it at once, or has to. */
function longReply(execution: Execution, { operation, isCount }: Form, sources: readonly Source[], options: Options): Reply | undefined {
  const { views, scoring } = together(operation, sources, options.aggregate);
  if (views.length === 0) return undefined;
  if (isCount === true) return execution.longCombination(operation, views, mostOf(options), true);
  return execution.longScoredCombination(operation, views, scoring, options.withScores);
}

/** The result's members, for a command that stores them. */
function membersOf(
  execution: Execution,
  operation: SetOperation,
  sources: readonly Source[],
  aggregate: Aggregate,
): readonly ScoredMember[] {
  const { views, scoring } = together(operation, sources, aggregate);
  const long = views.length === 0 ? undefined : execution.longMembers(operation, views, scoring);
  return long === undefined ? combined(operation, sources, aggregate, Infinity) : execution.made(long);
}

const mostOf = ({ limit }: Options): number => (limit === 0 ? Infinity : limit);

/** In no order; of `sources` in the order of `inTurn`. */
function combined(operation: SetOperation, sources: readonly Source[], aggregate: Aggregate, limit: number): ScoredMember[] {
  if (operation === 'union') return union(sources, aggregate);
  if (operation === 'inter') return intersection(sources, aggregate, limit);
  const [first, ...others] = sources;
  return (first?.all() ?? []).filter(({ member }) => !others.some((source) => source.scoreOf(member) !== undefined));
}

function union(sources: readonly Source[], aggregate: Aggregate): ScoredMember[] {
  const found = new Map<string, ScoredMember>();
  for (const source of sources) {
    for (const each of source.all()) {
      const name = each.member.toString('latin1');
      const known = found.get(name);
      found.set(name, known === undefined ? each : { member: known.member, score: aggregate(known.score, each.score) });
    }
  }
  return [...found.values()];
}

function intersection([smallest, ...others]: readonly Source[], aggregate: Aggregate, limit: number): ScoredMember[] {
  const found: ScoredMember[] = [];
  for (const { member, score } of smallest?.all() ?? []) {
    if (found.length >= limit) break;
    const scores = others.map((source) => source.scoreOf(member));
    if (scores.includes(undefined)) continue;
    found.push({ member, score: (scores as number[]).reduce(aggregate, score) });
  }
  return found;
}

/** `args` after the keys. */
function parseOptions(args: readonly Buffer[], { operation, countAt, isCount }: Form, keyCount: number): Options | ErrorReply {
  const options: Options = { weights: [], aggregate: aggregates['SUM'] as Aggregate, withScores: false, limit: 0 };
  const isAggregated = operation !== 'diff' && isCount === undefined;
  for (let i = 0; i < args.length; i++) {
    const option = args[i] as Buffer;
    const remaining = args.length - i;
    if (isAggregated && remaining > keyCount && isToken(option, 'WEIGHTS')) {
      const weights = args.slice(i + 1, i + 1 + keyCount).map(parseScore);
      if (weights.includes(undefined)) return notAWeight;
      options.weights = weights as number[];
      i += keyCount;
    } else if (isAggregated && remaining >= 2 && isToken(option, 'AGGREGATE')) {
      const aggregate = aggregates[(args[++i] as Buffer).toString('latin1').toUpperCase()];
      if (aggregate === undefined) return syntaxError;
      options.aggregate = aggregate;
    } else if (countAt === 1 && isCount === undefined && isToken(option, 'WITHSCORES')) options.withScores = true;
    else if (isCount === true && remaining >= 2 && isToken(option, 'LIMIT')) {
      const limit = parseInteger(args[++i] as Buffer);
      if (limit === undefined || limit < 0) return negativeLimit;
      options.limit = Number(limit);
    } else return syntaxError;
  }
  return options;
}

/** Redis looks at the keys before the options: another type's error goes before a wrong option's. */
const parseCombination =
  (form: Form) =>
  (args: readonly Buffer[]): Run | ErrorReply => {
    const { name, operation, countAt, isCount } = form;
    const parsedCount = parseInteger(args[countAt] as Buffer);
    if (parsedCount === undefined) return notAnInteger;
    if (parsedCount < 1) return new ErrorReply(`ERR at least 1 input key is needed for '${name}' command`);
    if (parsedCount > args.length - countAt - 1) return syntaxError;
    const keyCount = Number(parsedCount);
    const keys = args.slice(countAt + 1, countAt + 1 + keyCount);
    const options = parseOptions(args.slice(countAt + 1 + keyCount), form, keyCount);
    return (execution) => {
      const weights = options instanceof ErrorReply ? [] : options.weights;
      const found = keys.map((key, i) => sourceAt(execution, key, weights[i] ?? 1));
      if (options instanceof ErrorReply) return options;
      const sources = inTurn(operation, found);
      if (countAt === 2) return store(execution, args[1] as Buffer, membersOf(execution, operation, sources, options.aggregate));
      const long = longReply(execution, form, sources, options);
      if (long !== undefined) return long;
      const members = combined(operation, sources, options.aggregate, mostOf(options));
      return isCount === true ? members.length : scoredReply(execution, members.sort(inOrder), options.withScores);
    };
  };

const ofUnion =
  'O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.';
const ofIntersection =
  'O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.';
const ofDifference =
  'O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.';
const noKeys = { first: 0, last: 0, step: 0 } as const;

function combination(form: Form, since: string, complexity: string, summary: string, options: string): KeyedRow {
  const { name, countAt } = form;
  const stores = countAt === 2;
  return {
    ...row(
      name,
      stores ? -4 : -3,
      stores ? ['write', 'denyoom', 'movablekeys'] : ['readonly', 'movablekeys'],
      stores ? { first: 1, last: 1, step: 1 } : noKeys,
      docs(since, complexity, summary, `${stores ? 'destination ' : ''}numkeys key [key ...]${options}`),
      parseCombination(form),
    ),
    findKeys: stores ? countedFrom(2, 1) : countedFrom(1),
  };
}

const weighted = ' [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]';

export const sortedSetAlgebraRows: readonly KeyedRow[] = [
  combination(
    { name: 'zunion', operation: 'union', countAt: 1 },
    '6.2.0',
    ofUnion,
    'Returns the union of multiple sorted sets.',
    `${weighted} [WITHSCORES]`,
  ),
  combination(
    { name: 'zunionstore', operation: 'union', countAt: 2 },
    '2.0.0',
    ofUnion,
    'Stores the union of multiple sorted sets in a key.',
    weighted,
  ),
  combination(
    { name: 'zinter', operation: 'inter', countAt: 1 },
    '6.2.0',
    ofIntersection,
    'Returns the intersect of multiple sorted sets.',
    `${weighted} [WITHSCORES]`,
  ),
  combination(
    { name: 'zinterstore', operation: 'inter', countAt: 2 },
    '2.0.0',
    ofIntersection,
    'Stores the intersect of multiple sorted sets in a key.',
    weighted,
  ),
  combination(
    { name: 'zintercard', operation: 'inter', countAt: 1, isCount: true },
    '7.0.0',
    'O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.',
    'Returns the number of members of the intersect of multiple sorted sets.',
    ' [LIMIT limit]',
  ),
  combination(
    { name: 'zdiff', operation: 'diff', countAt: 1 },
    '6.2.0',
    ofDifference,
    'Returns the difference between multiple sorted sets.',
    ' [WITHSCORES]',
  ),
  combination(
    { name: 'zdiffstore', operation: 'diff', countAt: 2 },
    '6.2.0',
    ofDifference,
    'Stores the difference of multiple sorted sets in a key.',
    '',
  ),
];
