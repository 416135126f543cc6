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
import { decodeBatches, BatchEncoder, type Batch } from '../protocol/batch.js';
import { ByteReader } from '../protocol/byte-reader.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import { FormatError } from '../protocol/format-error.js';
import { compareTerms, type Dot, type Term } from '../protocol/dot.js';
import { torc } from '../protocol/generated/messages.js';
import { decodeRecord, ownRecord, type VectorClock, type VersionedRecord } from '../protocol/record.js';
import { readRecordKey, recordPart, recordType } from '../protocol/record-key.js';
import type { Clock } from './clock.js';
import { CommitLog, type Durability } from './commit-log.js';
import type { Engine, StorageError } from './engine.js';
import { HybridClock } from './hybrid-clock.js';
import type { KeyEntry } from './key-entry.js';
import { Loader } from './loader.js';
import type { LogFiles } from './log-files.js';
import { clockOf, decodeAhead } from './partition-clocks.js';
import { emptyRecord } from './merge.js';
import { Partition, type Ahead } from './partition.js';
import { withPayloadsOf } from './payload-choice.js';
import { RecordScan } from './record-scan.js';
import { WriteBehind } from './write-behind.js';
import { Evictor } from './evictor.js';

/** Kinds of log entries; fixed on disk. */
const entryKind = { batches: 1, transfer: 2, promised: 3, fact: 4 } as const;

const ceilingFact = 'clock-ceiling';

export interface StoreOptions {
  readonly engine: Engine;
  readonly logFiles: LogFiles;
  readonly clock: Clock;
  readonly durability: Durability;
  /** Memory for entries; more may be held while it cannot be written out yet. */
  readonly cacheBytesMax: number;
  /** The disk failed: nothing more is acknowledged, and the node has to stop. Called once. */
  readonly onFailure: (error: StorageError) => void;
}

/** What became of one part of a batch that a peer sent. */
export interface AppliedPart {
  readonly partition: number;
  readonly dot: Dot;
  /** A newer term was promised: stored, but it counts for nothing. */
  readonly superseded: boolean;
  /** It lies beyond a gap, which has to be asked for. */
  readonly gap: boolean;
}

const noElement = Buffer.alloc(0);

export class Store {
  readonly hybridClock: HybridClock;
  readonly loader: Loader;
  readonly evictor: Evictor;
  readonly scan: RecordScan;
  private readonly partitions = new Map<number, Partition>();
  /** The same for the hot path. */
  private readonly byNumber: (Partition | undefined)[] = [];
  private readonly facts = new Map<string, Buffer>();
  private readonly encoder = new BatchEncoder(new ByteWriter(65536));
  private readonly writeBehind: WriteBehind;
  private log: CommitLog | undefined;
  /** The engine holds no record at all, so every partition is whole in memory from the start. */
  private engineIsEmpty = false;
  memoryBytes = 0;
  private readonly account = (bytes: number): void => {
    this.memoryBytes += bytes;
  };

  private constructor(private readonly options: StoreOptions) {
    this.hybridClock = new HybridClock(options.clock, 0, () => this.raiseCeiling());
    this.loader = new Loader(options.engine, this.partitions, (error) => options.onFailure(error));
    this.evictor = new Evictor(this.partitions, options.cacheBytesMax);
    this.scan = new RecordScan(options.engine, options.clock, (entry) => this.writeBehind.mark(entry));
    this.writeBehind = new WriteBehind(
      options.engine,
      options.clock,
      this.loader,
      (number) => this.partition(number),
      (error) => options.onFailure(error),
    );
  }

