import type { StreamId } from './stream-id.js';

/**
 * A Map by stream id, in the order in which they were first set. The runtime hashes a bigint by its low 64 bits alone, and those are 0 in every id `ms-0`: a Map of bigints would search through all of
 * them for each.
 */
export class IdMap<Value> {
  private readonly found = new Map<string, readonly [id: StreamId, value: Value]>();

  get size(): number {
    return this.found.size;
  }

  has(id: StreamId): boolean {
    return this.found.has(keyOf(id));
  }

  get(id: StreamId): Value | undefined {
    return this.found.get(keyOf(id))?.[1];
  }

  set(id: StreamId, value: Value): void {
    this.found.set(keyOf(id), [id, value]);
  }

  delete(id: StreamId): boolean {
    return this.found.delete(keyOf(id));
  }

  [Symbol.iterator](): IterableIterator<readonly [StreamId, Value]> {
    return this.found.values();
  }
}

const keyOf = (id: StreamId): string => id.toString(32);

/** Each once, in the order of the first time. */
export function distinctIds(ids: Iterable<StreamId>): StreamId[] {
  const distinct = new IdMap<undefined>();
  for (const id of ids) distinct.set(id, undefined);
  return Array.from(distinct, ([id]) => id);
}
