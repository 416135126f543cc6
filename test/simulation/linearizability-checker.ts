/**
 * Is there one order of a history's operations, each taking effect at one instant between its invocation and its end, in which an object
 * that knows no concurrency gives the very answers that clients got? Wing and Gong's search ("Testing and Verifying Concurrent Objects",
 * 1993) with Lowe's memory of (set of operations, state) already tried ("Testing for linearizability", 2017), over a linked list:
 *
 *   call a . call b . return a . call c . return b ...
 *
 * Take any call before the first return, if the object's answer fits: lift it and its return out and go on; meeting a return means
 * that its call should have been taken before, so the last taken one is put back. Operations of unknown outcome have a call and no return.
 * The problem is NP-complete, so there is a bound on steps, and `undecided` past it. What keeps steps few is that a model may call an
 * operation free: if any order explains the rest, so does one that begins with it. Free ones are taken first and never reconsidered.
 */
import { accepted, describe, refused, type Operation, type Verdict } from './history.js';

/** The answer does not fit the state. */
export const impossible = Symbol('impossible');

/** An object that does one operation at a time. */
export interface Model<State, Input, Output> {
  readonly initial: State;
  /** The state after it, or `impossible`; `output` is undefined where it is not known. States are never mutated. */
  apply(state: State, input: Input, output: Output | undefined): State | typeof impossible;
  /** Whether nothing is lost by taking this operation now, which `apply` lets happen in this state; e.g. a read that fits. */
  isFree(state: State, input: Input, output: Output | undefined): boolean;
  /** Equal for equal states only, given the same operations taken. */
  fingerprint(state: State): string;
}

export interface SearchBounds {
  /** Calls tried, at most. */
  readonly stepsMax: number;
}

interface Entry {
  /** Of the operation. */
  readonly index: number;
  /** The call's return; undefined for a return itself, and for an operation without one. */
  readonly return: Entry | undefined;
  readonly isCall: boolean;
  previous: Entry | undefined;
  next: Entry | undefined;
}

const lift = (entry: Entry): void => {
  if (entry.previous !== undefined) entry.previous.next = entry.next;
  if (entry.next !== undefined) entry.next.previous = entry.previous;
};

const putBack = (entry: Entry): void => {
  if (entry.previous !== undefined) entry.previous.next = entry;
  if (entry.next !== undefined) entry.next.previous = entry;
};

/** The list's head, which is no entry of its own and never lifted. */
function linkedList<Input, Output>(operations: readonly Operation<Input, Output>[]): Entry {
  const entries: { moment: number; entry: Entry }[] = [];
  operations.forEach((operation, index) => {
    const back: Entry | undefined =
      operation.outcome === 'completed' ? { index, return: undefined, isCall: false, previous: undefined, next: undefined } : undefined;
    if (back !== undefined) entries.push({ moment: operation.ended, entry: back });
    entries.push({ moment: operation.invoked, entry: { index, return: back, isCall: true, previous: undefined, next: undefined } });
  });
  entries.sort((a, b) => a.moment - b.moment);
  const head: Entry = { index: -1, return: undefined, isCall: false, previous: undefined, next: undefined };
  let last = head;
  for (const { entry } of entries) {
    entry.previous = last;
    last.next = entry;
    last = entry;
  }
  return head;
}

/** The operations are of one object; those that failed have no effect and are left out. */
export function checkLinearizable<State, Input, Output>(
  history: readonly Operation<Input, Output>[],
  model: Model<State, Input, Output>,
  { stepsMax }: SearchBounds = { stepsMax: 1_000_000 },
): Verdict {
  const operations = history.filter(({ outcome }) => outcome !== 'failed');
  const head = linkedList(operations);
  const taken = new Uint32Array(Math.ceil(operations.length / 32));
  const flip = (index: number): void => {
    taken[index >> 5] = (taken[index >> 5] ?? 0) ^ (1 << (index & 31));
  };
  const tried = new Set<string>();
  const path: { readonly call: Entry; readonly stateBefore: State; readonly free: boolean }[] = [];
  let toComplete = operations.filter(({ outcome }) => outcome === 'completed').length;
  let state = model.initial;
  let steps = 0;
  let deepest = -1;
  let stuckAt: Entry | undefined;

  const afterOf = ({ index }: Entry): State | typeof impossible => {
    const operation = operations[index] as Operation<Input, Output>;
    return model.apply(state, operation.input, operation.output);
  };
  /** A call that may be taken now and need not be reconsidered. */
  const freeCall = (): Entry | undefined => {
    for (let entry = head.next; entry?.isCall === true; entry = entry.next) {
      const operation = operations[entry.index] as Operation<Input, Output>;
      if (model.isFree(state, operation.input, operation.output) && afterOf(entry) !== impossible) return entry;
    }
    return undefined;
  };
  /** Takes a call; false where that has been tried. */
  const take = (call: Entry, after: State, free: boolean): boolean => {
    flip(call.index);
    const known = `${taken.join()} ${model.fingerprint(after)}`;
    if (tried.has(known)) {
      flip(call.index);
      return false;
    }
    tried.add(known);
    path.push({ call, stateBefore: state, free });
    state = after;
    if (call.return !== undefined) {
      toComplete--;
      lift(call.return);
    }
    lift(call);
    return true;
  };
  /** Puts calls back up to one that had alternatives, and returns it; undefined when there is none. */
  const backtrack = (): Entry | undefined => {
    for (let last = path.pop(); last !== undefined; last = path.pop()) {
      putBack(last.call);
      if (last.call.return !== undefined) {
        toComplete++;
        putBack(last.call.return);
      }
      flip(last.call.index);
      state = last.stateBefore;
      if (!last.free) return last.call;
    }
    return undefined;
  };

  let free = freeCall();
  let entry = free ?? head.next;
  while (toComplete > 0) {
    if (++steps > stepsMax)
      return { verdict: 'undecided', reason: `not decided within ${stepsMax} steps for ${operations.length} operations` };
    if (entry?.isCall === true) {
      const after = afterOf(entry);
      if (after !== impossible && take(entry, after, free !== undefined)) {
        free = freeCall();
        entry = free ?? head.next;
        continue;
      }
      if (free === undefined) {
        entry = entry.next;
        continue;
      }
    } else if (path.length > deepest) {
      // A return: its call had to be taken by now.
      deepest = path.length;
      stuckAt = entry;
    }
    free = undefined;
    const last = backtrack();
    if (last === undefined) {
      const stuck = stuckAt === undefined ? undefined : operations[stuckAt.index];
      return refused(
        `no order explains the history; at best ${deepest} operations, but not ${stuck === undefined ? '?' : describe(stuck)}`,
      );
    }
    entry = last.next;
  }
  return accepted;
}
