/** What every type of value can do for the commands that treat all types alike: COPY, RENAME, OBJECT ENCODING, DUMP and RESTORE. One file per type. */
import type { RdbReader } from '../../protocol/rdb/reader.js';
import type { RdbWriter } from '../../protocol/rdb/writer.js';
import type { Execution } from '../../storage/execution.js';

/** Puts a value that was read in place of whatever is at `key`. `expiresAtMs` 0 = none. */
export type Restore = (execution: Execution, key: Buffer, expiresAtMs: number) => void;

export interface ValueType {
  /** Redis' name for how it would keep a value like the one at `key`. The key is living and of this type, here and below. */
  encoding(execution: Execution, key: Buffer): string;
  /** Puts the value at `source` in place of whatever is at `target`. */
  copy(execution: Execution, source: Buffer, target: Buffer, expiresAtMs: number): void;
  /** Writes type byte and value. */
  dump(execution: Execution, key: Buffer, writer: RdbWriter): void;
  /** The RDB types that it is read from, and how; each throws FormatError. */
  readonly loaders: ReadonlyMap<number, (reader: RdbReader) => Restore>;
}
