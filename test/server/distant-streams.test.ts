/** Streams at keys of several partitions, to a real Redis and to three nodes: COPY brings all of one, XREAD reads several, and whatever else meets one refuses it. */
import test, { type ExecutionContext } from 'ava';
import { patient, redisServer, requireRedisTools, startCluster } from '../harness/processes.js';
import { agree } from './generated/agreement.js';
import type { Words } from './generated/words.js';
import { RawClient } from './raw-client.js';

interface Servers {
  readonly nodes: readonly RawClient[];
  readonly redis: RawClient;
}

async function servers(t: ExecutionContext): Promise<Servers | undefined> {
  if (!requireRedisTools(t)) return undefined;
  t.timeout(120_000);
  const [torc, oracle] = await Promise.all([startCluster({ directives: patient }), redisServer()]);
  t.teardown(() => Promise.all([torc.stop(), oracle.stop()]));
  const clients = await Promise.all([oracle.port, ...torc.ports].map((port) => RawClient.connect(port)));
  t.teardown(() => Promise.all(clients.map((client) => client.end())));
  const [redis, ...nodes] = clients as [RawClient, ...RawClient[]];
  return { nodes, redis };
}

/** The replies of a node, which are those of Redis. */
async function same(t: ExecutionContext, { nodes, redis }: Servers, node: number, commands: readonly Words[]): Promise<string[]> {
  const [ours, theirs] = await Promise.all([(nodes[node] as RawClient).ask(...commands), redis.ask(...commands)]);
  for (const [i, words] of commands.entries())
    t.true(agree(words, ours[i] ?? '', theirs[i] ?? ''), `${words.map(String).join(' ')}: ${ours[i]} and not ${theirs[i]}`);
  return ours;
}

const shows = (key: string, group: string | Buffer = 'g'): Words[] => [
  ['XINFO', 'STREAM', key],
  ['XINFO', 'STREAM', key, 'FULL', 'COUNT', '0'],
  ['XINFO', 'GROUPS', key],
  ['XINFO', 'CONSUMERS', key, group],
  ['XRANGE', key, '-', '+'],
  ['XPENDING', key, group],
  ['XPENDING', key, group, '-', '+', '100'],
  ['PEXPIRETIME', key],
  ['DUMP', key],
];

/** What a copy does from then on: it knows what its groups were given, who has it, and which ids are too small. */
const goesOn: readonly Words[] = [
  ['XREADGROUP', 'GROUP', 'g', 'c2', 'COUNT', '1', 'STREAMS', 'far', '>'],
  ['XACK', 'far', 'g', '3-1', '2-1'],
  ['XADD', 'far', '1-5', 'f', 'v'],
  ['XADD', 'far', '90-1', 'f', 'v'],
  ['XREADGROUP', 'GROUP', 'g', 'c1', 'STREAMS', 'far', '>'],
  ['XAUTOCLAIM', 'far', 'g', 'c2', '0', '0', 'JUSTID'],
];

const odd = Buffer.from([0x67, 0x00, 0xff, 0x0a]);
const long = 'x'.repeat(300);
const filled: readonly Words[] = [
  ['XADD', 'k', '2-1', 'f', 'v', 'f', odd],
  ['XADD', 'k', '3-1', '', ''],
  ['XADD', 'k', '4-18446744073709551615', long, long],
  ['XADD', 'k', '9-0', 'f', 'v'],
];
const streams: Readonly<Record<string, readonly Words[]>> = {
  'entries only': filled,
  'an expiry': [...filled, ['PEXPIREAT', 'k', '4000000000000']],
  'groups with pending entries of several consumers, claimed and given again': [
    ...filled,
    ['XGROUP', 'CREATE', 'k', 'g', '0'],
    ['XGROUP', 'CREATE', 'k', 'h', '3-1', 'ENTRIESREAD', '2'],
    ['XGROUP', 'CREATE', 'k', 'last', '$'],
    ['XREADGROUP', 'GROUP', 'g', 'c1', 'COUNT', '3', 'STREAMS', 'k', '>'],
    ['XREADGROUP', 'GROUP', 'g', 'c1', 'COUNT', '3', 'STREAMS', 'k', '0'],
    ['XREADGROUP', 'GROUP', 'h', 'c1', 'COUNT', '1', 'STREAMS', 'k', '>'],
    ['XCLAIM', 'k', 'g', 'c2', '0', '3-1', 'RETRYCOUNT', '7', 'TIME', '1600000000000'],
    ['XACK', 'k', 'g', '2-1'],
    ['XGROUP', 'CREATECONSUMER', 'k', 'g', 'idle'],
  ],
  'a group and a consumer of any bytes': [
    ...filled,
    ['XGROUP', 'CREATE', 'k', odd, '0'],
    ['XREADGROUP', 'GROUP', odd, odd, 'COUNT', '1', 'STREAMS', 'k', '>'],
    ['XGROUP', 'CREATE', 'k', 'g', '0'],
  ],
  'entries deleted, first, last and while they are pending': [
    ...filled,
    ['XGROUP', 'CREATE', 'k', 'g', '0'],
    ['XREADGROUP', 'GROUP', 'g', 'c1', 'COUNT', '2', 'STREAMS', 'k', '>'],
    ['XDEL', 'k', '2-1', '9-0'],
  ],
  'ids and counts that were set': [
    ...filled,
    ['XSETID', 'k', '80-3', 'ENTRIESADDED', '1000', 'MAXDELETEDID', '70-1'],
    ['XGROUP', 'CREATE', 'k', 'g', '2-1'],
  ],
  'no entries, and a group that was given those there were': [
    ...filled,
    ['XGROUP', 'CREATE', 'k', 'g', '0'],
    ['XREADGROUP', 'GROUP', 'g', 'c1', 'COUNT', '2', 'STREAMS', 'k', '>'],
    ['XTRIM', 'k', 'MAXLEN', '0'],
  ],
  'nothing but a group': [['XGROUP', 'CREATE', 'k', 'g', '$', 'MKSTREAM']],
  'many entries, some of them trimmed': [
    ...Array.from({ length: 400 }, (_, i): Words => ['XADD', 'k', `${i + 2}-1`, 'n', String(i)]),
    ['XGROUP', 'CREATE', 'k', 'g', '0'],
    ['XREADGROUP', 'GROUP', 'g', 'c1', 'COUNT', '300', 'STREAMS', 'k', '>'],
    ['XTRIM', 'k', 'MAXLEN', '200'],
  ],
};

