/**
 * What a command sees while it runs: the objects of one partition and the batch it writes. Running is synchronous and is all or nothing:
 * the records collected here become one batch under one dot, or, when the command throws or answers an error, nothing.
 */
import type { Dot } from '../protocol/dot.js';
import type { VectorClock } from '../protocol/record.js';
import type { ErrorReply, Reply, StoredValue } from '../protocol/resp/reply.js';
import type { Scoring } from './combined-scores.js';
import type { ElementSource } from './element-source.js';
import type { LongWork } from './long-work.js';

/** A living string, as the type's rule shows it. */
export interface StringObject {
  /** The value's bytes; owned by the command, or shared and never mutated. */
  readonly bytes: Buffer;
  /** Unix ms, later than the execution's `nowMs`; 0 = no expiry. */
  readonly expiresAtMs: number;
}

/** Redis' answer to TYPE. */
export type TypeName = 'string' | 'hash' | 'set' | 'zset' | 'list' | 'stream';

/** Types whose values are made of elements. */
export type CollectionName = 'hash' | 'set' | 'zset' | 'list' | 'stream';

/** What is shown of each element, and in what. */
export type LongShape = 'map of elements' | 'set of elements' | 'elements' | 'values' | 'elements and values';

/** What is shown of elements by chance. */
export type RandomShape = 'elements' | 'paired elements' | 'scored members';

/** A part of a walk over a collection's elements. */
export interface ScannedElements {
  /** Element and value, one after the other. Owned by the caller. */
  readonly pairs: readonly Buffer[];
  /** Where to go on; undefined when it is over. */
  readonly next: number | undefined;
}

export type SetOperation = 'union' | 'inter' | 'diff';

/**
 * A living collection as a command sees it, its own writes included. Elements are fields, members; a set's values are empty. An element that is not in memory
 * shows as absent, and the command's whole run is made again once it is: nothing of the first run counts.
 */
export interface CollectionView {
  /** Living elements; O(1). */
  readonly size: number;
  has(element: Buffer): boolean;
  /** The value, owned by the caller; undefined when there is no such element. */
  get(element: Buffer): Buffer | undefined;
  /** Some elements may expire; false = none does. */
  readonly mayExpire: boolean;
  /** When an element expires, Unix ms, 0 = never; undefined when there is no such element. */
  expiryOf(element: Buffer): number | undefined;
  /** All of it, in no order, element and value one after the other. Owned by the caller. Needs all of it in memory, as the two below do. */
  pairs(): Buffer[];
  /** All elements, in no order. Owned by the caller. */
  elements(): Buffer[];
  /** The same as a whole reply, where it is so long that it should not be made in one turn; undefined where it is not, or cannot be made otherwise. */
  long(shape: LongShape): Reply | undefined;
  /** The same of `count` elements by chance, all different; below 0: as many as it says, each by itself, so that some may come twice. */
  longRandom(count: number, shape: RandomShape): Reply | undefined;
  /** The elements, to be read over many turns as they are when that begins; 'loading': memory lacks some, and the run does not count; 'at once': they cannot be read so. */
  source(): ElementSource | 'loading' | 'at once';
  /** The `at`th of `size`, in an order that holds until something is written. Owned by the caller. */
  elementAt(at: number): Buffer;
  valueAt(at: number): Buffer;
  /** About `limit` elements in the order of HSCAN, from `position` on: one that is there throughout comes once. */
  scan(position: number, limit: number): ScannedElements;
}

/** A member of a sorted set, owned by the caller, and its score, never NaN. */
export interface ScoredMember {
  readonly member: Buffer;
  readonly score: number;
}

/** A living sorted set. Its order is by score, of equal scores by the members' bytes; ranks count from 0. Values are scores in eight bytes (score-value.ts). */
export interface SortedView extends CollectionView {
  scoreOf(member: Buffer): number | undefined;
  /** O(log n), as the two below are. Needs all of it in memory and in order, as they do. */
  rankOf(member: Buffer): number | undefined;
  /** How many scores are below `score`, or equal to it. */
  countToScore(score: number, orEqual: boolean): number;
  /** How many members are below `member`, or equal to it, where all have one score; else nothing in particular. */
  countToMember(member: Buffer, orEqual: boolean): number;
  /** Those of rank `from` to before `to`. */
  slice(from: number, to: number): ScoredMember[];
  /** The same as a whole reply, the last one first if `isReverse`; undefined as in `long`. */
  longSlice(from: number, to: number, withScores: boolean, isReverse: boolean): Reply | undefined;
}

/** What is looked for among a list's elements. */
export interface Sought {
  readonly value: Buffer;
  /** From the last element to the first. */
  readonly fromEnd: boolean;
  /** It ends with so many findings. */
  readonly most: number;
  /** It ends behind so many elements. */
  readonly lookedAt: number;
}

