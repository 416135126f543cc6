/**
 * The commit log: what a node has written is here before anyone is told so, and the engine is fed behind it (ARCHITECTURE.md,
 * "Replication"). A turn of the event loop appends its entries to one buffer, and `flush` hands it to the file in one write, which
 * a killed process cannot lose; when bytes also outlive the machine is the durability's matter:
 *
 *   always     fdatasync before `whenDurable` calls back; one sync runs at a time, and the next covers all that came meanwhile
 *   everysec   fdatasync within a second of a write that is not synced yet
 *   os         when the operating system likes, but for a sync at each change of segments (log-replay.ts says why)
 *
 * Invariant: positions only grow, and entries lie in the file in order and whole. A disk that refuses a write, or a sync, is written to no more: what is
 * appended waits in memory, and nobody is told that it is durable. `renew` tries again, in a new segment; since after a failed sync nobody knows what the
 * disk holds of the old ones, nothing counts as durable again before `vouch`, when the engine holds all of it (docs/decisions/0042-failing-disks.md).
 * Layout: log-segment.ts; reading back: log-replay.ts.
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
  /** The disk refused a write or a sync: told once, until `renew` has succeeded. Called within append's or flush's caller, or when a sync has ended. */
  readonly onRefusal: (error: StorageError) => void;
}

const noBytes: Buffer = Buffer.alloc(0);
const turnBytesStart = 64 * 1024;
const turnBytesKept = 1 << 20;
const syncIntervalMs = 1000;

