/**
 * What a command sees that names keys of several partitions: those of the partition that it runs in as they are, and values that were brought of the others, which it
 * can read and not write.
 */
import type { Dot } from '../../protocol/dot.js';
import { ErrorReply, type Reply, type StoredValue } from '../../protocol/resp/reply.js';
import {
  CommandError,
  type CollectionName,
  type CollectionView,
  type Execution,
  type ListView,
  type ScannedSlot,
  type ScoredMember,
  type SetOperation,
  type SortedView,
  type StreamView,
  type StringObject,
  type TypeName,
} from '../../storage/execution.js';
import type { Scoring } from '../../storage/combined-scores.js';
import type { LongWork } from '../../storage/long-work.js';
import type { DistantValue } from './value.js';
import { DistantCollection, DistantList, DistantSortedSet, DistantStream } from './views.js';

const wrongType = new ErrorReply('WRONGTYPE Operation against a key holding the wrong kind of value');

export class DistantExecution implements Execution {
  constructor(
    private readonly here: Execution,
    /** By key in latin1. */
    private readonly distant: ReadonlyMap<string, DistantValue>,
  ) {}

  get nowMs(): number {
    return this.here.nowMs;
  }

  get partition(): number {
    return this.here.partition;
  }

  get resp(): 2 | 3 {
    return this.here.resp;
  }

  get stringBytesMax(): number {
    return this.here.stringBytesMax;
  }

  get sparseBytesMax(): number {
    return this.here.sparseBytesMax;
  }

  random(below: number): number {
    return this.here.random(below);
  }

  string(key: Buffer): StringObject | undefined {
    const value = this.valueOf(key);
    if (value === undefined) return this.here.string(key);
    return this.shows(value, 'string') ? { bytes: value.content, expiresAtMs: value.expiresAtMs } : undefined;
  }

  value(key: Buffer): StoredValue | Buffer | null {
    return this.valueOf(key) === undefined ? this.here.value(key) : (this.string(key)?.bytes ?? null);
  }

  longCombination(operation: SetOperation, collections: readonly CollectionView[], limit: number, isCount: boolean): Reply | undefined {
    return this.here.longCombination(operation, collections, limit, isCount);
  }

  longScoredCombination(
    operation: SetOperation,
    collections: readonly CollectionView[],
    scoring: Scoring,
    withScores: boolean,
  ): Reply | undefined {
    return this.here.longScoredCombination(operation, collections, scoring, withScores);
  }

  longMembers(
    operation: SetOperation,
    collections: readonly CollectionView[],
    scoring?: Scoring,
  ): LongWork<readonly ScoredMember[]> | undefined {
    return this.here.longMembers(operation, collections, scoring);
  }

  made<Made>(work: LongWork<Made>): Made {
    return this.here.made(work);
  }

  collection(key: Buffer, type: CollectionName): CollectionView | undefined {
    const value = this.valueOf(key);
    if (value === undefined) return this.here.collection(key, type);
    return this.shows(value, type) ? new DistantCollection(value, this.nowMs) : undefined;
  }

  sorted(key: Buffer): SortedView | undefined {
    const value = this.valueOf(key);
    if (value === undefined) return this.here.sorted(key);
    return this.shows(value, 'zset') ? new DistantSortedSet(value, this.nowMs) : undefined;
  }

  list(key: Buffer): ListView | undefined {
    const value = this.valueOf(key);
    if (value === undefined) return this.here.list(key);
    return this.shows(value, 'list') ? new DistantList(value.parts) : undefined;
  }

  stream(key: Buffer): StreamView | undefined {
    const value = this.valueOf(key);
    if (value === undefined) return this.here.stream(key);
    return this.shows(value, 'stream') ? new DistantStream(value, this.nowMs) : undefined;
  }

  get writtenDot(): Dot {
    return this.here.writtenDot;
  }

  typeOf(key: Buffer): TypeName | undefined {
    const value = this.valueOf(key);
    if (value === undefined) return this.here.typeOf(key);
    return this.isLiving(value) ? value.type : undefined;
  }

  expiryOf(key: Buffer): number | undefined {
    const value = this.valueOf(key);
    if (value === undefined) return this.here.expiryOf(key);
    return this.isLiving(value) ? value.expiresAtMs : undefined;
  }

  bytesOf(key: Buffer): number {
    return this.here.bytesOf(this.own(key));
  }

  setString(key: Buffer, bytes: Buffer, expiresAtMs: number): void {
    this.here.setString(this.own(key), bytes, expiresAtMs);
  }

  increment(key: Buffer, by: bigint): bigint {
    return this.here.increment(this.own(key), by);
  }

  setElement(key: Buffer, type: CollectionName, element: Buffer, bytes: Buffer, expiresAtMs?: number): boolean {
    return this.here.setElement(this.own(key), type, element, bytes, expiresAtMs);
  }

  setElementExpiry(key: Buffer, type: CollectionName, element: Buffer, expiresAtMs: number): boolean {
    return this.here.setElementExpiry(this.own(key), type, element, expiresAtMs);
  }

  incrementElement(key: Buffer, type: CollectionName, element: Buffer, by: bigint): bigint | 'not-an-integer' | 'overflow' {
    return this.here.incrementElement(this.own(key), type, element, by);
  }

  incrementScore(key: Buffer, member: Buffer, by: number): number | 'not-a-number' {
    return this.here.incrementScore(this.own(key), member, by);
  }

  removeElement(key: Buffer, type: CollectionName, element: Buffer): boolean {
    return this.here.removeElement(this.own(key), type, element);
  }

  removeElements(key: Buffer, type: CollectionName, elements: readonly Buffer[]): number {
    return this.here.removeElements(this.own(key), type, elements);
  }

  insertIntoList(key: Buffer, at: number, values: readonly Buffer[], near: 'left' | 'right'): void {
    this.here.insertIntoList(this.own(key), at, values, near);
  }

  replaceInList(key: Buffer, at: number, value: Buffer): void {
    this.here.replaceInList(this.own(key), at, value);
  }

  removeFromList(key: Buffer, ranges: readonly (readonly [from: number, to: number])[]): void {
    this.here.removeFromList(this.own(key), ranges);
  }

  rotateList(key: Buffer, from: 'left' | 'right'): void {
    this.here.rotateList(this.own(key), from);
  }

  setExpiry(key: Buffer, expiresAtMs: number): boolean {
    return this.here.setExpiry(this.own(key), expiresAtMs);
  }

  delete(key: Buffer): boolean {
    return this.here.delete(this.own(key));
  }

  keyCount(): number {
    return this.here.keyCount();
  }

  scanSlot(slot: number, position: number, limit: number): ScannedSlot {
    return this.here.scanSlot(slot, position, limit);
  }

  keysInSlot(slot: number, limit: number, after?: Buffer): readonly Buffer[] {
    return this.here.keysInSlot(slot, limit, after);
  }

  /** Undefined: the key is of this partition. */
  private valueOf(key: Buffer): DistantValue | undefined {
    return this.distant.get(key.toString('latin1'));
  }

  /** A key that may be written. */
  private own(key: Buffer): Buffer {
    if (this.valueOf(key) !== undefined) throw new Error('a command writes to a key of another partition');
    return key;
  }

  private isLiving({ expiresAtMs }: DistantValue): boolean {
    return expiresAtMs === 0 || expiresAtMs > this.nowMs;
  }

  /** False: there is nothing. Throws CommandError WRONGTYPE. */
  private shows(value: DistantValue, type: TypeName): boolean {
    if (value.type === undefined || !this.isLiving(value)) return false;
    if (value.type !== type) throw new CommandError(wrongType);
    return true;
  }
}
