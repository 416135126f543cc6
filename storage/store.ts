/**
 * A node's storage: partitions in memory, the commit log in front, the engine behind.
 *
 *   write:  stage in a Transaction -> encode once -> memory; endTurn: one log append for the whole turn
 *   behind: dirty entries and clocks go to the engine in large batches (write-behind.ts), which free old log segments
 *   read:   memory, else the engine in gathered reads (loader.ts); clean entries leave memory when it is full (evictor.ts)
 *
 * Invariant: whatever is in memory or in the engine was appended to the log before, so replaying the log from the engine's
 * position rebuilds all of it (merging is idempotent).
 */
import { BatchEncoder, type EncodedBatch } from '../protocol/batch.js';
import { BatchCursor } from '../protocol/batch-cursor.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import type { Bytes } from '../protocol/gathered-bytes.js';
import { FormatError } from '../protocol/format-error.js';
import { compareTerms, type Dot, type Term } from '../protocol/dot.js';
import { torc } from '../protocol/generated/messages.js';
import { recordType } from '../protocol/record-key.js';
import type { Clock } from './clock.js';
import type { Collection } from './collection.js';
import { CollectionOrders } from './collection-orders.js';
import { CollectionSweeper } from './collection-sweeper.js';
import { isDeletedKind, typeOfByte } from './collection-types.js';
import { CommitLog, type Durability } from './commit-log.js';
import { ConflictLog } from './conflict-log.js';
import { StorageError, type Engine } from './engine.js';
import { HintStore } from './hint-store.js';
import { HybridClock } from './hybrid-clock.js';
import { isShareable, KeyTable } from './key-table.js';
import { Loader } from './loader.js';
import type { LogFiles } from './log-files.js';
import { Forgetting } from './forgetting.js';
import { emptyRecord, newestTerm } from './merge.js';
import { Partition } from './partition.js';
import { PiecedEngine } from './pieced-engine.js';
import { withPayloadsOf } from './payload-choice.js';
import { assertKnown, decodeTransfer, flagged, gatheredTransfer, transferFlags, type DecodedTransfer } from './received-records.js';
import { RecordScan } from './record-scan.js';
import { SlicedEntries, type AppendEnd } from './sliced-entries.js';
import type { Staged } from './staged-writes.js';
import type { Transaction } from './transaction.js';
import { isBehind, writeBacklogMaxDefault, writeDelayMs } from './write-backlog.js';
import { WriteBehind } from './write-behind.js';
import { DiskTrouble } from './disk-trouble.js';
import type { DurationHistogram } from './duration-histogram.js';
import { Evictor } from './evictor.js';

/** Kinds of log entries; fixed on disk. */
const entryKind = { batches: 1, transfer: 2, promised: 3, fact: 4, keptHint: 5, letGoHints: 6, slice: 7, slicesEnd: 8 } as const;

const ceilingFact = 'clock-ceiling';

/** Above this a batch is logged in slices: a mebibyte of memory that the system has yet to give costs up to four milliseconds for each copy. */
const largeBatchBytes = 512 * 1024;
/** A slice is half of that, and what stands around values: one of a mebibyte goes in four slices, not in five. */
const sliceToLargeBatch = 33 / 64;
const longToLargeBatch = 1 / 32;
/** Values of more bytes are not copied into a large batch. */
const copiedBytesMost = 256 * 1024;

export interface StoreOptions {
  readonly engine: Engine;
  readonly logFiles: LogFiles;
  readonly clock: Clock;
  readonly durability: Durability;
  /** Memory for entries; more may be held while it cannot be written out yet. */
  readonly cacheBytesMax: number;
  /** Of the key table's hash: a random 32-bit integer. */
  readonly hashSeed: number;
  /** Of the log that the engine may lack (write-backlog.ts); 768 MiB unless told otherwise. */
  readonly writeBacklogMax?: number | undefined;
  /** What a large batch is; by default largeBatchBytes. */
  readonly largeBatchBytes?: number | undefined;
  /** Records that are written behind at once; by default those of round-parts.ts. */
  readonly roundPartBytes?: number | undefined;
  /** Of a record in the engine that is larger; by default that of pieced-engine.ts. */
  readonly enginePieceBytes?: number | undefined;
  /** What the disk holds cannot be read, or more waits for it than memory has room for: the node has to stop. A disk that refuses writes is no such case (`trouble`). */
  readonly onFailure: (error: StorageError) => void;
}

