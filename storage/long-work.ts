/**
 * What a command makes of large values before it can write, and what takes longer than a turn of the event loop may: its first run says what that is (Execution.made), a slice is
 * made a turn, and the command's next run finds it made.
 *
 * Invariant: what was made is for the values that it was made of. A run that comes upon others, since they changed meanwhile, makes its own (`isSame`).
 */
export interface LongWork<Made> {
  /** False: it may be made in the turn of the command. */
  readonly isLong: boolean;
  /** Both make the same of the same values. */
  isSame(other: LongWork<unknown>): other is LongWork<Made>;
  /** Makes the next slice, well below a millisecond; true once all is made. Whoever calls it does so until then, or gives it up. */
  proceed(): boolean;
  /** All of it, owned by the caller. What is not made yet is made at once. */
  take(): Made;
  /** Gives up what it holds; it is not made any further. */
  abandon(): void;
}
