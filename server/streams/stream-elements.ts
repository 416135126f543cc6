/**
 * What the elements of a stream are, by their bytes, which is the order in which they lie in memory and on disk:
 *
 *   mark       1 | actor u32                               -> last id | greatest deleted id: what no entry shows any more, by each coordinator that wrote it
 *   removed    2                                           -> how many entries were ever removed, a counter
 *   3 to 5     of consumer groups                          (group-elements.ts)
 *   entry      64 | id                                     -> fields and values
 *
 * A stream exists while it has any of them: one that has lost all its entries keeps its mark, as Redis keeps the empty stream.
 */
import { ByteReader } from '../../protocol/byte-reader.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { idBytes, idMax, putId, readId, type StreamId } from './stream-id.js';

/** The first byte of an element, fixed on disk. */
export const kind = { mark: 1, removed: 2, cursor: 3, consumer: 4, pending: 5, entry: 64 } as const;

export interface StreamEntry {
  readonly id: StreamId;
  /** Fields and values, one after the other. */
  readonly fields: readonly Buffer[];
}

/** Elements from `from` (inclusive) to `to` (exclusive). */
export interface Span {
  readonly from: Buffer;
  readonly to: Buffer;
}

const spanOfKind = (first: number, last = first): Span => ({ from: Buffer.of(first), to: Buffer.of(last + 1) });

export const marks = spanOfKind(kind.mark);
/** All that is no entry. */
export const besideEntries: Span = { from: Buffer.of(0), to: Buffer.of(kind.entry) };
const allEntries = spanOfKind(kind.entry);

export const removedElement: Buffer = Buffer.of(kind.removed);

export function markElement(actor: number): Buffer {
  const bytes = Buffer.allocUnsafe(5);
  bytes[0] = kind.mark;
  bytes.writeUInt32BE(actor, 1);
  return bytes;
}

export function entryElement(id: StreamId): Buffer {
  const bytes = Buffer.allocUnsafe(1 + idBytes);
  bytes[0] = kind.entry;
  putId(bytes, 1, id);
  return bytes;
}

export const entryId = (element: Buffer): StreamId => readId(element, 1);

/** Entries of these ids, both inclusive. */
export function entriesBetween(first: StreamId, last: StreamId): Span {
  return { from: entryElement(first), to: last === idMax ? allEntries.to : entryElement(last + 1n) };
}

const writer = new ByteWriter(256);

/** Fields and values, one after the other, each after its length. Owned by the caller. */
export function encodeFields(fields: readonly Buffer[]): Buffer {
  writer.reset();
  for (const field of fields) {
    if (field.length < longLength) writer.u8(field.length);
    else {
      writer.u8(longLength);
      writer.u32(field.length);
    }
    writer.bytes(field);
  }
  return writer.take();
}

/** Lengths from here on take four more bytes. */
const longLength = 0xff;

/** Borrows the bytes. */
export function decodeFields(bytes: Buffer): Buffer[] {
  const reader = new ByteReader(bytes);
  const fields: Buffer[] = [];
  while (reader.remaining > 0) {
    const length = reader.u8();
    fields.push(reader.bytes(length === longLength ? reader.u32() : length));
  }
  return fields;
}
