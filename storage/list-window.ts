/**
 * Where the elements of a list stand that a command needs by their indexes, when memory has a part of the list only: used as a queue it may be larger than memory, and what is pushed and popped stands at its
 * ends. An index is counted from the end of the list up to which memory has everything from there.
 */
import type { ElementOrder } from './element-order.js';
import type { ElsewhereBounds } from './elsewhere-bounds.js';
import type { ElementRange } from './stream-reader.js';

/** Elements that are read at once, at least: those beside what is popped are popped next. */
const readLeast = 250;

/** Index in the order of what memory has, or, where it lacks some of them, what is to be read; 'all': most of the list. */
export type Place = number | ElementRange | 'all';

/** Of the elements of index `from` to before `to` in a list of `size`: `order` is of those in memory, `elsewhere` says where the others stand. */
export function placeOf({ from: begin, to: end }: ElsewhereBounds, order: ElementOrder, size: number, from: number, to: number): Place {
  const head = order.countBefore(begin);
  if (to <= head) return from;
  const tail = order.size - order.countBefore(end);
  if (from >= size - tail) return order.size - (size - from);
  if (2 * (to - from) > size) return 'all';
  const [fromHead, fromTail] = [to - head, size - from - tail];
  const backwards = fromTail < fromHead;
  return { from: begin, to: end, most: Math.max(readLeast, backwards ? fromTail : fromHead), backwards };
}
