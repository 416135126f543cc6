/** Elements by chance: SRANDMEMBER, HRANDFIELD and SPOP. */
import type { CollectionView, Execution } from '../../storage/execution.js';

/** Places of `count` different elements of `size`, all equally likely: Floyd's algorithm (Bentley, "Programming Pearls", 1987), in an order by chance. */
export function differentPlaces(execution: Execution, size: number, count: number): number[] {
  if (count >= size) return Array.from({ length: size }, (_, at) => at);
  const chosen = new Set<number>();
  for (let last = size - count; last < size; last++) {
    const at = execution.random(last + 1);
    chosen.add(chosen.has(at) ? last : at);
  }
  return [...chosen];
}

/** `count` below 0: as many as it says, each by itself, so that some may come twice. */
export function randomPlaces(execution: Execution, { size }: CollectionView, count: number): number[] {
  if (count >= 0) return differentPlaces(execution, size, count);
  return size === 0 ? [] : Array.from({ length: -count }, () => execution.random(size));
}
