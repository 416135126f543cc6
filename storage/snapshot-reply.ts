/** A long reply that is made of collections as they were when the command ran: until it is made, or nobody wants it any more, their snapshots are open and no entry goes. */
import { LongReply } from '../protocol/resp/long-reply.js';
import type { EncodedPieces } from '../protocol/resp/reply.js';
import type { Collection } from './collection.js';
import { CollectionSnapshot } from './collection-snapshot.js';
import type { Partition } from './partition.js';

export interface SnapshotSource {
  readonly collection: Collection;
  readonly snapshot: CollectionSnapshot;
}

/** Of all living elements of each, in no order. */
export function snapshotsOf({ table }: Partition, collections: readonly Collection[]): SnapshotSource[] {
  return collections.map((collection) => ({ collection, snapshot: new CollectionSnapshot(table, collection, collection.livingEntries()) }));
}

export abstract class SnapshotReply extends LongReply<EncodedPieces> {
  private isOpen = true;

  constructor(
    protected readonly partition: Partition,
    protected readonly sources: readonly SnapshotSource[],
  ) {
    super();
    partition.pins++; // what it has not read yet stays
    for (const { collection, snapshot } of sources) partition.collections.open(collection, snapshot);
  }

  /** Whoever makes the last slice calls it, too. */
  abandon(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.partition.pins--;
    for (const { collection, snapshot } of this.sources) this.partition.collections.close(collection, snapshot);
  }
}
