/** CONFIG SET of a directive that a running node reads is felt by the commands that follow, not just printed by CONFIG GET. */
import test from 'ava';
import { Redis } from 'ioredis';
import { startCluster } from '../harness/processes.js';

test('a raised write quorum refuses writes that its replicas are missing for, a lowered one takes them again', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => cluster.stop());
  const clients = cluster.commands.slice(0, 2).map(({ port }) => new Redis({ port, maxRetriesPerRequest: 0 }));
  t.teardown(() => clients.forEach((client) => client.disconnect()));
  const [first] = clients as [Redis];
  const everywhere = (quorum: number) => Promise.all(clients.map((client) => client.config('SET', 'write-quorum', quorum)));
  await everywhere(3);
  t.is(await first.set('key', 'three'), 'OK');
  await cluster.kill9(2);
  const refused = await t.throwsAsync(async () => {
    for (const endsMs = Date.now() + 10_000; Date.now() < endsMs;) {
      try {
        await first.set('key', 'two');
      } catch (error) {
        // Sent before the node was known to be gone.
        if (!(error as Error).message.startsWith('UNKNOWNOUTCOME')) throw error;
      }
    }
  });
  t.is(refused.message, 'NOREPLICAS 2 home replicas are reachable, the write quorum is 3');
  await everywhere(2);
  t.is(await first.set('key', 'two'), 'OK');
  t.is(await first.get('key'), 'two');
});
