/** A living list as one command sees it: its elements in the order of their positions, beside what every collection shows. */
import { BulkArrayWriter } from '../protocol/resp/bulk-array.js';
import type { Reply } from '../protocol/resp/reply.js';
import { CollectionReader } from './collection-reader.js';
import { CollectionSnapshot } from './collection-snapshot.js';
import { longElements } from './long-elements.js';
import type { ListView } from './execution.js';
import { ElementOrder } from './element-order.js';

/** Elements put in order by the command that needs it; of a longer list the rest before it runs again. */
const orderedAtOnce = 1024;

const bulks = new BulkArrayWriter();

interface PlacedValue {
  readonly position: Buffer;
  readonly value: Buffer;
}

export class ListReader extends CollectionReader implements ListView {
  /** Of a list that the command itself has changed: all of it, in order. */
  private row: readonly PlacedValue[] | undefined = undefined;

  slice(from: number, to: number): Buffer[] {
    if (!this.isOrdered()) return [];
    if (this.row !== undefined) return this.row.slice(from, to).map(({ value }) => value);
    const { table } = this.partition;
    const found: Buffer[] = [];
    this.order.forEach(from, to, (entry) => void found.push(table.valueOf(entry)));
    return found;
  }

  range(from: number, to: number): Reply {
    if (!this.isOrdered()) return [];
    if (this.row !== undefined) return this.slice(from, to);
    const { table } = this.partition;
    if (Math.min(to, this.order.size) - from >= longElements)
      return this.longOf(new CollectionSnapshot(table, this.collection, this.order.copy(from, to)), 'values');
    bulks.begin(Math.max(0, Math.min(to, this.order.size) - from));
    this.order.forEach(from, to, (entry) => bulks.add(table.valuePageOf(entry), table.valueAt(entry), table.valueLengthOf(entry)));
    return bulks.end();
  }

  indexesOf(value: Buffer, fromEnd: boolean, most: number, lookedAt: number): number[] {
    if (!this.isOrdered() || most < 1) return [];
    const found: number[] = [];
    let left = lookedAt;
    const look = (isEqual: boolean, index: number): boolean => {
      if (isEqual) found.push(index);
      return --left > 0 && found.length < most;
    };
    const { row } = this;
    if (row !== undefined) {
      const places = row.map((_, index) => index);
      for (const index of fromEnd ? places.reverse() : places) if (!look((row[index] as PlacedValue).value.equals(value), index)) break;
      return found;
    }
    const { table } = this.partition;
    const take = (entry: number, index: number): boolean => look(table.hasValue(entry, value), index);
    if (fromEnd) this.order.forEachBack(take);
    else this.order.forEach(0, Infinity, take);
    return found;
  }

  /** The position of an element, owned by the caller; undefined outside the list, or when the list is not in memory as yet. */
  positionAt(index: number): Buffer | undefined {
    if (!this.isOrdered() || index < 0) return undefined;
    if (this.row !== undefined) return this.row[index]?.position;
    const entry = this.order.at(index);
    return entry < 0 ? undefined : this.partition.table.keyBytes(entry);
  }

  /** Entries of elements that are no more, but of which something has to be remembered for a while. */
  get buried(): number {
    return this.collection.size - this.collection.living;
  }

  private get order(): ElementOrder {
    return this.collection.index as ElementOrder;
  }

  /** All of it is in memory and in order. */
  isOrdered(): boolean {
    if (!this.isReady()) return false;
    const { collection, partition, changed } = this;
    if (changed !== undefined) {
      this.row ??= changed
        .flatMap((position, i) => (i % 2 === 1 ? [] : [{ position, value: changed[i + 1] as Buffer }]))
        .sort((x, y) => Buffer.compare(x.position, y.position));
      return true;
    }
    collection.index ??= new ElementOrder(partition.table, collection);
    if (!collection.index.isFilled) collection.index.fill(orderedAtOnce);
    if (!collection.index.isFilled) this.transaction.needOrder(collection);
    return collection.index.isFilled;
  }
}