/** Bytes of log entries that wait in memory for a disk that refuses writes, besides those of the turn that it refused. Nearly nothing comes meanwhile. */
const waitingBytesMax = 64 * 1024 * 1024;

/** Hears what became of each part of the batches that a peer sent. */
export interface AppliedListener {
  /**
   * The part of the batch (actor, counter) was stored. `superseded`: a newer term was promised, so it counts for nothing.
   * `gap`: it lies beyond a gap, which has to be asked for.
   */
  applied(partition: number, actor: number, counter: number, superseded: boolean, gap: boolean): void;
}

export class Store {
  readonly hybridClock: HybridClock;
  readonly loader: Loader;
  readonly evictor: Evictor;
  /** What this node keeps for others. */
  readonly hints: HintStore;
  readonly scan: RecordScan;
  readonly forgetting: Forgetting;
  readonly table: KeyTable;
  readonly conflicts: ConflictLog;
  /** Puts large collections in the order of HSCAN. */
  readonly orders: CollectionOrders;
  private readonly sweeper: CollectionSweeper;
  private readonly cursor = new BatchCursor();
  private readonly partitions = new Map<number, Partition>();
  /** The same for the hot path. */
  private readonly byNumber: (Partition | undefined)[] = [];
  private readonly facts = new Map<string, Buffer>();
  private readonly encoder = new BatchEncoder(new ByteWriter(65536));
  private readonly writeBehind: WriteBehind;
  private readonly sliced: SlicedEntries;
  private readonly largeBatchBytes: number;
  /** Large transfers whose slices are in the log: how each is ended. */
  private readonly prepared = new Map<torc.Transfer.$Shape, AppendEnd>();
  private log: CommitLog | undefined;
  /** Whether the disk refuses writes, and how that ends. */
  readonly trouble: DiskTrouble;
  private readonly refused = (error: StorageError): void => {
    this.writeBehind.paused = true;
    this.trouble.met(error);
  };
  /** Of the turns that the log has taken whole. */
  private turn = 1;
  private hasGivenUp = false;
  /** Bytes that waited at the end of the turn that the log refused, which may be one large entry. */
  private refusedBytes: number | undefined = undefined;
  /** The engine holds no record at all, so every partition is whole in memory from the start. */
  private engineIsEmpty = false;
  memoryBytes = 0;
  private readonly writeBacklogMax: number;
  private readonly account = (bytes: number): void => {
    this.memoryBytes += bytes;
  };
  private readonly markEntry = (entry: number): void => this.writeBehind.mark(entry);
  private readonly toSweep = (partition: Partition, collection: Collection): void => this.sweeper.add(partition, collection);
  private readonly toComplete = (partition: Partition, collection: Collection): void => {
    if (this.log !== undefined) this.loader.completeSome(partition, collection); // what is replayed waits for the first round
  };

