/** What a node-local command (PING, CLIENT, CONFIG, INFO, CLUSTER, TORC...) may see and change: its connection and its node. */
import type { Reply } from '../protocol/resp/reply.js';
import type { RepairPlan } from '../cluster/anti-entropy.js';
import type { ConflictReport } from '../cluster/conflict-report.js';
import type { KeyVersion } from '../cluster/key-versions.js';
import type { ClusterView } from '../cluster/view.js';

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
  /** Sends what was answered so far, then closes. */
  closeAfterReply(): void;
}

export interface NodeStatistics {
  readonly startedAtMs: number;
  readonly connectionsReceived: number;
  readonly commandsProcessed: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly rejectedConnections: number;
  readonly outputLimitDisconnections: number;
  readonly keyspaceHits: number;
  readonly keyspaceMisses: number;
  readonly expiredKeys: number;
  /** Calls, microseconds, rejected and failed calls by lower-case command name. */
  commandCalls(): ReadonlyMap<string, { readonly calls: number; readonly errors: number }>;
  errorsByCode(): ReadonlyMap<string, number>;
  /** CONFIG RESETSTAT: counters begin again at zero. Absent where they cannot. */
  reset?(): void;
  /** Node-wide figures by name, for INFO's persistence, replication and torc sections: read whole, printed as given. */
  section(name: 'persistence' | 'memory' | 'replication' | 'torc'): readonly (readonly [name: string, value: string | number])[];
}

/** The directives while running. */
export interface RunningConfiguration {
  /** Name and value pairs whose name matches one of the glob patterns, as CONFIG GET prints them. */
  matching(patterns: readonly string[]): readonly (readonly [name: string, value: string])[];
  /** All or nothing. Returns undefined, or Redis' error text (`CONFIG SET failed (possibly related to argument 'x') - ...`). */
  set(pairs: readonly (readonly [name: string, value: string])[]): string | undefined;
}

export interface LocalContext {
  readonly nowMs: number;
  readonly client: ClientView;
  readonly clients: () => readonly ClientView[];
  readonly cluster: ClusterView;
  readonly configuration: RunningConfiguration;
  readonly statistics: NodeStatistics;
  readonly torcVersion: string;
  /** Runs `args` (name first) through the table at a partition's coordinator and resolves with its reply: COUNTKEYSINSLOT, GETKEYSINSLOT. */
  readonly atPartition: (partition: number, args: readonly Buffer[]) => Promise<Reply>;
  /** TORC REPAIR: begins it; how many pairs of partition and peer are compared, or why it cannot begin. */
  readonly repair: (plan: RepairPlan) => number | 'under way' | 'no peer';
  /** TORC DRAIN: the node begins to stop as on SIGTERM. */
  readonly drain: () => void;
  /** TORC VERSION: each home replica's record context of `key` as printable text, or why it did not answer. */
  readonly versionsOf: (key: Buffer) => Promise<readonly KeyVersion[]>;
  /** TORC CONFLICTS: the newest that this node met, so many at most. */
  readonly conflicts: (count: number) => ConflictReport;
}
