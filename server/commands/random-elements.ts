/** Elements by chance: SRANDMEMBER, HRANDFIELD, ZRANDMEMBER and SPOP. */
import { CommandError, type CollectionView, type Execution } from '../../storage/execution.js';
import { outOfRange } from './errors.js';

/** Of a smaller part of all, drawing by itself costs less than a row of all. */
const smallPart = 1 / 8;
/** Places that may come twice, at most: each is an object of the reply. */
const repeatedMost = 2 ** 24;

/** Places of `count` different elements of `size`, all equally likely, in an order that says nothing of which are chosen. */
export function differentPlaces(execution: Execution, size: number, count: number): number[] {
  if (count >= size) return Array.from({ length: size }, (_, at) => at);
  return count < size * smallPart ? fewPlaces(execution, size, count) : manyPlaces(execution, size, count);
}

/** Floyd's algorithm (Bentley, "Programming Pearls", 1987). */
function fewPlaces(execution: Execution, size: number, count: number): number[] {
  const chosen = new Set<number>();
  for (let last = size - count; last < size; last++) {
    const at = execution.random(last + 1);
    chosen.add(chosen.has(at) ? last : at);
  }
  return [...chosen];
}

/** The beginning of a shuffle (Fisher and Yates). */
function manyPlaces(execution: Execution, size: number, count: number): number[] {
  const places = new Uint32Array(size);
  for (let at = 0; at < size; at++) places[at] = at;
  for (let at = 0; at < count; at++) {
    const drawn = at + execution.random(size - at);
    const place = places[drawn] as number;
    places[drawn] = places[at] as number;
    places[at] = place;
  }
  return [...places.subarray(0, count)];
}

/** `count` below 0: as many as it says, each by itself, so that some may come twice. */
export function randomPlaces(execution: Execution, { size }: CollectionView, count: number): number[] {
  if (count >= 0) return differentPlaces(execution, size, count);
  if (size === 0) return [];
  if (-count > repeatedMost) throw new CommandError(outOfRange);
  return Array.from({ length: -count }, () => execution.random(size));
}