  private constructor(
    private readonly options: StoreOptions,
    private readonly engine: PiecedEngine,
  ) {
    this.writeBacklogMax = options.writeBacklogMax ?? writeBacklogMaxDefault;
    this.trouble = new DiskTrouble(
      options.clock,
      () => this.mend(),
      (error) => options.onFailure(error),
    );
    this.hybridClock = new HybridClock(options.clock, 0, () => this.raiseCeiling());
    this.table = new KeyTable(options.hashSeed);
    this.conflicts = new ConflictLog(options.clock);
    const partition = (number: number): Partition => this.partition(number);
    this.orders = new CollectionOrders(options.clock, this.table);
    this.sweeper = new CollectionSweeper(engine, options.clock, this.table, this.markEntry, (error) => options.onFailure(error));
    this.loader = new Loader(engine, this.table, partition, (error) => options.onFailure(error), options.clock);
    this.evictor = new Evictor(this.table, partition, options.cacheBytesMax, options.clock);
    this.scan = new RecordScan(engine, options.clock, this.table, (entry) => this.writeBehind.mark(entry));
    this.forgetting = new Forgetting(engine, this.table, this.loader, this.markEntry);
    this.hints = new HintStore(
      engine,
      (kind, payload) => this.commitLog.append(kind === 'kept' ? entryKind.keptHint : entryKind.letGoHints, payload),
      this.refused,
    );
    this.largeBatchBytes = options.largeBatchBytes ?? largeBatchBytes;
    this.sliced = new SlicedEntries(
      options.clock,
      {
        appendSlice: (header, bytes) => this.commitLog.append(entryKind.slice, header, bytes),
        appendEnd: (payload) => this.commitLog.append(entryKind.slicesEnd, payload),
        flush: () => this.commitLog.flush(),
        isHeld: () => this.isHeld,
        between: () => this.considerRound(),
      },
      (error) => {
        if (!(error instanceof StorageError)) throw error;
        options.onFailure(error);
      },
      Math.ceil(sliceToLargeBatch * this.largeBatchBytes),
    );
    this.writeBehind = new WriteBehind(
      engine,
      options.clock,
      this.loader,
      this.table,
      this.hints,
      this.sliced,
      partition,
      this.refused,
      this.writeBacklogMax,
      options.roundPartBytes,
    );
  }

  /** Recovers what engine and log hold. Rejects with StorageError when they are damaged, locked or newer than this version. */
  static async open(options: StoreOptions): Promise<Store> {
    const store = new Store(options, await PiecedEngine.over(options.engine, options.clock, options.enginePieceBytes));
    const recovered = await store.writeBehind.restore();
    store.engineIsEmpty = recovered.empty;
    for (const [name, value] of recovered.facts) store.facts.set(name, value);
    const { durability, clock } = options;
    try {
      store.log = await CommitLog.open(
        options.logFiles,
        { segmentBytesMax: 64 * 1024 * 1024, durability, clock, onRefusal: store.refused },
        recovered.position,
        (kind, payload) => store.replay(kind, payload),
      );
    } catch (error) {
      store.trouble.close(); // it does not start
      throw error;
    }
    store.sliced.replayed();
    store.conflicts.isReplaying = false;
    store.hybridClock.raise(Number(store.facts.get(ceilingFact)?.toString() ?? 0));
    store.raiseCeiling();
    store.commitLog.flush();
    return store;
  }

  /** The log's file takes nothing: what is written now is in memory alone, and must not be told of. */
  get isHeld(): boolean {
    return this.log?.refusal !== undefined;
  }

  /** How often the log's file has begun to take nothing. */
  get refusals(): number {
    return this.log?.refusals ?? 0;
  }

  /** Some of what memory holds of the partition is not in the log, since the disk refused it. If the process dies it never was: so nobody may be told of it. */
  isUnlogged(partition: Partition): boolean {
    return this.isHeld && (partition.writtenInTurn === this.turn || partition.slicing > 0);
  }

  /** Brings the disk to where memory is: the log goes on in a new segment, and the engine gets all that it lacks, for nobody knows what the old segments hold. */
  private async mend(): Promise<void> {
    const { commitLog, writeBehind } = this;
    await commitLog.renew();
    commitLog.flush(); // what came while it was renewed
    if (commitLog.refusal !== undefined) throw commitLog.refusal;
    this.turn++;
    this.sliced.resume();
    await writeBehind.reopen();
    await writeBehind.writeOut(commitLog);
    commitLog.vouch(); // unless it has refused once more meanwhile, which is one more attempt
    writeBehind.paused = false;
  }

  /** What a turn's end has appended needs no sync to count as written. */
  get isDurableOnceAppended(): boolean {
    return this.options.durability !== 'always';
  }

  /** Bytes that were cut off the log's torn tail when it was opened. */
  get tornBytes(): number {
    return this.commitLog.tornBytes;
  }

  partition(number: number): Partition {
    const known = this.byNumber[number];
    if (known !== undefined) return known;
    let partition = this.partitions.get(number);
    if (partition === undefined) {
      partition = new Partition(number, this.table, this.account, this.conflicts, this.markEntry, this.toSweep, this.toComplete);
      partition.resident = this.engineIsEmpty;
      this.partitions.set(number, partition);
      this.byNumber[number] = partition;
      this.writeBehind.watch(partition);
    }
    return partition;
  }

