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
  /** Sources that can be looked into. */
  private prepared = 0;
  /** Whose elements are gone through, and the next of them. */
  private current = 0;
  private next = 0;

  /** Of an intersection or a difference the elements of the first of `sources` are gone through, of a union those of all. Scores are put together in this order. */
  constructor(
    private readonly operation: SetOperation,
    private readonly sources: readonly ElementSource[],
    private readonly limit: number,
    private readonly scoring?: Scoring,
  ) {
    for (const source of sources) source.open();
  }

  /** Elements that it goes through at most. */
  get size(): number {
    const { operation, sources } = this;
    return sources.reduce((sum, { size }, at) => (at === 0 || operation === 'union' ? sum + size : sum), 0);
  }

  get isOver(): boolean {
    const { current, next, operation, sources } = this;
    const last = operation === 'union' ? sources.length - 1 : 0;
    return this.found >= this.limit || current > last || (current === last && next >= this.sourceAt(last).size);
  }

  /** Before the first step: takes up to so many to what is needed for that; true once it may be taken. */
  prepare(budget: number): boolean {
    const { sources } = this;
    if (this.prepared < sources.length && this.sourceAt(this.prepared).prepare(budget)) this.prepared++;
    return this.prepared === sources.length;
  }

  /** It is over, or not wanted any more. */
  close(): void {
    for (const source of this.sources) source.close();
  }

  /** Judges one element, or goes on to the next collection; returns what that counts for. */
  step(): number {
    const { current, operation, scoring, sources } = this;
    const source = this.sourceAt(current);
    this.hasFound = false;
    if (this.next >= source.size) {
      this.current++;
      this.next = 0;
      return 1;
    }
    const element = source.at(this.next++);
    const bytes = (this.bytes = source.bytesOf(element));
    const from = (this.from = source.fromOf(element));
    const length = (this.length = source.lengthOf(element));
    let score = scoring === undefined ? 0 : zeroForNan(this.weighted(current, element, scoring));
    // Of a union what an earlier collection has was taken there.
    const [first, end] = operation === 'union' ? [0, current] : [1, sources.length];
    for (let at = first; at < end; at++) {
      const other = this.sourceAt(at).find(bytes, from, length);
      if ((other !== noElement) !== (operation === 'inter')) return 2 + at - first;
      if (scoring !== undefined && other !== noElement) score = scoring.aggregate(score, this.weighted(at, other, scoring));
    }
    let steps = 1 + end - first;
    if (scoring !== undefined && operation === 'union') {
      for (let at = current + 1; at < sources.length; at++, steps++) {
        const other = this.sourceAt(at).find(bytes, from, length);
        if (other !== noElement) score = scoring.aggregate(score, zeroForNan(this.weighted(at, other, scoring)));
      }
    }
    this.source = current;
    this.element = element;
    this.score = score;
    this.hasFound = true;
    this.found++;
    return steps;
  }

  /** The score of a collection's element times what the collection counts for. */
  private weighted(at: number, element: number, { weights }: Scoring): number {
    return this.sourceAt(at).scoreOf(element) * (weights[at] as number);
  }

  private sourceAt(at: number): ElementSource {
    return this.sources[at] as ElementSource;
  }
}
