/**
 * The end of a checked run: every key is read once more, through any node, and judged by the ledger of what was sent and acknowledged.
 */
import { createConnection } from 'node:net';
import type { LoadLedger } from './load-ledger.js';
import { encodeCommand, ReplyReader } from './reply-reader.js';

const verifyPipeline = 256;
const verifyTimeoutMs = 30_000;
const retryAfterMs = 50;

/** Reads every key of the ledger through one node. Errors are asked again; rejects when some remain after 30 s, or when the connection breaks. */
export function verifyThrough(port: number, ledger: LoadLedger): Promise<void> {
  const total = ledger.counters + ledger.registers;
  const todo = Array.from({ length: total }, (_, key) => key);
  const asked: number[] = [];
  let judged = 0;
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
    let lastError = '';
    const end = (finish: () => void): void => {
      clearTimeout(timer);
      socket.destroy();
      finish();
    };
    const fail = (what: string): void =>
      end(() => reject(new Error(`verifying through port ${port}: ${what}, ${total - judged} keys unread. ${lastError}`)));
    const timer = setTimeout(() => fail(`${verifyTimeoutMs} ms have passed`), verifyTimeoutMs);
    const send = (): void => {
      let text = '';
      while (asked.length < verifyPipeline) {
        const key = todo.pop();
        if (key === undefined) break;
        asked.push(key);
        text += encodeCommand('GET', key < ledger.counters ? ledger.counterKey(key) : ledger.registerKey(key - ledger.counters));
      }
      if (text !== '') socket.write(text, 'latin1');
    };
    let rest: NodeJS.Timeout | undefined;
    const reader = new ReplyReader((kind, text) => {
      const key = asked.shift();
      if (key === undefined) throw new Error('a reply to nothing');
      if (kind === 'error') {
        lastError = text;
        todo.push(key);
        return;
      }
      judged++;
      const value = kind === 'null' ? undefined : text;
      if (key < ledger.counters) ledger.judgeCounter(key, value);
      else ledger.judgeRegister(key - ledger.counters, value);
    });
    socket.on('connect', send);
    socket.on('data', (chunk: Buffer) => {
      const before = judged;
      try {
        reader.push(chunk);
      } catch (error) {
        return fail(String(error));
      }
      if (judged === total) return end(resolve);
      if (asked.length > 0) return;
      if (judged > before) return send();
      clearTimeout(rest);
      rest = setTimeout(send, retryAfterMs);
    });
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => fail('the connection closed'));
  });
}
