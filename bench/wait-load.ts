/**
 * SET followed by WAIT 1 0: what an acknowledged write on a second copy costs Redis. redis-benchmark cannot send it, so this small client
 * does: 50 connections, each sending P SETs and one WAIT, and the next ones when all P+1 are answered. Only SETs are counted.
 */
import { createConnection } from 'node:net';
import { encodeCommand, ReplyReader } from '../test/harness/reply-reader.js';
import { clients, keys, type Measured, valueBytes } from './redis-benchmark.js';

const value = 'x'.repeat(valueBytes);
const wait = encodeCommand('WAIT', '1', '0');
const runTimeoutMs = 60_000;

/** Rejects with one line on an error reply, a WAIT answered below 1, a broken connection, or after a minute. */
export async function runWaitLoad(port: number, pipeline: number, requests: number): Promise<Measured> {
  const latencies: number[] = [];
  let left = requests;
  const started = performance.now();

  const oneConnection = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
      const end = (error?: Error): void => {
        clearTimeout(timer);
        socket.destroy();
        if (error === undefined) resolve();
        else reject(new Error(`SET and WAIT on port ${port}: ${error.message}`, { cause: error }));
      };
      const timer = setTimeout(() => end(new Error(`${runTimeoutMs} ms have passed`)), runTimeoutMs);
      let unanswered = 0;
      let sets = 0;
      let sentAt = 0;
      const send = (): void => {
        sets = Math.min(pipeline, left);
        if (sets === 0) return end();
        left -= sets;
        unanswered = sets + 1;
        let text = '';
        for (let index = 0; index < sets; index++) {
          const key = String(Math.floor(Math.random() * keys)).padStart(12, '0');
          text += encodeCommand('SET', `key:${key}`, value);
        }
        sentAt = performance.now();
        socket.write(text + wait, 'latin1');
      };
      const reader = new ReplyReader((kind, text) => {
        if (kind === 'error' || (kind === 'integer' && Number(text) < 1)) throw new Error(`answered '${text}'`);
        if (--unanswered > 0) return;
        const took = performance.now() - sentAt;
        for (let index = 0; index < sets; index++) latencies.push(took);
      });
      socket.on('connect', send);
      socket.on('data', (chunk: Buffer) => {
        try {
          reader.push(chunk);
        } catch (error) {
          return end(error instanceof Error ? error : new Error(String(error)));
        }
        if (unanswered === 0) send();
      });
      socket.on('error', end);
      socket.on('close', () => end(new Error('the connection closed')));
    });

  await Promise.all(Array.from({ length: clients }, oneConnection));
  const elapsedMs = performance.now() - started;
  latencies.sort((x, y) => x - y);
  const percentile = (share: number): number => latencies[Math.floor((latencies.length - 1) * share)] ?? 0;
  return { requests, requestsPerSecond: (requests / elapsedMs) * 1000, p50Ms: percentile(0.5), p99Ms: percentile(0.99) };
}
