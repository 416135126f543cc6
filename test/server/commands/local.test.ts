/** Commands that the node answers itself: PING, HELLO, CLIENT, CONFIG, INFO, CLUSTER, TORC. */
import test from 'ava';
import { once } from 'node:events';
import { MapReply, VerbatimReply } from '../../../protocol/resp/reply.js';
import type { Reply } from '../../../protocol/resp/reply.js';
import { slotOf } from '../../../protocol/slot.js';
import { clusterOfThree, localContext } from './local-node.js';
import { RedisOracle, linesOf, shown } from './redis-oracle.js';

const split = (line: string): Buffer[] => line.split(' ').map((word) => Buffer.from(word === "''" ? '' : word));
const node = (...options: Parameters<typeof localContext>) => {
  const local = localContext(...options);
  return { ...local, ask: async (line: string) => shown(await local.run(split(line))), raw: (line: string) => local.run(split(line)) };
};

test('replies that do not hang on the node are those of a Redis in cluster mode', async (t) => {
  const redis = await RedisOracle.start('--cluster-enabled', 'yes');
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const lines = [
    ...linesOf(`
      PING; ping hello; PING a b; ECHO x; ECHO; READONLY; READWRITE; ASKING; READONLY x; SELECT 0; SELECT a; SELECT
      HELLO x; HELLO 4; HELLO 2 foo; HELLO 2 auth a; HELLO 2 setname; HELLO 2 setname \u00e9
      CLIENT; CLIENT nope; CLIENT GETNAME; CLIENT SETNAME me; client getname; CLIENT SETNAME ''; CLIENT GETNAME; CLIENT SETNAME \u00e9; CLIENT SETNAME a b; CLIENT ID x
      CLIENT LIST TYPE nope; CLIENT LIST TYPE pubsub; CLIENT LIST ID x; CLIENT LIST ID; CLIENT LIST nope; CLIENT LIST ID 999999
      CLIENT NO-EVICT on; CLIENT NO-EVICT x; CLIENT NO-EVICT; CLIENT INFO x; CONFIG; CONFIG nope; CONFIG GET; CONFIG GET nosuch; CONFIG GET save; CONFIG SET a; CONFIG SET a b c; CONFIG RESETSTAT x; CONFIG HELP x
      CLUSTER; CLUSTER nope; CLUSTER KEYSLOT; CLUSTER KEYSLOT foo; CLUSTER KEYSLOT {a}b; CLUSTER KEYSLOT {}{}; CLUSTER KEYSLOT {}a{b}; CLUSTER KEYSLOT ''
      CLUSTER COUNTKEYSINSLOT x; CLUSTER COUNTKEYSINSLOT 16384; CLUSTER COUNTKEYSINSLOT -1; CLUSTER GETKEYSINSLOT 1; CLUSTER GETKEYSINSLOT 1 -1; CLUSTER GETKEYSINSLOT 1 x; CLUSTER GETKEYSINSLOT 19999 1
      INFO nosuch; TIME x; NOPE; nope a bc; RESET x; RESET; GET; INFO cluster
    `),
    `NOPE ${'a'.repeat(100)} ${'b'.repeat(100)} c`,
    `${'N'.repeat(200)} x`,
    `CLUSTER ${'N'.repeat(200)}`,
  ];
  const theirs = await redis.ask(lines.map(split));
  const { ask } = node();
  for (const [i, line] of lines.entries()) t.is(await ask(line), shown(theirs[i] as Reply), line);
});

test('HELLO changes the protocol and the name, all or nothing', async (t) => {
  const { ask, raw, client } = node();
  t.is(await ask('HELLO 3 SETNAME me AUTH nobody x'), '-WRONGPASS invalid username-password pair or user is disabled.');
  t.deepEqual([client.resp, client.name], [2, '']);
  t.deepEqual(
    await raw('HELLO 3 setname me'),
    new MapReply([
      ['server', 'redis'],
      ['version', '7.2.4'],
      ['proto', 3],
      ['id', 5],
      ['mode', 'cluster'],
      ['role', 'master'],
      ['modules', []],
    ]),
  );
  t.deepEqual([client.resp, client.name], [3, 'me']);
  t.true((await ask('hello')).includes('$proto, :3'));
  client.writeQuorum = 1;
  client.readonly = true;
  t.is(await ask('RESET'), '+RESET');
  t.deepEqual([client.resp, client.name, client.writeQuorum, client.readonly], [2, '', undefined, false]);
});

