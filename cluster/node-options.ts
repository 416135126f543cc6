/** What a node is made of and told: the five seams, who it is, and the directives that concern the cluster. */
import type { Hasher } from '../storage/merkle-hashing.js';
import type { Clock, Random } from '../storage/clock.js';
import type { ValueLimits } from '../storage/execution.js';
import type { Store } from '../storage/store.js';
import type { BulkSizes } from './bulk-sender.js';
import type { ReadFrom } from './call.js';
import type { CommandDecoder } from './command.js';
import type { NodeDescription } from './configuration.js';
import type { EventLog } from './events.js';
import type { Tracer } from './tracing.js';
import type { PeerAddress, Transport } from './transport.js';

/** The limits of values may change while the node runs, too. */
export interface NodeOptions extends ValueLimits {
  readonly description: NodeDescription;
  readonly clusterName: string;
  readonly initialNodes: number;
  readonly seeds: readonly PeerAddress[];
  readonly partitions: number;
  /** What large messages between nodes are, in tests; by default those of bulk-sender.ts. */
  readonly bulkSizes?: BulkSizes | undefined;
  /** What is kept for one peer on disk, and in memory where that is less; 0 = nothing for one that cannot be reached. */
  readonly hintBytesMax: number;
  readonly replicas: number;
  /** This and the following may change while the node runs: they are read each time. After a change of W or R call quorumsChanged(). */
  readonly writeQuorum: number;
  readonly readQuorum: number;
  readonly sloppyQuorum: boolean;
  readonly hintAgeMaxMs: number;
  readonly readFrom: ReadFrom;
  readonly gossipIntervalMs: number;
  readonly phiThreshold: number;
  readonly suspicionTimeoutMs: number;
  readonly peerTimeoutMs: number;
  readonly repairBytesPerSecond: number;
  /** Between two comparisons with the other replicas; 0 = never. */
  readonly repairIntervalMs: number;
  readonly fullRepairIntervalMs: number;
  /** The life this node begins or continues, and whether it cannot prove that it kept all it wrote in earlier ones. */
  readonly life: number;
  readonly doubtful: boolean;
  /** Distinguishes this run of the process from others. */
  readonly incarnation: number;
  readonly store: Store;
  /** Where records are hashed. Its failure is the node's: it tells onFailure. */
  readonly hasher: Hasher;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly decoder: CommandDecoder;
  readonly log: EventLog;
  /** Takes the spans of traced commands; undefined = nothing is traced on this node. */
  readonly tracer?: Tracer | undefined;
  /** The node cannot go on: its directory belongs to another cluster, a frame broke an invariant. */
  readonly onFailure: (error: Error) => void;
}
