/**
 * Memory for the nodes of orders over entries of the key table: a node has the number of its entry, so none has to be looked up, and an entry is in one
 * order at most. Beside the table, in chunks as its own, since few entries are ever ordered.
 *
 *   words     left | right | size | order        size: nodes of the subtree, this one included; order: whose node it is, 0 = nobody's
 *   scores    one double
 */
const noEntry = -1; // key-table.ts, which has these nodes beside it

const chunkLog = 12;
const chunkNodes = 1 << chunkLog;
const inChunk = chunkNodes - 1;
const wordsLog = 2;
const at = { left: 0, right: 1, size: 2, order: 3 } as const;

/** What a node takes in memory. */
export const nodeBytes = 24;
/** Order numbers are below this, and begin again. */
const ordersMax = 0x7fff_ffff;

export class OrderNodes {
  private readonly words: (Int32Array | undefined)[] = [];
  private readonly scores: (Float64Array | undefined)[] = [];
  private lastOrder = 0;

  /** A number that no order has, as long as nodes of two thousand million orders before it are gone. */
  newOrder(): number {
    this.lastOrder = this.lastOrder === ordersMax ? 1 : this.lastOrder + 1;
    return this.lastOrder;
  }

  /** Makes the node of `entry` a leaf of `order`. */
  set(entry: number, order: number, score: number): void {
    const chunk = entry >>> chunkLog;
    let words = this.words[chunk];
    if (words === undefined) {
      words = this.words[chunk] = new Int32Array(chunkNodes << wordsLog);
      this.scores[chunk] = new Float64Array(chunkNodes);
    }
    const first = (entry & inChunk) << wordsLog;
    words[first + at.left] = noEntry;
    words[first + at.right] = noEntry;
    words[first + at.size] = 1;
    words[first + at.order] = order;
    (this.scores[chunk] as Float64Array)[entry & inChunk] = score;
  }

  clear(entry: number): void {
    this.put(entry, at.order, 0);
  }

  isIn(entry: number, order: number): boolean {
    return this.words[entry >>> chunkLog]?.[((entry & inChunk) << wordsLog) + at.order] === order;
  }

  left(entry: number): number {
    return this.word(entry, at.left);
  }

  right(entry: number): number {
    return this.word(entry, at.right);
  }

  /** 0 of noEntry. */
  size(entry: number): number {
    return entry === noEntry ? 0 : this.word(entry, at.size);
  }

  score(entry: number): number {
    return (this.scores[entry >>> chunkLog] as Float64Array)[entry & inChunk] as number;
  }

  setLeft(entry: number, left: number): void {
    this.put(entry, at.left, left);
  }

  setRight(entry: number, right: number): void {
    this.put(entry, at.right, right);
  }

  /** Counts the node's subtree, after a child of it has changed. */
  recount(entry: number): void {
    this.put(entry, at.size, this.size(this.left(entry)) + this.size(this.right(entry)) + 1);
  }

  private word(entry: number, which: number): number {
    return (this.words[entry >>> chunkLog] as Int32Array)[((entry & inChunk) << wordsLog) + which] as number;
  }

  private put(entry: number, which: number, value: number): void {
    (this.words[entry >>> chunkLog] as Int32Array)[((entry & inChunk) << wordsLog) + which] = value;
  }
}
