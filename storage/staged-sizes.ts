/** How many elements collections will have once the command's batch is written. It nearly always is about one: to empty a map after each command costs more than all else that is kept of it. */
import type { Collection } from './collection.js';

export class StagedSizes {
  private first: Collection | undefined = undefined;
  private sizeOfFirst = 0;
  private readonly others = new Map<Collection, number>();

  get(collection: Collection): number | undefined {
    return collection === this.first ? this.sizeOfFirst : this.others.size === 0 ? undefined : this.others.get(collection);
  }

  has(collection: Collection): boolean {
    return this.get(collection) !== undefined;
  }

  set(collection: Collection, size: number): void {
    this.first ??= collection;
    if (collection === this.first) this.sizeOfFirst = size;
    else this.others.set(collection, size);
  }

  clear(): void {
    this.first = undefined;
    if (this.others.size > 0) this.others.clear();
  }
}
