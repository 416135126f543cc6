/** A long reply of a collection's elements, from a snapshot of it. */
import { BulkArrayWriter, headerType } from '../protocol/resp/bulk-array.js';
import { doubleText } from '../protocol/resp/double-text.js';
import { EncodedPieces } from '../protocol/resp/reply.js';
import type { Collection } from './collection.js';
import type { CollectionSnapshot, SavedElement } from './collection-snapshot.js';
import type { LongShape } from './execution.js';
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

/** With scores it is in RESP3 an array of pairs, in RESP2 of members and scores in turn. */
export type LongForm = LongShape | 'scored members';

const writer = new BulkArrayWriter();

export class LongElements extends SnapshotReply {
  private readonly pieces: Buffer[] = [];
  private next = 0;
  private isGathered = false;

  /** `isReverse`: the last element first. */
  constructor(
    partition: Partition,
    collection: Collection,
    private readonly snapshot: CollectionSnapshot,
    private readonly form: LongForm,
    private readonly resp: 2 | 3,
    private readonly isReverse = false,
  ) {
    super(partition, [{ collection, snapshot }]);
  }

  protected slice(): EncodedPieces | undefined {
    const { snapshot } = this;
    if (!this.isGathered) {
      this.isGathered = snapshot.gather(sliceSteps);
      return undefined;
    }
    if (this.next === 0) this.begin();
    for (let left = sliceElements; left > 0 && this.next < snapshot.size && writer.length < sliceBytes; left--) {
      const at = this.next++;
      this.add(snapshot.at(this.isReverse ? snapshot.size - 1 - at : at));
    }
    this.pieces.push(writer.takePiece());
    if (this.next < snapshot.size) return undefined;
    this.abandon();
    return new EncodedPieces(this.pieces);
  }

  private begin(): void {
    const { size } = this.snapshot;
    const { form, resp } = this;
    if (form === 'map of elements') writer.open(resp === 3 ? headerType.map : headerType.array, resp === 3 ? size : 2 * size);
    else if (form === 'set of elements') writer.open(resp === 3 ? headerType.set : headerType.array, size);
    else {
      const isDouble = form === 'elements and values' || (form === 'scored members' && resp === 2);
      writer.open(headerType.array, isDouble ? 2 * size : size);
    }
  }

  private add(entry: number): void {
    const saved = this.snapshot.saved(entry);
    const { form } = this;
    if (form === 'scored members' && this.resp === 3) writer.open(headerType.array, 2);
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
    else writer.add(table.valuePageOf(entry), table.valueAt(entry), table.valueLengthOf(entry));
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
