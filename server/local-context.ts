/** What a node-local command (PING, CLIENT, CONFIG, INFO, CLUSTER, TORC...) may see and change: its connection and its node. */
import type { Reply } from '../protocol/resp/reply.js';
import type { RepairPlan } from '../cluster/anti-entropy.js';
import type { ConflictReport } from '../cluster/conflict-report.js';
import type { ElementName, KeyVersion } from '../cluster/key-versions.js';
import type { ClusterView } from '../cluster/view.js';
import type { CommandCount } from './command-count.js';
import type { LatencyMonitor } from './latency-monitor.js';
import type { AclLog } from './acl/acl-log.js';
import type { User } from './acl/user.js';
import type { Users } from './acl/users.js';
import type { SlowLog } from './slow-log.js';

/** One client's connection, as CLIENT and HELLO see it. */
export interface ClientView {
  readonly id: number;
  /** `ip:port` */
  readonly address: string;
  readonly localAddress: string;
  name: string;
  libraryName: string;
  libraryVersion: string;
  resp: 2 | 3;
  readonly createdAtMs: number;
  readonly lastCommandAtMs: number;
  readonly lastCommand: string;
  /** Bytes received and not yet decoded. */
  readonly queryBufferBytes: number;
  /** Bytes of replies not yet taken by the socket. */
  readonly outputBufferBytes: number;
  readonly commandsProcessed: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** W and R of this connection; undefined = the node's. */
  writeQuorum: number | undefined;
  readQuorum: number | undefined;
  /** READONLY was said. Kept for clients that send it; every node answers reads anyway. */
  readonly: boolean;
  readonly authenticated: boolean;
  /** Whose rights it has: user default until it says who it is. */
  readonly user: User;
  /** CLIENT NO-EVICT and NO-TOUCH were switched on: kept and shown, as nothing is evicted and nothing has a last access time. */
  noEvict: boolean;
  noTouch: boolean;
  /** It said MONITOR. */
  readonly monitoring: boolean;
  readonly isClosing: boolean;
  /** Set while a command of this client waits: ends the waiting. */
  unblock: Unblock | undefined;
  /** It has said who it is. */
  authenticate(user: User): void;
  /** As if it were new: user default, who may have to say a password. */
  forgetUser(): void;
  setReplies(mode: ReplyMode): void;
  setMonitoring(monitoring: boolean): void;
  /** Partitions that it has written to. */
  partitionsWritten(): readonly number[];
  /** All of that is held by every home replica. */
  forgetPartitionsWritten(): void;
  /** Sends what was answered so far, then closes. */
  closeAfterReply(): void;
  /** Closes at once; what was not sent is lost. */
  kill(): void;
}

/** What CLIENT REPLY says: `skip` = the next command alone is not answered. */
export type ReplyMode = 'on' | 'off' | 'skip';

/** Ends a client's waiting: as if its time were over, or with an error. */
export type Unblock = (how: 'timeout' | 'error') => void;

/** Whose commands CLIENT PAUSE keeps waiting. */
export type Paused = 'write' | 'all';

export type SectionName = 'persistence' | 'memory' | 'replication' | 'torc';

export interface NodeRates {
  readonly commands: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface NodeStatistics {
  readonly startedAtMs: number;
  readonly connectionsReceived: number;
  readonly commandsProcessed: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly rejectedConnections: number;
  readonly outputLimitDisconnections: number;
  readonly expiredKeys: number;
  peakMemoryBytes: number;
  commandCounts(): readonly CommandCount[];
  errorsByCode(): ReadonlyMap<string, number>;
  perSecond(): NodeRates;
  /** CONFIG RESETSTAT: counters begin again at zero. */
  reset(): void;
  /** Node-wide figures by name, for INFO's persistence, replication and torc sections: read whole, printed as given. */
  section(name: SectionName): readonly (readonly [name: string, value: string | number])[];
}

/** The directives while running. */
export interface RunningConfiguration {
  /** Name and value pairs whose name matches one of the glob patterns, as CONFIG GET prints them. */
  matching(patterns: readonly string[]): readonly (readonly [name: string, value: string])[];
  /** All or nothing. Returns undefined, or Redis' error text (`CONFIG SET failed (possibly related to argument 'x') - ...`). */
  set(pairs: readonly (readonly [name: string, value: string])[]): string | undefined;
  /** Writes what is in force into the file the node was started with. Returns undefined, or Redis' error text. */
  rewrite(): Promise<string | undefined>;
}

/** What of this node a command may do. */
export interface NodeControl {
  /** Clients wait for so many ms, or those that write. */
  pauseClients(what: Paused, ms: number): void;
  unpauseClients(): void;
  /** The node stops: at once, or when others have taken over what it coordinates. */
  shutDown(how: 'now' | 'in order'): void;
  /** How many home replicas besides the coordinator hold all that was written to these partitions so far: told when `wanted` do, or on `giveUp`. */
  replicasHolding(partitions: readonly number[], wanted: number, ended: (replicas: number) => void): { giveUp(): void };
  after(ms: number, callback: () => void): { cancel(): void };
  /** Keys that this node holds: in memory, as far as it knows, and of those with an expiry. */
  keyCounts(): { readonly keys: number; readonly expiring: number };
}

/** The directive aclfile's. */
export interface AclFile {
  /** Rejects with the system's error or a UserLineError. */
  read(): Promise<ReadonlyMap<string, User>>;
  /** All or nothing. Rejects with the system's error. */
  write(users: readonly User[]): Promise<void>;
}

export interface LocalContext {
  readonly nowMs: number;
  /** Unix microseconds. */
  readonly unixMicroseconds: number;
  readonly client: ClientView;
  readonly clients: () => readonly ClientView[];
  readonly cluster: ClusterView;
  readonly configuration: RunningConfiguration;
  readonly statistics: NodeStatistics;
  readonly slowLog: SlowLog;
  readonly latency: LatencyMonitor;
  readonly node: NodeControl;
  readonly users: Users;
  readonly aclLog: AclLog;
  /** Undefined = the directive aclfile is not set. */
  readonly aclFile: AclFile | undefined;
  readonly torcVersion: string;
  /** Runs a client's command on keys. */
  readonly ask: (args: readonly Buffer[]) => Promise<Reply>;
  /** Runs `args` (name first) through the table at a partition's coordinator and resolves with its reply: COUNTKEYSINSLOT, GETKEYSINSLOT. */
  readonly atPartition: (partition: number, args: readonly Buffer[]) => Promise<Reply>;
  /** TORC REPAIR: begins it; how many pairs of partition and peer are compared, or why it cannot begin. */
  readonly repair: (plan: RepairPlan) => number | 'under way' | 'no peer';
  /** TORC DRAIN: the node begins to stop as on SIGTERM. */
  readonly drain: () => void;
  /** TORC VERSION: the record context of `key`, or of an element of it, at each home replica, as printable text, or why it did not answer. */
  readonly versionsOf: (key: Buffer, of?: ElementName) => Promise<readonly KeyVersion[]>;
  /** TORC CONFLICTS: the newest that this node met, so many at most. */
  readonly conflicts: (count: number) => ConflictReport;
}
