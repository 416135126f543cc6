/**
 * Checks of one counter's history: INCRBY and GET on one key. An acknowledged increment counts exactly once, one of unknown outcome once or
 * never, a refused one never; so every value that is seen lies between what had to be in it and what could be.
 */
import { accepted, describe, mustBeSeen, refused, type Operation, type Verdict } from './history.js';

export type CounterInput = { readonly kind: 'increment'; readonly by: number } | { readonly kind: 'read' };
/** The counter's value as the client was told, after its increment or at its read. */
export type CounterOutput = number;
export type CounterOperation = Operation<CounterInput, CounterOutput>;

interface Increment {
  readonly by: number;
  readonly operation: CounterOperation;
}

/** Least and greatest value that can be seen before `seenUntil` by someone who has to see what `isKnown`. */
function bounds(
  increments: readonly Increment[],
  isKnown: (increment: CounterOperation) => boolean,
  seenUntil: number,
): readonly [least: number, greatest: number] {
  let least = 0;
  let greatest = 0;
  for (const { by, operation } of increments) {
    const must = isKnown(operation);
    const may = must || (operation.outcome !== 'failed' && operation.invoked < seenUntil);
    if (must || (may && by < 0)) least += by;
    if (must || (may && by > 0)) greatest += by;
  }
  return [least, greatest];
}

const incrementsOf = (history: readonly CounterOperation[]): Increment[] =>
  history.flatMap((operation) => (operation.input.kind === 'increment' ? [{ by: operation.input.by, operation }] : []));

/** Every value a client was told holds all that was acknowledged before it asked, and nothing that was not asked for by then. */
export function checkCounterReads(history: readonly CounterOperation[]): Verdict {
  const increments = incrementsOf(history);
  for (const seen of history) {
    if (seen.outcome !== 'completed' || seen.output === undefined) continue;
    // An increment's answer contains the increment itself, for certain.
    const own = seen.input.kind === 'increment' ? seen.input.by : 0;
    const others = increments.filter(({ operation }) => operation !== seen);
    const [least, greatest] = bounds(others, (increment) => mustBeSeen(increment, seen), seen.ended);
    if (seen.output < least + own || seen.output > greatest + own) {
      return refused(`${describe(seen)}: not within ${least + own}..${greatest + own}`);
    }
  }
  return accepted;
}

/** Under sloppy quorums: what is seen may lack what others acknowledged elsewhere, but holds nothing that was not asked for by then. */
export function checkCounterReadsAreOfIncrements(history: readonly CounterOperation[]): Verdict {
  const increments = incrementsOf(history);
  for (const seen of history) {
    if (seen.outcome !== 'completed' || seen.output === undefined) continue;
    const [least, greatest] = bounds(increments, () => false, seen.ended);
    if (seen.output < least || seen.output > greatest) return refused(`${describe(seen)}: not within ${least}..${greatest}`);
  }
  return accepted;
}

/** Acknowledged increments <= the final value <= attempted ones, after all is over and healed. */
export function checkFinalCounter(history: readonly CounterOperation[], finalValue: number): Verdict {
  const [least, greatest] = bounds(incrementsOf(history), ({ outcome }) => outcome === 'completed', Infinity);
  return finalValue >= least && finalValue <= greatest ? accepted : refused(`finally ${finalValue}: not within ${least}..${greatest}`);
}
