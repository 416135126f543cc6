/**
 * What the host of a virtual machine takes from the main thread of a process while it seems to be running (stolen-time-main.ts writes it down), where chrt and
 * taskset (util-linux) are there and allowed to. Elsewhere nothing is known of it, and it counts as the thread's own CPU time. Linux only.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';

const watcher = fileURLToPath(new URL('stolen-time-main.js', import.meta.url));
/** Of /proc/<pid>/stat, counted from the field after the program's name. */
const processorField = 36;

const fileOf = (file: string, cpu: number): string => `${file}.stolen${cpu}`;

/** CLOCK_MONOTONIC, where times of several processes can be compared. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/** The CPU that a thread was last on, of its `stat`. */
export const processorOf = (stat: string): number => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[processorField]);

/** Watches each CPU until the process `pid` has ended. The files' names begin with `file`. */
export function watchStolenTime(pid: number, file: string): void {
  for (let cpu = 0; cpu < cpus().length; cpu++) {
    const pinned = ['--fifo', '1', 'taskset', '--cpu-list', String(cpu), process.execPath];
    spawn('chrt', [...pinned, watcher, String(pid), String(cpu), fileOf(file, cpu)], { stdio: 'ignore' })
      .on('error', () => {}) // no such tool on this machine
      .unref();
  }
}

/** Of the thread's CPU time between two times on CLOCK_MONOTONIC, so much was the host's. All in ms. */
export interface Stolen {
  readonly from: number;
  readonly to: number;
  readonly stolen: number;
}

/** What was stolen so far. */
export function stolenOf(file: string): readonly Stolen[] {
  return cpus().flatMap((_, cpu) => {
    let text: string;
    try {
      text = readFileSync(fileOf(file, cpu), 'latin1');
    } catch {
      return []; // none was on this CPU, or nobody watched
    }
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const [from = 0, to = 0, stolen = 0] = line.split(' ').map(Number);
        return { from, to, stolen };
      });
  });
}
