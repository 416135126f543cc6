/** Runs seeds in parallel processes, each of them one seed after the other. A process that ends or hangs makes its seed a bad one, and is replaced. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SeedOutcome } from './seed-run.js';

/** Longer than any seed takes on a busy machine. */
const patienceMs = 300_000;

export type Told = SeedOutcome | { readonly seed: number; readonly fault: string };

/** `told` is called for each seed, in the order in which they end; it says whether to go on. Resolves when all have. */
export async function runSeeds(
  seeds: readonly number[],
  processes: number,
  canary: string | undefined,
  told: (outcome: Told) => boolean,
): Promise<void> {
  let next = 0;
  const main = fileURLToPath(new URL('./seed-worker-main.js', import.meta.url));
  const serve = async (): Promise<void> => {
    let worker: ChildProcess | undefined;
    for (let seed = seeds[next++]; seed !== undefined; seed = seeds[next++]) {
      worker ??= fork(main, canary === undefined ? [] : [canary]);
      const outcome = await outcomeOf(worker, seed);
      if (!('hash' in outcome)) {
        worker.kill('SIGKILL');
        worker = undefined;
      }
      if (!told(outcome)) next = seeds.length;
    }
    worker?.disconnect();
  };
  await Promise.all(Array.from({ length: Math.min(processes, seeds.length) }, serve));
}

function outcomeOf(worker: ChildProcess, seed: number): Promise<Told> {
  return new Promise((resolve) => {
    const finish = (outcome: Told): void => {
      clearTimeout(timer);
      worker.removeAllListeners();
      resolve(outcome);
    };
    const timer = setTimeout(() => finish({ seed, fault: `takes longer than ${patienceMs / 1000} s` }), patienceMs);
    worker.once('message', (outcome) => finish(outcome as SeedOutcome));
    worker.once('exit', (code, signal) => finish({ seed, fault: `its process ended: ${signal ?? code}` }));
    worker.once('error', (error) => finish({ seed, fault: `its process failed: ${error.message}` }));
    worker.send(seed);
  });
}
