/**
 * The batch: what one command writes, under one dot. Its bytes are encoded once, by the coordinator, and are the same in
 * the commit log, in peer frames and in hints.
 */
import type { Dot } from './dot.js';
import type { VersionedRecord } from './record.js';

export interface BatchRecord {
  /** An encoded record key (record-key.ts). */
  readonly key: Buffer;
  readonly record: VersionedRecord;
}

export interface BatchPart {
  readonly partition: number;
  /** Which placement of the partition its sender believes in. */
  readonly epoch: number;
  /** Counter of the term it was written in; the term's actor is the batch's. */
  readonly term: number;
  /** The actor's previous counter in this partition; 0 before its first. `seen` moves over this batch only from there. */
  readonly prev: number;
  readonly records: readonly BatchRecord[];
}

export interface Batch {
  readonly dot: Dot;
  /** Nearly always one. */
  readonly parts: readonly BatchPart[];
}
