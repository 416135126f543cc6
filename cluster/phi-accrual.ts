/**
 * How sure one may be that a node is gone: the phi-accrual failure detector (Hayashibara, Defago, Yared, Katayama: "The phi accrual failure
 * detector", 2004; Akka and Cassandra use it alike). Phi is -log10 of the chance that a heartbeat comes later than now although the node lives,
 * by the intervals seen so far: phi 1 errs once in 10 times, phi 8 once in 100 million.
 *
 * Invariant: pure; phi never falls while no heartbeat comes, and is never infinite. Before an interval was seen, the gossip interval give or
 * take a quarter is assumed, as Akka does. The deviation has a floor: a peer of perfect regularity would otherwise be suspected at its first
 * late millisecond.
 */

export interface PhiOptions {
  /** The interval expected before any was seen, ms: the gossip interval. */
  readonly firstIntervalMs: number;
  /** How many of the last intervals count. */
  readonly intervalsMax: number;
  /** Floor of the standard deviation, ms. */
  readonly deviationMinMs: number;
}

export interface PhiState {
  readonly options: PhiOptions;
  /** Monotonic ms; undefined before the first heartbeat. */
  readonly lastMs: number | undefined;
  /** Oldest first, ms. */
  readonly intervalsMs: readonly number[];
  /** Of the intervals, ms. */
  readonly meanMs: number;
  /** Of the intervals, floor applied, ms. */
  readonly deviationMs: number;
}

/** A peer not heard of yet; its phi is 0 until the first heartbeat. */
export function phiAccrual(options: PhiOptions): PhiState {
  const quarter = options.firstIntervalMs / 4;
  return withIntervals(options, undefined, [options.firstIntervalMs - quarter, options.firstIntervalMs + quarter]);
}

/** A heartbeat came at `nowMs`, monotonic. One that is not later than the last changes nothing. O(intervalsMax). */
export function heartbeat(state: PhiState, nowMs: number): PhiState {
  const { options, lastMs, intervalsMs } = state;
  if (lastMs === undefined) return { ...state, lastMs: nowMs };
  if (nowMs <= lastMs) return state;
  return withIntervals(options, nowMs, [...intervalsMs, nowMs - lastMs].slice(-options.intervalsMax));
}

/** The same, as if the last heartbeat had come `ms` later: the listener was not listening. */
export function postponed(state: PhiState, ms: number): PhiState {
  return state.lastMs === undefined ? state : { ...state, lastMs: state.lastMs + ms };
}

/** The suspicion at `nowMs`, monotonic: 0.3 when a heartbeat is due, and growing with the square and more of what is overdue. O(1). */
export function phi(state: PhiState, nowMs: number): number {
  if (state.lastMs === undefined) return 0;
  return phiOf(nowMs - state.lastMs, state.meanMs, state.deviationMs);
}

/**
 * -log10 of the normal distribution's upper tail, by the logistic approximation that Akka uses (within 0.0002 of the probability), kept in
 * logarithms so that it does not overflow into infinity some 20 deviations out.
 */
export function phiOf(elapsedMs: number, meanMs: number, deviationMs: number): number {
  const y = (elapsedMs - meanMs) / deviationMs;
  const x = y * (1.5976 + 0.070566 * y * y);
  return (x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x))) / Math.LN10;
}

function withIntervals(options: PhiOptions, lastMs: number | undefined, intervalsMs: readonly number[]): PhiState {
  const meanMs = intervalsMs.reduce((sum, interval) => sum + interval, 0) / intervalsMs.length;
  const variance = intervalsMs.reduce((sum, interval) => sum + (interval - meanMs) ** 2, 0) / intervalsMs.length;
  return { options, lastMs, intervalsMs, meanMs, deviationMs: Math.max(options.deviationMinMs, Math.sqrt(variance)) };
}
