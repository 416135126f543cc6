/** Commands with more arguments than V8 spreads into a call: the node answers, and goes on. A request may have a million (bad-clients.test.ts has what is more). */
import test from 'ava';
import { patient, startNode } from '../harness/processes.js';
import { RawClient } from './raw-client.js';

/** V8 spreads some 120,000 arguments of a call on its default stack. */
const many = 140_000;
const repeated = (...words: string[]): string[] => Array.from({ length: many / words.length }, () => words).flat();

const commands: readonly (readonly [words: readonly string[], reply: RegExp])[] = [
  [['BITOP', 'OR', 'dest', ...repeated('k')], /^:0$/],
  [['BITFIELD', 'bits', ...Array.from({ length: many }, () => ['SET', 'u8', '0', '1']).flat()], /^\*\[:0, :1, :1, /],
  [['SUNIONSTORE', 'dest', ...repeated('k', 'l')], /^:0$/],
  [['ZUNIONSTORE', 'dest', String(many), ...repeated('k', 'l')], /^:0$/],
  [['ZUNION', String(many), ...repeated('k')], /^\*\[\]$/],
  [['SINTERCARD', String(many), ...repeated('k')], /^:0$/],
  [['LMPOP', String(many), ...repeated('k'), 'LEFT'], /^nil-array$/],
  [['ZMPOP', String(many), ...repeated('k'), 'MIN'], /^nil-array$/],
  [['MSET', ...repeated('key', 'v')], /^\+OK$/],
  [['MSETNX', ...repeated('key', 'v')], /^:0$/],
  [['HSET', 'hash', ...repeated('f', 'v')], /^:1$/],
  [['HDEL', 'hash', ...repeated('g')], /^:0$/],
  [['SADD', 'set', ...repeated('x')], /^:1$/],
  [['ZADD', 'zset', ...repeated('1', 'm')], /^:1$/],
  [['RPUSH', 'list', ...repeated('x')], /^:140000$/],
  [['GEOADD', 'geo', ...repeated('13.5', '38.1', 'm', '13.5', '38.1', 'n').slice(0, 139_998)], /^:2$/],
  [['XADD', 'stream', '*', ...repeated('f', 'v')], /^\$\d+-\d+$/],
  [['XDEL', 'stream', ...repeated('1-1')], /^:0$/],
  [['XREAD', 'STREAMS', ...repeated('nothing'), ...repeated('0')], /^nil-array$/],
  [['PFMERGE', 'hll', ...repeated('h')], /^\+OK$/],
  [['PFCOUNT', ...repeated('h')], /^:0$/],
];

/** In one string, for it is long. */
const encoded = (words: readonly string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;

test('commands with 140,000 arguments are answered, and the node goes on', async (t) => {
  t.timeout(300_000);
  const node = await startNode(patient);
  t.teardown(() => node.stop());
  const client = await RawClient.connect(node.port, 60_000);
  for (const [words, reply] of commands) {
    client.write(encoded(words));
    t.regex((await client.reply()).slice(0, 50), reply, words[0]);
  }
  t.deepEqual(await client.ask(['PING']), ['+PONG']);
  await client.end();
});
