/**
 * Merging records: the one rule, for every type alike, by which replicas that saw different writes come to hold the same
 * (ARCHITECTURE.md, "Records and merging"; dotted version vector sets: Preguiça et al., "Dotted Version Vectors", 2010). The merged context is the
 * pointwise maximum; a version stays if both records have it, or if the other's context does not cover its dot. That is
 * commutative, associative and idempotent; a single value with "later wins" is not.
 *
 * A deletion under strict quorums says its term as well (`deletionTerm`, in the context, so the maximum of both is kept): versions of older terms are buried, though
 * nobody who deleted had seen them. Whoever took over had all that was acknowledged before, so they are of a coordinator that was superseded, and what such
 * a one made of the value that it still held must not outlive the deletion (docs/decisions, "Deletions say their term").
 *
 * Invariant: every record made here is in normal form (record.ts): versions by actor, and a context without what they already say.
 */
import { compareTerms, noTerm, type Dot, type Term } from '../protocol/dot.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import {
  deletionTerm,
  emptyClock,
  encodeClock,
  versionKind,
  type VectorClock,
  type Version,
  type VersionedRecord,
} from '../protocol/record.js';
import { clocksEqual, covers, coversClock, maxClock, plusDot, withoutActor } from './vector-clock.js';

const noBytes: Buffer = Buffer.alloc(0);

/** What a replica holds where it has no record. */
export const emptyRecord: VersionedRecord = { context: emptyClock, versions: [] };

/** All that the record has seen: the dots of its context and of its versions. */
export function effectiveContext(record: VersionedRecord): VectorClock {
  return withoutActor(wholeContext(record), deletionTerm);
}

/** The same with the newest deletion's term: what a record that follows this one has to carry on. */
function wholeContext(record: VersionedRecord): VectorClock {
  let result = record.context;
  for (const version of record.versions) result = plusDot(result, version);
  return result;
}

/** Whether the effective context covers the dot; builds nothing. */
export function recordCovers(record: VersionedRecord, dot: Dot): boolean {
  for (const version of record.versions) {
    if (version.actor === dot.actor && version.counter >= dot.counter) return true;
  }
  return covers(record.context, dot);
}

/** Both records may be shared with the result, which is x or y itself where one has seen all of the other. */
export function mergeRecords(x: VersionedRecord, y: VersionedRecord): VersionedRecord {
  if (x === y || supersedes(x, y)) return x;
  if (supersedes(y, x)) return y;
  const versions = survivors(x, y);
  return { context: contextBeside(maxClock(wholeContext(x), wholeContext(y)), versions), versions };
}

/** Whether a deletion that the record has seen is of a newer term than the version. No record holds a version that it buries itself. */
function buries({ context }: VersionedRecord, version: Version): boolean {
  return context.size > 0 && (context.get(deletionTerm) ?? 0) > version.term;
}

/** The newest term that the record tells of. A deletion does not say who coordinated in its term: actor 0, which is below all members. */
export function newestTerm({ context, versions }: VersionedRecord): Term {
  let newest = context.size > 0 ? { counter: context.get(deletionTerm) ?? 0, actor: 0 } : noTerm;
  for (const { term: counter, actor } of versions) if (compareTerms({ counter, actor }, newest) > 0) newest = { counter, actor };
  return newest;
}

/** The record as it has to be where its versions may be of an older term than a deletion that it has seen: then they are gone at once. */
export function unburied(record: VersionedRecord): VersionedRecord {
  if (!record.versions.some((version) => buries(record, version))) return record;
  const versions = record.versions.filter((version) => !buries(record, version));
  return { context: contextBeside(wholeContext(record), versions), versions };
}

/** Whether merging leaves `newer`: both have at most one version, and all that `older` has seen, and not the version of `newer`, is covered. */
function supersedes(newer: VersionedRecord, older: VersionedRecord): boolean {
  if (newer.versions.length > 1 || older.versions.length > 1) return false;
  const mine = newer.versions[0];
  const theirs = older.versions[0];
  if (theirs !== undefined && !recordCovers(newer, theirs)) return false;
  for (const [actor, counter] of older.context) {
    if (!recordCovers(newer, { actor, counter })) return false;
  }
  return mine === undefined || (theirs !== undefined && sameDot(mine, theirs)) || !recordCovers(older, mine);
}

