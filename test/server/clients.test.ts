/** The clients that people use against three nodes as processes: ioredis and node-redis, plain and in cluster mode; and what they learn from CLUSTER. */
import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { patient, type ServerGroup, startCluster } from '../harness/processes.js';
import { RawClient } from './raw-client.js';

let servers: ServerGroup;
test.before(async () => {
  servers = await startCluster({ directives: patient });
});
test.after.always(async () => servers?.stop());

/** What both of ioredis' faces do the same way. */
async function useIoredis(t: ExecutionContext, client: Redis | Cluster, prefix: string): Promise<void> {
  // One tag: ioredis sends the commands of a pipeline to one node only.
  const key = (n: number | string): string => `{${prefix}}:${n}`;
  t.is(await client.set(key('s'), 'hé'), 'OK');
  t.is(await client.get(key('s')), 'hé');
  t.is(await client.get(key('none')), null);
  const binary = Buffer.from([0, 13, 10, 255, 36]);
  t.is(await client.set(key('b'), binary), 'OK');
  t.deepEqual(await client.getBuffer(key('b')), binary);
  t.is(await client.incr(key('n')), 1);
  t.is(await client.incrby(key('n'), 41), 42);
  t.is(await client.set(key('once'), 'a', 'EX', 100, 'NX'), 'OK');
  t.is(await client.set(key('once'), 'b', 'EX', 100, 'NX'), null);
  const ttl = await client.ttl(key('once'));
  t.true(ttl > 90 && ttl <= 100, `${ttl}`);
  t.is(await client.expire(key('s'), 100), 1);
  t.is(await client.persist(key('s')), 1);
  t.is(await client.ttl(key('s')), -1);
  t.is(await client.pexpire(key('s'), 0), 1);
  t.is(await client.exists(key('s')), 0);
  await t.throwsAsync(async () => client.incr(key('b')), { message: 'ERR value is not an integer or out of range' });

  const pipeline = client.pipeline();
  for (let i = 0; i < 100; i++) pipeline.set(key(i), `v${i}`).get(key(i));
  pipeline.incr(key('b'));
  const replies = (await pipeline.exec()) ?? [];
  t.is(replies.length, 201);
  for (let i = 0; i < 100; i++) {
    t.deepEqual(replies[2 * i], [null, 'OK']);
    t.deepEqual(replies[2 * i + 1], [null, `v${i}`]);
  }
  t.is(replies[200]?.[0]?.message, 'ERR value is not an integer or out of range');
}

// One after the other: clients give up on a node that is slow to answer because ten of them are busy with it at once.
test.serial('ioredis Redis, RESP2 and RESP3, against each node', async (t) => {
  for (const [at, port] of servers.ports.entries()) {
    const client = new Redis(port, '127.0.0.1', { protocol: at === 1 ? 2 : 3 });
    t.teardown(() => client.disconnect()); // else it would look for its server for ever when the test has failed
    client.on('error', () => undefined);
    await useIoredis(t, client, `ioredis${at}`);
    const keys = Array.from({ length: 50 }, (_, i) => `multi${at}:${i}`);
    t.is(await client.mset(...keys.flatMap((key, i) => [key, `${i}`])), 'OK');
    t.deepEqual(await client.mget('none', ...keys, 'none'), [null, ...keys.map((_, i) => `${i}`), null]);
    const found = new Set<string>();
    for await (const some of client.scanStream({ match: `multi${at}:*`, count: 100 }) as AsyncIterable<string[]>)
      for (const key of some) found.add(key);
    t.deepEqual([...found].toSorted(), keys.toSorted());
    t.is(await client.del(...keys, 'none'), 50);
    t.is(await client.quit(), 'OK');
  }
});

