/**
 * Checks of one set's history: members, each added by one command only, removed by name, by rank or all at once, popped, and read: all of them, one, or their
 * number. What is a set here: a set, a sorted set (a member's rank is its score), a stream (an entry's is its id), a bitmap (members are bits), a HyperLogLog. The law:
 * no acknowledged add is lost that nobody removed after it or beside it, and nothing is back that was removed after it was acknowledged. A deletion beside an add
 * may have seen it or not; a rewriting is an add of all that it found. Under strict quorums no two acknowledged pops give the same member, and what a
 * pop takes from an end has nothing before it. No two acknowledged adds have one rank,
 * and under strict quorums none after a raise of ranks one that is not above it.
 *
 * Weaker than the truth: a pop of unknown outcome may have taken any member, one at most, and each look takes it to be another one; that members are there in a number
 * says only that it lies between those that must be and those that may be; an add that was not over when a pop gave its member away may take effect once more, as a
 * blind write that is sent again in another term does.
 */
import { accepted, describe, mustBeSeen, refused, type Operation, type Verdict } from './history.js';

export type SetInput =
  | { readonly kind: 'add' | 'remove'; readonly member: string }
  | { readonly kind: 'clear' }
  /** Deletes and writes again what it finds. */
  | { readonly kind: 'rewrite' }
  /** Removes one member, and says which. */
  | { readonly kind: 'pop'; readonly from: 'anywhere' | 'least' | 'greatest' }
  /** Removes all of lower rank. */
  | { readonly kind: 'trim'; readonly below: string }
  /** Ranks that are chosen after it are higher. */
  | { readonly kind: 'raise'; readonly to: string }
  | { readonly kind: 'read' }
  /** Whether this one is there. */
  | { readonly kind: 'look'; readonly member: string }
  | { readonly kind: 'count' };
/** The members that a read or a look showed, or a pop gave; the number that a count told; the rank that an add has, as text, where there are ranks; null for all else. */
export type SetOutput = readonly string[] | string | number | null;
export type SetOperation = Operation<SetInput, SetOutput>;

const membersOf = ({ output }: SetOperation): readonly string[] => (typeof output === 'object' && output !== null ? output : []);
/** Of an acknowledged add. */
const rankOf = ({ output }: SetOperation): string | undefined => (typeof output === 'string' ? output : undefined);
const isUnclear = ({ outcome }: SetOperation): boolean => outcome === 'unknown' || outcome === 'pending';

/** Someone who sees the set, some time before `until`, and has to see what `isKnown`. */
interface Observer {
  readonly isKnown: (operation: SetOperation) => boolean;
  readonly until: number;
}

/** A set's history, in which one finds what happened to a member. */
class SetHistory {
  readonly adds = new Map<string, SetOperation>();
  /** Removals of a member by its name, and pops that gave it. */
  readonly #removals = new Map<string, SetOperation[]>();

  readonly #sweeping: SetOperation[] = [];
  readonly #rewritings: SetOperation[] = [];
  readonly #unclearPops: SetOperation[] = [];

  constructor(history: readonly SetOperation[]) {
    for (const operation of history) {
      const { input, outcome } = operation;
      if (input.kind === 'add') this.adds.set(input.member, operation);
      if (outcome === 'failed') continue;
      if (input.kind === 'remove') this.#noteRemoval(input.member, operation);
      if (input.kind === 'clear' || input.kind === 'trim') this.#sweeping.push(operation);
      if (input.kind === 'rewrite') this.#rewritings.push(operation);
      if (input.kind !== 'pop') continue;
      for (const member of membersOf(operation)) this.#noteRemoval(member, operation);
      if (isUnclear(operation)) this.#unclearPops.push(operation);
    }
  }

  /** Why it cannot be there; undefined when it may be. */
  presenceFault(member: string, { isKnown, until }: Observer): string | undefined {
    const add = this.adds.get(member);
    if (add === undefined || add.outcome === 'failed' || add.invoked > until) return `${member} was not added by then`;
    const removal = this.#removalsOf(member, add).find((one) => isKnown(one) && this.isFinal(one, add, until));
    return removal === undefined ? undefined : `${member} is there after ${describe(removal)}`;
  }

