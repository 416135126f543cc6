/**
 * Three clients write the same 200 keys at the same time, each through a node of its own, 6,000 writes in all: nothing errs, and 2 s later every replica
 * shows the same from its own records, and holds the same versions. TORC_FULL=1: 120,000 writes.
 */
import test from 'ava';
import { startCluster } from '../harness/processes.js';
import { replicasEqual, stoppedAtEnd } from './judging.js';
import { RespConnection } from './resp-connection.js';
import { sized } from './run-size.js';

const keys = Array.from({ length: 200 }, (_, index) => `shared:${index}`);
const writesEach = sized(2_000, 40_000);
const convergedMs = 2_000;

test('200 keys written concurrently through three nodes are the same everywhere 2 s later', async (t) => {
  t.timeout(120_000);
  const cluster = await startCluster();
  stoppedAtEnd(t, cluster);
  const writers = await Promise.all(cluster.ports.map((port) => RespConnection.open(port)));
  const replies = await Promise.all(
    writers.map((writer, node) =>
      writer.all(Array.from({ length: writesEach }, (_, index) => ['SET', keys[index % keys.length] ?? '', `${node}:${index}`])),
    ),
  );
  const wrong = replies.flat().filter(({ text }) => text !== 'OK');
  t.deepEqual(wrong, []);
  t.is(replies.flat().length, 3 * writesEach);
  await new Promise((resolve) => setTimeout(resolve, convergedMs)); // the 2 s that are promised
  const alone = await Promise.all(cluster.ports.map((port) => RespConnection.alone(port)));
  const [first = [], ...others] = await Promise.all(alone.map((connection) => connection.values(keys)));
  for (const values of others) t.deepEqual(values, first);
  // Only a last write of some node can have won.
  t.true(first.every((value) => Number(value?.split(':')[1]) >= writesEach - keys.length));
  await replicasEqual(cluster, keys, 0);
  const conflicts = await Promise.all(alone.map((connection) => connection.figure('torc', 'conflicts_string')));
  t.log(`${replies.flat().length} writes, no error, no key differs between the replicas' own records; conflicts met ${conflicts.join()}`);
  for (const connection of [...writers, ...alone]) connection.close();
});
