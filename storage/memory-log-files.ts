/**
 * The commit log's files in memory, for the simulation and the log's tests: a disk that a `crash` makes forget what was not synced,
 * that can be full, and whose syncs can fail or take simulated time. Invariant: what a resolved sync covered survives every crash.
 */
import type { Clock, Random } from './clock.js';
import { StorageError } from './engine.js';
import type { LogFile, LogFiles } from './log-files.js';

interface StoredFile {
  bytes: Buffer;
  size: number;
  syncedSize: number;
  nameIsDurable: boolean;
}

export interface MemoryLogFilesOptions {
  /** With it a sync takes `syncMs` of its time; without, a sync is done at the next microtask. */
  readonly clock?: Clock;
  readonly syncMs?: number;
}

export class MemoryLogFiles implements LogFiles {
  /** Bytes that may still be appended before the disk is full. */
  freeBytes = Number.POSITIVE_INFINITY;
  /** While it is set, every sync rejects with it. */
  syncFailure: StorageError | undefined;
  /** Raised by each crash; the handles of before are dead from then on. */
  generation = 0;

  readonly #stored = new Map<string, StoredFile>();

  constructor(readonly options: MemoryLogFilesOptions = {}) {}

  list(): Promise<readonly string[]> {
    return Promise.resolve([...this.#stored.keys()].sort());
  }

  open(name: string): Promise<LogFile> {
    let stored = this.#stored.get(name);
    if (stored === undefined) {
      stored = newFile(Buffer.alloc(0), true);
      this.#stored.set(name, stored);
    }
    return Promise.resolve(new MemoryLogFile(this, stored));
  }

  create(name: string): LogFile {
    if (this.#stored.has(name)) throw new StorageError('IO', `${name} is there already`);
    const stored = newFile(Buffer.alloc(0), false);
    this.#stored.set(name, stored);
    return new MemoryLogFile(this, stored);
  }

  remove(name: string): Promise<void> {
    if (!this.#stored.delete(name)) return Promise.reject(new StorageError('IO', `${name} is not there`));
    return Promise.resolve();
  }

  /** The machine loses power: of each file's unsynced bytes only the first few, by `random`'s choice, are still there. */
  crash(random: Random): void {
    this.generation++;
    for (const [name, stored] of this.#stored) {
      if (!stored.nameIsDurable && random.integer(2) === 0) {
        this.#stored.delete(name);
        continue;
      }
      stored.size = stored.syncedSize + random.integer(stored.size - stored.syncedSize + 1);
      stored.syncedSize = stored.size;
      stored.nameIsDurable = true;
    }
  }

  /** Only the process dies: what it had written is all there. */
  kill(): void {
    this.generation++;
  }

  /** A copy of a file's bytes; undefined when there is none. */
  contents(name: string): Buffer | undefined {
    const stored = this.#stored.get(name);
    return stored === undefined ? undefined : Buffer.from(stored.bytes.subarray(0, stored.size));
  }

  /** Puts a file of these bytes (copied) there, durable, in place of any other. */
  plant(name: string, bytes: Buffer): void {
    this.#stored.set(name, newFile(Buffer.from(bytes), true));
  }
}

class MemoryLogFile implements LogFile {
  readonly #generation: number;
  #isOpen = true;

  constructor(
    readonly disk: MemoryLogFiles,
    readonly stored: StoredFile,
  ) {
    this.#generation = disk.generation;
  }

  get size(): number {
    return this.stored.size;
  }

  append(bytes: Buffer): number {
    this.#assertUsable();
    const { stored, disk } = this;
    const written = Math.min(bytes.length, disk.freeBytes);
    const end = stored.size + written;
    if (end > stored.bytes.length) {
      const grown = Buffer.alloc(Math.max(end, stored.bytes.length * 2));
      stored.bytes.copy(grown, 0, 0, stored.size);
      stored.bytes = grown;
    }
    bytes.copy(stored.bytes, stored.size, 0, written);
    stored.size = end;
    disk.freeBytes -= written;
    return written;
  }

  /** Never settles when the crash came or comes first, as the process that waits is gone. */
  async sync(): Promise<void> {
    if (!this.#isOpen) throw new StorageError('IO', 'the file is closed');
    const { stored, disk } = this;
    const coveredSize = stored.size;
    const { clock, syncMs = 0 } = disk.options;
    if (clock !== undefined) await new Promise<void>((resolve) => clock.after(syncMs, resolve));
    else await Promise.resolve();
    if (disk.generation !== this.#generation) await new Promise<never>(() => undefined);
    if (disk.syncFailure !== undefined) throw disk.syncFailure;
    stored.syncedSize = Math.max(stored.syncedSize, Math.min(coveredSize, stored.size));
    stored.nameIsDurable = true;
  }

  truncate(size: number): void {
    this.#assertUsable();
    this.disk.freeBytes += this.stored.size - size;
    this.stored.size = size;
    this.stored.syncedSize = Math.min(this.stored.syncedSize, size);
  }

  read(offset: number, length: number): Promise<Buffer> {
    this.#assertUsable();
    return Promise.resolve(Buffer.from(this.stored.bytes.subarray(offset, Math.max(offset, Math.min(offset + length, this.stored.size)))));
  }

  close(): Promise<void> {
    this.#isOpen = false;
    return Promise.resolve();
  }

  #assertUsable(): void {
    if (!this.#isOpen) throw new StorageError('IO', 'the file is closed');
    if (this.disk.generation !== this.#generation) throw new StorageError('IO', 'the process that opened this file has died');
  }
}

function newFile(bytes: Buffer, nameIsDurable: boolean): StoredFile {
  return { bytes, size: bytes.length, syncedSize: bytes.length, nameIsDurable };
}