  /**
   * Writes what the transaction has staged as one batch of one part: to memory at once, to the log at the turn's end. Returns where the
   * batch lies in the bytes that endTurn will hand out. For what `isLarge` says is too large for that there is writeLargeBatch.
   */
  writeBatch(
    partition: Partition,
    dot: Dot,
    term: number,
    epoch: number,
    { writes: { places: staged, count: stagedCount } }: Transaction,
  ): EncodedBatch {
    const { encoder } = this;
    encoder.begin(dot.actor, dot.counter);
    const prev = partition.seen.get(dot.actor) ?? 0;
    encoder.part(partition.number, epoch, term, prev);
    for (let i = 0; i < stagedCount; i++) {
      const { entry, key, slot, record, bytes, expiresAtMs, deletes, deletionTerm, type, part, element } = staged[i] as Staged;
      if (type !== recordType.string) partition.collections.hold(entry); // this batch's deletion may just have condemned it
      if (deletes) {
        encoder.tombstone(slot, key, type, part, element, deletionTerm);
        partition.putTombstone(entry, dot.actor, dot.counter, deletionTerm);
      } else if (record === undefined) {
        encoder.plain(slot, key, type, part, element, term, expiresAtMs, bytes);
        partition.putPlain(entry, dot.actor, dot.counter, term, expiresAtMs, bytes, 0, bytes.length);
      } else {
        encoder.record(slot, key, type, part, element, record);
        partition.merge(entry, record); // a counter's record carries its actor's sum alone: the other sums stay beside it
      }
      this.writeBehind.mark(entry);
      partition.leaves?.touch(key, 0, key.length, element);
    }
    partition.note(dot.actor, dot.counter, prev);
    partition.writtenInTurn = this.turn;
    return encoder.end();
  }

  /** What the transaction has staged is too large to be among its turn's batches. */
  isLarge(transaction: Transaction): boolean {
    return transaction.stagedBytes > this.largeBatchBytes;
  }

  /** A batch of so many bytes, 16 KiB or more, is of hundreds of records, or of a value that takes as long to be copied and sent. */
  isLong(bytes: number): boolean {
    return bytes >= this.largeBatchBytes * longToLargeBatch;
  }

  /** The same for a large batch, which is returned and shares its large values with memory: to memory at once, and to the log by logLarge. */
  writeLargeBatch(partition: Partition, dot: Dot, term: number, epoch: number, transaction: Transaction): Bytes {
    const { places: staged, count: stagedCount } = transaction.writes;
    const encoder = new BatchEncoder(new ByteWriter(65536), copiedBytesMost);
    encoder.begin(dot.actor, dot.counter);
    const prev = partition.seen.get(dot.actor) ?? 0;
    encoder.part(partition.number, epoch, term, prev);
    for (let i = 0; i < stagedCount; i++) {
      const { entry, key, slot, record, bytes, expiresAtMs, deletes, deletionTerm, type, part, element } = staged[i] as Staged;
      if (type !== recordType.string) partition.collections.hold(entry); // this batch's deletion may just have condemned it
      if (deletes) {
        encoder.tombstone(slot, key, type, part, element, deletionTerm);
        partition.putTombstone(entry, dot.actor, dot.counter, deletionTerm);
      } else if (record === undefined) {
        encoder.plain(slot, key, type, part, element, term, expiresAtMs, bytes);
        if (isShareable(bytes)) partition.sharePlain(entry, dot.actor, dot.counter, term, expiresAtMs, bytes);
        else partition.putPlain(entry, dot.actor, dot.counter, term, expiresAtMs, bytes, 0, bytes.length);
      } else {
        encoder.record(slot, key, type, part, element, record);
        partition.merge(entry, record);
      }
      this.writeBehind.mark(entry);
      partition.leaves?.touch(key, 0, key.length, element);
    }
    partition.note(dot.actor, dot.counter, prev);
    partition.writtenInTurn = this.turn;
    encoder.end();
    return encoder.takeGathered();
  }

