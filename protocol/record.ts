/**
 * The record: Torc's unit of versioning, repair and storage (ARCHITECTURE.md, "Records and merging").
 *
 * A record is {context, versions}: a dotted version vector set. A write's context is all it saw of the record, and its own dot; it
 * replaces the versions it saw. A deletion is a record with a context and no versions. In memory and in bytes a record's
 * `context` leaves out what its own dots already say: the effective context is max(context, dots of versions), so
 * the common case (one version, nothing else seen) has an empty one.
 *
 * Bytes, big-endian; one record has one encoding, so equal records are equal bytes:
 *
 *   record    0x01 | version to the end                       one version, empty context
 *             0x02 | clock | count u16 | (length u32 | version)*     any other; versions by actor, ascending
 *   clock     count u16 | (actor u32 | counter u64)*          by actor, ascending; in a context actor 0 stands for `deletionTerm`
 *   version   kind u8 | actor u32 | counter u64 | term u64 | [expiry u64] | body
 *             the kind's high bit says that the expiry (Unix ms) is there
 *   body      plain (1): the value, to the end
 *             counter (2): base term u64 | base actor u32 | base counter u64 | amount i64 | sum i64
 *             tally (3):   base term u64 | base actor u32 | base counter u64 | amount f64 | sum f64 | remainder f64
 *   deleted   0x03 | clock cut | clock by                     the header record of a deleted collection
 */
import { ByteReader } from './byte-reader.js';
import type { ByteWriter } from './byte-writer.js';
import type { Ranked } from './dot.js';
import { FormatError } from './format-error.js';

/** actor -> counter. Never mutated once it is part of a record or was handed out. */
export type VectorClock = ReadonlyMap<number, number>;

/**
 * In a record's context, in place of an actor: the newest term in which the record was deleted under strict quorums. Members have numbers from 1 on, so no actor
 * is 0. It is no dot that a replica could have seen (storage/merge.ts).
 */
export const deletionTerm = 0;

export const emptyClock: VectorClock = new Map();

export const versionKind = { plain: 1, counter: 2, tally: 3 } as const;

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

/** The same of a sorted set's score, in doubles, all finite. A sum is two of them, the second what the first could not hold (storage/score-value.ts). */
export interface TallyVersion extends Ranked {
  readonly kind: typeof versionKind.tally;
  readonly expiresAtMs: number;
  /** All zero when there was none, as `amount` is then. */
  readonly base: Ranked;
  readonly amount: number;
  readonly sum: number;
  readonly remainder: number;
}

export type Version = PlainVersion | CounterVersion | TallyVersion;

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

/** The base of a counter that began from nothing. */
export const noBase: Ranked = { actor: 0, counter: 0, term: 0 };

/** The first byte of an encoded record. */
export const recordShape = { oneVersion: 1, general: 2, deleted: 3 } as const;
/** An actor and a counter. */
export const dotBytes = 12;
/** The record of one deletion with nothing else seen: a clock of one actor, or of two with `deletionTerm`, and no versions. */
export const tombstoneBytes = 1 + 2 + dotBytes + 2;
/** In a version's kind: an expiry follows. */
export const expiryFlag = 0x80;
const countMax = 0xffff;
const noBytes: Buffer = Buffer.alloc(0);
/** Kind, dot and term of a version, without its expiry. */
const versionHeadBytes = 21;
/** The same of a record of one plain version, an expiry with it. */
export const plainHeadBytesMost = 1 + versionHeadBytes + 8;

/** Appends a record. Its context may name its own versions' dots; they are written as they are. */
export function encodeRecord(writer: ByteWriter, record: VersionedRecord): void {
  const { context, versions } = record;
  const first = versions[0];
  if (first !== undefined && versions.length === 1 && context.size === 0) {
    writer.u8(recordShape.oneVersion);
    encodeVersion(writer, first);
    return;
  }
  if (versions.length > countMax) throw new RangeError(`${versions.length} versions in one record`);
  writer.u8(recordShape.general);
  encodeClock(writer, context);
  writer.u16(versions.length);
  for (const version of versions) {
    const lengthAt = writer.length;
    writer.u32(0);
    encodeVersion(writer, version);
    writer.patchU32(lengthAt, writer.length - lengthAt - 4);
  }
}