test.serial('ioredis Cluster finds the nodes and routes by slot', async (t) => {
  const client = new Cluster([{ host: '127.0.0.1', port: servers.port }], { scaleReads: 'master', redisOptions: { protocol: 3 } });
  t.teardown(() => client.disconnect());
  await once(client, 'ready');
  t.is(client.nodes('master').length, 3);
  await useIoredis(t, client, 'ioredis-cluster');
  t.is(await client.mset('{tag}1', 'a', '{tag}2', 'b'), 'OK');
  t.deepEqual(await client.mget('{tag}1', '{tag}2', '{tag}3'), ['a', 'b', null]);
  t.is(await client.del('{tag}1', '{tag}2'), 2);
  await client.quit();
});

test.serial('ioredis Cluster reads from replicas after READONLY', async (t) => {
  const client = new Cluster([{ host: '127.0.0.1', port: servers.port }], { scaleReads: 'slave' });
  t.teardown(() => client.disconnect());
  await once(client, 'ready');
  for (let i = 0; i < 100; i++) {
    t.is(await client.set(`scaled:${i}`, `${i}`), 'OK');
    t.is(await client.get(`scaled:${i}`), `${i}`);
  }
  await client.quit();
});

test.serial('node-redis, RESP2 and RESP3', async (t) => {
  for (const RESP of [2, 3] as const) {
    const client = createClient({ RESP, socket: { host: '127.0.0.1', port: servers.ports[RESP - 1] ?? servers.port } });
    client.on('error', () => undefined);
    await client.connect();
    const key = (n: number | string): string => `node-redis${RESP}:${n}`;
    t.is(await client.set(key('s'), 'v', { expiration: { type: 'EX', value: 100 } }), 'OK');
    t.is(await client.get(key('s')), 'v');
    t.is(await client.set(key('s'), 'w', { condition: 'NX' }), null);
    t.is(await client.incrBy(key('n'), 7), 7);
    t.is(
      await client.mSet([
        [key(1), 'a'],
        [key(2), 'b'],
      ]),
      'OK',
    );
    t.deepEqual(await client.mGet([key(1), key('none'), key(2)]), ['a', null, 'b']);
    t.deepEqual(await Promise.all(Array.from({ length: 200 }, () => client.incr(key('p')))).then((all) => all.at(-1)), 200);
    const found: string[] = [];
    for await (const some of client.scanIterator({ MATCH: key('*'), COUNT: 100 })) found.push(...some);
    t.deepEqual(found.toSorted(), ['1', '2', 'n', 'p', 's'].map(key).toSorted());
    await t.throwsAsync(async () => client.incr(key('s')), { message: 'ERR value is not an integer or out of range' });
    t.is(await client.del([key(1), key(2)]), 2);
    await client.close();
  }
});

test.serial('node-redis in cluster mode, RESP3', async (t) => {
  const client = createCluster({ RESP: 3, rootNodes: [{ url: `redis://127.0.0.1:${servers.port}` }] });
  client.on('error', () => undefined);
  await client.connect();
  t.is(client.masters.length, 3);
  await Promise.all(Array.from({ length: 200 }, (_, i) => client.set(`nrc:${i}`, `${i}`)));
  const values = await Promise.all(Array.from({ length: 200 }, (_, i) => client.get(`nrc:${i}`)));
  t.deepEqual(
    values,
    Array.from({ length: 200 }, (_, i) => `${i}`),
  );
  t.is(await client.incr('nrc:n'), 1);
  t.is(await client.expire('nrc:n', 50), 1);
  t.is(await client.del('nrc:n'), 1);
  await client.close();
});

interface Span {
  readonly first: number;
  readonly last: number;
  readonly ports: readonly number[];
}

async function spansOf(port: number): Promise<Span[]> {
  const client = new Redis(port, '127.0.0.1');
  const slots = (await client.cluster('SLOTS')) as [number, number, ...[string, number, string, unknown][]][];
  await client.quit();
  return slots.map(([first, last, ...nodes]) => ({ first, last, ports: nodes.map((node) => node[1]) }));
}