  /** Brings a large batch of the partition to the log, over several turns; `appended` is called in the turn that appends the last of it: then whenDurable is about it. */
  logLarge(partition: Partition, batch: Bytes, appended: () => void): void {
    partition.slicing++;
    const flushed = (): void => {
      partition.slicing--;
      appended();
    };
    this.sliced.write(batch, (end) => end(entryKind.batches, 0), flushed);
  }

  /**
   * As applyBatches, for batches of any size: `bytes`, which are given away, are logged over several turns, then merged and heard of by `listener`, and at last
   * `applied` is called. Throws FormatError before anything happens.
   */
  applyLargeBatches(bytes: Buffer, listener: AppliedListener, applied: () => void): void {
    this.check(bytes);
    const whole = (end: AppendEnd): void => {
      end(entryKind.batches, 0);
      this.apply(bytes, listener, true);
    };
    this.sliced.write(bytes, whole, applied);
  }

  /**
   * Applies batches from a peer, encoded back to back, and appends the same bytes to the log. `listener` hears of each part. `bytes` are borrowed.
   * Throws FormatError before anything of a malformed frame is applied.
   */
  applyBatches(bytes: Buffer, listener?: AppliedListener): void {
    this.check(bytes); // what cannot be understood must not reach the log, where it would stop every start
    this.commitLog.append(entryKind.batches, bytes);
    this.apply(bytes, listener);
  }

  /**
   * Merges records that a peer sent with its `seen` (read repair, comparison, take-over) and logs them. Returns false when one was
   * discarded as possibly older than what was purged here: it has to be fetched anew. `replaces`: where a version held here has the same
   * dot, its payload becomes that of the transfer. Throws FormatError.
   */
  applyTransfer(transfer: torc.Transfer.$Shape, replaces = false): boolean {
    transfer.replaces = replaces; // no peer says so
    const end = this.prepared.get(transfer);
    if (end !== undefined) {
      this.prepared.delete(transfer);
      const decoded = decodeTransfer(transfer as torc.Transfer);
      end(entryKind.transfer, transferFlags(transfer));
      return this.mergeTransfer(decoded);
    }
    const bytes = torc.Transfer.encode(transfer).finish() as Buffer;
    const decoded = decodeTransfer(torc.Transfer.decode(bytes)); // what cannot be decoded must not reach the log
    this.commitLog.append(entryKind.transfer, bytes);
    return this.mergeTransfer(decoded);
  }

  /** One of the transfers is too large to be taken in this turn. */
  hasToPrepare(transfers: readonly torc.Transfer[]): boolean {
    return transfers.some((transfer) => this.isLargeTransfer(transfer));
  }

  /**
   * Brings the large one of `transfers`, which a peer sent in one message, to the log, over several turns, and then calls `taken`, within which applyTransfer
   * has but to end it there.
   */
  prepareTransfers(transfers: readonly torc.Transfer[], taken: () => void): void {
    const first = transfers.find((transfer) => this.isLargeTransfer(transfer));
    if (first === undefined) return taken();
    this.sliced.write(gatheredTransfer(first), (end) => {
      this.prepared.set(first, end);
      taken();
      this.prepared.delete(first);
    });
  }

  private isLargeTransfer({ record }: torc.Transfer): boolean {
    return record.reduce((sum, { length }) => sum + length, 0) > this.largeBatchBytes;
  }

  /** Promises `term` in those of `numbers` where no newer one was promised, and logs it; returns them. */
  promise(numbers: readonly number[], term: Term): number[] {
    this.hybridClock.raise(term.counter);
    const promised = numbers.filter((number) => this.partition(number).promise(term.counter, term.actor));
    for (const number of promised) this.partition(number).writtenInTurn = this.turn;
    if (promised.length > 0) {
      const entry = torc.Promised.encode({ termCounter: term.counter, termActor: term.actor, partition: promised }).finish() as Buffer;
      this.commitLog.append(entryKind.promised, entry);
    }
    return promised;
  }

  fact(name: string): Buffer | undefined {
    return this.facts.get(name);
  }

  /** Those whose names begin so, with what follows in their names. */
  *factsNamed(prefix: string): IterableIterator<readonly [rest: string, value: Buffer]> {
    for (const [name, value] of this.facts) if (name.startsWith(prefix)) yield [name.slice(prefix.length), value];
  }