/**
 * Appends a record but for the bytes at its very end, where those are the only value of one version and more than `bytesMost`: they are returned, borrowed from
 * the record, and follow what was appended. Undefined = all of it was appended.
 */
export function encodeRecordAround(writer: ByteWriter, record: VersionedRecord, bytesMost: number): Buffer | undefined {
  const { context, versions } = record;
  const [version] = versions;
  if (versions.length !== 1 || version?.kind !== versionKind.plain || version.bytes.length <= bytesMost) {
    encodeRecord(writer, record);
    return undefined;
  }
  encodeRecord(writer, { context, versions: [{ ...version, bytes: noBytes }] });
  if (context.size > 0) {
    const headBytes = versionHeadBytes + (version.expiresAtMs === 0 ? 0 : 8);
    writer.patchU32(writer.length - headBytes - 4, headBytes + version.bytes.length);
  }
  return version.bytes;
}

/** Appends the record of one plain version with nothing else seen, whose value is `length` bytes of `bytes` from `from`. */
export function encodePlain(
  writer: ByteWriter,
  actor: number,
  counter: number,
  term: number,
  expiresAtMs: number,
  bytes: Buffer,
  from: number,
  length: number,
): void {
  writer.u8(recordShape.oneVersion);
  writer.u8(expiresAtMs === 0 ? versionKind.plain : versionKind.plain | expiryFlag);
  writer.u32(actor);
  writer.counter(counter);
  writer.counter(term);
  if (expiresAtMs !== 0) writer.counter(expiresAtMs);
  writer.part(bytes, from, length);
}

/** Copies nothing: the versions' bytes are parts of `bytes`, which must outlive the record (see ownRecord). Throws FormatError. */
export function decodeRecord(bytes: Buffer): VersionedRecord {
  return readRecord(new ByteReader(bytes), bytes.length);
}

/** The encoded record is one plain version that `seen` covers: told without decoding it. */
export function isPlainWithin(bytes: Buffer, seen: VectorClock): boolean {
  if (bytes.length < 2 + dotBytes || bytes[0] !== recordShape.oneVersion) return false;
  if (((bytes[1] as number) & ~expiryFlag) !== versionKind.plain) return false;
  return (seen.get(bytes.readUInt32BE(2)) ?? 0) >= bytes.readUInt32BE(6) * 2 ** 32 + bytes.readUInt32BE(10);
}

/** As decodeRecord, from within other bytes: the record takes `length` of what `reader` has left; with `owned` its bytes are copied. */
export function readRecord(reader: ByteReader, length: number, owned = false): VersionedRecord {
  const end = reader.position + length;
  const first = reader.u8();
  if (first === recordShape.oneVersion) return { context: emptyClock, versions: [readVersion(reader, end, owned)] };
  if (first !== recordShape.general) throw new FormatError('UNKNOWN', `record of shape ${first}`);
  const context = decodeClock(reader);
  const count = reader.u16();
  const versions: Version[] = [];
  let lastActor = -1;
  for (let i = 0; i < count; i++) {
    const versionBytes = reader.u32();
    const version = readVersion(reader, reader.position + versionBytes, owned);
    if (version.actor <= lastActor) throw new FormatError('INVALID', 'versions of a record are not in the order of their actors');
    lastActor = version.actor;
    versions.push(version);
  }
  if (reader.position !== end) throw new FormatError('INVALID', `a record ends at ${reader.position} instead of ${end}`);
  if (count === 1 && context.size === 0) throw new FormatError('INVALID', 'a record of one version in the general shape');
  return { context, versions };
}

/** The same record with its bytes in memory of its own: for keeping what was decoded from a frame or a file's chunk. */
export function ownRecord(record: VersionedRecord): VersionedRecord {
  const { context, versions } = record;
  const only = versions[0];
  return { context, versions: only !== undefined && versions.length === 1 ? [ownVersion(only)] : versions.map(ownVersion) };
}

function ownVersion(version: Version): Version {
  if (version.kind !== versionKind.plain) return version;
  const { actor, counter, term, kind, expiresAtMs, bytes } = version;
  const own = Buffer.allocUnsafe(bytes.length);
  own.set(bytes);
  return { actor, counter, term, kind, expiresAtMs, bytes: own };
}

