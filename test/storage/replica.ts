/**
 * A replica of one partition for histories of collections (collection-histories.test.ts, list-histories.test.ts): a Store on an engine and log files in memory that can be
 * killed and started again, and what passes between such replicas. A rule can be left out, to show that histories go wrong without it.
 */
import { recordPart, type RecordKey } from '../../protocol/record-key.js';
import { emptyClock, encodeRecord, type VectorClock } from '../../protocol/record.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import type { Dot } from '../../protocol/dot.js';
import type { torc } from '../../protocol/generated/messages.js';
import { slotOf } from '../../protocol/slot.js';
import { emptyRecord } from '../../storage/merge.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { noEntry } from '../../storage/key-table.js';
import { clockBytes, encodeAhead } from '../../storage/partition-clocks.js';
import type { Partition } from '../../storage/partition.js';
import type { Store } from '../../storage/store.js';
import { Transaction } from '../../storage/transaction.js';
import { plusDot, withoutActor } from '../../storage/vector-clock.js';
import { HandClock } from './log-fixtures.js';
import { openStore, type OpenedStore } from './store-fixtures.js';

export type Rule =
  | 'cut-before-batch' // else: a deletion covers its own batch, too
  | 'cut-by-seen' // else: it covers the maximum over the collection's elements instead of `seen`
  | 'purged'; // else: any version is taken from a peer, however old its record

/** Looks at everything that there is to be forgotten. */
const all = 1000;

/** The collection that a history is of. */
export interface Subject {
  readonly key: Buffer;
  /** A recordType. */
  readonly type: number;
}

export interface Batch {
  readonly bytes: Buffer;
  readonly dot: Dot;
  readonly heldBy: Set<Replica>;
}

export interface Message {
  to: Replica;
  readonly deliver: (to: Replica) => void;
}

export class Replica {
  private readonly clock = new HandClock();
  private engine = new MemoryEngine();
  private readonly files = new MemoryLogFiles();
  private opened: OpenedStore | undefined;
  private transaction: Transaction | undefined;

  constructor(
    private readonly subject: Subject,
    readonly actor: number,
    readonly without: Rule | undefined,
  ) {}

  get store(): Store {
    if (this.opened === undefined) throw new Error('not open');
    return this.opened.store;
  }

  get partition(): Partition {
    return this.store.partition(0);
  }

  /** From engine and log, as a killed process left them; everything is in memory then. */
  async open(): Promise<this> {
    if (this.opened !== undefined) this.engine = this.engine.reopened();
    this.opened = await openStore(this.engine, this.files, { clock: this.clock });
    this.transaction = new Transaction(() => ({ actor: this.actor, counter: this.store.hybridClock.next() }));
    if (this.without === 'purged') this.partition.raisePurged = () => undefined;
    let isLoaded = false;
    void this.store.loader.loadRecords(this.partition, 0, 16383).then(() => (isLoaded = true));
    while (!isLoaded) await this.clock.advance(0);
    return this;
  }

  async writeOut(): Promise<void> {
    let over = false;
    const writing = this.store.writeOut().finally(() => (over = true));
    while (!over) await this.clock.advance(0);
    await writing;
  }

  /** What there is of an element. */
  dots(element: Buffer): readonly Dot[] {
    const entry = this.partition.findRecord(this.keyOf(element));
    return entry === noEntry ? [] : (this.partition.recordOf(entry)?.versions ?? []);
  }

  /** Lets sweepers go on. */
  async sweep(turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await this.clock.advance(0);
  }

  /** Undefined when it wrote nothing. */
  write(body: (transaction: Transaction) => void): Batch | undefined {
    const { store, partition, transaction } = this;
    if (transaction === undefined) return undefined;
    transaction.begin(partition, 1, 0, 2);
    body(transaction);
    const dot = transaction.batchDot;
    if (dot === undefined) return undefined;
    this.plant(transaction, dot);
    store.writeBatch(partition, dot, 1, 1, transaction);
    let bytes = Buffer.alloc(0);
    store.endTurn((batches) => (bytes = Buffer.from(batches)));
    return { bytes, dot, heldBy: new Set([this]) };
  }

  private plant({ writes: { places, count } }: Transaction, dot: Dot): void {
    for (const one of places.slice(0, count)) {
      if (one.part !== recordPart.deleted || one.record === undefined) continue;
      if (this.without === 'cut-before-batch') one.record = { context: plusDot(one.record.context, dot), versions: [] };
      if (this.without === 'cut-by-seen') one.record = { context: withoutActor(this.top(), dot.actor), versions: one.record.versions };
    }
  }

  private top(): VectorClock {
    const owner = this.partition.find(this.subject.key);
    return owner === noEntry ? emptyClock : this.partition.topOf(owner);
  }

  apply({ bytes, heldBy }: Batch): void {
    heldBy.add(this);
    this.store.applyBatches(Buffer.from(bytes));
    this.store.endTurn(() => undefined);
  }

  /** The records beside the members, too, where no names are given. */
  transfer(named: readonly Buffer[] | undefined): torc.Transfer.$Shape {
    const { partition } = this;
    const wanted = named?.map((element) => partition.findRecord(this.keyOf(element))) ?? [...partition.recordEntries()];
    const held = wanted.flatMap((entry) => {
      const record = entry === noEntry ? undefined : partition.recordOf(entry);
      if (record === undefined) return [];
      const writer = new ByteWriter(64);
      encodeRecord(writer, record);
      return [{ key: partition.recordKeyOf(entry), record: writer.take() }];
    });
    const [key, record] = [held.map((one) => one.key), held.map((one) => one.record)];
    return { partition: 0, key, record, seen: clockBytes(partition.seen), purged: clockBytes(partition.purged) };
  }

  /** False: it was discarded. */
  take(transfer: torc.Transfer.$Shape): boolean {
    const taken = this.store.applyTransfer({ ...transfer });
    this.store.endTurn(() => undefined);
    return taken;
  }

  /** In pieces, of which one that is discarded spoils the comparison. */
  compareWith(peer: Replica): void {
    const whole = peer.transfer(undefined);
    const pieces = (whole.key ?? []).map((key, i) => ({ ...whole, key: [key], record: [whole.record?.[i] ?? Buffer.alloc(0)] }));
    const taken = pieces.map((piece) => this.take(piece));
    if (taken.includes(false)) return;
    this.take({ ...peer.transfer([]), complete: true, ahead: encodeAhead(peer.partition.ahead) });
  }

  purge(owners: readonly Replica[]): void {
    const seenByAll = new Map<number, number>();
    for (const [actor] of this.partition.seen)
      seenByAll.set(actor, Math.min(...owners.map(({ partition }) => partition.seen.get(actor) ?? 0)));
    this.store.forgetting.step(this.partition, seenByAll, all);
    this.store.endTurn(() => undefined);
  }

  /** A record is gone, and nothing says so. */
  lose(element: Buffer): void {
    const entry = this.partition.findRecord(this.keyOf(element));
    if (entry !== noEntry) this.partition.put(entry, emptyRecord);
  }

  private keyOf(element: Buffer): RecordKey {
    const { key, type } = this.subject;
    return { slot: slotOf(key), key, type, part: recordPart.element, element };
  }
}