  /** Remembers a small fact; durable as the log's mode says once whenDurable calls back. */
  setFact(name: string, value: Buffer): void {
    this.facts.set(name, value);
    this.commitLog.append(entryKind.fact, torc.Fact.encode({ name, value }).finish() as Buffer);
    this.writeBehind.markFact(name, value);
  }

  /** Batches of this node's own were written in this turn. */
  get hasWritten(): boolean {
    return this.encoder.writer.length > 0;
  }

  /**
   * Ends a turn: appends all its batches to the log with one write. `send` gets the turn's own batches, back to back, borrowed until it
   * returns: a batch is in the log before any peer hears of it. Where the disk refuses (`isHeld`) they wait in memory, and `send` gets nothing.
   */
  endTurn(send: (batches: Buffer) => void): void {
    const { writer } = this.encoder;
    this.raiseCeiling();
    if (writer.length > 0) {
      const batches = writer.view();
      this.commitLog.append(entryKind.batches, batches);
      this.commitLog.flush();
      if (!this.isHeld) send(batches);
      writer.reset();
    } else this.commitLog.flush();
    if (!this.isHeld) {
      this.turn++;
      this.refusedBytes = undefined;
    } else {
      this.refusedBytes ??= this.commitLog.waitingBytes;
      if (this.commitLog.waitingBytes - this.refusedBytes > waitingBytesMax) this.giveUp();
    }
    this.loader.flush();
    this.evictor.step(this.memoryBytes);
    this.considerRound();
  }

  /** Memory does not hold more for a disk that refuses it. */
  private giveUp(): void {
    if (this.hasGivenUp) return;
    this.hasGivenUp = true;
    const { reason } = this.trouble;
    this.options.onFailure(new StorageError('IO', `${waitingBytesMax} bytes wait for a disk that refuses them`, { cause: reason }));
  }

  private considerRound(): void {
    this.writeBehind.consider(this.commitLog, this.memoryBytes > this.options.cacheBytesMax);
  }

  /** How long a turn's writes have to wait for those of the turn before, ms: 0 as long as the engine keeps up with them. */
  get writeDelayMs(): number {
    return writeDelayMs(this.writeBehind.backlogBytes(this.commitLog), this.writeBacklogMax);
  }

  /** Whether the engine is so far behind that no writes are to be taken, given whether that was so. */
  isBehind(was: boolean): boolean {
    return isBehind(this.writeBehind.backlogBytes(this.commitLog), this.writeBacklogMax, was);
  }

  /** Calls back when all that was appended so far is as durable as the mode asks. */
  whenDurable(callback: () => void): void {
    this.commitLog.whenDurable(callback);
  }

  /** Resolves when the engine has all that is in memory now. */
  writeOut(): Promise<void> {
    return this.writeBehind.writeOut(this.commitLog);
  }

  /** Drops versions of keys that are in memory and complete, as if they had never been here: nothing that they or their contexts cover is known any more. */
  dropVersions(partition: Partition, entry: number, isDropped: (version: Dot) => boolean): void {
    const record = this.table.recordOf(entry);
    if (record === undefined) return;
    if (isDeletedKind(this.table.kindOf(entry))) return; // it goes by itself, once what it covers is swept
    partition.put(entry, { context: record.context, versions: record.versions.filter((version) => !isDropped(version)) });
    this.writeBehind.mark(entry);
    partition.touchLeaf(entry);
  }

  /** Writes everything behind and closes log and engine. Rejects with StorageError when the disk refuses that: then it was no clean end. */
  async close(): Promise<void> {
    this.trouble.close();
    this.sliced.close();
    this.commitLog.flush();
    this.sweeper.close();
    try {
      await this.writeBehind.finish(this.commitLog);
    } finally {
      try {
        await this.commitLog.close();
      } finally {
        await this.engine.close();
      }
    }
  }

