/**
 * Checks of one register's history: SET, DEL (a write of null) and GET on one key. Every written value is written once only, so a value
 * read names the write it is from. Three promises, from strong to weak:
 *
 *   linearizable         `read-from coordinator` under strict quorums
 *   reads keep up        `read-from any`: a read may show a write that is not acknowledged and later never was, but is never older than
 *                        what was acknowledged before it began
 *   nothing lost         the value at the very end is not older than any acknowledged write
 */
import { accepted, describe, mustBeSeen, refused, type Operation, type Verdict } from './history.js';
import { checkLinearizable, impossible, type Model, type SearchBounds } from './linearizability-checker.js';

/** `value` null is a deletion. */
export type RegisterInput = { readonly kind: 'write'; readonly value: string | null } | { readonly kind: 'read' };
/** What a read showed, null = nothing there; null for a write. */
export type RegisterOutput = string | null;
export type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

interface RegisterState {
  readonly value: string | null;
  /**
   * Reads of this value that are not taken yet. It never comes back, so they come before the next write. null may come back: then so many at
   * most are left, and a write need not wait for them.
   */
  readonly readsLeft: number;
}

/** A register whose future is known: how often each value is read. */
function registerModel(history: readonly RegisterOperation[]): Model<RegisterState, RegisterInput, RegisterOutput> {
  const reads = new Map<string | null, number>();
  for (const { input, outcome, output } of history) {
    if (input.kind === 'read' && outcome === 'completed' && output !== undefined) reads.set(output, (reads.get(output) ?? 0) + 1);
  }
  const readsOf = (value: string | null): number => reads.get(value) ?? 0;
  return {
    initial: { value: null, readsLeft: readsOf(null) },
    apply: (state, input, output) => {
      if (input.kind === 'read') return output === state.value ? { ...state, readsLeft: state.readsLeft - 1 } : impossible;
      return state.value !== null && state.readsLeft > 0 ? impossible : { value: input.value, readsLeft: readsOf(input.value) };
    },
    // A read that fits changes nothing; a write that nobody reads, over a value that nobody reads any more, neither.
    isFree: (state, input) => input.kind === 'read' || (state.readsLeft === 0 && readsOf(input.value) === 0),
    fingerprint: ({ value }) => (value === null ? '' : `=${value}`),
  };
}

/** Throws when the history itself is no use: a value written twice is the test's bug. */
function demandUniqueValues(history: readonly RegisterOperation[]): void {
  const values = new Set<string>();
  for (const { input } of history) {
    if (input.kind !== 'write' || input.value === null) continue;
    if (values.has(input.value)) throw new Error(`${input.value} is written twice: the history cannot be checked`);
    values.add(input.value);
  }
}

/** Linearizability of one key's history. */
export function checkRegister(history: readonly RegisterOperation[], bounds?: SearchBounds): Verdict {
  demandUniqueValues(history);
  const shown = new Set(history.flatMap(({ input, output }) => (input.kind === 'read' && output !== undefined ? [output] : [])));
  // A write of unknown outcome that no read shows can be taken never, and a read that got no answer says nothing.
  const telling = history.filter(({ input, outcome }) => outcome === 'completed' || (input.kind === 'write' && shown.has(input.value)));
  return checkLinearizable(telling, registerModel(telling), bounds);
}

/** Why `value`, seen before `seenUntil` by someone who has to see what `isKnown`, is wrong: alien, from the future, or overwritten; undefined when it may be there. */
export function valueFault(
  value: string | null,
  isKnown: (write: RegisterOperation) => boolean,
  seenUntil: number,
  writes: readonly RegisterOperation[],
): string | undefined {
  const candidates = writes.filter(({ input, invoked }) => input.kind === 'write' && input.value === value && invoked < seenUntil);
  const acknowledged = writes.filter(isKnown);
  const overwrittenBy = (ended: number): RegisterOperation | undefined => acknowledged.find(({ invoked }) => invoked > ended);
  // Before the first write there is nothing, as if a deletion had ended at moment 0.
  const endings = [...candidates.map(({ ended }) => ended), ...(value === null ? [0] : [])];
  if (endings.length === 0) return `${JSON.stringify(value)} was never written`;
  const lastEnded = Math.max(...endings);
  const later = overwrittenBy(lastEnded);
  return later === undefined ? undefined : `${JSON.stringify(value)} had been overwritten by ${describe(later)}`;
}

const effective = (history: readonly RegisterOperation[]): RegisterOperation[] =>
  history.filter(({ input, outcome }) => input.kind === 'write' && outcome !== 'failed');

/** No read is older than what was acknowledged before it began, or than its own connection's writes before it, and none shows what was not written. */
export function checkReadsKeepUp(history: readonly RegisterOperation[]): Verdict {
  demandUniqueValues(history);
  const writes = effective(history);
  for (const read of history) {
    if (read.input.kind !== 'read' || read.outcome !== 'completed' || read.output === undefined) continue;
    const fault = valueFault(read.output, (write) => mustBeSeen(write, read), read.ended, writes);
    if (fault !== undefined) return refused(`${describe(read)}: ${fault}`);
  }
  return accepted;
}

/** Under sloppy quorums: no read shows what was not written by then. */
export function checkReadsAreOfWrites(history: readonly RegisterOperation[]): Verdict {
  const writes = effective(history);
  for (const read of history) {
    if (read.input.kind !== 'read' || read.outcome !== 'completed' || read.output === null || read.output === undefined) continue;
    const { output, ended } = read;
    if (!writes.some(({ input, invoked }) => input.kind === 'write' && input.value === output && invoked < ended))
      return refused(`${describe(read)}: it was not written by then`);
  }
  return accepted;
}

/**
 * Under sloppy quorums, where both sides of a partition take writes and the later value stands: what is there finally was acknowledged, or may have been
 * written after something that was.
 */
export function checkFinalIsOfWrites(history: readonly RegisterOperation[], finalValue: string | null): Verdict {
  demandUniqueValues(history);
  const writes = effective(history);
  const isThere = writes.some(({ input }) => input.kind === 'write' && input.value === finalValue);
  const mayBeNothing = finalValue === null && !writes.some(({ outcome }) => outcome === 'completed');
  return isThere || mayBeNothing ? accepted : refused(`finally ${JSON.stringify(finalValue)}, though that was never written`);
}

/** No acknowledged write is missing from the value that is there after all is over and healed. */
export function checkFinalValue(history: readonly RegisterOperation[], finalValue: string | null): Verdict {
  demandUniqueValues(history);
  const fault = valueFault(finalValue, ({ outcome }) => outcome === 'completed', Infinity, effective(history));
  return fault === undefined ? accepted : refused(`finally ${fault}`);
}
