/**
 * Keys of the engine's rows. The first byte tells the tables apart; the rest of a record's row is its record key.
 *   'r' record key -> record        'p' partition u16 -> clocks        'f' name -> fact        'x' -> log position
 */
import { ByteWriter } from '../protocol/byte-writer.js';
import { recordPart, recordType, writeNamedRecordKey } from '../protocol/record-key.js';
import type { KeyEntry } from './key-entry.js';

export const table = { record: 0x72, partition: 0x70, fact: 0x66, position: 0x78 } as const;

/** `key` may be a bound of a range of record keys. */
export function recordRow(key: Buffer): Buffer {
  return Buffer.concat([Buffer.of(table.record), key]);
}

export function rowKey(entry: KeyEntry): Buffer {
  rowWriter.reset();
  rowWriter.u8(table.record);
  writeNamedRecordKey(rowWriter, entry.slot, entry.key, recordType.string, recordPart.value);
  return Buffer.from(rowWriter.view());
}

const rowWriter = new ByteWriter(64);

export function partitionRow(number: number): Buffer {
  return Buffer.of(table.partition, number >> 8, number & 0xff);
}

export function factRow(name: string): Buffer {
  return Buffer.concat([Buffer.of(table.fact), Buffer.from(name)]);
}

export const positionRow = Buffer.of(table.position);
