/**
 * A living stream as one command sees it: its elements in the order of their bytes, ranges of which are read by themselves where only disk has them. What an
 * element means is its writer's business (server/streams/): entries by id, and what is beside them.
 */
import type { Dot } from '../protocol/dot.js';
import type { VectorClock } from '../protocol/record.js';
import { recordPart } from '../protocol/record-key.js';
import type { Reply } from '../protocol/resp/reply.js';
import { CollectionReader, type Reading } from './collection-reader.js';
import { CollectionSnapshot } from './collection-snapshot.js';
import { ElementOrder } from './element-order.js';
import type { ElementScan, OrderedElement, StreamView } from './execution.js';
import type { Collection } from './collection.js';
import { longElements } from './long-elements.js';
import { LongScan } from './long-scan.js';
import type { Partition } from './partition.js';

/** Elements put in order by the command that needs it; of a longer stream the rest before it runs again. */
const orderedAtOnce = 1024;

/** A range of elements that memory lacks in part. */
export interface ElementRange {
  /** Inclusive. */
  readonly from: Buffer;
  /** Exclusive. */
  readonly to: Buffer;
  /** So many living ones are enough; Infinity = all. */
  readonly most: number;
  readonly backwards: boolean;
}

export interface RangeReading extends Reading {
  /** The latest write among what the entry shows, the command's own writes included. */
  dotAt(entry: number): Dot;
  /** The elements of the range are to be loaded, and the command run again. */
  needRange(collection: Collection, range: ElementRange): void;
}

export class StreamReader extends CollectionReader implements StreamView {
  private row: readonly OrderedElement[] | undefined = undefined;

  constructor(
    private readonly reading: RangeReading,
    partition: Partition,
    collection: Collection,
    key: Buffer,
  ) {
    super(reading, partition, collection, key);
  }

  range(from: Buffer, to: Buffer, most = Infinity, backwards = false): OrderedElement[] {
    if (!this.isOrdered()) return [];
    if (this.row !== undefined) {
      const within = this.row.filter(({ element }) => Buffer.compare(element, from) >= 0 && Buffer.compare(element, to) < 0);
      return (backwards ? within.reverse() : within).slice(0, most);
    }
    const { collection } = this;
    // What memory has of the range, from the end at which it is begun.
    const [low, high] = backwards ? [this.loadedBefore(to, from), to] : [from, this.loadedFrom(from, to)];
    const [first, last] = [this.order.countBefore(low), this.order.countBefore(high)];
    const found: OrderedElement[] = [];
    const take = (entry: number): boolean => {
      found.push(this.shown(entry));
      return found.length < most;
    };
    if (most > 0 && first < last) {
      if (backwards) for (let at = last - 1; at >= first && take(this.order.at(at)); at--);
      else this.order.forEach(first, last, take);
    }
    const isAll = backwards ? low === from : high === to;
    if (!isAll && found.length < most) {
      const rest = backwards ? { from, to: low } : { from: high, to };
      this.reading.needRange(collection, { ...rest, most: most - found.length, backwards });
    }
    return found;
  }

  scanned(from: Buffer, to: Buffer, scan: ElementScan): Reply {
    if (!this.isOrdered()) return null; // the run does not count
    if (this.row === undefined) {
      const loaded = this.loadedFrom(from, to);
      if (loaded !== to) {
        this.reading.needRange(this.collection, { from: loaded, to, most: Infinity, backwards: false });
        return null;
      }
      const { collection, order, partition, transaction } = this;
      const [first, last] = [order.countBefore(from), order.countBefore(to)];
      if (last - first >= longElements) {
        const snapshot = new CollectionSnapshot(partition.table, collection, order.copy(first, last));
        return new LongScan(partition, collection, snapshot, scan, transaction.resp);
      }
    }
    for (const { element, value } of this.range(from, to)) scan.take(element, value, this.dotOf(element));
    return scan.reply();
  }

  countIn(from: Buffer, to: Buffer): number {
    if (!this.isOrdered()) return 0;
    if (this.row !== undefined) return this.range(from, to).length;
    const loaded = this.loadedFrom(from, to);
    if (loaded !== to) this.reading.needRange(this.collection, { from: loaded, to, most: Infinity, backwards: false });
    return this.order.countBefore(loaded) - this.order.countBefore(from);
  }

  dotOf(element: Buffer): Dot {
    return this.reading.dotAt(this.partition.collections.find(this.collection, recordPart.element, element));
  }

  get top(): VectorClock {
    return this.collection.top;
  }

  get seen(): VectorClock {
    return this.partition.seen;
  }

  /** `to` itself where memory has all of the range, else up to where it has. */
  private loadedFrom(from: Buffer, to: Buffer): Buffer {
    if (this.collection.whole) return to;
    const end = this.collection.loaded.endFrom(from);
    return end === undefined || Buffer.compare(end, to) >= 0 ? to : end;
  }

  private loadedBefore(to: Buffer, from: Buffer): Buffer {
    if (this.collection.whole) return from;
    const beginning = this.collection.loaded.beginningBefore(to);
    return Buffer.compare(beginning, from) <= 0 ? from : beginning;
  }

  private shown(entry: number): OrderedElement {
    const { table } = this.partition;
    table.touch(entry);
    return { element: table.keyBytes(entry), value: table.valueOf(entry) };
  }

  private get order(): ElementOrder {
    return this.collection.index as ElementOrder;
  }

  /** What memory has of it is in order; of a stream that the command has changed, all of it is. */
  private isOrdered(): boolean {
    const { collection, partition, transaction } = this;
    this.lookAtAll();
    if (transaction.changes(collection)) {
      if (!this.isReady()) return false;
      this.row ??= (this.changed ?? [])
        .flatMap((element, i, all) => (i % 2 === 1 ? [] : [{ element, value: all[i + 1] as Buffer }]))
        .sort((x, y) => Buffer.compare(x.element, y.element));
      return true;
    }
    collection.index ??= new ElementOrder(partition.table, collection);
    if (!collection.index.isFilled) collection.index.fill(orderedAtOnce);
    if (!collection.index.isFilled) transaction.needOrder(collection);
    return collection.index.isFilled;
  }
}
