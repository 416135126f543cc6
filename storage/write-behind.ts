/**
 * Feeds the engine behind the commit log, in rounds: engine batches with every entry that became dirty since the round before, of which the last one, synced, also
 * holds the clocks and facts that changed, and the log position up to which all of that is contained; then older log segments may go. Rounds begin by the log's growth, by time, or when memory is full: rare and large, so a key that is written a hundred times is written behind once.
 *
 * Invariant: clocks are encoded as of the round's position, records as of then or later, so `seen` is never durable ahead of the data. What was forgotten of a
 * record meanwhile goes with it, so `purged` is encoded after each batch's records: it is never behind them.
 */
import { ByteWriter } from '../protocol/byte-writer.js';
import { encodeRecordAround, plainHeadBytesMost } from '../protocol/record.js';
import { recordPart } from '../protocol/record-key.js';
import type { Clock, Timer } from './clock.js';
import { partOfKind } from './collection-types.js';
import { encodeHeader } from './header-row.js';
import type { CommitLog } from './commit-log.js';
import { StorageError } from './engine.js';
import type { HintStore } from './hint-store.js';
import type { KeyTable } from './key-table.js';
import type { Loader } from './loader.js';
import { emptyRecord } from './merge.js';
import type { PackedRows } from './packed-rows.js';
import { ChunkedList } from './chunked-list.js';
import { clockBytes, clockOf, encodePartitionClocks, restorePartitionClocks } from './partition-clocks.js';
import type { Partition } from './partition.js';
import type { PiecedEngine } from './pieced-engine.js';
import type { SlicedEntries } from './sliced-entries.js';
import { pagedBytesMost, partBytesMost, RoundParts, type RoundPart } from './round-parts.js';
import { maxClock } from './vector-clock.js';
import { isRoundDue } from './write-backlog.js';
import { factRow, headerRow, hintTotalsRow, partitionRow, positionRow, purgedRow, table as tables } from './rows.js';

/** A round begins when the log has grown by a part of write-backlog-max since the last one began, or when this much time has passed since something became dirty; or when memory is full, since what is dirty cannot leave it. */
const roundDelayMs = 60_000;
/** With memory full, rounds wait for this many dirty entries. */
const pressedEntries = 1000;
/** Entries encoded before the event loop gets its turn. */
const sliceEntries = 500;

export interface Recovered {
  /** No record is in the engine. */
  readonly empty: boolean;
  readonly facts: readonly (readonly [name: string, value: Buffer])[];
  /** Where in the log to go on. */
  readonly position: number;
}

export class WriteBehind {
  /** Entries of the key table; what is dirty is not evicted. */
  private dirty = new ChunkedList<number>(sliceEntries);
  private dirtyFacts = new Map<string, Buffer>();
  private readonly partitions = new Set<Partition>();
  private round = 1;
  private running: Promise<unknown> | undefined;
  private due = false;
  private timer: Timer | undefined;
  private finished = false;
  /** The disk refuses writes: no round begins by itself. */
  paused = false;
  /** Whose `purged` went to the engine in the round that is running, perhaps not for good. */
  private purgedInRound: Partition[] = [];
  private readonly parts: RoundParts;
  private roundPosition = 0;
  /** Up to where the engine has what the log has. */
  private writtenPosition = 0;
  rounds = 0;

  constructor(
    private readonly engine: PiecedEngine,
    private readonly clock: Clock,
    private readonly loader: Loader,
    private readonly table: KeyTable,
    private readonly hints: HintStore,
    private readonly sliced: SlicedEntries,
    private readonly partition: (number: number) => Partition,
    /** A round could not be written: all of it is to be written still. */
    private readonly onRefusal: (error: StorageError) => void,
    private readonly backlogBytesMax: number,
    private readonly partBytes: number = partBytesMost,
  ) {
    this.parts = new RoundParts(table, partition, partBytes);
  }

  /** Bytes of the log that the engine does not contain. */
  backlogBytes(log: CommitLog): number {
    return log.endPosition - this.writtenPosition;
  }

  get dirtyEntries(): number {
    return this.dirty.length;
  }

