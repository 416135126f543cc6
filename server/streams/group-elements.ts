/**
 * What of a stream's elements is a consumer group's (stream-elements.ts has the others). Each begins with its group:
 *
 *   cursor     3 | name length u32 | name | actor u32      -> what was delivered, by each coordinator that wrote it. A group exists while it has one
 *   consumer   4 | name length u32 | name | consumer       -> when it was last seen, and last given something
 *   delivery   5 | name length u32 | name | id | 0         -> an entry was given to a consumer and is not acknowledged yet
 *   claim      5 | name length u32 | name | id | 1         -> who has it now, by the delivery that it is about
 *
 * A delivery is written once; what changes about it is said by the claim beside it, which counts only while the delivery that it names is there. So an acknowledgement,
 * which deletes the delivery, beats a claim that had not seen it.
 */
import type { Dot } from '../../protocol/dot.js';
import { ByteReader } from '../../protocol/byte-reader.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { decodeClock, encodeClock } from '../../protocol/record.js';
import type { Delivered, Step } from './delivered.js';
import { kind, type Span } from './stream-elements.js';
import { idBytes, idMax, putId, readId, type StreamId } from './stream-id.js';

export interface Cursor {
  readonly delivered: Delivered;
  /** How many entries were delivered or skipped, as Redis counts them; undefined = nobody knows. */
  readonly entriesRead: number | undefined;
}

/** Unix ms; `activeMs` 0 = never. */
export interface ConsumerTimes {
  readonly seenMs: number;
  readonly activeMs: number;
}

/** Who has an entry, since when (Unix ms), and how often it was given. */
export interface Holding {
  readonly consumer: Buffer;
  readonly sinceMs: number;
  readonly times: bigint;
}

const headBytes = 5;
const claimed = 1;

/** Room for `more` bytes behind the group. */
function elementOf(which: number, name: Buffer, more: number): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes + name.length + more);
  bytes[0] = which;
  bytes.writeUInt32BE(name.length, 1);
  bytes.set(name, headBytes);
  return bytes;
}

/** All elements of this kind that a group has. */
function spanOf(which: number, name: Buffer): Span {
  const from = elementOf(which, name, 0);
  return { from, to: successor(from) };
}

/** The least bytes above all that begin with these, whose first one is a kind. */
function successor(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (bytes[end - 1] === 0xff) end--;
  const result = Buffer.from(bytes.subarray(0, end));
  result[end - 1] = (result[end - 1] as number) + 1;
  return result;
}

export const allCursors: Span = { from: Buffer.of(kind.cursor), to: Buffer.of(kind.cursor + 1) };
export const cursorsOf = (name: Buffer): Span => spanOf(kind.cursor, name);
export const consumersOf = (name: Buffer): Span => spanOf(kind.consumer, name);
export const pendingOf = (name: Buffer): Span => spanOf(kind.pending, name);
/** Of all groups, one after the other. */
export const allPending: Span = { from: Buffer.of(kind.pending), to: Buffer.of(kind.pending + 1) };

export function cursorElement(name: Buffer, actor: number): Buffer {
  const bytes = elementOf(kind.cursor, name, 4);
  bytes.writeUInt32BE(actor, headBytes + name.length);
  return bytes;
}

export function consumerElement(name: Buffer, consumer: Buffer): Buffer {
  const bytes = elementOf(kind.consumer, name, consumer.length);
  bytes.set(consumer, headBytes + name.length);
  return bytes;
}

function pendingElement(name: Buffer, id: StreamId, which: number): Buffer {
  const bytes = elementOf(kind.pending, name, idBytes + 1);
  putId(bytes, headBytes + name.length, id);
  bytes[bytes.length - 1] = which;
  return bytes;
}

export const deliveryElement = (name: Buffer, id: StreamId): Buffer => pendingElement(name, id, 0);
export const claimElement = (name: Buffer, id: StreamId): Buffer => pendingElement(name, id, claimed);

/** Deliveries and claims of these ids, both inclusive. */
export function pendingBetween(name: Buffer, first: StreamId, last: StreamId): Span {
  return { from: deliveryElement(name, first), to: last === idMax ? pendingOf(name).to : deliveryElement(name, last + 1n) };
}

/** The name of the group that an element is of. */
export const groupName = (element: Buffer): Buffer => element.subarray(headBytes, headBytes + element.readUInt32BE(1));
/** What comes behind the group. */
const tailOf = (element: Buffer): Buffer => element.subarray(headBytes + element.readUInt32BE(1));
export const consumerName = tailOf;
export const pendingId = (element: Buffer): StreamId => readId(tailOf(element), 0);
export const isClaim = (element: Buffer): boolean => element.at(-1) === claimed;

const writer = new ByteWriter(256);

export function encodeCursor({ delivered, entriesRead }: Cursor): Buffer {
  writer.reset();
  writer.i64(BigInt(entriesRead ?? -1));
  for (const { to, clock } of delivered) {
    const id = Buffer.allocUnsafe(idBytes);
    putId(id, 0, to);
    writer.bytes(id);
    encodeClock(writer, clock);
  }
  return writer.take();
}

export function decodeCursor(bytes: Buffer): Cursor {
  const reader = new ByteReader(bytes);
  const entriesRead = Number(reader.i64());
  const delivered: Step[] = [];
  while (reader.remaining > 0) delivered.push({ to: readId(reader.bytes(idBytes), 0), clock: decodeClock(reader) });
  return { delivered, entriesRead: entriesRead < 0 ? undefined : entriesRead };
}

export function encodeConsumer({ seenMs, activeMs }: ConsumerTimes): Buffer {
  writer.reset();
  writer.counter(seenMs);
  writer.counter(activeMs);
  return writer.take();
}

export function decodeConsumer(bytes: Buffer): ConsumerTimes {
  const reader = new ByteReader(bytes);
  return { seenMs: reader.counter(), activeMs: reader.counter() };
}

function writeHolding({ consumer, sinceMs, times }: Holding): void {
  writer.counter(sinceMs);
  writer.i64(times);
  writer.bytes(consumer);
}

const readHolding = (reader: ByteReader): Holding => ({
  sinceMs: reader.counter(),
  times: reader.i64(),
  consumer: reader.bytes(reader.remaining),
});

export function encodeDelivery(holding: Holding): Buffer {
  writer.reset();
  writeHolding(holding);
  return writer.take();
}

/** Borrows the bytes, as decodeClaim does. */
export const decodeDelivery = (bytes: Buffer): Holding => readHolding(new ByteReader(bytes));

export function encodeClaim({ actor, counter }: Dot, holding: Holding): Buffer {
  writer.reset();
  writer.u32(actor);
  writer.counter(counter);
  writeHolding(holding);
  return writer.take();
}

export function decodeClaim(bytes: Buffer): { readonly delivery: Dot; readonly holding: Holding } {
  const reader = new ByteReader(bytes);
  const delivery = { actor: reader.u32(), counter: reader.counter() };
  return { delivery, holding: readHolding(reader) };
}
