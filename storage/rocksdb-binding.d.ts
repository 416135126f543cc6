/** The part of rocksdb 5.2 (the binding under level-rocksdb 5) that rocksdb-engine.ts uses; the package has no types of its own. */
declare module 'rocksdb' {
  type Done = (error?: Error | null) => void;

  class RocksdbIterator {
    /** `key` is undefined at the end. */
    next(callback: (error?: Error | null, key?: Buffer, value?: Buffer) => void): void;
    end(callback: Done): void;
  }

  class RocksdbBatch {
    /** Copies both. */
    put(key: Buffer, value: Buffer): this;
    del(key: Buffer): this;
    write(options: { readonly sync: boolean }, callback: Done): void;
  }

  class Rocksdb {
    constructor(location: string);
    open(options: { readonly cacheSize: number; readonly writeBufferSize: number; readonly maxOpenFiles: number }, callback: Done): void;
    close(callback: Done): void;
    getMany(keys: readonly Buffer[], callback: (error: Error | null | undefined, values: (Buffer | undefined)[]) => void): void;
    batch(): RocksdbBatch;
    /** `highWaterMark`: bytes fetched ahead at once. */
    iterator(options: { readonly gte: Buffer; readonly lt: Buffer; readonly highWaterMark: number }): RocksdbIterator;
  }

  namespace Rocksdb {
    export type { RocksdbIterator };
  }

  export = Rocksdb;
}
