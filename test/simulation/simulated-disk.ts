/**
 * One node's simulated disk, kept across its restarts: the commit log's files and the ordered store. Invariants at a crash, all drawn
 * from the seed:
 *
 *   killed process   log files keep all that was appended
 *   lost power       each file keeps what a finished `sync` covered and some of the rest, possibly followed by zeros or rubbish;
 *                    an unsynced `truncate` may be undone; files whose removal failed may be back
 *   either           the engine keeps whole batches: all up to the last synced one, and any number of the following, in order
 *
 * Asynchronous operations take simulated time and end in the order of their calls where one file, or the engine's writes, are concerned.
 */
import type { Engine } from '../../storage/engine.js';
import { StorageError } from '../../storage/engine.js';
import type { LogFile, LogFiles } from '../../storage/log-files.js';
import type { DiskAccess, DiskOperation } from './disk-access.js';
import type { SeededRandom } from './random.js';
import type { CrashKind, Scheduler } from './simulated-clock.js';
import { EngineContents, SimulatedEngine } from './simulated-engine.js';

/** A file's bytes, and what of them is safe from a loss of power. */
class FileContents {
  #bytes = Buffer.alloc(256);
  size = 0;
  durableSize = 0;
  #neverDurable = false;
  /** Durable bytes cut off by a truncation that is not durable itself; they began at `durableSize`. */
  #cutOff: Buffer | undefined;

