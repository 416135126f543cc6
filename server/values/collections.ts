/** What hashes and sets have in common as values: taken as a whole, and put in place of whatever is at a key. */
import type { CollectionName, CollectionView, Execution } from '../../storage/execution.js';
import type { Restore } from './value-type.js';

/** Of a key that is living and of this type. */
export function collectionAt(execution: Execution, key: Buffer, type: CollectionName): CollectionView {
  const collection = execution.collection(key, type);
  if (collection === undefined) throw new Error(`the key of a living ${type} has none`);
  return collection;
}

/** `pairs`: element and value one after the other. `expiries`: when each element expires, Unix ms, 0 = never; what has is left out. */
export function replaceBy(type: CollectionName, pairs: readonly Buffer[], expiries: readonly number[] = []): Restore {
  return (execution, key, expiresAtMs) => {
    execution.delete(key);
    for (let i = 0; i < pairs.length; i += 2) {
      const elementExpiresAtMs = expiries[i / 2] ?? 0;
      if (elementExpiresAtMs !== 0 && elementExpiresAtMs <= execution.nowMs) continue;
      execution.setElement(key, type, pairs[i] as Buffer, pairs[i + 1] as Buffer, elementExpiresAtMs);
    }
    if (expiresAtMs !== 0) execution.setExpiry(key, expiresAtMs);
  };
}

/** When each of the elements expires; none where nothing does. `pairs`: element and value one after the other. */
export function expiriesOf(collection: CollectionView, pairs: readonly Buffer[]): readonly number[] {
  if (!collection.mayExpire) return [];
  return Array.from({ length: pairs.length / 2 }, (_, i) => collection.expiryOf(pairs[2 * i] as Buffer) ?? 0);
}

export function copyCollection(execution: Execution, source: Buffer, target: Buffer, type: CollectionName, expiresAtMs: number): void {
  const collection = collectionAt(execution, source, type);
  const pairs = collection.pairs();
  replaceBy(type, pairs, expiriesOf(collection, pairs))(execution, target, expiresAtMs);
}
