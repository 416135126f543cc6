/**
 * The seam of the commit log's files: a flat directory of append-only files. `append` is synchronous because one small write into
 * the page cache per turn of the event loop costs less than a trip through the thread pool; everything slow is asynchronous.
 */
export interface LogFile {
  /** Bytes in it now. */
  readonly size: number;
  /** Writes at the end; returns the bytes that got there, fewer than asked when the disk is full. Throws StorageError 'IO'. `bytes` is borrowed. */
  append(bytes: Buffer): number;
  /** All appended bytes are durable when it resolves (fdatasync). Rejects with StorageError 'IO'. */
  sync(): Promise<void>;
  /** Cuts the file to `size` bytes. */
  truncate(size: number): void;
  /** Up to `length` bytes from `offset`, owned by the caller; fewer only at the end of the file. */
  read(offset: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

export interface LogFiles {
  /** Names, sorted; that there are these and no others is durable when it resolves. Rejects with StorageError 'IO'. */
  list(): Promise<readonly string[]>;
  /** Opens for reading and appending; creates it (and makes its name durable) when it is not there. */
  open(name: string): Promise<LogFile>;
  /** A new, empty file, without waiting, so that a turn can begin one; its name is durable with its first `sync`. Throws StorageError 'IO', also when it is there. */
  create(name: string): LogFile;
  /** It is durable when it resolves. When it rejects, with StorageError 'IO', the file may be gone, and back after a loss of power. */
  remove(name: string): Promise<void>;
}