/** A living list; indexes count from 0. Needs all of it in memory, and in order, but for its size. */
export interface ListView {
  /** Elements; O(1). */
  readonly size: number;
  /** Values from index `from` to before `to`, owned by the caller. O(log n), and what is returned. */
  slice(from: number, to: number): Buffer[];
  /** The same as a whole reply. */
  range(from: number, to: number): Reply;
  /**
   * Indexes of what is sought, in the order in which they are met, for a command that writes by them: in a long list that is what `made` gives, with all that goes with it.
   */
  indexesOf(sought: Sought): number[];
  /** The same as a whole reply, for one that only reads (list-search.ts, `findings`). */
  search(sought: Sought, passed: number, isArray: boolean): Reply;
}

/** An element of a stream, owned by the caller. */
export interface OrderedElement {
  readonly element: Buffer;
  readonly value: Buffer;
}

/** Goes through elements of a stream, and says in the end what they come to. It may be asked long after its command has run, so it reads nothing of that. */
export interface ElementScan {
  /** What it is given is its own. `dot`: the latest write among what the element shows. */
  take(element: Buffer, value: Buffer, dot: Dot): void;
  reply(): Reply;
}

/** A living stream: elements in the order of their bytes. What of a range is not in memory is loaded by itself, without the rest of the stream. */
export interface StreamView extends CollectionView {
  /** At most `most` elements from `from` (inclusive) to `to` (exclusive), from the first on or from the last. O(log n), and what is returned. */
  range(from: Buffer, to: Buffer, most?: number, backwards?: boolean): OrderedElement[];
  /** What `scan` makes of all of such a range, in its order: of a long one over several turns of the event loop, as it is at this instant. Needs all of it in memory. */
  scanned(from: Buffer, to: Buffer, scan: ElementScan): Reply;
  /** How many there are in such a range. Needs all of it in memory. O(log n). */
  countIn(from: Buffer, to: Buffer): number;
  /** The latest write among what the element shows, which is there and in memory. */
  dotOf(element: Buffer): Dot;
  /** The maximum of all that was ever written to its elements, as far as this replica knows; without what the command itself has staged. */
  readonly top: VectorClock;
  /** What this replica has seen of the partition, without gaps. */
  readonly seen: VectorClock;
}

export interface ScannedSlot {
  readonly keys: readonly Buffer[];
  /** How many keys were looked at, those that are not living any more included. */
  readonly examined: number;
  /** Undefined when the slot is over. The position asked for, with no keys, when the partition is too large to be ready at once: ask again. */
  readonly next: number | undefined;
}

/** A client's error, thrown from deep inside a command: becomes the reply, and the command writes nothing. */
export class CommandError extends Error {
  constructor(readonly reply: ErrorReply) {
    super(reply.text);
    this.name = 'CommandError';
  }
}

/** What the node's directives say of values. */
export interface ValueLimits {
  /** No string may become longer (proto-max-bulk-len). */
  readonly stringBytesMax: number;
  /** A sparse HyperLogLog that would become longer becomes dense (hll-sparse-max-bytes). */
  readonly sparseBytesMax: number;
}

export interface Execution extends ValueLimits {
  /** The hybrid clock's Unix ms, read once for the command. */
  readonly nowMs: number;
  readonly partition: number;
  /** Version of RESP that the client speaks, where a reply's shape depends on it. */
  readonly resp: 2 | 3;

  /** A whole number in 0..below-1 by chance; below is 1..2^32. */
  random(below: number): number;

  /** The string at `key`, or undefined when there is none or it has expired. Throws CommandError WRONGTYPE for another type. */
  string(key: Buffer): StringObject | undefined;
  /**
   * The reply of GET: the string's bytes, or null. A StoredValue is one and the same object each time, and borrowed: it is to be the command's
   * whole reply. Throws CommandError WRONGTYPE for another type.
   */
  value(key: Buffer): StoredValue | Buffer | null;
  /**
   * What `work` makes, owned by the command. Of much, throws a CommandError of this run, which does not count: the command runs again when it is made. It may ask for one only, has
   * to ask for the same in each run, and be a write.
   */
  made<Made>(work: LongWork<Made>): Made;
  /**
   * What collections, none missing, come to together: a set of their elements, or how many they are, at most `limit`. Of an intersection or a difference the first is gone through,
   * and looked up in the others. Undefined where it is so little that it can be made in one turn, or cannot be made otherwise.
   */
  longCombination(operation: SetOperation, collections: readonly CollectionView[], limit: number, isCount: boolean): Reply | undefined;
  /** The same of sorted sets, and sets among them: their members in order of score, with their scores or without. */
  longScoredCombination(
    operation: SetOperation,
    collections: readonly CollectionView[],
    scoring: Scoring,
    withScores: boolean,
  ): Reply | undefined;
  /**
   * The same for a command that goes on with it (`made`), in no order. Without `scoring` scores are 0. It holds what it is made of: whoever asks for it has it made, or gives it up.
   */
  longMembers(
    operation: SetOperation,
    collections: readonly CollectionView[],
    scoring?: Scoring,
  ): LongWork<readonly ScoredMember[]> | undefined;
  /** The collection at `key`, or undefined when there is none or it has expired. Throws CommandError WRONGTYPE for another type. */
  collection(key: Buffer, type: CollectionName): CollectionView | undefined;
  /** The same of a sorted set. */
  sorted(key: Buffer): SortedView | undefined;
  /** The same of a list. */
  list(key: Buffer): ListView | undefined;
  /** The same of a stream. */
  stream(key: Buffer): StreamView | undefined;
  /** Of what the command writes: its actor is the coordinator. Each time the same. */
  readonly writtenDot: Dot;
  /** Bytes of memory that the key takes, its elements included; 0 when there is none. */
  bytesOf(key: Buffer): number;
  /** Undefined when absent or expired. */
  typeOf(key: Buffer): TypeName | undefined;
  /** Unix ms at which `key` expires, 0 = never; undefined when absent or expired. */
  expiryOf(key: Buffer): number | undefined;

