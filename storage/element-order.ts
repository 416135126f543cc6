/**
 * A collection's elements in the order of their bytes, which are a list's positions or a stream's ids: rows of entry numbers, chunk after chunk. Pushing to and
 * popping from an end touches one chunk; an index is found by binary search among the chunks' first indexes, an element among their first elements.
 *
 *   chunks   [ . . e e e ] [ e e e e e ] [ e e e . . ]
 *   starts      s            s + 3         s + 8           index of each one's first element, less `starts[0]`
 *
 * What comes or goes in the middle moves the starts behind it: of a million elements two to four thousand numbers, a few microseconds.
 *
 * Made when a command first needs it: small ones at once, large ones in slices. What is there at first is taken from the end of the collection's row to its
 * beginning, as a sorted set's is (score-index.ts). A list's is made when the list is whole; a stream's has what is in memory, which may be a part of it.
 */
import type { Collection, ElementIndex } from './collection.js';
import { noEntry, type KeyTable } from './key-table.js';

const smallestRow = 8;
const chunkEntries = 512;
/** A chunk with fewer is joined to a neighbour when both fit three quarters of one. */
const sparseEntries = 128;
const joinedMost = 384;
/** What a chunk takes beside its row, about. */
const chunkBytes = 120;

/** Entries `from` to before `to` of a row, which grows up to `chunkEntries`. */
class Chunk {
  from = 0;
  to = 0;

  constructor(public row = new Int32Array(smallestRow)) {}

  get byteSize(): number {
    return chunkBytes + this.row.byteLength;
  }

  get size(): number {
    return this.to - this.from;
  }

  at(index: number): number {
    return this.row[this.from + index] as number;
  }

  /** There are fewer than `chunkEntries`. */
  insert(index: number, entry: number): void {
    if (this.size === this.row.length) this.grow();
    const { row } = this;
    if (this.to === row.length || (this.from > 0 && index < this.size / 2)) {
      row.copyWithin(this.from - 1, this.from, this.from + index);
      this.from--;
    } else {
      row.copyWithin(this.from + index + 1, this.from + index, this.to);
      this.to++;
    }
    row[this.from + index] = entry;
  }

  remove(index: number): void {
    const { row } = this;
    if (index < this.size / 2) {
      row.copyWithin(this.from + 1, this.from, this.from + index);
      this.from++;
    } else {
      row.copyWithin(this.from + index, this.from + index + 1, this.to);
      this.to--;
    }
  }

  private grow(): void {
    const larger = new Int32Array(2 * this.row.length);
    larger.set(this.row);
    this.row = larger;
  }
}

export class ElementOrder implements ElementIndex {
  private chunks: Chunk[] = [];
  private starts: number[] = [];
  private count = 0;
  private bytes = 0;
  /** Places of the collection's row below it are to be taken in. */
  private left: number;

  constructor(
    private readonly table: KeyTable,
    private readonly collection: Collection,
  ) {
    this.left = collection.living;
  }

  get size(): number {
    return this.count;
  }

  get byteSize(): number {
    return this.bytes;
  }

  get isFilled(): boolean {
    return this.left === 0;
  }

  fill(budget: number): void {
    const { collection } = this;
    this.left = Math.min(this.left, collection.living);
    for (let i = 0; i < budget && this.left > 0; i++) this.changed(collection.at(--this.left), true);
  }

  changed(entry: number, isLiving: boolean): void {
    const at = this.chunkOf(entry);
    const index = at < 0 ? 0 : this.indexIn(this.chunks[at] as Chunk, entry);
    const isIn = at >= 0 && index < (this.chunks[at] as Chunk).size && (this.chunks[at] as Chunk).at(index) === entry;
    if (isIn === isLiving) return;
    if (isLiving) this.insert(Math.max(at, 0), index, entry);
    else this.remove(at, index);
  }

  dispose(): void {
    this.collection.account(-this.byteSize);
    this.chunks = [];
    this.starts = [];
    this.count = this.bytes = 0;
  }

  /** The entry of an index; noEntry outside the list. O(log n). */
  at(index: number): number {
    if (index < 0 || index >= this.count) return noEntry;
    const at = this.chunkAt(index);
    return (this.chunks[at] as Chunk).at(index - this.startOf(at));
  }

  /** Calls `take` for the entries of index `from` to before `to`, in order, until it answers false. */
  forEach(from: number, to: number, take: (entry: number, index: number) => boolean | void): void {
    const last = Math.min(to, this.count);
    let index = from;
    for (let at = this.chunkAt(from); index < last; at++) {
      const chunk = this.chunks[at] as Chunk;
      const start = this.startOf(at);
      const end = Math.min(last, start + chunk.size);
      for (; index < end; index++) if (take(chunk.at(index - start), index) === false) return;
    }
  }

  /** The same entries as a row of their own: a copy, a chunk at a time. */
  copy(from: number, to: number): Int32Array {
    const last = Math.min(to, this.count);
    const row = new Int32Array(Math.max(0, last - from));
    for (let at = this.chunkAt(from), done = 0; done < row.length; at++) {
      const chunk = this.chunks[at] as Chunk;
      const first = from + done - this.startOf(at);
      const length = Math.min(chunk.size - first, row.length - done);
      row.set(chunk.row.subarray(chunk.from + first, chunk.from + first + length), done);
      done += length;
    }
    return row;
  }