test('AUTH takes the password of user default, and any while there is none', async (t) => {
  const { ask, events } = node();
  const wrong = '-WRONGPASS invalid username-password pair or user is disabled.';
  t.is(await ask('AUTH default anything'), '+OK');
  t.is(await ask('CONFIG SET requirepass secret'), '+OK');
  const said: (string | boolean)[] = [];
  events.on('authenticated', (name: string) => said.push(name));
  events.on('forgot', (isOpen: boolean) => said.push(isOpen));
  t.is(await ask('AUTH Secret'), wrong);
  t.is(await ask('AUTH nobody secret'), wrong);
  t.is(await ask('HELLO 3 AUTH default no'), wrong);
  t.deepEqual(said, []);
  t.is(await ask('AUTH secret'), '+OK');
  t.is(await ask('AUTH default secret'), '+OK');
  t.true((await ask('HELLO 2 AUTH default secret')).startsWith('[$server'));
  t.is(await ask('RESET'), '+RESET');
  t.deepEqual(said, ['default', 'default', 'default', false]);
});

test('there is one database', async (t) => {
  const { ask } = node();
  for (const index of ['1', '-1', '99']) t.is(await ask(`SELECT ${index}`), '-ERR Torc has one database, number 0; SELECT takes no other');
});

test('QUIT answers, then closes', async (t) => {
  const { ask, events } = node();
  const closed = once(events, 'closed');
  t.is(await ask('QUIT now'), '+OK');
  await closed;
  t.pass();
});

test('CLIENT SETINFO, LIST and INFO', async (t) => {
  const { ask, client } = node();
  t.is(await ask('CLIENT SETINFO lib-name ioredis'), '+OK');
  t.is(await ask('CLIENT SETINFO LIB-VER 6.0.0'), '+OK');
  t.is(await ask('CLIENT SETINFO nope x'), "-ERR Unrecognized option 'nope'");
  t.is(await ask('CLIENT SETINFO LIB-NAME \u00e9'), '-ERR lib-name cannot contain spaces, newlines or special characters.');
  const line = await ask('CLIENT INFO');
  t.is(
    line,
    '$id=5 addr=127.0.0.1:50000 laddr=127.0.0.1:6379 fd=-1 name= age=10 idle=2 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=26 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=26 events=r cmd=client|list user=default redir=-1 resp=2 lib-name=ioredis lib-ver=6.0.0\n',
  );
  for (const form of ['', ' TYPE normal', ' ID 5', ' ID 9 5']) t.is(await ask(`CLIENT LIST${form}`), line, form);
  t.is(await ask('CLIENT ID'), ':5');
  await ask('READONLY');
  t.true(client.readonly);
});

test('CONFIG reads and writes directives', async (t) => {
  const { ask } = node();
  t.is(await ask('CONFIG GET save appendonly'), '[$save, $, $appendonly, $yes]');
  t.is(await ask('CONFIG SET appendonly no maxclients 5'), '+OK');
  t.is(await ask('CONFIG GET appendonly'), '[$appendonly, $no]');
  t.is(
    await ask('CONFIG SET nope 1'),
    "-ERR CONFIG SET failed (possibly related to argument 'nope') - Unknown option or number of arguments",
  );
  t.is(await ask('CONFIG RESETSTAT'), '+OK');
  t.is(await ask('LATENCY HISTOGRAM'), '[]');
});

