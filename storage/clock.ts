/**
 * The seams of time and chance. Nothing under storage/ or cluster/ reads a clock, starts a timer or draws a random number but
 * through these, so a whole cluster runs in one process on simulated time from one seed.
 */
export interface Timer {
  /** After it, the callback does not run. Harmless when it has run. */
  cancel(): void;
}

export interface Clock {
  /** Unix milliseconds, whole; may jump. */
  wallMs(): number;
  /** Milliseconds since some start, fractional; never goes back, and counts time the process was stopped. */
  monotonicMs(): number;
  /** Runs `callback` once, at least `delayMs` later. */
  after(delayMs: number, callback: () => void): Timer;
  /** Runs `callback` once at the end of this turn of the event loop: after every input event that is already due. */
  atTurnEnd(callback: () => void): void;
  /**
   * Runs `callback` once, after the input that is due: at the end of a turn that reads some, else in the next. One who asks again from within it gets a turn each. For what somebody
   * waits for: a timer, a millisecond at least, leaves more of the processor to others.
   */
  nextTurn(callback: () => void): void;
}

export interface Random {
  /** A whole number in 0..below-1; below is 1..2^32. */
  integer(below: number): number;
}
