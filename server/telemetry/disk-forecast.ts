/** When the disk will be full, if what was written lately goes on: a straight line through the samples of the last hour. Pure. */

export interface DiskSample {
  readonly atMs: number;
  readonly usedBytes: number;
}

const horizonMs = 3_600_000;
/** Closer samples than this say more about a flush than about a trend. */
const spacingMs = 30_000;
/** A line needs so much time under it. */
const spanMs = 120_000;

/** The samples worth keeping when `next` comes. */
export function sampled(samples: readonly DiskSample[], next: DiskSample): readonly DiskSample[] {
  const last = samples.at(-1);
  if (last !== undefined && next.atMs - last.atMs < spacingMs) return samples;
  return [...samples.filter(({ atMs }) => next.atMs - atMs <= horizonMs), next];
}

/** Seconds until `availableBytes` are used up; undefined while that cannot be told, or when nothing grows. */
export function secondsUntilFull(samples: readonly DiskSample[], availableBytes: number): number | undefined {
  const [first] = samples;
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last.atMs - first.atMs < spanMs) return undefined;
  const meanMs = samples.reduce((sum, { atMs }) => sum + atMs, 0) / samples.length;
  const meanBytes = samples.reduce((sum, { usedBytes }) => sum + usedBytes, 0) / samples.length;
  let covariance = 0;
  let variance = 0;
  for (const { atMs, usedBytes } of samples) {
    covariance += (atMs - meanMs) * (usedBytes - meanBytes);
    variance += (atMs - meanMs) ** 2;
  }
  const bytesPerMs = covariance / variance;
  return bytesPerMs > 0 ? availableBytes / bytesPerMs / 1000 : undefined;
}
