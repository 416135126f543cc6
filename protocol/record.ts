/**
 * The record: Torc's unit of versioning, repair and storage (ARCHITECTURE.md, "Records and merging").
 *
 * A record is {context, versions}: a dotted version vector set. A write's context is all it saw of the record, and its own dot; it
 * replaces the versions it saw. A deletion is a record with a context and no versions. In memory and in bytes a record's
 * `context` leaves out what its own dots already say: the effective context is max(context, dots of versions), so
 * the common case (one version, nothing else seen) has an empty one.
 */
import type { Ranked } from './dot.js';

/** actor -> counter. Never mutated once it is part of a record or was handed out. */
export type VectorClock = ReadonlyMap<number, number>;

export const emptyClock: VectorClock = new Map();

export const versionKind = { plain: 1, counter: 2 } as const;

/** A value as it was written: a string, a hash field, a set member (empty bytes), ... */
export interface PlainVersion extends Ranked {
  readonly kind: typeof versionKind.plain;
  /** Unix ms at which it hides; 0 = never. */
  readonly expiresAtMs: number;
  /** Owned by the record, never mutated. */
  readonly bytes: Buffer;
}

/** One actor's sum of increments on a base. What is shown is the latest base's amount plus the sums that name that base. */
export interface CounterVersion extends Ranked {
  readonly kind: typeof versionKind.counter;
  readonly expiresAtMs: number;
  /** The plain version the sum stands on, and its term; all zero when there was none (then `amount` is 0n). */
  readonly base: Ranked;
  /** The base's amount, a signed 64-bit integer. */
  readonly amount: bigint;
  /** This actor's increments since the base, a signed 64-bit integer. */
  readonly sum: bigint;
}

export type Version = PlainVersion | CounterVersion;

/** Versions are sorted by actor ascending, at most one per actor: a write covers all its own actor wrote before. */
export interface VersionedRecord {
  /** What was seen beyond the versions' own dots. */
  readonly context: VectorClock;
  readonly versions: readonly Version[];
}

/** The header record of a collection that was deleted: elements whose dot `cut` covers are dead; `by` holds the dots of the deletions. */
export interface Deleted {
  readonly cut: VectorClock;
  readonly by: VectorClock;
}
