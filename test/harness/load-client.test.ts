/** The load client finds nothing wrong with redis-server, and does find what is planted: lost keys, an old value, a foreign value, a lost increment. */
import { createConnection } from 'node:net';
import test from 'ava';
import { type Load, startLoad } from './load-client.js';
import { requireRedisTools, redisServer, type ServerGroup } from './processes.js';
import { encodeCommand, ReplyReader } from './reply-reader.js';

/** Sends one command on a connection of its own and resolves with the reply's text. */
function send(port: number, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => socket.write(encodeCommand(...args), 'latin1'));
    const reader = new ReplyReader((_, text) => {
      socket.destroy();
      resolve(text);
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    socket.on('error', reject);
  });
}

const operations = 40_000;

/** Runs a load, does something to its server midway, and verifies. */
async function disturbed(port: number, disturb: (load: Load) => Promise<unknown>): Promise<Load> {
  const load = startLoad({ ports: [port], operations, registers: 64, counters: 8, connections: 4 });
  await load.reached(operations / 2);
  await disturb(load);
  await load.done;
  await load.verify(port);
  return load;
}

test('a correct server passes, at every pipeline depth, and every command is settled', async (t) => {
  if (!requireRedisTools(t)) return;
  const redis = await redisServer();
  t.teardown(() => redis.stop());
  for (const pipeline of [1, 16, 100]) {
    const load = startLoad({ ports: redis.ports, operations: 20_000, pipeline });
    await load.done;
    const report = await load.verify(redis.port);
    t.deepEqual(report.findings, []);
    t.is(report.operations, 20_000);
    t.is(report.acknowledged, 20_000);
    t.deepEqual([report.unknown, report.violations, report.late, report.reconnects], [0, 0, 0, 0]);
    t.deepEqual(report.errors, {});
  }
});

const planted: Record<string, (redis: ServerGroup, load: Load) => Promise<unknown>> = {
  'FLUSHALL in the middle': (redis) => send(redis.port, 'FLUSHALL'),
  'one deleted register': (redis, load) => send(redis.port, 'DEL', load.ledger.registerKey(3)),
  'one deleted counter': (redis, load) => send(redis.port, 'DEL', load.ledger.counterKey(3)),
  'an old value': (redis, load) => send(redis.port, 'SET', load.ledger.registerKey(3), load.ledger.valueOf(3, 1)),
  "another register's value": (redis, load) => send(redis.port, 'SET', load.ledger.registerKey(3), load.ledger.valueOf(4, 1)),
};

for (const [name, plant] of Object.entries(planted)) {
  test(`found: ${name}`, async (t) => {
    if (!requireRedisTools(t)) return;
    const redis = await redisServer();
    t.teardown(() => redis.stop());
    // One planting may be overwritten before it is read, so it is repeated until it was seen or the run is over.
    const load = await disturbed(redis.port, async (running) => {
      do await plant(redis, running);
      while (running.ledger.violations === 0 && running.operations < operations);
    });
    t.true(load.report().violations > 0);
    t.true(load.report().findings.length > 0);
  });
}

test('found: an increment too many or too few after the run', async (t) => {
  if (!requireRedisTools(t)) return;
  const redis = await redisServer();
  t.teardown(() => redis.stop());
  const load = startLoad({ ports: redis.ports, operations: 2_000 });
  await load.done;
  t.is((await load.verify(redis.port)).violations, 0);
  await send(redis.port, 'INCR', load.ledger.counterKey(0));
  await send(redis.port, 'DECR', load.ledger.counterKey(1));
  t.is((await load.verify(redis.port)).violations, 2);
});

test('error replies are counted by code and leave what ran unchanged', async (t) => {
  if (!requireRedisTools(t)) return;
  const redis = await redisServer();
  t.teardown(() => redis.stop());
  const load = await disturbed(redis.port, async (running) => {
    await send(redis.port, 'CONFIG', 'SET', 'min-replicas-to-write', '1');
    const refused = running.operations + 100;
    await running.reached(Math.min(refused, operations));
    await send(redis.port, 'CONFIG', 'SET', 'min-replicas-to-write', '0');
  });
  const report = load.report();
  t.deepEqual(Object.keys(report.errors), ['NOREPLICAS']);
  t.is(report.acknowledged + (report.errors['NOREPLICAS'] ?? 0), operations);
  t.deepEqual([report.violations, report.unknown], [0, 0]);
});

test('a server killed and started again: reconnects, unknown outcomes and what it lost are all reported', async (t) => {
  if (!requireRedisTools(t)) return;
  const redis = await redisServer();
  t.teardown(() => redis.stop());
  const load = await disturbed(redis.port, async () => {
    await redis.kill9(0);
    await redis.restart(0);
  });
  const report = load.report();
  t.true(report.reconnects >= 4);
  t.true(report.unknown > 0);
  t.true(report.violations > 0, 'redis without persistence loses everything, and that must be seen');
  t.is(report.operations, operations);
});

test('a reply stream cut anywhere reads the same', (t) => {
  const stream = Buffer.from('+OK\r\n-NOREPLICAS no\r\n:12\r\n$5\r\na\r\nbc\r\n$-1\r\n$0\r\n\r\n');
  const whole: string[] = [];
  new ReplyReader((kind, text) => whole.push(`${kind} ${text}`)).push(stream);
  t.deepEqual(whole, ['status OK', 'error NOREPLICAS no', 'integer 12', 'bulk a\r\nbc', 'null ', 'bulk ']);
  for (let size = 1; size < stream.length; size++) {
    const cut: string[] = [];
    const reader = new ReplyReader((kind, text) => cut.push(`${kind} ${text}`));
    for (let at = 0; at < stream.length; at += size) reader.push(stream.subarray(at, at + size));
    t.deepEqual(cut, whole);
  }
});
