/**
 * Takes away what deletions of collections have killed (ARCHITECTURE.md: dead at once and swept later): entries that were put aside, and rows on disk whose
 * elements are not in memory, in slices between which the event loop gets its turn. Until it is done the deletion itself is kept.
 */
import { decodeRecord, isPlainWithin } from '../protocol/record.js';
import { recordPart } from '../protocol/record-key.js';
import type { Clock } from './clock.js';
import type { Collection } from './collection.js';
import { kindOf } from './collection-types.js';
import { StorageError, type Engine } from './engine.js';
import { noEntry, type KeyTable } from './key-table.js';
import { underCut } from './merge.js';
import type { Partition } from './partition.js';
import { elementRows } from './rows.js';
import { TurnSlice } from './turn-slice.js';

/** Entries or rows between two turns of the event loop at most. */
const sliceEntries = 400;
/** What is read at once becomes Buffers in one turn, which may be the one of a slice. */
const rowsAtOnce = 64;

export class CollectionSweeper {
  private readonly queue = new Map<Collection, Partition>();
  /** How many of them each partition has. */
  private readonly pins = new Map<Partition, number>();
  private running = false;
  private closed = false;
  /** Entries and rows that were taken away. */
  swept = 0;

  constructor(
    private readonly engine: Engine,
    private readonly clock: Clock,
    private readonly table: KeyTable,
    private readonly mark: (entry: number) => void,
    private readonly onFailure: (error: StorageError) => void,
  ) {}

  /** Collections that are swept or to be swept. */
  get waiting(): number {
    return this.queue.size;
  }

  /** The collection has something condemned, or rows that may be dead. */
  add(partition: Partition, collection: Collection): void {
    if (this.queue.has(collection)) return;
    this.queue.set(collection, partition);
    this.pin(partition, 1); // nobody may take the collection, or what stands in its rows, out of memory meanwhile
    if (this.running) return;
    this.running = true;
    this.clock.after(0, () => {
      this.run()
        .catch((error: unknown) => {
          if (this.closed) return;
          this.onFailure(error instanceof StorageError ? error : new StorageError('IO', 'sweeping a collection failed', { cause: error }));
        })
        .finally(() => (this.running = false));
    });
  }

  close(): void {
    this.closed = true;
  }

  /** Nobody but the sweeper keeps what is in the partition in memory. */
  private isAlone(partition: Partition): boolean {
    return partition.pins === this.pins.get(partition);
  }

  private pin(partition: Partition, by: 1 | -1): void {
    partition.pins += by;
    const pins = (this.pins.get(partition) ?? 0) + by;
    if (pins === 0) this.pins.delete(partition);
    else this.pins.set(partition, pins);
  }

  private async run(): Promise<void> {
    for (const [collection, partition] of this.queue) {
      await this.sweep(partition, collection);
      this.queue.delete(collection);
      this.pin(partition, -1);
      if (this.closed) return;
    }
  }

  private async sweep(partition: Partition, collection: Collection): Promise<void> {
    const slice = new TurnSlice(this.clock, sliceEntries);
    while (!this.closed) {
      const row = collection.condemned[0];
      if (row !== undefined) {
        for (let at = 0; at < row.length && !this.closed; at++) {
          const entry = row[at] as number;
          if (collection.isCondemned(entry)) {
            partition.collections.settle(collection, entry);
            if (this.isAlone(partition)) partition.collections.removeUnwritten(entry);
            this.swept++;
          }
          if (slice.isOver()) await slice.laterTurn();
        }
        collection.condemned.splice(collection.condemned.indexOf(row), 1);
      } else if (collection.unswept) await this.sweepRows(partition, collection, slice);
      else return;
    }
  }

  /** Rows of elements that memory does not know: what is dead is deleted by the next round of writing behind. */
  private async sweepRows(partition: Partition, collection: Collection, slice: TurnSlice): Promise<void> {
    const { table } = this;
    const { owner, type, cut } = collection;
    const rows = elementRows(table.slotOf(owner), table.keyBytes(owner), type.byte);
    const kind = kindOf(type, recordPart.element);
    const elementAt = rows.from.length;
    for await (const chunk of this.engine.iterate(rows, rowsAtOnce)) {
      if (this.closed) return;
      for (const [row, value] of chunk) {
        if (slice.isOver()) {
          await slice.laterTurn();
          if (this.closed) return;
        }
        if (table.findPart(owner, kind, row, elementAt, row.length - elementAt) !== noEntry) continue;
        if (!isPlainWithin(value, cut)) {
          const left = underCut(decodeRecord(value), cut);
          if (left.versions.length > 0 || left.context.size > 0) continue;
        }
        // An entry without a record: the round deletes its row, and then the entry goes.
        const entry = partition.collections.findOrInsert(collection, recordPart.element, row, elementAt, row.length - elementAt);
        table.setComplete(entry);
        collection.incomplete.delete(entry);
        partition.collections.judge(collection);
        this.mark(entry);
        this.swept++;
      }
    }
    if (collection.cut === cut) collection.unswept = false; // else more was deleted meanwhile
  }
}
