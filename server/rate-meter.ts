/** How fast counters grow just now: the mean over the last second and a half, from samples that are taken ten times a second, as Redis does. */

/** Between two samples. */
export const sampleMs = 100;
const samplesMax = 16;

interface Sample {
  readonly atMs: number;
  readonly counts: readonly number[];
}

export class RateMeter {
  private samples: Sample[] = [];

  constructor(
    private readonly counts: () => readonly number[],
    private readonly monotonicMs: () => number,
  ) {}

  sample(): void {
    this.samples.push({ atMs: this.monotonicMs(), counts: this.counts() });
    if (this.samples.length > samplesMax) this.samples.shift();
  }

  /** One figure per counter; 0 while there are no two samples. */
  perSecond(): readonly number[] {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return [];
    return last.counts.map((count, i) => ((count - (first.counts[i] ?? 0)) * 1000) / (last.atMs - first.atMs));
  }

  /** The counters begin again. */
  reset(): void {
    this.samples = [];
  }
}
