/** The cluster as this node sees it, for the commands that tell clients (CLUSTER SLOTS/SHARDS/NODES/INFO, TORC PREFLIST/STATUS, INFO). */
import type { NodeHealth } from './node-health.js';

export interface MemberView {
  /** 40 lower-case hex digits, as Redis' node ids: derived from the `node-id` directive, stable for the directory's life. */
  readonly id: string;
  /** The `node-id` directive's name. */
  readonly name: string;
  /** The member number in the configuration. */
  readonly number: number;
  readonly host: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly zone: string;
  readonly hostLabel: string;
  readonly self: boolean;
  /** Link up and not suspected (self: always). */
  readonly reachable: boolean;
}

export interface SlotRange {
  readonly firstSlot: number;
  /** Inclusive. */
  readonly lastSlot: number;
  /** Home replicas in preference order. */
  readonly replicas: readonly MemberView[];
  /** Index in `replicas` of the first reachable one: where clients should go. */
  readonly coordinator: number;
}

export interface ClusterView {
  readonly clusterName: string;
  /** False until the configuration is known and this node serves; commands on keys answer -LOADING until then. */
  readonly ready: boolean;
  /** Number of the configuration; 0 = none yet. */
  readonly configurationNumber: number;
  readonly partitions: number;
  readonly replicas: number;
  readonly writeQuorum: number;
  readonly readQuorum: number;
  readonly self: MemberView;
  members(): readonly MemberView[];
  /** Every node that was heard of, this one first, members and others, as of now. O(nodes). */
  health(): readonly NodeHealth[];
  /** Neighbouring partitions with the same preference list and coordinator joined; built once per change. */
  slotRanges(): readonly SlotRange[];
  partitionOfSlot(slot: number): number;
  preferenceList(partition: number): readonly MemberView[];
}
