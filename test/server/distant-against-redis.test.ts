/**
 * Commands that name keys of several partitions, generated, to a real Redis and to one node and three of Torc: the same replies, and the same values left behind. Those that are
 * run at one of their keys with what the others held are each met with keys apart.
 */
import test, { type ExecutionContext } from 'ava';
import fc from '../harness/properties.js';
import { patient, redisServer, requireRedisTools, type ServerGroup, startCluster, startNode } from '../harness/processes.js';
import { agree, endsComparison } from './generated/agreement.js';
import { everyFamily } from './generated/all.js';
import { binaryKey, spread, type Words } from './generated/words.js';
import { RawClient } from './raw-client.js';
import { keysOfRead } from '../../server/commands/stream-reads.js';

const runs = Number(process.env['TORC_DISTANT_RUNS'] ?? 40);
const keys = ['a', 'b', 'c', 'd', '{a}2', binaryKey];
const family = everyFamily({ any: fc.constantFrom(...keys), near: fc.constantFrom(...keys) });
const apart =
  'sdiff sinter sintercard sunion sdiffstore sinterstore sunionstore zdiff zinter zintercard zunion zdiffstore zinterstore zunionstore zrangestore bitop geosearchstore lcs pfmerge pfcount copy sort georadius georadiusbymember xread'.split(
    ' ',
  );
const writers = ['set', 'sadd', 'zadd', 'rpush', 'hset', 'hpexpire', 'geoadd', 'pfadd', 'setbit', 'expire', 'del'];
const streamWriters = [
  'xadd',
  'xadd',
  'xgroup|create',
  'xreadgroup',
  'xreadgroup',
  'xack',
  'xclaim',
  'xgroup|createconsumer',
  'xdel',
  'xtrim',
  'xsetid',
];
const of = (names: readonly string[]): fc.Arbitrary<Words> =>
  fc.oneof(
    ...names.map((name) => {
      const arbitrary = family[name];
      if (arbitrary === undefined) throw new Error(`nothing generates ${name}`);
      return arbitrary;
    }),
  );
const command = fc.oneof(
  { weight: 2, arbitrary: of(writers) },
  { weight: 1, arbitrary: of(streamWriters) },
  { weight: 5, arbitrary: of(apart) },
);

/** A stream at each key, of which a group was given some. */
const streams = keys.flatMap((key, i): Words[] => [
  ['XADD', key, `1-${i + 1}`, 'f', `v${i}`],
  ['XADD', key, '7-1', 'f', 'v', 'g', 'w'],
  ['XADD', key, '9', 'f', 'v'],
  ['XGROUP', 'CREATE', key, 'g', '0'],
  ['XREADGROUP', 'GROUP', 'g', 'c1', 'COUNT', '2', 'STREAMS', key, '>'],
  ['XDEL', key, '7-1'],
]);

/** A value of the type that the command is for, at each key. */
function filled(name: string): Words[] {
  if (name.startsWith('x')) return streams;
  return keys.map((key, i): Words => {
    if (name.startsWith('geo')) return ['GEOADD', key, `1${i}.5`, '38.1', `m${i}`, '13.5', '38.1', 'x'];
    if (name.startsWith('z')) return ['ZADD', key, String(i), 'x', '7', `m${i}`];
    if (name.startsWith('pf')) return ['PFADD', key, 'x', `m${i}`];
    return /^(bitop|lcs|copy)$/.test(name) ? ['SET', key, `xy${i}`] : ['SADD', key, '1', String(i)];
  });
}

/** Of each command several, the same ones each time, on keys that are there: none goes unmet by chance. */
const samples = [
  ...apart.map((name, i): Words[] => [
    ...filled(name),
    ...fc.sample(of([name]), { seed: 42 + i, numRuns: 15 }).flatMap((words) => [words, ...filled(name)]),
  ]),
  // Each meets streams, which COPY alone takes.
  ...apart.map((name, i): Words[] => [...streams, ...fc.sample(of([name]), { seed: 142 + i, numRuns: 15 }).flatMap((words) => [words, ...streams])]), // prettier-ignore
];

/** BY and GET name keys that no argument does: they and what is stored have to be in one slot. So have streams of which a group is given something. */
function isRefused(words: Words): boolean {
  const [name = ''] = words.map((word) => String(word).toLowerCase());
  if (name === 'sort') return words.some((word) => /^(by|get)$/i.test(String(word)));
  return name === 'xreadgroup' && keysOfRead(words.map((word) => Buffer.from(word))).length > 1;
}
/** Types at keys, and what is there, in an order that both give. */
const looks = keys.flatMap((key): Words[] => [
  ['TYPE', key],
  ['DUMP', key],
  ['PEXPIRETIME', key],
  ['XINFO', 'STREAM', key, 'FULL', 'COUNT', '0'],
]);