/** Appends a clock, by actor ascending. */
export function encodeClock(writer: ByteWriter, clock: VectorClock): void {
  if (clock.size > countMax) throw new RangeError(`${clock.size} actors in one clock`);
  writer.u16(clock.size);
  if (clock.size === 0) return;
  const entries = clock.size === 1 ? clock : [...clock].sort(([x], [y]) => x - y);
  for (const [actor, counter] of entries) {
    writer.u32(actor);
    writer.counter(counter);
  }
}

/** Throws FormatError. */
export function decodeClock(reader: ByteReader): VectorClock {
  const count = reader.u16();
  if (count === 0) return emptyClock;
  const clock = new Map<number, number>();
  let lastActor = -1;
  for (let i = 0; i < count; i++) {
    const actor = reader.u32();
    if (actor <= lastActor) throw new FormatError('INVALID', "a clock's actors are not in order");
    lastActor = actor;
    clock.set(actor, reader.counter());
  }
  return clock;
}

export function encodeDeleted(writer: ByteWriter, deleted: Deleted): void {
  writer.u8(recordShape.deleted);
  encodeClock(writer, deleted.cut);
  encodeClock(writer, deleted.by);
}

/** Throws FormatError. */
export function decodeDeleted(bytes: Buffer): Deleted {
  const reader = new ByteReader(bytes);
  const first = reader.u8();
  if (first !== recordShape.deleted) throw new FormatError('UNKNOWN', `deletion of shape ${first}`);
  const cut = decodeClock(reader);
  const by = decodeClock(reader);
  if (reader.remaining > 0) throw new FormatError('INVALID', `${reader.remaining} bytes after a deletion`);
  return { cut, by };
}

function encodeVersion(writer: ByteWriter, version: Version): void {
  const { kind, actor, counter, term, expiresAtMs } = version;
  writer.u8(expiresAtMs === 0 ? kind : kind | expiryFlag);
  writer.u32(actor);
  writer.counter(counter);
  writer.counter(term);
  if (expiresAtMs !== 0) writer.counter(expiresAtMs);
  if (version.kind === versionKind.plain) {
    writer.bytes(version.bytes);
    return;
  }
  const { base } = version;
  writer.counter(base.term);
  writer.u32(base.actor);
  writer.counter(base.counter);
  if (version.kind === versionKind.counter) {
    writer.i64(version.amount);
    writer.i64(version.sum);
  } else {
    writer.f64(version.amount);
    writer.f64(version.sum);
    writer.f64(version.remainder);
  }
}

function readVersion(reader: ByteReader, end: number, owned: boolean): Version {
  const first = reader.u8();
  const kind = first & ~expiryFlag;
  const actor = reader.u32();
  const counter = reader.counter();
  const term = reader.counter();
  const expiresAtMs = first === kind ? 0 : reader.counter();
  if (first !== kind && expiresAtMs === 0) throw new FormatError('INVALID', 'an expiry of zero');
  if (kind === versionKind.plain) {
    const length = end - reader.position;
    return { kind, actor, counter, term, expiresAtMs, bytes: owned ? reader.ownBytes(length) : reader.bytes(length) };
  }
  if (kind !== versionKind.counter && kind !== versionKind.tally) throw new FormatError('UNKNOWN', `version of kind ${kind}`);
  const baseTerm = reader.counter();
  const baseActor = reader.u32();
  const baseCounter = reader.counter();
  const base = baseCounter === 0 && baseActor === 0 && baseTerm === 0 ? noBase : { actor: baseActor, counter: baseCounter, term: baseTerm };
  if (kind === versionKind.tally) {
    const [amount, sum, remainder] = [reader.f64(), reader.f64(), reader.f64()];
    if (![amount, sum, remainder].every(Number.isFinite)) throw new FormatError('INVALID', 'a tally that is not finite');
    if (reader.position !== end) throw new FormatError('INVALID', `a tally ends at ${reader.position} instead of ${end}`);
    return { kind, actor, counter, term, expiresAtMs, base, amount, sum, remainder };
  }
  const amount = reader.i64();
  const sum = reader.i64();
  if (reader.position !== end) throw new FormatError('INVALID', `a counter ends at ${reader.position} instead of ${end}`);
  return { kind, actor, counter, term, expiresAtMs, base, amount, sum };
}
