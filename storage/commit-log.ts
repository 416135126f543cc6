/**
 * The commit log: what a node has written is here before anyone is told so, and the engine is fed behind it (ARCHITECTURE.md,
 * "Replication"). A turn of the event loop appends its entries to one buffer, and `flush` hands it to the file in one write, which
 * a killed process cannot lose; when bytes also outlive the machine is the durability's matter:
 *
 *   always     fdatasync before `whenDurable` calls back; one sync runs at a time, and the next covers all that came meanwhile
 *   everysec   fdatasync within a second of a write that is not synced yet
 *   os         when the operating system likes, but for a sync at each change of segments (log-replay.ts says why)
 *
 * Invariant: positions only grow, entries lie in the file in order and whole, and after the first failure nothing is accepted any
 * more, for nothing acknowledged may rest on a disk that has lied once. Layout: log-segment.ts; reading back: log-replay.ts.
 */
import type { Clock, Timer } from './clock.js';
import { DurationHistogram } from './duration-histogram.js';
import { StorageError } from './engine.js';
import type { LogFile, LogFiles } from './log-files.js';
import { appendHeader, recoverLog, type EntryVisitor, type FinishedSegment, type RecoveredLog } from './log-replay.js';
import {
  durableMarkKind,
  encodePosition,
  entryHeaderBytes,
  payloadBytesMax,
  sealEntry,
  segmentHeaderBytes,
  segmentName,
} from './log-segment.js';

export type Durability = 'always' | 'everysec' | 'os';

export interface CommitLogOptions {
  /** A segment is finished before it would grow beyond this; an entry larger than it gets a segment of its own. */
  readonly segmentBytesMax: number;
  readonly durability: Durability;
  readonly clock: Clock;
  /** Told the first error of a sync, once; the log refuses everything from then on. */
  readonly onFailure: (error: StorageError) => void;
}

const turnBytesStart = 64 * 1024;
const turnBytesKept = 1 << 20;
const syncIntervalMs = 1000;

export class CommitLog {
  /** Bytes of the torn tail that opening cut off. */
  readonly tornBytes: number;
  /** Bytes appended since opening, entry headers included. */
  bytesAppended = 0;
  /** Calls of fdatasync since opening. */
  syncs = 0;
  /** Of the writes that a turn's entries leave with, and of the syncs. */
  readonly appendTimes = new DurationHistogram();
  readonly syncTimes = new DurationHistogram();

  readonly #files: LogFiles;
  readonly #options: CommitLogOptions;
  readonly #finished: FinishedSegment[];
  #durability: Durability;
  #active: RecoveredLog['active'];
  /** The segment before the active one, until it is synced; at most one, so that only two segments can ever be torn. */
  #unsyncedPrevious: LogFile | undefined;
  #turn: Buffer = Buffer.allocUnsafeSlow(turnBytesStart);
  #turnBytes = 0;
  /** The end of what has been handed to the file. */
  #flushedPosition: number;
  #syncedPosition: number;
  #syncing: Promise<void> | undefined;
  #syncTimer: Timer | undefined;
  #failure: StorageError | undefined;
  /** Those who wait, by the position that must be durable first; both grow and shrink together, in order. */
  #waitingPositions: number[] = [];
  #waitingCallbacks: (() => void)[] = [];

  private constructor(files: LogFiles, options: CommitLogOptions, recovered: RecoveredLog) {
    this.#files = files;
    this.#options = options;
    this.#durability = options.durability;
    this.#finished = recovered.finished;
    this.#active = recovered.active;
    this.tornBytes = recovered.tornBytes;
    this.#flushedPosition = recovered.active.firstPosition + recovered.active.file.size - segmentHeaderBytes;
    this.#syncedPosition = this.#flushedPosition;
    if (recovered.finished.length > 0) this.#append(durableMarkKind, encodePosition(this.#flushedPosition)); // Recovery synced all of it.
  }

