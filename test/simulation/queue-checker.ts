/**
 * Checks of one list's history: unique values pushed at either end or inserted beside another, popped from either end, removed by name, trimmed, and read whole. The laws: a
 * value whose push was acknowledged is there, or was popped or removed, unless a pop of unknown outcome may have taken it, which takes one at most; nothing is there that was
 * popped before, nothing twice, nothing that was not pushed by then; two values that are seen together more than once stand in the same order each time, whoever is asked.
 * Under strict quorums no two acknowledged pops or removals give the same value, and no removal misses what must be there; where both sides of a partition go on,
 * they may.
 *
 * Weaker than the truth: a trim by one element does not say which it took, and counts for each reading as a pop of unknown outcome does.
 */
import { accepted, describe, mustBeSeen, refused, type Operation, type Verdict } from './history.js';

export type QueueInput =
  | { readonly kind: 'push'; readonly value: string }
  | { readonly kind: 'pop' }
  /** By name. */
  | { readonly kind: 'remove'; readonly value: string }
  /** Removes one value at an end, and does not say which. */
  | { readonly kind: 'trim' }
  /** Removes all. */
  | { readonly kind: 'clear' }
  | { readonly kind: 'read' };
/** What a pop gave or a removal found, null for nothing; all that a read showed; null for all else. */
export type QueueOutput = readonly string[] | string | null;
export type QueueOperation = Operation<QueueInput, QueueOutput>;

const shownBy = ({ output }: QueueOperation): readonly string[] => (typeof output === 'object' && output !== null ? output : []);
/** By an acknowledged pop or removal. */
const poppedBy = ({ input, output }: QueueOperation): string | undefined =>
  (input.kind === 'pop' || input.kind === 'remove') && typeof output === 'string' ? output : undefined;
const isUnclear = ({ outcome }: QueueOperation): boolean => outcome === 'unknown' || outcome === 'pending';
/** What is gone, or may be, by its name. */
const takenBy = (one: QueueOperation): string | undefined =>
  one.input.kind === 'remove' && isUnclear(one) ? one.input.value : poppedBy(one);
/** May have taken one, whichever. */
const mayHaveTaken = (one: QueueOperation): boolean =>
  one.outcome !== 'failed' && (one.input.kind === 'trim' || (one.input.kind === 'pop' && isUnclear(one)));
const isRead = ({ input, outcome }: QueueOperation): boolean => input.kind === 'read' && outcome === 'completed';

/** What is wrong with these values, seen before `seenUntil` by someone who has to see what `isKnown`; undefined when they may be so. */
function faultOf(
  values: readonly string[],
  isKnown: (operation: QueueOperation) => boolean,
  seenUntil: number,
  history: readonly QueueOperation[],
): string | undefined {
  const shown = new Set(values);
  if (shown.size < values.length) return `a value is there twice: ${values.join(' ')}`;
  const pushes = new Map(history.flatMap((one) => (one.input.kind === 'push' ? [[one.input.value, one] as const] : [])));
  const clears = history.filter(({ input, outcome }) => input.kind === 'clear' && outcome !== 'failed');
  for (const value of values) {
    const push = pushes.get(value);
    if (push === undefined || push.outcome === 'failed' || push.invoked > seenUntil) return `${value} was not pushed by then`;
    const pop = history.find((one) => poppedBy(one) === value && isKnown(one));
    if (pop !== undefined) return `${value} is there after ${describe(pop)}`;
    const clear = clears.find((one) => push.outcome === 'completed' && push.ended < one.invoked && isKnown(one));
    if (clear !== undefined) return `${value} is there after ${describe(clear)}`;
  }
  const missing = missingFrom(shown, isKnown, seenUntil, history);
  return missing === undefined ? undefined : `without ${describe(missing)}, and too few pops may have taken one`;
}