test('COPY brings a stream and its groups to a key of another partition', async (t) => {
  const all = await servers(t);
  if (all === undefined) return;
  for (const [at, [name, commands]] of Object.entries(streams).entries()) {
    const node = at % all.nodes.length;
    await same(t, all, node, [['DEL', 'k', 'far', '{k}near'], ...commands]);
    const replies = await same(t, all, node, [
      ['COPY', 'k', 'far'],
      ['COPY', 'k', 'far'],
      ['COPY', 'k', '{k}near'],
      ['SET', 'other', 'v'],
      ['COPY', 'k', 'other'],
      ['COPY', 'k', 'other', 'REPLACE'],
    ]);
    t.deepEqual(replies, [':1', ':0', ':1', '+OK', ':0', ':1'], name);
    const group = commands.some((words) => words[3] === 'g') ? 'g' : 'none';
    const other = (node + 1) % all.nodes.length;
    await same(
      t,
      all,
      other,
      ['far', '{k}near', 'k', 'other'].flatMap((key) => shows(key, group)),
    );
    // Instants included it is what a copy in the same partition is.
    const whole = (key: string): Words[] => shows(key).filter((words) => words.includes('FULL') || words[0] === 'DUMP');
    const [far, near] = await Promise.all(['far', '{k}near'].map((key) => (all.nodes[other] as RawClient).ask(...whole(key))));
    t.deepEqual(far, near, name);
    if (group === 'g') await same(t, all, node, [...goesOn, ...shows('far').slice(4), ...shows('k')]);
  }
});

const ofTypes: readonly Words[] = [
  ['DEL', 'far', 'target', 'string', 'set', 'zset', 'list', 'hash', 'places', 'hll'],
  ['XADD', 'far', '1-1', 'f', 'v'],
  ['SET', 'string', 'text'],
  ['SADD', 'set', '1', '2'],
  ['ZADD', 'zset', '1', 'a'],
  ['RPUSH', 'list', '1'],
  ['HSET', 'hash', 'f', 'v'],
  ['GEOADD', 'places', '13.5', '38.1', 'x'],
  ['PFADD', 'hll', 'x'],
];
const refused: readonly Words[] = [
  ...['SUNION', 'SINTER', 'SDIFF'].flatMap((name): Words[] => [
    [name, 'set', 'far'],
    [name, 'far', 'set'],
    [name, 'none', 'far'],
    [`${name}STORE`, 'target', 'set', 'far'],
    [`${name}STORE`, 'target', 'far', 'set'],
  ]),
  ['SINTERCARD', '2', 'set', 'far'],
  ...['ZUNION', 'ZINTER', 'ZDIFF'].flatMap((name): Words[] => [
    [name, '2', 'zset', 'far'],
    [name, '3', 'far', 'set', 'zset'],
    [`${name}STORE`, 'target', '2', 'zset', 'far'],
  ]),
  ['ZINTERCARD', '2', 'zset', 'far'],
  ['ZRANGESTORE', 'target', 'far', '0', '-1'],
  ['BITOP', 'AND', 'target', 'string', 'far'],
  ['BITOP', 'NOT', 'target', 'far'],
  ['LCS', 'string', 'far'],
  ['LCS', 'far', 'none'],
  ['PFCOUNT', 'hll', 'far'],
  ['PFMERGE', 'target', 'hll', 'far'],
  ['SORT', 'far', 'STORE', 'target'],
  ['GEOSEARCHSTORE', 'target', 'far', 'FROMLONLAT', '13', '38', 'BYRADIUS', '200', 'km'],
  ['GEORADIUS', 'far', '13', '38', '200', 'km', 'STORE', 'target'],
  ['GEORADIUSBYMEMBER', 'far', 'x', '200', 'km', 'STORE', 'target'],
  ['MGET', 'string', 'far'],
];
const overwritten: readonly Words[] = [
  ['SUNIONSTORE', 'far', 'set', '{set}2'],
  ['ZRANGESTORE', 'far', 'zset', '0', '-1'],
  ['BITOP', 'OR', 'far', 'string', 'set2'],
  ['SORT', 'list', 'STORE', 'far'],
  ['COPY', 'hash', 'far', 'REPLACE'],
  ['PFMERGE', 'far', 'hll'],
];

