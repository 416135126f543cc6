/**
 * The ordered store in memory, for the simulation and for tests, with the meaning of the real one: batches are atomic, iteration
 * sees the moment of its call, and a crash goes back to some batch not before the last synced one. Keys are kept as latin1
 * strings, whose order is that of their bytes.
 */
import type { Random } from './clock.js';
import { chunkBytesMost, StorageError, type Engine, type EngineBatch, type EngineRange } from './engine.js';

interface Stored {
  readonly values: Map<string, Buffer>;
  /** All keys of `values`, in order. */
  readonly sortedKeys: string[];
  /** Per unsynced batch, oldest first: what its keys held before, in the order they were overwritten. */
  unsynced: (readonly [key: string, before: Buffer | undefined])[][];
}

export class MemoryEngine implements Engine {
  #isOpen = true;

  constructor(private readonly stored: Stored = { values: new Map(), sortedKeys: [], unsynced: [] }) {}

  getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    if (!this.#isOpen) return Promise.reject(closed());
    return Promise.resolve(
      keys.map((key) => {
        const value = this.stored.values.get(key.toString('latin1'));
        return value === undefined ? undefined : Buffer.from(value);
      }),
    );
  }

  write(batch: EngineBatch, options: { readonly sync: boolean }): Promise<void> {
    if (!this.#isOpen) return Promise.reject(closed());
    const undo: [string, Buffer | undefined][] = [];
    for (const key of batch.deletes) this.#set(key.toString('latin1'), undefined, undo);
    for (const [key, value] of batch.puts) this.#set(key.toString('latin1'), Buffer.from(value), undo);
    this.stored.unsynced.push(undo);
    if (options.sync) this.stored.unsynced = [];
    return Promise.resolve();
  }

  iterate(range: EngineRange, chunkEntries = 1000, backwards = false): AsyncIterable<readonly (readonly [key: Buffer, value: Buffer])[]> {
    const { sortedKeys, values } = this.stored;
    const from = firstNotBefore(sortedKeys, range.from.toString('latin1'));
    const to = firstNotBefore(sortedKeys, range.to.toString('latin1'));
    const snapshot = sortedKeys.slice(from, to).map((key) => [key, values.get(key)] as const);
    return this.#chunks(backwards ? snapshot.reverse() : snapshot, chunkEntries);
  }

  async *#chunks(snapshot: readonly (readonly [string, Buffer | undefined])[], chunkEntries: number) {
    for (let start = 0, end = 0; start < snapshot.length; start = end) {
      if (!this.#isOpen) throw closed();
      for (let bytes = 0; end < snapshot.length && end - start < chunkEntries && bytes < chunkBytesMost; end++) {
        const [key, value] = snapshot[end] as (typeof snapshot)[number];
        bytes += key.length + (value?.length ?? 0);
      }
      const chunk = snapshot.slice(start, end);
      yield await Promise.resolve(chunk.map(([key, value]) => [Buffer.from(key, 'latin1'), Buffer.from(value ?? '')] as const));
    }
  }

  close(): Promise<void> {
    this.#isOpen = false;
    return Promise.resolve();
  }

  /** The process of this engine has ended, at will or not; the next one opens what it left. This engine refuses everything from now on. */
  reopened(): MemoryEngine {
    this.#isOpen = false;
    return new MemoryEngine(this.stored);
  }

  reopen(): Promise<void> {
    return Promise.resolve();
  }

  /** The machine has lost power; the next process finds the last synced batch, or as many later ones as `random` chooses. */
  crashed(random?: Random): MemoryEngine {
    const { unsynced } = this.stored;
    const surviving = random === undefined ? 0 : random.integer(unsynced.length + 1);
    for (const undo of unsynced.slice(surviving).reverse()) {
      for (const [key, before] of undo.reverse()) this.#set(key, before, undefined);
    }
    this.stored.unsynced = [];
    return this.reopened();
  }

  /** `undefined` deletes. */
  #set(key: string, value: Buffer | undefined, undo: [string, Buffer | undefined][] | undefined): void {
    const { values, sortedKeys } = this.stored;
    const before = values.get(key);
    undo?.push([key, before]);
    if (value === undefined) {
      if (!values.delete(key)) return;
      sortedKeys.splice(firstNotBefore(sortedKeys, key), 1);
      return;
    }
    if (before === undefined) sortedKeys.splice(firstNotBefore(sortedKeys, key), 0, key);
    values.set(key, value);
  }
}

/** Where the first key >= `key` stands, or the length. */
function firstNotBefore(sortedKeys: readonly string[], key: string): number {
  let low = 0;
  let high = sortedKeys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sortedKeys[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function closed(): StorageError {
  return new StorageError('IO', 'the engine is closed');
}