export class CommitLog {
  /** Bytes of the torn tail that opening cut off. */
  readonly tornBytes: number;
  /** Bytes appended since opening, entry headers included. */
  bytesAppended = 0;
  /** How often the file has begun to take nothing. */
  refusals = 0;
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
  /** Why the disk is not written to. */
  #refusal: StorageError | undefined;
  /** Some of what stands in the file may never reach the disk. */
  #unvouched = false;
  #closed = false;
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
    if (recovered.finished.length > 0) this.#append(durableMarkKind, encodePosition(this.#flushedPosition), noBytes); // Recovery synced all of it.
  }

  /**
   * Opens the log and calls `onEntry` for each entry from `replayFrom` on, which is 0 or the end of an entry. Rejects with StorageError:
   * DAMAGED naming file and offset, NEWER_FORMAT, IO. What `onEntry` throws rejects it too.
   */
  static async open(files: LogFiles, options: CommitLogOptions, replayFrom: number, onEntry: EntryVisitor): Promise<CommitLog> {
    const log = new CommitLog(files, options, await recoverLog(files, replayFrom, onEntry));
    log.flush();
    log.#demandDisk();
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

  /** Why the disk is not written to: what is appended waits. Undefined = it is. */
  get refusal(): StorageError | undefined {
    return this.#refusal;
  }

  /** Bytes that were appended and not handed to the file. */
  get waitingBytes(): number {
    return this.#turnBytes;
  }

  /** From the next flush on. */
  set durability(durability: Durability) {
    this.#durability = durability;
    this.#scheduleSync();
  }

  /**
   * Copies one entry into the turn's buffer, without IO, and returns its position. `kind` is 1..255; `payload` and what follows it, `rest`, are borrowed. Throws
   * StorageError 'IO' once the log is closed.
   */
  append(kind: number, payload: Buffer, rest: Buffer = noBytes): number {
    if (kind < 1 || kind > 255) throw new RangeError(`entry kind ${kind} is not in 1..255`);
    const length = payload.length + rest.length;
    if (length > payloadBytesMax) throw new RangeError(`an entry of ${length} bytes; the largest has ${payloadBytesMax}`);
    if (this.#closed) throw closed();
    return this.#append(kind, payload, rest);
  }

  #append(kind: number, payload: Buffer, rest: Buffer): number {
    const position = this.endPosition;
    const offset = this.#turnBytes;
    const end = offset + entryHeaderBytes + payload.length + rest.length;
    if (end > this.#turn.length) this.#growTurn(end);
    payload.copy(this.#turn, offset + entryHeaderBytes);
    if (rest.length > 0) rest.copy(this.#turn, offset + entryHeaderBytes + payload.length);
    sealEntry(this.#turn, offset, position, kind, payload.length + rest.length);
    this.#turnBytes = end;
    return position;
  }

  /** Hands everything appended to the file in one write; when the disk refuses that, or has refused something before, it waits (`refusal`). */
  flush(): void {
    if (this.#closed) throw closed();
    const bytes = this.#turnBytes;
    if (bytes === 0 || this.#refusal !== undefined) return;
    const { clock } = this.#options;
    const beganMs = clock.monotonicMs();
    try {
      if (this.#active.file.size + bytes > this.#options.segmentBytesMax) this.#beginNextSegment();
      const { file, name } = this.#active;
      const sizeBefore = file.size;
      if (!appendsWhole(file, this.#turn.subarray(0, bytes))) {
        file.truncate(sizeBefore);
        throw new StorageError('IO', `the disk did not take ${bytes} bytes for ${name}: it is full`);
      }
    } catch (error) {
      this.#refuse(error);
      return;
    }
    this.appendTimes.record(clock.monotonicMs() - beganMs);
    this.#flushed(bytes);
    this.#scheduleSync();
    if (this.#durability !== 'always') this.#release(this.#flushedPosition);
  }

  /** The first `bytes` that wait are in the file. */
  #flushed(bytes: number): void {
    if (bytes < this.#turnBytes) this.#turn.copyWithin(0, bytes, this.#turnBytes);
    this.#turnBytes -= bytes;
    if (this.#turnBytes === 0 && this.#turn.length > turnBytesKept) this.#turn = Buffer.allocUnsafeSlow(turnBytesStart);
    this.#flushedPosition += bytes;
    this.bytesAppended += bytes;
  }

  /**
   * Calls back once everything appended so far is as durable as the mode says: in the `flush` that writes it, or for `always` after
   * the sync that covers it; at once when that is so already. While the disk refuses, or is not vouched for, it waits; after close() it never is.
   */
  whenDurable(callback: () => void): void {
    if (this.#closed) return;
    const position = this.endPosition;
    const isDurable = position <= (this.#durability === 'always' ? this.#syncedPosition : this.#flushedPosition);
    if (isDurable && !this.#unvouched && this.#refusal === undefined) {
      callback();
      return;
    }
    this.#waitingPositions.push(position);
    this.#waitingCallbacks.push(callback);
  }

  /** Flushes, and resolves when everything appended so far is on the disk, whatever the mode. Rejects with the StorageError of a refusal. */
  async sync(): Promise<void> {
    this.flush();
    this.#demandDisk();
    const position = this.#flushedPosition;
    while (this.#syncedPosition < position) {
      await (this.#syncing ??= this.#runSync());
      this.#demandDisk();
    }
  }

  #demandDisk(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  /**
   * Tries the disk that has refused: opens everything by its path, since what was open may be of a file system that is gone, and begins a new segment with what
   * waits, synced. Rejects with StorageError when the disk still refuses. Nothing that waits is called back before `vouch`.
   */
  async renew(): Promise<void> {
    await this.#syncing;
    if (this.#refusal === undefined) return;
    const { name, firstPosition, file: before } = this.#active;
    const position = this.#flushedPosition;
    let begun: LogFile | undefined;
    try {
      if (position > firstPosition) await this.#cutBack(name, segmentHeaderBytes + position - firstPosition);
      const nextName = segmentName(position);
      const next = (begun = await this.#files.open(nextName));
      next.truncate(0); // it may be left of an attempt before, or be the active one
      appendHeader(next, nextName, position);
      const bytes = this.#turnBytes;
      if (!appendsWhole(next, this.#turn.subarray(0, bytes))) throw new StorageError('IO', `no room on the disk for ${nextName}`);
      this.syncs++;
      await next.sync();
      if (position > firstPosition) this.#finished.push({ name, firstPosition, endPosition: position });
      this.#active = { name: nextName, firstPosition: position, file: next };
      this.#flushed(bytes);
    } catch (error) {
      await begun?.close().catch(() => undefined);
      throw (this.#refusal = asStorageError(error));
    }
    await letGo(before);
    await letGo(this.#unsyncedPrevious);
    this.#unsyncedPrevious = undefined;
    this.#unvouched = true;
    this.#refusal = undefined;
  }

  /** All up to the present end is on the disk, in the engine or in synced segments. */
  vouch(): void {
    if (!this.#unvouched || this.#refusal !== undefined) return;
    this.#unvouched = false;
    this.#release(this.#durability === 'always' ? this.#syncedPosition : this.#flushedPosition);
    this.#scheduleSync();
  }

  /** What a write that was cut short left behind the last whole entry would be taken for damage. */
  async #cutBack(name: string, size: number): Promise<void> {
    const file = await this.#files.open(name);
    try {
      if (file.size > size) file.truncate(size);
    } finally {
      await file.close();
    }
  }

  #refuse(error: unknown): void {
    if (this.#refusal !== undefined) return;
    this.#refusal = asStorageError(error);
    this.refusals++;
    this.#syncTimer?.cancel();
    this.#syncTimer = undefined;
    this.#options.onRefusal(this.#refusal);
  }

  /** Removes the segments that end at or before `position`; never the active one. Rejects with StorageError 'IO'. */
  async dropBefore(position: number): Promise<void> {
    for (let oldest = this.#finished[0]; oldest !== undefined && oldest.endPosition <= position; oldest = this.#finished[0]) {
      const isUnsynced = this.#finished.length === 1 && this.#unsyncedPrevious !== undefined;
      if (isUnsynced) return;
      await this.#remove(oldest.name);
      this.#finished.shift();
    }
  }

  /** Syncs everything and lets the files go; nothing may be appended afterwards. Rejects with the StorageError of a refusal. */
  async close(): Promise<void> {
    try {
      await this.sync();
    } finally {
      this.#syncTimer?.cancel();
      await this.#syncing;
      this.#closed = true;
      await this.#unsyncedPrevious?.close();
      await this.#active.file.close();
    }
  }

  /** A removal that failed may have taken the file all the same: then only that is not durable, and it will not be read again. */
  async #remove(name: string): Promise<void> {
    try {
      await this.#files.remove(name);
    } catch (error) {
      if ((await this.#files.list()).includes(name)) throw error;
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
    if (this.#syncing !== undefined || this.#refusal !== undefined || this.#syncedPosition === this.#flushedPosition) return;
    if (this.#durability === 'always' || this.#unsyncedPrevious !== undefined) {
      this.#syncing = this.#runSync();
    } else if (this.#durability === 'everysec' && this.#syncTimer === undefined) {
      this.#syncTimer = this.#options.clock.after(syncIntervalMs, () => {
        this.#syncTimer = undefined;
        if (this.#refusal === undefined && !this.#closed) this.#syncing ??= this.#runSync();
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
        this.#append(durableMarkKind, encodePosition(this.#active.firstPosition), noBytes);
        this.flush();
        this.#demandDisk();
        this.#unsyncedPrevious = undefined;
        await previous.close();
      }
      coveredPosition = this.#flushedPosition;
      await this.#sync(this.#active.file);
    } catch (error) {
      this.#syncing = undefined;
      this.#refuse(error);
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
    if (this.#unvouched || this.#refusal !== undefined) return; // whoever is called back tells what memory has now
    const left = this.#waitingPositions.findIndex((waiting) => waiting > position);
    if (left === 0) return;
    const callbacks = this.#waitingCallbacks;
    this.#waitingPositions = left < 0 ? [] : this.#waitingPositions.slice(left);
    this.#waitingCallbacks = left < 0 ? [] : callbacks.slice(left);
    const released = left < 0 ? callbacks.length : left;
    for (let index = 0; index < released; index++) callbacks[index]?.();
  }
}

function appendsWhole(file: LogFile, bytes: Buffer): boolean {
  return bytes.length === 0 || file.append(bytes) === bytes.length;
}

/** A file of a disk that has failed may not even be closed without an error. */
async function letGo(file: LogFile | undefined): Promise<void> {
  await file?.close().catch(() => undefined);
}

function closed(): StorageError {
  return new StorageError('IO', 'the commit log is closed');
}

function asStorageError(error: unknown): StorageError {
  return error instanceof StorageError ? error : new StorageError('IO', 'the commit log could not be written', { cause: error });
}
