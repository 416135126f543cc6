/** One step through the keys of a partition in the order of SCAN (storage/key-order.ts): what SCAN, KEYS and FLUSHALL take one turn at a time. */
import type { Execution } from '../../storage/execution.js';

/** A place in the cluster's order of keys. */
export interface Place {
  readonly slot: number;
  readonly position: number;
}

export interface Step {
  /** Where to go on; its slot is one more than `lastSlot` when that is over. */
  readonly next: Place;
  /** Keys looked at, expired ones among them. */
  readonly examined: number;
}

/** Gives `take` about `limit` keys from `from` on; fewer, or none, while the partition puts its keys in order. */
export function eachKeyFrom(execution: Execution, from: Place, lastSlot: number, limit: number, take: (key: Buffer) => void): Step {
  let { slot, position } = from;
  let examined = 0;
  while (slot <= lastSlot && examined < limit) {
    const slice = execution.scanSlot(slot, position, limit - examined);
    examined += slice.examined;
    for (const key of slice.keys) take(key);
    const waits = slice.next === position;
    [slot, position] = slice.next === undefined ? [slot + 1, 0] : [slot, slice.next];
    if (waits) break;
  }
  return { next: { slot, position }, examined };
}
