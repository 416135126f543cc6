/**
 * The seam of the ordered store behind the commit log. Keys sort as unsigned bytes. Everything that an Engine holds can be
 * lost back to its last synced batch; the commit log from the position that batch names replays the rest.
 */
export interface EngineBatch {
  /** Buffers are borrowed until the promise of `write` settles. */
  readonly puts: Items<readonly [key: Buffer, value: Buffer]>;
  readonly deletes: Items<Buffer>;
}

/** An array, or what stands for a very long one. */
export interface Items<Item> extends Iterable<Item> {
  readonly length: number;
}

export interface EngineRange {
  /** Inclusive. */
  readonly from: Buffer;
  /** Exclusive. */
  readonly to: Buffer;
}

/** The chunk of an iteration that has become so long, in bytes of keys and values, ends: a thousand large values would fill the memory. */
export const chunkBytesMost = 256 * 1024;

export interface Engine {
  /** One value or undefined per key, in order. Values are owned by the caller. */
  getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]>;
  /** Atomic: all or nothing, also after a crash. With `sync` it and all before it are durable when the promise resolves. */
  write(batch: EngineBatch, options: { readonly sync: boolean }): Promise<void>;
  /** The range in key order as of the call, or `backwards` in the opposite order, in chunks of at most `chunkEntries`, and fewer where they are large (`chunkBytesMost`). Entries are owned by the caller. */
  iterate(
    range: EngineRange,
    chunkEntries?: number,
    backwards?: boolean,
  ): AsyncIterable<readonly (readonly [key: Buffer, value: Buffer])[]>;
  /**
   * Closes and opens it again, since one that has failed to write may refuse all writes from then on. What was not synced may be gone. Calls that come meanwhile
   * wait; it begins once no iteration is under way. Rejects with StorageError when it does not come back for writing; then reads go on if they can.
   */
  reopen(): Promise<void>;
  /** Rejects nothing; pending calls settle first. */
  close(): Promise<void>;
}

/** A failure of an engine or of the log's files. Where it is one of writing, writes are refused until the disk takes them again (disk-trouble.ts); any other stops the node. */
export class StorageError extends Error {
  constructor(
    /** Stable: 'LOCKED' | 'DAMAGED' | 'NEWER_FORMAT' | 'NOT_WRITABLE' | 'IO'. */
    readonly code: 'LOCKED' | 'DAMAGED' | 'NEWER_FORMAT' | 'NOT_WRITABLE' | 'IO',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'StorageError';
  }
}
