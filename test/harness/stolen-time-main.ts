/**
 * `node stolen-time-main.js <pid> <cpu> <file>`, pinned to that CPU and at real-time priority: writes down when the host of this virtual machine took the CPU
 * away and counted it as CPU time of the process' main thread, for as long as the process lives. Within the machine nothing comes before this process, so
 * whenever it is woken late the CPU was the host's. A machine that is not told of it (`steal` of /proc/stat stays 0) gives that time to the thread that was running.
 *
 * A line of the file is `from to stolen`: times on CLOCK_MONOTONIC, and how much of the thread's CPU time between them it cannot have had, all in ms.
 */
import { appendFileSync, openSync, readSync } from 'node:fs';
import { monotonicMs, processorOf } from './stolen-time.js';

const [pid = '', cpu = '', file = ''] = process.argv.slice(2);
const task = `/proc/${pid}/task/${pid}`;
const neverWoken = new Int32Array(new SharedArrayBuffer(4));
const sleepMs = 1;
/** Less is what waking takes. */
const noticedMs = 0.5;
const bytes = Buffer.alloc(1024);

interface Seen {
  readonly ms: number;
  readonly cpuMs: number;
  readonly processor: number;
}

const schedstat = openSync(`${task}/schedstat`, 'r');
const stat = openSync(`${task}/stat`, 'r');
const read = (from: number): string => bytes.toString('latin1', 0, readSync(from, bytes, 0, bytes.length, 0));

/** Undefined if the process has ended. If its thread was running on this CPU its time is exact: it has just been interrupted. */
function see(ms: number): Seen | undefined {
  try {
    return { ms, cpuMs: Number.parseInt(read(schedstat), 10) / 1e6, processor: processorOf(read(stat)) };
  } catch {
    return undefined;
  }
}

for (let last = see(monotonicMs()); last !== undefined;) {
  const dueMs = monotonicMs() + sleepMs;
  Atomics.wait(neverWoken, 0, 0, sleepMs);
  const now = see(monotonicMs());
  if (now === undefined) break;
  const stolenMs = now.cpuMs - last.cpuMs - (dueMs - last.ms);
  const wasHere = last.processor === Number(cpu) && now.processor === Number(cpu);
  if (wasHere && now.ms - dueMs > noticedMs && stolenMs > 0) appendFileSync(file, `${dueMs} ${now.ms} ${stolenMs}\n`);
  last = now;
}
