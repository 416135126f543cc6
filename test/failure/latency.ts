/** How long a client waits for its replies while something goes on: a few connections that have one command under way each, GETs and SETs in turn. */
import { RespConnection } from './resp-connection.js';

export interface Latency {
  readonly commands: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

const connections = 4;

/** Measures from now until `end` settles. Rejects with it, and when a command errs. */
export async function latencyUntil(port: number, keys: readonly string[], end: Promise<unknown>): Promise<Latency> {
  let isOver = false;
  const over = end.finally(() => (isOver = true));
  const clients = await Promise.all(Array.from({ length: connections }, () => RespConnection.open(port)));
  const tookMs: number[] = [];
  const run = async (client: RespConnection, first: number): Promise<void> => {
    for (let turn = first; !isOver; turn++) {
      const key = keys[(turn * 7919) % keys.length] ?? '';
      const began = performance.now();
      const { kind, text } = turn % 2 === 0 ? await client.ask('GET', key) : await client.ask('SET', key, `value ${turn}`);
      tookMs.push(performance.now() - began);
      if (kind === 'error') throw new Error(text);
    }
  };
  try {
    await Promise.all([over, ...clients.map((client, index) => run(client, index * 1009))]);
  } finally {
    for (const client of clients) client.close();
  }
  tookMs.sort((x, y) => x - y);
  const at = (share: number): number => tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * share))] ?? NaN;
  return { commands: tookMs.length, medianMs: at(0.5), p99Ms: at(0.99), longestMs: at(1) };
}

export function latencyText({ commands, medianMs, p99Ms, longestMs }: Latency): string {
  return `p50 ${medianMs.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, longest ${Math.round(longestMs)} ms of ${commands} commands`;
}
