/**
 * Which ranges of a collection's elements are in memory in full, where the collection is not: what a command that reads a range goes by. An element in such a
 * range that memory does not know is not there.
 *
 * Ranges are few: reading beside one makes it longer, and when an element leaves memory its range loses all up to that element, so that the end, where a stream
 * is written, stays.
 */
interface Range {
  /** Inclusive. */
  readonly from: Buffer;
  /** Exclusive; undefined = no end. */
  readonly to: Buffer | undefined;
}

const noBytes: Buffer = Buffer.alloc(0);
/** More are not remembered: the first is forgotten. */
const rangesMost = 16;

/** The least bytes that come after all that are `bytes` or before them. */
export const justAfter = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.of(0)]);

const isBefore = (x: Buffer | undefined, y: Buffer | undefined): boolean =>
  x !== undefined && (y === undefined || Buffer.compare(x, y) < 0);

export class LoadedRanges {
  /** In order, apart from each other. */
  private ranges: Range[] = [];

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
    const range = this.ranges.find((each) => isBefore(each.from, to) && !isBefore(each.to, to));
    return range === undefined ? to : range.from;
  }

  add(from: Buffer, to: Buffer | undefined): void {
    if (!isBefore(from, to)) return;
    const apart = this.ranges.filter((each) => isBefore(each.to, from) || isBefore(to, each.from));
    let joined: Range = { from, to };
    for (const each of this.ranges) {
      if (apart.includes(each)) continue;
      joined = { from: isBefore(each.from, joined.from) ? each.from : joined.from, to: isBefore(joined.to, each.to) ? each.to : joined.to };
    }
    this.ranges = [...apart, joined].sort((x, y) => Buffer.compare(x.from, y.from)).slice(-rangesMost);
  }

  addAll(): void {
    this.ranges = [{ from: noBytes, to: undefined }];
  }

  /** The element leaves memory: so do the promises about all before it in its range. */
  cutBehind(element: Buffer): void {
    const range = this.rangeAt(element);
    if (range === undefined) return;
    const from = justAfter(element);
    const left = isBefore(from, range.to) ? [{ from, to: range.to }] : [];
    this.ranges = this.ranges.flatMap((each) => (each === range ? left : [each]));
  }

  clear(): void {
    if (this.ranges.length > 0) this.ranges = [];
  }

  private rangeAt(element: Buffer): Range | undefined {
    return this.ranges.find((each) => !isBefore(element, each.from) && isBefore(element, each.to));
  }
}
