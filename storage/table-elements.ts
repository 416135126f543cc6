/** A collection of the partition, whole in memory and with nothing condemned, as it was when it was opened. Elements are entries of the key table, which keeps each as long as the partition is pinned. */
import type { Collection } from './collection.js';
import { CollectionSnapshot } from './collection-snapshot.js';
import type { ElementSource } from './element-source.js';
import type { KeyTable } from './key-table.js';
import { OpenSnapshots } from './open-snapshots.js';
import type { Partition } from './partition.js';
import { decodeScore } from './score-value.js';

export class TableElements implements ElementSource {
  readonly size: number;
  readonly stepsToPrepare = 0;
  /** How often the collection had changed. */
  private readonly changes: number;
  private readonly isSet: boolean;
  private readonly table: KeyTable;
  private opened: { readonly snapshot: CollectionSnapshot; readonly keeps: OpenSnapshots } | undefined = undefined;

  constructor(
    private readonly partition: Partition,
    private readonly collection: Collection,
  ) {
    this.table = partition.table;
    this.size = collection.living;
    this.changes = collection.changes;
    this.isSet = collection.type.name === 'set';
  }

  get identity(): Collection {
    return this.collection;
  }

  open(): void {
    if (this.opened !== undefined) return;
    const { collection, partition, table } = this;
    const snapshot = new CollectionSnapshot(table, collection, collection.livingEntries());
    this.opened = { snapshot, keeps: new OpenSnapshots(partition, [{ collection, snapshot }]) };
  }

  close(): void {
    this.opened?.keeps.close();
  }

  prepare(): boolean {
    return true;
  }

  at(index: number): number {
    return this.snapshot.at(index);
  }

  find(bytes: Buffer, from: number, length: number): number {
    return this.snapshot.entryOf(bytes, from, length);
  }

  bytesOf(element: number): Buffer {
    return this.table.keyPageOf(element);
  }

  fromOf(element: number): number {
    return this.table.keyAt(element);
  }

  lengthOf(element: number): number {
    return this.table.keyLengthOf(element);
  }

  scoreOf(element: number): number {
    if (this.isSet) return 1;
    const { table } = this;
    const saved = this.snapshot.saved(element);
    if (saved !== undefined) return decodeScore(saved.value);
    return decodeScore(table.valuePageOf(element), table.valueAt(element), table.valueLengthOf(element));
  }

  isSame(other: ElementSource): boolean {
    return other instanceof TableElements && other.collection === this.collection && other.changes === this.changes;
  }

  private get snapshot(): CollectionSnapshot {
    if (this.opened === undefined) throw new Error('elements are read before they are opened');
    return this.opened.snapshot;
  }
}