  /** Figures for INFO and metrics. */
  statistics(): {
    readonly memoryBytes: number;
    readonly dirtyEntries: number;
    readonly logBytes: number;
    readonly logKeptBytes: number;
    /** Of the log, that the engine does not have. */
    readonly backlogBytes: number;
    readonly writeDelayMs: number;
    readonly logSyncs: number;
    readonly evictedEntries: number;
    readonly flushes: number;
    readonly loads: number;
    readonly rowsRewritten: number;
    /** Collections of which a deletion has left something to be swept. */
    readonly collectionsToSweep: number;
    readonly elementsSwept: number;
    readonly contextsHeld: number;
    readonly partitionsToLookThrough: number;
    readonly tombstonesPurged: number;
    readonly contextsDropped: number;
  } {
    let contextsHeld = 0;
    let partitionsToLookThrough = 0;
    for (const { contexts, hasHiddenContexts } of this.partitions.values()) {
      contextsHeld += contexts;
      if (hasHiddenContexts) partitionsToLookThrough++;
    }
    return {
      contextsHeld,
      partitionsToLookThrough,
      tombstonesPurged: this.forgetting.tombstones,
      contextsDropped: this.forgetting.contexts,
      memoryBytes: this.memoryBytes,
      dirtyEntries: this.writeBehind.dirtyEntries,
      logBytes: this.commitLog.endPosition,
      logKeptBytes: this.commitLog.keptBytes,
      backlogBytes: this.writeBehind.backlogBytes(this.commitLog),
      writeDelayMs: this.writeDelayMs,
      logSyncs: this.commitLog.syncs,
      evictedEntries: this.evictor.evicted,
      flushes: this.writeBehind.rounds,
      loads: this.loader.reads,
      rowsRewritten: this.scan.rowsRewritten,
      collectionsToSweep: this.sweeper.waiting,
      elementsSwept: this.sweeper.swept,
    };
  }

  /** How long the log's writes and syncs took. */
  get logTimes(): { readonly append: DurationHistogram; readonly sync: DurationHistogram } {
    const { appendTimes, syncTimes } = this.commitLog;
    return { append: appendTimes, sync: syncTimes };
  }

  private get commitLog(): CommitLog {
    if (this.log === undefined) throw new Error('the store is used before its log is open');
    return this.log;
  }

  private raiseCeiling(): void {
    const ceiling = this.hybridClock.needsCeiling();
    if (ceiling === undefined) return;
    this.setFact(ceilingFact, Buffer.from(String(ceiling)));
    this.hybridClock.ceilingDurable(ceiling);
  }

  private replay(kind: number, payload: Buffer): void {
    if (kind === entryKind.batches) this.apply(payload);
    else if (kind === entryKind.slice) this.sliced.replaySlice(payload);
    else if (kind === entryKind.slicesEnd) {
      const entry = this.sliced.replayEnd(payload);
      if (entry.kind === entryKind.batches) this.apply(entry.bytes, undefined, true);
      else if (entry.kind === entryKind.transfer)
        this.mergeTransfer(decodeTransfer(flagged(torc.Transfer.decode(entry.bytes), entry.flags)));
      else throw new Error(`slices of a log entry of unknown kind ${entry.kind}`);
    } else if (kind === entryKind.transfer) this.mergeTransfer(decodeTransfer(torc.Transfer.decode(payload)));
    else if (kind === entryKind.promised) {
      const { termCounter, termActor, partition } = torc.Promised.decode(payload);
      this.hybridClock.raise(termCounter);
      for (const number of partition) this.partition(number).promise(termCounter, termActor);
    } else if (kind === entryKind.fact) {
      const { name, value } = torc.Fact.decode(payload);
      this.facts.set(name, Buffer.from(value));
      this.writeBehind.markFact(name, Buffer.from(value));
    } else if (kind === entryKind.keptHint) this.hints.replayKept(payload);
    else if (kind === entryKind.letGoHints) this.hints.replayLetGo(payload);
    else throw new Error(`log entry of unknown kind ${kind}`);
  }

