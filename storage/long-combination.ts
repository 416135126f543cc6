/** The union, intersection or difference of large sets, made a slice a turn from snapshots of them; or how many members the one of sorted sets has. */
import { BulkArrayWriter, headerType } from '../protocol/resp/bulk-array.js';
import { encodeReply } from '../protocol/resp/reply-writer.js';
import { EncodedPieces } from '../protocol/resp/reply.js';
import type { Collection } from './collection.js';
import { CombinationWalk } from './combination-walk.js';
import type { SetOperation } from './execution.js';
import { snapshotsOf } from './open-snapshots.js';
import type { Partition } from './partition.js';
import { SnapshotReply } from './snapshot-reply.js';

/** Elements and look-ups of a slice, and bytes after which it ends: two or three milliseconds. */
const sliceSteps = 1500;
const sliceBytes = 256 * 1024;

const writer = new BulkArrayWriter();

export class LongCombination extends SnapshotReply {
  private readonly pieces: Buffer[] = [];
  private readonly walk: CombinationWalk;

  /** `collections` as the walk takes them. `isCount`: the reply is how many there are, `limit` at most. */
  constructor(
    partition: Partition,
    operation: SetOperation,
    collections: readonly Collection[],
    limit: number,
    private readonly isCount: boolean,
    private readonly resp: 2 | 3,
  ) {
    super(partition, snapshotsOf(partition, collections));
    this.walk = new CombinationWalk(partition.table, operation, this.sources, limit);
  }

  protected slice(): EncodedPieces | undefined {
    const { isCount, walk } = this;
    for (let steps = 0; steps < sliceSteps && writer.length < sliceBytes && !walk.isOver;) {
      steps += walk.step();
      if (walk.hasFound && !isCount) writer.add(walk.bytes, walk.from, walk.length);
    }
    if (!isCount) this.pieces.push(writer.takePiece());
    if (!walk.isOver) return undefined;
    this.abandon();
    if (isCount) return new EncodedPieces([encodeReply(walk.found, this.resp)]);
    writer.open(this.resp === 3 ? headerType.set : headerType.array, walk.found);
    return new EncodedPieces([writer.takePiece(), ...this.pieces]);
  }
}
