/**
 * A search for a value among the elements of a list, from the first on or from the last, as far at a time as whoever drives it wants. Of a long list it goes on in slices: for
 * a reply from a snapshot (long-search.ts), for a command that writes by what it finds before that runs (`PreparedSearch`).
 */
import type { Reply } from '../protocol/resp/reply.js';
import type { Collection } from './collection.js';
import type { ElementOrder } from './element-order.js';
import type { Sought } from './execution.js';
import type { KeyTable } from './key-table.js';
import type { LongWork } from './long-work.js';

/** Elements of a list that are looked at by the command itself: a millisecond, as all below, where what is sought is short. */
export const searchedAtOnce = 10_000;
/** Elements of a slice: a quarter of one. */
const sliceElements = 2500;
/** Comparing so many bytes takes as long as looking at an element. */
const comparedBytes = 1024;
/** Elements whose entries are copied from the order at a time: the first may be what is sought. */
const copiedElements = 500;

export class ListSearch {
  /** Indexes, in the order in which they were met. */
  readonly found: number[] = [];
  private looked = 0;
  private readonly last: number;

  constructor(
    readonly sought: Sought,
    private readonly size: number,
  ) {
    this.last = sought.most < 1 ? 0 : Math.min(size, sought.lookedAt);
  }

  get isOver(): boolean {
    return this.looked >= this.last || this.found.length >= this.sought.most;
  }

  /** How many elements take as long as `count` do where what is sought is short: each may have to be compared to its end. */
  inTimeOf(count: number): number {
    return Math.ceil(count / (1 + this.sought.value.length / comparedBytes));
  }

  /** The first index and the one behind the last of the `count` elements that come next, or as many as there are. */
  next(count: number): readonly [from: number, to: number] {
    const end = Math.min(this.looked + count, this.last);
    return this.sought.fromEnd ? [this.size - end, this.size - this.looked] : [this.looked, end];
  }

  /** Looks at them. */
  look(count: number, isEqual: (index: number) => boolean): void {
    const { found, size } = this;
    const { fromEnd, most } = this.sought;
    const end = Math.min(this.looked + count, this.last);
    for (; this.looked < end && found.length < most; this.looked++) {
      const index = fromEnd ? size - 1 - this.looked : this.looked;
      if (isEqual(index)) found.push(index);
    }
  }

  /** The same where the elements are those of a list in memory, in this order. */
  lookInto(count: number, table: KeyTable, order: ElementOrder): void {
    const { value } = this.sought;
    for (let left = count; left > 0 && !this.isOver; left -= copiedElements) {
      const [from, to] = this.next(Math.min(left, copiedElements));
      const row = order.copy(from, to);
      this.look(to - from, (index) => table.hasValue(row[index - from] as number, value));
    }
  }
}

/** LPOS' reply: one index or nil, or, where it asks for several, all of them; `passed` of them are left out. */
export function findings(found: readonly number[], passed: number, isArray: boolean): Reply {
  return isArray ? found.slice(passed) : (found[passed] ?? null);
}

/**
 * The rest of a search, for a command that needs to know before it writes. Nothing of the partition runs here meanwhile; where its elements change all the same, since another coordinator wrote or a
 * comparison brought something, what was found is of no use, and the command searches anew.
 */
export class PreparedSearch implements LongWork<number[]> {
  private readonly changes: number;

  constructor(
    private readonly table: KeyTable,
    private readonly collection: Collection,
    private readonly order: ElementOrder,
    private readonly search: ListSearch,
  ) {
    this.changes = collection.changes;
  }

  private get hasChanged(): boolean {
    const { collection } = this;
    return collection.changes !== this.changes || collection.index !== this.order;
  }

  get isLong(): boolean {
    return !this.search.isOver;
  }

  isSame(other: LongWork<unknown>): other is PreparedSearch {
    if (!(other instanceof PreparedSearch) || other.collection !== this.collection || other.changes !== this.changes) return false;
    const { value, fromEnd, most, lookedAt } = this.search.sought;
    const { sought } = other.search;
    const isSought = sought.fromEnd === fromEnd && sought.most === most && sought.lookedAt === lookedAt && sought.value.equals(value);
    return isSought && other.order === this.order;
  }

  proceed(): boolean {
    const { search } = this;
    if (search.isOver || this.hasChanged) return true;
    search.lookInto(search.inTimeOf(sliceElements), this.table, this.order);
    return search.isOver;
  }

  take(): number[] {
    while (!this.proceed());
    return this.search.found;
  }

  /** It holds nothing. */
  abandon(): void {}
}
