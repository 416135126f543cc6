/**
 * The ordered store of a simulated disk. Invariant: after a crash it holds what it held after some whole number of its writes, none
 * of them earlier than the last one synced; also writes that had not settled may be among them.
 */
import type { Engine, EngineBatch, EngineRange } from '../../storage/engine.js';
import { StorageError } from '../../storage/engine.js';
import type { SeededRandom } from './random.js';
import type { DiskAccess } from './disk-access.js';

type Entry = readonly [key: Buffer, value: Buffer];

/** Entries in key order. Small by intention: putting one in moves all behind it. */
class SortedEntries {
  #entries: Entry[];

  constructor(entries: readonly Entry[] = []) {
    this.#entries = [...entries];
  }

  copy(): SortedEntries {
    return new SortedEntries(this.#entries);
  }

  get(key: Buffer): Buffer | undefined {
    const entry = this.#entries[this.#indexOf(key)];
    return entry?.[0].equals(key) === true ? entry[1] : undefined;
  }

  apply({ puts, deletes }: EngineBatch): void {
    for (const [key, value] of puts) {
      const at = this.#indexOf(key);
      this.#entries.splice(at, this.#entries[at]?.[0].equals(key) === true ? 1 : 0, [key, value]);
    }
    for (const key of deletes) {
      const at = this.#indexOf(key);
      if (this.#entries[at]?.[0].equals(key) === true) this.#entries.splice(at, 1);
    }
  }

  within({ from, to }: EngineRange): Entry[] {
    return this.#entries.slice(this.#indexOf(from), this.#indexOf(to));
  }

  /** Of the first entry whose key is not below `key`. */
  #indexOf(key: Buffer): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (Buffer.compare((this.#entries[middle] as Entry)[0], key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** What is on the disk. */
export class EngineContents {
  #current = new SortedEntries();
  #durable = new SortedEntries();
  /** Written, in order, and not synced yet. */
  #unsynced: EngineBatch[] = [];
  /** Called for and not settled yet, in order. */
  #begun: EngineBatch[] = [];
  /** An incarnation has it open. */
  open = false;

  get current(): SortedEntries {
    return this.#current;
  }

  begin(batch: EngineBatch): void {
    this.#begun.push(batch);
  }

  finish(batch: EngineBatch, sync: boolean): void {
    this.#begun.splice(this.#begun.indexOf(batch), 1);
    this.#current.apply(batch);
    this.#unsynced.push(batch);
    if (sync) this.#settle(this.#unsynced.length);
  }

  abandon(batch: EngineBatch): void {
    this.#begun.splice(this.#begun.indexOf(batch), 1);
  }

  /** What was not synced may be gone, from the end: a failed disk keeps what it likes. */
  reopen(random: SeededRandom): void {
    this.#settle(random.integer(this.#unsynced.length + 1));
    this.#unsynced = [];
    this.#current = this.#durable.copy();
  }

  crash(random: SeededRandom): void {
    this.#unsynced.push(...this.#begun);
    this.#settle(random.integer(this.#unsynced.length + 1));
    this.#unsynced = [];
    this.#begun = [];
    this.#current = this.#durable.copy();
    this.open = false;
  }

  #settle(count: number): void {
    for (const batch of this.#unsynced.splice(0, count)) this.#durable.apply(batch);
  }
}

export class SimulatedEngine implements Engine {
  readonly #contents: EngineContents;
  readonly #access: DiskAccess;
  readonly #random: SeededRandom;
  #closed = false;

  /** `random` decides what is lost when it is opened anew. */
  constructor(contents: EngineContents, access: DiskAccess, random: SeededRandom) {
    this.#random = random;
    this.#contents = contents;
    this.#access = access;
    contents.open = true;
  }

  async getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    this.#demandOpen();
    return this.#access.operate('engine-read', `get ${keys.length}`, undefined, () =>
      keys.map((key) => copyOf(this.#contents.current.get(key))),
    );
  }

  async write(batch: EngineBatch, { sync }: { readonly sync: boolean }): Promise<void> {
    this.#demandOpen();
    const own: EngineBatch = {
      puts: Array.from(batch.puts, ([key, value]) => [Buffer.from(key), Buffer.from(value)] as const),
      deletes: Array.from(batch.deletes, (key) => Buffer.from(key)),
    };
    this.#contents.begin(own);
    try {
      const description = `write ${own.puts.length} ${own.deletes.length}${sync ? ' sync' : ''}`;
      await this.#access.operate('engine-write', description, 'engine', () => this.#contents.finish(own, sync));
    } catch (error) {
      this.#contents.abandon(own);
      throw error;
    }
  }

  iterate(range: EngineRange, chunkEntries = 256, backwards = false): AsyncIterable<readonly Entry[]> {
    this.#demandOpen();
    const entries = this.#contents.current.within(range);
    return this.#chunks(backwards ? entries.reverse() : entries, chunkEntries);
  }

  async reopen(): Promise<void> {
    this.#demandOpen();
    await this.#access.operate('engine-write', 'open engine anew', 'engine', () => this.#contents.reopen(this.#random));
  }

  async close(): Promise<void> {
    this.#closed = true;
    // Writes settle in order, so the last of them is over before this is.
    await this.#access.operate('open', 'close engine', 'engine', () => {
      this.#contents.open = false;
    });
  }

  async *#chunks(entries: readonly Entry[], chunkEntries: number): AsyncGenerator<readonly Entry[]> {
    for (let at = 0; at < entries.length; at += chunkEntries) {
      const chunk = entries.slice(at, at + chunkEntries);
      yield await this.#access.operate('engine-read', `iterate ${chunk.length}`, undefined, () =>
        chunk.map(([key, value]) => [Buffer.from(key), Buffer.from(value)] as const),
      );
    }
  }

  #demandOpen(): void {
    if (this.#closed) throw new StorageError('IO', 'the engine is closed');
  }
}

const copyOf = (bytes: Buffer | undefined): Buffer | undefined => (bytes === undefined ? undefined : Buffer.from(bytes));
