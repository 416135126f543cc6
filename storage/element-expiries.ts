/**
 * When elements of one collection expire: those in memory that do, the soonest first. Those that have expired when somebody asks are put aside, once for each, so that counting them
 * costs nothing however long the sweeper leaves them. A new expiry, or none, costs O(log n).
 */
import { InstantHeap } from './instant-heap.js';

/** What an entry takes here, about. */
const bytesEach = 64;

export class ElementExpiries {
  private readonly waiting = new InstantHeap();
  /** Those that have expired at `askedMs`. */
  private readonly expired = new InstantHeap();
  private askedMs = 0;

  get size(): number {
    return this.waiting.size + this.expired.size;
  }

  /** What it takes in memory. */
  get byteSize(): number {
    return bytesEach * this.size;
  }

  /** Unix ms; 0 when nothing expires. */
  get soonestMs(): number {
    const soonest = Math.min(this.expired.soonestMs, this.waiting.soonestMs);
    return soonest === Infinity ? 0 : soonest;
  }

  /** `expiresAtMs` 0 = it does not expire, or is no element any more. */
  set(entry: number, expiresAtMs: number): void {
    this.expired.remove(entry);
    if (expiresAtMs === 0) this.waiting.remove(entry);
    else this.waiting.set(entry, expiresAtMs);
  }

  /** How many have expired. */
  countDue(nowMs: number): number {
    this.putAside(nowMs);
    return this.expired.size;
  }

  /** Up to `most` of those that have expired, in no order. */
  due(nowMs: number, most: number): number[] {
    this.putAside(nowMs);
    return this.expired.some(most);
  }

  private putAside(nowMs: number): void {
    const { expired, waiting } = this;
    // Clocks of this program do not go back; but then some would not have expired any more.
    if (nowMs < this.askedMs) expired.moveUpTo(Infinity, waiting);
    this.askedMs = nowMs;
    waiting.moveUpTo(nowMs, expired);
  }
}
