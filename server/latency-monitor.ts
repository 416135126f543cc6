/**
 * LATENCY: per kind of event the last moments in which it took latency-monitor-threshold or longer, as Redis keeps them (src/latency.c): 160
 * samples, of one second the worst. Events here are `command` and `fast-command`: what a client waited for its reply.
 */

const samplesMax = 160;

export interface LatencySample {
  readonly unixSeconds: number;
  /** Whole ms. */
  ms: number;
}

export interface LatencyEvent {
  readonly name: string;
  /** Oldest first; never empty. */
  readonly samples: LatencySample[];
  /** Since the last reset. */
  maxMs: number;
}

export class LatencyMonitor {
  private readonly byName = new Map<string, LatencyEvent>();

  constructor(
    private readonly options: {
      readonly nowMs: () => number;
      /** latency-monitor-threshold; 0 = off. */
      readonly thresholdMs: () => number;
    },
  ) {}

  get isOn(): boolean {
    return this.options.thresholdMs() > 0;
  }

  get thresholdMs(): number {
    return this.options.thresholdMs();
  }

  add(name: string, exactMs: number): void {
    const ms = Math.floor(exactMs);
    const unixSeconds = Math.floor(this.options.nowMs() / 1000);
    let event = this.byName.get(name);
    if (event === undefined) this.byName.set(name, (event = { name, samples: [], maxMs: 0 }));
    event.maxMs = Math.max(event.maxMs, ms);
    const last = event.samples.at(-1);
    if (last?.unixSeconds === unixSeconds) last.ms = Math.max(last.ms, ms);
    else event.samples.push({ unixSeconds, ms });
    if (event.samples.length > samplesMax) event.samples.shift();
  }

  events(): readonly LatencyEvent[] {
    return [...this.byName.values()];
  }

  event(name: string): LatencyEvent | undefined {
    return this.byName.get(name);
  }

  /** Forgets the events of these names, or all; returns how many there were. */
  reset(names: readonly string[]): number {
    let count = 0;
    for (const name of names.length > 0 ? names : [...this.byName.keys()]) if (this.byName.delete(name)) count++;
    return count;
  }
}
