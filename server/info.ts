/** INFO: this node's figures in Redis' sections and names, so that its tools and exporters find what they look for; and Torc's own. */
import { arch, release, totalmem, type } from 'node:os';
import type { NodeHealth } from '../cluster/node-health.js';
import type { LocalContext } from './local-context.js';
import { memoryOf } from './process-memory.js';

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
  { name: 'latencystats', title: 'Latencystats', inDefault: false, figures: latencyFigures },
  { name: 'cluster', title: 'Cluster', inDefault: true, figures: () => [['cluster_enabled', 1]] },
  { name: 'keyspace', title: 'Keyspace', inDefault: true, figures: keyspaceFigures },
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

function serverFigures({ torcVersion, cluster, nowMs, unixMicroseconds, statistics }: LocalContext): Figures {
  const uptimeSeconds = Math.max(0, Math.floor((nowMs - statistics.startedAtMs) / msPerSecond));
  return [
    ['redis_version', compatibleVersion],
    ['torc_version', torcVersion],
    ['redis_git_sha1', '00000000'],
    ['redis_git_dirty', 0],
    ['redis_mode', 'cluster'],
    ['os', `${type()} ${release()} ${arch()}`],
    ['arch_bits', 64],
    ['monotonic_clock', 'node performance.now'],
    ['multiplexing_api', 'libuv'],
    ['node_version', process.versions.node],
    ['process_id', process.pid],
    ['run_id', cluster.self.id],
    ['tcp_port', cluster.self.clientPort],
    ['server_time_usec', unixMicroseconds],
    ['uptime_in_seconds', uptimeSeconds],
    ['uptime_in_days', Math.floor(uptimeSeconds / secondsPerDay)],
    ['executable', process.execPath],
    ['io_threads_active', 0],
  ];
}

function clientFigures({ clients, configuration }: LocalContext): Figures {
  const all = clients();
  const most = (bytesOf: (client: (typeof all)[number]) => number): number => all.reduce((max, each) => Math.max(max, bytesOf(each)), 0);
  return [
    ['connected_clients', all.length],
    ['cluster_connections', 0],
    ...configuration.matching(['maxclients']),
    ['client_recent_max_input_buffer', most(({ queryBufferBytes }) => queryBufferBytes)],
    ['client_recent_max_output_buffer', most(({ outputBufferBytes }) => outputBufferBytes)],
    ['blocked_clients', all.filter(({ unblock }) => unblock !== undefined).length],
    ['tracking_clients', 0],
    ['clients_in_timeout_table', 0],
  ];
}

/** The node's own section comes last and replaces what is measured here. */
function memoryFigures({ statistics }: LocalContext): Figures {
  const { used, heapTotal, rss } = memoryOf(process.memoryUsage());
  statistics.peakMemoryBytes = Math.max(statistics.peakMemoryBytes, used);
  const peak = statistics.peakMemoryBytes;
  const dataset = Number(new Map(statistics.section('torc')).get('memoryBytes') ?? 0);
  return new Map<string, string | number>([
    ['used_memory', used],
    ['used_memory_human', human(used)],
    ['used_memory_rss', rss],
    ['used_memory_rss_human', human(rss)],
    ['used_memory_peak', peak],
    ['used_memory_peak_human', human(peak)],
    ['used_memory_peak_perc', `${((100 * used) / peak).toFixed(2)}%`],
    ['used_memory_overhead', used - dataset],
    ['used_memory_startup', 0],
    ['used_memory_dataset', dataset],
    ['used_memory_dataset_perc', `${((100 * dataset) / used).toFixed(2)}%`],
    ['allocator_allocated', used],
    ['allocator_active', heapTotal],
    ['allocator_resident', rss],
    ['total_system_memory', totalmem()],
    ['total_system_memory_human', human(totalmem())],
    ['used_memory_lua', 0],
    ['used_memory_lua_human', '0B'],
    ['used_memory_scripts', 0],
    ['used_memory_scripts_human', '0B'],
    ['maxmemory', 0],
    ['maxmemory_human', '0B'],
    ['maxmemory_policy', 'noeviction'],
    ['mem_fragmentation_ratio', (rss / used).toFixed(2)],
    ['mem_fragmentation_bytes', rss - used],
    ['mem_allocator', `v8-${process.versions.v8}`],
    ['active_defrag_running', 0],
    ['lazyfree_pending_objects', 0],
    ...statistics.section('memory'),
  ]);
}

