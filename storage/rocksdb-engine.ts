/**
 * The ordered store on disk: RocksDB through the binding under level-rocksdb, whose own layers (levelup, encoding-down) would add
 * to the main thread's cost of every entry. Writing goes through the chained batch, which copies keys and values as they are
 * added and costs less than an array of operations.
 *
 * RocksDB's own write-ahead log makes a batch atomic and a synced one durable with all before it. Its LOCK file keeps a second
 * process out. It verifies a block's checksum when the block is read, so damage shows there, not at opening.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { chunkBytesMost, StorageError, type Engine, type EngineBatch, type EngineRange } from './engine.js';
import { Rocksdb, type RocksdbDatabase, type RocksdbIterator } from './rocksdb-binding.js';

export interface RocksdbOptions {
  /** Bytes of RocksDB's cache of uncompressed blocks; at most 4 GiB. */
  readonly cacheBytes: number;
  /** Bytes written before a memtable goes to disk; two may be in memory. At most 4 GiB. */
  readonly writeBufferBytes: number;
}

/** For a node that keeps its hot objects itself. RocksDB's own defaults, 8 and 4 MiB, make it compact all the time. */
export const rocksdbDefaults: RocksdbOptions = { cacheBytes: 64 << 20, writeBufferBytes: 32 << 20 };

const openFilesMax = 1000;
/** The binding reads sizes as 32 bits and would wrap a larger one around. */
const bytesMax = 2 ** 32 - 1;
const readAheadBytes = 256 * 1024;
/** No more than this for each entry that was asked for at once: all that was read becomes Buffers in one turn, a thousand small ones in one to five milliseconds. */
const readAheadBytesEach = 48;

/** Sorts after every key in use; deleted by an empty batch with `sync`, as the binding does not pass on a batch without entries. */
const neverWrittenKey = Buffer.alloc(64, 0xff);

/** Entries of a batch that are handed over before the event loop gets its turn: about half a millisecond. */
const sliceEntries = 400;
/** The same for large ones. */
const sliceBytes = 256 * 1024;

type EngineChunk = (readonly [key: Buffer, value: Buffer])[];

interface Chunk {
  readonly entries: EngineChunk;
  readonly isLast: boolean;
}

export class RocksdbEngine implements Engine {
  #closing: Promise<void> | undefined;
  /** It is closed and opened again just now: calls wait for that. */
  #reopening: Promise<void> | undefined;
  readonly #pending = new Set<Promise<unknown>>();
  #iterations = 0;
  /** Called when the last iteration has ended. */
  #whenNoneIterates: (() => void)[] = [];

  private constructor(
    private database: RocksdbDatabase,
    private readonly directory: string,
    private readonly options: RocksdbOptions,
  ) {}

  /**
   * Opens the database in `directory`, which is created when it is not there. Rejects with StorageError: LOCKED while another
   * process has it open, DAMAGED, NOT_WRITABLE, IO.
   */
  static async open(directory: string, options: RocksdbOptions = rocksdbDefaults): Promise<RocksdbEngine> {
    return new RocksdbEngine(await openDatabase(directory, options, false), directory, options);
  }

  async reopen(): Promise<void> {
    while (this.#iterations > 0) await new Promise<void>((resolve) => this.#whenNoneIterates.push(resolve));
    if (this.#closing !== undefined) throw closed();
    this.#reopening ??= this.#reopen().finally(() => (this.#reopening = undefined));
    return this.#reopening;
  }

  /** RocksDB writes to no database any more in which a write has failed, and cannot be told through the binding that the disk is well again. */
  async #reopen(): Promise<void> {
    await Promise.allSettled(this.#pending);
    const { directory, options, database } = this;
    await settling((done) => database.close(done)).catch(() => undefined);
    try {
      this.database = await openDatabase(directory, options, false);
    } catch (error) {
      this.database = await openDatabase(directory, options, true).catch(() => database);
      throw error;
    }
  }

  getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    return this.#run(
      'cannot read from the database',
      () => new Promise((resolve, reject) => this.database.getMany(keys, (error, values) => (error ? reject(error) : resolve(values)))),
    );
  }

