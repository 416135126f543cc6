/**
 * Loaded into a server before its own program (`node --import`): measures the longest turn of its event loop in CPU time of its main thread, garbage
 * collection apart, and writes it to the file that TORC_TURN_METER names on SIGUSR2. A machine that is short of CPUs stretches a turn's wall time and
 * not its CPU time; what the host of a virtual machine took of that is told apart (stolen-time.ts). Linux only: it reads schedstat.
 *
 * A timer fires each millisecond; between two firings lies at most one long turn and about a millisecond of others, so what it finds is an upper bound.
 */
import { openSync, readSync, writeFileSync } from 'node:fs';
import { PerformanceObserver, performance } from 'node:perf_hooks';
import { monotonicMs, stolenOf, type Stolen } from './stolen-time.js';

export interface TurnFigures {
  /** CPU ms of the longest turn, garbage collection apart. */
  readonly longestMs: number;
  /** With it. */
  readonly longestWithCollectionMs: number;
  /** Without either it or what the host took, as far as that is known. */
  readonly longestOwnMs: number;
}

const resultFile = process.env['TORC_TURN_METER'] ?? '';
const schedstat = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
const bytes = Buffer.alloc(64);
const neverWoken = new Int32Array(new SharedArrayBuffer(4));
/** Nearly always long enough that the thread does sleep. */
const sleepMs = 0.05;
/** What is to be added to the times of `perf_hooks`. */
const originMs = monotonicMs() - performance.now();

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

/** On CLOCK_MONOTONIC, in ms. */
interface Interval {
  readonly from: number;
  readonly to: number;
}

interface Span extends Interval {
  readonly cpuMs: number;
}

/** Only spans this long can be the longest turn. */
const noticedMs = 2;
const spans: Span[] = [];
const collections: Interval[] = [];
let lastCpuMs = cpuMs();
let lastMs = monotonicMs();

new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries())
    collections.push({ from: originMs + startTime, to: originMs + startTime + duration });
}).observe({ entryTypes: ['gc'] });

function look(): void {
  const nowCpuMs = cpuMs();
  const nowMs = monotonicMs();
  if (nowCpuMs - lastCpuMs > noticedMs) spans.push({ from: lastMs, to: nowMs, cpuMs: nowCpuMs - lastCpuMs });
  lastCpuMs = nowCpuMs;
  lastMs = nowMs;
}

setInterval(look, 1).unref();

const sum = (figures: readonly number[]): number => figures.reduce((total, each) => total + each, 0);

/** How much of the second lies in the first, ms. */
const overlap = (one: Interval, other: Interval): number => Math.max(0, Math.min(one.to, other.to) - Math.max(one.from, other.from));

/** CPU ms of a span apart from garbage collection and from what the host took; collections are known by wall time only. */
function apart(span: Span, everStolen: readonly Stolen[]): number {
  const stolen = everStolen.filter(({ from, to }) => from >= span.from && to <= span.to);
  const stolenMs = sum(stolen.map((each) => each.stolen));
  const collecting = collections.filter((each) => overlap(span, each) > 0);
  const collectingMs = sum(
    collecting.map((each) => overlap(span, each) - sum(stolen.map((taken) => Math.min(taken.stolen, overlap(each, taken))))),
  );
  return (span.cpuMs - stolenMs) * Math.max(0, 1 - collectingMs / (span.to - span.from - stolenMs));
}

process.on('SIGUSR2', () => {
  look();
  const stolen = stolenOf(resultFile);
  const figures: TurnFigures = {
    longestMs: Math.max(0, ...spans.map((span) => apart(span, []))),
    longestWithCollectionMs: Math.max(0, ...spans.map((span) => span.cpuMs)),
    longestOwnMs: Math.max(0, ...spans.map((span) => apart(span, stolen))),
  };
  spans.length = collections.length = 0;
  writeFileSync(resultFile, JSON.stringify(figures));
  // What this took, milliseconds where there were thousands of spans, is no turn of the server's.
  lastCpuMs = cpuMs();
  lastMs = monotonicMs();
});
