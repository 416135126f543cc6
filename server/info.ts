/** INFO: this node's figures in Redis' sections and names, so that its tools and exporters find what they look for; and Torc's own. */
import { arch, release, type } from 'node:os';
import type { NodeHealth } from '../cluster/node-health.js';
import type { LocalContext } from './local-context.js';

/** The Redis whose commands are followed. Clients decide by it what they may send. */
export const compatibleVersion = '7.2.4';

type Figures = Iterable<readonly [name: string, value: string | number]>;

const msPerSecond = 1000;
const secondsPerDay = 86_400;

/** In the order they are printed. `default` leaves out what is long, `all` what is about modules, as Redis does. */
const sections: readonly {
  readonly name: string;
  readonly title: string;
  readonly inDefault: boolean;
  readonly figures: (context: LocalContext) => Figures;
}[] = [
  { name: 'server', title: 'Server', inDefault: true, figures: serverFigures },
  { name: 'clients', title: 'Clients', inDefault: true, figures: clientFigures },
  { name: 'memory', title: 'Memory', inDefault: true, figures: memoryFigures },
  { name: 'persistence', title: 'Persistence', inDefault: true, figures: persistenceFigures },
  { name: 'stats', title: 'Stats', inDefault: true, figures: statsFigures },
  { name: 'replication', title: 'Replication', inDefault: true, figures: replicationFigures },
  { name: 'cpu', title: 'CPU', inDefault: true, figures: cpuFigures },
  { name: 'modules', title: 'Modules', inDefault: true, figures: () => [] },
  { name: 'commandstats', title: 'Commandstats', inDefault: false, figures: commandFigures },
  { name: 'errorstats', title: 'Errorstats', inDefault: true, figures: errorFigures },
  { name: 'cluster', title: 'Cluster', inDefault: true, figures: () => [['cluster_enabled', 1]] },
  { name: 'torc', title: 'Torc', inDefault: true, figures: torcFigures },
];

/** `wanted` are lower-case section names, or default, all, everything; none = default. Unknown ones are ignored, as in Redis. */
export function infoText(context: LocalContext, wanted: readonly string[]): string {
  const names = new Set(wanted.length > 0 ? wanted : ['default']);
  return sections
    .filter(
      ({ name, inDefault }) =>
        names.has(name) || names.has('everything') || (names.has('all') && name !== 'modules') || (names.has('default') && inDefault),
    )
    .map(({ title, figures }) => `# ${title}\r\n${print(figures(context))}`)
    .join('\r\n');
}

function print(figures: Figures): string {
  let text = '';
  for (const [name, value] of figures) text += `${name}:${String(value).replaceAll(/[\r\n]/g, ' ')}\r\n`;
  return text;
}

function serverFigures({ torcVersion, cluster, nowMs, statistics }: LocalContext): Figures {
  const uptimeSeconds = Math.max(0, Math.floor((nowMs - statistics.startedAtMs) / msPerSecond));
  return [
    ['redis_version', compatibleVersion],
    ['torc_version', torcVersion],
    ['redis_mode', 'cluster'],
    ['os', `${type()} ${release()} ${arch()}`],
    ['arch_bits', 64],
    ['node_version', process.versions.node],
    ['process_id', process.pid],
    ['run_id', cluster.self.id],
    ['tcp_port', cluster.self.clientPort],
    ['server_time_usec', nowMs * msPerSecond],
    ['uptime_in_seconds', uptimeSeconds],
    ['uptime_in_days', Math.floor(uptimeSeconds / secondsPerDay)],
  ];
}

function clientFigures({ clients, configuration }: LocalContext): Figures {
  return [
    ['connected_clients', clients().length],
    ['cluster_connections', 0],
    ...configuration.matching(['maxclients']),
    ['blocked_clients', 0],
  ];
}