  write(batch: EngineBatch, options: { readonly sync: boolean }): Promise<void> {
    return this.#run('cannot write to the database', async () => {
      const chained = this.database.batch();
      let entries = 0;
      let bytes = 0;
      /** What is to be added, `length` bytes, would be too much for this slice: it is the first of the next one. */
      const isSliceFull = (length: number): boolean => {
        bytes += length;
        if (++entries <= sliceEntries && (bytes <= sliceBytes || entries === 1)) return false;
        entries = 1;
        bytes = length;
        return true;
      };
      for (const key of batch.deletes) {
        if (isSliceFull(key.length)) await nextTurn();
        chained.del(key);
      }
      for (const [key, value] of batch.puts) {
        if (isSliceFull(key.length + value.length)) await nextTurn();
        chained.put(key, value);
      }
      if (options.sync && batch.deletes.length === 0 && batch.puts.length === 0) chained.del(neverWrittenKey);
      return settling((done) => chained.write(options, done));
    });
  }

  iterate(range: EngineRange, chunkEntries = 1000, backwards = false): AsyncIterable<readonly (readonly [key: Buffer, value: Buffer])[]> {
    const { database } = this;
    const begin = (): RocksdbIterator => {
      const highWaterMark = Math.min(readAheadBytes, chunkEntries * readAheadBytesEach);
      return this.database.iterator({ gte: range.from, lt: range.to, reverse: backwards, highWaterMark });
    };
    // An empty bound means "no bound" to the binding; nothing sorts before an empty `to`.
    if (this.#closing !== undefined || Buffer.compare(range.from, range.to) >= 0) return this.#chunks(undefined, chunkEntries);
    const iterator = this.#reopening === undefined ? begin() : undefined;
    return this.#chunks(() => (iterator !== undefined && database === this.database ? iterator : begin()), chunkEntries);
  }

  /** `iteratorOf` gives the iterator as of the call, or a new one where the database has been opened anew since. */
  async *#chunks(iteratorOf: (() => RocksdbIterator) | undefined, chunkEntries: number): AsyncGenerator<EngineChunk> {
    if (this.#closing !== undefined) throw closed();
    if (iteratorOf === undefined) return;
    while (this.#reopening !== undefined) await this.#reopening.catch(() => undefined);
    const iterator = iteratorOf();
    this.#iterations++;
    const read = (): Promise<Chunk> => this.#run('cannot iterate over the database', () => nextChunk(iterator, chunkEntries));
    let next: Promise<Chunk> | undefined;
    try {
      for (let isFirst = true; ; isFirst = false) {
        const { entries, isLast } = await (next ?? read());
        next = undefined;
        // Whoever came for a second one will come for more: the next is read while this one is used.
        if (!isFirst && !isLast) (next = read()).catch(() => undefined);
        if (entries.length > 0) yield entries;
        if (isLast) return;
      }
    } finally {
      await next?.catch(() => undefined); // the iteration is given up
      if (this.#closing === undefined) await this.#run('cannot end an iteration', () => settling((done) => iterator.end(done)));
      if (--this.#iterations === 0) for (const resolve of this.#whenNoneIterates.splice(0)) resolve();
    }
  }

  /** One of RocksDB's own figures, such as `rocksdb.estimate-pending-compaction-bytes`; undefined when it has none of the name or is closed. */
  figure(name: string): number | undefined {
    const text = this.#closing === undefined && this.#reopening === undefined ? this.database.getProperty(name) : '';
    return /^\d+$/.test(text) ? Number(text) : undefined;
  }

  close(): Promise<void> {
    this.#closing ??= Promise.allSettled([...this.#pending, this.#reopening])
      .then(() => settling((done) => this.database.close(done)))
      .catch(() => undefined);
    return this.#closing;
  }

  async #run<T>(what: string, action: () => Promise<T>): Promise<T> {
    while (this.#reopening !== undefined) await this.#reopening.catch(() => undefined);
    if (this.#closing !== undefined) throw closed();
    let running: Promise<T> | undefined;
    try {
      running = action();
      this.#pending.add(running);
      return await running;
    } catch (error) {
      throw asStorageError(error, what);
    } finally {
      if (running !== undefined) this.#pending.delete(running);
    }
  }
}

async function openDatabase(directory: string, options: RocksdbOptions, readOnly: boolean): Promise<RocksdbDatabase> {
  const database = new Rocksdb(directory);
  const cacheSize = Math.min(options.cacheBytes, bytesMax);
  const writeBufferSize = Math.min(options.writeBufferBytes, bytesMax);
  try {
    await settling((done) => database.open({ cacheSize, writeBufferSize, maxOpenFiles: openFilesMax, readOnly }, done));
  } catch (error) {
    throw asStorageError(error, `cannot open the database in ${directory}`);
  }
  return database;
}

function nextChunk(iterator: RocksdbIterator, chunkEntries: number): Promise<Chunk> {
  return new Promise((resolve, reject) => {
    const entries: EngineChunk = [];
    let bytes = 0;
    const step = (error?: Error | null, key?: Buffer, value?: Buffer): void => {
      if (error) return reject(error);
      if (key === undefined || value === undefined) return resolve({ entries, isLast: true });
      entries.push([key, value]);
      bytes += key.length + value.length;
      if (entries.length === chunkEntries || bytes >= chunkBytesMost) return resolve({ entries, isLast: false });
      iterator.next(step);
    };
    iterator.next(step);
  });
}

function settling(start: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())));
}

function closed(): StorageError {
  return new StorageError('IO', 'the engine is closed');
}

/** RocksDB tells its errors apart in their text only, such as "Corruption: ..." and "IO error: While lock file: ...". */
function asStorageError(error: unknown, what: string): StorageError {
  if (error instanceof StorageError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const code = codeOf(text);
  return new StorageError(code, `${what}: ${code === 'LOCKED' ? `another process has it open (${text})` : text}`, { cause: error });
}

function codeOf(text: string): StorageError['code'] {
  if (/permission denied|read-only file system|not a directory|is a directory|while mkdir|does not exist/i.test(text))
    return 'NOT_WRITABLE';
  if (/while lock file|lock hold by current process/i.test(text)) return 'LOCKED';
  if (/^corruption|no such file or directory ?while open|checksum mismatch/i.test(text)) return 'DAMAGED';
  return 'IO';
}
