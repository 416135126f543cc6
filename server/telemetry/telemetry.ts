/** A node's metrics: what is read from where, and /metrics. Until the node is put together only its process can be read. */
import type { Node } from '../../cluster/node.js';
import type { Store } from '../../storage/store.js';
import type { HttpAnswer } from '../probes/http-listener.js';
import type { Statistics } from '../statistics.js';
import { clientMetrics } from './client-metrics.js';
import { clusterMetrics } from './cluster-metrics.js';
import { DiskUsage } from './disk-usage.js';
import { LoopObserver } from './loop-observer.js';
import { readings, type MetricReading } from './metric.js';
import { MetricsExporter } from './metrics-exporter.js';
import { processMetrics } from './process-metrics.js';
import { storageMetrics } from './storage-metrics.js';

export interface TelemetryOptions {
  readonly nodeId: string;
  readonly clusterName: string;
  readonly torcVersion: string;
  readonly directory: string;
  readonly monotonicMs: () => number;
  /** Unix ms of the process's start. */
  readonly startedAtMs: number;
}

/** The node's parts, once there are. */
export interface TelemetrySources {
  readonly node: Node;
  readonly store: Store;
  readonly statistics: Statistics;
  readonly connections: () => number;
  readonly clientsMax: () => number;
  readonly cacheBytesMax: number;
  readonly engineFigure: (name: string) => number | undefined;
}

/** Every metric's row, for documents and checks. */
export const metricRows = [...processMetrics, ...clientMetrics, ...clusterMetrics, ...storageMetrics].map(
  ({ name, kind, unit, help, labels }) => ({ name, kind, unit, help, labels }),
);

export class Telemetry {
  private readonly loop = new LoopObserver();
  private readonly disk: DiskUsage;
  private readonly exporter: MetricsExporter;
  private sources: TelemetrySources | undefined;
  /** Scrapes that come while one is under way share it. */
  private underWay: Promise<HttpAnswer> | undefined;

  constructor(private readonly options: TelemetryOptions) {
    const { nodeId, clusterName, torcVersion: version, startedAtMs } = options;
    this.disk = new DiskUsage(options.directory, options.monotonicMs);
    this.exporter = new MetricsExporter({ nodeId, clusterName, version, startedAtMs });
  }

  attach(sources: TelemetrySources): void {
    this.sources = sources;
  }

  /** The route. Rejects with why nothing can be shown. */
  readonly scrape = (): Promise<HttpAnswer> => {
    this.underWay ??= this.render().finally(() => (this.underWay = undefined));
    return this.underWay;
  };

  async close(): Promise<void> {
    this.loop.close();
    this.sources = undefined;
    await this.exporter.close();
  }

  private async render(): Promise<HttpAnswer> {
    if (this.sources !== undefined) await this.disk.refresh();
    const body = await this.exporter.render(this.read());
    return { status: 200, contentType: 'text/plain; version=0.0.4; charset=utf-8', body };
  }

  private read(): MetricReading[] {
    const { sources, loop, disk } = this;
    const { torcVersion, startedAtMs } = this.options;
    const ofProcess = readings(processMetrics, { loop, torcVersion, startedAtMs });
    if (sources === undefined) return ofProcess;
    const { node, store, statistics, cacheBytesMax, engineFigure } = sources;
    const { coordinator, reader } = node;
    return [
      ...ofProcess,
      ...readings(clientMetrics, { statistics, connections: sources.connections(), clientsMax: sources.clientsMax() }),
      ...readings(clusterMetrics, {
        figures: new Map(node.statistics()),
        peers: node.peerFigures(),
        health: node.view.health(),
        readiness: node.readiness(),
        members: node.membership.memberCount,
        waits: { write: coordinator.quorumWaits, read: reader.quorumWaits },
        takeOvers: node.takeOver,
      }),
      ...readings(storageMetrics, {
        memoryBytes: store.memoryBytes,
        figures: store.statistics(),
        logTimes: store.logTimes,
        conflicts: store.conflicts,
        disk,
        lookups: coordinator.executed + reader.executed,
        lookupsWaited: node.callLoads.loadsWaitedFor,
        cacheBytesMax,
        engineFigure,
      }),
    ];
  }
}
