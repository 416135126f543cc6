/**
 * Many connections at once on one of three nodes, and nothing that clients may do holds its event loop for 10 ms: SCAN of all keys, commands on a
 * thousand keys, values of 1 MiB, INFO and CLIENT LIST with all clients there. TORC_CONNECTIONS=10000 and TORC_SCAN_KEYS=1000000 are the full
 * numbers; by default it is 2,000 connections and 50,000 keys.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { TurnFigures } from '../harness/turn-meter-main.js';
import { ServerProcess } from '../harness/server-process.js';
import { startCluster } from '../harness/processes.js';
import { RawClient } from './raw-client.js';

const connections = Number(process.env['TORC_CONNECTIONS'] ?? 2000);
const keys = Number(process.env['TORC_SCAN_KEYS'] ?? 50_000);
const longestTurnMs = 10;
const roundsMax = 8;
const meter = fileURLToPath(new URL('../harness/turn-meter-main.js', import.meta.url));

async function figuresOf(server: ServerProcess, file: string): Promise<TurnFigures> {
  await rm(file, { force: true });
  process.kill(server.pid, 'SIGUSR2');
  for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text.endsWith('}')) return JSON.parse(text) as TurnFigures;
  }
  throw new Error('the meter wrote nothing within 20 s');
}

test('many connections, long scans, large values: no turn of the event loop takes 10 ms', async (t) => {
  t.timeout(600_000);
  const cluster = await startCluster({ directives: { maxclients: String(connections), 'peer-timeout': '20000' } });
  t.teardown(() => cluster.stop());
  const { command } = cluster.server(0);
  await cluster.server(0).stop();
  const file = join(tmpdir(), `torc-turns-${process.pid}.json`);
  process.env['TORC_TURN_METER'] = file;
  t.teardown(() => rm(file, { force: true }));
  const server = await ServerProcess.start({ ...command, args: ['--import', meter, ...command.args] });
  t.teardown(() => server.stop());

  const clients: RawClient[] = [];
  t.teardown(() => Promise.all(clients.map((client) => client.end())));
  while (clients.length < connections) {
    const more = Math.min(200, connections - clients.length);
    clients.push(...(await Promise.all(Array.from({ length: more }, () => RawClient.connect(server.port)))));
  }
  const [first] = clients as [RawClient];
  // More are refused by name; those that are in are all served.
  const refused = await RawClient.connect(server.port);
  t.is(await refused.reply(), '-ERR max number of clients reached');
  t.deepEqual(new Set((await Promise.all(clients.map((client) => client.ask(['PING'])))).flat()), new Set(['+PONG']));
  t.true((await first.ask(['INFO', 'clients']))[0]?.includes(`connected_clients:${connections}\r\n`));

  const perCommand = 500;
  for (let from = 0; from < keys; from += perCommand) {
    const names = Array.from({ length: Math.min(perCommand, keys - from) }, (_, k) => `key:${from + k}`);
    t.deepEqual(await first.ask(['MSET', ...names.flatMap((name) => [name, 'v'.repeat(20)])]), ['+OK']);
  }

  /** The longest turn of the quietest of a few rounds: the first ones compile what they run, and a machine that is short of CPUs has bad moments. */
  const measure = async (what: string, round: () => Promise<void>): Promise<void> => {
    let least: TurnFigures = { longestMs: Infinity, longestWithCollectionMs: Infinity };
    for (let number = 0; number < roundsMax && least.longestMs >= longestTurnMs / 2; number++) {
      await figuresOf(server, file);
      await round();
      const figures = await figuresOf(server, file);
      if (figures.longestMs < least.longestMs) least = figures;
    }
    t.log(`${what}: ${least.longestMs.toFixed(1)} ms of CPU, with garbage collection ${least.longestWithCollectionMs.toFixed(1)} ms`);
    t.true(least.longestMs < longestTurnMs, `${what}: a turn of ${least.longestMs} ms`);
  };

  await measure('SCAN of all keys', async () => {
    let cursor = '0';
    let found = 0;
    do {
      const [reply] = await first.ask(['SCAN', cursor, 'COUNT', '10000', 'MATCH', 'key:*']);
      cursor = /^\*\[\$(\d+),/.exec(reply as string)?.[1] ?? '0';
      found += (reply as string).split('$key:').length - 1;
    } while (cursor !== '0');
    t.is(found, keys);
  });

  const large = 'x'.repeat(1024 * 1024);
  await measure('SET and GET of 1 MiB', async () => {
    t.deepEqual(await first.ask(['SET', 'large', large]), ['+OK']);
    t.deepEqual(await first.ask(['GET', 'large']), [`$${large}`]);
  });

  const thousand = Array.from({ length: 1000 }, (_, i) => `key:${i}`);
  await measure('MGET of 1000 keys', async () => {
    t.is((await first.ask(['MGET', ...thousand]))[0]?.split('$vvv').length, 1001);
  });

  await measure('CLIENT LIST', async () => {
    t.is((await first.ask(['CLIENT', 'LIST']))[0]?.split('\n').length, connections + 1);
  });
  for (const line of ['INFO everything', 'MEMORY STATS', 'COMMAND', 'COMMAND DOCS', 'CLUSTER SLOTS', 'CLUSTER NODES', 'DBSIZE']) {
    await measure(line, async () => {
      t.false((await first.ask(line.split(' ')))[0]?.startsWith('-'));
    });
  }
});
