/**
 * The types of collections that this release has. A record's type and part fit five bits, its *kind*, in the key table. A type that is not listed
 * is of a later release: its records are refused, never taken for what they are not.
 */
import { recordPart, recordType } from '../protocol/record-key.js';
import type { TypeName } from './execution.js';

export interface CollectionType {
  readonly name: Exclude<TypeName, 'string'>;
  /** In record keys. */
  readonly byte: number;
  /** In kinds and in header rows, 1..7; fixed on disk. */
  readonly number: number;
  /** Its elements have values that can differ. */
  readonly hasValues: boolean;
  /** Its order holds what is in memory, whether or not that is all; else it is made anew once all is. */
  readonly isOrderedInParts: boolean;
}

export const collectionTypes = {
  hash: { name: 'hash', byte: recordType.hash, number: 1, hasValues: true, isOrderedInParts: false },
  set: { name: 'set', byte: recordType.set, number: 2, hasValues: false, isOrderedInParts: false },
  zset: { name: 'zset', byte: recordType.zset, number: 3, hasValues: true, isOrderedInParts: false },
  list: { name: 'list', byte: recordType.list, number: 4, hasValues: true, isOrderedInParts: true },
  stream: { name: 'stream', byte: recordType.stream, number: 5, hasValues: true, isOrderedInParts: true },
} as const satisfies Readonly<Record<string, CollectionType>>;

const byByte = new Map<number, CollectionType>(Object.values(collectionTypes).map((type) => [type.byte, type]));
const byNumber = new Map<number, CollectionType>(Object.values(collectionTypes).map((type) => [type.number, type]));

/** By its byte in record keys; undefined = this release has no such type. */
export function typeOfByte(byte: number): CollectionType | undefined {
  return byByte.get(byte);
}

/** By its number in header rows. */
export function typeOfNumber(number: number): CollectionType | undefined {
  return byNumber.get(number);
}

/** `part` is a recordPart other than value. */
export function kindOf(type: CollectionType, part: number): number {
  return (type.number << 2) | part;
}

/** The recordPart of a kind. */
export function partOfKind(kind: number): number {
  return kind & 3;
}

/** Throws for a kind that no entry can have. */
export function typeOfKind(kind: number): CollectionType {
  const type = byNumber.get(kind >> 2);
  if (type === undefined) throw new Error(`an entry of kind ${kind}`);
  return type;
}

/** The record that deletes a collection: what it has seen is all there is to it, so it counts as a context always. */
export function isDeletedKind(kind: number): boolean {
  return kind !== 0 && (kind & 3) === recordPart.deleted;
}
