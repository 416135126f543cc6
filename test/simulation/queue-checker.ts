/**
 * Checks of one list's history: unique values pushed at either end or inserted beside another, popped from either end, and read whole. The laws: a value whose push
 * was acknowledged is there, or was popped, unless a pop of unknown outcome may have taken it, which takes one at most; nothing is there that was popped before,
 * nothing twice, nothing that was not pushed by then; two values that are seen together more than once stand in the same order each time, whoever is asked. Under
 * strict quorums no two acknowledged pops give the same value; where both sides of a partition go on, they may.
 */
import { accepted, describe, mustBeSeen, refused, type Operation, type Verdict } from './history.js';

export type QueueInput = { readonly kind: 'push'; readonly value: string } | { readonly kind: 'pop' } | { readonly kind: 'read' };
/** What a pop gave, null for nothing; all that a read showed; null for a push. */
export type QueueOutput = readonly string[] | string | null;
export type QueueOperation = Operation<QueueInput, QueueOutput>;

const shownBy = ({ output }: QueueOperation): readonly string[] => (typeof output === 'object' && output !== null ? output : []);
const poppedBy = ({ input, output }: QueueOperation): string | undefined =>
  input.kind === 'pop' && typeof output === 'string' ? output : undefined;
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
  const pops = history.filter(({ input }) => input.kind === 'pop');
  for (const value of values) {
    const push = pushes.get(value);
    if (push === undefined || push.outcome === 'failed' || push.invoked > seenUntil) return `${value} was not pushed by then`;
    const pop = pops.find((one) => poppedBy(one) === value && isKnown(one));
    if (pop !== undefined) return `${value} is there after ${describe(pop)}`;
  }
  const taken = new Set(pops.filter(({ invoked }) => invoked < seenUntil).map(poppedBy));
  const missing = [...pushes.values()].filter(
    (push) => isKnown(push) && push.input.kind === 'push' && !shown.has(push.input.value) && !taken.has(push.input.value),
  );
  const mayHaveTaken = pops.filter(
    ({ outcome, invoked }) => (outcome === 'unknown' || outcome === 'pending') && invoked < seenUntil,
  ).length;
  if (missing.length > mayHaveTaken)
    return `without ${describe(missing[0] as QueueOperation)}, and ${mayHaveTaken} pops may have taken one`;
  return undefined;
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
export function checkFinalQueue(history: readonly QueueOperation[], values: readonly string[]): Verdict {
  const fault = faultOf(values, ({ outcome }) => outcome === 'completed', Infinity, history);
  if (fault !== undefined) return refused(`finally ${fault}`);
  const order = orderFault([values, ...history.filter(isRead).map(shownBy)]);
  return order === undefined ? accepted : refused(`finally ${order}`);
}
