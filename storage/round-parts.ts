/**
 * The parts in which a round of writing behind goes to the engine, a batch each. A batch doubles its memory as it grows, and copies it in one turn of the event loop,
 * a millisecond for each MiB and more.
 *
 * A key's header row says exactly what rows of its collections are in the engine with it, so it goes with each part that has some of them, and all that are on
 * their way are in one part. Two fill at a time: one for strings and large collections, whose header rows are few; one, larger, for small collections.
 */
import { ByteWriter } from '../protocol/byte-writer.js';
import { typeOfKind } from './collection-types.js';
import type { KeyTable } from './key-table.js';
import { PackedBytes, PackedRows } from './packed-rows.js';
import type { Partition } from './partition.js';
import type { LongPut } from './pieced-engine.js';
import { writeElementRow, writeStringRow } from './rows.js';
import { encodeSingle } from './single-record.js';

/** Unless somebody says otherwise. RocksDB's batch of it is copied once to grow to it, within one call. */
export const partBytesMost = 1024 * 1024;
/** So many times that of small collections. */
const smallOnesFactor = 4;
/** From so many elements on a collection is not small. */
const largeCollection = 2000;

/** An encoded record that is no longer lies in a page, among others. */
export const pagedBytesMost = 64 * 1024;

/** Rows that go to the engine together. */
export class RoundPart {
  readonly puts = new PackedRows();
  readonly deletes = new PackedBytes();
  /** Those whose values are too long to be copied. */
  readonly long: LongPut[] = [];
  /** Keys of collections whose header rows go with it. */
  readonly owners = new Set<number>();
  private longBytes = 0;

  constructor(private readonly table: KeyTable) {}

  /** Of its rows. */
  get bytes(): number {
    return this.puts.bytes + this.deletes.bytes + this.longBytes;
  }

  get isEmpty(): boolean {
    return this.bytes === 0 && this.owners.size === 0;
  }

  /** The row of a record that is one plain version with nothing else seen, encoded no longer than `pagedBytesMost`. */
  putSingle(entry: number): void {
    const { table, puts } = this;
    writeRow(puts.begin(), table, entry);
    puts.end();
    encodeSingle(puts.begin(), table, entry);
    puts.end();
  }

  /** The row of a record whose encoding is `value`, borrowed. */
  put(entry: number, value: Buffer): void {
    const { puts } = this;
    if (value.length > pagedBytesMost) return puts.give(this.rowOf(entry), Buffer.from(value));
    writeRow(puts.begin(), this.table, entry);
    puts.end();
    puts.begin().bytes(value);
    puts.end();
  }

  /** The same of a long one, owned by this from now on. `rest` follows the value: they lie apart in memory. */
  putLong(entry: number, value: Buffer, rest: Buffer | undefined): void {
    const row = this.rowOf(entry);
    this.long.push([row, value, rest]);
    this.longBytes += row.length + value.length + (rest?.length ?? 0);
  }

  private rowOf(entry: number): Buffer {
    const writer = new ByteWriter(64);
    writeRow(writer, this.table, entry);
    return writer.take();
  }

  /** It was written: it fills again. */
  clear(): void {
    this.puts.clear();
    this.deletes.clear();
    this.owners.clear();
    this.long.length = this.longBytes = 0;
  }

  delete(entry: number): void {
    writeRow(this.deletes.begin(), this.table, entry);
    this.deletes.end();
  }
}

/** Appends the engine's key of the record of a string or an element. */
function writeRow(writer: ByteWriter, table: KeyTable, entry: number): void {
  const kind = table.kindOf(entry);
  if (kind === 0) writeStringRow(writer, table.slotOf(entry), table.keyView(entry));
  else {
    const owner = table.ownerOf(entry);
    writeElementRow(writer, table.slotOf(owner), table.keyView(owner), typeOfKind(kind).byte, table.keyView(entry));
  }
}

export class RoundParts {
  private readonly large: RoundPart;
  private readonly small: RoundPart;

  constructor(
    private readonly table: KeyTable,
    private readonly partition: (number: number) => Partition,
    private readonly bytesMost: number,
  ) {
    this.large = new RoundPart(table);
    this.small = new RoundPart(table);
  }

  /** A round begins. */
  clear(): void {
    this.large.clear();
    this.small.clear();
  }

  /** The part that the entry's row goes into: that in which others of its key are, else by the size of its collection. */
  of(entry: number): RoundPart {
    const { table, large, small } = this;
    const isPart = table.kindOf(entry) !== 0;
    if (!isPart && !table.hasParts(entry)) return large;
    const owner = isPart ? table.ownerOf(entry) : entry;
    if (large.owners.has(owner)) return large;
    if (small.owners.has(owner) || !isPart) return small;
    const { size } = this.partition(table.partitionOf(entry)).collections.ofPart(entry);
    return size < largeCollection ? small : large;
  }

  /** True: the part is to be written now. */
  isFull(part: RoundPart): boolean {
    return part.bytes >= (part === this.large ? this.bytesMost : smallOnesFactor * this.bytesMost);
  }

  /** What is left at the end: the part that ends the round, and one more where there is one. */
  ends(): [last: RoundPart, before?: RoundPart] {
    if (this.large.isEmpty) return [this.small];
    return this.small.isEmpty ? [this.large] : [this.small, this.large];
  }
}
