/**
 * A record that a disk lost and one that it changed, while a node was stopped: clocks know nothing of either, TORC REPAIR FULL finds and repairs both, and
 * next to nothing goes between the nodes for it. TORC_FULL=1 runs it with 1,000,000 keys (run-size.ts).
 */
import { join } from 'node:path';
import test from 'ava';
import { decodeRecord, encodeRecord } from '../../protocol/record.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { digestBytes } from '../../storage/merkle-tree.js';
import { RocksdbEngine } from '../../storage/rocksdb-engine.js';
import { startCluster } from '../harness/processes.js';
import { rowOf } from './disk-rows.js';
import { stoppedAtEnd } from './judging.js';
import { latencyText, latencyUntil } from './latency.js';
import { figures, repaired, sum } from './repairing.js';
import { RespConnection } from './resp-connection.js';
import { sized } from './run-size.js';

const keyCount = sized(20_000, 1_000_000);
const key = (index: number): string => `repaired:${index}`;
const value = (index: number): string => `value ${index}`;
const [lost, damaged] = [123, 4567];
const bytesMax = 32 * 1024;
/** A million keys that RocksDB does not have yet take a slow disk a while. */
const stopSeconds = sized(10, 120);
const elapsed = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What a disk may do to a node that does not run. */
async function plant(directory: string): Promise<void> {
  const engine = await RocksdbEngine.open(join(directory, 'rocksdb'));
  const [row] = await engine.getMany([rowOf(key(damaged))]);
  if (row === undefined) throw new Error(`${key(damaged)} is not on disk`);
  const { context, versions } = decodeRecord(row);
  const writer = new ByteWriter();
  encodeRecord(writer, {
    context,
    versions: versions.map((version) => ('bytes' in version ? { ...version, bytes: Buffer.from('rotten') } : version)),
  });
  await engine.write({ puts: [[rowOf(key(damaged)), writer.take()]], deletes: [rowOf(key(lost))] }, { sync: true });
  await engine.close();
}

test('one record lost and one changed on the disk of one node', async (t) => {
  t.timeout(sized(300_000, 1_500_000));
  const cluster = await startCluster({ directives: { partitions: String(sized(256, 1024)), 'shutdown-timeout': String(stopSeconds) } });
  stoppedAtEnd(t, cluster);
  const connection = await RespConnection.open(cluster.port);
  const replies = await connection.all(Array.from({ length: keyCount }, (_, index) => ['SET', key(index), value(index)]));
  t.true(replies.every(({ text }) => text === 'OK'));

  const broken = 2;
  t.is(await cluster.server(broken).stop(2_000 * stopSeconds), 'exit code 0');
  await plant(join(cluster.dir, 'node3'));
  await cluster.restart(broken);
  const alone = await RespConnection.alone(cluster.server(broken).port);
  t.deepEqual(await alone.values([key(lost), key(damaged), key(7)]), [undefined, 'rotten', value(7)]);

  // Nobody can tell by clocks: with a tree read anew on neither side yet, this reads everything for the first time.
  const [allBytesBefore, bytesBefore] = [sum(await figures(cluster, 'peer_bytes_out')), sum(await figures(cluster, 'repair_bytes_sent'))];
  const first = await repaired(connection, 'FULL');
  const allBytes = sum(await figures(cluster, 'peer_bytes_out')) - allBytesBefore; // with a second's gossip for every second
  const bytes = sum(await figures(cluster, 'repair_bytes_sent')) - bytesBefore; // with the rounds by clocks that were due meanwhile
  t.deepEqual(await alone.values([key(lost), key(damaged), key(7)]), [value(lost), value(damaged), value(7)]);
  t.deepEqual(await figures(cluster, 'repair_payloads_replaced'), [0, 0, 1]);
  t.deepEqual(await figures(cluster, 'repair_records_taken'), [0, 0, 1]);
  t.deepEqual(await figures(cluster, 'repair_partitions_differed'), [2, 0, 0]);
  for (const count of await figures(cluster, 'repair_records_hashed'))
    t.true(count >= keyCount - 1 && count < keyCount + 100, `${count} records hashed`);
  t.true((await figures(cluster, 'hashing_tasks')).every((tasks) => tasks > 0));
  t.true(bytes > 2 * digestBytes && bytes < Math.min(bytesMax, allBytes), `${bytes} of ${allBytes} bytes between the nodes`);

  // From here on digests are kept: one write is one leaf on each side.
  await repaired(connection);
  const leaves = await figures(cluster, 'repair_leaves_hashed');
  t.is((await connection.ask('SET', key(9), value(9))).text, 'OK');
  await alone.ask('GET', key(9));
  const kept = await repaired(connection);
  t.deepEqual(
    await figures(cluster, 'repair_leaves_hashed'),
    leaves.map((count) => count + 1),
  );
  const slow = Math.max(...first.pingsMs);
  t.log(
    `${keyCount} keys: ${bytes} bytes between three nodes (${allBytes} with gossip and framing); first full comparison ${Math.round(first.tookMs)} ms, with digests kept`,
  );
  t.log(`${Math.round(kept.tookMs)} ms; the slowest of ${first.pingsMs.length} commands meanwhile took ${Math.round(slow)} ms`);

  // All of it read and hashed once more, beside clients: what they wait meanwhile, and without.
  const others = Array.from({ length: 10_000 }, (_, index) => key(index + 5_000));
  await latencyUntil(cluster.port, others, elapsed(500));
  const without = await latencyUntil(cluster.port, others, elapsed(sized(1_500, 10_000)));
  const again = repaired(connection, 'FULL');
  const during = await latencyUntil(cluster.port, others, again);
  t.log(`a full comparison beside clients: ${Math.round((await again).tookMs)} ms; clients meanwhile ${latencyText(during)}`);
  t.log(`without: ${latencyText(without)}`);
  t.true(during.p99Ms < 250 + 5 * without.p99Ms, `p99 ${during.p99Ms} ms beside it, ${without.p99Ms} ms without`);
  alone.close();
  connection.close();
});

test('TORC REPAIR takes FULL or a partition, and one at a time', async (t) => {
  t.timeout(60_000);
  const cluster = await startCluster({ directives: { partitions: '16' } });
  stoppedAtEnd(t, cluster);
  const connection = await RespConnection.open(cluster.port);
  t.regex((await connection.ask('TORC', 'REPAIR', '16')).text, /^ERR TORC REPAIR takes FULL or a partition from 0 to 15/);
  t.regex((await connection.ask('TORC', 'REPAIR', 'ALL')).text, /^ERR TORC REPAIR takes/);
  const [begun, refused] = await Promise.all([connection.ask('TORC', 'REPAIR', '3'), connection.ask('TORC', 'REPAIR')]);
  t.regex(begun?.text ?? '', /^comparing 2 replicas of partitions/);
  t.regex(refused?.text ?? '', /^BUSY a repair is under way/);
  connection.close();
});
