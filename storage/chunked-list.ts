/** A list that only grows, in chunks: an array of a million is copied as it grows, which holds the event loop for more than ten milliseconds. */
export class ChunkedList<Item> {
  private readonly rows: Item[][] = [];
  private last: Item[] = [];
  private count = 0;

  /** `chunkItems` in a chunk. */
  constructor(private readonly chunkItems = 500) {}

  get length(): number {
    return this.count;
  }

  /** All of `chunkItems` items but the last. Borrowed. */
  get chunks(): readonly (readonly Item[])[] {
    return this.rows;
  }

  push(item: Item): void {
    if (this.count++ % this.chunkItems === 0) this.rows.push((this.last = []));
    this.last.push(item);
  }

  *[Symbol.iterator](): Generator<Item, void, undefined> {
    for (const row of this.rows) yield* row;
  }
}
