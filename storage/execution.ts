/**
 * What a command sees while it runs: the objects of one partition and the batch it writes. Running is synchronous and is all or nothing:
 * the records collected here become one batch under one dot, or, when the command throws or answers an error, nothing.
 */
import type { ErrorReply, StoredValue } from '../protocol/resp/reply.js';

/** A living string, as the type's rule shows it. */
export interface StringObject {
  /** The value's bytes; owned by the command, or shared and never mutated. */
  readonly bytes: Buffer;
  /** Unix ms, later than the execution's `nowMs`; 0 = no expiry. */
  readonly expiresAtMs: number;
}

/** Redis' answer to TYPE. */
export type TypeName = 'string' | 'hash' | 'set' | 'zset' | 'list' | 'stream';

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

  /** The string at `key`, or undefined when there is none or it has expired. Throws CommandError WRONGTYPE for another type. */
  string(key: Buffer): StringObject | undefined;
  /**
   * The reply of GET: the string's bytes, or null. A StoredValue is one and the same object each time, and borrowed: it is to be the command's
   * whole reply. Throws CommandError WRONGTYPE for another type.
   */
  value(key: Buffer): StoredValue | Buffer | null;
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
