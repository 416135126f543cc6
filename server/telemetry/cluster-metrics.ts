/** Metrics of the cluster's side of a node: replication, peers, hints, repair. What INFO shows under the same roof is read from the same figures. */
import type { PeerFigures } from '../../cluster/node-figures.js';
import type { NodeHealth } from '../../cluster/node-health.js';
import { isReady, type Readiness } from '../../cluster/readiness.js';
import type { DurationHistogram } from '../../storage/duration-histogram.js';
import { histogramPoint, metric, single, type Metric, type MetricKind } from './metric.js';

export interface ClusterSource {
  /** node.statistics(). */
  readonly figures: ReadonlyMap<string, string | number>;
  readonly peers: readonly PeerFigures[];
  readonly health: readonly NodeHealth[];
  readonly readiness: Readiness;
  readonly members: number;
  /** Times between writing a batch and W replicas holding it, and between asking for versions and R having compared them. */
  readonly waits: { readonly write: DurationHistogram; readonly read: DurationHistogram };
  readonly takeOvers: { readonly times: DurationHistogram; readonly abandoned: number };
}

function figure(kind: Exclude<MetricKind, 'histogram'>, name: string, unit: string, help: string, of: string): Metric<ClusterSource> {
  return single(kind, name, unit, help, ({ figures }) => {
    const value = figures.get(of);
    if (typeof value !== 'number') throw new Error(`the node has no figure ${of}`);
    return value;
  });
}

function byPeer(
  kind: Exclude<MetricKind, 'histogram'>,
  name: string,
  unit: string,
  help: string,
  read: (peer: PeerFigures) => number,
): Metric<ClusterSource> {
  return metric(kind, name, unit, help, ['peer'], ({ peers }) =>
    peers.map((peer) => ({ labels: { peer: peer.nodeId }, value: read(peer) })),
  );
}

