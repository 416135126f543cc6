/**
 * FLUSHALL on real processes: once every node has seen the deletes, nothing of the keys is left, in memory or in RocksDB. TORC_FULL=1 runs it with
 * 1,000,000 keys (run-size.ts).
 */
import { join } from 'node:path';
import test from 'ava';
import { RocksdbEngine } from '../../storage/rocksdb-engine.js';
import { table } from '../../storage/rows.js';
import { startCluster } from '../harness/processes.js';
import { until } from '../harness/until.js';
import { stoppedAtEnd } from './judging.js';
import { RespConnection } from './resp-connection.js';
import { sized } from './run-size.js';

const keyCount = sized(5000, 1_000_000);
const atOnce = 5000;

async function recordRows(directory: string): Promise<number> {
  const engine = await RocksdbEngine.open(join(directory, 'rocksdb'));
  let rows = 0;
  for await (const chunk of engine.iterate({ from: Buffer.of(table.record), to: Buffer.of(table.record + 1) })) rows += chunk.length;
  await engine.close();
  return rows;
}

test('after FLUSHALL, and a while, no row is left on any disk', async (t) => {
  t.timeout(600_000);
  const group = await startCluster();
  stoppedAtEnd(t, group);
  let connections = await Promise.all(group.ports.map((port) => RespConnection.open(port)));
  const [first] = connections;
  if (first === undefined) throw new Error('no node');
  for (let at = 0; at < keyCount; at += atOnce) {
    const replies = await first.all(Array.from({ length: atOnce }, (_, i) => ['SET', `forgotten:${at + i}`, 'value']));
    t.deepEqual([...new Set(replies.map(({ text }) => text))], ['OK']);
  }
  for (const connection of connections) connection.close();
  for (let index = 0; index < group.size; index++) await group.restart(index); // the values are on disk now
  connections = await Promise.all(group.ports.map((port) => RespConnection.open(port)));
  t.is((await connections[0]?.ask('FLUSHALL'))?.text, 'OK');
  for (const connection of connections) {
    const isForgotten = async (): Promise<boolean> =>
      (await connection.figure('torc', 'tombstonesPurged')) >= keyCount && (await connection.figure('torc', 'contextsHeld')) === 0;
    await until(isForgotten, 'the tombstones and contexts are gone', 300_000);
    t.is(await connection.figure('torc', 'purge_backlog'), 0);
    t.is(await connection.figure('torc', 'tombstonesPurged'), keyCount);
  }
  for (const connection of connections) connection.close();
  for (let index = 0; index < group.size; index++) {
    await group.server(index).stop(); // writes out
    t.is(await recordRows(join(group.dir, `node${index + 1}`)), 0, `rows of node ${index + 1}`);
  }
});
