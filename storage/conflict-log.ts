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
import type { KeyTable } from './key-table.js';
import { shownValue } from './shown-value.js';
import { baseOf } from './string-value.js';

const conflictsMax = 128;
const valueBytesMax = 128;

export const conflictTypes = ['string', 'counter'] as const;
export type ConflictType = (typeof conflictTypes)[number];

/** By which rule what is shown was chosen. */
const ruleOf: Readonly<Record<ConflictType, string>> = {
  string: 'the latest value wins, by term, counter and actor',
  counter: 'the latest base wins, and the sums on it add up',
};

export interface ConflictingVersion {
  readonly actor: number;
  readonly counter: number;
  readonly term: number;
  /** The first bytes of the value; a counter's is what it adds and to what: `10 + 3`. Owned. */
  readonly value: Buffer;
  /** The rule shows it, or adds it up. */
  readonly shown: boolean;
}

export interface Conflict {
  readonly partition: number;
  /** Owned. */
  readonly key: Buffer;
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
  readonly counts: Record<ConflictType, number> = { string: 0, counter: 0 };
  /** In the order in which they were met. */
  private readonly kept = new Map<number, Conflict>();
  private nextNumber = 0;
  /** Open ones among those kept, by key in latin1. */
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

  /** `before` became `after` at `entry`; one of them has several versions. */
  changed(partition: number, table: KeyTable, entry: number, before: VersionedRecord | undefined, after: VersionedRecord): void {
    const isOpen = competes(after.versions);
    if (this.isReplaying || (!isOpen && this.open.size === 0)) return;
    const name = table.nameOf(entry);
    const known = this.open.get(name);
    if (isOpen) {
      const isNew = before === undefined || after.versions.some((version) => !hasDot(before.versions, version));
      if (isNew) this.met(partition, name, after, known);
    } else if (known !== undefined) this.covered(name, known);
  }

  private met(partition: number, name: string, record: VersionedRecord, known: number | undefined): void {
    const { versions } = record;
    const type = versions.some(({ kind }) => kind !== versionKind.plain) ? 'counter' : 'string';
    if (known === undefined) this.counts[type]++;
    const best = latestBase(versions);
    const shown = Buffer.from((shownValue(record)?.bytes ?? Buffer.alloc(0)).subarray(0, valueBytesMax));
    const number = known ?? this.nextNumber++;
    const metAtMs = (known === undefined ? undefined : this.kept.get(known)?.metAtMs) ?? this.clock.wallMs();
    this.kept.set(number, {
      partition,
      key: Buffer.from(name, 'latin1'),
      type,
      rule: ruleOf[type],
      metAtMs,
      versions: versions.map((version) => described(version, isShown(version, versions, best))),
      shown,
      coveredAtMs: undefined,
    });
    this.open.set(name, number);
    if (this.kept.size > conflictsMax) this.dropOldest();
  }

  private covered(name: string, number: number): void {
    this.open.delete(name);
    const conflict = this.kept.get(number);
    if (conflict !== undefined) this.kept.set(number, { ...conflict, coveredAtMs: this.clock.wallMs() });
  }

  private dropOldest(): void {
    for (const [number, { key }] of this.kept) {
      this.kept.delete(number);
      const name = key.toString('latin1');
      if (this.open.get(name) === number) this.open.delete(name);
      return;
    }
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
