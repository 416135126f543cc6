/** How a member's scores in several collections become one, as Redis' ZUNION and ZINTER do it (t_zset.c). */

/** Of two scores one; never NaN where the first is not. */
export type Aggregate = (score: number, other: number) => number;

export interface Scoring {
  /** What the scores of each collection count for, in the order of the collections. Members of a set have the score 1. */
  readonly weights: readonly number[];
  readonly aggregate: Aggregate;
}

/** Infinities that cancel each other out come to 0, as does an infinite score of weight 0: that only in a collection that is gone through, not where a member is looked up. */
export const zeroForNan = (score: number): number => (Number.isNaN(score) ? 0 : score);
