/**
 * Commands on lists and sets that are long enough to be gone through in slices, to a real Redis and to one node and three of Torc: the same replies, and the same left behind. Writers of the same list
 * follow one another without waiting, so that a search that is made in slices has writes on both sides of it. TORC_LONG_RUNS is the number of sequences for each.
 */
import test, { type ExecutionContext } from 'ava';
import fc from '../harness/properties.js';
import { patient, redisServer, requireRedisTools, type ServerGroup, startCluster, startNode } from '../harness/processes.js';
import type { Words } from './generated/words.js';
import { RawClient } from './raw-client.js';

const runs = Number(process.env['TORC_LONG_RUNS'] ?? 12);
const length = 24_000;
const replyTimeoutMs = 60_000;
const key = 'list';

/** Values of which some are everywhere, some far from both ends, and one is nowhere. */
const valueAt = (index: number): string => (index % 2000 === 999 ? `rare:${index % 3}` : index === 15_000 ? 'single' : `v${index % 5}`);
const fill: Words[] = Array.from({ length: length / 1000 }, (_, part) => [
  'RPUSH',
  key,
  ...Array.from({ length: 1000 }, (__, i) => valueAt(1000 * part + i)),
]);

const value = fc.constantFrom('rare:0', 'rare:1', 'rare:2', 'single', 'none', 'v0', 'v3');
const index = fc.oneof(fc.integer({ min: -length, max: length }), fc.constantFrom(0, -1, 1));
const often = fc.constantFrom(0, 1, 2, 7, -1, -3, 500, -500);
const count = fc.constantFrom(0, 1, 5, 2500);
const words = (...parts: (string | fc.Arbitrary<string | number>)[]): fc.Arbitrary<Words> =>
  fc.tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part))).map((list) => list.map(String));
const command = fc.oneof(
  words('LPOS', key, value),
  words('LPOS', key, value, 'COUNT', count, 'RANK', fc.constantFrom(1, -1, 2, -3, 9)),
  words('LPOS', key, value, 'COUNT', '0', 'MAXLEN', fc.constantFrom(0, 9_999, 10_000, 10_001, 16_000)),
  words('LPOS', key, value, 'RANK', fc.constantFrom(-2, 4), 'MAXLEN', fc.constantFrom(0, 20_000)),
  words('LINSERT', key, fc.constantFrom('BEFORE', 'AFTER'), value, fc.constantFrom('new', 'single', 'rare:0')),
  words('LREM', key, often, value),
  words('LSET', key, index, fc.constantFrom('set', 'single')),
  words('LPOP', key, fc.constantFrom(1, 3, 1500)),
  words('RPOP', key, fc.constantFrom(1, 3, 1500)),
  words('LTRIM', key, fc.constantFrom(0, 1, 2000, -20_000), fc.constantFrom(-1, -2, -2500, 20_000)),
  words('LRANGE', key, index, index),
  words('LPUSH', key, value),
);

/** As often as a member came, in any order. */
const members = (shown: string): string[] => shown.slice(2, -1).split(', ').toSorted();

async function compareLists(t: ExecutionContext, torc: ServerGroup, redis: ServerGroup): Promise<void> {
  const nodes = await Promise.all(torc.ports.map((port) => RawClient.connect(port, replyTimeoutMs)));
  const oracle = await RawClient.connect(redis.port, replyTimeoutMs);
  const all: Words = ['LRANGE', key, '0', '-1'];
  let turn = 0;
  const follow = async (sequence: readonly Words[]): Promise<void> => {
    const asked = [['DEL', key], ...fill, ...sequence, all];
    const node = nodes[turn++ % nodes.length] as RawClient;
    const [ours, theirs] = await Promise.all([node.ask(...asked), oracle.ask(...asked)]);
    for (const [i, each] of asked.entries())
      if (ours[i] !== theirs[i])
        throw new Error(`${each.slice(0, 8).join(' ')}: ${ours[i]?.slice(0, 200)} and not ${theirs[i]?.slice(0, 200)}`);
    for (const other of nodes) if ((await other.ask(all))[0] !== theirs.at(-1)) throw new Error('another node shows another list');
  };
  await fc.assert(fc.asyncProperty(fc.array(command, { minLength: 4, maxLength: 25 }), follow), {
    numRuns: runs,
    includeErrorInReport: true,
  });
  await Promise.all([...nodes, oracle].map((client) => client.end()));
  t.pass();
}

