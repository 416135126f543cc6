/** A long reply that is made of collections as they were when the command ran. */
import { LongReply } from '../protocol/resp/long-reply.js';
import type { EncodedPieces } from '../protocol/resp/reply.js';
import { OpenSnapshots, type SnapshotSource } from './open-snapshots.js';
import type { Partition } from './partition.js';

export abstract class SnapshotReply extends LongReply<EncodedPieces> {
  private readonly snapshots: OpenSnapshots;

  constructor(
    protected readonly partition: Partition,
    protected readonly sources: readonly SnapshotSource[],
  ) {
    super();
    this.snapshots = new OpenSnapshots(partition, sources);
  }

  /** Whoever makes the last slice calls it, too. */
  abandon(): void {
    this.snapshots.close();
  }
}
