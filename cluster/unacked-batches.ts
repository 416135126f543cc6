/**
 * Small batches that a peer has not acknowledged, oldest first, and of those that were given up what still waits for a replica. Every count of
 * bytes here is of batches' own bytes; the turns' buffers that they lie in live as long as one of them.
 */
import { bytesOf, type Settlement } from './settlement.js';

/** Places before the head that are kept before the array is cut. */
const slackMax = 1024;

export class UnackedBatches {
  private queue: Settlement[] = [];
  private head = 0;
  private sum = 0;
  /** Of those that were dropped, what was not settled then: no acknowledgement will come for it. */
  private dropped: Settlement[] = [];

  get bytes(): number {
    return this.sum;
  }

  get isEmpty(): boolean {
    return this.head === this.queue.length;
  }

  /** The counter of the oldest; undefined = there is none. */
  get oldest(): number | undefined {
    return this.queue[this.head]?.counter;
  }

  /** Returns the bytes of `batches`. */
  add(batches: readonly Settlement[]): number {
    let added = 0;
    for (const settlement of batches) {
      this.queue.push(settlement);
      added += settlement.length;
    }
    this.sum += added;
    return added;
  }

  /** Batches that waited elsewhere, in order, and may be older than what is here: all of it has to be sent again. */
  putBack(batches: readonly Settlement[]): void {
    const queue = this.queue.slice(this.head);
    this.queue = [...queue, ...batches].sort((one, other) => one.counter - other.counter);
    this.head = 0;
    for (const { length } of batches) this.sum += length;
  }

  /**
   * The peer holds every batch from `first` to `counter`; `superseded` of them count for nothing. Where there are earlier ones that it has not
   * acknowledged, its answer to them was lost, which may have named them superseded: nothing counts until all are sent again and answered in order, as they
   * are when its stream is replaced.
   */
  acknowledged(first: number, counter: number, superseded: ReadonlySet<number>): void {
    const { queue } = this;
    if ((queue[this.head]?.counter ?? first) < first) return;
    while (this.head < queue.length) {
      const head = queue[this.head];
      if (head === undefined || head.counter > counter) break;
      this.head++;
      this.sum -= head.length;
      if (!superseded.has(head.counter)) head.acknowledge();
    }
    if (this.head > slackMax || this.head === queue.length) {
      this.queue = queue.slice(this.head);
      this.head = 0;
    }
  }

  /** Of what was dropped the peer holds those that `isHeld` names: its `seen` of the partition covers them. */
  covered(isHeld: (settlement: Settlement) => boolean): void {
    if (this.dropped.length === 0) return;
    const held: Settlement[] = [];
    const left: Settlement[] = [];
    for (const settlement of this.dropped) if (!settlement.settled) (isHeld(settlement) ? held : left).push(settlement);
    this.dropped = left;
    for (const settlement of held) settlement.cover();
  }

  /** Gives up what is older than `counter`; returns how many. */
  dropBefore(counter: number): number {
    let count = 0;
    for (let head = this.queue[this.head]; head !== undefined && head.counter < counter; head = this.queue[this.head]) {
      this.head++;
      this.sum -= head.length;
      this.drop(head);
      count++;
    }
    return count;
  }

  /** A batch that was given up, of those here or of large ones, which wait elsewhere. */
  drop(settlement: Settlement): void {
    if (!settlement.settled) this.dropped.push(settlement);
  }

  /** Gives up all of them, and `large` ones besides; returns both, oldest first of each. */
  dropAll(large: readonly Settlement[]): readonly Settlement[] {
    const batches = [...this.queue.slice(this.head), ...large];
    this.dropped = [...this.dropped, ...batches].filter(({ settled }) => !settled);
    this.queue = [];
    this.head = 0;
    this.sum = 0;
    return batches;
  }

  /** Of those after `counter` the first, as many as have `bytesMost` together, one at least, to be sent again. Undefined = there are none. */
  after(counter: number, bytesMost: number): { readonly bytes: Buffer; readonly last: number } | undefined {
    const { queue } = this;
    let [low, high] = [this.head, queue.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((queue[middle] as Settlement).counter <= counter) low = middle + 1;
      else high = middle;
    }
    const pieces: Buffer[] = [];
    let last = counter;
    for (let bytes = 0; low < queue.length && bytes < bytesMost; low++) {
      const batch = queue[low] as Settlement;
      pieces.push(bytesOf(batch));
      bytes += batch.length;
      last = batch.counter;
    }
    return pieces.length === 0 ? undefined : { bytes: Buffer.concat(pieces), last };
  }
}