  /** Recovers what engine and log hold. Rejects with StorageError when they are damaged, locked or newer than this version. */
  static async open(options: StoreOptions): Promise<Store> {
    const store = new Store(options);
    const recovered = await store.writeBehind.restore();
    store.engineIsEmpty = recovered.empty;
    for (const [name, value] of recovered.facts) store.facts.set(name, value);
    const { durability, clock, onFailure } = options;
    store.log = await CommitLog.open(
      options.logFiles,
      { segmentBytesMax: 64 * 1024 * 1024, durability, clock, onFailure },
      recovered.position,
      (kind, payload) => store.replay(kind, payload),
    );
    store.hybridClock.raise(Number(store.facts.get(ceilingFact)?.toString() ?? 0));
    store.raiseCeiling();
    store.commitLog.flush();
    return store;
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
      partition = new Partition(number, this.account);
      partition.resident = this.engineIsEmpty;
      this.partitions.set(number, partition);
      this.byNumber[number] = partition;
      this.writeBehind.watch(partition);
    }
    return partition;
  }

  /**
   * Writes what `staged` entries carry as one batch of one part: to memory at once, to the log at the turn's end. Returns where the
   * batch lies in the bytes that endTurn will hand out.
   */
  writeBatch(partition: Partition, dot: Dot, term: number, epoch: number, staged: readonly KeyEntry[]): { offset: number; length: number } {
    const { encoder } = this;
    encoder.begin(dot.actor, dot.counter);
    const prev = partition.seen.get(dot.actor) ?? 0;
    encoder.part(partition.number, epoch, term, prev);
    for (const entry of staged) {
      const record = entry.staged;
      if (record === undefined) throw new Error('a staged entry carries no record');
      encoder.namedRecord(entry.slot, entry.key, recordType.string, recordPart.value, record);
      partition.merge(entry, record); // a counter's record carries its actor's sum alone: the other sums stay beside it
      entry.staged = undefined;
      this.changed(partition, entry);
    }
    partition.note(dot.actor, dot.counter, prev);
    return encoder.end();
  }

  /**
   * Applies batches from a peer, encoded back to back, and appends the same bytes to the log. `report` is called for each part. `bytes` are borrowed.
   * Throws FormatError before anything of a malformed frame is applied.
   */
  applyBatches(bytes: Buffer, report: (part: AppliedPart) => void): void {
    const batches = decodeBatches(bytes);
    // What cannot be understood must not reach the log, where it would stop every start.
    for (const { parts } of batches) for (const { records } of parts) for (const { type, part } of records) assertString(type, part);
    this.commitLog.append(entryKind.batches, bytes);
    this.apply(batches, report);
  }

  /**
   * Merges records that a peer sent with its `seen` (read repair, comparison, take-over) and logs them. Returns false when one was
   * discarded as possibly older than what was purged here: it has to be fetched anew. Throws FormatError.
   */
  applyTransfer(transfer: torc.Transfer.$Shape): boolean {
    const bytes = torc.Transfer.encode(transfer).finish() as Buffer;
    const decoded = decodeTransfer(torc.Transfer.decode(bytes)); // what cannot be decoded must not reach the log
    this.commitLog.append(entryKind.transfer, bytes);
    return this.mergeTransfer(decoded);
  }

  /** Promises `term` in those of `numbers` where no newer one was promised, and logs it; returns them. */
  promise(numbers: readonly number[], term: Term): number[] {
    this.hybridClock.raise(term.counter);
    const promised = numbers.filter((number) => this.partition(number).promise(term));
    if (promised.length > 0) {
      const entry = torc.Promised.encode({ termCounter: term.counter, termActor: term.actor, partition: promised }).finish() as Buffer;
      this.commitLog.append(entryKind.promised, entry);
    }
    return promised;
  }

  fact(name: string): Buffer | undefined {
    return this.facts.get(name);
  }

  /** Remembers a small fact; durable as the log's mode says once whenDurable calls back. */
  setFact(name: string, value: Buffer): void {
    this.facts.set(name, value);
    this.commitLog.append(entryKind.fact, torc.Fact.encode({ name, value }).finish() as Buffer);
    this.writeBehind.markFact(name, value);
  }

  /**
   * Ends a turn: appends all its batches to the log with one write. `send` gets the turn's own batches, back to back, borrowed until it
   * returns: a batch is in the log before any peer hears of it. Throws StorageError when the log refuses.
   */
  endTurn(send: (batches: Buffer) => void): void {
    const { writer } = this.encoder;
    this.raiseCeiling();
    if (writer.length > 0) {
      const batches = writer.view();
      this.commitLog.append(entryKind.batches, batches);
      this.commitLog.flush();
      send(batches);
      writer.reset();
    } else this.commitLog.flush();
    this.loader.flush();
    this.evictor.step(this.memoryBytes);
    this.writeBehind.consider(this.commitLog, this.memoryBytes > this.options.cacheBytesMax);
  }

  /** Calls back when all that was appended so far is as durable as the mode asks. */
  whenDurable(callback: () => void): void {
    this.commitLog.whenDurable(callback);
  }

  /** Writes everything behind and closes log and engine. */
  async close(): Promise<void> {
    this.commitLog.flush();
    await this.writeBehind.finish(this.commitLog);
    await this.commitLog.close();
    await this.options.engine.close();
  }

  /** Figures for INFO and metrics. */
  statistics(): {
    readonly memoryBytes: number;
    readonly dirtyEntries: number;
    readonly logBytes: number;
    readonly flushes: number;
    readonly loads: number;
    readonly rowsRewritten: number;
  } {
    return {
      memoryBytes: this.memoryBytes,
      dirtyEntries: this.writeBehind.dirtyEntries,
      logBytes: this.commitLog.endPosition,
      flushes: this.writeBehind.rounds,
      loads: this.loader.reads,
      rowsRewritten: this.scan.rowsRewritten,
    };
  }

  private get commitLog(): CommitLog {
    if (this.log === undefined) throw new Error('the store is used before its log is open');
    return this.log;
  }

  /** A record was changed: its row has to be written, its leaf hashed anew. */
  private changed(partition: Partition, entry: KeyEntry): void {
    this.writeBehind.mark(entry);
    partition.leaves?.touch(entry.key);
  }

  private raiseCeiling(): void {
    const ceiling = this.hybridClock.needsCeiling();
    if (ceiling === undefined) return;
    this.setFact(ceilingFact, Buffer.from(String(ceiling)));
    this.hybridClock.ceilingDurable(ceiling);
  }

  private replay(kind: number, payload: Buffer): void {
    if (kind === entryKind.batches) this.apply(decodeBatches(payload));
    else if (kind === entryKind.transfer) this.mergeTransfer(decodeTransfer(torc.Transfer.decode(payload)));
    else if (kind === entryKind.promised) {
      const { termCounter, termActor, partition } = torc.Promised.decode(payload);
      this.hybridClock.raise(termCounter);
      for (const number of partition) this.partition(number).promise({ counter: termCounter, actor: termActor });
    } else if (kind === entryKind.fact) {
      const { name, value } = torc.Fact.decode(payload);
      this.facts.set(name, Buffer.from(value));
      this.writeBehind.markFact(name, Buffer.from(value));
    } else throw new Error(`log entry of unknown kind ${kind}`);
  }

  private mergeTransfer({ partition: number, term, records, seen, complete, ahead, purged, replaces }: DecodedTransfer): boolean {
    const partition = this.partition(number);
    let taken = true;
    for (const { slot, name, record } of records) {
      for (const version of record.versions) this.hybridClock.raise(version.counter);
      const entry = partition.getOrCreate(name, slot);
      if (!partition.mergeFromPeer(entry, record, seen)) taken = false;
      if (replaces) partition.put(entry, withPayloadsOf(entry.record ?? emptyRecord, record));
      this.changed(partition, entry);
    }
    if (complete && taken) {
      for (const counter of seen.values()) this.hybridClock.raise(counter);
      partition.raiseSeen(seen, ahead, purged);
    }
    if (compareTerms(term, partition.promised) > 0) partition.promise(term);
    return taken;
  }

  /** Merges batches into memory; what `seen` covers is a duplicate. */
  private apply(batches: readonly Batch[], report?: (part: AppliedPart) => void): void {
    for (const { dot, parts } of batches) {
      this.hybridClock.raise(dot.counter);
      for (const part of parts) {
        const partition = this.partition(part.partition);
        const superseded = !partition.promise({ counter: part.term, actor: dot.actor });
        let gap = false;
        if (!partition.hasSeen(dot)) {
          for (const { slot, name, record } of part.records) {
            const entry = partition.getOrCreate(name, slot);
            partition.merge(entry, record);
            this.changed(partition, entry);
          }
          gap = !partition.note(dot.actor, dot.counter, part.prev);
        }
        report?.({ partition: part.partition, dot, superseded, gap });
      }
    }
  }
}

