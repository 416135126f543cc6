/** What the simulated log files and the simulated engine have in common: one disk, slow, full of failures, and gone at a crash. */

/** The operations that can be made to fail. */
export type DiskOperation = 'open' | 'read' | 'append' | 'sync' | 'remove' | 'engine-read' | 'engine-write';

/** What an operation costs, and whether it fails: the disk as its files and its engine see it, for one incarnation of the node. */
export interface DiskAccess {
  /** Resolves after the operation's simulated time; `finish` runs just before. Rejects with StorageError 'IO'. Never settles once the node crashed. */
  operate<T>(operation: DiskOperation, description: string, queue: string | undefined, finish: () => T): Promise<T>;
  /** Throws StorageError 'IO' when the operation is to fail. */
  check(operation: DiskOperation): void;
  /** False once the incarnation is over. */
  alive(): boolean;
}
