/** What a connection writes behind a FLUSHALL, in the same piece, is there after it, as in Redis: the flush goes over all partitions meanwhile. */
import test from 'ava';
import { patient, startCluster, startNode } from '../harness/processes.js';
import { RawClient } from './raw-client.js';

const keys = Array.from({ length: 200 }, (_, i) => `key:${i}`);

test('writes behind FLUSHALL and FLUSHDB are not flushed, reads behind it find nothing older', async (t) => {
  for (const group of [await startNode(patient), await startCluster({ directives: patient })]) {
    t.teardown(() => group.stop());
    const client = await RawClient.connect(group.port);
    t.teardown(() => client.end());
    for (const flush of ['FLUSHALL', 'FLUSHDB', 'FLUSHALL']) {
      await client.ask(...keys.map((key) => ['SET', key, 'old']), ...keys.map((key) => ['SET', `more ${key}`, 'old']));
      const replies = await client.ask([flush], ['DBSIZE'], ...keys.map((key) => ['SET', key, 'new']), ['GET', 'more key:1'], ['DBSIZE']);
      t.deepEqual([replies[0], replies[1], replies.at(-2), replies.at(-1)], ['+OK', ':0', 'nil', `:${keys.length}`]);
      t.deepEqual(
        await client.ask(...keys.map((key) => ['GET', key])),
        keys.map(() => '$new'),
      );
    }
  }
});
