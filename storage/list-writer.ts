/**
 * What changing a list writes: elements at new positions, elements with another value, and deletions. Everything is reckoned from one look at the list as the
 * command found it, so that one change of a long list costs no more than of a short one.
 *
 * Bound: no position gets longer than `positionBytesMost`. Where inserting again and again in the narrowest place would make a longer one, the neighbourhood is
 * rewritten: as few elements on both sides as need to move for all of them to get short positions, in the worst case the whole list, whose positions are
 * integers then. An element that moves is deleted and written anew.
 */
import type { Dot } from '../protocol/dot.js';
import { positionBytesMost, positionsBetween, type Side } from './list-position.js';
import type { ListReader } from './list-reader.js';

/** What a rewriting leaves behind is as long at most. */
const rewrittenBytesMost = 32;
/** A list that loses all, or more than it keeps, is deleted as a whole from so many elements on: one record stands for all that are gone. */
const wholeFrom = 64;

/** The command's transaction, as far as lists are written through it. */
export interface ListWriting {
  list(key: Buffer): ListReader | undefined;
  /** At positions that were made for this batch, so that nothing of them can be anywhere. */
  addToList(key: Buffer, positions: readonly Buffer[], values: readonly Buffer[]): void;
  setElement(key: Buffer, type: 'list', position: Buffer, value: Buffer): boolean;
  setElements(key: Buffer, type: 'list', positions: readonly Buffer[], values: readonly Buffer[]): void;
  removeElement(key: Buffer, type: 'list', position: Buffer): boolean;
  removeElements(key: Buffer, type: 'list', positions: readonly Buffer[]): number;
  delete(key: Buffer): boolean;
  /** Unix ms; 0 = never, undefined = there is no such key. */
  expiryOf(key: Buffer): number | undefined;
  setExpiry(key: Buffer, expiresAtMs: number): boolean;
  /** Of what the command writes. */
  readonly writtenDot: Dot;
}

/** Elements of index `from` to before `to`. */
export type IndexRange = readonly [from: number, to: number];

/** Puts values, in this order, before the element of index `at`, or behind the last one. `near`: the neighbour that the next insertion is not expected at. */
export function insertIntoList(writing: ListWriting, key: Buffer, at: number, values: readonly Buffer[], near: Side): void {
  const list = writing.list(key);
  if (list?.hasAt(at - 1, at + 1) === false) return;
  const dot = writing.writtenDot;
  const positions = positionsBetween(list?.positionAt(at - 1), list?.positionAt(at), values.length, near, dot);
  if (list === undefined || positions.every(({ length }) => length <= positionBytesMost)) writing.addToList(key, positions, values);
  else rewriteAround(writing, key, list, at, values, dot);
}

function rewriteAround(writing: ListWriting, key: Buffer, list: ListReader, at: number, values: readonly Buffer[], dot: Dot): void {
  const { size } = list;
  if (!list.isOrdered()) return; // it is not known how far it reaches
  for (let reach = 2; ; reach *= 2) {
    const [from, to] = [Math.max(0, at - reach), Math.min(size, at + reach)];
    const moved = list.positions(from, to);
    const all = [...list.slice(from, at), ...values, ...list.slice(at, to)];
    const positions = positionsBetween(list.positionAt(from - 1), list.positionAt(to), all.length, 'left', dot);
    const isAll = from === 0 && to === size;
    if (!isAll && positions.some(({ length }) => length > rewrittenBytesMost)) continue;
    writing.addToList(key, positions, all);
    writing.removeElements(key, 'list', moved);
    return;
  }
}

export function replaceInList(writing: ListWriting, key: Buffer, at: number, value: Buffer): void {
  const position = writing.list(key)?.positionAt(at);
  if (position !== undefined) writing.setElement(key, 'list', position, value);
}

/** Moves the element at one end to the other. */
export function rotateList(writing: ListWriting, key: Buffer, from: Side): void {
  const list = writing.list(key);
  if (list === undefined || list.size < 2) return;
  if (!list.hasAt(0, 1) || !list.hasAt(list.size - 1, list.size)) return;
  const [first, last] = [list.positionAt(0), list.positionAt(list.size - 1)];
  const [source, left, right] = from === 'left' ? [first, last, undefined] : [last, undefined, first];
  const [value] = from === 'left' ? list.slice(0, 1) : list.slice(list.size - 1, list.size);
  const positions = positionsBetween(left, right, 1, 'left', writing.writtenDot);
  writing.addToList(key, positions, [value as Buffer]);
  writing.removeElement(key, 'list', source as Buffer);
}

/** Takes elements out; ranges are in order and do not touch each other. */
export function removeFromList(writing: ListWriting, key: Buffer, ranges: readonly IndexRange[]): void {
  const list = writing.list(key);
  if (list === undefined) return;
  const { size } = list;
  const gone = ranges.reduce((sum, [from, to]) => sum + to - from, 0);
  const isWhole = gone + list.buried >= wholeFrom && 2 * gone > size;
  if (isWhole && gone === size) return void writing.delete(key);
  if (isWhole && gone >= wholeFrom) return list.isOrdered() ? keepOnly(writing, key, list, ranges) : undefined;
  if (ranges.map(([from, to]) => list.hasAt(from, to)).includes(false)) return;
  const positions: Buffer[] = [];
  for (const [from, to] of ranges) {
    const each = list.positions(from, to);
    // From either end inwards: the order in memory loses its first or last element for less than one in between.
    if (to === size) each.reverse();
    for (const position of each) positions.push(position);
  }
  writing.removeElements(key, 'list', positions);
}

/** Deletes the list and writes what stays anew, where it stood. */
function keepOnly(writing: ListWriting, key: Buffer, list: ListReader, ranges: readonly IndexRange[]): void {
  const [positions, values]: [Buffer[], Buffer[]] = [[], []];
  let next = 0;
  for (const [from, to] of [...ranges, [list.size, list.size] as const]) {
    for (const { position, value } of list.placed(next, from)) {
      positions.push(position);
      values.push(value);
    }
    next = to;
  }
  const expiresAtMs = writing.expiryOf(key) ?? 0;
  writing.delete(key);
  writing.setElements(key, 'list', positions, values);
  if (expiresAtMs !== 0) writing.setExpiry(key, expiresAtMs);
}
