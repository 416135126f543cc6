/**
 * Vector clocks: {actor: counter}, "everything of that actor up to there". Pure: a clock is never changed, and a result may be
 * one of the arguments itself. Most clocks here have no entry or one, so those cases come first.
 */
import type { Dot } from '../protocol/dot.js';
import { emptyClock, type VectorClock } from '../protocol/record.js';

export function covers(clock: VectorClock, dot: Dot): boolean {
  if (clock.size === 0) return dot.counter === 0;
  return (clock.get(dot.actor) ?? 0) >= dot.counter;
}

/** Whether x covers all that y covers. */
export function coversClock(x: VectorClock, y: VectorClock): boolean {
  if (y.size === 0 || x === y) return true;
  for (const [actor, counter] of y) {
    if ((x.get(actor) ?? 0) < counter) return false;
  }
  return true;
}

/** The pointwise maximum. */
export function maxClock(x: VectorClock, y: VectorClock): VectorClock {
  if (coversClock(x, y)) return x;
  if (x.size === 0) return y;
  const result = new Map(x);
  for (const [actor, counter] of y) {
    if ((result.get(actor) ?? 0) < counter) result.set(actor, counter);
  }
  return result;
}

/** The pointwise minimum. */
export function minClock(x: VectorClock, y: VectorClock): VectorClock {
  const result = new Map<number, number>();
  for (const [actor, counter] of x) {
    const both = Math.min(counter, y.get(actor) ?? 0);
    if (both > 0) result.set(actor, both);
  }
  return result;
}

/** The clock raised to cover a dot. */
export function plusDot(clock: VectorClock, dot: Dot): VectorClock {
  if (covers(clock, dot)) return clock;
  const result = new Map(clock);
  result.set(dot.actor, dot.counter);
  return result;
}

/** The clock without one actor. */
export function withoutActor(clock: VectorClock, actor: number): VectorClock {
  if (!clock.has(actor)) return clock;
  if (clock.size === 1) return emptyClock;
  const result = new Map(clock);
  result.delete(actor);
  return result;
}

export function clocksEqual(x: VectorClock, y: VectorClock): boolean {
  return x === y || (x.size === y.size && coversClock(x, y) && coversClock(y, x));
}

export function clockFromDots(dots: Iterable<Dot>): VectorClock {
  let result: Map<number, number> | undefined;
  for (const { actor, counter } of dots) {
    result ??= new Map();
    if ((result.get(actor) ?? 0) < counter) result.set(actor, counter);
  }
  return result ?? emptyClock;
}
