/** Commands on large collections of several partitions, to a real Redis and to each of three nodes of Torc: what is brought in one piece, made and combined over several turns, is what there is. */
import test from 'ava';
import { patient, redisServer, requireRedisTools, startCluster } from '../harness/processes.js';
import { RawClient } from './raw-client.js';

/** More than is answered, or combined, in one turn. */
const elements = 5000;
const perCommand = 500;
const numbers = (from: number): number[] => Array.from({ length: perCommand }, (_, at) => from + at);

const fills: readonly string[][] = Array.from({ length: elements / perCommand }, (_, command) => command * perCommand).flatMap((from) => [
  ['SADD', 'a', ...numbers(from).map((each) => `member:${each}`)],
  ['SADD', 'b', ...numbers(from + 2000).map((each) => `member:${each}`)],
  ['ZADD', 'c', ...numbers(from + 1000).flatMap((each) => [String(each % 97), `member:${each}`])],
  ['ZADD', 'd', ...numbers(from + 3000).flatMap((each) => [String((each % 31) / 8), `member:${each}`])],
  ['HSET', 'e', ...numbers(from).flatMap((each) => [`field:${each}`, String(each)])],
  ['RPUSH', 'f', ...numbers(from).map(String)],
]);

const asks: readonly string[][] = [
  ['SUNION', 'a', 'b'],
  ['SINTER', 'a', 'b', '{a}2'],
  ['SINTER', 'a', 'b'],
  ['SDIFF', 'b', 'a'],
  ['SINTERCARD', '2', 'a', 'b'],
  ['ZUNION', '3', 'a', 'c', 'd', 'WEIGHTS', '3', '1', '-0.5', 'WITHSCORES'],
  ['ZINTER', '2', 'c', 'd', 'AGGREGATE', 'MAX', 'WITHSCORES'],
  ['ZDIFF', '2', 'd', 'a', 'WITHSCORES'],
  ['ZINTERCARD', '3', 'a', 'c', 'd'],
  ['SUNIONSTORE', 'g', 'a', 'b'],
  ['SMEMBERS', 'g'],
  ['SDIFFSTORE', '{a}3', 'a', 'b'],
  ['SMEMBERS', '{a}3'],
  ['ZUNIONSTORE', 'h', '2', 'c', 'd', 'AGGREGATE', 'MIN'],
  ['ZRANGE', 'h', '0', '-1', 'WITHSCORES'],
  ['ZINTERSTORE', '{c}2', '2', 'c', 'b'],
  ['ZRANGE', '{c}2', '0', '-1', 'WITHSCORES'],
  ['ZRANGESTORE', 'i', 'd', '100', '4000'],
  ['ZRANGE', 'i', '0', '-1', 'WITHSCORES'],
  ['COPY', 'e', 'j', 'REPLACE'],
  ['HGETALL', 'j'],
  ['COPY', 'f', 'k', 'REPLACE'],
  ['LRANGE', 'k', '0', '-1'],
  ['SORT', 'b', 'ALPHA', 'STORE', 'l'],
  ['LRANGE', 'l', '0', '-1'],
];
const hasNoOrder = (name: string): boolean => /^(SUNION|SINTER|SDIFF|SMEMBERS|HGETALL)$/.test(name);

/** Elements without an order in one. */
const shown = (name: string, reply: string): string => (hasNoOrder(name) ? reply.slice(2, -1).split(', ').toSorted().join() : reply);

test('large collections of several partitions', async (t) => {
  if (!requireRedisTools(t)) return;
  t.timeout(120_000);
  // 60 large commands at once, to nodes that have just started and share the processors with other tests, may take longer than a command is given.
  const [torc, redis] = await Promise.all([startCluster({ directives: patient }), redisServer()]);
  t.teardown(() => Promise.all([torc.stop(), redis.stop()]));
  const oracle = await RawClient.connect(redis.port);
  const nodes = await Promise.all(torc.ports.map((port) => RawClient.connect(port)));
  t.false((await oracle.ask(...fills)).some((reply) => reply.startsWith('-')));
  t.false((await (nodes[0] as RawClient).ask(...fills)).some((reply) => reply.startsWith('-')));
  const expected = await oracle.ask(...asks);
  for (const [index, node] of nodes.entries()) {
    const replies = await node.ask(...asks);
    for (const [at, [name = '', ...words]] of asks.entries())
      t.is(shown(name, replies[at] ?? ''), shown(name, expected[at] ?? ''), `${name} ${words.join(' ')}, node ${index}`);
  }
  await Promise.all([oracle, ...nodes].map((client) => client.end()));
});