function human(bytes: number): string {
  const units = ['B', 'K', 'M', 'G', 'T'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return power === 0 ? `${bytes}B` : `${(bytes / 1024 ** power).toFixed(2)}${units[power]}`;
}

/** Redis' names for what a log is to it; `aof_` is the commit log. */
function persistenceFigures({ cluster, statistics }: LocalContext): Figures {
  return new Map<string, string | number>([
    ['loading', cluster.ready ? 0 : 1],
    ['async_loading', 0],
    ['rdb_changes_since_last_save', 0],
    ['rdb_bgsave_in_progress', 0],
    ['rdb_last_save_time', Math.floor(statistics.startedAtMs / msPerSecond)],
    ['rdb_last_bgsave_status', 'ok'],
    ['aof_enabled', 1],
    ['aof_rewrite_in_progress', 0],
    ['aof_rewrite_scheduled', 0],
    ['aof_last_bgrewrite_status', 'ok'],
    ['aof_last_write_status', 'ok'],
    ...statistics.section('persistence'),
  ]);
}

const kilobytes = (bytes: number): string => (bytes / 1024).toFixed(2);

function statsFigures({ statistics, aclLog }: LocalContext): Figures {
  let errors = 0;
  for (const count of statistics.errorsByCode().values()) errors += count;
  const perSecond = statistics.perSecond();
  return [
    ['total_connections_received', statistics.connectionsReceived],
    ['total_commands_processed', statistics.commandsProcessed],
    ['instantaneous_ops_per_sec', Math.round(perSecond.commands)],
    ['total_net_input_bytes', statistics.bytesIn],
    ['total_net_output_bytes', statistics.bytesOut],
    ['instantaneous_input_kbps', kilobytes(perSecond.bytesIn)],
    ['instantaneous_output_kbps', kilobytes(perSecond.bytesOut)],
    ['rejected_connections', statistics.rejectedConnections],
    ['sync_full', 0],
    ['sync_partial_ok', 0],
    ['sync_partial_err', 0],
    ['client_output_buffer_limit_disconnections', statistics.outputLimitDisconnections],
    ['expired_keys', statistics.expiredKeys],
    ['evicted_keys', 0],
    ['evicted_clients', 0],
    ['pubsub_channels', 0],
    ['pubsub_patterns', 0],
    ['latest_fork_usec', 0],
    ['total_forks', 0],
    ['tracking_total_keys', 0],
    ['acl_access_denied_auth', aclLog.refusals.auth],
    ['acl_access_denied_cmd', aclLog.refusals.command],
    ['acl_access_denied_key', aclLog.refusals.key],
    ['acl_access_denied_channel', 0],
    ['total_error_replies', errors],
  ];
}

/** Every node takes writes, so to Redis' tools each is a master without replicas. */
function replicationFigures({ cluster, statistics }: LocalContext): Figures {
  return new Map<string, string | number>([
    ['role', 'master'],
    ['connected_slaves', 0],
    ['master_failover_state', 'no-failover'],
    ['master_replid', cluster.self.id],
    ['master_replid2', '0'.repeat(40)],
    ['master_repl_offset', 0],
    ['second_repl_offset', -1],
    ['repl_backlog_active', 0],
    ['repl_backlog_size', 0],
    ['repl_backlog_first_byte_offset', 0],
    ['repl_backlog_histlen', 0],
    ...statistics.section('replication'),
  ]);
}

const secondsOf = (microseconds: number): string => (microseconds / 1e6).toFixed(6);

function cpuFigures(): Figures {
  const { system, user } = process.cpuUsage();
  return [
    ['used_cpu_sys', secondsOf(system)],
    ['used_cpu_user', secondsOf(user)],
    ['used_cpu_sys_children', secondsOf(0)],
    ['used_cpu_user_children', secondsOf(0)],
  ];
}

/** Times are from arrival to reply, other nodes included (command-timings.ts). */
function commandFigures({ statistics }: LocalContext): Figures {
  return statistics.commandCounts().map(({ name, calls, answeredCalls, microseconds, rejected, failed }) => {
    const each = answeredCalls === 0 ? 0 : microseconds / answeredCalls;
    const text = `calls=${calls},usec=${Math.round(microseconds)},usec_per_call=${each.toFixed(2)},rejected_calls=${rejected},failed_calls=${failed}`;
    return [`cmdstat_${name}`, text] as const;
  });
}

function latencyFigures({ statistics, configuration }: LocalContext): Figures {
  const [[, percentiles] = ['', '']] = configuration.matching(['latency-tracking-info-percentiles']);
  const percents = percentiles.split(' ').filter((percent) => percent !== '');
  return statistics
    .commandCounts()
    .filter(({ answeredCalls }) => answeredCalls > 0)
    .map((count) => {
      const text = percents.map((percent) => `p${percent}=${count.percentile(Number(percent)).toFixed(3)}`).join(',');
      return [`latency_percentiles_usec_${count.name}`, text] as const;
    });
}

/** What this node has in memory: counting what is only on disk, or on other nodes, takes DBSIZE. */
function keyspaceFigures({ node }: LocalContext): Figures {
  const { keys, expiring } = node.keyCounts();
  return keys === 0 ? [] : [['db0', `keys=${keys},expires=${expiring},avg_ttl=0`]];
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