/** The versions that stay; a merge join, since both lists are in the order of their actors. */
function survivors(x: VersionedRecord, y: VersionedRecord): Version[] {
  const result: Version[] = [];
  let i = 0;
  let j = 0;
  while (i < x.versions.length || j < y.versions.length) {
    const mine = x.versions[i];
    const theirs = y.versions[j];
    if (mine !== undefined && theirs !== undefined && sameDot(mine, theirs)) {
      result.push(mine);
      i++;
      j++;
    } else if (mine !== undefined && (theirs === undefined || mine.actor <= theirs.actor)) {
      if (!recordCovers(y, mine) && !buries(y, mine)) result.push(mine);
      i++;
    } else if (theirs !== undefined) {
      if (!recordCovers(x, theirs) && !buries(x, theirs)) result.push(theirs);
      j++;
    }
  }
  return result;
}

/** The context to store beside versions so that the effective one is `effective`. */
function contextBeside(effective: VectorClock, versions: readonly Version[]): VectorClock {
  let result = effective;
  for (const version of versions) {
    if ((effective.get(version.actor) ?? 0) <= version.counter) result = withoutActor(result, version.actor);
  }
  return result;
}

/** What a record from a peer (read, repair, comparison) is judged by. */
export interface PeerMerge {
  /** This replica's gapless clock of the partition. */
  readonly seen: VectorClock;
  /** The peer's, as of the instant it sent the record. */
  readonly peerSeen: VectorClock;
  /** The maximum of every context, cut and deleting dot that this replica ever dropped in the partition. */
  readonly purged: VectorClock;
  /** The cut of the record's collection; empty when it has none. */
  readonly cut: VectorClock;
}

/**
 * Merges a record that a peer sent. A version that `seen` covers and that this replica neither holds nor has a context for was lost
 * here, or was removed and then forgotten. Only a peer that has seen all that was forgotten can be believed that it was lost. From
 * any other the whole record is discarded, and is to be fetched anew.
 */
export function mergeFromPeer(
  mine: VersionedRecord | undefined,
  theirs: VersionedRecord,
  peer: PeerMerge,
): { readonly record: VersionedRecord; /** Something of it was. */ readonly wasLost: boolean } | 'discard' {
  const held = mine ?? emptyRecord;
  const missing = theirs.versions.some(
    (version) => covers(peer.seen, version) && !recordCovers(held, version) && !covers(peer.cut, version),
  );
  if (missing && !coversClock(peer.peerSeen, peer.purged)) return 'discard';
  return { record: applyCut(mergeRecords(held, theirs), peer.cut), wasLost: missing };
}

/** The record without the versions that a deletion of its collection covers. What it has seen stays the same. */
export function applyCut(record: VersionedRecord, cut: VectorClock): VersionedRecord {
  if (cut.size === 0 || !record.versions.some((version) => covers(cut, version))) return record;
  const versions = record.versions.filter((version) => !covers(cut, version));
  return { context: contextBeside(wholeContext(record), versions), versions };
}

/**
 * The same as it is to be stored: without what the cut covers of its context, too, since the deletion, which is kept, says as much. So it does not matter whether the deletion, what lay under it, or what was
 * written after it came first. The same object where nothing goes.
 */
export function underCut(record: VersionedRecord, cut: VectorClock): VersionedRecord {
  if (cut.size === 0) return record;
  const left = applyCut(record, cut);
  const term = left.context.get(deletionTerm);
  const kept = [...left.context].filter(([actor, counter]) => actor !== deletionTerm && counter > (cut.get(actor) ?? 0));
  if (kept.length === 0 && left.versions.length === 0) return emptyRecord;
  if (kept.length + (term === undefined ? 0 : 1) === left.context.size) return left;
  if (kept.length > 0 && term !== undefined) kept.push([deletionTerm, term]); // it goes with the last deletion
  return { context: kept.length === 0 ? emptyClock : new Map(kept), versions: left.versions };
}

/**
 * What the `deleted` record of a collection kills: all that its writers had seen, and of their own actors all but the deletions themselves. So a
 * deletion covers what its actor wrote before, and nothing of its own batch.
 */
export function cutOf(deleted: VersionedRecord): VectorClock {
  if (deleted.versions.length === 0) return deleted.context;
  const cut = new Map(deleted.context);
  for (const { actor, counter } of deleted.versions) cut.set(actor, Math.max(cut.get(actor) ?? 0, counter - 1));
  return cut;
}

