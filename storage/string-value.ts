/**
 * The rule of strings, HyperLogLogs among them, and counters: what a record's versions, concurrent ones included, come to, and what INCR and EXPIRE write.
 *
 * The latest base wins. Every plain version is a base, and so is what a counter version names as its base (nothing at all is the
 * base `noBase`, earlier than any other). A winning plain version that no counter names is simply the value, or, if it is a HyperLogLog, its join
 * with all other plain versions that are (hyperloglog.ts); its expiry is its own. Else the value is the base's amount and the sums of all versions that name it:
 *
 *   A: SET k 10        B: INCR k           C: INCR k, not having seen B's
 *   plain A1 "10"  ->  counter B1 {A1, 10, +1}   counter C1 {A1, 10, +1}   ->  merged: 10 + 1 + 1 = 12
 *
 * An increment leaves other actors' counters on its own base uncovered, so their sums live on. Everything here is pure.
 */
import { compareRanked, type Dot, type Ranked } from '../protocol/dot.js';
import {
  emptyClock,
  noBase,
  versionKind,
  type CounterVersion,
  type PlainVersion,
  type TallyVersion,
  type Version,
  type VersionedRecord,
} from '../protocol/record.js';
import { joinable, joinHyperLogLogs } from './hyperloglog.js';
import { assertNotBelow, replacing, unburied } from './merge.js';

export const int64Min = -(2n ** 63n);
export const int64Max = 2n ** 63n - 1n;

export interface ShownString {
  /** Shared with the record when it is a plain version; never mutated. */
  readonly bytes: Buffer;
  /** Unix ms; 0 = never. */
  readonly expiresAtMs: number;
  /** The latest write among those shown. */
  readonly latest: Ranked;
  /** The HyperLogLogs whose join is shown; none when it is a single version's value, or a sum. */
  readonly joined: readonly PlainVersion[];
}

/** What a client sees, or undefined of a record without versions. A merged sum beyond 64 bits shows the nearest that fits. */
export function shownString(record: VersionedRecord): ShownString | undefined {
  const shown = resolve(record.versions);
  if (shown === undefined) return undefined;
  const { latest } = shown;
  const bytes = shown.plain === undefined ? Buffer.from(String(clamp(shown.total)), 'latin1') : shown.plain.bytes;
  return { bytes, expiresAtMs: latest.expiresAtMs, latest, joined: shown.joined };
}

export interface Incremented {
  /** The record to write. Merged with the one incremented, it shows `value`. */
  readonly record: VersionedRecord;
  readonly value: bigint;
}

/** Adds `by` to what the record shows (nothing is 0), keeping the expiry. `dot` must not be below what its actor wrote to the record. */
export function incremented(
  record: VersionedRecord | undefined,
  dot: Dot,
  term: number,
  by: bigint,
): Incremented | 'not-an-integer' | 'overflow' {
  const shown = record === undefined ? undefined : resolve(record.versions);
  if (record === undefined || shown === undefined) {
    if (!fitsInt64(by)) return 'overflow';
    const version = counterVersion(dot, term, 0, noBase, 0n, by);
    return { record: replacing(record, version), value: by };
  }
  const before = shown.plain === undefined ? clamp(shown.total) : parseInteger(shown.plain.bytes);
  if (before === undefined) return 'not-an-integer';
  const value = before + by;
  if (!fitsInt64(value)) return 'overflow';
  const sum = ownSum(record.versions, dot.actor, shown.base) + by;
  const { expiresAtMs } = shown.latest;
  if (!fitsInt64(sum) || (shown.plain === undefined && shown.total !== before)) {
    // The sums have left 64 bits, alone or together: a new base, which replaces them all, is the only way to write the value down.
    return { record: replacing(record, plainVersion(dot, term, expiresAtMs, Buffer.from(String(value), 'latin1'))), value };
  }
  const version =
    shown.plain === undefined
      ? counterVersion(dot, term, expiresAtMs, shown.base, shown.amount, sum)
      : counterVersion(dot, term, expiresAtMs, nameOf(shown.plain), before, sum);
  return { record: besideOtherSums(record, version), value };
}

/**
 * The record to write for a new expiry (Unix ms, 0 = none), or undefined when the record shows nothing. A plain value is written
 * anew; of a counter only this actor's sum is, so that concurrent increments live on.
 */
export function withExpiry(record: VersionedRecord, dot: Dot, term: number, expiresAtMs: number): VersionedRecord | undefined {
  const shown = resolve(record.versions);
  if (shown === undefined) return undefined;
  if (shown.plain !== undefined) return replacing(record, plainVersion(dot, term, expiresAtMs, shown.plain.bytes));
  const sum = ownSum(record.versions, dot.actor, shown.base);
  return besideOtherSums(record, counterVersion(dot, term, expiresAtMs, shown.base, shown.amount, sum));
}

