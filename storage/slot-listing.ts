/** The living keys of a partition by slot, as one command sees them: for SCAN, KEYS and CLUSTER GETKEYSINSLOT. */
import type { ScannedSlot } from './execution.js';
import { KeyOrder, sliceOf } from './key-order.js';
import type { Partition } from './partition.js';

/** Looking through more entries than these for each SCAN takes too long: from here on a partition keeps them in order. */
const unorderedEntriesMax = 4096;
/** Entries put in order by one command. */
const orderedAtOnce = 2048;

export class SlotListing {
  private bySlot: Map<number, number[]> | undefined;

  constructor(
    private readonly partition: Partition,
    private readonly nowMs: number,
  ) {}

  /** Copies of the next `limit` keys after one, in the order of their bytes. */
  keysInSlot(slot: number, limit: number, after?: Buffer): readonly Buffer[] {
    const { table } = this.partition;
    const keys = this.livingInSlot(slot).map((entry) => table.nameOf(entry));
    const afterKey = after?.toString('latin1');
    const found: Buffer[] = [];
    for (const key of keys.toSorted()) {
      if (found.length >= limit) break;
      if (afterKey === undefined || key > afterKey) found.push(Buffer.from(key, 'latin1'));
    }
    return found;
  }

  scanSlot(slot: number, position: number, limit: number): ScannedSlot {
    const { partition } = this;
    const { table } = partition;
    const order = this.order();
    if (order?.isFilled === false) return { keys: [], examined: 0, next: position };
    const { keys, next } =
      order?.slice(slot, position, limit) ?? sliceOf(this.livingInSlot(slot), (entry) => table.scanHashOf(entry), position, limit);
    const living = keys.filter((entry) => partition.isLivingKey(entry, this.nowMs));
    return { keys: living.map((entry) => table.keyBytes(entry)), examined: keys.length, next };
  }

  /** Undefined for a small partition. It is not evicted from until its order is filled. */
  private order(): KeyOrder | undefined {
    const { partition } = this;
    if (partition.order === undefined) {
      if (partition.entries.size <= unorderedEntriesMax) return undefined;
      partition.order = new KeyOrder(partition.table, partition.entries.ids());
      partition.pins++;
    }
    if (!partition.order.isFilled && partition.order.fill(orderedAtOnce)) partition.pins--;
    return partition.order;
  }

  private livingInSlot(slot: number): readonly number[] {
    return (this.bySlot ??= this.entriesBySlot()).get(slot) ?? [];
  }

  private entriesBySlot(): Map<number, number[]> {
    const bySlot = new Map<number, number[]>();
    const { entries, table } = this.partition;
    for (const entry of entries.ids()) {
      if (!this.partition.isLivingKey(entry, this.nowMs)) continue;
      const slot = table.slotOf(entry);
      const known = bySlot.get(slot);
      if (known === undefined) bySlot.set(slot, [entry]);
      else known.push(entry);
    }
    return bySlot;
  }
}
