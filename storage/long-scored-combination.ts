/**
 * The union, intersection or difference of large sorted sets, or of sets among them, in order of score, made a slice a turn. First what there is is found, then it is put in order,
 * then written.
 */
import { BulkArrayWriter, headerType } from '../protocol/resp/bulk-array.js';
import { doubleText } from '../protocol/resp/double-text.js';
import { EncodedPieces } from '../protocol/resp/reply.js';
import { compareBytes } from './byte-loops.js';
import { CombinationReply } from './combination-reply.js';
import type { CombinationWalk } from './combination-walk.js';
import type { ElementSource } from './element-source.js';
import { LongSort } from './long-sort.js';

/** Of a slice, each two or three milliseconds: elements and look-ups; comparisons; members written, and bytes after which it ends. */
const sliceMost = { steps: 1500, comparisons: 5000, members: 1000, bytes: 256 * 1024 } as const;

const writer = new BulkArrayWriter();

export class LongScoredCombination extends CombinationReply {
  private readonly pieces: Buffer[] = [];
  /** Of each member that was found: whose element, its number, and its score. */
  private readonly owners: Int32Array;
  private readonly elements: Int32Array;
  private readonly scores: Float64Array;
  /** Places in the three: 0, 1, 2... */
  private readonly places: Int32Array;
  /** Of the places, once all members are found. */
  private sort: LongSort | undefined = undefined;
  private next = 0;

  /** Opens the walk. `sources` are those that the walk goes through. */
  constructor(
    walk: CombinationWalk,
    private readonly sources: readonly ElementSource[],
    private readonly withScores: boolean,
    private readonly resp: 2 | 3,
  ) {
    super(walk);
    // What is not used of this the system never gives.
    const { size } = walk;
    this.owners = new Int32Array(size);
    this.elements = new Int32Array(size);
    this.scores = new Float64Array(size);
    this.places = new Int32Array(size);
    walk.open(); // last: where memory does not suffice nothing stays open
  }

  protected combine(): EncodedPieces | undefined {
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
      this.owners[at] = walk.source;
      this.elements[at] = walk.element;
      this.scores[at] = walk.score;
      this.places[at] = at;
    }
  }

  private readonly compare = (one: number, other: number): number => {
    const score = this.scores[one] as number;
    const otherScore = this.scores[other] as number;
    if (score !== otherScore) return score < otherScore ? -1 : 1;
    const source = this.ownerOf(one);
    const element = this.elements[one] as number;
    const from = source.fromOf(element);
    const otherSource = this.ownerOf(other);
    const otherElement = this.elements[other] as number;
    const otherFrom = otherSource.fromOf(otherElement);
    const otherEnd = otherFrom + otherSource.lengthOf(otherElement);
    return compareBytes(
      source.bytesOf(element),
      from,
      from + source.lengthOf(element),
      otherSource.bytesOf(otherElement),
      otherFrom,
      otherEnd,
    );
  };

  /** All of the reply, once it is written. */
  private write(order: Int32Array): EncodedPieces | undefined {
    const { resp, withScores } = this;
    writer.drop();
    if (this.next === 0) writer.open(headerType.array, withScores && resp === 2 ? 2 * order.length : order.length);
    for (let left = sliceMost.members; left > 0 && this.next < order.length && writer.length < sliceMost.bytes; left--)
      this.writeMember(order[this.next++] as number);
    this.pieces.push(writer.takePiece());
    if (this.next < order.length) return undefined;
    this.abandon();
    return new EncodedPieces(this.pieces);
  }

  private writeMember(at: number): void {
    const source = this.ownerOf(at);
    const element = this.elements[at] as number;
    if (this.withScores && this.resp === 3) writer.open(headerType.array, 2);
    writer.add(source.bytesOf(element), source.fromOf(element), source.lengthOf(element));
    if (this.withScores) writer.addDouble(doubleText(this.scores[at] as number), this.resp);
  }

  private ownerOf(at: number): ElementSource {
    return this.sources[this.owners[at] as number] as ElementSource;
  }
}