/** The node's own section comes last and replaces what is measured here. */
function memoryFigures({ statistics }: LocalContext): Figures {
  const { heapUsed, external, rss } = process.memoryUsage();
  const used = heapUsed + external;
  return new Map<string, string | number>([
    ['used_memory', used],
    ['used_memory_human', human(used)],
    ['used_memory_rss', rss],
    ['used_memory_rss_human', human(rss)],
    ['maxmemory', 0],
    ['maxmemory_human', '0B'],
    ['maxmemory_policy', 'noeviction'],
    ['mem_allocator', 'v8'],
    ...statistics.section('memory'),
  ]);
}

function human(bytes: number): string {
  const units = ['B', 'K', 'M', 'G', 'T'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return power === 0 ? `${bytes}B` : `${(bytes / 1024 ** power).toFixed(2)}${units[power]}`;
}

function persistenceFigures({ cluster, statistics }: LocalContext): Figures {
  return new Map<string, string | number>([['loading', cluster.ready ? 0 : 1], ...statistics.section('persistence')]);
}

function statsFigures({ statistics }: LocalContext): Figures {
  let errors = 0;
  for (const count of statistics.errorsByCode().values()) errors += count;
  return [
    ['total_connections_received', statistics.connectionsReceived],
    ['total_commands_processed', statistics.commandsProcessed],
    ['total_net_input_bytes', statistics.bytesIn],
    ['total_net_output_bytes', statistics.bytesOut],
    ['rejected_connections', statistics.rejectedConnections],
    ['client_output_buffer_limit_disconnections', statistics.outputLimitDisconnections],
    ['expired_keys', statistics.expiredKeys],
    ['evicted_keys', 0],
    ['keyspace_hits', statistics.keyspaceHits],
    ['keyspace_misses', statistics.keyspaceMisses],
    ['total_error_replies', errors],
  ];
}

/** Every node takes writes, so to Redis' tools each is a master without replicas. */
function replicationFigures({ cluster, statistics }: LocalContext): Figures {
  return new Map<string, string | number>([
    ['role', 'master'],
    ['connected_slaves', 0],
    ['master_replid', cluster.self.id],
    ...statistics.section('replication'),
  ]);
}

const secondsOf = (microseconds: number): string => (microseconds / 1e6).toFixed(6);

function cpuFigures(): Figures {
  const { system, user } = process.cpuUsage();
  return [
    ['used_cpu_sys', secondsOf(system)],
    ['used_cpu_user', secondsOf(user)],
  ];
}

function commandFigures({ statistics }: LocalContext): Figures {
  return [...statistics.commandCalls()].map(
    ([name, { calls, errors }]) => [`cmdstat_${name}`, `calls=${calls},failed_calls=${errors}`] as const,
  );
}

function errorFigures({ statistics }: LocalContext): Figures {
  return [...statistics.errorsByCode()].map(([code, count]) => [`errorstat_${code}`, `count=${count}`] as const);
}

function torcFigures({ cluster, statistics }: LocalContext): Figures {
  return new Map<string, string | number>([
    ['cluster_name', cluster.clusterName],
    ['node_name', cluster.self.name],
    ['zone', cluster.self.zone],
    ['ready', cluster.ready ? 1 : 0],
    ['configuration', cluster.configurationNumber],
    ['members', cluster.members().length],
    ['partitions', cluster.partitions],
    ['replicas', cluster.replicas],
    ['write_quorum', cluster.writeQuorum],
    ['read_quorum', cluster.readQuorum],
    ...statistics.section('torc'),
    ...cluster.health().map(nodeFigure),
  ]);
}

/** As Redis shows a replica: one line, its fields by name. */
function nodeFigure({ name, address, self, member, status, phi, incarnation, silentMs }: NodeHealth, index: number): [string, string] {
  const role = self ? 'self' : member ? 'member' : 'other';
  const heard = silentMs === undefined ? 'never' : Math.round(silentMs);
  return [
    `node${index}`,
    `name=${name},address=${address},role=${role},status=${status},phi=${phi.toFixed(2)},incarnation=${incarnation},last_heard_ms=${heard}`,
  ];
}
