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
  /** At a position that was made for this batch, so that nothing of it can be anywhere. */
  addToList(key: Buffer, position: Buffer, value: Buffer): void;
  setElement(key: Buffer, type: 'list', position: Buffer, value: Buffer): boolean;
  removeElement(key: Buffer, type: 'list', position: Buffer): boolean;
  delete(key: Buffer): boolean;
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
  if (list === undefined || positions.every(({ length }) => length <= positionBytesMost)) write(writing, key, positions, values);
  else rewriteAround(writing, key, list, at, values, dot);
}

function rewriteAround(writing: ListWriting, key: Buffer, list: ListReader, at: number, values: readonly Buffer[], dot: Dot): void {
  const { size } = list;
  if (!list.isOrdered()) return; // it is not known how far it reaches
  for (let reach = 2; ; reach *= 2) {
    const [from, to] = [Math.max(0, at - reach), Math.min(size, at + reach)];
    const moved = Array.from({ length: to - from }, (_, i) => list.positionAt(from + i) as Buffer);
    const all = [...list.slice(from, at), ...values, ...list.slice(at, to)];
    const positions = positionsBetween(list.positionAt(from - 1), list.positionAt(to), all.length, 'left', dot);
    const isAll = from === 0 && to === size;
    if (!isAll && positions.some(({ length }) => length > rewrittenBytesMost)) continue;
    write(writing, key, positions, all);
    for (const position of moved) writing.removeElement(key, 'list', position);
    return;
  }
}

function write(writing: ListWriting, key: Buffer, positions: readonly Buffer[], values: readonly Buffer[]): void {
  positions.forEach((position, i) => writing.addToList(key, position, values[i] as Buffer));
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
  write(writing, key, positions, [value as Buffer]);
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
  const positions = ranges.flatMap(([from, to]) => Array.from({ length: to - from }, (_, i) => list.positionAt(from + i) as Buffer));
  for (const position of positions) writing.removeElement(key, 'list', position);
}

/** Deletes the list and writes what stays anew, where it stood. */
function keepOnly(writing: ListWriting, key: Buffer, list: ListReader, ranges: readonly IndexRange[]): void {
  const kept: (readonly [position: Buffer, value: Buffer])[] = [];
  let next = 0;
  for (const [from, to] of [...ranges, [list.size, list.size] as const]) {
    const values = list.slice(next, from);
    for (const [i, value] of values.entries()) kept.push([list.positionAt(next + i) as Buffer, value]);
    next = to;
  }
  writing.delete(key);
  for (const [position, value] of kept) writing.setElement(key, 'list', position, value);
}
