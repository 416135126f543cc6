/** Union, intersection and difference of sets, as SUNION, SINTER and SDIFF give them. */
import type { CollectionView } from '../../storage/execution.js';

export type SetOperation = 'union' | 'inter' | 'diff';

/** The result's members, at most `limit` of them. Sets that are not there are empty. */
export function combined(operation: SetOperation, sets: readonly (CollectionView | undefined)[], limit: number): Buffer[] {
  if (operation === 'union') return union(sets);
  if (operation === 'inter') return intersection(sets, limit);
  const [first, ...others] = sets;
  return (first?.elements() ?? []).filter((member) => !others.some((set) => set?.has(member) === true));
}

function union(sets: readonly (CollectionView | undefined)[]): Buffer[] {
  const members = new Map<string, Buffer>();
  for (const set of sets) for (const member of set?.elements() ?? []) members.set(member.toString('latin1'), member);
  return [...members.values()];
}

/** The smallest set is gone through, and looked up in the others. */
function intersection(sets: readonly (CollectionView | undefined)[], limit: number): Buffer[] {
  const present = sets.filter((set) => set !== undefined);
  if (present.length < sets.length) return [];
  const [smallest, ...others] = present.toSorted((x, y) => x.size - y.size);
  const found: Buffer[] = [];
  for (const member of smallest?.elements() ?? []) {
    if (found.length >= limit) break;
    if (others.every((set) => set.has(member))) found.push(member);
  }
  return found;
}