test('INFO has the sections that were asked for', async (t) => {
  const { raw } = node();
  const sectionsOf = async (line: string) => {
    const reply = await raw(line);
    if (!(reply instanceof VerbatimReply)) throw new Error('INFO is verbatim text');
    return { text: reply.text, titles: [...reply.text.matchAll(/^# (\w+)\r$/gm)].map((match) => match[1]) };
  };
  const usual = [
    'Server',
    'Clients',
    'Memory',
    'Persistence',
    'Stats',
    'Replication',
    'CPU',
    'Modules',
    'Errorstats',
    'Cluster',
    'Keyspace',
    'Torc',
  ];
  const { text, titles } = await sectionsOf('INFO');
  t.deepEqual(titles, usual);
  t.deepEqual((await sectionsOf('INFO default')).titles, usual);
  const everything = [
    'Server',
    'Clients',
    'Memory',
    'Persistence',
    'Stats',
    'Replication',
    'CPU',
    'Modules',
    'Commandstats',
    'Errorstats',
    'Latencystats',
    'Cluster',
    'Keyspace',
    'Torc',
  ];
  t.deepEqual((await sectionsOf('INFO everything')).titles, everything);
  t.deepEqual(
    (await sectionsOf('INFO all')).titles,
    everything.filter((title) => title !== 'Modules'),
  );
  t.deepEqual((await sectionsOf('INFO Replication cpu')).titles, ['Replication', 'CPU']);
  for (const line of [
    'redis_version:7.2.4',
    'torc_version:0.1.0',
    'redis_mode:cluster',
    'cluster_enabled:1',
    'maxmemory_policy:noeviction',
    'tcp_port:6379',
    'uptime_in_seconds:100',
    'maxclients:10000',
    'loading:0',
    'role:master',
    'hints_bytes:0',
    'errorstat_ERR:count=4',
    'db0:keys=7,expires=2,avg_ttl=0',
    'instantaneous_ops_per_sec:3',
    'instantaneous_output_kbps:2.00',
  ]) {
    t.true(text.includes(`\r\n${line}\r\n`), line);
  }
  const { text: commands } = await sectionsOf('INFO commandstats latencystats');
  t.true(commands.includes('cmdstat_get:calls=2,usec=200,usec_per_call=100.00,rejected_calls=0,failed_calls=1\r\n'), commands);
  t.true(commands.includes('latency_percentiles_usec_get:p50=103.000,p99=103.000,p99.9=103.000\r\n'), commands);
});

test('TIME is the clock of the command', async (t) => {
  t.is(await node().ask('TIME'), '[$1700000010, $250000]');
});

test('CLUSTER SLOTS names the coordinator first, and every slot once', async (t) => {
  const { raw, ask } = node(clusterOfThree([2]));
  const slots = (await raw('CLUSTER SLOTS')) as readonly (readonly Reply[])[];
  let next = 0;
  for (const [first, last] of slots) {
    t.is(first as number, next);
    next = (last as number) + 1;
  }
  t.is(next, 16384);
  t.is(
    shown(slots[1] as Reply),
    `[:16, :31, [$127.0.0.1, :6381, $${'3'.repeat(40)}, []], [$127.0.0.1, :6380, $${'2'.repeat(40)}, []], [$127.0.0.1, :6379, $${'1'.repeat(40)}, []]]`,
  );
  t.is(await raw('CLUSTER SLOTS'), slots, 'it is made once for the same ranges');
  t.is(await ask('CLUSTER MYID'), `$${'1'.repeat(40)}`);
});

test('CLUSTER NODES calls every member a master of the slots it coordinates', async (t) => {
  const { raw } = node(clusterOfThree([2], 4));
  const reply = await raw('CLUSTER NODES');
  t.is(
    (reply as VerbatimReply).text,
    `${'1'.repeat(40)} 127.0.0.1:6379@16379 myself,master - 0 0 7 connected 0-4095 12288-16383\n` +
      `${'2'.repeat(40)} 127.0.0.1:6380@16380 master,fail? - 0 0 7 disconnected\n` +
      `${'3'.repeat(40)} 127.0.0.1:6381@16381 master - 0 0 7 connected 4096-12287\n`,
  );
});

const firstNodeOf = (shard: MapReply): Reply => (shard.entries[1] as readonly [Reply, readonly Reply[]])[1][0] as Reply;

test('CLUSTER SHARDS joins the ranges with the same holders', async (t) => {
  const { raw } = node();
  const shards = (await raw('CLUSTER SHARDS')) as readonly MapReply[];
  t.is(shards.length, 3);
  const slots = shards.map((shard) => shard.entries[0]?.[1] as readonly number[]);
  t.is(slots.flat().length, 2048);
  t.is(
    shown(firstNodeOf(shards[0] as MapReply)),
    `[$id, $${'1'.repeat(40)}, $port, :6379, $ip, $127.0.0.1, $endpoint, $127.0.0.1, $role, $master, $replication-offset, :0, $health, $online]`,
  );
});

const clusterInfo = async (unreachable: readonly number[]): Promise<string> =>
  ((await node(clusterOfThree(unreachable)).raw('CLUSTER INFO')) as VerbatimReply).text;

test('CLUSTER INFO is ok as long as every slot can be reached', async (t) => {
  t.true((await clusterInfo([])).startsWith('cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n'));
  t.true((await clusterInfo([2])).includes('cluster_known_nodes:3\r\ncluster_size:2\r\n'));
  t.true((await clusterInfo([1, 2, 3])).startsWith('cluster_state:fail\r\n'));
});

test('CLUSTER COUNTKEYSINSLOT and GETKEYSINSLOT ask the partition', async (t) => {
  const { ask, sent } = node();
  t.is(await ask('CLUSTER COUNTKEYSINSLOT 33'), ':1');
  await ask('CLUSTER GETKEYSINSLOT 33 10');
  t.deepEqual(sent, [
    { partition: 2, args: ['partition|countkeysinslot', '33'] },
    { partition: 2, args: ['partition|keysinslot', '33', '10'] },
  ]);
});

test('TORC CONFLICTS shows keys, values, nodes and the rule, and takes how many', async (t) => {
  const { ask } = node();
  const versions =
    '[[$node, $node-1, $counter, :5, $term, :1, $value, $a, $shown, $no], [$node, $node-2, $counter, :6, $term, :1, $value, $b, $shown, $yes]]';
  const conflict = `[$key, $k, $partition, :3, $type, $string, $met-at-ms, :7, $covered-at-ms, nil, $rule, $the latest, $shown, $b, $versions, ${versions}]`;
  const head = '[$counts, [$string, :1, $counter, :0, $hyperloglog, :0, $field, :0, $type, :0], $open, :1, $conflicts, ';
  t.is(await ask('TORC CONFLICTS'), `${head}[${conflict}]]`);
  t.is(await ask('TORC CONFLICTS 0'), `${head}[]]`);
  t.is(await ask('TORC CONFLICTS x'), '-ERR TORC CONFLICTS takes how many are to be shown');
  t.regex(await ask('TORC CONFLICTS 1 2'), /^-ERR wrong number of arguments/);
});

test('TORC says where a key lives, what is held of it, and what must answer', async (t) => {
  const { ask, client } = node(clusterOfThree([slotOf(Buffer.from('k')) % 3 === 0 ? 1 : 2]));
  const preference = await ask('TORC PREFLIST k');
  t.true(
    preference.startsWith(
      `[$slot, :${slotOf(Buffer.from('k'))}, $partition, :${Math.floor(slotOf(Buffer.from('k')) / 16)}, $replicas, [[$name, $node-`,
    ),
  );
  t.is(preference.split('$coordinator').length, 2);
  t.is(
    await ask('TORC VERSION k'),
    '[[$member, $node-1, $context, ${1.1: 5}, $values, :1, $equal, $yes], [$member, $node-2, $error, $unreachable]]',
  );
  t.is(await ask('TORC QUORUM'), '[:2, :2]');
  t.is(await ask('TORC QUORUM 3 1'), '+OK');
  t.deepEqual([client.writeQuorum, client.readQuorum], [3, 1]);
  t.is(await ask('TORC QUORUM'), '[:3, :1]');
  for (const wrong of ['0 1', '4 1', '2 x'])
    t.is(await ask(`TORC QUORUM ${wrong}`), '-ERR a quorum is a number from 1 to 3, the number of replicas');
  t.is(await ask('TORC QUORUM 1'), "-ERR wrong number of arguments for 'torc|quorum' command");
  t.is(await ask('TORC REPAIR'), '-ERR no other replica of what is to be repaired can be reached, or it is being rebuilt here');
  t.is(await ask('TORC REPAIR FULL'), '-BUSY a repair is under way: TORC STATUS tells how far it is');
  t.is(await ask('TORC REPAIR 7'), '+comparing 2 replicas of partitions; TORC STATUS tells how far it is');
  t.regex(String(await ask('TORC REPAIR all')), /^-ERR TORC REPAIR takes FULL or a partition from 0 to \d+$/);
  t.is(await ask('TORC REPAIR 7 8'), "-ERR wrong number of arguments for 'torc|repair' command");
  t.is(await ask('TORC QUORUM default'), '+OK');
  t.is(client.writeQuorum, undefined);
  const status = await ask('TORC STATUS');
  t.true(status.includes('$configuration, :7'));
  t.is(status.split('$status, $up, $phi, $').length, 3, 'two others beside itself');
  t.true(status.includes('$phi, $0.25, $incarnation, :1, $heartbeat, :2, $load, :0, $last-heard-ms, :120'), status);
  t.regex(
    await ask('INFO torc'),
    /node1:name=node-2,address=127\.0\.0\.1:6380,role=member,status=up,phi=0\.25,incarnation=1,last_heard_ms=120/,
  );
  t.true((await ask('TORC HELP')).startsWith('[+TORC <subcommand> [<arg> [value] [opt] ...]. Subcommands are:'));
  t.is(await ask('TORC nope'), "-ERR unknown subcommand 'nope'. Try TORC HELP.");
});
