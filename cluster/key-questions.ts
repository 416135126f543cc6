/**
 * How a read of collections compares replicas: what the asker's reply rests on, in bytes that a peer holds against its own records. Big-endian, after a kind:
 *
 *   1 record     type u8 | part u8 | element                       the record itself is wanted, whatever it is
 *   2 whole      clock top | clock seen                            equal: each one's `seen` covers all that was ever written to the key at the other
 *   3 elements   type u8 | count u16 | (length u32 | element)* | state       equal: the peer has the same state of them
 *
 * The state of elements is what the reply follows from: versions of each element's record, of the key's expiry, and of a string beside the collection.
 */
import { ByteReader } from '../protocol/byte-reader.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import { decodeClock, emptyClock, encodeClock, type VectorClock } from '../protocol/record.js';
import { recordPart, type RecordKey } from '../protocol/record-key.js';
import { typeOfByte, type CollectionType } from '../storage/collection-types.js';
import { noEntry } from '../storage/key-table.js';
import { effectiveContext, recordVersion } from '../storage/merge.js';
import type { Partition } from '../storage/partition.js';
import type { Look } from '../storage/transaction-reads.js';
import { coversClock, maxClock } from '../storage/vector-clock.js';

const questionKind = { record: 1, whole: 2, elements: 3 } as const;
/** What fits a row of a frame (packed-rows.ts). */
const questionBytesMax = 0xffff;

/** No record's version: who asks with it gets the record in any case. */
export const noVersion = Buffer.from('?');

/** A read's question about one key. */
export class KeyQuestion {
  constructor(readonly bytes: Buffer) {}
}

const writer = new ByteWriter(256);

/** Asks for a record; undefined when the question would be too long. */
export function recordQuestion({ type, part, element }: RecordKey): KeyQuestion | undefined {
  writer.reset();
  writer.u8(questionKind.record);
  writer.u8(type);
  writer.u8(part);
  writer.bytes(element);
  return writer.length > questionBytesMax ? undefined : new KeyQuestion(Buffer.from(writer.view()));
}

/** What a read that looked at `here` of `key` rests on; all of it is in memory. */
export function questionOf(partition: Partition, key: Buffer, here: readonly Look[]): KeyQuestion {
  const [first] = here;
  const isOfElements =
    first !== undefined && here.length < 0xffff && here.every(({ type, element }) => type === first.type && element !== undefined);
  if (isOfElements) {
    const elements = here.map(({ element }) => element as Buffer);
    writer.reset();
    writer.u8(questionKind.elements);
    writer.u8(first.type.byte);
    writer.u16(elements.length);
    for (const element of elements) {
      writer.u32(element.length);
      writer.bytes(element);
    }
    const head = Buffer.from(writer.view());
    const question = Buffer.concat([head, stateOf(partition, key, first.type, elements)]);
    if (question.length <= questionBytesMax) return new KeyQuestion(question);
  }
  writer.reset();
  writer.u8(questionKind.whole);
  encodeClock(writer, topOf(partition, key));
  encodeClock(writer, partition.seen);
  return new KeyQuestion(Buffer.from(writer.view()));
}

/** What a peer asks, decoded; borrows the bytes. */
export type AskedQuestion =
  | { readonly kind: 'record'; readonly type: number; readonly part: number; readonly element: Buffer }
  | { readonly kind: 'whole'; readonly top: VectorClock; readonly seen: VectorClock }
  | { readonly kind: 'elements'; readonly type: CollectionType; readonly elements: readonly Buffer[]; readonly state: Buffer };

/** Undefined when it is of a kind, or about a type, that this release does not know. Throws FormatError. */
export function readQuestion(bytes: Buffer): AskedQuestion | undefined {
  const reader = new ByteReader(bytes);
  const kind = reader.u8();
  if (kind === questionKind.record) {
    const [type, part] = [reader.u8(), reader.u8()];
    return { kind: 'record', type, part, element: reader.bytes(reader.remaining) };
  }
  if (kind === questionKind.whole) {
    const [top, seen] = [decodeClock(reader), decodeClock(reader)];
    return { kind: 'whole', top, seen };
  }
  if (kind !== questionKind.elements) return undefined;
  const type = typeOfByte(reader.u8());
  const elements: Buffer[] = [];
  for (let count = reader.u16(); count > 0; count--) elements.push(reader.bytes(reader.u32()));
  return type === undefined ? undefined : { kind: 'elements', type, elements, state: reader.bytes(reader.remaining) };
}

/** Whether what the asker's reply rests on is what this replica has, too. The key and the elements are in memory. */
export function isAgreed(partition: Partition, key: Buffer, question: Exclude<AskedQuestion, { kind: 'record' }>): boolean {
  if (question.kind === 'elements') return stateOf(partition, key, question.type, question.elements).equals(question.state);
  return coversClock(partition.seen, question.top) && coversClock(question.seen, topOf(partition, key));
}

/** The maximum of all that was written to the key here. */
function topOf(partition: Partition, key: Buffer): VectorClock {
  const entry = partition.find(key);
  if (entry === noEntry) return new Map();
  const string = partition.table.recordOf(entry);
  const top = partition.topOf(entry);
  return string === undefined ? top : maxClock(top, effectiveContext(string));
}

function stateOf(partition: Partition, key: Buffer, type: CollectionType, elements: readonly Buffer[]): Buffer {
  const { collections } = partition;
  const owner = partition.find(key);
  const collection = owner === noEntry ? undefined : collections.get(owner, type);
  const versions: Buffer[] = [];
  const note = (entry: number): void => {
    const record = entry === noEntry ? undefined : partition.recordOf(entry);
    // What a living record has seen beside its values is dropped at different times by different replicas.
    const version = recordVersion(
      record === undefined || record.versions.length === 0 ? record : { context: emptyClock, versions: record.versions },
    );
    versions.push(Buffer.of(version.length >> 8, version.length & 0xff), version);
  };
  note(owner);
  note(collection === undefined ? noEntry : collection.expiry);
  const others = owner === noEntry ? 0 : collections.of(owner).filter((one) => one !== collection && one.mayLive).length;
  versions.push(Buffer.of(others));
  for (const element of elements) note(collection === undefined ? noEntry : collections.find(collection, recordPart.element, element));
  return Buffer.concat(versions);
}
