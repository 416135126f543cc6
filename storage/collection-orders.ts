/**
 * The order of HSCAN for large collections: made in slices between which the event loop gets its turn, and kept in step with the collection from then on,
 * until something of it leaves memory or it is deleted. Small ones are put in order each time (collection-reader.ts).
 */
import type { Clock } from './clock.js';
import type { Collection } from './collection.js';
import { KeyOrder } from './key-order.js';
import type { KeyTable } from './key-table.js';
import type { Partition } from './partition.js';

/** Elements put in order in one turn: about a millisecond. */
const sliceElements = 2048;

export class CollectionOrders {
  constructor(
    private readonly clock: Clock,
    private readonly table: KeyTable,
  ) {}

  /** Calls `filled` once the collection is in order, or is no longer what it was. All of it is in memory. */
  fill(partition: Partition, collection: Collection, filled: () => void): void {
    const { table } = this;
    const order = (collection.order ??= new KeyOrder(
      { slotOf: () => 0, scanHashOf: (entry) => table.scanHashOf(entry) },
      collection.livingEntries().values(),
    ));
    // What has died since is left out by whoever reads the order.
    partition.pins++; // no entry that is still to be put in order may go
    const step = (): void => {
      if (collection.order === order && !order.fill(sliceElements)) {
        this.clock.after(0, step);
        return;
      }
      partition.pins--;
      filled();
    };
    step();
  }
}
