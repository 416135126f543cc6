/**
 * What the host of a virtual machine takes from the main thread of a process while it seems to be running (stolen-time-main.ts writes it down), where chrt and
 * taskset (util-linux) are there and allowed to. Elsewhere nothing is known of it, and it counts as the thread's own CPU time. Linux only.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const watcher = fileURLToPath(new URL('stolen-time-main.js', import.meta.url));
/** The CPU that the thread is kept on. */
const cpu = '0';

const fileOf = (file: string): string => `${file}.stolen`;

/** CLOCK_MONOTONIC, where times of several processes can be compared. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/** Keeps the main thread of the process `pid` on one CPU, and watches that one until the process has ended. Another file beside `file` is made for it. */
export function watchStolenTime(pid: number, file: string): void {
  const watched = ['taskset', '--cpu-list', cpu, process.execPath, watcher, String(pid), fileOf(file)];
  spawn('taskset', ['--pid', '--cpu-list', cpu, String(pid)], { stdio: 'ignore' })
    .on('error', () => {}) // no such tool on this machine
    .on('exit', (code) => {
      if (code !== 0) return;
      spawn('chrt', ['--fifo', '1', ...watched], { stdio: 'ignore' })
        .on('error', () => {})
        .unref();
    });
}

/** Of the thread's CPU time between two times on CLOCK_MONOTONIC, so much was the host's. All in ms. */
export interface Stolen {
  readonly from: number;
  readonly to: number;
  readonly stolen: number;
}

/** What was stolen so far. */
export function stolenOf(file: string): readonly Stolen[] {
  let text: string;
  try {
    text = readFileSync(fileOf(file), 'latin1');
  } catch {
    return []; // nothing, or nobody watched
  }
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [from = 0, to = 0, stolen = 0] = line.split(' ').map(Number);
      return { from, to, stolen };
    });
}
