/**
 * Keys of the engine's rows. The first byte tells the tables apart; the rest of a record's row is its record key.
 *   'r' record key -> record        'p' partition u16 -> clocks        'f' name -> fact        'x' -> log position
 *   'g' partition u16 -> the clock of what was forgotten (partition.ts)
 *   'h' target u16 | partition u16 | number f64 -> kept at, ms f64 | batches        't' -> totals of the hints
 */
import { ByteWriter } from '../protocol/byte-writer.js';
import { recordPart, recordType, writeRecordKey } from '../protocol/record-key.js';

export const table = { record: 0x72, partition: 0x70, fact: 0x66, position: 0x78, purged: 0x67, hint: 0x68, hintTotals: 0x74 } as const;

/** `key` may be a bound of a range of record keys. */
export function recordRow(key: Buffer): Buffer {
  return Buffer.concat([Buffer.of(table.record), key]);
}

/** The row of a string. */
export function stringRow(slot: number, key: Buffer): Buffer {
  rowWriter.reset();
  rowWriter.u8(table.record);
  writeRecordKey(rowWriter, slot, key, recordType.string, recordPart.value, noElement);
  return Buffer.from(rowWriter.view());
}

const rowWriter = new ByteWriter(64);
const noElement = Buffer.alloc(0);

export function partitionRow(number: number): Buffer {
  return Buffer.of(table.partition, number >> 8, number & 0xff);
}

export function purgedRow(number: number): Buffer {
  return Buffer.of(table.purged, number >> 8, number & 0xff);
}

export function factRow(name: string): Buffer {
  return Buffer.concat([Buffer.of(table.fact), Buffer.from(name)]);
}

export const positionRow = Buffer.of(table.position);

/** Numbers are whole and not negative, so their doubles sort as they do. */
export function hintRow(target: number, partition: number, number: number): Buffer {
  const row = Buffer.allocUnsafe(13);
  row[0] = table.hint;
  row.writeUInt16BE(target, 1);
  row.writeUInt16BE(partition, 3);
  row.writeDoubleBE(number, 5);
  return row;
}

export const hintTotalsRow = Buffer.of(table.hintTotals);
