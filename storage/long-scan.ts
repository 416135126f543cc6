/** What a command makes of a long range of a stream's elements: they are gone through a slice a turn, as they were when the command ran. */
import { encodeReply } from '../protocol/resp/reply-writer.js';
import { EncodedPieces } from '../protocol/resp/reply.js';
import type { Collection } from './collection.js';
import type { CollectionSnapshot } from './collection-snapshot.js';
import type { ElementScan } from './execution.js';
import { latestDotOf } from './latest.js';
import type { Partition } from './partition.js';
import { SnapshotReply } from './snapshot-reply.js';

/** Elements of a slice: two or three milliseconds. */
const sliceElements = 1000;

export class LongScan extends SnapshotReply {
  private next = 0;

  constructor(
    partition: Partition,
    collection: Collection,
    private readonly snapshot: CollectionSnapshot,
    private readonly scan: ElementScan,
    private readonly resp: 2 | 3,
  ) {
    super(partition, [{ collection, snapshot }]);
  }

  slice(): EncodedPieces | undefined {
    const { partition, scan, snapshot } = this;
    const { table } = partition;
    for (let left = sliceElements; left > 0 && this.next < snapshot.size; left--) {
      const entry = snapshot.at(this.next++);
      const saved = snapshot.saved(entry);
      if (saved === undefined) scan.take(table.keyBytes(entry), table.valueOf(entry), latestDotOf(table, entry));
      else scan.take(saved.element, saved.value, saved.dot);
    }
    if (this.next < snapshot.size) return undefined;
    this.abandon();
    return new EncodedPieces([encodeReply(scan.reply(), this.resp)]);
  }
}
