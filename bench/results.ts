/**
 * What a benchmark found: all raw figures, and the summary drawn from them. Pure; printed by report-text.ts, drawn by ratio-chart.ts.
 */
import type { Load, Measured } from './redis-benchmark.js';
import type { Setup } from './setups.js';

/** One run of one load on one setup. */
export interface Sample extends Load, Measured {
  readonly round: number;
  readonly setup: string;
  /** CPU of all server processes of the setup per request, in microseconds; undefined where it cannot be measured. */
  readonly cpuMicrosPerRequest: number | undefined;
}

/** The medians of one load on one setup. */
export interface Row {
  readonly setup: Setup;
  readonly load: Load;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMicrosPerRequest: number | undefined;
  /** To the baseline's requests per second in the same round; undefined for the baseline itself, or when it was not run. */
  readonly ratio: number | undefined;
  readonly floor: number | undefined;
}

/** `set`, or `set hot` for a single key. */
export function loadName(load: Load): string {
  return load.hot ? `${load.test} hot` : load.test;
}

/** Medians by load and setup, in the order in which they first occur. */
export function summarize(samples: readonly Sample[], setups: readonly Setup[]): Row[] {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const name = groupName(sample.setup, sample);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [sample]);
    else group.push(sample);
  }
  const rows: Row[] = [];
  for (const group of groups.values()) {
    const { test, hot, pipeline, setup: name } = group[0] as Sample;
    const load: Load = { test, hot, pipeline };
    const setup = setups.find((one) => one.name === name);
    if (setup === undefined) continue;
    const baseline = groups.get(groupName(setup.baseline ?? '', load)) ?? [];
    const ratios = group.flatMap((sample) => {
      const other = baseline.find((one) => one.round === sample.round);
      return other === undefined ? [] : [sample.requestsPerSecond / other.requestsPerSecond];
    });
    const cpu = group.flatMap((sample) => (sample.cpuMicrosPerRequest === undefined ? [] : [sample.cpuMicrosPerRequest]));
    rows.push({
      setup,
      load,
      requestsPerSecond: median(group.map((sample) => sample.requestsPerSecond)) ?? NaN,
      p50Ms: median(group.map((sample) => sample.p50Ms)) ?? NaN,
      p99Ms: median(group.map((sample) => sample.p99Ms)) ?? NaN,
      cpuMicrosPerRequest: median(cpu),
      ratio: median(ratios),
      floor: undefined,
    });
  }
  return rows.map((row) => ({ ...row, floor: floorOf(row, rows) }));
}

function floorOf({ setup, load }: Row, rows: readonly Row[]): number | undefined {
  const floor = load.hot ? undefined : setup.floors[`${load.test}/${load.pipeline}`];
  if (floor !== 'set') return floor;
  return rows.find((row) => row.setup === setup && row.load.test === 'set' && row.load.pipeline === load.pipeline && !row.load.hot)?.ratio;
}

/** The middle value, or the mean of the middle two; undefined of nothing. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((x, y) => x - y);
  const high = sorted[sorted.length >> 1];
  const low = sorted[(sorted.length - 1) >> 1];
  return high === undefined || low === undefined ? undefined : (high + low) / 2;
}

function groupName(setup: string, load: Load): string {
  return `${setup}/${loadName(load)}/${load.pipeline}`;
}
