/**
 * Goes through collections for their union, intersection or difference, an element a step, as they were at one instant. Nothing is gathered: an element of one collection is
 * looked up in the others.
 */
import { zeroForNan, type Scoring } from './combined-scores.js';
import { noElement, type ElementSource } from './element-source.js';
import type { SetOperation } from './execution.js';

const noBytes: Buffer = Buffer.alloc(0);

export class CombinationWalk {
  /** Whether the last step has found an element. */
  hasFound = false;
  /** What it found: whose element, its number, where its bytes are until the event loop turns, and its score where scores are asked for. */
  source = 0;
  element = noElement;
  bytes = noBytes;
  from = 0;
  length = 0;
  score = 0;
  /** Elements found so far. */
  found = 0;
  /** Each source once, however often it is named. */
  private readonly distinct: readonly ElementSource[];
  /** Places of the sources whose elements are gone through: nothing is found in one that was gone through before. */
  private readonly passes: readonly number[];
  /** Distinct sources that can be looked into. */
  private prepared = 0;
  /** Which of the passes it is, and the next of its elements. */
  private pass = 0;
  private next = 0;

  /** It has to be opened. Of an intersection or a difference the elements of the first of `sources` are gone through, of a union those of all. Scores are put together in this order. */
  constructor(
    private readonly operation: SetOperation,
    private readonly sources: readonly ElementSource[],
    private readonly limit: number,
    private readonly scoring?: Scoring,
  ) {
    const places = new Map<ElementSource, number>();
    for (const [at, source] of sources.entries()) if (!places.has(source)) places.set(source, at);
    this.distinct = [...places.keys()];
    this.passes = operation === 'union' ? [...places.values()] : [0];
  }

  /** Elements that it goes through at most. */
  get size(): number {
    return this.passes.reduce((sum, at) => sum + this.sourceAt(at).size, 0);
  }

  get isOver(): boolean {
    const { next, pass, passes } = this;
    const last = passes.length - 1;
    return this.found >= this.limit || pass > last || (pass === last && next >= this.sourceAt(passes[last] as number).size);
  }

  /** In the turn it was made in: from now on the sources stay as they are, until it is closed. Where this throws nothing stays open. */
  open(): void {
    try {
      for (const source of this.distinct) source.open();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Before the first step: takes up to so many to what is needed for that; true once it may be taken. */
  prepare(budget: number): boolean {
    const { distinct } = this;
    if (distinct[this.prepared]?.prepare(budget) === true) this.prepared++;
    return this.prepared === distinct.length;
  }

  /** It is over, or not wanted any more. */
  close(): void {
    for (const source of this.distinct) source.close();
  }

  /** Judges one element, or goes on to the next collection; returns what that counts for. */
  step(): number {
    const { operation, scoring, sources } = this;
    const current = this.passes[this.pass] as number;
    const source = this.sourceAt(current);
    this.hasFound = false;
    if (this.next >= source.size) {
      this.pass++;
      this.next = 0;
      return 1;
    }
    const element = (this.element = source.at(this.next++));
    this.source = current;
    this.bytes = source.bytesOf(element);
    this.from = source.fromOf(element);
    this.length = source.lengthOf(element);
    let score = scoring === undefined ? 0 : zeroForNan(this.weighted(current, element, scoring));
    // Of a union what an earlier collection has was taken there.
    const [first, end] = operation === 'union' ? [0, current] : [1, sources.length];
    for (let at = first; at < end; at++) {
      const other = this.sameIn(at);
      if ((other !== noElement) !== (operation === 'inter')) return 2 + at - first;
      if (scoring !== undefined && other !== noElement) score = scoring.aggregate(score, this.weighted(at, other, scoring));
    }
    let steps = 1 + end - first;
    if (scoring !== undefined && operation === 'union') {
      for (let at = current + 1; at < sources.length; at++, steps++) {
        const other = this.sameIn(at);
        if (other !== noElement) score = scoring.aggregate(score, zeroForNan(this.weighted(at, other, scoring)));
      }
    }
    this.score = score;
    this.hasFound = true;
    this.found++;
    return steps;
  }

  /** The element that is being judged, in another place. */
  private sameIn(at: number): number {
    const { element, sources } = this;
    return sources[at] === sources[this.source] ? element : this.sourceAt(at).find(this.bytes, this.from, this.length);
  }

  /** The score of a collection's element times what the collection counts for. */
  private weighted(at: number, element: number, { weights }: Scoring): number {
    return this.sourceAt(at).scoreOf(element) * (weights[at] as number);
  }

  private sourceAt(at: number): ElementSource {
    return this.sources[at] as ElementSource;
  }
}
