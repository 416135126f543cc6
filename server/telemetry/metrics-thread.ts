/**
 * OpenTelemetry, in a thread of its own: it takes what one scrape read, and gives the text that Prometheus reads. Loading the SDK takes 80 ms
 * and rendering some milliseconds, which the event loop that serves commands has not got (decision 19).
 */
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { metrics, NodeSDK, resources } from '@opentelemetry/sdk-node';
import { strict as assert } from 'node:assert';
import { parentPort, workerData } from 'node:worker_threads';
import type { HistogramValue, MetricReading, Point } from './metric.js';

/** What the thread is started with. */
export interface ThreadResource {
  readonly nodeId: string;
  readonly clusterName: string;
  readonly version: string;
  readonly startedAtMs: number;
}

export interface ScrapeRequest {
  readonly id: number;
  readonly readings: readonly MetricReading[];
}

export type ScrapeAnswer = { readonly id: number; readonly text: string } | { readonly id: number; readonly error: string };

type HrTime = [seconds: number, nanoseconds: number];

const hrTime = (unixMs: number): HrTime => [Math.floor(unixMs / 1000), Math.round((unixMs % 1000) * 1e6)];
const { AggregationTemporality, DataPointType } = metrics;

function numberOf({ value }: Point): number {
  assert(typeof value === 'number');
  return value;
}

function histogramOf({ value }: Point): metrics.Histogram {
  assert(typeof value !== 'number');
  const { boundsSeconds, counts, sum }: HistogramValue = value;
  return { buckets: { boundaries: [...boundsSeconds], counts: [...counts] }, sum, count: counts.reduce((all, count) => all + count, 0) };
}

function metricData({ name, kind, unit, help, points }: MetricReading, startTime: HrTime, endTime: HrTime): metrics.MetricData {
  const base = {
    descriptor: { name, description: help, unit, valueType: 1 },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  } as const;
  const dataPoints = <T>(valueOf: (point: Point) => T): metrics.DataPoint<T>[] =>
    points.map((point) => ({ startTime, endTime, attributes: { ...point.labels }, value: valueOf(point) }));
  if (kind === 'histogram') return { ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints: dataPoints(histogramOf) };
  if (kind === 'gauge') return { ...base, dataPointType: DataPointType.GAUGE, dataPoints: dataPoints(numberOf) };
  return { ...base, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: dataPoints(numberOf) };
}

function begin(port: NonNullable<typeof parentPort>, { nodeId, clusterName, version, startedAtMs }: ThreadResource): void {
  const resource = resources.resourceFromAttributes({
    'service.name': 'torc',
    'service.namespace': clusterName,
    'service.instance.id': nodeId,
    'service.version': version,
  });
  let current: readonly MetricReading[] = [];
  const producer: metrics.MetricProducer = {
    collect: () => {
      const [startTime, endTime] = [hrTime(startedAtMs), hrTime(Date.now())];
      const scope = { scope: { name: 'torc', version }, metrics: current.map((reading) => metricData(reading, startTime, endTime)) };
      return Promise.resolve({ resourceMetrics: { resource, scopeMetrics: [scope] }, errors: [] });
    },
  };
  const exporter = new PrometheusExporter({ preventServerStart: true, metricProducers: [producer] });
  // Detected resources would show the command line to whoever scrapes.
  new NodeSDK({ resource, autoDetectResources: false, metricReaders: [exporter], instrumentations: [] }).start();
  const serializer = new PrometheusSerializer('', false, undefined, false, true);

  const answer = async ({ id, readings }: ScrapeRequest): Promise<ScrapeAnswer> => {
    current = readings;
    const { resourceMetrics, errors } = await exporter.collect();
    return errors.length > 0 ? { id, error: String(errors[0]) } : { id, text: serializer.serialize(resourceMetrics) };
  };
  // One after the other: a collection shows what was handed in last.
  let last = Promise.resolve();
  port.on('message', (request: ScrapeRequest) => {
    last = last
      .then(() => answer(request))
      .catch((error: unknown): ScrapeAnswer => ({ id: request.id, error: String(error) }))
      .then((answered) => port.postMessage(answered));
  });
}

if (parentPort !== null) begin(parentPort, workerData as ThreadResource);