/** The record that deletes all that `seen` covers of a collection, in term `term`; `old` is the one before it. */
export function deletingAll(old: VersionedRecord | undefined, seen: VectorClock, { actor, counter }: Dot, term: number): VersionedRecord {
  const before = maxClock(seen, effectiveContext(old ?? emptyRecord));
  if (old !== undefined) assertNotBelow(old, { actor, counter });
  const version = { kind: versionKind.plain, actor, counter, term, expiresAtMs: 0, bytes: noBytes } as const;
  return { context: withoutActor(before, actor), versions: [version] };
}

/**
 * Throws when a write's dot is below what its actor wrote to the record: a bug that would lose the write. The same dot is the same
 * command, which may write a key more than once before its batch is sent (MSET k 1 k 2).
 */
export function assertNotBelow(old: VersionedRecord, { actor, counter }: Dot): void {
  let last = old.context.get(actor) ?? 0;
  for (const version of old.versions) if (version.actor === actor && version.counter > last) last = version.counter;
  if (counter < last) throw new Error(`write ${actor}:${counter} is below ${actor}:${last}, which its actor wrote before`);
}

/** The record of a write that saw `old` and replaces all of it. The version's counter must not be below what its actor wrote before. */
export function replacing(old: VersionedRecord | undefined, version: Version): VersionedRecord {
  if (old === undefined) return { context: emptyClock, versions: [version] };
  assertNotBelow(old, version);
  const first = old.versions[0];
  if (first !== undefined && old.versions.length === 1 && first.actor === version.actor && old.context.size === 0)
    return { context: emptyClock, versions: [version] };
  return unburied({ context: withoutActor(wholeContext(old), version.actor), versions: [version] });
}

/** The record of a deletion that saw `old`: a tombstone. With `term`, above 0, it buries what it did not see of older terms. */
export function deleting(old: VersionedRecord | undefined, dot: Dot, term = 0): VersionedRecord {
  if (old !== undefined) assertNotBelow(old, dot);
  const context = plusDot(wholeContext(old ?? emptyRecord), dot);
  return { context: term === 0 ? context : plusDot(context, { actor: deletionTerm, counter: term }), versions: [] };
}

/** The record as one sees it whose versions have expired: all of it seen, nothing shown. What a write over them starts from. */
export function withoutVersions(record: VersionedRecord): VersionedRecord {
  return { context: wholeContext(record), versions: [] };
}

/** Whether both have seen the same and hold the same versions: then they are interchangeable. */
export function recordsEqual(x: VersionedRecord, y: VersionedRecord): boolean {
  if (x === y) return true;
  if (x.versions.length !== y.versions.length) return false;
  return x.versions.every((version, i) => sameDot(version, y.versions[i] as Version)) && clocksEqual(x.context, y.context);
}

/**
 * A token that is equal for equal records only (recordsEqual): to compare replicas without sending values. Owned by the caller.
 *
 *   absent          nothing
 *   one version     actor u32 | counter u64
 *   any other       clock | (actor u32 | counter u64)*        two bytes longer than a multiple of twelve
 */
export function recordVersion(record: VersionedRecord | undefined): Buffer {
  if (record === undefined || (record.versions.length === 0 && record.context.size === 0)) return Buffer.alloc(0);
  const { context, versions } = record;
  const first = versions[0];
  if (first !== undefined && versions.length === 1 && context.size === 0) return dotToken(first);
  tokenWriter.reset();
  encodeClock(tokenWriter, context);
  for (const { actor, counter } of versions) {
    tokenWriter.u32(actor);
    tokenWriter.counter(counter);
  }
  return Buffer.from(tokenWriter.view());
}

const tokenWriter = new ByteWriter(64);

/** recordVersion of a record of one version with nothing else seen. */
export function dotToken({ actor, counter }: Dot): Buffer {
  const token = Buffer.allocUnsafe(12);
  token.writeUInt32BE(actor, 0);
  token.writeUInt32BE(Math.floor(counter / 0x1_0000_0000), 4);
  token.writeUInt32BE(counter >>> 0, 8);
  return token;
}

function sameDot(x: Dot, y: Dot): boolean {
  return x.actor === y.actor && x.counter === y.counter;
}