  /** Reads clocks and facts back. Rejects with StorageError. */
  async restore(): Promise<Recovered> {
    const [position, hintTotals] = await this.engine.getMany([positionRow, hintTotalsRow]);
    const facts: [string, Buffer][] = [];
    for await (const chunk of this.engine.iterate(tableRange(tables.fact))) {
      for (const [row, value] of chunk) facts.push([row.subarray(1).toString(), value]);
    }
    for await (const chunk of this.engine.iterate(tableRange(tables.partition))) {
      for (const [row, value] of chunk) restorePartitionClocks(this.partition(row.readUInt16BE(1)), value);
    }
    for await (const chunk of this.engine.iterate(tableRange(tables.purged))) {
      for (const [row, value] of chunk) {
        const partition = this.partition(row.readUInt16BE(1));
        partition.purged = maxClock(partition.purged, clockOf(value));
      }
    }
    const hasCollections = !(await this.engine.isEmpty(tableRange(tables.header)));
    this.loader.hasCollections = hasCollections;
    const empty = !hasCollections && (await this.engine.isEmpty(tableRange(tables.record)));
    this.hints.restore(hintTotals);
    this.roundPosition = this.writtenPosition = position === undefined ? 0 : position.readDoubleBE(0);
    return { empty, facts, position: this.roundPosition };
  }

  /** `entry` changed: the next round writes it. */
  mark(entry: number): void {
    if (this.table.dirtyOf(entry) === this.round) return;
    this.table.setDirty(entry, this.round);
    this.dirty.push(entry);
  }

  markFact(name: string, value: Buffer): void {
    this.dirtyFacts.set(name, value);
  }

  /** Partitions whose clocks a round has to look at. */
  watch(partition: Partition): void {
    this.partitions.add(partition);
  }

  /** Begins a round when one is due. Called at the end of each turn, when memory and log agree. */
  consider(log: CommitLog, memoryIsFull: boolean): void {
    if (this.finished || this.paused) return;
    if (this.timer === undefined && (this.dirty.length > 0 || this.dirtyFacts.size > 0)) {
      this.timer = this.clock.after(roundDelayMs, () => {
        this.due = true;
        this.timer = undefined;
        this.clock.atTurnEnd(() => this.consider(log, false));
      });
    }
    if (
      this.running !== undefined ||
      this.sliced.isWithin ||
      !(
        this.due ||
        (memoryIsFull && this.dirty.length > pressedEntries) ||
        isRoundDue(log.endPosition - this.roundPosition, this.backlogBytesMax)
      )
    )
      return;
    this.due = false;
    void this.begin(log);
  }

  /** A round of all that is dirty now. Rejects with the StorageError that it ended with. */
  async writeOut(log: CommitLog): Promise<void> {
    while (this.running !== undefined || this.sliced.isWithin) {
      await this.running;
      await new Promise<void>((resolve) => this.sliced.whenBetween(resolve));
      if (log.refusal !== undefined) throw log.refusal;
    }
    if (!this.finished) await this.demandRound(log);
  }

  /** Writes everything that is dirty and waits for it: the last round. Nothing may be written meanwhile or afterwards. Rejects as writeOut. */
  async finish(log: CommitLog): Promise<void> {
    this.finished = true;
    this.timer?.cancel();
    await this.running;
    await this.demandRound(log);
  }

  /** Opens the engine anew while nothing is on its way to it: what has been written and not synced may be gone then. Rejects with StorageError. */
  async reopen(): Promise<void> {
    while (this.running !== undefined) await this.running;
    await this.hints.between(() => this.engine.reopen()); // a round that begins meanwhile brings hints first, which wait for that
  }

  private async demandRound(log: CommitLog): Promise<void> {
    const error = await this.begin(log);
    if (error !== undefined) throw error;
  }

  /** Resolves with what the round failed with. */
  private begin(log: CommitLog): Promise<StorageError | undefined> {
    const round = this.runRound(log)
      .then(
        () => undefined,
        (error: unknown) => {
          const failure =
            error instanceof StorageError ? error : new StorageError('IO', 'writing behind to the storage engine failed', { cause: error });
          this.onRefusal(failure);
          return failure;
        },
      )
      .finally(() => (this.running = undefined));
    this.running = round;
    return round;
  }

