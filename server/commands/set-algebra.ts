/** Union, intersection and difference of sets, as SUNION, SINTER and SDIFF give them. */
import type { Reply } from '../../protocol/resp/reply.js';
import type { CollectionView, Execution, SetOperation } from '../../storage/execution.js';

type Sets = readonly (CollectionView | undefined)[];

/** What of large sets is made over several turns of the event loop; undefined where `combined` can make it at once, or has to. */
export function longCombined(
  execution: Execution,
  operation: SetOperation,
  sets: Sets,
  limit: number,
  isCount: boolean,
): Reply | undefined {
  const present = inTurn(operation, sets);
  return present.length === 0 ? undefined : execution.longCombination(operation, present, limit, isCount);
}

/** The result's members, for a command that stores them. */
export function membersOf(execution: Execution, operation: SetOperation, sets: Sets): readonly Buffer[] {
  const present = inTurn(operation, sets);
  const long = present.length === 0 ? undefined : execution.longMembers(operation, present);
  return long === undefined ? combined(operation, sets, Infinity) : execution.made(long).map(({ member }) => member);
}

/** The collections that are there, in their order; none where the result is empty since one is not. */
export function combinable(operation: SetOperation, collections: Sets): readonly CollectionView[] {
  const present = collections.filter((each) => each !== undefined);
  const isEmpty = operation === 'inter' ? present.length < collections.length : operation === 'diff' && collections[0] === undefined;
  return isEmpty ? [] : present;
}

/** The first of them is gone through, which of an intersection is the smallest. */
function inTurn(operation: SetOperation, sets: Sets): readonly CollectionView[] {
  const present = combinable(operation, sets);
  return operation === 'inter' ? bySize(present) : present;
}

const bySize = (sets: readonly CollectionView[]): CollectionView[] => sets.toSorted((x, y) => x.size - y.size);

/** The result's members, at most `limit` of them. Sets that are not there are empty. */
export function combined(operation: SetOperation, sets: Sets, limit: number): Buffer[] {
  if (operation === 'union') return union(sets);
  if (operation === 'inter') return intersection(sets, limit);
  const [first, ...others] = sets;
  return (first?.elements() ?? []).filter((member) => !others.some((set) => set?.has(member) === true));
}

function union(sets: Sets): Buffer[] {
  const members = new Map<string, Buffer>();
  for (const set of sets) for (const member of set?.elements() ?? []) members.set(member.toString('latin1'), member);
  return [...members.values()];
}

function intersection(sets: Sets, limit: number): Buffer[] {
  const [smallest, ...others] = inTurn('inter', sets);
  const found: Buffer[] = [];
  for (const member of smallest?.elements() ?? []) {
    if (found.length >= limit) break;
    if (others.every((set) => set.has(member))) found.push(member);
  }
  return found;
}