async function compare(t: ExecutionContext, torc: ServerGroup, redis: ServerGroup): Promise<void> {
  const nodes = await Promise.all(torc.ports.map((port) => RawClient.connect(port)));
  const oracle = await RawClient.connect(redis.port);
  const met = new Map(apart.map((name) => [name, 0]));
  let turn = 0;
  const follow = async (generated: readonly Words[]): Promise<void> => {
    const sequence = generated.map(spread).filter((words) => !isRefused(words));
    const asked = [...sequence, ...looks];
    const theirs = (await oracle.ask(['FLUSHALL'], ...asked)).slice(1);
    const node = nodes[turn++ % nodes.length] as RawClient;
    await node.ask(['FLUSHALL']);
    // In one pipeline: what is behind a command of several partitions must not pass it.
    const ours = await node.ask(...asked);
    for (const [i, words] of asked.entries()) {
      const name = String(words[0]).toLowerCase();
      if (ours[i]?.startsWith('-CROSSSLOT')) throw new Error(`${JSON.stringify(words)} is refused`);
      if (endsComparison(ours[i] ?? '', theirs[i] ?? '')) return;
      if (!agree(words, ours[i] ?? '', theirs[i] ?? '')) throw new Error(`${JSON.stringify(words)}: ${ours[i]} and not ${theirs[i]}`);
      if (met.has(name) && ours[i]?.startsWith('-') !== true) met.set(name, (met.get(name) ?? 0) + 1);
    }
  };
  for (const sample of samples) await follow(sample);
  await fc.assert(fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 40 }), follow), {
    numRuns: runs,
    includeErrorInReport: true,
  });
  t.log([...met].map(([name, count]) => `${name} ${count}`).join(', '));
  t.deepEqual(
    [...met].filter(([, count]) => count === 0).map(([name]) => name),
    [],
  );
  await Promise.all([...nodes, oracle].map((client) => client.end()));
}

for (const [name, start] of [
  ['one node', startNode],
  ['three nodes', startCluster],
] as const)
  test.serial(`commands on keys of several partitions of ${name} answer as Redis answers`, async (t) => {
    if (!requireRedisTools(t)) return;
    t.timeout(120_000 + runs * 1000);
    const [torc, redis] = await Promise.all([start(), redisServer()]);
    t.teardown(() => Promise.all([torc.stop(), redis.stop()]));
    await compare(t, torc, redis);
  });

test('what deletes at one key and writes at another stays within a partition; a value of every type is copied across', async (t) => {
  const torc = await startCluster({ directives: patient });
  t.teardown(() => torc.stop());
  const [client, other] = await Promise.all(torc.ports.slice(0, 2).map((port) => RawClient.connect(port)));
  if (client === undefined || other === undefined) throw new Error('two nodes are needed');
  const values: readonly (readonly [Words, Words])[] = [
    [
      ['SET', 'k', 'v'],
      ['GET', 'far'],
    ],
    [
      ['RPUSH', 'k', 'x', 'y', 'x'],
      ['LRANGE', 'far', '0', '-1'],
    ],
    [
      ['SADD', 'k', 'x'],
      ['SMEMBERS', 'far'],
    ],
    [
      ['ZADD', 'k', '1.5', 'x', '-inf', 'y'],
      ['ZRANGE', 'far', '0', '-1', 'WITHSCORES'],
    ],
    [
      ['HSET', 'k', 'f', 'v'],
      ['HGETALL', 'far'],
    ],
  ];
  for (const [write, read] of values) {
    const near = read.map((word) => (word === 'far' ? 'k' : word)) as Words;
    await client.ask(['DEL', 'k'], ['DEL', 'far'], write as string[], ['PEXPIREAT', 'k', '4000000000000']);
    t.deepEqual(await client.ask(['COPY', 'k', 'far'], ['COPY', 'k', 'far'], ['PEXPIRETIME', 'far']), [':1', ':0', ':4000000000000']);
    t.deepEqual(await other.ask(read as string[]), await other.ask(near as string[]));
  }
  await client.ask(['HPEXPIREAT', 'k', '3000000000000', 'FIELDS', '1', 'f']);
  t.deepEqual(await client.ask(['COPY', 'k', 'far', 'REPLACE'], ['HPEXPIRETIME', 'far', 'FIELDS', '1', 'f']), [':1', '*[:3000000000000]']);
  const refused = [
    ['RENAME', 'k', 'far'],
    ['SMOVE', 'k', 'far', 'x'],
    ['LMOVE', 'k', 'far', 'LEFT', 'LEFT'],
    ['RPOPLPUSH', 'k', 'far'],
  ];
  for (const words of refused) t.regex((await client.ask(words))[0] ?? '', /^-CROSSSLOT /);
  await Promise.all([client.end(), other.end()]);
});
