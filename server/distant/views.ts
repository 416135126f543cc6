/** Collections that were brought from another partition, as a command sees them. They are read whole, so each is a table made when it is first asked for. */
import type { Dot } from '../../protocol/dot.js';
import { emptyClock } from '../../protocol/record.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type {
  CollectionView,
  ElementScan,
  ListView,
  OrderedElement,
  ScannedElements,
  ScoredMember,
  SortedView,
  Sought,
  StreamView,
} from '../../storage/execution.js';
import { scanHash, sliceOf } from '../../storage/key-order.js';
import { findings, ListSearch } from '../../storage/list-search.js';
import { decodeScore } from '../../storage/score-value.js';
import type { ElementSource } from '../../storage/element-source.js';
import type { DistantValue } from './value.js';

interface Element {
  readonly bytes: Buffer;
  readonly value: Buffer;
  /** Unix ms; 0 = never. */
  readonly expiresAtMs: number;
}

const noValue: Buffer = Buffer.alloc(0);
const nameOf = (element: Buffer): string => element.toString('latin1');

export class DistantCollection implements CollectionView {
  private taken: readonly Element[] | undefined = undefined;
  private byName: ReadonlyMap<string, Element> | undefined = undefined;

  constructor(
    private readonly value: DistantValue,
    private readonly nowMs: number,
  ) {}

  /** What has expired by now is left out. */
  protected get all(): readonly Element[] {
    if (this.taken !== undefined) return this.taken;
    const { parts, step } = this.value;
    const all: Element[] = [];
    for (let i = 0; i < parts.length; i += step) {
      const expiresAtMs = step === 3 ? Number(parts[i + 2]) : 0;
      if (expiresAtMs !== 0 && expiresAtMs <= this.nowMs) continue;
      all.push({ bytes: parts[i] as Buffer, value: step === 1 ? noValue : (parts[i + 1] as Buffer), expiresAtMs });
    }
    return (this.taken = all);
  }

  get size(): number {
    return this.value.elements?.size ?? this.all.length;
  }

  has(element: Buffer): boolean {
    return this.find(element) !== undefined;
  }

  get(element: Buffer): Buffer | undefined {
    return this.find(element)?.value;
  }

  get mayExpire(): boolean {
    return this.all.some(({ expiresAtMs }) => expiresAtMs !== 0);
  }

  expiryOf(element: Buffer): number | undefined {
    return this.find(element)?.expiresAtMs;
  }

  pairs(): Buffer[] {
    return this.all.flatMap(({ bytes, value }) => [bytes, value]);
  }

  elements(): Buffer[] {
    return this.all.map(({ bytes }) => bytes);
  }

  long(): undefined {
    return undefined;
  }

  source(): ElementSource | 'at once' {
    return this.value.elements ?? 'at once';
  }

  longRandom(): undefined {
    return undefined;
  }

  elementAt(at: number): Buffer {
    return this.all[at]?.bytes ?? noValue;
  }

  valueAt(at: number): Buffer {
    return this.all[at]?.value ?? noValue;
  }

  scan(position: number, limit: number): ScannedElements {
    const { keys, next } = sliceOf(this.all, ({ bytes }) => scanHash(bytes), position, limit);
    return { pairs: keys.flatMap(({ bytes, value }) => [bytes, value]), next };
  }

  private find(element: Buffer): Element | undefined {
    this.byName ??= new Map(this.all.map((each) => [nameOf(each.bytes), each]));
    return this.byName.get(nameOf(element));
  }
}

export class DistantSortedSet extends DistantCollection implements SortedView {
  private inOrder: readonly ScoredMember[] | undefined = undefined;

  scoreOf(member: Buffer): number | undefined {
    const score = this.get(member);
    return score === undefined ? undefined : decodeScore(score);
  }

  rankOf(member: Buffer): number | undefined {
    const rank = this.row.findIndex((each) => each.member.equals(member));
    return rank < 0 ? undefined : rank;
  }

  countToScore(score: number, orEqual: boolean): number {
    return this.countWhile((each) => each.score < score || (orEqual && each.score === score));
  }

  countToMember(member: Buffer, orEqual: boolean): number {
    return this.countWhile((each) => {
      const order = Buffer.compare(each.member, member);
      return order < 0 || (orEqual && order === 0);
    });
  }

  slice(from: number, to: number): ScoredMember[] {
    return this.row.slice(Math.max(0, from), Math.max(0, to));
  }

  longSlice(): undefined {
    return undefined;
  }

  private countWhile(holds: (each: ScoredMember) => boolean): number {
    const end = this.row.findIndex((each) => !holds(each));
    return end < 0 ? this.row.length : end;
  }

  private get row(): readonly ScoredMember[] {
    this.inOrder ??= this.all
      .map(({ bytes, value }) => ({ member: bytes, score: decodeScore(value) }))
      .sort((x, y) => (x.score === y.score ? Buffer.compare(x.member, y.member) : x.score < y.score ? -1 : 1));
    return this.inOrder;
  }
}

const noDot: Dot = { actor: 0, counter: 0 };

/** It was written anew where it was: nothing of it is a matter between several writers any more, so it has no dots, and no clocks. */
export class DistantStream extends DistantCollection implements StreamView {
  readonly top = emptyClock;
  readonly seen = emptyClock;
  private inOrder: readonly OrderedElement[] | undefined = undefined;

  range(from: Buffer, to: Buffer, most = Infinity, backwards = false): OrderedElement[] {
    const [first, last] = [this.countBefore(from), this.countBefore(to)];
    return backwards ? this.row.slice(Math.max(first, last - most), last).reverse() : this.row.slice(first, Math.min(last, first + most));
  }

  scanned(from: Buffer, to: Buffer, scan: ElementScan): Reply {
    for (const { element, value } of this.range(from, to)) scan.take(element, value, noDot);
    return scan.reply();
  }

  countIn(from: Buffer, to: Buffer): number {
    return this.countBefore(to) - this.countBefore(from);
  }

  dotOf(): Dot {
    return noDot;
  }

  private countBefore(element: Buffer): number {
    const { row } = this;
    let [low, high] = [0, row.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (Buffer.compare((row[middle] as OrderedElement).element, element) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private get row(): readonly OrderedElement[] {
    this.inOrder ??= this.all.map(({ bytes, value }) => ({ element: bytes, value })).sort((x, y) => Buffer.compare(x.element, y.element));
    return this.inOrder;
  }
}

export class DistantList implements ListView {
  constructor(private readonly values: readonly Buffer[]) {}

  get size(): number {
    return this.values.length;
  }

  slice(from: number, to: number): Buffer[] {
    return this.values.slice(Math.max(0, from), Math.max(0, to));
  }

  range(from: number, to: number): Reply {
    return this.slice(from, to);
  }

  indexesOf(sought: Sought): number[] {
    const { values } = this;
    const search = new ListSearch(sought, values.length);
    search.look(values.length, (index) => (values[index] as Buffer).equals(sought.value));
    return search.found;
  }

  search(sought: Sought, passed: number, isArray: boolean): Reply {
    return findings(this.indexesOf(sought), passed, isArray);
  }
}
