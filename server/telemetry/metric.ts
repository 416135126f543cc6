/**
 * What a metric is here: a row of a table with its name, unit and help, and how it is read from where it is counted. Nothing is recorded through
 * OpenTelemetry, whose instruments cost microseconds: the node counts in its own fields and columns, and rows are read when somebody scrapes.
 */
import { DurationHistogram } from '../../storage/duration-histogram.js';

export type Labels = Readonly<Record<string, string>>;

export type MetricKind = 'counter' | 'gauge' | 'histogram';

export interface HistogramValue {
  readonly boundsSeconds: readonly number[];
  /** Of each bucket alone, the last one without a bound. */
  readonly counts: readonly number[];
  readonly sum: number;
}

export interface Point {
  readonly labels: Labels;
  readonly value: number | HistogramValue;
}

interface MetricWords {
  /** As Prometheus shows it. */
  readonly name: string;
  readonly kind: MetricKind;
  /** In the words of UCUM, as OpenTelemetry has it: s, By, 1, {batch}. */
  readonly unit: string;
  readonly help: string;
}

/** A row of a table of metrics that are read from an S. */
export interface Metric<S> extends MetricWords {
  readonly labels: readonly string[];
  readonly read: (source: S) => Iterable<Point>;
}

/** What one scrape shows of a metric; can be handed to another thread. */
export interface MetricReading extends MetricWords {
  readonly points: readonly Point[];
}

export function metric<S>(
  kind: MetricKind,
  name: string,
  unit: string,
  help: string,
  labels: readonly string[],
  read: (source: S) => Iterable<Point>,
): Metric<S> {
  return { kind, name, unit, help, labels, read };
}

/** A metric without labels. Undefined is a figure that is not known, and no point. */
export function single<S>(
  kind: 'counter' | 'gauge',
  name: string,
  unit: string,
  help: string,
  read: (source: S) => number | undefined,
): Metric<S> {
  return metric(kind, name, unit, help, [], (source) => {
    const value = read(source);
    return value === undefined ? [] : [{ labels: {}, value }];
  });
}

export function histogramPoint(histogram: DurationHistogram, labels: Labels = {}): Point {
  return {
    labels,
    value: { boundsSeconds: DurationHistogram.boundsSeconds, counts: [...histogram.counts], sum: histogram.seconds },
  };
}

export function readings<S>(rows: readonly Metric<S>[], source: S): MetricReading[] {
  return rows.map(({ name, kind, unit, help, read }) => ({ name, kind, unit, help, points: [...read(source)] }));
}
