/** What the commit log's tests share: a clock that moves by hand, chance from a seed, and a log over a disk in memory. */
import type { Clock, Random, Timer } from '../../storage/clock.js';
import { CommitLog, type CommitLogOptions } from '../../storage/commit-log.js';
import type { StorageError } from '../../storage/engine.js';
import type { LogFiles } from '../../storage/log-files.js';

export class HandClock implements Clock {
  #nowMs = 0;
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];

  wallMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }

  atTurnEnd(callback: () => void): void {
    this.after(0, callback);
  }

  nextTurn(callback: () => void): void {
    this.after(0, callback);
  }

  get timers(): number {
    return this.#timers.length;
  }

  /** Runs what is due, and lets what waits for it go on. */
  async advance(ms: number): Promise<void> {
    this.#nowMs += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs);
    for (const { callback } of due) callback();
    await settled();
  }
}

/** When every promise that waits for nothing but promises has gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Mulberry32. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    integer(below) {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
    },
  };
}

export interface ReadEntry {
  readonly kind: number;
  readonly payload: string;
  readonly position: number;
}

export interface OpenedLog {
  readonly log: CommitLog;
  readonly entries: ReadEntry[];
  readonly failures: StorageError[];
}

export async function openLog(files: LogFiles, options: Partial<CommitLogOptions> = {}, replayFrom = 0): Promise<OpenedLog> {
  const entries: ReadEntry[] = [];
  const failures: StorageError[] = [];
  const log = await CommitLog.open(
    files,
    { segmentBytesMax: 1 << 20, durability: 'os', clock: new HandClock(), onRefusal: (error) => failures.push(error), ...options },
    replayFrom,
    (kind, payload, position) => entries.push({ kind, payload: payload.toString('latin1'), position }),
  );
  return { log, entries, failures };
}
