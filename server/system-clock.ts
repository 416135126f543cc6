/** The seams of time and chance on the real machine. */
import { randomInt } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Clock, Random, Timer } from '../storage/clock.js';

/** setTimeout takes no longer delay. */
const delayMsMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs: number, callback: () => void): Timer {
    const timer = setTimeout(callback, Math.min(delayMs, delayMsMax));
    return { cancel: () => clearTimeout(timer) };
  },
  // Input that is due is read in the loop's poll phase; immediates run after it.
  atTurnEnd: (callback) => void setImmediate(callback),
  nextTurn: (callback) => void setImmediate(callback),
};

export const systemRandom: Random = { integer: (below) => randomInt(below) };

/** Whole; may jump, as wallMs() may. */
export function unixMicroseconds(): number {
  const exactMs = performance.timeOrigin + performance.now();
  const wallMs = Date.now();
  return Math.floor(1000 * (Math.abs(exactMs - wallMs) < 2 ? exactMs : wallMs)); // further apart: the wall clock was set since the start
}
