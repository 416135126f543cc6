/**
 * Patterns of SORT's BY and GET: the element takes the place of the first `*`, and what is there by this name is meant, or a field of a hash where `->` follows.
 *
 *   weight_*      GET weight_<element>          object_*->price      HGET object_<element> price          #      the element itself
 *
 * In Redis Cluster no node has all that a pattern may name, so it refuses them; from Redis 8.0 on those are let through whose keys are of the slot of the key sorted,
 * by a hash tag that stands before the `*`. So it is here.
 */
import { slotOf } from '../../protocol/slot.js';
import type { Execution } from '../../storage/execution.js';

const star = 0x2a;
const openingBrace = 0x7b;
const closingBrace = 0x7d;
const noBytes: Buffer = Buffer.alloc(0);

export interface SortPattern {
  /** It means the element itself. */
  readonly isElement: boolean;
  /** It names nothing: there is no `*` in it. */
  readonly isConstant: boolean;
  readonly before: Buffer;
  readonly after: Buffer;
  /** Of a hash. */
  readonly field: Buffer | undefined;
}

export function parseSortPattern(pattern: Buffer): SortPattern {
  const at = pattern.indexOf(star);
  const isElement = pattern.length === 1 && pattern[0] === 0x23;
  if (at < 0) return { isElement, isConstant: true, before: noBytes, after: noBytes, field: undefined };
  const arrow = pattern.indexOf('->', at + 1);
  const hasField = arrow >= 0 && arrow + 2 < pattern.length;
  return {
    isElement,
    isConstant: false,
    before: pattern.subarray(0, at),
    after: pattern.subarray(at + 1, hasField ? arrow : pattern.length),
    field: hasField ? pattern.subarray(arrow + 2) : undefined,
  };
}

/** Whatever the element, the key is of the slot of `key`. Of a pattern that names one. */
export function isOfSlotOf({ before }: SortPattern, key: Buffer): boolean {
  const opening = before.indexOf(openingBrace);
  const closing = opening < 0 ? -1 : before.indexOf(closingBrace, opening + 1);
  return closing > opening + 1 && slotOf(before) === slotOf(key);
}

/** What it means for an element; undefined where there is no such thing, or it is of another type. */
export function valueOf(
  execution: Execution,
  { isElement, isConstant, before, after, field }: SortPattern,
  element: Buffer,
): Buffer | undefined {
  if (isElement) return element;
  if (isConstant) return undefined;
  const key = Buffer.concat([before, element, after]);
  const type = execution.typeOf(key);
  if (field !== undefined) return type === 'hash' ? execution.collection(key, 'hash')?.get(field) : undefined;
  return type === 'string' ? execution.string(key)?.bytes : undefined;
}
