/**
 * Keys of the engine's rows. The first byte tells the tables apart; the rest of a record's row is its record key.
 *   'r' record key -> record of a string        'e' record key -> record of a collection's element
 *   'c' slot u16 | key length u32 | key -> the key's collections (header-row.ts)
 *   'p' partition u16 -> clocks        'f' name -> fact        'x' -> log position
 *   'g' partition u16 -> the clock of what was forgotten (partition.ts)
 *   'h' target u16 | partition u16 | number f64 -> kept at, ms f64 | batches        't' -> totals of the hints
 *   'v' generation f64 | index u32 -> a piece of a large record        'w' generation f64 -> its row (pieced-engine.ts)
 */
import { ByteWriter } from '../protocol/byte-writer.js';
import { decodeRecordKey, recordPart, recordType, slotRange, writeRecordKey } from '../protocol/record-key.js';
import type { EngineRange } from './engine.js';

export const table = {
  record: 0x72,
  element: 0x65,
  header: 0x63,
  partition: 0x70,
  fact: 0x66,
  position: 0x78,
  purged: 0x67,
  hint: 0x68,
  hintTotals: 0x74,
  piece: 0x76,
  split: 0x77,
} as const;

/** The row of the record of a string or of an element. */
export function rowOf(recordKey: Buffer): Buffer {
  const { part } = decodeRecordKey(recordKey);
  return Buffer.concat([Buffer.of(part === recordPart.element ? table.element : table.record), recordKey]);
}

/** Appends the row of a string. */
export function writeStringRow(writer: ByteWriter, slot: number, key: Buffer): void {
  writer.u8(table.record);
  writeRecordKey(writer, slot, key, recordType.string, recordPart.value, noElement);
}

/** The row of a string. */
export function stringRow(slot: number, key: Buffer): Buffer {
  rowWriter.reset();
  writeStringRow(rowWriter, slot, key);
  return Buffer.from(rowWriter.view());
}

/** Appends the row of a collection's element. `type` is a recordType. */
export function writeElementRow(writer: ByteWriter, slot: number, key: Buffer, type: number, element: Buffer): void {
  writer.u8(table.element);
  writeRecordKey(writer, slot, key, type, recordPart.element, element);
}

/** The row of a collection's element. `type` is a recordType. */
export function elementRow(slot: number, key: Buffer, type: number, element: Buffer): Buffer {
  rowWriter.reset();
  writeElementRow(rowWriter, slot, key, type, element);
  return Buffer.from(rowWriter.view());
}

/** The rows of all elements of a collection. */
export function elementRows(slot: number, key: Buffer, type: number): EngineRange {
  const from = elementRow(slot, key, type, noElement);
  const to = Buffer.from(from);
  to[to.length - 1] = recordPart.element + 1;
  return { from, to };
}

/** The row of a key's collections. */
export function headerRow(slot: number, key: Buffer): Buffer {
  rowWriter.reset();
  rowWriter.u8(table.header);
  rowWriter.u16(slot);
  rowWriter.u32(key.length);
  rowWriter.bytes(key);
  return Buffer.from(rowWriter.view());
}

/** Slot and key of a header row; the key is borrowed. */
export function keyOfHeader(row: Buffer): { readonly slot: number; readonly key: Buffer } {
  return { slot: row.readUInt16BE(1), key: row.subarray(7) };
}

/** The rows of one table of a run of slots. */
export function slotRows(name: number, firstSlot: number, lastSlot: number): EngineRange {
  const { from, to } = slotRange(firstSlot, lastSlot);
  return { from: Buffer.concat([Buffer.of(name), from]), to: Buffer.concat([Buffer.of(name), to]) };
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

/** The row of a piece. Numbers are whole and not negative, as above. */
export function pieceRow(generation: number, index: number): Buffer {
  const row = Buffer.allocUnsafe(13);
  row[0] = table.piece;
  row.writeDoubleBE(generation, 1);
  row.writeUInt32BE(index, 9);
  return row;
}

/** The rows of all pieces of a generation. */
export function pieceRows(generation: number): EngineRange {
  return { from: pieceRow(generation, 0), to: pieceRow(generation + 1, 0) };
}

/** What says that there are pieces of a generation. */
export function splitRow(generation: number): Buffer {
  const row = Buffer.allocUnsafe(9);
  row[0] = table.split;
  row.writeDoubleBE(generation, 1);
  return row;
}

export const splitRows: EngineRange = { from: Buffer.of(table.split), to: Buffer.of(table.split + 1) };
