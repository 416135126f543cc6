/**
 * What a command sees that names keys of several partitions: those of the partition that it runs in as they are, and values that were brought of the others, which it
 * can read and not write.
 */
import type { Dot } from '../../protocol/dot.js';
import { ErrorReply, type StoredValue } from '../../protocol/resp/reply.js';
import {
  CommandError,
  type CollectionName,
  type CollectionView,
  type Execution,
  type ListView,
  type ScannedSlot,
  type SortedView,
  type StreamView,
  type StringObject,
  type TypeName,
} from '../../storage/execution.js';
import type { LongWork } from '../../storage/long-work.js';
import type { DistantValue } from './value.js';
import { DistantCollection, DistantList, DistantSortedSet } from './views.js';

const wrongType = new ErrorReply('WRONGTYPE Operation against a key holding the wrong kind of value');
const partsOfElement = { set: 1, zset: 2, hash: 3, list: 1, stream: 2 } as const;

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
    const parts = this.partsOf(value, 'string');
    return parts === undefined ? undefined : { bytes: parts[0] ?? Buffer.alloc(0), expiresAtMs: value.expiresAtMs };
  }

  value(key: Buffer): StoredValue | Buffer | null {
    return this.valueOf(key) === undefined ? this.here.value(key) : (this.string(key)?.bytes ?? null);
  }

  made<Made>(work: LongWork<Made>): Made {
    return this.here.made(work);
  }

  collection(key: Buffer, type: CollectionName): CollectionView | undefined {
    const value = this.valueOf(key);
    if (value === undefined) return this.here.collection(key, type);
    const parts = this.partsOf(value, type);
    return parts === undefined ? undefined : new DistantCollection(parts, partsOfElement[type], this.nowMs);
  }

  sorted(key: Buffer): SortedView | undefined {
    const value = this.valueOf(key);
    if (value === undefined) return this.here.sorted(key);
    const parts = this.partsOf(value, 'zset');
    return parts === undefined ? undefined : new DistantSortedSet(parts, 2, this.nowMs);
  }

  list(key: Buffer): ListView | undefined {
    const value = this.valueOf(key);
    if (value === undefined) return this.here.list(key);
    const parts = this.partsOf(value, 'list');
    return parts === undefined ? undefined : new DistantList(parts);
  }

  /** Streams are not brought from elsewhere: what was is another type, or nothing. */
  stream(key: Buffer): StreamView | undefined {
    const value = this.valueOf(key);
    if (value !== undefined) this.partsOf(value, 'stream');
    return value === undefined ? this.here.stream(key) : undefined;
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

  private partsOf(value: DistantValue, type: TypeName): readonly Buffer[] | undefined {
    if (value.type === undefined || !this.isLiving(value)) return undefined;
    if (value.type !== type) throw new CommandError(wrongType);
    return value.parts;
  }
}
