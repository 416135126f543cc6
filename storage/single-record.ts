/** The record of an entry that is one plain version with nothing else seen, encoded from where it lies in the key table. */
import type { ByteWriter } from '../protocol/byte-writer.js';
import { encodePlain } from '../protocol/record.js';
import type { KeyTable } from './key-table.js';

/** Appends it; the entry is single (KeyTable.isSingle). */
export function encodeSingle(writer: ByteWriter, table: KeyTable, entry: number): void {
  encodePlain(
    writer,
    table.actorOf(entry),
    table.counterOf(entry),
    table.termOf(entry),
    table.expiresOf(entry),
    table.valuePageOf(entry),
    table.valueAt(entry),
    table.valueLengthOf(entry),
  );
}
