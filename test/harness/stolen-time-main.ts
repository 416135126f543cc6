/**
 * `node stolen-time-main.js <pid> <file>`, at real-time priority on the CPU that the process' main thread is kept on: writes down when the host of this virtual
 * machine took the CPU away and counted it as CPU time of that thread, for as long as the process lives. Within the machine nothing comes before this process,
 * so if it is woken so late that the kernel's own work does not explain it the CPU was the host's. A machine that is not told of it (`steal` of /proc/stat stays 0) gives that time to the thread that was running.
 *
 * A line of the file is `from to stolen`: times on CLOCK_MONOTONIC, and how much of the thread's CPU time between them it cannot have had, all in ms.
 */
import { appendFileSync, openSync, readSync } from 'node:fs';
import { monotonicMs } from './stolen-time.js';

const [pid = '', file = ''] = process.argv.slice(2);
const schedstat = openSync(`/proc/${pid}/task/${pid}/schedstat`, 'r');
const bytes = Buffer.alloc(64);
const neverWoken = new Int32Array(new SharedArrayBuffer(4));
const sleepMs = 1;
/** Less may be what the kernel does for the thread before it lets go of the CPU, as in a long write. */
const noticedMs = 2;

/** The thread's CPU time so far, exact since it is not running now; undefined once the process has ended. */
function threadMs(): number | undefined {
  try {
    return Number.parseInt(bytes.toString('latin1', 0, readSync(schedstat, bytes, 0, bytes.length, 0)), 10) / 1e6;
  } catch {
    return undefined;
  }
}

for (let [lastMs, last] = [monotonicMs(), threadMs()]; last !== undefined;) {
  const dueMs = monotonicMs() + sleepMs;
  Atomics.wait(neverWoken, 0, 0, sleepMs);
  const wokenMs = monotonicMs();
  const now = threadMs();
  if (now === undefined) break;
  // What is left of the time between is all that any thread can have had of this CPU.
  const stolenMs = now - last - (dueMs - lastMs);
  if (wokenMs - dueMs > noticedMs && stolenMs > 0) appendFileSync(file, `${dueMs} ${wokenMs} ${stolenMs}\n`);
  [lastMs, last] = [wokenMs, now];
}
