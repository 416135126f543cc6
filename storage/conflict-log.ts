/**
 * Versions that were written without one having seen the other, as this replica met them: TORC CONFLICTS. One is *open* from the merge that brought it
 * until a later write or merge covers all of its versions but one; what a client sees meanwhile is the rule's (string-value.ts).
 *
 * Sums of several actors on one base are how a counter is written, whether they saw each other or not, so they are no conflict: bases that compete are.
 * Only a record with several versions comes here, so this costs writes and merges without conflicts the look at one length.
 *
 * Invariant: all are counted; the last `conflictsMax` are kept, with the first `valueBytesMax` bytes of each value.
 */
import { compareRanked, type Ranked } from '../protocol/dot.js';
import { versionKind, type Version, type VersionedRecord } from '../protocol/record.js';
import type { Clock } from './clock.js';
import { shownValue } from './shown-value.js';
import { baseOf, shownString } from './string-value.js';

const conflictsMax = 128;
const valueBytesMax = 128;

export const conflictTypes = ['string', 'counter', 'hyperloglog', 'field', 'type'] as const;
export type ConflictType = (typeof conflictTypes)[number];

/** By which rule what is shown was chosen. */
const ruleOf: Readonly<Record<ConflictType, string>> = {
  string: 'the latest value wins, by term, counter and actor',
  counter: 'the latest base wins, and the sums on it add up',
  field: 'the latest value of a field wins, by term, counter and actor',
  type: 'of several types at one key the one with the latest value is seen, and the next write deletes the others',
  hyperloglog: 'the greatest of each register, of all that are HyperLogLogs as the latest is',
};

export interface ConflictingVersion {
  readonly actor: number;
  readonly counter: number;
  readonly term: number;
  /** The first bytes of the value; a counter's is what it adds and to what: `10 + 3`. Owned. */
  readonly value: Buffer;
  /** The rule shows it, adds it up or joins it. */
  readonly shown: boolean;
}

export interface Conflict {
  readonly partition: number;
  /** Owned. */
  readonly key: Buffer;
  /** Of a hash's field. Owned. */
  readonly field: Buffer | undefined;
  readonly type: ConflictType;
  readonly rule: string;
  /** Unix ms. */
  readonly metAtMs: number;
  readonly versions: readonly ConflictingVersion[];
  /** What they come to, its first bytes; owned. */
  readonly shown: Buffer;
  /** When it ended, Unix ms; undefined = it is open. */
  readonly coveredAtMs: number | undefined;
}

export class ConflictLog {
  /** Met since the process began. */
  readonly counts: Record<ConflictType, number> = { string: 0, counter: 0, hyperloglog: 0, field: 0, type: 0 };
  /** In the order in which they were met. */
  private readonly kept = new Map<number, Conflict>();
  private nextNumber = 0;
  /** Open ones among those kept, by key in latin1, and field after a NUL and an `f`; of types by key and a NUL and a `t`. */
  private readonly open = new Map<string, number>();
  /** What the log is replayed for at the start was met in an earlier run. */
  isReplaying = true;

  constructor(private readonly clock: Clock) {}

  /** The newest first. */
  newest(count: number): Conflict[] {
    return [...this.kept.values()].slice(-count).reverse();
  }

  get openCount(): number {
    return this.open.size;
  }

  /** `before` became `after` at a key, or a field of a hash, in latin1; one of them has several versions. */
  changed(partition: number, key: string, field: string | undefined, before: VersionedRecord | undefined, after: VersionedRecord): void {
    const isOpen = competes(after.versions);
    if (this.isReplaying || (!isOpen && this.open.size === 0)) return;
    const name = field === undefined ? key : `${key}\0f${field}`;
    const known = this.open.get(name);
    if (isOpen) {
      const isNew = before === undefined || after.versions.some((version) => !hasDot(before.versions, version));
      if (isNew) this.met(partition, name, key, field, after, known);
    } else if (known !== undefined) this.covered(name, known);
  }

