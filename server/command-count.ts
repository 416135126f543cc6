/**
 * What this node's clients did with one command: calls, refusals, failures and how long they took, in a histogram of microseconds whose buckets are
 * an eighth of a power of two wide: `0 1 .. 7 | 8 9 .. 15 | 16 18 .. 30 | 32 36 ..`. Counting costs a few nanoseconds; INFO and LATENCY read it.
 */

const bucketsPerPower = 8;
const bucketCount = 29 * bucketsPerPower;
const longestMicroseconds = 2 ** 31 - 1;

function bucketOf(microseconds: number): number {
  if (microseconds < bucketsPerPower) return microseconds;
  const power = 31 - Math.clz32(microseconds);
  return ((power - 2) << 3) + ((microseconds >>> (power - 3)) & 7);
}

/** The least value of a bucket. */
function leastOf(bucket: number): number {
  if (bucket < bucketsPerPower) return bucket;
  return (bucketsPerPower + (bucket & 7)) * 2 ** ((bucket >> 3) - 1);
}

export class CommandCount {
  /** Begun, whatever came of it. */
  calls = 0;
  /** Refused before they began: a wrong number of arguments, no password. */
  rejected = 0;
  /** Answered with an error. */
  failed = 0;
  /** From the bytes' arrival to the reply, all together. */
  microseconds = 0;
  private answered = 0;
  private buckets: Float64Array | undefined;

  constructor(
    readonly name: string,
    readonly isFast: boolean,
  ) {}

  /** `calls` of them were answered after so many microseconds each. */
  took(microseconds: number, calls: number): void {
    this.microseconds += microseconds * calls;
    this.answered += calls;
    const buckets = (this.buckets ??= new Float64Array(bucketCount));
    const bucket = bucketOf(Math.min(longestMicroseconds, Math.floor(microseconds)));
    buckets[bucket] = (buckets[bucket] ?? 0) + calls;
  }

  /** Microseconds that `percent` of the answered calls did not exceed, within an eighth; 0 when there were none. */
  percentile(percent: number): number {
    let left = (this.answered * percent) / 100;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      left -= this.buckets?.[bucket] ?? 0;
      if (left <= 0) return leastOf(bucket + 1) - 1;
    }
    return longestMicroseconds;
  }

  /** LATENCY HISTOGRAM: how many calls took at most so many microseconds, by powers of two; those that add nothing are left out. */
  distribution(): readonly (readonly [microseconds: number, calls: number])[] {
    const sums = new Map<number, number>();
    let sum = 0;
    this.buckets?.forEach((calls, bucket) => {
      if (calls === 0) return;
      sum += calls;
      sums.set(2 ** Math.ceil(Math.log2(Math.max(1, leastOf(bucket)))), sum);
    });
    return [...sums];
  }

  get answeredCalls(): number {
    return this.answered;
  }

  reset(): void {
    this.calls = this.rejected = this.failed = this.microseconds = this.answered = 0;
    this.buckets = undefined;
  }
}
