/** The part of level-rocksdb 5 that rocksdb-engine.ts uses; the package has no types of its own. With both encodings `binary`. */
declare module 'level-rocksdb' {
  export interface LevelIterator {
    /** `key` is undefined at the end. */
    next(callback: (error: Error | null | undefined, key?: Buffer, value?: Buffer) => void): void;
    end(callback: (error?: Error | null) => void): void;
  }

  export interface LevelBatch {
    put(key: Buffer, value: Buffer): this;
    del(key: Buffer): this;
    write(options: { readonly sync: boolean }): Promise<void>;
  }

  export interface LevelDatabase {
    getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]>;
    batch(): LevelBatch;
    /** `highWaterMark`: bytes fetched ahead at once. */
    iterator(options: { readonly gte: Buffer; readonly lt: Buffer; readonly highWaterMark: number }): LevelIterator;
    close(): Promise<void>;
  }

  export interface LevelOptions {
    readonly keyEncoding: 'binary';
    readonly valueEncoding: 'binary';
    readonly cacheSize: number;
    readonly writeBufferSize: number;
    readonly maxOpenFiles: number;
  }

  export default function level(
    location: string,
    options: LevelOptions,
    callback: (error: Error | null | undefined, database: LevelDatabase) => void,
  ): void;
}
