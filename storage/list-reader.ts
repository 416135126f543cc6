/** A living list as one command sees it: its elements in the order of their positions, beside what every collection shows. */
import { BulkArrayWriter } from '../protocol/resp/bulk-array.js';
import type { Reply } from '../protocol/resp/reply.js';
import { CollectionReader } from './collection-reader.js';
import { CollectionSnapshot } from './collection-snapshot.js';
import { longElements } from './long-elements.js';
import type { ListView, Sought } from './execution.js';
import type { Collection } from './collection.js';
import { ElementOrder } from './element-order.js';
import { findings, ListSearch, PreparedSearch, searchedAtOnce } from './list-search.js';
import { placeOf } from './list-window.js';
import { LongSearch } from './long-search.js';
import type { Partition } from './partition.js';
import type { RangeReading } from './stream-reader.js';

/** Elements put in order by the command that needs it; of a longer list the rest before it runs again. */
const orderedAtOnce = 1024;

const bulks = new BulkArrayWriter();

export interface PlacedValue {
  readonly position: Buffer;
  readonly value: Buffer;
}

export class ListReader extends CollectionReader implements ListView {
  /** Of a list that the command itself has changed: all of it, in order. */
  private row: readonly PlacedValue[] | undefined = undefined;

  constructor(
    private readonly reading: RangeReading,
    partition: Partition,
    collection: Collection,
    key: Buffer,
  ) {
    super(reading, partition, collection, key);
  }

  slice(from: number, to: number): Buffer[] {
    const { table } = this.partition;
    return this.each(
      from,
      to,
      (entry) => table.valueOf(entry),
      ({ value }) => value,
    );
  }

  range(from: number, to: number): Reply {
    const at = this.locate(from, to);
    if (at === undefined) return [];
    if (this.row !== undefined) return this.slice(from, to);
    const { table } = this.partition;
    const end = Math.min(at + to - from, this.order.size);
    if (end - at >= longElements) return this.longOf(new CollectionSnapshot(table, this.collection, this.order.copy(at, end)), 'values');
    bulks.begin(Math.max(0, end - at));
    this.order.forEach(at, end, (entry) => table.giveValue(entry, bulks));
    return bulks.end();
  }

  indexesOf(sought: Sought): number[] {
    const search = this.begun(sought);
    if (search === undefined || this.row !== undefined) return search?.found ?? [];
    const { collection, partition } = this;
    return this.transaction.made(new PreparedSearch(partition.table, collection, this.order, search));
  }

  search(sought: Sought, passed: number, isArray: boolean): Reply {
    const search = this.begun(sought);
    if (search === undefined || search.isOver) return findings(search?.found ?? [], passed, isArray);
    const { collection, partition, transaction } = this;
    const [from, to] = search.next(Infinity);
    const snapshot = new CollectionSnapshot(partition.table, collection, this.order.copy(from, to));
    return new LongSearch(partition, collection, snapshot, from, search, passed, isArray, transaction.resp);
  }

  /** A search that has gone as far as one goes at once; undefined where the list is not in memory, or not in order, as yet. */
  private begun(sought: Sought): ListSearch | undefined {
    if (!this.isOrdered()) return undefined;
    const { row } = this;
    const search = new ListSearch(sought, row?.length ?? this.order.size);
    if (row === undefined) search.lookInto(search.inTimeOf(searchedAtOnce), this.partition.table, this.order);
    else search.look(row.length, (index) => (row[index] as PlacedValue).value.equals(sought.value));
    return search;
  }

  /** The position of an element, owned by the caller; undefined outside the list, or when the list is not in memory as yet. */
  positionAt(index: number): Buffer | undefined {
    const at = index < 0 || index >= this.size ? undefined : this.locate(index, index + 1);
    if (at === undefined) return undefined;
    if (this.row !== undefined) return this.row[index]?.position;
    const entry = this.order.at(at);
    return entry < 0 ? undefined : this.partition.table.keyBytes(entry);
  }

  /** Positions of the elements of index `from` to before `to`, and their values, owned by the caller. O(log n), and what is returned. */
  placed(from: number, to: number): PlacedValue[] {
    const { table } = this.partition;
    return this.each(
      from,
      to,
      (entry) => ({ position: table.keyBytes(entry), value: table.valueOf(entry) }),
      (placed) => placed,
    );
  }

  /** The same without the values. */
  positions(from: number, to: number): Buffer[] {
    const { table } = this.partition;
    return this.each(
      from,
      to,
      (entry) => table.keyBytes(entry),
      ({ position }) => position,
    );
  }

  private each<Each>(from: number, to: number, ofEntry: (entry: number) => Each, ofPlaced: (placed: PlacedValue) => Each): Each[] {
    const at = this.locate(from, to);
    if (at === undefined) return [];
    if (this.row !== undefined) return this.row.slice(from, to).map(ofPlaced);
    const found: Each[] = [];
    this.order.forEach(at, at + to - from, (entry) => void found.push(ofEntry(entry)));
    return found;
  }

  /** Entries of elements that are no more, but of which something has to be remembered for a while. */
  get buried(): number {
    return this.collection.size - this.collection.living;
  }

  private get order(): ElementOrder {
    return this.collection.index as ElementOrder;
  }

  /** The elements of index `from` to before `to`, as far as there are any, are in memory and in order. Else they are asked for. */
  hasAt(from: number, to: number): boolean {
    return this.locate(Math.max(0, from), to) !== undefined;
  }

  /** Where these elements begin in the order of what memory has; undefined where it lacks some, which are asked for. */
  private locate(from: number, to: number): number | undefined {
    const { collection, reading } = this;
    if (collection.whole || reading.changes(collection)) return this.isOrdered() ? from : undefined;
    const { size } = this; // what that hangs on is asked for
    if (!collection.isCounted() || !this.isInOrder()) return undefined;
    const place = placeOf(collection.elsewhereBounds, this.order, size, from, Math.min(to, size));
    if (typeof place === 'number') return place;
    if (place === 'all') reading.need(collection, undefined);
    else reading.needRange(collection, place);
    return undefined;
  }

  /** All of it is in memory and in order. */
  isOrdered(): boolean {
    if (!this.isReady()) return false;
    const { changed } = this;
    if (changed !== undefined) {
      this.row ??= changed
        .flatMap((position, i) => (i % 2 === 1 ? [] : [{ position, value: changed[i + 1] as Buffer }]))
        .sort((x, y) => Buffer.compare(x.position, y.position));
      return true;
    }
    return this.isInOrder();
  }

  /** What memory has of it is. */
  private isInOrder(): boolean {
    const { collection, partition } = this;
    collection.index ??= new ElementOrder(partition.table, collection);
    if (!collection.index.isFilled) collection.index.fill(orderedAtOnce);
    if (!collection.index.isFilled) this.transaction.needOrder(collection);
    return collection.index.isFilled;
  }
}