test.serial('CLUSTER SLOTS, SHARDS, NODES and INFO say the same on every node, and cover every slot once', async (t) => {
  const all = await Promise.all(servers.ports.map(spansOf));
  const [spans = []] = all;
  for (const other of all) t.deepEqual(other, spans);
  let next = 0;
  for (const { first, last, ports } of spans.toSorted((a, b) => a.first - b.first)) {
    t.is(first, next);
    next = last + 1;
    t.deepEqual(
      ports.toSorted((a, b) => a - b),
      servers.ports.toSorted((a, b) => a - b),
    );
  }
  t.is(next, 16384);
  const ownerOf = (slot: number): number => spans.find((span) => span.first <= slot && slot <= span.last)?.ports[0] ?? 0;

  for (const port of servers.ports) {
    const client = new Redis(port, '127.0.0.1', { protocol: 2 });
    const info = (await client.cluster('INFO')) as string;
    for (const line of [
      'cluster_state:ok',
      'cluster_slots_assigned:16384',
      'cluster_slots_ok:16384',
      'cluster_known_nodes:3',
      'cluster_size:3',
    ])
      t.true(info.includes(`${line}\r\n`), `${line} of ${info}`);
    const lines = ((await client.cluster('NODES')) as string).trim().split('\n');
    t.is(lines.length, 3);
    const own = lines.filter((line) => line.includes('myself'));
    t.is(own.length, 1);
    t.true(own[0]?.startsWith(`${(await client.cluster('MYID')) as string} 127.0.0.1:${port}@`), own[0]);
    for (const line of lines) {
      const [, address = '', , , , , , state, ...ranges] = line.split(' ');
      const owner = Number(/:(\d+)@/.exec(address)?.[1]);
      t.is(state, 'connected');
      for (const range of ranges) {
        const [first = 0, last = first] = range.split('-').map(Number);
        for (let slot = first; slot <= last; slot++) if (ownerOf(slot) !== owner) t.fail(`slot ${slot} of ${line.slice(0, 60)}`);
      }
    }
    const shards = (await client.call('CLUSTER', 'SHARDS')) as [string, number[], string, (string | number)[][]][];
    let covered = 0;
    for (const [, slots, , nodes] of shards) {
      const owner = nodes[0]?.[nodes[0].indexOf('port') + 1];
      for (let i = 0; i < slots.length; i += 2) {
        covered += (slots[i + 1] ?? 0) - (slots[i] ?? 0) + 1;
        if (ownerOf(slots[i] ?? -1) !== owner) t.fail(`slot ${slots[i]} in CLUSTER SHARDS`);
      }
    }
    t.is(covered, 16384);
    await client.quit();
  }
});

test.serial('keys of a slot are found from any node', async (t) => {
  const clients = await Promise.all(servers.ports.map((port) => RawClient.connect(port)));
  const [first] = clients;
  t.deepEqual(await first?.ask(['MSET', '{slot}a', '1', '{slot}b', '2'], ['CLUSTER', 'KEYSLOT', '{slot}a']), ['+OK', ':4772']);
  for (const client of clients) {
    t.deepEqual(await client.ask(['CLUSTER', 'COUNTKEYSINSLOT', '4772'], ['CLUSTER', 'GETKEYSINSLOT', '4772', '10']), [
      ':2',
      '*[${slot}a, ${slot}b]',
    ]);
    t.deepEqual(await client.ask(['READONLY'], ['GET', '{slot}a'], ['READWRITE'], ['ASKING'], ['GET', '{slot}b']), [
      '+OK',
      '$1',
      '+OK',
      '+OK',
      '$2',
    ]);
    await client.end();
  }
});

