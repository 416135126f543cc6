/**
 * Brings records from the engine into memory: single keys and elements, gathered into one read per turn, whole collections, and whole partitions. What is in
 * memory already is merged with, never replaced: a batch may have arrived while the read was under way.
 */
import { decodeRecord } from '../protocol/record.js';
import { decodeRecordKey, recordPart, type RecordKey } from '../protocol/record-key.js';
import type { Collection } from './collection.js';
import { typeOfByte, typeOfKind } from './collection-types.js';
import type { Clock } from './clock.js';
import { StorageError, type Engine } from './engine.js';
import { decodeHeader } from './header-row.js';
import { noEntry, type KeyTable } from './key-table.js';
import { elementRow, elementRows, headerRow, keyOfHeader, slotRows, stringRow, table as tables } from './rows.js';
import { justAfter } from './loaded-ranges.js';
import { TurnSlice } from './turn-slice.js';
import type { Partition } from './partition.js';
import type { ElementRange } from './stream-reader.js';

/** Rows read, and merged, between two turns of the event loop. */
const sliceRows = 500;
/** Elements of a collection read at once at most. */
const sliceElements = 250;
/** Of a range at least so many. */
const rangeRowsLeast = 8;

const noElement = Buffer.alloc(0);

/** Whole partitions read at once: all of it stays in memory until it was used. */
const wholesAtOnce = 4;
/** Entries looked at before the event loop gets its turn. */
const sliceEntries = 5000;

/** A whole collection that is being read. */
interface CollectionLoad {
  readonly over: Promise<void>;
  /** Told after each chunk. */
  readonly watchers: (() => void)[];
}

/** The same for those who can share a read, however many elements they ask for. */
const nameOf = ({ from, to, backwards }: ElementRange): string =>
  `${backwards ? '<' : '>'}${from.length} ${from.toString('latin1')}${to.toString('latin1')}`;

interface WantedKey {
  readonly partition: Partition;
  readonly entry: number;
  readonly waiting: (() => void)[];
}

export class Loader {
  private wanted = new Map<string, WantedKey>();
  private readonly wholes = new Map<number, Promise<void>>();
  private wholesUnderWay = 0;
  /** Those who may begin to read a whole partition when another has been read. */
  private readonly wholesWaiting: (() => void)[] = [];
  /** Whole collections that are being read. */
  private readonly collections = new Map<Collection, CollectionLoad>();
  /** Ranges that are being read, by name. */
  private readonly ranges = new Map<Collection, Map<string, CollectionLoad>>();
  /** Collections whose elements get their rows. */
  private readonly completing = new Set<Collection>();
  /** The same of all records of partitions. */
  private readonly records = new Map<number, Promise<void>>();
  /** Records asked of the engine so far. */
  reads = 0;
  /** The engine may hold collections: else nobody asks for header rows. */
  hasCollections = false;

  constructor(
    private readonly engine: Engine,
    private readonly table: KeyTable,
    private readonly partition: (number: number) => Partition,
    private readonly onFailure: (error: StorageError) => void,
    private readonly clock: Clock,
  ) {}

  /** Calls `loaded` once `key` may be used (partition.isLoaded); its read goes out with the turn's others at flush(). */
  load(partition: Partition, key: Buffer, slot: number, loaded: () => void): void {
    const name = key.toString('latin1');
    const wanted = this.wanted.get(name);
    if (wanted !== undefined) {
      wanted.waiting.push(loaded);
      return;
    }
    partition.pins++; // the entry stays until its record has come
    const entry = partition.findOrInsert(key, 0, key.length, slot);
    this.wanted.set(name, { partition, entry, waiting: [loaded] });
  }

  /** Sends the gathered reads. */
  flush(): void {
    if (this.wanted.size === 0) return;
    const batch = [...this.wanted.values()];
    this.wanted = new Map();
    this.complete(batch.map(({ entry }) => entry)).then(
      () => {
        for (const { partition, waiting } of batch) {
          partition.pins--;
          for (const loaded of waiting) loaded();
        }
      },
      (error: unknown) => this.fail(error),
    );
  }