  private async runRound(log: CommitLog): Promise<void> {
    log.flush();
    const { table } = this;
    const round = this.round++;
    const entries = this.dirty;
    const facts = this.dirtyFacts;
    const position = (this.roundPosition = log.endPosition);
    this.dirty = new ChunkedList(sliceEntries);
    this.dirtyFacts = new Map();
    const clocks: [Buffer, Buffer][] = [];
    const moved: Partition[] = [];
    this.purgedInRound = [];
    for (const partition of this.partitions) {
      if (!partition.clocksDirty) continue;
      partition.clocksDirty = false;
      moved.push(partition);
      clocks.push([partitionRow(partition.number), encodePartitionClocks(partition)]);
    }
    for (const [name, value] of facts) clocks.push([factRow(name), value]);
    const hintTotals = this.hints.totalsRow();
    if (hintTotals !== undefined) clocks.push(hintTotals as [Buffer, Buffer]);
    const emptied = new ChunkedList<number>(sliceEntries);
    try {
      await log.sync(); // the engine must not know more than the log would replay
      await this.hints.writeOut();
      const last = await this.writeRecords(entries, emptied);
      await this.encodeHeaders(last, emptied);
      const positionValue = Buffer.alloc(8);
      positionValue.writeDoubleBE(position);
      for (const [row, value] of clocks) last.puts.push(row, value);
      last.puts.push(positionRow, positionValue);
      this.addPurged(last.puts);
      await this.engine.write(last, { sync: true });
      this.parts.clear();
    } catch (error) {
      this.parts.clear();
      await this.takeBack(round, entries, facts, moved);
      throw error;
    }
    for (const slice of entries.chunks) {
      for (const entry of slice) if (table.dirtyOf(entry) === round) this.written(entry);
      await this.nextTurn();
    }
    await this.dropVacant(emptied);
    this.writtenPosition = position;
    this.rounds++;
    await log.dropBefore(position);
  }

  /** The engine may have some of the round, and nobody knows for how long: all of it is for the next one. */
  private async takeBack(
    round: number,
    entries: ChunkedList<number>,
    facts: ReadonlyMap<string, Buffer>,
    moved: readonly Partition[],
  ): Promise<void> {
    for (const [name, value] of facts) if (!this.dirtyFacts.has(name)) this.dirtyFacts.set(name, value);
    for (const partition of moved) partition.clocksDirty = true;
    for (const partition of this.purgedInRound) partition.purgedDirty = true;
    this.hints.totalsLost();
    for (const slice of entries.chunks) {
      for (const entry of slice) if (this.table.dirtyOf(entry) === round) this.mark(entry);
      await this.nextTurn();
    }
  }

  /**
   * Encodes the entries' records, and writes them as they fill a part, those of collections with their keys' header rows; returns the rest, for the batch that ends the
   * round. What a part brings the log will bring again if that batch never comes.
   */
  private async writeRecords(entries: ChunkedList<number>, emptied: ChunkedList<number>): Promise<RoundPart> {
    const { table } = this;
    const { parts } = this;
    parts.clear();
    const writer = new ByteWriter();
    const { valueBytesMost } = this.engine;
    const singleBytesMost = Math.min(pagedBytesMost, valueBytesMost) - plainHeadBytesMost;
    for (const slice of entries.chunks) {
      await this.loader.complete(slice.filter((entry) => table.isInUse(entry)));
      for (const entry of slice) {
        if (!table.isInUse(entry)) continue; // the engine never had it, and needs not
        const part = parts.of(entry);
        if (!this.hasRow(entry, part.owners)) continue;
        if (!table.hasRecord(entry)) part.delete(entry);
        else if (table.isSingle(entry) && table.valueLengthOf(entry) <= singleBytesMost) part.putSingle(entry);
        else {
          writer.reset();
          const rest = encodeRecordAround(writer, table.recordOf(entry) ?? emptyRecord, valueBytesMost);
          if (writer.length > this.partBytes) await this.nextTurn(); // its encoding has taken long enough
          const isLong = writer.length + (rest?.length ?? 0) > valueBytesMost;
          if (isLong) part.putLong(entry, writer.take(), rest);
          else part.put(entry, writer.view());
        }
        if (parts.isFull(part)) await this.writePart(part, emptied);
      }
      await this.nextTurn();
    }
    const [rest, other] = parts.ends();
    if (other !== undefined) await this.writePart(other, emptied);
    return rest;
  }