  /** How many elements come before these bytes. O(log n). */
  countBefore(bytes: Buffer): number {
    const { chunks, table } = this;
    let [low, high] = [0, chunks.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (table.compareKeyTo((chunks[middle] as Chunk).at(0), bytes) < 0) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return 0;
    const chunk = chunks[low - 1] as Chunk;
    let [from, to] = [1, chunk.size];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (table.compareKeyTo(chunk.at(middle), bytes) < 0) from = middle + 1;
      else to = middle;
    }
    return this.startOf(low - 1) + from;
  }

  private startOf(at: number): number {
    return (this.starts[at] as number) - (this.starts[0] as number);
  }

  /** The chunk that holds an index. */
  private chunkAt(index: number): number {
    let [low, high] = [0, this.chunks.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.startOf(middle) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The chunk that the entry is in, or belongs into: the last whose first element is not after it; -1 where there is none at all. */
  private chunkOf(entry: number): number {
    const { chunks, table } = this;
    let [low, high] = [0, chunks.length - 1];
    // Most come to an end, or go from one.
    if (high > 0 && table.compareKeys((chunks[high] as Chunk).at(0), entry) <= 0) return high;
    if (high > 0 && table.compareKeys((chunks[1] as Chunk).at(0), entry) > 0) return 0;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (table.compareKeys((chunks[middle] as Chunk).at(0), entry) <= 0) low = middle;
      else high = middle - 1;
    }
    return high < 0 ? -1 : low;
  }

  /** Where in a chunk the entry stands, or would stand: behind those before it. */
  private indexIn(chunk: Chunk, entry: number): number {
    const { table } = this;
    let [low, high] = [0, chunk.size];
    if (chunk.at(0) === entry) return 0;
    if (chunk.at(high - 1) === entry) return high - 1;
    if (table.compareKeys(chunk.at(high - 1), entry) < 0) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (table.compareKeys(chunk.at(middle), entry) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private insert(at: number, index: number, entry: number): void {
    this.count++;
    const chunk = this.chunks[at];
    if (chunk === undefined) return this.addChunk(0, new Chunk(), 0, entry);
    const start = this.starts[at] as number;
    const isFirst = at === 0 && index === 0;
    if (chunk.size < chunkEntries) {
      this.insertInto(chunk, index, entry);
      if (isFirst) this.starts[0] = start - 1;
      else this.moveStarts(at + 1, 1);
    } else if (isFirst) this.addChunk(0, new Chunk(), start - 1, entry);
    else if (at === this.chunks.length - 1 && index === chunkEntries) this.addChunk(at + 1, new Chunk(), start + chunkEntries, entry);
    else {
      const half = chunkEntries / 2;
      const second = new Chunk(new Int32Array(chunkEntries));
      second.row.set(chunk.row.subarray(half));
      second.to = chunk.to = half;
      this.addChunk(at + 1, second, start + half);
      if (index <= half) this.insertInto(chunk, index, entry);
      else this.insertInto(second, index - half, entry);
      this.moveStarts(index <= half ? at + 1 : at + 2, 1);
    }
  }

  private insertInto(chunk: Chunk, index: number, entry: number): void {
    const before = chunk.byteSize;
    chunk.insert(index, entry);
    if (chunk.byteSize !== before) this.account(chunk.byteSize - before);
  }

  private addChunk(at: number, chunk: Chunk, start: number, entry = noEntry): void {
    if (entry !== noEntry) chunk.insert(0, entry);
    this.chunks.splice(at, 0, chunk);
    this.starts.splice(at, 0, start);
    this.account(chunk.byteSize);
  }

  private account(bytes: number): void {
    this.bytes += bytes;
    this.collection.account(bytes);
  }

  private remove(at: number, index: number): void {
    const chunk = this.chunks[at] as Chunk;
    chunk.remove(index);
    this.count--;
    if (at === 0 && index === 0) this.starts[0] = (this.starts[0] as number) + 1;
    else this.moveStarts(at + 1, -1);
    if (chunk.size === 0) this.dropChunk(at);
    else if (chunk.size < sparseEntries) this.join(at);
  }

  /** Joins a sparse chunk to the one behind it, or the one before it; not at the ends, where chunks empty by themselves. */
  private join(at: number): void {
    if (at === 0 || at === this.chunks.length - 1) return;
    const first = at + 1 < this.chunks.length - 1 ? at : at - 1;
    const [chunk, next] = [this.chunks[first] as Chunk, this.chunks[first + 1] as Chunk];
    if (first === 0 || chunk.size + next.size > joinedMost) return;
    const joined = new Chunk(new Int32Array(chunkEntries));
    joined.row.set(chunk.row.subarray(chunk.from, chunk.to));
    joined.row.set(next.row.subarray(next.from, next.to), chunk.size);
    joined.to = chunk.size + next.size;
    this.account(joined.byteSize - chunk.byteSize);
    this.chunks[first] = joined;
    this.dropChunk(first + 1);
  }

  private dropChunk(at: number): void {
    this.account(-(this.chunks[at] as Chunk).byteSize);
    this.chunks.splice(at, 1);
    this.starts.splice(at, 1);
  }

  private moveStarts(from: number, by: number): void {
    const { starts } = this;
    for (let at = from; at < starts.length; at++) starts[at] = (starts[at] as number) + by;
  }
}