test('a command of another type refuses a stream at a key elsewhere, writes nothing then, and replaces one where it stores', async (t) => {
  const all = await servers(t);
  if (all === undefined) return;
  for (const node of all.nodes.keys()) {
    const replies = await same(t, all, node, [...ofTypes, ...refused, ['EXISTS', 'target'], ['XLEN', 'far']]);
    for (const [i, words] of refused.entries())
      if (words[0] !== 'MGET') t.regex(replies[ofTypes.length + i] ?? '', words[0] === 'LCS' ? /^-ERR The specified keys/ : /^-WRONGTYPE /);
    t.deepEqual(replies.slice(-2), [':0', ':1']);
    for (const words of overwritten) await same(t, all, node, [['DEL', 'far'], ['XADD', 'far', '1-1', 'f', 'v'], words, ['TYPE', 'far']]);
  }
});

const readings: readonly Words[] = [
  ['XREAD', 'STREAMS', 'a', 'b', 'c', '0', '0', '0'],
  ['XREAD', 'STREAMS', 'c', 'b', 'a', '0', '0', '0'],
  ['XREAD', 'COUNT', '1', 'STREAMS', 'c', 'a', '{a}2', '0', '1-1', '0-1'],
  ['XREAD', 'STREAMS', 'none', 'a', 'b', '0', '2', '$'],
  ['XREAD', 'STREAMS', 'a', 'b', '$', '$'],
  ['XREAD', 'STREAMS', 'none', 'neither', '0', '0'],
  ['XREAD', 'STREAMS', 'a', 'b', 'a', '0', '0', '2-1'],
  ['xread', 'count', '0', 'streams', 'b', 'a', '0', '0'],
  ['XREAD', 'STREAMS', 'a', 'set', '0', '0'],
  ['XREAD', 'STREAMS', 'a', 'b', 'set', '0', 'x', '0'],
  ['XREAD', 'STREAMS', 'a', 'set', 'b', '0', '0', 'x'],
  ['XREAD', 'STREAMS', 'a', 'b', '0', '>'],
  ['XREAD', 'STREAMS', 'a', 'b', '0'],
  ['XREAD', 'STREAMS', 'streams', 'a', '0', '0'],
];

test('XREAD reads streams of several partitions, in the order in which they are named', async (t) => {
  const all = await servers(t);
  if (all === undefined) return;
  const fills: readonly Words[] = ['a', 'b', 'c', '{a}2', 'streams'].flatMap((key, i): Words[] => [
    ['XADD', key, `1-${i}1`, 'f', key],
    ['XADD', key, '2-1', 'f', key, 'g', 'w'],
  ]);
  await same(t, all, 0, [...fills, ['SADD', 'set', 'x']]);
  for (const version of ['2', '3'])
    for (const [node, client] of all.nodes.entries()) {
      await Promise.all([client.ask(['HELLO', version]), all.redis.ask(['HELLO', version])]);
      const replies = await same(t, all, node, readings);
      t.regex(replies[0] ?? '', version === '2' ? /^\*\[\*\[\$a, / : /^%\[\$a, /);
      // What is written just before in one pipeline is read.
      const id = `${version}${node}-1`;
      const last = await same(t, all, node, [
        ['XADD', 'a', `1${id}`, 'f', 'v'],
        ['XADD', 'c', `1${id}`, 'f', 'v'],
        ['XREAD', 'STREAMS', 'c', 'b', 'a', '9', '9', '9'],
      ]);
      t.is(last[2]?.split(`1${id}`).length, 3);
    }
  const refusal = await (all.nodes[0] as RawClient).ask(['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'a', 'b', '>', '>']);
  t.regex(refusal[0] ?? '', /^-CROSSSLOT /);
});
