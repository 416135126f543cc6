/**
 * What cluster-aware clients are told: runs of slots with their replicas, and which of these to ask (CLUSTER SLOTS, SHARDS, NODES).
 *
 * Invariant: the ranges cover slots 0 to 16383 once each, in order, and neighbours differ in their replicas or their coordinator. Built once
 * per change of the configuration or of who is reachable, never per command.
 */
import type { Placement } from './configuration.js';
import { slotsOfPartition } from './ring.js';
import type { MemberView, SlotRange } from './view.js';

/** Index in a preference list of its first reachable member; 0 when none is, for somebody must be named. */
export function coordinatorIndex(list: readonly number[], reachable: (member: number) => boolean): number {
  return Math.max(0, list.findIndex(reachable));
}

/** `members` are the views of the configuration's members, in its order. Ranges with the same preference list share one `replicas` array. */
export function slotRanges(placement: Placement, members: readonly MemberView[]): SlotRange[] {
  const targets = new Map<readonly number[], Pick<SlotRange, 'replicas' | 'coordinator'>>();
  const ranges: SlotRange[] = [];
  placement.preferenceLists.forEach((list, partition) => {
    let target = targets.get(list);
    if (target === undefined) {
      target = {
        replicas: list.map((member) => members[member] as MemberView),
        coordinator: coordinatorIndex(list, (member) => members[member]?.reachable === true),
      };
      targets.set(list, target);
    }
    const { firstSlot, lastSlot } = slotsOfPartition(partition, placement.partitions);
    const before = ranges.at(-1);
    if (before?.replicas === target.replicas) ranges[ranges.length - 1] = { ...before, lastSlot };
    else ranges.push({ firstSlot, lastSlot, ...target });
  });
  return ranges;
}
