/** Metrics of the process: memory, garbage collection, the event loop. Names as Prometheus' own clients have them where they have them. */
import { performance } from 'node:perf_hooks';
import type { LoopObserver } from './loop-observer.js';
import { histogramPoint, metric, single, type Metric } from './metric.js';

export interface ProcessSource {
  readonly loop: LoopObserver;
  readonly torcVersion: string;
  /** Unix ms. */
  readonly startedAtMs: number;
}

export const processMetrics: readonly Metric<ProcessSource>[] = [
  metric(
    'gauge',
    'torc_build_info',
    '1',
    'Always 1; the labels say which Torc runs on which Node.js.',
    ['version', 'node_version'],
    (from) => [{ labels: { version: from.torcVersion, node_version: process.versions.node }, value: 1 }],
  ),
  single('gauge', 'process_start_time_seconds', 's', 'When the process started, in seconds since 1970.', (from) => from.startedAtMs / 1000),
  metric('counter', 'process_cpu_seconds_total', 's', 'Processor time of all threads.', ['mode'], () => {
    const { user, system } = process.cpuUsage();
    return [
      { labels: { mode: 'user' }, value: user / 1e6 },
      { labels: { mode: 'system' }, value: system / 1e6 },
    ];
  }),
  single('gauge', 'process_resident_memory_bytes', 'By', 'Memory that the process holds.', () => process.memoryUsage.rss()),
  metric(
    'gauge',
    'torc_heap_bytes',
    'By',
    "Memory of JavaScript: the heap's used and whole size, and buffers outside it.",
    ['kind'],
    () => {
      const { heapUsed, heapTotal, external } = process.memoryUsage();
      return [
        { labels: { kind: 'used' }, value: heapUsed },
        { labels: { kind: 'total' }, value: heapTotal },
        { labels: { kind: 'external' }, value: external },
      ];
    },
  ),
  metric('histogram', 'torc_gc_duration_seconds', 's', 'How long garbage collections stopped the process.', ['kind'], ({ loop }) =>
    [...loop.collections].map(([kind, times]) => histogramPoint(times, { kind })),
  ),
  metric('histogram', 'torc_event_loop_delay_seconds', 's', 'How late the event loop came to a timer.', [], ({ loop }) => [
    histogramPoint(loop.delays),
  ]),
  single('counter', 'torc_event_loop_busy_seconds_total', 's', 'Time that the event loop was not waiting for events.', () => {
    return performance.eventLoopUtilization().active / 1000;
  }),
];
