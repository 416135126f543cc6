/**
 * The parts in which a round of writing behind goes to the engine, a batch each. A batch doubles its memory as it grows, and copies it in one turn of the event loop,
 * a millisecond for each MiB and more.
 *
 * A key's header row says exactly what rows of its collections are in the engine with it, so it goes with each part that has some of them, and all that are on
 * their way are in one part. Two fill at a time: one for strings and large collections, whose header rows are few; one, larger, for small collections.
 */
import { ChunkedList } from './chunked-list.js';
import type { KeyTable } from './key-table.js';
import type { Partition } from './partition.js';
import type { LongPut } from './pieced-engine.js';

/** Unless somebody says otherwise. */
export const partBytesMost = 4 * 1024 * 1024;
/** So many times that of small collections. */
const smallOnesFactor = 4;
/** From so many elements on a collection is not small. */
const largeCollection = 2000;

/** Rows that go to the engine together. */
export class RoundPart {
  readonly puts = new ChunkedList<LongPut>();
  readonly deletes = new ChunkedList<Buffer>();
  /** Keys of collections whose header rows go with it. */
  readonly owners = new Set<number>();
  private rowBytes = 0;

  /** Of its rows, headers apart. */
  get bytes(): number {
    return this.rowBytes;
  }

  get isEmpty(): boolean {
    return this.rowBytes === 0 && this.owners.size === 0;
  }

  /** `rest` follows the value: they lie apart in memory. */
  put(row: Buffer, value: Buffer, rest: Buffer | undefined): void {
    this.puts.push([row, value, rest]);
    this.rowBytes += row.length + value.length + (rest?.length ?? 0);
  }

  delete(row: Buffer): void {
    this.deletes.push(row);
    this.rowBytes += row.length;
  }
}

export class RoundParts {
  private large = new RoundPart();
  private small = new RoundPart();

  constructor(
    private readonly table: KeyTable,
    private readonly partition: (number: number) => Partition,
    private readonly bytesMost: number,
  ) {}

  /** The part that the entry's row goes into: that in which others of its key are, else by the size of its collection. */
  of(entry: number): RoundPart {
    const { table, large, small } = this;
    const isPart = table.kindOf(entry) !== 0;
    if (!isPart && !table.hasParts(entry)) return large;
    const owner = isPart ? table.ownerOf(entry) : entry;
    if (large.owners.has(owner)) return large;
    if (small.owners.has(owner) || !isPart) return small;
    const { size } = this.partition(table.partitionOf(entry)).collections.ofPart(entry);
    return size < largeCollection ? small : large;
  }

  /** True: the part is to be written now, and another one fills in its place. */
  isFull(part: RoundPart): boolean {
    if (part === this.large) {
      if (part.bytes < this.bytesMost) return false;
      this.large = new RoundPart();
    } else {
      if (part.bytes < smallOnesFactor * this.bytesMost) return false;
      this.small = new RoundPart();
    }
    return true;
  }

  /** What is left at the end: the part that ends the round, and one more where there is one. */
  ends(): [last: RoundPart, before?: RoundPart] {
    if (this.large.isEmpty) return [this.small];
    return this.small.isEmpty ? [this.large] : [this.small, this.large];
  }
}
