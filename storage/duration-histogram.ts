/**
 * Counts durations in buckets that double: at most 1 us, 2 us, 4 us, ... 16.8 s, and above. Counting costs a few nanoseconds and allocates nothing, so
 * it may stand on a command's way; whoever exports it reads the columns.
 *
 *   bucket    0      1         2         3       ...  24              25
 *   us        <= 1   1 .. 2    2 .. 4    4 .. 8       8.4 .. 16.8 s   more
 */
const bucketCount = 26;

export class DurationHistogram {
  /** The upper bounds of all buckets but the last, in seconds. */
  static readonly boundsSeconds: readonly number[] = Array.from({ length: bucketCount - 1 }, (_, bucket) => 2 ** bucket / 1e6);

  /** By bucket. Borrowed: it goes on changing. */
  readonly counts = new Float64Array(bucketCount);
  private milliseconds = 0;

  get seconds(): number {
    return this.milliseconds / 1000;
  }

  /** `times` durations of `ms` each. A negative one, as of a clock that was raised meanwhile, counts as none at all. */
  record(ms: number, times = 1): void {
    const us = Math.min(2 ** 31 - 1, Math.ceil(ms * 1000));
    const bucket = us <= 1 ? 0 : Math.min(bucketCount - 1, 32 - Math.clz32(us - 1));
    this.counts[bucket] = (this.counts[bucket] ?? 0) + times;
    if (ms > 0) this.milliseconds += ms * times;
  }
}
