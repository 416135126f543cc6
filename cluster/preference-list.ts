/**
 * The preference list of a partition: who holds it, and in which order they coordinate it (Dynamo, section 4.3). Clockwise from the
 * partition's position, the first N distinct nodes: while there are zones without a replica, only nodes of a new zone are taken; then, while
 * there are hosts without one, nodes of a new host; then any.
 *
 * Invariant: a pure function of the ring and the members' labels. A node is passed over only for a label that an earlier one of the list
 * has, so a member that comes or goes changes a list only where it enters or leaves it, or frees its labels for another.
 */
import { firstAtOrAfter, type Position, type Ring } from './ring.js';

/** What placement spreads over. Two members with the same label are in the same place; the empty label is a place like any other. */
export interface MemberLabels {
  readonly zone: string;
  readonly hostLabel: string;
}

/**
 * Indexes in `members`, the coordinator of quiet times first; min(replicas, members.length) of them. `members` are those the ring was built
 * from, in the same order. Visits few more virtual nodes than there are members.
 */
export function preferenceList(ring: Ring, members: readonly MemberLabels[], position: Position, replicas: number): number[] {
  const wanted = Math.min(replicas, members.length);
  const chosen: number[] = [];
  const passedOver: number[] = [];
  const zones = new Set<string>();
  const hosts = new Set<string>();
  const labelsOf = (index: number): MemberLabels => members[index] as MemberLabels;
  const choose = (index: number): void => {
    const { zone, hostLabel } = labelsOf(index);
    chosen.push(index);
    zones.add(zone);
    hosts.add(hostLabel);
  };

  for (const index of distinctClockwise(ring, position, members.length)) {
    if (zones.has(labelsOf(index).zone)) passedOver.push(index);
    else choose(index);
    if (chosen.length === wanted) return chosen;
  }
  const sameHost: number[] = [];
  for (const index of passedOver) {
    if (chosen.length === wanted) return chosen;
    if (hosts.has(labelsOf(index).hostLabel)) sameHost.push(index);
    else choose(index);
  }
  return chosen.concat(sameHost.slice(0, wanted - chosen.length));
}

/** Every member once, in the order in which the walk first comes to one of its virtual nodes. */
function* distinctClockwise(ring: Ring, position: Position, members: number): Generator<number> {
  const met = new Set<number>();
  const points = ring.owners.length;
  for (let step = 0, at = firstAtOrAfter(ring, position); step < points && met.size < members; step++, at = (at + 1) % points) {
    const owner = ring.owners[at] as number;
    if (met.has(owner)) continue;
    met.add(owner);
    yield owner;
  }
}
