/**
 * A collection's elements as they are at one instant, to be read over many turns while writes go on. The numbers of their entries are a copy, which costs little (entry-row.ts); of an element that
 * is about to change the bytes are saved first. So a snapshot costs what changes while it is open, and nobody waits for it.
 *
 * Invariant: an entry that is not among the touched is in memory as it was at the instant.
 */
import type { Collection } from './collection.js';
import { kindOf } from './collection-types.js';
import { recordPart } from '../protocol/record-key.js';
import type { Dot } from '../protocol/dot.js';
import { EntryRow } from './entry-row.js';
import { noEntry, type KeyTable } from './key-table.js';
import { latestDotOf } from './latest.js';
import { MemberHeap, type HeapMember } from './member-heap.js';
import type { ScoreIndex } from './score-index.js';

export interface SavedElement {
  readonly element: Buffer;
  readonly value: Buffer;
  /** The latest write among what it shows. */
  readonly dot: Dot;
}

export class CollectionSnapshot {
  readonly owner: number;
  readonly kind: number;
  /** Entries that have changed since; undefined = it was no element at the instant, or nobody asks for it. */
  protected readonly touched = new Map<number, SavedElement | undefined>();

  constructor(
    protected readonly table: KeyTable,
    { owner, type }: Collection,
    /** In the order in which they are to be read. */
    private readonly entries: { readonly length: number; at(index: number): number | undefined },
    protected readonly count = entries.length,
  ) {
    this.owner = owner;
    this.kind = kindOf(type, recordPart.element);
  }

  /** Elements to be read. */
  get size(): number {
    return this.count;
  }

  at(index: number): number {
    return this.entries.at(index) as number;
  }

  /** The bytes of an entry that has changed since; undefined: it is in the table as it was. */
  saved(entry: number): SavedElement | undefined {
    return this.touched.size === 0 ? undefined : this.touched.get(entry);
  }

  /**
   * The entry of the element, `length` bytes of `bytes` from `from`, where it was there at the instant; else noEntry. For a collection that was whole, and of which nothing was
   * condemned.
   */
  entryOf(bytes: Buffer, from: number, length: number): number {
    const { table } = this;
    const entry = table.findPart(this.owner, this.kind, bytes, from, length);
    if (entry === noEntry) return noEntry;
    const wasThere = this.touched.has(entry) ? this.touched.get(entry) !== undefined : table.isAlive(entry);
    return wasThere ? entry : noEntry;
  }

  /** An entry of the collection is about to change. */
  beforeChange(entry: number): void {
    if (!this.touched.has(entry)) this.touched.set(entry, this.copyOf(entry));
  }

  /** Whether all that is to be read is known. Takes up to `budget` steps to it. */
  gather(budget: number): boolean {
    return budget >= 0;
  }

  protected copyOf(entry: number): SavedElement | undefined {
    const { table } = this;
    if (!table.isAlive(entry)) return undefined;
    return { element: table.keyBytes(entry), value: Buffer.from(table.valueOf(entry)), dot: latestDotOf(table, entry) };
  }
}

/**
 * Members of a sorted set from one rank to before another. Their order is a tree that changes, so it is walked a piece a turn: from the *cursor*, the last entry that was met, to those
 * after it. What changes behind the cursor before it was met is read from its saved bytes, in its old place; an entry that has changed is passed over where it stands now.
 */
export class OrderedSnapshot extends CollectionSnapshot {
  private readonly gathered: EntryRow;
  private cursor: number;
  /** What was behind the cursor when it changed, in its old order. */
  private readonly pending = new MemberHeap();

  constructor(
    table: KeyTable,
    collection: Collection,
    private readonly index: ScoreIndex,
    from: number,
    to: number,
  ) {
    const gathered = new EntryRow();
    super(table, collection, gathered, to - from);
    this.gathered = gathered;
    this.cursor = from === 0 ? noEntry : index.at(from - 1);
  }

  override beforeChange(entry: number): void {
    const isTouched = this.touched.has(entry);
    if (!isTouched) this.touched.set(entry, this.copyOf(entry));
    if (this.met === this.count || !this.index.holds(entry)) return;
    const { index, cursor } = this;
    const rank = index.rankOf(entry);
    if (entry === cursor) this.cursor = rank === 0 ? noEntry : index.at(rank - 1);
    else if (!isTouched && (cursor === noEntry || rank > index.rankOf(cursor))) this.postpone(entry);
  }

  override gather(budget: number): boolean {
    if (this.met === this.count) return true;
    const { index } = this;
    const rank = this.cursor === noEntry ? 0 : index.rankOf(this.cursor) + 1;
    let steps = 0;
    index.forEach(rank, rank + budget, (entry, score) => {
      // Where the budget ends before it, the next slice comes to it again.
      for (; steps < budget && this.isBefore(this.pending.first, score, entry); steps++) this.takePending();
      if (steps >= budget) return;
      steps++;
      this.cursor = entry;
      if (!this.touched.has(entry)) this.take(entry);
    });
    for (; steps < budget && this.pending.size > 0; steps++) this.takePending();
    if (this.met < this.count && steps < budget) throw new Error('a snapshot of a sorted set has lost members');
    return this.met === this.count;
  }

  /** The order is about to go: the rest is gathered at once. */
  readonly gatherRest = (): void => void this.gather(Infinity);

  private postpone(entry: number): void {
    this.pending.add({ entry, score: this.index.scoreIn(entry), member: this.table.keyBytes(entry) });
  }

  private isBefore(one: HeapMember | undefined, score: number, entry: number): boolean {
    if (one === undefined) return false;
    return one.score === score ? this.table.compareKeyTo(entry, one.member) > 0 : one.score < score;
  }

  private takePending(): void {
    const one = this.pending.takeFirst();
    if (one !== undefined) this.take(one.entry);
  }

  private get met(): number {
    return this.gathered.length;
  }

  private take(entry: number): void {
    if (this.met < this.count) this.gathered.push(entry);
  }
}
