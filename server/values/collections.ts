/** What hashes and sets have in common as values: taken as a whole, and put in place of whatever is at a key. */
import type { CollectionName, CollectionView, Execution } from '../../storage/execution.js';
import type { Restore } from './value-type.js';

/** Of a key that is living and of this type. */
export function collectionAt(execution: Execution, key: Buffer, type: CollectionName): CollectionView {
  const collection = execution.collection(key, type);
  if (collection === undefined) throw new Error(`the key of a living ${type} has none`);
  return collection;
}

/** `pairs`: element and value one after the other. */
export function replaceBy(type: CollectionName, pairs: readonly Buffer[]): Restore {
  return (execution, key, expiresAtMs) => {
    execution.delete(key);
    for (let i = 0; i < pairs.length; i += 2) execution.setElement(key, type, pairs[i] as Buffer, pairs[i + 1] as Buffer);
    if (expiresAtMs !== 0) execution.setExpiry(key, expiresAtMs);
  };
}

export function copyCollection(execution: Execution, source: Buffer, target: Buffer, type: CollectionName, expiresAtMs: number): void {
  replaceBy(type, collectionAt(execution, source, type).pairs())(execution, target, expiresAtMs);
}
