/**
 * The binding under level-rocksdb: as much of it as rocksdb-engine.ts uses, with the types that the package does not have. It is found
 * from where level-rocksdb is, so that level-rocksdb is what this project depends on, and its version the one that is loaded.
 */
import { createRequire } from 'node:module';

type Done = (error?: Error | null) => void;

export interface RocksdbIterator {
  /** `key` is undefined at the end. */
  next(callback: (error?: Error | null, key?: Buffer, value?: Buffer) => void): void;
  end(callback: Done): void;
}

interface RocksdbBatch {
  /** Copies both. */
  put(key: Buffer, value: Buffer): this;
  del(key: Buffer): this;
  write(options: { readonly sync: boolean }, callback: Done): void;
}

export interface RocksdbDatabase {
  /** `readOnly`: nothing on the disk is touched, and every write is refused. */
  open(
    options: { readonly cacheSize: number; readonly writeBufferSize: number; readonly maxOpenFiles: number; readonly readOnly?: boolean },
    callback: Done,
  ): void;
  close(callback: Done): void;
  /** One of RocksDB's own figures, as text; empty when there is none of the name. */
  getProperty(name: string): string;
  getMany(keys: readonly Buffer[], callback: (error: Error | null | undefined, values: (Buffer | undefined)[]) => void): void;
  batch(): RocksdbBatch;
  /** `highWaterMark`: bytes fetched ahead at once. */
  iterator(options: {
    readonly gte: Buffer;
    readonly lt: Buffer;
    readonly reverse: boolean;
    readonly highWaterMark: number;
  }): RocksdbIterator;
}

const require = createRequire(import.meta.url);

export const Rocksdb = createRequire(require.resolve('level-rocksdb'))('rocksdb') as new (location: string) => RocksdbDatabase;
