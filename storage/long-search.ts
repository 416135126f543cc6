/** LPOS of a long list: the elements that the command itself has not looked at are gone through a slice a turn, as they were when it ran. */
import { BulkArrayWriter, headerType } from '../protocol/resp/bulk-array.js';
import { encodeReply } from '../protocol/resp/reply-writer.js';
import { EncodedPieces } from '../protocol/resp/reply.js';
import type { Collection } from './collection.js';
import type { CollectionSnapshot } from './collection-snapshot.js';
import { findings, type ListSearch } from './list-search.js';
import type { Partition } from './partition.js';
import { SnapshotReply } from './snapshot-reply.js';

/** Elements of a slice: a millisecond or two, also where each of them is found. */
const sliceElements = 10_000;

const writer = new BulkArrayWriter();

export class LongSearch extends SnapshotReply {
  private readonly pieces: Buffer[] = [];
  /** Findings that are in `pieces`, or are left out. */
  private written: number;

  /** `snapshot` is of the elements that `search` has not looked at yet, of which the first one has index `first`. `passed` and `isArray`: as in `findings`. */
  constructor(
    partition: Partition,
    collection: Collection,
    private readonly snapshot: CollectionSnapshot,
    private readonly first: number,
    private readonly search: ListSearch,
    private readonly passed: number,
    private readonly isArray: boolean,
    private readonly resp: 2 | 3,
  ) {
    super(partition, [{ collection, snapshot }]);
    this.written = passed;
  }

  slice(): EncodedPieces | undefined {
    writer.drop();
    const { first, search, snapshot } = this;
    const { table } = this.partition;
    const { found } = search;
    const { value } = search.sought;
    search.look(search.inTimeOf(sliceElements), (index) => {
      const entry = snapshot.at(index - first);
      const saved = snapshot.saved(entry);
      return saved === undefined ? table.hasValue(entry, value) : saved.value.equals(value);
    });
    if (this.isArray && this.written < found.length) {
      while (this.written < found.length) writer.open(headerType.integer, found[this.written++] as number);
      this.pieces.push(writer.takePiece());
    }
    if (!search.isOver) return undefined;
    this.abandon();
    if (!this.isArray) return new EncodedPieces([encodeReply(findings(found, this.passed, false), this.resp)]);
    writer.open(headerType.array, Math.max(0, found.length - this.passed));
    return new EncodedPieces([writer.takePiece(), ...this.pieces]);
  }
}
