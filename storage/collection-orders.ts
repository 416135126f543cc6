/**
 * The orders of large collections, that of HSCAN and a type's own: made in slices between which the event loop gets its turn, and kept in step with the
 * collection from then on, until something of it leaves memory or it is deleted. Small ones are put in order by the command (collection-reader.ts).
 */
import type { Clock } from './clock.js';
import type { Collection, ElementIndex } from './collection.js';
import { KeyOrder } from './key-order.js';
import type { KeyTable } from './key-table.js';
import type { Partition } from './partition.js';
import { TurnSlice } from './turn-slice.js';

/** Elements put in order in one turn: about a millisecond. */
const sliceElements = 2048;
/** The same of a type's own order, at most. */
const indexedInSlice = 512;
/** Of these so many between two looks at how long it takes. */
const indexedAtOnce = 32;

export class CollectionOrders {
  constructor(
    private readonly clock: Clock,
    private readonly table: KeyTable,
  ) {}

  /**
   * Goes on with the order of the collection's type that a command began, or else makes that of HSCAN. Calls `filled` once it is there, or the collection is
   * no longer what it was. All of it is in memory. `goesOn` is told of each slice.
   */
  fill(partition: Partition, collection: Collection, filled: () => void, goesOn: () => void = () => undefined): void {
    if (collection.index?.isFilled === false) this.fillIndex(partition, collection, collection.index, filled, goesOn);
    else if (collection.type.isOrderedInParts)
      this.clock.nextTurn(filled); // the command has filled it since
    else this.fillScanOrder(partition, collection, filled, goesOn);
  }

  private fillIndex(partition: Partition, collection: Collection, index: ElementIndex, filled: () => void, goesOn: () => void): void {
    partition.pins++;
    const slice = new TurnSlice(this.clock, indexedInSlice / indexedAtOnce, 1);
    const step = (): void => {
      slice.begin();
      while (collection.index === index && !index.isFilled) {
        index.fill(indexedAtOnce);
        if (slice.isOver()) break;
      }
      if (collection.index === index && !index.isFilled) {
        goesOn();
        this.clock.nextTurn(step);
        return;
      }
      partition.pins--;
      filled();
    };
    this.clock.nextTurn(step); // the command has put a slice in order already
  }

  private fillScanOrder(partition: Partition, collection: Collection, filled: () => void, goesOn: () => void): void {
    const { table } = this;
    const order = (collection.order ??= new KeyOrder(
      { slotOf: () => 0, scanHashOf: (entry) => table.scanHashOf(entry) },
      collection.livingEntries()[Symbol.iterator](),
    ));
    // What has died since is left out by whoever reads the order.
    partition.pins++; // no entry that is still to be put in order may go
    const step = (): void => {
      if (collection.order === order && !order.fill(sliceElements)) {
        goesOn();
        this.clock.nextTurn(step);
        return;
      }
      partition.pins--;
      filled();
    };
    step();
  }
}
