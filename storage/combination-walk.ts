/**
 * Goes through collections for their union, intersection or difference, an element a step, as they were at one instant. Nothing is gathered: an element of one collection is
 * looked up in the others. What it finds lies in the key table, which keeps every entry as long as snapshots pin the partition.
 */
import { zeroForNan, type Scoring } from './combined-scores.js';
import type { SetOperation } from './execution.js';
import { noEntry, type KeyTable } from './key-table.js';
import type { SnapshotSource } from './open-snapshots.js';
import { decodeScore } from './score-value.js';

const noBytes: Buffer = Buffer.alloc(0);

export class CombinationWalk {
  /** Whether the last step has found an element. */
  hasFound = false;
  /** What it found: where its bytes lie until the table changes, and its score where scores are asked for. */
  entry = noEntry;
  bytes = noBytes;
  from = 0;
  length = 0;
  score = 0;
  /** Elements found so far. */
  found = 0;
  /** Whose elements are gone through, and the next of them. */
  private current = 0;
  private next = 0;

  /**
   * Of an intersection or a difference the elements of the first of `sources` are gone through, of a union those of all. Scores are put together in this order.
   * All collections are whole in memory, with nothing condemned.
   */
  constructor(
    private readonly table: KeyTable,
    private readonly operation: SetOperation,
    private readonly sources: readonly SnapshotSource[],
    private readonly limit: number,
    private readonly scoring?: Scoring,
  ) {}

  /** Elements that it goes through at most. */
  get size(): number {
    const { operation, sources } = this;
    return sources.reduce((sum, { snapshot }, at) => (at === 0 || operation === 'union' ? sum + snapshot.size : sum), 0);
  }

  get isOver(): boolean {
    const { current, next, operation, sources } = this;
    const last = operation === 'union' ? sources.length - 1 : 0;
    return this.found >= this.limit || current > last || (current === last && next >= this.sourceAt(last).snapshot.size);
  }

  /** Judges one element, or goes on to the next collection; returns what that counts for. */
  step(): number {
    const { current, operation, scoring, sources, table } = this;
    const { snapshot } = this.sourceAt(current);
    this.hasFound = false;
    if (this.next >= snapshot.size) {
      this.current++;
      this.next = 0;
      return 1;
    }
    const entry = snapshot.at(this.next++);
    const bytes = (this.bytes = table.keyPageOf(entry));
    const from = (this.from = table.keyAt(entry));
    const length = (this.length = table.keyLengthOf(entry));
    let score = scoring === undefined ? 0 : zeroForNan(this.weighted(current, entry, scoring));
    // Of a union what an earlier collection has was taken there.
    const [first, end] = operation === 'union' ? [0, current] : [1, sources.length];
    for (let at = first; at < end; at++) {
      const other = this.sourceAt(at).snapshot.entryOf(bytes, from, length);
      if ((other !== noEntry) !== (operation === 'inter')) return 2 + at - first;
      if (scoring !== undefined && other !== noEntry) score = scoring.aggregate(score, this.weighted(at, other, scoring));
    }
    let steps = 1 + end - first;
    if (scoring !== undefined && operation === 'union') {
      for (let at = current + 1; at < sources.length; at++, steps++) {
        const other = this.sourceAt(at).snapshot.entryOf(bytes, from, length);
        if (other !== noEntry) score = scoring.aggregate(score, zeroForNan(this.weighted(at, other, scoring)));
      }
    }
    this.entry = entry;
    this.score = score;
    this.hasFound = true;
    this.found++;
    return steps;
  }

  /** The score that a collection's element had at the instant, times the collection's weight. */
  private weighted(at: number, entry: number, { weights }: Scoring): number {
    const { table } = this;
    const { collection, snapshot } = this.sourceAt(at);
    const weight = weights[at] as number;
    if (collection.type.name === 'set') return weight;
    const saved = snapshot.saved(entry);
    const score =
      saved === undefined
        ? decodeScore(table.valuePageOf(entry), table.valueAt(entry), table.valueLengthOf(entry))
        : decodeScore(saved.value);
    return score * weight;
  }

  private sourceAt(at: number): SnapshotSource {
    return this.sources[at] as SnapshotSource;
  }
}
