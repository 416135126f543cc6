/**
 * Checks of one consumer group's history: unique values added to its stream, taken from it by XREADGROUP, acknowledged. The laws: nothing is taken that was not added by
 * then; after all is over and healed, and the group was read to its end, each value whose addition was acknowledged was taken, or is pending for someone who was not
 * told. Under strict quorums nothing is taken twice, and nothing is pending that was acknowledged; where both sides of a partition go on, it may be, as it was
 * given out on both.
 */
import { accepted, describe, refused, type Operation, type Verdict } from './history.js';

export type FeedInput =
  | { readonly kind: 'add'; readonly value: string }
  | { readonly kind: 'take' }
  | { readonly kind: 'acknowledge'; readonly value: string }
  /** Of the group, from the beginning of its stream, or finding that there is one. */
  | { readonly kind: 'make' }
  /** Who has what changes, and nothing that is checked here. */
  | { readonly kind: 'claim' };
/** What was taken; of an acknowledgement whether something was pending; null for all else. */
export type FeedOutput = readonly string[] | boolean | null;
export type FeedOperation = Operation<FeedInput, FeedOutput>;

const takenBy = ({ input, output }: FeedOperation): readonly string[] =>
  input.kind === 'take' && typeof output === 'object' && output !== null ? output : [];

function check(history: readonly FeedOperation[], sloppy: boolean): Verdict {
  const adds = new Map(history.flatMap((one) => (one.input.kind === 'add' ? [[one.input.value, one] as const] : [])));
  const takers = new Map<string, FeedOperation>();
  for (const take of history) {
    for (const value of takenBy(take)) {
      const add = adds.get(value);
      if (add === undefined || add.outcome === 'failed' || add.invoked > take.ended)
        return refused(`${describe(take)}: ${value} was not added by then`);
      const before = takers.get(value);
      if (before !== undefined && !sloppy) return refused(`${describe(take)} gave what ${describe(before)} gave`);
      takers.set(value, take);
    }
  }
  return accepted;
}

export const checkFeed = (history: readonly FeedOperation[]): Verdict => check(history, false);
export const checkFeedLoosely = (history: readonly FeedOperation[]): Verdict => check(history, true);

/** `pending`: the values that are, in the end. */
export function checkFinalFeed(history: readonly FeedOperation[], pending: readonly string[], sloppy: boolean): Verdict {
  const held = new Set(pending);
  const taken = new Set(history.flatMap(takenBy));
  const isMade = history.some(({ input, outcome }) => input.kind === 'make' && outcome === 'completed');
  for (const one of history) {
    const { input, outcome, output } = one;
    if (outcome !== 'completed') continue;
    if (isMade && input.kind === 'add' && !taken.has(input.value) && !held.has(input.value))
      return refused(`nobody was given ${describe(one)}`);
    if (input.kind === 'acknowledge' && output === true && !sloppy && held.has(input.value))
      return refused(`pending after ${describe(one)}`);
  }
  return accepted;
}