/** What is by chance is compared by what is left, and by what may come. */
async function compareSets(t: ExecutionContext, torc: ServerGroup, redis: ServerGroup): Promise<void> {
  const node = await RawClient.connect(torc.port, replyTimeoutMs);
  const oracle = await RawClient.connect(redis.port, replyTimeoutMs);
  const size = 6000;
  const names = Array.from({ length: size }, (_, i) => `m${i}`);
  for (const resp of ['2', '3']) {
    for (const [client, isOurs] of [
      [node, true],
      [oracle, false],
    ] as const) {
      await client.ask(['HELLO', resp], ['DEL', '{s}set', '{s}hash', '{s}zset']);
      const replies = await client.ask(
        ['SADD', '{s}set', ...names],
        ['HSET', '{s}hash', ...names.flatMap((name) => [name, `of ${name}`])],
        ['ZADD', '{s}zset', ...names.flatMap((name, i) => [String(i), name])],
      );
      t.deepEqual(replies, [`:${size}`, `:${size}`, `:${size}`]);
      for (const count of [2000, 5000, size, 2 * size]) {
        const least = Math.min(count, size);
        const [ofSet = '', ofHash = '', ofZset = ''] = await client.ask(
          ['SRANDMEMBER', '{s}set', String(count)],
          ['HRANDFIELD', '{s}hash', String(count)],
          ['ZRANDMEMBER', '{s}zset', String(count)],
        );
        for (const shown of [ofSet, ofHash, ofZset]) {
          const found = new Set(members(shown));
          t.is(found.size, least, `${count} different ones, ours: ${isOurs}`);
          t.true([...found].every((each) => /^\$m\d+$/.test(each)));
        }
      }
      const [many = '', paired = '', scored = ''] = await client.ask(
        ['SRANDMEMBER', '{s}set', '-15000'],
        ['HRANDFIELD', '{s}hash', '-5000', 'WITHVALUES'],
        ['ZRANDMEMBER', '{s}zset', '4000', 'WITHSCORES'],
      );
      t.is(members(many).length, 15_000);
      t.true(new Set(members(many)).size < size);
      const pair = resp === '3' ? /\*\[\$m(\d+), (?:\$of m|,)(\d+)\]/g : /\$m(\d+), \$(?:of m)?(\d+)/g;
      for (const [shown, times] of [
        [paired, 5000],
        [scored, 4000],
      ] as const) {
        const pairs = [...shown.matchAll(pair)];
        t.is(pairs.length, times, `${resp}, ours: ${isOurs}: ${shown.slice(0, 100)}`);
        t.true(pairs.every(([, one, other]) => one === other));
      }
      const before = new Set(names.map((name) => `$${name}`));
      for (const [count, left] of [
        [2500, 3500],
        [3400, 100],
        [1000, 0],
      ] as const) {
        const [popped = '', size_ = '', rest = ''] = await client.ask(
          ['SPOP', '{s}set', String(count)],
          ['SCARD', '{s}set'],
          ['SMEMBERS', '{s}set'],
        );
        t.is(popped[0], resp === '3' ? '~' : '*');
        t.is(size_, `:${left}`);
        for (const each of members(popped)) t.true(before.delete(each), `${each} was popped twice`);
        t.deepEqual(left === 0 ? [] : members(rest), [...before].toSorted());
      }
      t.deepEqual(await client.ask(['EXISTS', '{s}set'], ['SADD', '{s}set', 'm1'], ['SMEMBERS', '{s}set']), [
        ':0',
        ':1',
        `${resp === '3' ? '~' : '*'}[$m1]`,
      ]);
    }
  }
  await Promise.all([node.end(), oracle.end()]);
}

for (const [name, start] of [
  ['one node', () => startNode(patient)],
  ['three nodes in turn', () => startCluster({ directives: patient })],
] as const)
  test.serial(`long collections on ${name} and in Redis: the same replies`, async (t) => {
    if (!requireRedisTools(t)) return;
    t.timeout(240_000 + runs * 10_000);
    const [torc, redis] = await Promise.all([start(), redisServer()]);
    t.teardown(() => Promise.all([torc.stop(), redis.stop()]));
    await compareLists(t, torc, redis);
    await compareSets(t, torc, redis);
    t.is(torc.pids.length, torc.size, 'every process still runs');
  });