  /** Whether what it removed stays away for all who see it: the add was over before, and nothing wrote again what it found that was not surely over when the removal began. */
  isFinal(removal: SetOperation, add: SetOperation, until: number): boolean {
    const mayUndo = ({ ended, invoked }: SetOperation): boolean => ended >= removal.invoked && invoked < until;
    return add.outcome === 'completed' && add.ended < removal.invoked && !this.#rewritings.some(mayUndo);
  }

  /** Whether it has to be there, unless a pop of unknown outcome took it. */
  mustBeThere(member: string, { isKnown, until }: Observer): boolean {
    const add = this.adds.get(member);
    if (add === undefined || !isKnown(add)) return false;
    return !this.#removalsOf(member, add).some((one) => one.ended >= add.invoked && one.invoked < until);
  }

  /** The adds whose members must be there, and so many more than pops of unknown outcome may have taken; else none. */
  missing(among: Iterable<readonly [member: string, add: SetOperation]>, observer: Observer): SetOperation[] {
    const all = [...among].filter(([member]) => this.mustBeThere(member, observer)).map(([, add]) => add);
    return all.slice(this.takenAtMost(observer));
  }

  /** How many members pops of unknown outcome may have taken. */
  takenAtMost({ until }: Observer): number {
    return this.#unclearPops.filter(({ invoked }) => invoked < until).length;
  }

  #noteRemoval(member: string, operation: SetOperation): void {
    const known = this.#removals.get(member);
    if (known === undefined) this.#removals.set(member, [operation]);
    else known.push(operation);
  }

  #removalsOf(member: string, add: SetOperation): SetOperation[] {
    const rank = rankOf(add);
    const sweeps = ({ input }: SetOperation): boolean =>
      input.kind === 'clear' || (input.kind === 'trim' && rank !== undefined && rank < input.below);
    return [...(this.#removals.get(member) ?? []), ...this.#sweeping.filter(sweeps)];
  }
}

/** What is wrong with these members, all that there are; undefined when they may be so. */
function faultOf(members: readonly string[], observer: Observer, history: SetHistory): string | undefined {
  const shown = new Set(members);
  if (shown.size < members.length) return `a member is there twice: ${members.join(' ')}`;
  for (const member of members) {
    const fault = history.presenceFault(member, observer);
    if (fault !== undefined) return fault;
  }
  const [missing] = history.missing(
    [...history.adds].filter(([member]) => !shown.has(member)),
    observer,
  );
  return missing === undefined ? undefined : `without ${describe(missing)}`;
}

function lookFault(member: string, shown: readonly string[], observer: Observer, history: SetHistory): string | undefined {
  if (shown.length > 0) return shown.map((each) => history.presenceFault(each, observer)).find((fault) => fault !== undefined);
  const add = history.adds.get(member);
  const [missing] = add === undefined ? [] : history.missing([[member, add]], observer);
  return missing === undefined ? undefined : `without ${describe(missing)}`;
}

function countFault(count: number, observer: Observer, history: SetHistory): string | undefined {
  const least = history.missing(history.adds, observer).length;
  const greatest = [...history.adds.keys()].filter((member) => history.presenceFault(member, observer) === undefined).length;
  return count >= least && count <= greatest ? undefined : `not within ${least}..${greatest}`;
}

/** A pop that gave nothing has seen nothing; one that gave a member has seen that, and where it takes from an end, nothing before it. */
function popFault(pop: SetOperation, from: string, observer: Observer, history: SetHistory): string | undefined {
  const [member] = membersOf(pop);
  if (member === undefined) return faultOf([], observer, history);
  const fault = history.presenceFault(member, observer);
  const rank = rankOf(history.adds.get(member) ?? pop);
  if (fault !== undefined || from === 'anywhere' || rank === undefined) return fault;
  const isBefore = (other: string): boolean => (from === 'least' ? other < rank : other > rank);
  const [passedOver] = history.missing(
    [...history.adds].filter(([, add]) => isBefore(rankOf(add) ?? rank)),
    observer,
  );
  return passedOver === undefined ? undefined : `passed over ${describe(passedOver)}`;
}