  /** Calls `loaded` once the record is in memory as it is on disk, or is known not to exist; a key's read goes out at flush(). */
  loadRecord(partition: Partition, recordKey: RecordKey, loaded: () => void): void {
    const { key, slot, type, part, element } = recordKey;
    if (!partition.isLoaded(key)) {
      this.load(partition, key, slot, () => this.loadRecord(partition, recordKey, loaded));
      return;
    }
    const collectionType = typeOfByte(type);
    const owner = partition.find(key);
    const collection = owner === noEntry || collectionType === undefined ? undefined : partition.collections.get(owner, collectionType);
    if (collection === undefined || part !== recordPart.element || partition.isRecordLoaded(recordKey)) loaded();
    else this.loadElements(partition, collection, [element], loaded);
  }

  /** Calls `loaded` once the elements are in memory as they are on disk, or are known not to exist. The collection's key is loaded. */
  loadElements(partition: Partition, collection: Collection, elements: readonly Buffer[], loaded: () => void): void {
    partition.pins++;
    const entries = elements.map((element) => partition.collections.findOrInsert(collection, recordPart.element, element));
    this.complete(entries).then(
      () => {
        partition.pins--;
        loaded();
      },
      (error: unknown) => this.fail(error),
    );
  }

  /** Resolves when every element of the collection is in memory: it stays whole until something of it is evicted. Its key is loaded. `goesOn` is told of each slice. */
  loadCollection(partition: Partition, collection: Collection, goesOn?: () => void): Promise<void> {
    if (collection.whole && collection.isCounted()) return Promise.resolve();
    let load = this.collections.get(collection);
    if (load === undefined) {
      const watchers: (() => void)[] = [];
      const over = this.readCollection(partition, collection, watchers)
        .catch((error: unknown) => {
          this.fail(error);
          throw error;
        })
        .finally(() => this.collections.delete(collection));
      load = { over, watchers };
      this.collections.set(collection, load);
    }
    if (goesOn !== undefined) load.watchers.push(goesOn);
    return load.over;
  }

  /**
   * Calls `loaded` once so many living elements of the range as it asks for are in memory, or all there are; or as many as another asks for, who was first: who needs more asks again. The
   * collection's key is loaded.
   */
  loadRange(partition: Partition, collection: Collection, range: ElementRange, loaded: () => void, goesOn?: () => void): void {
    partition.pins++;
    const name = nameOf(range);
    const loads = this.ranges.get(collection) ?? new Map<string, CollectionLoad>();
    let load = loads.get(name);
    if (load === undefined) {
      const watchers: (() => void)[] = [];
      const over = this.readRange(partition, collection, range, watchers).finally(() => {
        loads.delete(name);
        if (loads.size === 0) this.ranges.delete(collection);
      });
      load = { over, watchers };
      loads.set(name, load);
      this.ranges.set(collection, loads);
    }
    if (goesOn !== undefined) load.watchers.push(goesOn);
    load.over.then(
      () => {
        partition.pins--;
        loaded();
      },
      (error: unknown) => this.fail(error),
    );
  }

  /** Elements that came without their rows, as to a replica that has not read what others delete, get these before somebody has to wait for them; it is what writing behind would do. */
  completeSome(partition: Partition, collection: Collection): void {
    if (this.completing.has(collection)) return;
    this.completing.add(collection);
    this.completeAll(partition, collection)
      .catch((error: unknown) => this.fail(error))
      .finally(() => this.completing.delete(collection));
  }

  private async completeAll(partition: Partition, collection: Collection): Promise<void> {
    for (await this.nextTurn(); collection.incomplete.size > 0; await this.nextTurn()) await this.completeThose(partition, collection);
  }

  /** Calls `loaded` once the elements that have come without their rows have them. `goesOn` is told of each slice. */
  loadRows(partition: Partition, collection: Collection, loaded: () => void, goesOn: () => void): void {
    this.completeThose(partition, collection, goesOn).then(loaded, (error: unknown) => this.fail(error));
  }

  /** Others may come meanwhile. */
  private async completeThose(partition: Partition, collection: Collection, goesOn?: () => void): Promise<void> {
    partition.pins++;
    try {
      const entries = [...collection.incomplete];
      for (let at = 0; at < entries.length; at += sliceElements) {
        if (at > 0) await this.nextTurn();
        await this.complete(entries.slice(at, at + sliceElements));
        goesOn?.();
      }
    } finally {
      partition.pins--;
    }
  }

