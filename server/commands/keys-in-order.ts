/**
 * How SCAN, KEYS and FLUSHALL go through keys: in the order of SCAN (storage/key-order.ts), a few in one turn of the event loop.
 */
import { type Reply } from '../../protocol/resp/reply.js';
import type { KeyspacePlan } from '../command-table.js';
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

export const countCommand: readonly Buffer[] = [Buffer.from('partition|dbsize')];

/**
 * Counts all partitions' keys at once, and then drains those that have any, in slices of up to `sliceKeys` and so many at a time that about
 * `keysAtOnce` keys are under way. `nothing` is the answer when there is none.
 */
export function countedFirst(
  sliceKeys: number,
  keysAtOnce: number,
  nothing: Reply,
  drain: Omit<Extract<KeyspacePlan, { visit: 'drain' }>, 'visit' | 'partitions' | 'atOnce'>,
): KeyspacePlan {
  const join = (counts: readonly Reply[]): Reply | { readonly plan: KeyspacePlan } => {
    const most = counts.reduce((sum: number, count) => Math.max(sum, Number(count)), 0);
    if (most === 0) return nothing;
    const partitions = [...counts.keys()].filter((partition) => Number(counts[partition]) > 0);
    return { plan: { visit: 'drain', partitions, atOnce: Math.floor(keysAtOnce / Math.min(most, sliceKeys)), ...drain } };
  };
  return { visit: 'all', command: () => countCommand, join };
}
