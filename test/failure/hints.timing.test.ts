/**
 * Four processes, so that one of them stands in for whichever is down: a node is away for a thousand writes, those who keep hints for it are killed too,
 * and when it is back it has all of it, nobody having read before.
 */
import test from 'ava';
import { type ServerGroup, startCluster } from '../harness/processes.js';
import { until } from '../harness/until.js';
import { caughtUp, stoppedAtEnd } from './judging.js';
import { RespConnection } from './resp-connection.js';

/** A figure of `INFO torc`, asked of each node. */
async function figureAt(cluster: ServerGroup, nodes: readonly number[], name: string): Promise<number[]> {
  const figures: number[] = [];
  for (const node of nodes) {
    const connection = await RespConnection.open(cluster.ports[node] ?? 0);
    figures.push(await connection.figure('torc', name));
    connection.close();
  }
  return figures;
}

/** Between two rounds of repair. */
const repairSeconds = 5;

test('a node that was down for 1,000 writes has them within 5 s, though those who kept them were killed', async (t) => {
  t.timeout(300_000);
  const cluster = await startCluster({ nodes: 4 });
  stoppedAtEnd(t, cluster);
  const away = 3;
  const others = [0, 1, 2];
  const writer = await RespConnection.open(cluster.port);
  const keys = Array.from({ length: 1000 }, (_, index) => `key${index}`);
  // Taken over by those who will be there: what follows shows hints, not take-overs.
  await writer.all(keys.map((key) => ['SET', key, 'before']));
  await cluster.kill9(away);
  await until(async () => (await reachable(writer)) === 3, 'the node is away', 10_000);
  const replies = await writer.all(keys.map((key) => ['SET', key, `${key} after`]));
  writer.close();
  t.deepEqual([...new Set(replies.map(({ text }) => text))], ['OK']);
  const kept = await figureAt(cluster, others, 'hint_bytes');
  t.true(
    kept.every((bytes) => bytes > 0),
    `bytes kept ${kept.join()}`,
  );
  for (const holder of others) {
    await cluster.kill9(holder);
    await cluster.restart(holder);
  }
  t.deepEqual(await figureAt(cluster, others, 'hint_bytes'), kept);
  await cluster.restart(away);
  const elapsedMs = await caughtUp(cluster.ports[away] ?? 0, cluster.port, keys, 5000);
  await until(async () => (await figureAt(cluster, others, 'hint_bytes')).every((bytes) => bytes === 0), 'all is handed over', 20_000);
  const [taken = 0] = await figureAt(cluster, [away], 'hints_taken');
  t.log(`${kept.join()} bytes kept, ${taken} batches taken, all there after ${Math.round(elapsedMs)} ms`);
  t.true(taken > 0);
});

test('hints thrown away: a node that was down for 1,000 writes has them within a round of repair, read alone', async (t) => {
  t.timeout(120_000);
  const cluster = await startCluster({ directives: { 'hint-max-bytes': '0', 'repair-interval': String(repairSeconds) } });
  stoppedAtEnd(t, cluster);
  const away = 2;
  const writer = await RespConnection.open(cluster.port);
  const keys = Array.from({ length: 1000 }, (_, index) => `key${index}`);
  await writer.all(keys.map((key) => ['SET', key, 'before']));
  await cluster.kill9(away);
  await until(async () => (await reachable(writer)) === 2, 'the node is away', 10_000);
  const replies = await writer.all(keys.map((key) => ['SET', key, `${key} after`]));
  writer.close();
  t.deepEqual([...new Set(replies.map(({ text }) => text))], ['OK']);
  t.deepEqual(await figureAt(cluster, [0, 1], 'hint_bytes'), [0, 0]);
  await cluster.restart(away);
  const elapsedMs = await caughtUp(cluster.ports[away] ?? 0, cluster.port, keys, repairSeconds * 1000);
  const [taken, dropped] = [await figureAt(cluster, [away], 'hints_taken'), await figureAt(cluster, [0, 1], 'dropped_batches')];
  t.deepEqual(taken, [0]);
  t.log(`${dropped.join()} batches thrown away, all there after ${Math.round(elapsedMs)} ms`);
});

/** Members that the node reaches, itself included. */
async function reachable(connection: RespConnection): Promise<number> {
  const { text } = await connection.ask('CLUSTER', 'NODES');
  return text.split('\n').filter((line) => line !== '' && !/fail/.test(line)).length;
}