/** Strings are the only type that this release has. Another one's records are of a later release: they must not be taken for what they are not. */
function assertString(type: number, part: number): void {
  if (type !== recordType.string || part !== recordPart.value) throw new FormatError('UNKNOWN', `a record of type ${type}, part ${part}`);
}

interface DecodedTransfer {
  readonly partition: number;
  readonly term: Term;
  readonly records: readonly { readonly slot: number; readonly name: string; readonly record: VersionedRecord }[];
  readonly seen: VectorClock;
  readonly complete: boolean;
  readonly ahead: readonly Ahead[];
  readonly purged: VectorClock;
  readonly replaces: boolean;
}

/** All of it, so that a malformed one is refused whole. Records are owned. Throws FormatError. */
function decodeTransfer(transfer: torc.Transfer): DecodedTransfer {
  return {
    partition: transfer.partition,
    term: { counter: transfer.termCounter, actor: transfer.termActor },
    records: transfer.key.map((key, i) => {
      const { slot, name, type, part } = readRecordKey(new ByteReader(key as Buffer), key.length);
      assertString(type, part);
      return { slot, name, record: ownRecord(decodeRecord((transfer.record[i] ?? noElement) as Buffer)) };
    }),
    seen: clockOf(transfer.seen),
    complete: transfer.complete,
    ahead: decodeAhead(transfer.ahead),
    purged: clockOf(transfer.purged),
    replaces: transfer.replaces,
  };
}
