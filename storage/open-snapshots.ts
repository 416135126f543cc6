/** Collections as they are at one instant: until they are closed their snapshots hear of what is about to change, and no entry of the partition goes. */
import type { Collection } from './collection.js';
import type { CollectionSnapshot } from './collection-snapshot.js';
import type { Partition } from './partition.js';

export interface SnapshotSource {
  readonly collection: Collection;
  readonly snapshot: CollectionSnapshot;
}

export class OpenSnapshots {
  private isOpen = true;

  constructor(
    private readonly partition: Partition,
    readonly sources: readonly SnapshotSource[],
  ) {
    partition.pins++; // what has not been read yet stays
    for (const { collection, snapshot } of sources) partition.collections.open(collection, snapshot);
  }

  /** More than once is as good as once. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.partition.pins--;
    for (const { collection, snapshot } of this.sources) this.partition.collections.close(collection, snapshot);
  }
}
