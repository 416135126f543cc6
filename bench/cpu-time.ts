/**
 * CPU time of other processes, all their threads and both modes together, from /proc/<pid>/stat (proc(5)). Only Linux has it; elsewhere the
 * answer is undefined, and the report says n/a. Its grain is the kernel's tick, nearly always 10 ms.
 */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';

let ticksPerSecond: number | undefined;

/** Microseconds of CPU that the processes have used so far; undefined when any of them cannot be read. */
export function cpuMicros(pids: readonly number[]): Promise<number | undefined> {
  return microsIn(pids.map((pid) => `/proc/${pid}/stat`));
}

/** The same of each process's first thread, which is the one that runs the event loop. */
export function firstThreadMicros(pids: readonly number[]): Promise<number | undefined> {
  return microsIn(pids.map((pid) => `/proc/${pid}/task/${pid}/stat`));
}

async function microsIn(files: readonly string[]): Promise<number | undefined> {
  ticksPerSecond ??= Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout) || 100;
  let ticks = 0;
  for (const file of files) {
    const stat = await readFile(file, 'latin1').catch(() => undefined);
    if (stat === undefined) return undefined;
    // The second field, the name in brackets, may hold spaces; utime and stime are the 14th and 15th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return (ticks / ticksPerSecond) * 1_000_000;
}
