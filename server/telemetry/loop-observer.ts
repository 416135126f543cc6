/** What the process's own loop suffers: how late it comes to a timer, and how long garbage collections stop it. */
import { constants, PerformanceObserver, performance, type PerformanceEntry } from 'node:perf_hooks';
import { DurationHistogram } from '../../storage/duration-histogram.js';

const beatMs = 20;

const kinds: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weak callbacks',
};

function kindOf(entry: PerformanceEntry): string {
  const detail: unknown = 'detail' in entry ? entry.detail : undefined;
  const kind: unknown = typeof detail === 'object' && detail !== null && 'kind' in detail ? detail.kind : undefined;
  return (typeof kind === 'number' && kinds[kind]) || 'other';
}

export class LoopObserver {
  /** How much later than asked a timer ran. */
  readonly delays = new DurationHistogram();
  /** By kind. */
  readonly collections: ReadonlyMap<string, DurationHistogram>;
  private dueMs = performance.now() + beatMs;
  private readonly timer: NodeJS.Timeout;
  private readonly observer: PerformanceObserver;

  constructor() {
    const collections = new Map([...Object.values(kinds), 'other'].map((kind) => [kind, new DurationHistogram()]));
    this.collections = collections;
    this.timer = setInterval(() => {
      const nowMs = performance.now();
      this.delays.record(Math.max(0, nowMs - this.dueMs));
      this.dueMs = nowMs + beatMs;
    }, beatMs).unref();
    this.observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) collections.get(kindOf(entry))?.record(entry.duration);
    });
    this.observer.observe({ entryTypes: ['gc'] });
  }

  close(): void {
    clearInterval(this.timer);
    this.observer.disconnect();
  }
}