  private mergeTransfer({ partition: number, term, records, seen, complete, ahead, purged, replaces }: DecodedTransfer): boolean {
    const partition = this.partition(number);
    partition.writtenInTurn = this.turn;
    let taken = true;
    for (const { slot, key, type, part, element, record } of records) {
      for (const version of record.versions) this.hybridClock.raise(version.counter);
      // Whoever holds what was written in a term runs nothing in an older one: what it saw would bury some of what it makes of it (merge.ts).
      const newest = newestTerm(record);
      this.hybridClock.raise(newest.counter);
      partition.promise(newest.counter, newest.actor);
      const entry = partition.recordEntry(slot, key, type, part, element);
      if (!partition.mergeFromPeer(entry, record, seen)) taken = false;
      if (replaces) partition.put(entry, withPayloadsOf(this.table.recordOf(entry) ?? emptyRecord, record));
      partition.touched?.add(entry);
      this.writeBehind.mark(entry);
      partition.leaves?.touch(key, 0, key.length, element);
    }
    if (complete && taken) {
      for (const counter of seen.values()) this.hybridClock.raise(counter);
      partition.raiseSeen(seen, ahead, purged);
    }
    if (compareTerms(term, partition.promised) > 0) partition.promise(term.counter, term.actor);
    return taken;
  }

  /** Throws FormatError when the batches are not whole, or hold what this release does not know. */
  private check(bytes: Buffer): void {
    const { cursor } = this;
    cursor.reset(bytes);
    while (cursor.nextBatch()) {
      while (cursor.nextPart()) {
        while (cursor.nextRecord()) {
          assertKnown(cursor.type, cursor.part, bytes, cursor.elementAt, cursor.elementLength);
          if (!cursor.readPlain()) cursor.record(false);
        }
      }
    }
    cursor.clear();
  }

  /** Merges batches into memory; what `seen` covers is a duplicate. They have been checked, or stand in the log. `mayShare`: `bytes` are given away. */
  private apply(bytes: Buffer, listener?: AppliedListener, mayShare = false): void {
    const { cursor } = this;
    cursor.reset(bytes);
    while (cursor.nextBatch()) {
      const { actor, counter } = cursor;
      this.hybridClock.raise(counter);
      while (cursor.nextPart()) {
        const partition = this.partition(cursor.partition);
        partition.writtenInTurn = this.turn;
        const superseded = !partition.promise(cursor.term, actor);
        const isNew = !partition.hasSeenOf(actor, counter);
        while (cursor.nextRecord()) if (isNew) this.applyRecord(partition, cursor, mayShare);
        const gap = isNew && !partition.note(actor, counter, cursor.prev);
        listener?.applied(cursor.partition, actor, counter, superseded, gap);
      }
    }
    cursor.clear();
  }

  private applyRecord(partition: Partition, cursor: BatchCursor, mayShare: boolean): void {
    const { bytes, keyAt, keyLength } = cursor;
    const owner = partition.findOrInsert(bytes, keyAt, keyLength, cursor.slot);
    const isPlain = cursor.readPlain();
    const entry = cursor.type === recordType.string ? owner : this.partEntry(partition, owner, cursor, isPlain ? cursor.plainLength : 0);
    if (isPlain && partition.isNextOf(entry, cursor.versionActor, cursor.versionCounter)) {
      const { versionActor, versionCounter, versionTerm, expiresAtMs, plainAt, plainLength } = cursor;
      const shared = mayShare ? bytes.subarray(plainAt, plainAt + plainLength) : undefined;
      if (shared !== undefined && isShareable(shared))
        partition.sharePlain(entry, versionActor, versionCounter, versionTerm, expiresAtMs, shared);
      else partition.putPlain(entry, versionActor, versionCounter, versionTerm, expiresAtMs, bytes, plainAt, plainLength);
    } else if (cursor.readTombstone() && partition.isNextOf(entry, cursor.versionActor, cursor.versionCounter))
      partition.putTombstone(entry, cursor.versionActor, cursor.versionCounter, cursor.versionTerm);
    else partition.merge(entry, cursor.record(!mayShare));
    partition.touched?.add(entry);
    this.writeBehind.mark(entry);
    if (partition.leaves !== undefined) partition.touchLeaf(entry);
  }

  /** `room`: bytes of the value that it is about to get. */
  private partEntry({ collections }: Partition, owner: number, cursor: BatchCursor, room: number): number {
    const { bytes, type, part, elementAt, elementLength } = cursor;
    const collectionType = typeOfByte(type);
    if (collectionType === undefined) throw new FormatError('UNKNOWN', `a record of type ${type}`);
    return collections.findOrInsert(collections.ensure(owner, collectionType), part, bytes, elementAt, elementLength, room);
  }
}
