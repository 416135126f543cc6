/**
 * The union, intersection or difference of large sets, made a slice a turn from snapshots of them. Nothing is gathered: an element of one set is looked up in the others, as they
 * were at the instant.
 */
import { BulkArrayWriter, headerType } from '../protocol/resp/bulk-array.js';
import { encodeReply } from '../protocol/resp/reply-writer.js';
import { EncodedPieces } from '../protocol/resp/reply.js';
import type { Collection } from './collection.js';
import { CollectionSnapshot } from './collection-snapshot.js';
import type { SetOperation } from './execution.js';
import type { Partition } from './partition.js';
import { SnapshotReply, type SnapshotSource } from './snapshot-reply.js';

/** Elements and look-ups of a slice, and bytes after which it ends: two or three milliseconds. */
const sliceSteps = 1500;
const sliceBytes = 256 * 1024;

const writer = new BulkArrayWriter();

export class LongCombination extends SnapshotReply {
  private readonly pieces: Buffer[] = [];
  /** Whose elements are gone through, and the next of them. */
  private current = 0;
  private next = 0;
  private found = 0;

  /**
   * Of an intersection or a difference the elements of the first of `sets` are gone through, of a union those of all. All sets are whole in memory, with nothing condemned.
   * `isCount`: the reply is how many there are, `limit` at most.
   */
  constructor(
    partition: Partition,
    private readonly operation: SetOperation,
    sets: readonly Collection[],
    private readonly limit: number,
    private readonly isCount: boolean,
    private readonly resp: 2 | 3,
  ) {
    const snapshotOf = (collection: Collection): CollectionSnapshot =>
      new CollectionSnapshot(partition.table, collection, collection.livingEntries());
    super(
      partition,
      sets.map((collection) => ({ collection, snapshot: snapshotOf(collection) })),
    );
  }

  protected slice(): EncodedPieces | undefined {
    for (let steps = 0; steps < sliceSteps && writer.length < sliceBytes && !this.isOver();) steps += this.step();
    if (!this.isCount) this.pieces.push(writer.takePiece());
    if (!this.isOver()) return undefined;
    this.abandon();
    if (this.isCount) return new EncodedPieces([encodeReply(this.found, this.resp)]);
    writer.open(this.resp === 3 ? headerType.set : headerType.array, this.found);
    return new EncodedPieces([writer.takePiece(), ...this.pieces]);
  }

  private isOver(): boolean {
    const { current, next, operation, sources } = this;
    const last = operation === 'union' ? sources.length - 1 : 0;
    return this.found >= this.limit || current > last || (current === last && next >= (sources[last] as SnapshotSource).snapshot.size);
  }

  /** Judges one element, or goes on to the next set; returns what that counts for. */
  private step(): number {
    const { current, operation, sources } = this;
    const { snapshot } = sources[current] as SnapshotSource;
    if (this.next >= snapshot.size) {
      this.current++;
      this.next = 0;
      return 1;
    }
    const { table } = this.partition;
    const entry = snapshot.at(this.next++);
    const saved = snapshot.saved(entry)?.element;
    const bytes = saved ?? table.keyPageOf(entry);
    const from = saved === undefined ? table.keyAt(entry) : 0;
    const length = saved?.length ?? table.keyLengthOf(entry);
    // Of a union what an earlier set has was taken there.
    const [first, end] = operation === 'union' ? [0, current] : [1, sources.length];
    for (let at = first; at < end; at++) {
      const isThere = (sources[at] as SnapshotSource).snapshot.had(bytes, from, length);
      if (isThere !== (operation === 'inter')) return 2 + at - first;
    }
    this.found++;
    if (!this.isCount) writer.add(bytes, from, length);
    return 1 + end - first;
  }
}
