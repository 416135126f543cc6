/**
 * The hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014) that a node's counters come from. It starts at the wall clock,
 * then runs on monotonic time: a wall clock that is set back or forth changes nothing. Raised above a counter met, it runs on from
 * there. Invariants: `next` is above everything issued, met or found at start; and no counter is issued above the
 * durable ceiling, so that after a crash starting above the ceiling is starting above every counter ever issued.
 */
import { counterEpochMs, counterMax, counterMs, countersPerMs } from '../protocol/dot.js';
import type { Clock } from './clock.js';

/** A new ceiling lies this far ahead ... */
const ceilingAheadMs = 10_000;
/** ... and is asked for when less than this is left of the old one. */
const ceilingLeftMs = 5_000;

export class HybridClock {
  readonly #clock: Clock;
  /** Milliseconds from the monotonic clock to this one, which counts them since 2024. */
  #offsetMs: number;
  /** The highest counter issued or met. */
  #last = 0;
  #ceiling = 0;
  /** The reading of the monotonic clock that the last counter was issued by. */
  issuedMs = 0;

  /**
   * `startAbove`: the last durable ceiling and every counter found at start; 0 on a new disk. `reserve` is called by `next` at the
   * ceiling, which a peer's clock can raise this one to within a turn: it makes a higher one durable, or `next` throws.
   */
  constructor(
    clock: Clock,
    startAbove: number,
    private readonly reserve: () => void = () => undefined,
  ) {
    this.#clock = clock;
    this.#offsetMs = clock.wallMs() - counterEpochMs - clock.monotonicMs();
    this.raise(startAbove);
  }

  /**
   * Issues a counter. More than 4096 in a millisecond run into the next. Throws when it would exceed the durable ceiling though that was
   * asked to be raised.
   */
  next(): number {
    this.issuedMs = this.#clock.monotonicMs();
    const counter = Math.max(this.#last + 1, this.#physicalAt(this.issuedMs));
    if (counter > this.#ceiling) this.reserve();
    if (counter > this.#ceiling) throw new Error(`counter ${counter} is above the durable ceiling ${this.#ceiling}`);
    this.#last = counter;
    return counter;
  }

  /** Whether `next` would stay below the durable ceiling. */
  canIssue(): boolean {
    return this.#upcoming() <= this.#ceiling;
  }

  /** A counter was met, in a record, a frame or a heartbeat: everything issued from now on is above it. Throws RangeError for what is no counter. */
  raise(counter: number): void {
    if (!(counter >= 0 && counter <= counterMax)) throw new RangeError(`${counter} is no counter`);
    if (counter <= this.#last) return;
    this.#last = counter;
    const aheadMs = Math.floor(counter / countersPerMs) - this.#physicalMs();
    if (aheadMs > 0) this.#offsetMs += aheadMs;
  }

  /** Unix milliseconds, whole, never going back: what expiry is judged by. */
  nowMs(): number {
    return counterMs(this.currentCounter);
  }

  /** The same where the monotonic clock has just been read. */
  nowMsAt(monotonicMs: number): number {
    return counterMs(Math.max(this.#last, this.#physicalAt(monotonicMs)));
  }

  /** Its reading, with nothing issued: at least every counter issued or met. */
  get currentCounter(): number {
    return Math.max(this.#last, this.#physical());
  }

  /** What is durable; 0 until the first `ceilingDurable`. */
  get ceiling(): number {
    return this.#ceiling;
  }

  /**
   * The ceiling to make durable next, or undefined while there is room enough. It does not remember having been asked: the store
   * makes one durable at a time.
   */
  needsCeiling(): number | undefined {
    const current = this.currentCounter;
    if (this.#ceiling - current >= ceilingLeftMs * countersPerMs) return undefined;
    return Math.min(current + ceilingAheadMs * countersPerMs, counterMax);
  }

  /** This ceiling has reached the disk. */
  ceilingDurable(counter: number): void {
    this.#ceiling = Math.max(this.#ceiling, counter);
  }

  #upcoming(): number {
    return Math.max(this.#last + 1, this.#physical());
  }

  /** The first counter of the present millisecond. */
  #physical(): number {
    return this.#physicalAt(this.#clock.monotonicMs());
  }

  #physicalAt(monotonicMs: number): number {
    return Math.max(0, Math.floor(monotonicMs + this.#offsetMs) * countersPerMs);
  }

  #physicalMs(): number {
    return this.#clock.monotonicMs() + this.#offsetMs;
  }
}
