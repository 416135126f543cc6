/**
 * Loaded into a server before its own program (`node --import`): measures the longest turn of its event loop in CPU time of its main thread, garbage
 * collection apart, and writes it to the file that TORC_TURN_METER names on SIGUSR2. A machine that is short of CPUs stretches a turn's wall time and
 * not its CPU time. Linux only: it reads schedstat.
 *
 * A timer fires each millisecond; between two firings lies at most one long turn and about a millisecond of others, so what it finds is an upper bound.
 */
import { openSync, readSync, writeFileSync } from 'node:fs';
import { PerformanceObserver, performance } from 'node:perf_hooks';

export interface TurnFigures {
  /** CPU ms of the longest turn, garbage collection apart. */
  readonly longestMs: number;
  /** With it. */
  readonly longestWithCollectionMs: number;
}

const resultFile = process.env['TORC_TURN_METER'] ?? '';
const schedstat = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
const bytes = Buffer.alloc(64);
const neverWoken = new Int32Array(new SharedArrayBuffer(4));
/** Nearly always long enough that the thread does sleep. */
const sleepMs = 0.05;

/** CPU time of this thread so far, ms, and how often it was given a CPU. */
function schedule(): readonly [cpuMs: number, slices: string | undefined] {
  const [nanoseconds = '', , slices] = bytes.toString('latin1', 0, readSync(schedstat, bytes, 0, bytes.length, 0)).split(' ');
  return [Number.parseInt(nanoseconds, 10) / 1e6, slices];
}

/** The kernel writes a running thread's time down at its ticks, 4 ms apart, and when it sleeps; a wait may end before it does. */
function cpuMs(): number {
  const [, before] = schedule();
  for (;;) {
    Atomics.wait(neverWoken, 0, 0, sleepMs);
    const [spent, slices] = schedule();
    if (slices !== before) return spent;
  }
}

interface Span {
  readonly from: number;
  readonly to: number;
  readonly cpuMs: number;
}

/** Only spans this long can be the longest turn. */
const noticedMs = 2;
const spans: Span[] = [];
const collections: { readonly from: number; readonly to: number }[] = [];
let lastCpuMs = cpuMs();
let lastMs = performance.now();

new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) collections.push({ from: startTime, to: startTime + duration });
}).observe({ entryTypes: ['gc'] });

function look(): void {
  const nowCpuMs = cpuMs();
  const nowMs = performance.now();
  if (nowCpuMs - lastCpuMs > noticedMs) spans.push({ from: lastMs, to: nowMs, cpuMs: nowCpuMs - lastCpuMs });
  lastCpuMs = nowCpuMs;
  lastMs = nowMs;
}

setInterval(look, 1).unref();

process.on('SIGUSR2', () => {
  look();
  const apart = spans.map(({ from, to, cpuMs: spent }) => {
    const collecting = collections.reduce((sum, each) => sum + Math.max(0, Math.min(to, each.to) - Math.max(from, each.from)), 0);
    return spent * Math.max(0, 1 - collecting / (to - from)); // collections are known by wall time only
  });
  const figures: TurnFigures = {
    longestMs: Math.max(0, ...apart),
    longestWithCollectionMs: Math.max(0, ...spans.map((span) => span.cpuMs)),
  };
  spans.length = collections.length = 0;
  writeFileSync(resultFile, JSON.stringify(figures));
  // What this took, milliseconds where there were thousands of spans, is no turn of the server's.
  lastCpuMs = cpuMs();
  lastMs = performance.now();
});