  /**
   * Opens the log and calls `onEntry` for each entry from `replayFrom` on, which is 0 or the end of an entry. Rejects with StorageError:
   * DAMAGED naming file and offset, NEWER_FORMAT, IO. What `onEntry` throws rejects it too.
   */
  static async open(files: LogFiles, options: CommitLogOptions, replayFrom: number, onEntry: EntryVisitor): Promise<CommitLog> {
    const log = new CommitLog(files, options, await recoverLog(files, replayFrom, onEntry));
    log.flush();
    return log;
  }

  /** The position after the last appended entry. */
  get endPosition(): number {
    return this.#flushedPosition + this.#turnBytes;
  }

  /** Bytes of all segments that are still kept. */
  get keptBytes(): number {
    const oldest = this.#finished[0];
    return this.endPosition - (oldest?.firstPosition ?? this.#active.firstPosition);
  }

  /** From the next flush on. */
  set durability(durability: Durability) {
    this.#durability = durability;
    this.#scheduleSync();
  }

  /**
   * Copies one entry into the turn's buffer, without IO, and returns its position. `kind` is 1..255; `payload` is borrowed. Throws the
   * StorageError that the log failed with.
   */
  append(kind: number, payload: Buffer): number {
    if (kind < 1 || kind > 255) throw new RangeError(`entry kind ${kind} is not in 1..255`);
    if (payload.length > payloadBytesMax) throw new RangeError(`an entry of ${payload.length} bytes; the largest has ${payloadBytesMax}`);
    if (this.#failure !== undefined) throw this.#failure;
    return this.#append(kind, payload);
  }

  #append(kind: number, payload: Buffer): number {
    const position = this.endPosition;
    const offset = this.#turnBytes;
    const end = offset + entryHeaderBytes + payload.length;
    if (end > this.#turn.length) this.#growTurn(end);
    payload.copy(this.#turn, offset + entryHeaderBytes);
    sealEntry(this.#turn, offset, position, kind, payload.length);
    this.#turnBytes = end;
    return position;
  }

  /** Hands everything appended to the file in one write. Throws StorageError 'IO', after which the log refuses everything. */
  flush(): void {
    if (this.#failure !== undefined) throw this.#failure;
    const bytes = this.#turnBytes;
    if (bytes === 0) return;
    const { clock } = this.#options;
    const beganMs = clock.monotonicMs();
    try {
      if (this.#active.file.size + bytes > this.#options.segmentBytesMax) this.#beginNextSegment();
      const { file, name } = this.#active;
      const sizeBefore = file.size;
      const written = file.append(this.#turn.subarray(0, bytes));
      if (written < bytes) {
        file.truncate(sizeBefore);
        throw new StorageError('IO', `the disk took ${written} of ${bytes} bytes for ${name}: it is full`);
      }
    } catch (error) {
      this.#failure = asStorageError(error);
      throw this.#failure;
    }
    this.appendTimes.record(clock.monotonicMs() - beganMs);
    this.#turnBytes = 0;
    if (this.#turn.length > turnBytesKept) this.#turn = Buffer.allocUnsafeSlow(turnBytesStart);
    this.#flushedPosition += bytes;
    this.bytesAppended += bytes;
    this.#scheduleSync();
    if (this.#durability !== 'always') this.#release(this.#flushedPosition);
  }

  /**
   * Calls back once everything appended so far is as durable as the mode says: in the `flush` that writes it, or for `always` after
   * the sync that covers it; at once when that is so already. Never, once the log has failed.
   */
  whenDurable(callback: () => void): void {
    if (this.#failure !== undefined) return;
    const position = this.endPosition;
    if (position <= (this.#durability === 'always' ? this.#syncedPosition : this.#flushedPosition)) {
      callback();
      return;
    }
    this.#waitingPositions.push(position);
    this.#waitingCallbacks.push(callback);
  }

  /** Flushes, and resolves when everything appended so far is on the disk, whatever the mode. Rejects with the StorageError of the failure. */
  async sync(): Promise<void> {
    this.flush();
    const position = this.#flushedPosition;
    while (this.#syncedPosition < position) {
      await (this.#syncing ??= this.#runSync());
      if (this.#failure !== undefined) throw this.#failure;
    }
  }

  /** Removes the segments that end at or before `position`; never the active one. Rejects with StorageError 'IO'. */
  async dropBefore(position: number): Promise<void> {
    for (let oldest = this.#finished[0]; oldest !== undefined && oldest.endPosition <= position; oldest = this.#finished[0]) {
      const isUnsynced = this.#finished.length === 1 && this.#unsyncedPrevious !== undefined;
      if (isUnsynced) return;
      this.#finished.shift();
      await this.#files.remove(oldest.name);
    }
  }

  /** Syncs everything and lets the files go; nothing may be appended afterwards. Rejects with the StorageError of a failure. */
  async close(): Promise<void> {
    try {
      if (this.#failure === undefined) await this.sync();
    } finally {
      this.#syncTimer?.cancel();
      await this.#syncing;
      this.#failure ??= new StorageError('IO', 'the commit log is closed');
      await this.#unsyncedPrevious?.close();
      await this.#active.file.close();
    }
  }

  #growTurn(bytes: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, this.#turn.length * 2));
    this.#turn.copy(grown, 0, 0, this.#turnBytes);
    this.#turn = grown;
  }

  /** Unless the last change of segments is not durable yet: then the active one grows beyond its bound until it is. */
  #beginNextSegment(): void {
    const { name, firstPosition, file } = this.#active;
    if (this.#unsyncedPrevious !== undefined || file.size <= segmentHeaderBytes) return;
    const nextName = segmentName(this.#flushedPosition);
    const next = this.#files.create(nextName);
    appendHeader(next, nextName, this.#flushedPosition);
    this.#finished.push({ name, firstPosition, endPosition: this.#flushedPosition });
    this.#unsyncedPrevious = file;
    this.#active = { name: nextName, firstPosition: this.#flushedPosition, file: next };
  }

  #scheduleSync(): void {
    if (this.#syncing !== undefined || this.#failure !== undefined || this.#syncedPosition === this.#flushedPosition) return;
    if (this.#durability === 'always' || this.#unsyncedPrevious !== undefined) {
      this.#syncing = this.#runSync();
    } else if (this.#durability === 'everysec' && this.#syncTimer === undefined) {
      this.#syncTimer = this.#options.clock.after(syncIntervalMs, () => {
        this.#syncTimer = undefined;
        if (this.#failure === undefined) this.#syncing ??= this.#runSync();
      });
    }
  }

  /** One group commit; never rejects. */
  async #runSync(): Promise<void> {
    let coveredPosition: number;
    try {
      const previous = this.#unsyncedPrevious;
      if (previous !== undefined) {
        await this.#sync(previous);
        this.#append(durableMarkKind, encodePosition(this.#active.firstPosition));
        this.flush();
        this.#unsyncedPrevious = undefined;
        await previous.close();
      }
      coveredPosition = this.#flushedPosition;
      await this.#sync(this.#active.file);
    } catch (error) {
      this.#failure ??= asStorageError(error);
      this.#syncing = undefined;
      this.#options.onFailure(this.#failure);
      return;
    }
    this.#syncing = undefined;
    this.#syncedPosition = coveredPosition;
    this.#release(coveredPosition);
    this.#scheduleSync();
  }

  async #sync(file: LogFile): Promise<void> {
    const { clock } = this.#options;
    const beganMs = clock.monotonicMs();
    this.syncs++;
    await file.sync();
    this.syncTimes.record(clock.monotonicMs() - beganMs);
  }

  #release(position: number): void {
    const left = this.#waitingPositions.findIndex((waiting) => waiting > position);
    if (left === 0) return;
    const callbacks = this.#waitingCallbacks;
    this.#waitingPositions = left < 0 ? [] : this.#waitingPositions.slice(left);
    this.#waitingCallbacks = left < 0 ? [] : callbacks.slice(left);
    const released = left < 0 ? callbacks.length : left;
    for (let index = 0; index < released; index++) callbacks[index]?.();
  }
}

function asStorageError(error: unknown): StorageError {
  return error instanceof StorageError ? error : new StorageError('IO', 'the commit log could not be written', { cause: error });
}
