/**
 * Data several times larger than `cache-size`: everything stays readable while memory stays bounded, commands on keys that memory has
 * forgotten see what was written, and a kill in the middle loses nothing.
 */
import test from 'ava';
import { type ServerGroup, startNode } from '../harness/processes.js';
import { until } from '../harness/until.js';
import { stoppedAtEnd } from './judging.js';
import { RespConnection } from './resp-connection.js';
import { sized } from './run-size.js';

const megabyte = 1024 * 1024;
const cacheBytes = 16 * megabyte;
const keyCount = sized(24_000, 100_000);
const counterCount = 500;
/** Of the process: Node, RocksDB with its buffers, the cache, and a round of writing behind. */
const residentBytesMax = 450 * megabyte;

const key = (index: number): string => `cold:${index}`;
const value = (index: number): string => `${index}:`.padEnd(1024, 'v');
const counters = Array.from({ length: counterCount }, (_, index) => `count:${index}`);

async function write(connection: RespConnection, from: number, to: number): Promise<boolean> {
  const replies = await connection.all(Array.from({ length: to - from }, (_, index) => ['SET', key(from + index), value(from + index)]));
  return replies.every(({ text }) => text === 'OK');
}

async function wrongValues(connection: RespConnection): Promise<number> {
  const values = await connection.values(Array.from({ length: keyCount }, (_, index) => key(index)));
  return values.filter((one, index) => one !== value(index)).length;
}

/** What INCR answers on every counter, as a set of texts: one when all agree. */
async function incremented(connection: RespConnection): Promise<string[]> {
  const replies = await connection.all(counters.map((name) => ['INCR', name]));
  return [...new Set(replies.map(({ text }) => text))];
}

/** Asks until what was written is on disk and memory is back at its bound; throws after 20 s. */
async function evicted(connection: RespConnection): Promise<void> {
  let bytes = 0;
  const isBack = async (): Promise<boolean> => (bytes = await connection.figure('torc', 'memoryBytes')) <= cacheBytes;
  await until(isBack, () => `${bytes} bytes are held in memory, ${cacheBytes} are allowed`);
}

async function restarted(group: ServerGroup): Promise<{ readonly connection: RespConnection; readonly readyMs: number }> {
  const begin = performance.now();
  await group.restart(0);
  return { connection: await RespConnection.open(group.port), readyMs: Math.round(performance.now() - begin) };
}

test('data larger than the cache', async (t) => {
  t.timeout(300_000);
  const node = await startNode({ 'cache-size': '16mb' });
  stoppedAtEnd(t, node);
  let connection = await RespConnection.open(node.port);
  const resident: number[] = [];
  const look = async (): Promise<void> => void resident.push(await connection.figure('memory', 'used_memory_rss'));

  t.deepEqual(await incremented(connection), ['1']);
  t.true(await write(connection, 0, keyCount / 2));
  await look();
  await node.kill9(0);
  const killed = await restarted(node);
  connection = killed.connection;
  t.deepEqual(await incremented(connection), ['2']);
  t.true(await write(connection, keyCount / 2, keyCount));
  await look();
  await evicted(connection);
  t.is(await wrongValues(connection), 0);
  await look();
  await evicted(connection);
  t.deepEqual(await incremented(connection), ['3']);

  const stopped = await restarted(node);
  connection = stopped.connection;
  t.deepEqual(await incremented(connection), ['4']);
  t.is(await wrongValues(connection), 0);
  t.is((await connection.ask('SET', key(0), 'short')).text, 'OK');
  t.is((await connection.ask('GET', key(0))).text, 'short');
  t.is((await connection.ask('STRLEN', key(1))).text, '1024');
  t.is((await connection.ask('GET', 'cold:never')).kind, 'null');
  t.is((await connection.ask('DBSIZE')).text, String(keyCount + counterCount));
  t.is(await wrongValues(connection), 1);
  await look();
  await evicted(connection);
  t.is((await connection.ask('GET', key(0))).text, 'short');

  const megabytes = resident.map((bytes) => Math.round(bytes / megabyte));
  t.log(
    `${keyCount} keys; resident ${megabytes.join(', ')} MB; ready ${killed.readyMs} ms after a kill, ${stopped.readyMs} ms after a stop`,
  );
  t.true(Math.max(...resident) < residentBytesMax, `resident: ${megabytes.join(', ')} MB`);
  connection.close();
});
