/**
 * For a cluster that runs the Prometheus operator and Grafana's sidecar: what to scrape, and the alert rules and dashboards of infra/observability/,
 * which is where they are kept.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { IConfigMap } from 'kubernetes-models/v1';
import { parse } from 'yaml';
import { ParameterError, type Parameters } from '../parameters.js';
import { labels, names, scraped, selector } from './names.js';

/** Of the Prometheus operator. */
export interface IServiceMonitor {
  readonly apiVersion: 'monitoring.coreos.com/v1';
  readonly kind: 'ServiceMonitor';
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly endpoints: readonly { readonly port: string; readonly path: string; readonly interval: string }[];
  };
}

function serviceMonitor({ namespace }: Parameters) {
  return {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'ServiceMonitor',
    metadata: { name: names.store, namespace, labels },
    spec: { selector: { matchLabels: { ...selector, ...scraped } }, endpoints: [{ port: 'http', path: '/metrics', interval: '15s' }] },
  } satisfies IServiceMonitor;
}

/**
 * One manifest for each file there: alert rules from YAML with `groups`, dashboards from JSON.
 *
 * @throws ParameterError when there is none of either: monitoring was asked for, and there would be nothing to look at
 */
export function monitoring(parameters: Parameters, directory: string): object[] {
  const files = existsSync(directory) ? readdirSync(directory).toSorted() : [];
  const rules = files.filter((file) => /\.ya?ml$/.test(file));
  const dashboards = files.filter((file) => file.endsWith('.json'));
  if (rules.length === 0 || dashboards.length === 0) {
    throw new ParameterError('monitoring: there are no alert rules and dashboards in infra/observability');
  }
  const { namespace } = parameters;
  const read = (file: string): string => readFileSync(join(directory, file), 'utf8');
  const nameOf = (file: string): string =>
    `${names.store}-${file
      .replace(/\.\w+$/, '')
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')}`;
  return [
    serviceMonitor(parameters),
    ...rules.map((file) => ({
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PrometheusRule',
      metadata: { name: nameOf(file), namespace, labels },
      spec: parse(read(file)) as object,
    })),
    ...dashboards.map(
      (file) =>
        ({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: nameOf(file), namespace, labels: { ...labels, grafana_dashboard: '1' } },
          data: { [file]: read(file) },
        }) satisfies IConfigMap,
    ),
  ];
}