  append(bytes: Buffer): void {
    const size = this.size + bytes.length;
    if (size > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(size, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, this.size);
      this.#bytes = grown;
    }
    bytes.copy(this.#bytes, this.size);
    this.size = size;
  }

  truncate(size: number): void {
    if (size < this.durableSize) {
      this.#cutOff = Buffer.concat([this.#bytes.subarray(size, this.durableSize), this.#cutOff ?? Buffer.alloc(0)]);
      this.durableSize = size;
    }
    this.size = Math.min(this.size, size);
    if (this.size <= this.durableSize) this.#neverDurable = false;
  }

  /** A sync failed: as Linux does, the disk takes what was written so far for clean and never writes it, though it can still be read until power is lost. */
  syncFailed(): void {
    if (this.size > this.durableSize) this.#neverDurable = true;
  }

  /** Everything up to `size` is durable, if no sync has failed before. */
  synced(size: number): void {
    if (this.#neverDurable) return;
    this.durableSize = Math.max(this.durableSize, Math.min(size, this.size));
    this.#cutOff = undefined;
  }

  read(offset: number, length: number): Buffer {
    return Buffer.from(this.#bytes.subarray(Math.min(offset, this.size), Math.min(offset + length, this.size)));
  }

  losePower(random: SeededRandom): void {
    const lastSize = this.size;
    if (this.#cutOff !== undefined && random.chance(0.5)) {
      this.size = this.durableSize;
      this.append(this.#cutOff);
    } else {
      this.size = this.durableSize + random.integer(lastSize - this.durableSize + 1);
      const torn = lastSize - this.size;
      if (torn > 0 && random.chance(0.3)) {
        const length = 1 + random.integer(Math.min(torn, 4096));
        this.append(random.chance(0.5) ? Buffer.alloc(length) : random.bytes(length));
      }
    }
    this.durableSize = this.size;
    this.#neverDurable = false;
    this.#cutOff = undefined;
  }
}

export class SimulatedDisk {
  readonly node: string;
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #failures = new Map<DiskOperation, number>();
  #files = new Map<string, FileContents>();
  /** Gone since a removal that failed, which was the last to make names durable. */
  #removed = new Map<string, FileContents>();
  #engine: EngineContents;
  #slowness = 1;
  /** Bytes that can still be appended; the engine does not count. */
  freeBytes = Infinity;

  constructor(scheduler: Scheduler, random: SeededRandom, node: string) {
    this.#scheduler = scheduler;
    this.#random = random.fork(`disk ${node}`);
    this.node = node;
    this.#engine = new EngineContents();
    scheduler.onCrash((crashed, kind) => {
      if (crashed === node) this.#crashed(kind);
    });
  }

  /** The log's files for the node's present incarnation. */
  logFiles(): LogFiles {
    const access = this.#access();
    return {
      list: () =>
        access.operate('read', 'list', undefined, () => {
          this.#removed.clear();
          return [...this.#files.keys()].sort();
        }),
      open: (name) => access.operate('open', `open ${name}`, name, () => this.#open(access, name)),
      create: (name) => {
        access.check('open');
        if (this.#files.has(name)) throw new StorageError('IO', `${name} of ${this.node} is there already`);
        return this.#open(access, name);
      },
      remove: (name) =>
        access
          .operate('remove', `remove ${name}`, name, () => {
            this.#remove(name);
            this.#removed.clear();
          })
          .catch((error: unknown) => {
            if (this.#files.has(name) && this.#random.chance(0.5)) this.#remove(name);
            throw error;
          }),
    };
  }

  /** Opens the engine for the node's present incarnation. Rejects with StorageError 'LOCKED' when it has it open already. */
  openEngine(): Promise<Engine> {
    const access = this.#access();
    return access.operate('open', 'open engine', undefined, () => {
      if (this.#engine.open) throw new StorageError('LOCKED', `the engine of ${this.node} is open already`);
      return new SimulatedEngine(this.#engine, access, this.#random.fork('reopen'));
    });
  }

  /** The disk is replaced by an empty one. The node is down meanwhile. */
  lose(): void {
    if (this.#scheduler.isUp(this.node)) throw new Error(`${this.node} is up: crash it first`);
    this.#files = new Map();
    this.#removed = new Map();
    this.#engine = new EngineContents();
    this.#scheduler.note(`${this.node} loses its disk`);
  }

  /** The log's files take `bytes` more; Infinity = as usual. */
  limit(bytes: number): void {
    this.freeBytes = bytes;
    this.#scheduler.note(`${this.node} has ${bytes} bytes left`);
  }

  /** The next `times` operations of this kind fail with StorageError 'IO'. 0 = no more. */
  fail(operation: DiskOperation, times: number): void {
    this.#failures.set(operation, times);
    this.#scheduler.note(`${this.node} ${operation} is to fail ${times} times`);
  }

  /** There is little room, or some operation is to fail. */
  get isFailing(): boolean {
    return this.freeBytes !== Infinity || [...this.#failures.values()].some((times) => times > 0);
  }

  /** Operations begun from now on take `slowness` times as long; 1 = as usual. */
  slow(slowness: number): void {
    this.#slowness = slowness;
    this.#scheduler.note(`${this.node} disk slow ${slowness}`);
  }

  #access(): DiskAccess {
    const clock = this.#scheduler.clockFor(this.node);
    const alive = (): boolean => this.#scheduler.isUp(this.node) && this.#scheduler.clockFor(this.node) === clock;
    const queueEndsMs = new Map<string, number>();
    const check = (operation: DiskOperation): void => {
      const left = this.#failures.get(operation) ?? 0;
      if (left === 0) return;
      this.#failures.set(operation, left - 1);
      throw new StorageError('IO', `simulated failure of ${operation} on ${this.node}`);
    };
    const operate = <T>(operation: DiskOperation, description: string, queue: string | undefined, finish: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        if (!alive()) return;
        const { nowMs } = this.#scheduler;
        const endsMs = Math.max(nowMs + this.#costMs(operation), queue === undefined ? 0 : (queueEndsMs.get(queue) ?? 0));
        if (queue !== undefined) queueEndsMs.set(queue, endsMs);
        this.#scheduler.schedule(this.node, endsMs - nowMs, `disk ${description}`, () => {
          try {
            check(operation);
            resolve(finish());
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        });
      });
    return { operate, check, alive };
  }

  #costMs(operation: DiskOperation): number {
    const [leastMs, mostMs] = operation === 'sync' ? [0.5, 6] : [0.02, 0.8];
    const spikeMs = this.#random.chance(0.01) ? this.#random.between(0, 100) : 0;
    return (this.#random.between(leastMs, mostMs) + spikeMs) * this.#slowness;
  }

  #open(access: DiskAccess, name: string): LogFile {
    const found = this.#files.get(name);
    const contents = found ?? new FileContents();
    if (found === undefined) {
      this.#files.set(name, contents);
      this.#removed.clear(); // making the new name durable makes the whole directory so
    }
    let open = true;
    const demandOpen = (): void => {
      if (!open) throw new StorageError('IO', `${name} is closed`);
    };
    return {
      get size() {
        return contents.size;
      },
      append: (bytes) => {
        demandOpen();
        if (!access.alive()) return bytes.length;
        access.check('append');
        const written = Math.min(bytes.length, this.freeBytes);
        contents.append(bytes.subarray(0, written));
        this.freeBytes -= written;
        return written;
      },
      sync: async () => {
        demandOpen();
        const { size } = contents;
        await access
          .operate('sync', `sync ${name} ${size}`, name, () => contents.synced(size))
          .catch((error: unknown) => {
            contents.syncFailed();
            throw error;
          });
      },
      truncate: (size) => {
        demandOpen();
        if (!access.alive()) return;
        this.freeBytes += Math.max(0, contents.size - size);
        contents.truncate(size);
      },
      read: async (offset, length) => {
        demandOpen();
        return access.operate('read', `read ${name} ${offset} ${length}`, name, () => contents.read(offset, length));
      },
      close: () =>
        access.operate('open', `close ${name}`, name, () => {
          open = false;
        }),
    };
  }

  #remove(name: string): void {
    const contents = this.#files.get(name);
    if (contents === undefined) throw new StorageError('IO', `no file ${name}`);
    this.#files.delete(name);
    this.#removed.set(name, contents);
    this.freeBytes += contents.size;
  }

  #crashed(kind: CrashKind): void {
    this.#failures.clear();
    this.#engine.crash(this.#random);
    if (kind === 'process') return;
    for (const [name, contents] of this.#removed) if (this.#random.chance(0.5) && !this.#files.has(name)) this.#files.set(name, contents);
    this.#removed.clear();
    for (const contents of this.#files.values()) contents.losePower(this.#random);
  }
}