export const clusterMetrics: readonly Metric<ClusterSource>[] = [
  single('gauge', 'torc_ready', '1', '1 when clients should be sent to this node: what /readyz says.', ({ readiness }) =>
    Number(isReady(readiness)),
  ),
  single(
    'gauge',
    'torc_partitions_short',
    '{partition}',
    'Partitions kept here of which too few replicas can be reached for a quorum.',
    (from) => {
      return from.readiness.shortPartitions;
    },
  ),
  single('gauge', 'torc_members', '{node}', 'Members of the cluster.', ({ members }) => members),
  figure('gauge', 'torc_partitions_coordinated', '{partition}', 'Partitions that this node coordinates.', 'coordinated_partitions'),
  figure(
    'gauge',
    'torc_partitions_doubtful',
    '{partition}',
    'Partitions that this node may have lost something of and is rebuilding.',
    'doubtful_partitions',
  ),
  figure(
    'gauge',
    'torc_partitions_behind',
    '{partition}',
    'Partitions in which others have written what this node has not got yet.',
    'partitions_behind',
  ),
  metric(
    'histogram',
    'torc_quorum_wait_seconds',
    's',
    'How long a write waited until W replicas held it, and a read until R had compared versions.',
    ['access'],
    ({ waits }) => [histogramPoint(waits.write, { access: 'write' }), histogramPoint(waits.read, { access: 'read' })],
  ),
  figure('gauge', 'torc_unsettled_batches', '{batch}', 'Batches that wait for W replicas.', 'unsettled_batches'),
  figure('counter', 'torc_batches_written_total', '{batch}', 'Batches that this node coordinated.', 'batches_written'),
  figure('counter', 'torc_batches_applied_total', '{batch}', 'Batches that this node took from others.', 'batches_applied'),
  figure('counter', 'torc_commands_forwarded_total', '{command}', 'Commands that this node sent on to another.', 'commands_forwarded'),
  figure(
    'counter',
    'torc_versions_compared_total',
    '{record}',
    "Records whose version a read compared with another replica's.",
    'versions_compared',
  ),
  figure(
    'counter',
    'torc_read_repairs_total',
    '{record}',
    'Records whose versions differed, and which the read repaired.',
    'versions_differed',
  ),
  metric('histogram', 'torc_take_over_seconds', 's', 'How long this node took to take a partition over.', [], ({ takeOvers }) => [
    histogramPoint(takeOvers.times),
  ]),
  single('counter', 'torc_take_overs_abandoned_total', '{partition}', 'Take-overs that were given up or begun anew.', ({ takeOvers }) => {
    return takeOvers.abandoned;
  }),
  figure('counter', 'torc_expired_keys_total', '{key}', 'Keys that this node deleted since their time had come.', 'expired_keys'),
  figure('counter', 'torc_expired_elements_total', '{element}', 'The same of fields of hashes.', 'expired_elements'),
  byPeer(
    'gauge',
    'torc_replication_lag_seconds',
    's',
    'Age of the oldest batch that is still to reach the peer, hints included.',
    (peer) => {
      return peer.lagMs / 1000;
    },
  ),
  byPeer('gauge', 'torc_peer_reachable', '1', '1 while the link to the peer is open and the peer is not suspected.', (peer) =>
    Number(peer.reachable),
  ),
  metric(
    'gauge',
    'torc_peer_phi',
    '1',
    'Suspicion of a node by its heartbeats; phi-threshold is where it is bypassed.',
    ['peer'],
    ({ health }) => health.filter(({ self, member }) => member && !self).map(({ name, phi }) => ({ labels: { peer: name }, value: phi })),
  ),
  metric('gauge', 'torc_nodes', '{node}', 'Nodes as gossip has them, by status.', ['status'], ({ health }) => {
    const counts = new Map<string, number>([
      ['up', 0],
      ['suspected', 0],
      ['down', 0],
    ]);
    for (const { status } of health) counts.set(status, (counts.get(status) ?? 0) + 1);
    return [...counts].map(([status, value]) => ({ labels: { status }, value }));
  }),
  metric(
    'counter',
    'torc_network_bytes_total',
    'By',
    'Bytes of frames between this node and the peer.',
    ['peer', 'direction'],
    ({ peers }) =>
      peers.flatMap(({ nodeId, bytesSent, bytesReceived }) => [
        { labels: { peer: nodeId, direction: 'out' }, value: bytesSent },
        { labels: { peer: nodeId, direction: 'in' }, value: bytesReceived },
      ]),
  ),
  byPeer('gauge', 'torc_unacknowledged_bytes', 'By', 'Bytes of batches that the peer has not acknowledged.', (peer) => peer.unackedBytes),
  byPeer('gauge', 'torc_hints_bytes', 'By', 'Bytes of batches kept on disk for the peer.', (peer) => peer.hintBytes),
  figure('counter', 'torc_hints_kept_total', '{batch}', 'Batches kept for others.', 'hints_kept'),
  figure('counter', 'torc_hints_handed_over_total', '{batch}', 'Kept batches that were handed over.', 'hints_handed_over'),
  figure(
    'counter',
    'torc_hints_dropped_total',
    '{batch}',
    'Batches dropped for their age or for want of room, and left to repair.',
    'hints_dropped',
  ),
  figure('counter', 'torc_hints_to_stand_ins_total', '{batch}', 'Batches that this node gave to stand-ins.', 'hints_sent_to_stand_ins'),
  figure('counter', 'torc_repair_rounds_total', '{round}', 'Rounds of comparison with other replicas.', 'repair_rounds'),
  single(
    'gauge',
    'torc_repair_partitions_left',
    '{partition}',
    'Replicas of partitions that the round under way has still to compare.',
    (from) => {
      return Number(from.figures.get('repair_partitions_total')) - Number(from.figures.get('repair_partitions_done'));
    },
  ),
  figure(
    'counter',
    'torc_repair_partitions_compared_total',
    '{partition}',
    'Replicas of partitions compared by their trees.',
    'repair_partitions_compared',
  ),
  figure('counter', 'torc_repair_partitions_differed_total', '{partition}', 'Those that differed.', 'repair_partitions_differed'),
  figure('counter', 'torc_repair_failures_total', '{comparison}', 'Comparisons with a peer that were given up.', 'repair_pairs_failed'),
  metric(
    'counter',
    'torc_repair_records_total',
    '{record}',
    'Records that repair sent to other replicas and took from them.',
    ['direction'],
    (from) => [
      { labels: { direction: 'out' }, value: Number(from.figures.get('repair_records_sent')) },
      { labels: { direction: 'in' }, value: Number(from.figures.get('repair_records_taken')) },
    ],
  ),
  figure('counter', 'torc_repair_sent_bytes_total', 'By', 'Bytes that comparison and repair have sent.', 'repair_bytes_sent'),
  figure('counter', 'torc_hashing_tasks_total', '{task}', 'Tasks given to the pool that hashes records.', 'hashing_tasks'),
  figure('counter', 'torc_gossip_rounds_total', '{round}', 'Rounds of gossip.', 'gossip_rounds'),
  figure('counter', 'torc_gossip_failures_total', '{exchange}', 'Exchanges of gossip that failed.', 'gossip_failed_exchanges'),
];
