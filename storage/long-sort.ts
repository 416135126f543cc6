/** Puts numbers in an order, a slice a turn: runs of a bounded length are sorted, then merged two by two until there is one. */

const runLength = 256;
/** What a number of a run counts for: about as many comparisons. */
const stepsInRun = Math.log2(runLength);

export class LongSort {
  private spare: Int32Array;
  /** Length of the runs that are sorted; 0 = not all are yet. */
  private width = 0;
  /** The next run to be sorted; or the first of the two that are being merged, and the next number of each. */
  private start = 0;
  private left = 0;
  private right = 0;

  /** Puts `row` in order, of which no two numbers compare as 0. Owned by the sort until it is taken. */
  constructor(
    private row: Int32Array,
    private readonly compare: (one: number, other: number) => number,
  ) {
    this.spare = new Int32Array(row.length > runLength ? row.length : 0);
  }

  get isSorted(): boolean {
    return this.width >= this.row.length;
  }

  /** Takes about so many steps, each a comparison or two; true once all is sorted. */
  proceed(budget: number): boolean {
    for (let left = budget; left > 0 && !this.isSorted;) left -= this.width === 0 ? this.sortRun() : this.merge(left);
    return this.isSorted;
  }

  /** The numbers in order, once they are sorted. */
  take(): Int32Array {
    return this.row;
  }

  private sortRun(): number {
    const { row, start } = this;
    const end = Math.min(start + runLength, row.length);
    row.subarray(start, end).sort(this.compare);
    this.start = end;
    if (end === row.length) this.beginPass(runLength);
    return (end - start) * stepsInRun;
  }

  private beginPass(width: number): void {
    this.width = width;
    this.beginPair(0);
  }

  private beginPair(start: number): void {
    this.start = this.left = start;
    this.right = Math.min(start + this.width, this.row.length);
  }

  /** Moves up to `most` numbers of the pair of runs that is being merged. */
  private merge(most: number): number {
    const { compare, row, spare, start, width } = this;
    const middle = Math.min(start + width, row.length);
    const end = Math.min(middle + width, row.length);
    let { left, right } = this;
    const first = left + right - middle;
    const last = Math.min(end, first + most);
    for (let at = first; at < last; at++) {
      const isLeft = right === end || (left < middle && compare(row[left] as number, row[right] as number) < 0);
      spare[at] = row[isLeft ? left++ : right++] as number;
    }
    this.left = left;
    this.right = right;
    if (last === end) this.endPair(end);
    return last - first;
  }

  private endPair(end: number): void {
    const { row, spare } = this;
    if (end < row.length) return this.beginPair(end);
    this.row = spare;
    this.spare = row;
    this.beginPass(2 * this.width);
  }
}
