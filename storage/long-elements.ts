/** A long reply of a collection's elements, from a snapshot of it. */
import { BulkArrayWriter, headerType } from '../protocol/resp/bulk-array.js';
import { doubleText } from '../protocol/resp/double-text.js';
import { EncodedPieces } from '../protocol/resp/reply.js';
import type { Collection } from './collection.js';
import type { CollectionSnapshot, SavedElement } from './collection-snapshot.js';
import type { LongShape, RandomShape } from './execution.js';
import type { Partition } from './partition.js';
import { decodeScore } from './score-value.js';
import { SnapshotReply } from './snapshot-reply.js';

/** From so many elements on a reply is made in slices. */
export const longElements = 2000;
/** Elements of a slice, and bytes after which it ends: a millisecond or two. */
const sliceElements = 1500;
const sliceBytes = 256 * 1024;
/** Steps of a slice of gathering. */
const sliceSteps = 5000;

/** With scores, and of paired elements with their values, it is in RESP3 an array of pairs, in RESP2 of both in turn. */
export type LongForm = LongShape | RandomShape;

const writer = new BulkArrayWriter();

export class LongElements extends SnapshotReply {
  /** Of what is made. */
  protected bytesMade = 0;
  private readonly pieces: Buffer[] = [];
  private next = 0;
  private isGathered = false;

  /** `isReverse`: the last element first. */
  constructor(
    partition: Partition,
    collection: Collection,
    private readonly snapshot: CollectionSnapshot,
    private readonly form: LongForm,
    protected readonly resp: 2 | 3,
    private readonly isReverse = false,
  ) {
    super(partition, [{ collection, snapshot }]);
  }

  slice(): EncodedPieces | undefined {
    writer.drop();
    const { snapshot } = this;
    if (!this.isGathered) {
      this.isGathered = snapshot.gather(sliceSteps);
      return undefined;
    }
    if (this.next === 0) this.begin();
    const { count } = this;
    for (let left = sliceElements; left > 0 && this.next < count && writer.length < sliceBytes; left--) this.add(this.entryAt(this.next++));
    const piece = writer.takePiece();
    this.bytesMade += piece.length;
    this.pieces.push(piece);
    if (this.next < count) return undefined;
    this.abandon();
    return new EncodedPieces(this.pieces);
  }

  /** How many elements the reply has. */
  protected get count(): number {
    return this.snapshot.size;
  }

  /** The entry of the one that comes at `at`. They are asked for in order, each once. */
  protected entryAt(at: number): number {
    return this.snapshot.at(this.isReverse ? this.snapshot.size - 1 - at : at);
  }

  private begin(): void {
    const { count, form, resp } = this;
    if (form === 'map of elements') writer.open(resp === 3 ? headerType.map : headerType.array, resp === 3 ? count : 2 * count);
    else if (form === 'set of elements') writer.open(resp === 3 ? headerType.set : headerType.array, count);
    else {
      const isDouble = form === 'elements and values' || (this.isPaired && resp === 2);
      writer.open(headerType.array, isDouble ? 2 * count : count);
    }
  }

  private get isPaired(): boolean {
    return this.form === 'scored members' || this.form === 'paired elements';
  }

  private add(entry: number): void {
    const saved = this.snapshot.saved(entry);
    const { form } = this;
    if (this.resp === 3 && this.isPaired) writer.open(headerType.array, 2);
    if (form !== 'values') this.addElement(entry, saved);
    if (form === 'scored members') this.addScore(entry, saved);
    else if (form !== 'elements' && form !== 'set of elements') this.addValue(entry, saved);
  }

  private addElement(entry: number, saved: SavedElement | undefined): void {
    const { table } = this.partition;
    if (saved !== undefined) writer.add(saved.element, 0, saved.element.length);
    else writer.add(table.keyPageOf(entry), table.keyAt(entry), table.keyLengthOf(entry));
  }

  private addValue(entry: number, saved: SavedElement | undefined): void {
    const { table } = this.partition;
    if (saved !== undefined) writer.add(saved.value, 0, saved.value.length);
    else table.giveValue(entry, writer);
  }

  private addScore(entry: number, saved: SavedElement | undefined): void {
    const { table } = this.partition;
    const score =
      saved === undefined
        ? decodeScore(table.valuePageOf(entry), table.valueAt(entry), table.valueLengthOf(entry))
        : decodeScore(saved.value);
    writer.addDouble(doubleText(score), this.resp);
  }
}