  private async readRange(
    partition: Partition,
    collection: Collection,
    { from, to, most, backwards }: ElementRange,
    watchers: readonly (() => void)[],
  ): Promise<void> {
    const { table } = this;
    const { owner, type } = collection;
    const rowOf = (element: Buffer): Buffer => elementRow(table.slotOf(owner), table.keyBytes(owner), type.byte, element);
    const elementAt = rowOf(noElement).length;
    // One more, and no fewer than a few: some of them may be dead.
    const atOnce = Math.min(sliceElements, most + rangeRowsLeast);
    let living = 0;
    let last: Buffer | undefined;
    const slice = new TurnSlice(this.clock);
    for await (const chunk of this.engine.iterate({ from: rowOf(from), to: rowOf(to) }, atOnce, backwards)) {
      this.reads += chunk.length;
      for (const [row, value] of chunk) {
        last = row.subarray(elementAt);
        if (partition.collections.take(collection, last, decodeRecord(value))) living++;
        if (slice.isOver()) await slice.nextTurn();
      }
      for (const goesOn of watchers) goesOn(); // each chunk may be one large element
      if (living >= most) break;
      last = undefined;
    }
    if (last === undefined) partition.collections.becameLoaded(collection, from, to);
    else if (backwards) partition.collections.becameLoaded(collection, Buffer.from(last), to);
    else partition.collections.becameLoaded(collection, from, justAfter(last));
  }

  private async readCollection(partition: Partition, collection: Collection, watchers: readonly (() => void)[]): Promise<void> {
    const { table } = this;
    const { owner, type } = collection;
    partition.pins++;
    try {
      const rows = elementRows(table.slotOf(owner), table.keyBytes(owner), type.byte);
      const slice = new TurnSlice(this.clock);
      for await (const chunk of this.engine.iterate(rows, sliceElements)) {
        this.reads += chunk.length;
        for (const [row, value] of chunk) {
          partition.collections.take(collection, row.subarray(rows.from.length), decodeRecord(value));
          if (slice.isOver()) await slice.nextTurn();
        }
        for (const goesOn of watchers) goesOn();
      }
      partition.collections.becameWhole(collection);
    } finally {
      partition.pins--;
    }
  }

  /** Merges the engine's records into entries that hold only what came since; none of them may be evicted meanwhile. The keys of elements with them. */
  async complete(entries: readonly number[]): Promise<void> {
    const { table } = this;
    const keys = new Set<number>();
    const elements: number[] = [];
    for (const entry of entries) {
      const isPart = table.kindOf(entry) !== 0;
      const key = isPart ? table.ownerOf(entry) : entry;
      if (!table.isComplete(key)) keys.add(key);
      if (isPart && !table.isComplete(entry)) elements.push(entry);
    }
    if (keys.size === 0 && elements.length === 0) return;
    const wanted = [...keys];
    const rows = wanted.map((entry) => stringRow(table.slotOf(entry), table.keyBytes(entry)));
    const headersAt = rows.length;
    const { hasCollections } = this;
    if (hasCollections) for (const entry of wanted) rows.push(headerRow(table.slotOf(entry), table.keyBytes(entry)));
    const elementsAt = rows.length;
    for (const entry of elements) {
      const owner = table.ownerOf(entry);
      rows.push(elementRow(table.slotOf(owner), table.keyBytes(owner), typeOfKind(table.kindOf(entry)).byte, table.keyBytes(entry)));
    }
    this.reads += rows.length;
    const values = await this.engine.getMany(rows);
    wanted.forEach((entry, i) => {
      completeKey(this.partition(table.partitionOf(entry)), entry, values[i], hasCollections ? values[headersAt + i] : undefined);
    });
    elements.forEach((entry, i) => {
      const value = values[elementsAt + i];
      this.partition(table.partitionOf(entry)).collections.complete(entry, value === undefined ? undefined : decodeRecord(value));
    });
  }

  /** Loads the whole partition, all elements of its collections with it. */
  loadRecords(partition: Partition, firstSlot: number, lastSlot: number): Promise<void> {
    let loading = this.records.get(partition.number);
    if (loading === undefined) {
      loading = this.readRecords(partition, firstSlot, lastSlot).finally(() => this.records.delete(partition.number));
      this.records.set(partition.number, loading);
    }
    return loading;
  }

