/**
 * Which ranges of a collection's elements are in memory in full, where the collection is not: what a command that reads a range goes by. An element in such a
 * range that memory does not know is not there.
 *
 * Ranges are few: reading beside one makes it longer, and when an element leaves memory its range loses all up to that element, so that the end, where a stream
 * is written, stays, and what is before the first element that is not in memory, where a list is, too.
 */
interface Range {
  /** Inclusive. */
  readonly from: Buffer;
  /** Exclusive; undefined = no end. */
  readonly to: Buffer | undefined;
  /** Larger for what was read later. */
  readonly readAt: number;
}

const noBytes: Buffer = Buffer.alloc(0);
/**
 * More are not remembered: what was read longest ago is forgotten. Never what was read just now, and not what a command has read beside it: it runs again until all that it
 * reads is here, so one that reads more ranges at once than are remembered would run for ever.
 */
const rangesMost = 1024;

/** The least bytes that come after all that are `bytes` or before them. */
export const justAfter = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.of(0)]);

const isBefore = (x: Buffer | undefined, y: Buffer | undefined): boolean =>
  x !== undefined && (y === undefined || Buffer.compare(x, y) < 0);

export class LoadedRanges {
  /** In order, apart from each other. */
  private ranges: Range[] = [];
  private reads = 0;

  get size(): number {
    return this.ranges.length;
  }

  has(element: Buffer): boolean {
    return this.rangeAt(element) !== undefined;
  }

  /** Up to where memory has everything from `from` on; `from` itself where it has nothing, undefined = there is no end. */
  endFrom(from: Buffer): Buffer | undefined {
    const range = this.rangeAt(from);
    return range === undefined ? from : range.to;
  }

  /** The same the other way: from where it has everything up to before `to`. */
  beginningBefore(to: Buffer): Buffer {
    const range = this.ranges[this.countFrom(to, false) - 1];
    return range === undefined || isBefore(range.to, to) ? to : range.from;
  }

  add(from: Buffer, to: Buffer | undefined): void {
    if (!isBefore(from, to)) return;
    const readAt = ++this.reads;
    const apart: Range[] = [];
    let joined: Range = { from, to, readAt };
    for (const each of this.ranges) {
      if (isBefore(each.to, from) || isBefore(to, each.from)) apart.push(each);
      else
        joined = {
          from: isBefore(each.from, joined.from) ? each.from : joined.from,
          to: isBefore(joined.to, each.to) ? each.to : joined.to,
          readAt,
        };
    }
    if (apart.length >= rangesMost) {
      const oldest = apart.reduce((one, other) => (other.readAt < one.readAt ? other : one));
      apart.splice(apart.indexOf(oldest), 1);
    }
    this.ranges = [...apart, joined].sort((x, y) => Buffer.compare(x.from, y.from));
  }

  addAll(): void {
    this.ranges = [{ from: noBytes, to: undefined, readAt: ++this.reads }];
  }

  /**
   * The element leaves memory: its range loses all up to it, or, if it is the one at the beginning of all, all behind it. Only where it is both that one and the one at the end is it
   * cut in two: ranges stay few, in whatever order elements leave.
   */
  cutBehind(element: Buffer): void {
    const at = this.countFrom(element, true) - 1;
    const range = this.ranges[at];
    if (range === undefined || !isBefore(element, range.to)) return;
    const isBeginning = range.from.length === 0 && element.length > 0;
    const from = justAfter(element);
    const left = (!isBeginning || range.to === undefined) && isBefore(from, range.to) ? [{ ...range, from }] : [];
    if (isBeginning) left.unshift({ ...range, to: element });
    this.ranges.splice(at, 1, ...left);
  }

  clear(): void {
    if (this.ranges.length > 0) this.ranges = [];
  }

  private rangeAt(element: Buffer): Range | undefined {
    const range = this.ranges[this.countFrom(element, true) - 1];
    return range !== undefined && isBefore(element, range.to) ? range : undefined;
  }

  /** How many begin before `bytes`, or there. */
  private countFrom(bytes: Buffer, orThere: boolean): number {
    const { ranges } = this;
    let [low, high] = [0, ranges.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = Buffer.compare((ranges[middle] as Range).from, bytes);
      if (order < 0 || (orThere && order === 0)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