  /** Replaces whatever is at `key`. `bytes` and `key` may be borrowed: they are copied. `expiresAtMs` 0 = none. */
  setString(key: Buffer, bytes: Buffer, expiresAtMs: number): void;
  /**
   * Adds to the counter at `key` (absent = 0), keeping its expiry; returns the new value. Throws CommandError: WRONGTYPE,
   * `ERR value is not an integer or out of range`, `ERR increment or decrement would overflow`.
   */
  increment(key: Buffer, by: bigint): bigint;
  /**
   * Writes an element of the collection at `key`, which is made with its first one; true when it was not there. Buffers may be borrowed. Throws
   * CommandError WRONGTYPE for another type, here and below. `expiresAtMs` is Unix ms, later than `nowMs`; 0 = none.
   */
  setElement(key: Buffer, type: CollectionName, element: Buffer, bytes: Buffer, expiresAtMs?: number): boolean;
  /** Sets when an element expires (0 = never), whose value stays; false when there is no such element. */
  setElementExpiry(key: Buffer, type: CollectionName, element: Buffer, expiresAtMs: number): boolean;
  /** Adds to the counter that an element's value is (absent = 0), keeping its expiry; returns the new value, or why there is none: nothing is written then. */
  incrementElement(key: Buffer, type: CollectionName, element: Buffer, by: bigint): bigint | 'not-an-integer' | 'overflow';
  /** Adds to the score of a sorted set's member (absent = 0), which is written where it changes; returns the new one, or that it would be NaN. */
  incrementScore(key: Buffer, member: Buffer, by: number): number | 'not-a-number';
  /** Deletes an element, and the key with its last one; false when it was not there. */
  removeElement(key: Buffer, type: CollectionName, element: Buffer): boolean;
  /** The same of many, for less each; returns how many were there. */
  removeElements(key: Buffer, type: CollectionName, elements: readonly Buffer[]): number;
  /**
   * Puts values, in this order, before the element of index `at` of the list at `key`, which is made with its first one; `at` is its size: behind the last.
   * `near`: the neighbour that the next insertion here is not expected to be beside. Buffers may be borrowed, here and below.
   */
  insertIntoList(key: Buffer, at: number, values: readonly Buffer[], near: 'left' | 'right'): void;
  /** Gives an element another value. */
  replaceInList(key: Buffer, at: number, value: Buffer): void;
  /** Takes out the elements of each range of indexes, from the first to before the second; the ranges are in order and apart. */
  removeFromList(key: Buffer, ranges: readonly (readonly [from: number, to: number])[]): void;
  /** Moves the element at one end of a list to the other. */
  rotateList(key: Buffer, from: 'left' | 'right'): void;
  /** Sets the expiry of a living key of any type (0 = none); false when there is none. */
  setExpiry(key: Buffer, expiresAtMs: number): boolean;
  /** Deletes a key of any type; false when there was none. */
  delete(key: Buffer): boolean;

  /** For commands that speak of a partition: living keys in it, expired ones that are not swept yet included. */
  keyCount(): number;
  /**
   * Living keys of one slot of this partition in the order of SCAN (key-order.ts), those from `position` on: about `limit`. A key that is there
   * throughout comes once, if each call goes on at the `next` of the one before it. Owned by the caller.
   */
  scanSlot(slot: number, position: number, limit: number): ScannedSlot;
  /** Living keys of one slot of this partition, in key order, at most `limit`, those after `after` only. Owned by the caller. */
  keysInSlot(slot: number, limit: number, after?: Buffer): readonly Buffer[];
}