  private async readRecords(partition: Partition, firstSlot: number, lastSlot: number): Promise<void> {
    partition.pins++;
    try {
      await this.loadPartition(partition, firstSlot, lastSlot);
      for (const key of partition.collections.keys) {
        for (const collection of partition.collections.of(key)) await this.loadCollection(partition, collection);
      }
    } finally {
      partition.pins--;
    }
  }

  /** Loads all keys of a partition, without the elements of collections: afterwards it is resident until a key is evicted. `firstSlot`..`lastSlot` are its slots. */
  loadPartition(partition: Partition, firstSlot: number, lastSlot: number): Promise<void> {
    if (partition.isResident) return Promise.resolve();
    let loading = this.wholes.get(partition.number);
    if (loading === undefined) {
      loading = this.loadWhole(partition, firstSlot, lastSlot)
        .catch((error: unknown) => {
          this.fail(error);
          throw error;
        })
        .finally(() => this.wholes.delete(partition.number));
      this.wholes.set(partition.number, loading);
    }
    return loading;
  }

  private async loadWhole(partition: Partition, firstSlot: number, lastSlot: number): Promise<void> {
    if (this.wholesUnderWay < wholesAtOnce) this.wholesUnderWay++;
    else await new Promise<void>((resolve) => this.wholesWaiting.push(resolve)); // and takes over the place of the one that ends
    partition.pins++;
    try {
      if (!partition.resident) await this.readKeys(partition, firstSlot, lastSlot);
      while (partition.collections.inDoubt.size > 0) {
        for (const collection of partition.collections.inDoubt) {
          if (collection.counted) await this.complete([collection.owner, ...collection.incomplete]);
          else await this.loadCollection(partition, collection);
          if (collection.isCounted() && partition.collections.inDoubt.has(collection))
            throw new Error('a collection that is counted is in doubt');
        }
      }
    } finally {
      partition.pins--;
      const next = this.wholesWaiting.shift();
      if (next === undefined) this.wholesUnderWay--;
      else next();
    }
  }

  private async readKeys(partition: Partition, firstSlot: number, lastSlot: number): Promise<void> {
    const headers = new Map<string, Buffer>();
    if (this.hasCollections) {
      for await (const chunk of this.engine.iterate(slotRows(tables.header, firstSlot, lastSlot), sliceRows)) {
        this.reads += chunk.length;
        for (const [row, value] of chunk) {
          const { slot, key } = keyOfHeader(row);
          partition.findOrInsert(key, 0, key.length, slot);
          headers.set(key.toString('latin1'), value);
        }
      }
    }
    const headerOf = (key: string): Buffer | undefined => headers.get(key);
    for await (const chunk of this.engine.iterate(slotRows(tables.record, firstSlot, lastSlot), sliceRows)) {
      this.reads += chunk.length;
      for (const [row, value] of chunk) {
        const { key, slot } = decodeRecordKey(row.subarray(1));
        completeKey(partition, partition.findOrInsert(key, 0, key.length, slot), value, headerOf(key.toString('latin1')));
      }
    }
    // Others come meanwhile, of which the engine has nothing; they stand before what was first.
    const [first = noEntry] = partition.entries.ids();
    let completed = 0;
    for (const entry of partition.entries.ids()) {
      completeKey(partition, entry, undefined, headerOf(this.table.nameOf(entry)));
      if (++completed % sliceEntries === 0) await this.nextTurn();
    }
    for (const entry of partition.entries.ids()) {
      if (entry === first) break;
      completeKey(partition, entry, undefined, undefined);
    }
    partition.resident = true;
    partition.hasHiddenContexts = false;
  }

  private nextTurn(): Promise<void> {
    return new Promise((resolve) => this.clock.after(0, resolve));
  }

  private fail(error: unknown): void {
    this.onFailure(error instanceof StorageError ? error : new StorageError('IO', 'the storage engine cannot be read', { cause: error }));
  }
}

/** `value` and `header` are the key's rows. Nothing happens when the entry was completed by another read meanwhile. */
function completeKey(partition: Partition, entry: number, value: Buffer | undefined, header: Buffer | undefined): void {
  if (partition.table.isComplete(entry)) return;
  partition.table.setComplete(entry);
  if (value !== undefined) partition.merge(entry, decodeRecord(value));
  const headers = header === undefined ? [] : decodeHeader(header);
  if (headers.length > 0 || partition.table.hasParts(entry)) partition.collections.adopt(entry, headers);
}
