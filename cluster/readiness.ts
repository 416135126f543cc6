/**
 * Whether a node can serve clients well, for whoever sends them to it: a load balancer, a rolling update. A pure look at the membership; what it
 * finds wanting is counted, so that an operator reads more than "no".
 */
import type { Membership } from './membership.js';

export interface Readiness {
  /** The configuration is known: which node holds what. */
  readonly ringKnown: boolean;
  /** It began a moment ago, and the links between it and the others are still being made. */
  readonly meeting: boolean;
  /** This node leaves what it coordinates to others and is about to stop. */
  readonly leaving: boolean;
  /** Its disk is nearly full: it takes no writes. */
  readonly full: boolean;
  /** So much is still to be written to it that memory takes no more: it takes no writes. */
  readonly behind: boolean;
  /** What its disk said when it refused a write; undefined = it takes them. */
  readonly diskRefusal: string | undefined;
  /** Partitions that are still compared with other replicas, since this node may have lost some of their writes. */
  readonly doubtfulPartitions: number;
  /** Partitions of which this node is a home replica and a write or read would find fewer replicas than its quorum. */
  readonly shortPartitions: number;
  /** Of how many, of which it is a home replica. */
  readonly homePartitions: number;
}

/** Whether clients should be sent to it. */
export function isReady({
  ringKnown,
  meeting,
  leaving,
  full,
  behind,
  diskRefusal,
  doubtfulPartitions,
  shortPartitions,
}: Readiness): boolean {
  const takesWrites = !full && !behind && diskRefusal === undefined;
  return ringKnown && !meeting && !leaving && takesWrites && doubtfulPartitions === 0 && shortPartitions === 0;
}

/** What the membership does not know comes from the node. */
export function readiness(
  membership: Membership,
  own: Pick<Readiness, 'meeting' | 'leaving' | 'diskRefusal' | 'doubtfulPartitions'>,
): Readiness {
  const { configuration, quorums } = membership;
  const wanted = Math.max(quorums.write, quorums.read);
  let homePartitions = 0;
  let shortPartitions = 0;
  for (let partition = 0; partition < (configuration?.partitions ?? 0); partition++) {
    if (!membership.isHome(partition)) continue;
    homePartitions++;
    let linked = 1;
    // A link in one direction is not enough: a peer that has none to this node would not ask it, or wait for it.
    for (const peer of membership.otherHomes(partition)) if (peer.reachable && peer.streams > 0) linked++;
    if (linked < wanted) shortPartitions++;
  }
  return {
    ...own,
    ringKnown: configuration !== undefined,
    full: membership.nearlyFull,
    behind: membership.behind,
    shortPartitions,
    homePartitions,
  };
}
