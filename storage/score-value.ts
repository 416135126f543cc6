/**
 * The rule of a sorted set's scores: as strings and counters (string-value.ts), in doubles. ZADD writes a plain version, the score's eight bytes; ZINCRBY a tally,
 * its actor's sum on the base that it saw. The latest base wins; shown is its amount and the sums of all tallies that name it.
 *
 * Doubles do not add up to the same in every order, so what is shown is the *exact* sum of all terms, rounded once (exact-sum.ts): a function of the record,
 * the same on every replica whatever arrived first. And a node that has the increments to itself must answer as Redis does, which rounds after each one:
 *
 *   ZADD k 0.1 m, then ZINCRBY k 0.2 m twice      Redis: (0.1 + 0.2) + 0.2 = 0.5000000000000001      0.1 + (0.2 + 0.2) = 0.5
 *
 * so a sum is kept as what is missing between the base and the score that was answered, exactly: `sum` and the `remainder` that a double could not hold.
 * Where several actors' sums stand on one base, each adds to its own, and the answer is the exact sum as it then is.
 *
 * Sums are finite. A score that is or becomes infinite, or a sum that a double cannot hold, is written as a new base, as a counter's overflow is.
 */
import { compareRanked, type Dot, type Ranked } from '../protocol/dot.js';
import { noBase, versionKind, type PlainVersion, type TallyVersion, type Version, type VersionedRecord } from '../protocol/record.js';
import { exactSum, twoSum } from './exact-sum.js';
import { replacing } from './merge.js';
import { besideOtherSums, latestBase, nameOf } from './string-value.js';

const scoreBytes = 8;

/** A score as it is kept: there is no -0, as there is none in Redis' small sorted sets. */
const kept = (score: number): number => score + 0;

/** Owned by the caller. */
export function encodeScore(score: number): Buffer {
  const bytes = Buffer.allocUnsafe(scoreBytes);
  bytes.writeDoubleBE(kept(score), 0);
  return bytes;
}

/** What no ZADD wrote counts as 0. Never NaN. */
export function decodeScore(bytes: Buffer, at = 0, length = bytes.length): number {
  const score = length === scoreBytes ? bytes.readDoubleBE(at) : 0;
  return Number.isNaN(score) ? 0 : kept(score);
}

export interface ShownScore {
  readonly score: number;
  /** The latest write among those shown. */
  readonly latest: Version;
}

/** Undefined of a record without versions. */
export function shownScore(versions: readonly Version[]): ShownScore | undefined {
  const shown = resolve(versions);
  return shown === undefined ? undefined : { score: shown.score, latest: shown.latest };
}

export interface ScoreIncremented {
  /** The record to write; undefined when the score stays what it is. Merged with the one incremented, it shows `score`. */
  readonly record: VersionedRecord | undefined;
  readonly score: number;
}

/** Adds `by` to the score that the record shows (nothing is 0). `dot` must not be below what its actor wrote to the record. */
export function scoreIncremented(
  record: VersionedRecord | undefined,
  dot: Dot,
  term: number,
  by: number,
): ScoreIncremented | 'not-a-number' {
  const shown = record === undefined ? undefined : resolve(record.versions);
  const asBase = (score: number): ScoreIncremented => ({ record: replacing(record, plain(dot, term, score)), score });
  if (record === undefined || shown === undefined) {
    if (!Number.isFinite(by)) return asBase(by);
    return { record: replacing(record, tally(dot, term, noBase, 0, by, 0)), score: by };
  }
  const next = shown.score + by;
  if (Number.isNaN(next)) return 'not-a-number';
  const own = shown.tallies.find(({ actor }) => actor === dot.actor);
  const isAlone = shown.tallies.length === (own === undefined ? 0 : 1);
  if (isAlone && next === shown.score) return { record: undefined, score: next };
  if (!Number.isFinite(next)) return asBase(next);
  const [sum, remainder] = isAlone ? twoSum(next, -shown.amount) : added(own, by);
  if (!Number.isFinite(sum)) return asBase(next);
  const version = tally(dot, term, shown.base, shown.amount, sum, remainder);
  const score = isAlone ? next : totalOf(shown.amount, [...shown.tallies.filter((each) => each !== own), version]);
  if (!Number.isFinite(score)) return asBase(next);
  return { record: besideOtherSums(record, version), score };
}

/** Sum and remainder with one more increment; what falls below the remainder's precision is lost. */
function added(own: TallyVersion | undefined, by: number): readonly [sum: number, remainder: number] {
  if (own === undefined) return [by, 0];
  const [sum, left] = twoSum(own.sum, by);
  return twoSum(sum, own.remainder + left);
}

interface Resolved {
  /** A name. */
  readonly base: Ranked;
  readonly amount: number;
  /** Those on the base, by actor. */
  readonly tallies: readonly TallyVersion[];
  readonly score: number;
  readonly latest: Version;
}

function resolve(versions: readonly Version[]): Resolved | undefined {
  const base = latestBase(versions);
  if (base === undefined) return undefined;
  let winner: PlainVersion | undefined;
  let latest: TallyVersion | undefined;
  const tallies: TallyVersion[] = [];
  for (const version of versions) {
    if (version.kind === versionKind.plain) {
      if (compareRanked(version, base) === 0) winner = version;
    } else if (version.kind === versionKind.tally && compareRanked(version.base, base) === 0) {
      tallies.push(version);
      if (latest === undefined || compareRanked(version, latest) > 0) latest = version;
    }
  }
  if (latest !== undefined) {
    const { amount } = latest;
    return { base: latest.base, amount, tallies, score: totalOf(amount, tallies), latest };
  }
  if (winner === undefined) return undefined; // a counter of integers, which nobody writes to a sorted set
  const score = decodeScore(winner.bytes);
  return { base: nameOf(winner), amount: score, tallies, score, latest: winner };
}

function totalOf(amount: number, tallies: readonly TallyVersion[]): number {
  return kept(exactSum([amount, ...tallies.flatMap(({ sum, remainder }) => [sum, remainder])]));
}

function plain({ actor, counter }: Dot, term: number, score: number): PlainVersion {
  return { kind: versionKind.plain, actor, counter, term, expiresAtMs: 0, bytes: encodeScore(score) };
}

function tally({ actor, counter }: Dot, term: number, base: Ranked, amount: number, sum: number, remainder: number): TallyVersion {
  return { kind: versionKind.tally, actor, counter, term, expiresAtMs: 0, base, amount, sum, remainder };
}
