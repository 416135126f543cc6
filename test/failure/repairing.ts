/** TORC REPAIR as a test asks for it, and what the nodes say of it. */
import type { ServerGroup } from '../harness/processes.js';
import { RespConnection } from './resp-connection.js';

/** Between two looks at how far a repair is. */
const lookMs = 10;
const elapsed = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A figure of INFO torc, of each node. */
export async function figures(group: ServerGroup, name: string): Promise<number[]> {
  return Promise.all(
    group.ports.map(async (port) => {
      const connection = await RespConnection.open(port);
      const figure = await connection.figure('torc', name);
      connection.close();
      return figure;
    }),
  );
}

export const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

/** Asks for a repair and waits until it is done, for as long as it moves at all; PINGs meanwhile. Returns how long each took, ms. */
export async function repaired(
  connection: RespConnection,
  ...what: string[]
): Promise<{ readonly tookMs: number; readonly pingsMs: number[] }> {
  const began = performance.now();
  const { kind, text } = await connection.ask('TORC', 'REPAIR', ...what);
  if (kind === 'error') throw new Error(text);
  const pingsMs: number[] = [];
  for (let last = '', sinceMs = began; ;) {
    const pinged = performance.now();
    const info = (await connection.ask('INFO', 'torc')).text;
    pingsMs.push(performance.now() - pinged);
    if (info.includes('repair_under_way:none')) return { tookMs: performance.now() - began, pingsMs };
    const moves = info
      .split('\r\n')
      .filter((line) => /^(repair|hashing)/.test(line))
      .join();
    if (moves !== last) [last, sinceMs] = [moves, performance.now()];
    if (performance.now() - sinceMs > 60_000) throw new Error(`the repair does not move: ${moves}`);
    await elapsed(lookMs);
  }
}
