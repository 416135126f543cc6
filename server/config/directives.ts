/**
 * The table of directives: one row each, and nothing about a directive stands anywhere else. The configuration's type, its parser, CONFIG GET
 * and SET, the command line and the help text all read these rows.
 *
 * A row's key is the field of `Configuration`, with the unit in its name; `name` is what is written in a file, after `--`, and in CONFIG.
 * Names, syntax and defaults are Redis' (redis.conf 7.2) where Redis has the directive. A row with `whileRunning` may be changed by CONFIG SET,
 * on that node: whoever uses it reads it each time or listens for its change.
 */
import { hostname, networkInterfaces } from 'node:os';
import {
  always,
  bindAddresses,
  decimal,
  httpUrl,
  integer,
  label,
  memorySize,
  memorySizeOrNone,
  oneOf,
  onlyYet,
  outputBufferLimits,
  peerAddresses,
  percentiles,
  portNumber,
  portNumberOrNone,
  slotDivision,
  secretText,
  text,
  userLines,
  yesOrNo,
  type ValueType,
} from './value-types.js';

/** What a default may be derived from. Rows are read in the table's order, and these stand before the rows that need them. */
export interface DerivedFrom {
  readonly port: number;
  readonly tlsPort: number;
  readonly bind: readonly string[];
  readonly replicas: number;
}

export interface Directive<T> {
  readonly name: string;
  readonly type: ValueType<T>;
  /** As it would be written; or how it follows from the directives it is derived from. */
  readonly default: string | ((from: DerivedFrom) => string);
  /** How the help text shows a derived default. */
  readonly defaultIs?: string;
  readonly unit?: string;
  readonly whileRunning: boolean;
  /** Written once a line as often as one likes; neither shown nor changed by CONFIG, and left where it stands by CONFIG REWRITE. */
  readonly inLines?: boolean;
  /** Not to be shown in a log or an error. */
  readonly isSecret?: boolean;
  readonly doc: string;
}

function row<T>(directive: Directive<T>): Directive<T> {
  return directive;
}

const maxInt = 2 ** 31 - 1;
const mebibyte = 1024 ** 2;

/** Where clients connect, by TLS where there is no other way. */
export function clientPort({ port, tlsPort }: Pick<DerivedFrom, 'port' | 'tlsPort'>): number {
  return port === 0 ? tlsPort : port;
}

/** The address other machines reach this one by, as far as it can know. */
function announcedAddress(from: DerivedFrom): string {
  const bound = from.bind[0] ?? '127.0.0.1';
  if (!isWildcard(bound)) return bound;
  const addresses = Object.values(networkInterfaces()).flatMap((addressesOfOne) => addressesOfOne ?? []);
  return addresses.find((address) => !address.internal && address.family === 'IPv4')?.address ?? '127.0.0.1';
}

export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** A host name made fit for the type `label`. */
function hostLabel(): string {
  return (
    hostname()
      .replaceAll(/[^a-z0-9._-]/gi, '-')
      .replace(/^[^a-z0-9]+/i, '')
      .slice(0, 48) || 'localhost'
  );
}