/** An integer as Redis accepts one in a string (string2ll): 64 bits, no spaces, no plus, no leading zeros, no "-0". */
export function parseInteger(bytes: Buffer): bigint | undefined {
  const length = bytes.length;
  if (length === 0 || length > 20) return undefined;
  const negative = bytes[0] === 0x2d;
  const start = negative ? 1 : 0;
  if (bytes[start] === 0x30) return length === 1 ? 0n : undefined;
  if (start === length) return undefined;
  let small = 0;
  for (let i = start; i < length; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return undefined;
    small = small * 10 + digit;
  }
  if (small <= Number.MAX_SAFE_INTEGER) return BigInt(negative ? -small : small);
  const large = BigInt(bytes.toString('latin1'));
  return fitsInt64(large) ? large : undefined;
}

interface Shown {
  readonly base: Ranked;
  /** The latest version among those shown. */
  readonly latest: Version;
  /** The value when no counter names the base, joined ones in one; amount and total mean nothing then. */
  readonly plain: PlainVersion | undefined;
  readonly joined: readonly PlainVersion[];
  readonly amount: bigint;
  /** Exact: may exceed 64 bits. */
  readonly total: bigint;
}

function resolve(versions: readonly Version[]): Shown | undefined {
  const first = versions[0];
  if (first === undefined) return undefined;
  if (versions.length === 1) {
    if (first.kind === versionKind.tally) return undefined; // a sorted set's, which nobody writes to a string
    if (first.kind === versionKind.plain) return { base: first, latest: first, plain: first, joined: none, amount: 0n, total: 0n };
    return { base: first.base, latest: first, plain: undefined, joined: none, amount: first.amount, total: first.amount + first.sum };
  }
  const base = latestBase(versions) as Ranked;
  let plain: PlainVersion | undefined;
  let latest: CounterVersion | undefined;
  let sums = 0n;
  for (const version of versions) {
    if (compareRanked(baseOf(version), base) !== 0) continue;
    if (version.kind === versionKind.plain) {
      plain = version;
    } else if (version.kind === versionKind.counter) {
      sums += version.sum;
      if (latest === undefined || compareRanked(version, latest) > 0) latest = version;
    }
  }
  if (latest !== undefined)
    return { base: latest.base, latest, plain: undefined, joined: none, amount: latest.amount, total: latest.amount + sums };
  if (plain === undefined) return undefined;
  const winner = plain;
  const joined = joinable(winner, versions.filter(isPlain));
  if (joined.length <= 1) return { base, latest: winner, plain: winner, joined: none, amount: 0n, total: 0n };
  const value = { ...winner, bytes: joinHyperLogLogs(joined.map(({ bytes }) => bytes)) };
  return { base, latest: winner, plain: value, joined, amount: 0n, total: 0n };
}

/** What the latest of the versions stands on; undefined when there is none. */
export function latestBase(versions: readonly Version[]): Ranked | undefined {
  let base: Ranked | undefined;
  for (const version of versions) {
    const other = baseOf(version);
    if (base === undefined || compareRanked(other, base) > 0) base = other;
  }
  return base;
}

const none: readonly PlainVersion[] = [];
const isPlain = (version: Version): version is PlainVersion => version.kind === versionKind.plain;

/** What the version stands on; a plain version is its own. */
export function baseOf(version: Version): Ranked {
  return version.kind === versionKind.plain ? version : version.base;
}

/** The name alone: a counter must not keep its base's bytes in memory. */
export function nameOf({ actor, counter, term }: Ranked): Ranked {
  return { actor, counter, term };
}

/** What this actor has added to the base so far. */
function ownSum(versions: readonly Version[], actor: number, base: Ranked): bigint {
  for (const version of versions) {
    if (version.actor === actor && version.kind === versionKind.counter && compareRanked(version.base, base) === 0) return version.sum;
  }
  return 0n;
}

/** The record that replaces all that `old` holds but other actors' sums on the same base. */
export function besideOtherSums(old: VersionedRecord, version: CounterVersion | TallyVersion): VersionedRecord {
  assertNotBelow(old, version);
  if (old.versions.length <= 1 && old.context.size === 0 && (old.versions[0]?.actor ?? version.actor) === version.actor) {
    return { context: old.context, versions: [version] };
  }
  const context = new Map(old.context);
  for (const other of old.versions) {
    const livesOn = other.kind === version.kind && compareRanked(other.base, version.base) === 0;
    if (!livesOn && (context.get(other.actor) ?? 0) < other.counter) context.set(other.actor, other.counter);
  }
  context.delete(version.actor);
  return unburied({ context: context.size === 0 ? emptyClock : context, versions: [version] });
}

function plainVersion({ actor, counter }: Dot, term: number, expiresAtMs: number, bytes: Buffer): PlainVersion {
  return { kind: versionKind.plain, actor, counter, term, expiresAtMs, bytes };
}

function counterVersion(
  { actor, counter }: Dot,
  term: number,
  expiresAtMs: number,
  base: Ranked,
  amount: bigint,
  sum: bigint,
): CounterVersion {
  return { kind: versionKind.counter, actor, counter, term, expiresAtMs, base, amount, sum };
}

function clamp(total: bigint): bigint {
  if (total > int64Max) return int64Max;
  return total < int64Min ? int64Min : total;
}

function fitsInt64(value: bigint): boolean {
  return value >= int64Min && value <= int64Max;
}
