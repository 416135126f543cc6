/**
 * The union, intersection or difference of large sorted sets, or of sets among them, in order of score: made a slice a turn from snapshots of them. First what there is is found, then it is put
 * in order, then written.
 */
import { BulkArrayWriter, headerType } from '../protocol/resp/bulk-array.js';
import { doubleText } from '../protocol/resp/double-text.js';
import { EncodedPieces } from '../protocol/resp/reply.js';
import type { Collection } from './collection.js';
import { CombinationWalk } from './combination-walk.js';
import type { Scoring } from './combined-scores.js';
import type { SetOperation } from './execution.js';
import { LongSort } from './long-sort.js';
import { snapshotsOf } from './open-snapshots.js';
import type { Partition } from './partition.js';
import { SnapshotReply } from './snapshot-reply.js';

/** Of a slice, each two or three milliseconds: elements and look-ups; comparisons; members written, and bytes after which it ends. */
const sliceMost = { steps: 1500, comparisons: 5000, members: 1000, bytes: 256 * 1024 } as const;

const writer = new BulkArrayWriter();

export class LongScoredCombination extends SnapshotReply {
  private readonly pieces: Buffer[] = [];
  private readonly walk: CombinationWalk;
  /** Of each member that was found. */
  private readonly entries: Int32Array;
  private readonly scores: Float64Array;
  /** Places in the two: 0, 1, 2... */
  private readonly places: Int32Array;
  /** Of the places, once all members are found. */
  private sort: LongSort | undefined = undefined;
  private next = 0;

  /** `collections` as the walk takes them. */
  constructor(
    partition: Partition,
    operation: SetOperation,
    collections: readonly Collection[],
    scoring: Scoring,
    private readonly withScores: boolean,
    private readonly resp: 2 | 3,
  ) {
    super(partition, snapshotsOf(partition, collections));
    this.walk = new CombinationWalk(partition.table, operation, this.sources, Infinity, scoring);
    // What is not used of this the system never gives.
    this.entries = new Int32Array(this.walk.size);
    this.scores = new Float64Array(this.walk.size);
    this.places = new Int32Array(this.walk.size);
  }

  protected slice(): EncodedPieces | undefined {
    if (!this.walk.isOver) this.find();
    else if (this.sort === undefined) this.sort = new LongSort(this.places.subarray(0, this.walk.found), this.compare);
    else if (!this.sort.isSorted) this.sort.proceed(sliceMost.comparisons);
    else return this.write(this.sort.take());
    return undefined;
  }

  private find(): void {
    const { walk } = this;
    for (let steps = 0; steps < sliceMost.steps && !walk.isOver;) {
      const at = walk.found;
      steps += walk.step();
      if (!walk.hasFound) continue;
      this.entries[at] = walk.entry;
      this.scores[at] = walk.score;
      this.places[at] = at;
    }
  }

  private readonly compare = (one: number, other: number): number => {
    const score = this.scores[one] as number;
    const otherScore = this.scores[other] as number;
    if (score !== otherScore) return score < otherScore ? -1 : 1;
    return this.partition.table.compareKeys(this.entries[one] as number, this.entries[other] as number);
  };

  /** All of the reply, once it is written. */
  private write(order: Int32Array): EncodedPieces | undefined {
    const { resp, withScores } = this;
    if (this.next === 0) writer.open(headerType.array, withScores && resp === 2 ? 2 * order.length : order.length);
    for (let left = sliceMost.members; left > 0 && this.next < order.length && writer.length < sliceMost.bytes; left--)
      this.writeMember(order[this.next++] as number);
    this.pieces.push(writer.takePiece());
    if (this.next < order.length) return undefined;
    this.abandon();
    return new EncodedPieces(this.pieces);
  }

  private writeMember(at: number): void {
    const { table } = this.partition;
    const entry = this.entries[at] as number;
    if (this.withScores && this.resp === 3) writer.open(headerType.array, 2);
    writer.add(table.keyPageOf(entry), table.keyAt(entry), table.keyLengthOf(entry));
    if (this.withScores) writer.addDouble(doubleText(this.scores[at] as number), this.resp);
  }
}
