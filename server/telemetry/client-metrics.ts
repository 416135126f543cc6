/** Metrics of a node's clients. */
import type { Statistics } from '../statistics.js';
import { histogramPoint, metric, single, type Metric } from './metric.js';

/** Scripts and modules of clients choose error codes as they like. */
const codesMax = 64;

export interface ClientSource {
  readonly statistics: Statistics;
  readonly connections: number;
  readonly clientsMax: number;
}

export const clientMetrics: readonly Metric<ClientSource>[] = [
  metric(
    'histogram',
    'torc_command_duration_seconds',
    's',
    'How long commands took, from the arrival of their bytes to the reply, by family and by what came of them: ok or error.',
    ['family', 'outcome'],
    ({ statistics }) =>
      [...statistics.familyDurations()].flatMap(([family, { ok, error }]) => [
        histogramPoint(ok, { family, outcome: 'ok' }),
        histogramPoint(error, { family, outcome: 'error' }),
      ]),
  ),
  single('gauge', 'torc_clients', '{connection}', 'Clients connected.', ({ connections }) => connections),
  single('gauge', 'torc_clients_max', '{connection}', 'The directive maxclients.', ({ clientsMax }) => clientsMax),
  single(
    'counter',
    'torc_clients_accepted_total',
    '{connection}',
    'Clients that were accepted.',
    ({ statistics }) => statistics.connectionsReceived,
  ),
  single('counter', 'torc_clients_rejected_total', '{connection}', 'Clients that were refused at maxclients.', ({ statistics }) => {
    return statistics.rejectedConnections;
  }),
  single('counter', 'torc_clients_cut_total', '{connection}', 'Clients closed since they did not take their replies.', ({ statistics }) => {
    return statistics.outputLimitDisconnections;
  }),
  metric('counter', 'torc_client_bytes_total', 'By', 'Bytes from and to clients.', ['direction'], ({ statistics }) => [
    { labels: { direction: 'in' }, value: statistics.bytesIn },
    { labels: { direction: 'out' }, value: statistics.bytesOut },
  ]),
  metric('counter', 'torc_errors_total', '{reply}', 'Error replies by their first word.', ['code'], ({ statistics }) =>
    [...statistics.errorsByCode()].slice(0, codesMax).map(([code, value]) => ({ labels: { code }, value })),
  ),
];
