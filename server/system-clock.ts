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
};

export const systemRandom: Random = { integer: (below) => randomInt(below) };