  private async writePart(part: RoundPart, emptied: ChunkedList<number>): Promise<void> {
    await this.encodeHeaders(part, emptied);
    this.addPurged(part.puts);
    await this.engine.write(part, { sync: false });
    part.clear();
  }

  /** What was forgotten of records that are among the puts goes with them. */
  private addPurged(puts: PackedRows): void {
    for (const partition of this.partitions) {
      if (!partition.purgedDirty) continue;
      partition.purgedDirty = false;
      this.purgedInRound.push(partition);
      puts.push(purgedRow(partition.number), clockBytes(partition.purged));
    }
  }

  /** Whether the entry has a row of its own; a collection's records beside its elements are in its key's header row. `owners` gets the keys of collections. */
  private hasRow(entry: number, owners: Set<number>): boolean {
    const { table } = this;
    const kind = table.kindOf(entry);
    if (kind === 0) {
      if (table.hasParts(entry)) owners.add(entry);
      return true;
    }
    owners.add(table.ownerOf(entry));
    if (partOfKind(kind) !== recordPart.element) return false;
    const { collections } = this.partition(table.partitionOf(entry));
    collections.hold(entry);
    collections.stored(entry);
    table.setUnwritten(entry, false);
    return true;
  }

  /**
   * What is said of a key's collections must be true of exactly the rows that are in the engine with it: so it is said after those of the same batch, and again with
   * each later one that has more of them. `emptied` gets the keys of which a collection has no header row any more.
   */
  private async encodeHeaders({ owners, puts, deletes }: RoundPart, emptied: ChunkedList<number>): Promise<void> {
    const { table } = this;
    let count = 0;
    for (const owner of owners) {
      const row = headerRow(table.slotOf(owner), table.keyBytes(owner));
      const { collections } = this.partition(table.partitionOf(owner));
      const headers = collections.headersOf(owner);
      if (headers.length < collections.of(owner).length || headers.length === 0) emptied.push(owner);
      if (headers.length === 0) deletes.push(row);
      else {
        this.loader.hasCollections = true;
        puts.push(row, encodeHeader(headers));
      }
      if (++count % sliceEntries === 0) await this.nextTurn();
    }
  }

  /** Collections of which nothing is left, and keys that had nothing else, go. */
  private async dropVacant(emptied: ChunkedList<number>): Promise<void> {
    const { table } = this;
    for (const owners of emptied.chunks) {
      for (const owner of owners) {
        if (!table.isInUse(owner) || table.kindOf(owner) !== 0 || !table.hasParts(owner)) continue;
        const partition = this.partition(table.partitionOf(owner));
        if (partition.pins > 0) continue;
        partition.collections.dropVacant(owner);
        if (!table.hasParts(owner) && !table.hasRecord(owner) && table.dirtyOf(owner) === 0) partition.removeEmpty(owner);
      }
      await this.nextTurn();
    }
  }

  /** The engine has the entry as it is. One without a record has no row any more, and no place in memory. */
  private written(entry: number): void {
    this.table.setDirty(entry, 0);
    if (this.table.hasRecord(entry) || !this.table.isInUse(entry)) return;
    const partition = this.partition(this.table.partitionOf(entry));
    if (partition.pins === 0) partition.removeEmpty(entry);
    else this.mark(entry); // somebody goes through the entries: with the next round
  }

  private nextTurn(): Promise<void> {
    return new Promise((resolve) => this.clock.after(0, resolve));
  }
}

function tableRange(name: number): { readonly from: Buffer; readonly to: Buffer } {
  return { from: Buffer.of(name), to: Buffer.of(name + 1) };
}
