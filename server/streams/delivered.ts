/**
 * What a consumer group was given of its stream: a function from ids to vector clocks. An entry was delivered (or skipped, by who set the group's id) when the clock at its
 * id covers the write that made it.
 *
 *   ids      0 ------------- 5-1 ------------------ 9-1 ---------
 *   clock        {a: 40}             {a: 17}            {}          here: up to 5-1 all that a wrote until its 40, up to 9-1 until its 17
 *
 * One id, as in Redis, is not enough: what the other side of a partition added may lie before it. Two such functions are joined by the greater clock at each id, which is
 * commutative, associative and idempotent, and takes back nothing (docs/decisions, "Consumer groups").
 *
 * A coordinator puts `always` for itself: what it adds from then on lies behind all that it delivered, so it never has to look.
 */
import { counterMax, type Dot } from '../../protocol/dot.js';
import { emptyClock, type VectorClock } from '../../protocol/record.js';
import { clocksEqual, covers, coversClock, maxClock } from '../../storage/vector-clock.js';
import type { StreamId } from './stream-id.js';

/** The clock of all ids from behind the step before it up to `to`. */
export interface Step {
  readonly to: StreamId;
  readonly clock: VectorClock;
}

/** Steps in the order of ids. Normal form: neighbours differ, and the last one says something. Behind the last one nothing was delivered. */
export type Delivered = readonly Step[];

export const nothing: Delivered = [];
const always = counterMax;

export function clockAt(delivered: Delivered, id: StreamId): VectorClock {
  return delivered.find(({ to }) => id <= to)?.clock ?? emptyClock;
}

export const wasDelivered = (delivered: Delivered, id: StreamId, dot: Dot): boolean => covers(clockAt(delivered, id), dot);

/** The last id that counts as delivered, as Redis shows it; 0 = none. */
export const lastDelivered = (delivered: Delivered): StreamId => delivered.at(-1)?.to ?? 0n;

/** Everything of the clock from behind `after` up to `to`. */
export function deliveredWithin(after: StreamId, to: StreamId, clock: VectorClock): Delivered {
  return normal([
    { to: after, clock: emptyClock },
    { to, clock },
  ]);
}

export function join(x: Delivered, y: Delivered): Delivered {
  if (x.length === 0) return y;
  if (y.length === 0) return x;
  const ends = [...new Set([...x, ...y].map(({ to }) => to))].sort((a, b) => (a < b ? -1 : 1));
  return normal(ends.map((to) => ({ to, clock: maxClock(clockAt(x, to), clockAt(y, to)) })));
}

/** What the actor puts into a clock for itself. */
export const withAlways = (clock: VectorClock, actor: number): VectorClock => new Map(clock).set(actor, always);

/**
 * The same where the actor, whose latest write to the stream is `latest`, says that what it adds from here on lies behind `lastId`: steps up to there that lack none of
 * what it wrote before need not be looked through for it any more.
 */
export function adoptedBy(delivered: Delivered, actor: number, latest: number, lastId: StreamId): Delivered {
  const isToSay = ({ to, clock }: Step): boolean =>
    to <= lastId && clock.get(actor) !== always && covers(clock, { actor, counter: latest });
  if (!delivered.some(isToSay)) return delivered;
  return normal(delivered.map((step) => (isToSay(step) ? { to: step.to, clock: withAlways(step.clock, actor) } : step)));
}

export function areEqual(x: Delivered, y: Delivered): boolean {
  return x.length === y.length && x.every(({ to, clock }, i) => to === y[i]?.to && clocksEqual(clock, y[i].clock));
}

/** Where there may be entries that were not delivered, when all that was ever written is within `top`: behind `after` up to `to`, of which `clock` were. */
export function openRanges(delivered: Delivered, top: VectorClock, end: StreamId): (Step & { readonly after: StreamId })[] {
  const open: (Step & { readonly after: StreamId })[] = [];
  let after = 0n;
  for (const { to, clock } of [...delivered, { to: end, clock: emptyClock }]) {
    if (to > after && !coversClock(clock, top)) open.push({ after, to, clock });
    if (to > after) after = to;
  }
  return open;
}

/** Up to where all that was ever written, which is within `top`, was delivered. */
export function deliveredUpTo(delivered: Delivered, top: VectorClock): StreamId {
  const open = delivered.findIndex(({ clock }) => !coversClock(clock, top));
  return open < 0 ? lastDelivered(delivered) : (delivered[open - 1]?.to ?? 0n);
}

function normal(steps: Delivered): Delivered {
  const kept = steps.filter(({ to, clock }, i) => to > 0n && !(i + 1 < steps.length && clocksEqual(clock, (steps[i + 1] as Step).clock)));
  while (kept.at(-1)?.clock.size === 0) kept.pop();
  return kept;
}