/** A push of what has to be there and is not shown, of `among` where it is given, when there are more of those than may have been taken. */
function missingFrom(
  shown: ReadonlySet<string>,
  isKnown: (operation: QueueOperation) => boolean,
  seenUntil: number,
  history: readonly QueueOperation[],
  among?: string,
): QueueOperation | undefined {
  const earlier = history.filter(({ invoked }) => invoked < seenUntil);
  const taken = new Set(earlier.map(takenBy));
  const clears = earlier.filter(({ input, outcome }) => input.kind === 'clear' && outcome !== 'failed');
  const isMissing = (push: QueueOperation): boolean =>
    push.input.kind === 'push' &&
    (among === undefined || push.input.value === among) &&
    isKnown(push) &&
    !shown.has(push.input.value) &&
    !taken.has(push.input.value) &&
    !clears.some(({ ended }) => ended >= push.invoked);
  return history.filter(isMissing)[earlier.filter(mayHaveTaken).length];
}

/** Of two readings: a value that stands before another in one of them and behind it in the other. */
function turnedAround(one: readonly string[], other: readonly string[]): string | undefined {
  const places = new Map(other.map((value, at) => [value, at]));
  let last = -1;
  for (const value of one) {
    const place = places.get(value);
    if (place === undefined) continue;
    if (place < last) return value;
    last = place;
  }
  return undefined;
}

function orderFault(readings: readonly (readonly string[])[]): string | undefined {
  for (const [i, one] of readings.entries())
    for (const other of readings.slice(i + 1)) {
      const value = turnedAround(one, other);
      if (value !== undefined) return `${value} is elsewhere in ${one.join(' ')} than in ${other.join(' ')}`;
    }
  return undefined;
}

function check(history: readonly QueueOperation[], sloppy: boolean): Verdict {
  const reads = history.filter(isRead);
  for (const read of reads) {
    const fault = faultOf(shownBy(read), (operation) => !sloppy && mustBeSeen(operation, read), read.ended, history);
    if (fault !== undefined) return refused(`${describe(read)}: ${fault}`);
  }
  const order = orderFault(reads.map(shownBy));
  if (order !== undefined) return refused(order);
  for (const removal of sloppy ? [] : history) {
    if (removal.input.kind !== 'remove' || removal.outcome !== 'completed' || removal.output !== null) continue;
    const missed = missingFrom(new Set(), (one) => mustBeSeen(one, removal), removal.ended, history, removal.input.value);
    if (missed !== undefined) return refused(`${describe(removal)}: without ${describe(missed)}`);
  }
  const poppers = new Map<string, QueueOperation>();
  for (const pop of history) {
    const value = poppedBy(pop);
    if (value === undefined) continue;
    const push = history.find(({ input }) => input.kind === 'push' && input.value === value);
    if (push === undefined || push.outcome === 'failed' || push.invoked > pop.ended) return refused(`${describe(pop)}: not pushed by then`);
    const before = poppers.get(value);
    if (before !== undefined && !sloppy) return refused(`${describe(pop)} gave what ${describe(before)} gave`);
    poppers.set(value, pop);
  }
  return accepted;
}

export const checkQueue = (history: readonly QueueOperation[]): Verdict => check(history, false);
/** Both sides of a partition go on. */
export const checkQueueLoosely = (history: readonly QueueOperation[]): Verdict => check(history, true);

/** After all is over and healed. */
export function checkFinalQueue(history: readonly QueueOperation[], values: readonly string[], sloppy: boolean): Verdict {
  // What one side cleared the other may have pushed meanwhile.
  const isKnown = ({ outcome, input }: QueueOperation): boolean => outcome === 'completed' && (!sloppy || input.kind !== 'clear');
  const fault = faultOf(values, isKnown, Infinity, history);
  if (fault !== undefined) return refused(`finally ${fault}`);
  const order = orderFault([values, ...history.filter(isRead).map(shownBy)]);
  return order === undefined ? accepted : refused(`finally ${order}`);
}