export const directives = {
  port: row({
    name: 'port',
    type: portNumberOrNone,
    default: '6379',
    whileRunning: false,
    doc: 'Where clients connect; 0 = by TLS only, at tls-port, from which others are derived then.',
  }),
  tlsPort: row({
    name: 'tls-port',
    type: portNumberOrNone,
    default: '0',
    whileRunning: false,
    doc: 'Where clients connect by TLS; 0 = nowhere.',
  }),
  bind: row({
    name: 'bind',
    type: bindAddresses,
    default: '127.0.0.1',
    whileRunning: false,
    doc: 'Addresses that all three ports listen on.',
  }),
  peerPort: row({
    name: 'peer-port',
    type: portNumber,
    default: (from) => String(clientPort(from) + 10000),
    defaultIs: 'port + 10000',
    whileRunning: false,
    doc: 'Where other nodes connect.',
  }),
  httpPort: row({
    name: 'http-port',
    type: portNumber,
    default: (from) => String(clientPort(from) + 2000),
    defaultIs: 'port + 2000',
    whileRunning: false,
    doc: 'Where /livez, /readyz, /startupz and /metrics are answered over HTTP.',
  }),
  announceHost: row({
    name: 'announce-host',
    type: text('needed'),
    default: announcedAddress,
    defaultIs: "bind's first address",
    whileRunning: false,
    doc: 'The address that nodes and cluster-aware clients are told to reach this node by.',
  }),
  announcePort: row({
    name: 'announce-port',
    type: portNumber,
    default: (from) => String(clientPort(from)),
    defaultIs: 'port',
    whileRunning: false,
    doc: 'The client port that cluster-aware clients are told.',
  }),
  directory: row({ name: 'dir', type: text('needed'), default: './data', whileRunning: false, doc: 'Where this node keeps its data.' }),
  nodeId: row({
    name: 'node-id',
    type: label,
    default: (from) => `${hostLabel()}-${clientPort(from)}`,
    defaultIs: 'host name and port',
    whileRunning: false,
    doc: "This node's name: its place on the ring comes from it. No two nodes share one, and a data directory keeps its own.",
  }),
  clusterName: row({
    name: 'cluster-name',
    type: label,
    default: 'torc',
    whileRunning: false,
    doc: 'Nodes talk only to nodes of the same name.',
  }),
  initialNodes: row({
    name: 'initial-nodes',
    type: integer(1, 1000),
    default: '1',
    whileRunning: false,
    doc: 'How many nodes must have met before a new cluster forms.',
  }),
  zone: row({
    name: 'zone',
    type: label,
    default: 'default',
    whileRunning: false,
    doc: 'The zone this node stands in. Replicas spread over zones.',
  }),
  host: row({
    name: 'host',
    type: label,
    default: hostLabel,
    defaultIs: 'host name',
    whileRunning: false,
    doc: 'The machine this node stands on. Within a zone replicas spread over machines.',
  }),
  seeds: row({
    name: 'seeds',
    type: peerAddresses,
    default: '',
    whileRunning: false,
    doc: 'host:peer-port of nodes to find the cluster by, separated by spaces or commas. A DNS name may stand for several nodes, and is resolved anew each time.',
  }),
  autoJoin: row({
    name: 'auto-join',
    type: yesOrNo,
    default: 'yes',
    whileRunning: false,
    doc: 'Join a cluster that has formed already without being asked. Nodes cannot join one yet, whatever this says.',
  }),
  partitions: row({
    name: 'partitions',
    type: slotDivision,
    default: '1024',
    whileRunning: false,
    doc: 'Parts that the 16384 slots are placed in. Fixed when the cluster forms.',
  }),
  replicas: row({ name: 'replicas', type: integer(1, 9), default: '3', whileRunning: false, doc: 'N: home replicas of a key.' }),
  writeQuorum: row({
    name: 'write-quorum',
    type: integer(1, 9),
    default: (from) => String(Math.min(2, from.replicas)),
    defaultIs: '2, or replicas where that is less',
    whileRunning: true,
    doc: 'W: replicas that have a write before it is acknowledged.',
  }),
  readQuorum: row({
    name: 'read-quorum',
    type: integer(1, 9),
    default: (from) => String(Math.min(2, from.replicas)),
    defaultIs: '2, or replicas where that is less',
    whileRunning: true,
    doc: 'R: replicas whose versions a read compares.',
  }),
  sloppyQuorum: row({
    name: 'sloppy-quorum',
    type: yesOrNo,
    default: 'yes',
    whileRunning: true,
    doc: 'Let a coordinator run without the promises of a majority of home replicas, if it reaches W. No substitutes stand in yet.',
  }),
  readFrom: row({
    name: 'read-from',
    type: oneOf('any', 'coordinator'),
    default: 'any',
    whileRunning: true,
    doc: "Which home replica answers a read that comes to this node: any, or the partition's coordinator, linearizable under strict quorums.",
  }),
  crossSlot: row({
    name: 'cross-slot',
    type: yesOrNo,
    default: 'yes',
    whileRunning: true,
    doc: 'Run atomic commands over several slots. No command is such yet: MGET, MSET and the like are split by partition either way.',
  }),
  durability: row({
    name: 'durability',
    type: oneOf('always', 'everysec', 'os'),
    default: 'everysec',
    whileRunning: false,
    doc: 'When the commit log is synced to the disk: before each acknowledgement, each second, or when the system likes.',
  }),
  freeBytesMin: row({
    name: 'min-free-space',
    type: memorySizeOrNone(mebibyte),
    default: '256mb',
    unit: 'bytes',
    whileRunning: true,
    doc: 'A node with less left on its disk takes no writes until there is a quarter more; 0 = it writes until the disk is full, and stops then.',
  }),
  cacheBytesMax: row({
    name: 'cache-size',
    type: memorySize(mebibyte),
    default: '256mb',
    unit: 'bytes',
    whileRunning: false,
    doc: 'Memory for objects in use; others are read from the disk.',
  }),
  gossipIntervalMs: row({
    name: 'gossip-interval',
    type: integer(10, 60_000, 'milliseconds'),
    default: '1000',
    unit: 'ms',
    whileRunning: true,
    doc: 'Time between two rounds of gossip.',
  }),
  phiThreshold: row({
    name: 'phi-threshold',
    type: decimal(1, 16),
    default: '8',
    whileRunning: true,
    doc: 'The phi-accrual suspicion at which a node is bypassed.',
  }),
  suspicionTimeoutMs: row({
    name: 'suspicion-timeout',
    type: integer(100, maxInt, 'milliseconds'),
    default: '5000',
    unit: 'ms',
    whileRunning: true,
    doc: 'Suspicion that lasts this long makes a node down. A suspected one is bypassed already.',
  }),
  peerTimeoutMs: row({
    name: 'peer-timeout',
    type: integer(10, 60_000, 'milliseconds'),
    default: '2000',
    unit: 'ms',
    whileRunning: true,
    doc: 'How long a command waits for other nodes before it is answered NOREPLICAS or UNKNOWNOUTCOME.',
  }),
  hintBytesMax: row({
    name: 'hint-max-bytes',
    type: memorySizeOrNone(mebibyte),
    default: '1gb',
    unit: 'bytes',
    whileRunning: false,
    doc: 'Disk for batches kept for one unreachable node, and memory up to 64mb; what is beyond that, or all with 0, is left to comparison.',
  }),
  hintAgeMaxSeconds: row({
    name: 'hint-max-age',
    type: integer(1, maxInt, 'seconds'),
    default: '10800',
    unit: 's',
    whileRunning: true,
    doc: 'Age at which a kept batch is dropped and left to repair.',
  }),
  clockDriftMaxMs: row({
    name: 'max-clock-drift',
    type: onlyYet(integer(10, 60_000, 'milliseconds'), '500', 'clocks are raised above one another, and none is judged'),
    default: '500',
    unit: 'ms',
    whileRunning: true,
    doc: 'A node whose clock is further than this ahead of the others steps aside.',
  }),
  removeDownAfterSeconds: row({
    name: 'remove-down-after',
    type: onlyYet(integer(0, maxInt, 'seconds'), '0', 'nodes cannot be removed'),
    default: '0',
    unit: 's',
    whileRunning: true,
    doc: 'A node that is down this long is removed from the cluster; 0 is never.',
  }),
  repairBytesPerSecond: row({
    name: 'repair-rate',
    type: memorySize(1024),
    default: '8mb',
    unit: 'bytes/s',
    whileRunning: true,
    doc: 'What a node may send to compare its records with other replicas and repair them. Catching up by clocks is not slowed down.',
  }),
  repairIntervalSeconds: row({
    name: 'repair-interval',
    type: integer(0, maxInt, 'seconds'),
    default: '60',
    unit: 's',
    whileRunning: true,
    doc: 'Time between two comparisons of the clocks of replicas, and of the records of those that differ; 0 is never.',
  }),
  fullRepairIntervalSeconds: row({
    name: 'full-repair-interval',
    type: integer(0, maxInt, 'seconds'),
    default: '86400',
    unit: 's',
    whileRunning: true,
    doc: 'Time between two comparisons of all records, read anew from where they are stored; 0 is never.',
  }),
  migrationBytesPerSecond: row({
    name: 'migration-rate',
    type: onlyYet(memorySize(1024), '32mb', 'partitions do not move'),
    default: '32mb',
    unit: 'bytes/s',
    whileRunning: true,
    doc: 'What moving partitions may send.',
  }),
  clientsMax: row({
    name: 'maxclients',
    type: integer(1, maxInt),
    default: '10000',
    whileRunning: true,
    doc: 'Client connections at a time.',
  }),
  idleTimeoutSeconds: row({
    name: 'timeout',
    type: integer(0, maxInt, 'seconds'),
    default: '0',
    unit: 's',
    whileRunning: true,
    doc: 'A client that is idle this long is disconnected; 0 is never.',
  }),
  tcpKeepaliveSeconds: row({
    name: 'tcp-keepalive',
    type: integer(0, maxInt, 'seconds'),
    default: '300',
    unit: 's',
    whileRunning: true,
    doc: 'Time between keepalive probes on new client connections; 0 is none.',
  }),
  tcpBacklog: row({
    name: 'tcp-backlog',
    type: integer(1, maxInt),
    default: '511',
    whileRunning: false,
    doc: 'Connections that may wait to be accepted.',
  }),
  drainWaitSeconds: row({
    name: 'drain-wait',
    type: integer(0, 3600, 'seconds'),
    default: '0',
    unit: 's',
    whileRunning: true,
    doc: 'How long a node that stops goes on serving its clients once it says that it is not ready, for load balancers to see it.',
  }),
  shutdownTimeoutSeconds: row({
    name: 'shutdown-timeout',
    type: integer(1, 3600, 'seconds'),
    default: '10',
    unit: 's',
    whileRunning: true,
    doc: 'After drain-wait: how long a node that stops takes to answer what it was asked and to close log and storage.',
  }),
  bulkBytesMax: row({
    name: 'proto-max-bulk-len',
    type: memorySize(mebibyte),
    default: '512mb',
    unit: 'bytes',
    whileRunning: true,
    doc: 'The longest argument of a command.',
  }),
  hyperLogLogSparseBytesMax: row({
    name: 'hll-sparse-max-bytes',
    type: memorySize(0),
    default: '3000',
    unit: 'bytes',
    whileRunning: true,
    doc: 'A HyperLogLog that would become longer than this takes 12 KB from then on, and is written to faster.',
  }),
  queryBufferBytesMax: row({
    name: 'client-query-buffer-limit',
    type: memorySize(mebibyte),
    default: '1gb',
    unit: 'bytes',
    whileRunning: true,
    doc: 'A client whose unfinished command grows larger is disconnected.',
  }),
  outputBufferLimits: row({
    name: 'client-output-buffer-limit',
    type: outputBufferLimits,
    // Redis does not bound normal clients, so one that asks and never reads takes the whole memory. The hard limit is twice the longest value,
    // so that no single reply of a string can reach it; the soft one leaves a slow but living reader a minute.
    default: 'normal 1gb 256mb 60 replica 256mb 64mb 60 pubsub 32mb 8mb 60',
    whileRunning: true,
    doc: 'A client that does not take its replies is disconnected at the hard limit of its class. Soft limits are not looked at yet, and every client is normal.',
  }),
  password: row({
    name: 'requirepass',
    type: text('may be empty'),
    default: '',
    whileRunning: true,
    isSecret: true,
    doc: 'The password of user default, which new clients then have to say; empty is none. Said by CONFIG SET it holds for the whole cluster.',
  }),
  users: row({
    name: 'user',
    type: userLines,
    default: '',
    whileRunning: false,
    inLines: true,
    isSecret: true,
    doc: 'A user of this node, as ACL SETUSER takes it, until a command says something else of it anywhere in the cluster.',
  }),
  aclFile: row({
    name: 'aclfile',
    type: text('may be empty'),
    default: '',
    whileRunning: false,
    doc: 'A file of user lines instead, which ACL LOAD reads and ACL SAVE writes.',
  }),
  aclLogEntriesMax: row({
    name: 'acllog-max-len',
    type: integer(0, 1_000_000),
    default: '128',
    whileRunning: true,
    doc: 'Entries that ACL LOG keeps.',
  }),
  protectedMode: row({
    name: 'protected-mode',
    type: yesOrNo,
    default: 'yes',
    whileRunning: true,
    doc: 'While user default has no password, take clients from this machine only.',
  }),
  clusterSecret: row({
    name: 'cluster-secret',
    type: secretText(16),
    default: '',
    whileRunning: false,
    isSecret: true,
    doc: 'What every node of the cluster knows, and proves to the others on each connection without sending it; empty = whoever reaches the peer port is spoken to.',
  }),
  tlsCertFile: row({
    name: 'tls-cert-file',
    type: text('may be empty'),
    default: '',
    whileRunning: true,
    doc: 'The certificate of this node, PEM, for clients and peers. CONFIG SET reads it anew, with the key and the authorities.',
  }),
  tlsKeyFile: row({ name: 'tls-key-file', type: text('may be empty'), default: '', whileRunning: true, doc: 'Its private key, PEM.' }),
  tlsCaCertFile: row({
    name: 'tls-ca-cert-file',
    type: text('may be empty'),
    default: '',
    whileRunning: true,
    doc: 'The authorities that sign the certificates of clients and peers, PEM.',
  }),
  tlsAuthClients: row({
    name: 'tls-auth-clients',
    type: oneOf('yes', 'no', 'optional'),
    default: 'yes',
    whileRunning: false,
    doc: 'Whether a client at tls-port has to show a certificate of tls-ca-cert-file: yes, no, or only a right one if any.',
  }),
  tlsCluster: row({
    name: 'tls-cluster',
    type: yesOrNo,
    default: 'no',
    whileRunning: false,
    doc: 'Speak TLS between nodes: each shows the other a certificate of tls-ca-cert-file. The same on every node.',
  }),
  slowlogMicroseconds: row({
    name: 'slowlog-log-slower-than',
    type: integer(-1, maxInt, 'microseconds'),
    default: '10000',
    unit: 'us',
    whileRunning: true,
    doc: 'Commands that took this long from arrival to reply go to the slow log; 0 is all, -1 none.',
  }),
  slowlogEntriesMax: row({
    name: 'slowlog-max-len',
    type: integer(0, 1_000_000),
    default: '128',
    whileRunning: true,
    doc: 'Entries that the slow log keeps.',
  }),
  latencyThresholdMs: row({
    name: 'latency-monitor-threshold',
    type: integer(0, maxInt, 'milliseconds'),
    default: '0',
    unit: 'ms',
    whileRunning: true,
    doc: 'What takes this long is kept for LATENCY; 0 is nothing.',
  }),
  latencyPercentiles: row({
    name: 'latency-tracking-info-percentiles',
    type: percentiles,
    default: '50 99 99.9',
    whileRunning: true,
    doc: "The percentiles in INFO's section latencystats.",
  }),
  tracingSampleRate: row({
    name: 'tracing-sample-rate',
    type: decimal(0, 1),
    default: '0',
    whileRunning: true,
    doc: "The share of the commands of this node's clients whose way is traced, from 0 to 1; 0 is none. What another node has sampled is traced here too.",
  }),
  tracingEndpoint: row({
    name: 'tracing-endpoint',
    type: httpUrl,
    default: 'http://127.0.0.1:4318',
    whileRunning: false,
    doc: 'Where traces go: a receiver of OTLP over HTTP, to whose path /v1/traces they are posted.',
  }),
  debugCommand: row({
    name: 'enable-debug-command',
    type: oneOf('no', 'yes', 'local'),
    default: 'no',
    whileRunning: false,
    doc: 'Who may say DEBUG: nobody, everybody, or clients on this machine.',
  }),
  logLevel: row({
    name: 'loglevel',
    type: oneOf('debug', 'verbose', 'notice', 'warning', 'nothing'),
    default: 'notice',
    whileRunning: true,
    doc: 'How much is logged.',
  }),
  logFile: row({
    name: 'logfile',
    type: text('may be empty'),
    default: '',
    whileRunning: false,
    doc: 'Where the log goes; empty is standard error.',
  }),
  save: row({
    name: 'save',
    type: always('', 'there are no snapshots, every write goes to the commit log'),
    default: '',
    whileRunning: true,
    doc: 'For tools that ask: there are no snapshots.',
  }),
  appendOnly: row({
    name: 'appendonly',
    type: always('yes', 'every write goes to the commit log; see durability'),
    default: 'yes',
    whileRunning: true,
    doc: 'For tools that ask: every write goes to the commit log.',
  }),
  memoryMax: row({
    name: 'maxmemory',
    type: always('0', 'data is kept on disk; see cache-size'),
    default: '0',
    whileRunning: true,
    doc: 'For tools that ask: memory does not bound the data.',
  }),
  memoryPolicy: row({
    name: 'maxmemory-policy',
    type: always('noeviction', 'data is kept on disk, and nothing is evicted'),
    default: 'noeviction',
    whileRunning: true,
    doc: 'For tools that ask: nothing is evicted.',
  }),
  databases: row({
    name: 'databases',
    type: always('1', 'a cluster has database 0 only, as Redis Cluster'),
    default: '1',
    whileRunning: false,
    doc: 'For tools that ask: database 0 only.',
  }),
} as const;

export type DirectiveKey = keyof typeof directives;

type ValueOf<D> = D extends Directive<infer T> ? T : never;

/** Every directive's value, typed. */
export type Configuration = { readonly [Key in DirectiveKey]: ValueOf<(typeof directives)[Key]> };

/** The keys in the table's order. */
export const directiveKeys = Object.keys(directives) as readonly DirectiveKey[];

const keyByName: ReadonlyMap<string, DirectiveKey> = new Map(directiveKeys.map((key) => [directives[key].name, key]));

/** The names in the table's order. */
export const directiveNames: readonly string[] = [...keyByName.keys()];

/** Case does not matter, as in Redis. */
export function directiveKeyOf(name: string): DirectiveKey | undefined {
  return keyByName.get(name.toLowerCase());
}

/** A directive's row with its value's type forgotten, for code that goes over all rows alike. */
export function directiveOf(key: DirectiveKey): Directive<unknown> {
  return directives[key] as Directive<unknown>;
}