  /** Values of several types are alive at a key (latin1): their names; undefined = of one at most. */
  typesChanged(partition: number, key: string, types: readonly string[] | undefined): void {
    const name = `${key}\0t`;
    const known = this.open.get(name);
    if (types === undefined) {
      if (known !== undefined) this.covered(name, known);
      return;
    }
    if (this.isReplaying || known !== undefined) return;
    this.counts.type++;
    this.keep(this.nextNumber++, name, {
      partition,
      key: Buffer.from(key, 'latin1'),
      field: undefined,
      type: 'type',
      rule: ruleOf.type,
      metAtMs: this.clock.wallMs(),
      versions: [],
      shown: Buffer.from(types.join(' ')),
      coveredAtMs: undefined,
    });
  }

  private met(
    partition: number,
    name: string,
    key: string,
    field: string | undefined,
    record: VersionedRecord,
    known: number | undefined,
  ): void {
    const { versions } = record;
    const plain = field === undefined ? 'string' : 'field';
    const { joined = [] } = shownString(record) ?? {};
    const whole = joined.length > 0 ? 'hyperloglog' : plain;
    const type = versions.some(({ kind }) => kind !== versionKind.plain) ? 'counter' : whole;
    if (known === undefined) this.counts[type]++;
    const best = latestBase(versions);
    const shown = Buffer.from((shownValue(record)?.bytes ?? Buffer.alloc(0)).subarray(0, valueBytesMax));
    const metAtMs = (known === undefined ? undefined : this.kept.get(known)?.metAtMs) ?? this.clock.wallMs();
    this.keep(known ?? this.nextNumber++, name, {
      partition,
      key: Buffer.from(key, 'latin1'),
      field: field === undefined ? undefined : Buffer.from(field, 'latin1'),
      type,
      rule: ruleOf[type],
      metAtMs,
      versions: versions.map((version) => described(version, hasDot(joined, version) || isShown(version, versions, best))),
      shown,
      coveredAtMs: undefined,
    });
  }

  private keep(number: number, name: string, conflict: Conflict): void {
    this.kept.set(number, conflict);
    this.open.set(name, number);
    if (this.kept.size > conflictsMax) this.dropOldest();
  }

  private covered(name: string, number: number): void {
    this.open.delete(name);
    const conflict = this.kept.get(number);
    if (conflict !== undefined) this.kept.set(number, { ...conflict, coveredAtMs: this.clock.wallMs() });
  }

  private dropOldest(): void {
    const [oldest] = this.kept.keys();
    if (oldest === undefined) return;
    this.kept.delete(oldest);
    for (const [name, number] of this.open) if (number === oldest) this.open.delete(name);
  }
}

/** Not all of the versions stand on one base. */
function competes(versions: readonly Version[]): boolean {
  const [first] = versions;
  if (first === undefined || versions.length === 1) return false;
  const base = baseOf(first);
  return versions.some((version) => compareRanked(baseOf(version), base) !== 0);
}

function latestBase(versions: readonly Version[]): Ranked {
  return versions.map(baseOf).reduce((best, base) => (compareRanked(base, best) > 0 ? base : best));
}

/** On the winning base; and where a counter stands on that, what it grew from is part of the counter. */
function isShown(version: Version, versions: readonly Version[], best: Ranked): boolean {
  if (compareRanked(baseOf(version), best) !== 0) return false;
  return version.kind !== versionKind.plain || !versions.some((other) => other !== version && compareRanked(baseOf(other), best) === 0);
}

function hasDot(versions: readonly Version[], { actor, counter }: Version): boolean {
  return versions.some((version) => version.actor === actor && version.counter === counter);
}

function described(version: Version, shown: boolean): ConflictingVersion {
  const { actor, counter, term } = version;
  const value =
    version.kind !== versionKind.plain
      ? Buffer.from(`${version.amount} + ${version.sum}`, 'latin1')
      : Buffer.from(version.bytes.subarray(0, valueBytesMax));
  return { actor, counter, term, value, shown };
}