test.serial('TORC says where a key lives, what its replicas hold, how many must answer, and how the cluster is', async (t) => {
  const clients = await Promise.all(servers.ports.map((port) => RawClient.connect(port)));
  const lists: string[] = [];
  for (const client of clients) {
    t.deepEqual(await client.ask(['SET', 'shown', 'worth'], ['GET', 'shown']), ['+OK', '$worth']);
    const [version = ''] = await client.ask(['TORC', 'VERSION', 'shown']);
    const [list = '', status = '', ...quorums] = await client.ask(
      ['TORC', 'PREFLIST', 'shown'],
      ['TORC', 'STATUS'],
      ['TORC', 'QUORUM'],
      ['TORC', 'QUORUM', '3', '1'],
      ['SET', 'shown', 'worth'],
      ['GET', 'shown'],
      ['TORC', 'QUORUM'],
      ['TORC', 'QUORUM', '4', '1'],
      ['TORC', 'QUORUM', 'DEFAULT'],
      ['TORC', 'QUORUM'],
    );
    lists.push(list);
    t.is(list.match(/coordinator/g)?.length, 1);
    t.is(list.match(/\$reachable, \$yes/g)?.length, 3);
    t.is(version.match(/\$member/g)?.length, 3);
    t.is(version.match(/\$values, :1/g)?.length, 3, version);
    t.is(status.match(/\$reachable, \$yes/g)?.length, 3);
    t.true(status.includes('$write-quorum, :2, $read-quorum, :2'), status);
    t.deepEqual(quorums, [
      '*[:2, :2]',
      '+OK',
      '+OK',
      '$worth',
      '*[:3, :1]',
      '-ERR a quorum is a number from 1 to 3, the number of replicas',
      '+OK',
      '*[:2, :2]',
    ]);
    await client.end();
  }
  t.is(new Set(lists).size, 1);
});

test.serial('TORC VERSION shows each replica of one field or member', async (t) => {
  const client = await RawClient.connect(servers.ports[0] as number);
  const key = (name: string): string => `{of one}${name}`;
  t.deepEqual(
    await client.ask(
      ['HSET', key('hash'), 'field', 'a', 'other', 'b'],
      ['SADD', key('set'), 'member'],
      ['ZADD', key('zset'), '1', 'member'],
      ['RPUSH', key('list'), 'a'],
      ['TORC', 'QUORUM', '3', '1'],
      ['HSET', key('hash'), 'field', 'c'],
    ),
    [':2', ':1', ':1', ':1', '+OK', ':0'],
  );
  const versions = async (...of: string[]): Promise<{ members: number; contexts: Set<string>; values: string[]; equal: number }> => {
    const [reply = ''] = await client.ask(['TORC', 'VERSION', ...of]);
    return {
      members: reply.match(/\$member/g)?.length ?? 0,
      contexts: new Set(reply.match(/\$\{[^}]*\}/g)),
      values: [...reply.matchAll(/\$values, :(\d)/g)].map(([, count = '']) => count),
      equal: reply.match(/\$equal, \$yes/g)?.length ?? 0,
    };
  };
  const field = await versions(key('hash'), 'field');
  t.deepEqual([field.members, field.values, field.equal, field.contexts.size], [3, ['1', '1', '1'], 3, 1]);
  const other = await versions(key('hash'), 'other');
  t.notDeepEqual(other.contexts, field.contexts, 'each field has a version of its own');
  for (const name of ['set', 'zset']) t.deepEqual((await versions(key(name), 'member')).values, ['1', '1', '1'], name);
  const none = await versions(key('set'), 'none');
  t.deepEqual([none.values, none.contexts], [['0', '0', '0'], new Set(['${}'])]);
  const refused = '-ERR TORC VERSION names elements of hashes, sets and sorted sets';
  t.deepEqual(
    await client.ask(
      ['TORC', 'VERSION', key('list'), 'a'],
      ['TORC', 'VERSION', key('nothing'), 'a'],
      ['TORC', 'VERSION', key('hash'), 'field', 'more'],
    ),
    [refused, refused, "-ERR wrong number of arguments for 'torc|version' command"],
  );
  await client.end();
});