function seenFault(seen: SetOperation, observer: Observer, history: SetHistory): string | undefined {
  const { input, output } = seen;
  if (input.kind === 'read') return faultOf(membersOf(seen), observer, history);
  if (input.kind === 'look') return lookFault(input.member, membersOf(seen), observer, history);
  if (input.kind === 'count') return countFault(Number(output), observer, history);
  return input.kind === 'pop' ? popFault(seen, input.from, observer, history) : undefined;
}

/** Two pops that gave the same, though nothing can have brought it back. */
function givenTwice(operations: readonly SetOperation[], history: SetHistory): string | undefined {
  const pops = new Map<string, SetOperation>();
  for (const pop of operations) {
    if (pop.input.kind !== 'pop') continue;
    for (const member of membersOf(pop)) {
      const before = pops.get(member);
      const add = history.adds.get(member);
      pops.set(member, pop);
      if (before !== undefined && add !== undefined && history.isFinal(before, add, pop.ended))
        return `${describe(pop)} gave what ${describe(before)} gave`;
    }
  }
  return undefined;
}

/** An add whose rank is not above what ranks had been raised to before it, and that no other raise can have lowered again: the last one counts, as XSETID's does. */
function rankedBelow(operations: readonly SetOperation[], history: SetHistory): string | undefined {
  for (const raise of operations) {
    if (raise.input.kind !== 'raise') continue;
    const { to } = raise.input;
    const isBelow = (add: SetOperation): boolean => {
      const rank = rankOf(add) ?? '~';
      if (rank > to || !mustBeSeen(raise, add)) return false;
      return !operations.some(
        (other) => other.input.kind === 'raise' && other.input.to < rank && !mustBeSeen(other, raise) && other.invoked < add.ended,
      );
    };
    const below = [...history.adds.values()].find(isBelow);
    if (below !== undefined) return `${describe(below)} came after ${describe(raise)}`;
  }
  return undefined;
}

function rankedTwice(history: SetHistory): string | undefined {
  const ranks = new Map<string, SetOperation>();
  for (const add of history.adds.values()) {
    const rank = rankOf(add);
    const other = rank === undefined ? undefined : ranks.get(rank);
    if (other !== undefined) return `${describe(add)} has the rank of ${describe(other)}`;
    if (rank !== undefined) ranks.set(rank, add);
  }
  return undefined;
}

function check(operations: readonly SetOperation[], isKnownTo: (seen: SetOperation) => Observer['isKnown']): Verdict {
  const history = new SetHistory(operations);
  for (const seen of operations) {
    if (seen.outcome !== 'completed') continue;
    const fault = seenFault(seen, { isKnown: isKnownTo(seen), until: seen.ended }, history);
    if (fault !== undefined) return refused(`${describe(seen)}: ${fault}`);
  }
  const twice = rankedTwice(history);
  return twice === undefined ? accepted : refused(twice);
}

/** Nothing that is seen misses what was acknowledged before it began, or on its own connection before it, nor shows what was removed by then. */
export function checkSetReads(operations: readonly SetOperation[]): Verdict {
  const history = new SetHistory(operations);
  const fault = givenTwice(operations, history) ?? rankedBelow(operations, history);
  return fault === undefined ? check(operations, (seen) => (operation) => mustBeSeen(operation, seen)) : refused(fault);
}

/** Under sloppy quorums: a read may lack what others acknowledged elsewhere, and show what they removed, but nothing that was not added by then. */
export const checkSetReadsAreOfAdds = (operations: readonly SetOperation[]): Verdict => check(operations, () => () => false);

/** After all is over and healed. Where both sides of a partition went on, what one side removed the other may have written again. */
export function checkFinalSet(operations: readonly SetOperation[], members: readonly string[], sloppy: boolean): Verdict {
  const isKnown = ({ outcome, input }: SetOperation): boolean => outcome === 'completed' && (!sloppy || input.kind === 'add');
  const fault = faultOf(members, { isKnown, until: Infinity }, new SetHistory(operations));
  return fault === undefined ? accepted : refused(`finally ${fault}`);
}
