/**
 * Generated commands over the wire, to a real Redis and to Torc: the same replies, byte for byte and error texts included, from one node and from
 * three asked in turn, in RESP2 and in RESP3. Where test/server/commands/against-redis.test.ts judges rows in memory, this one judges the
 * whole road: forwarding, splitting, joining, quorums, expiry by the cluster's clock.
 *
 * TORC_WIRE_RUNS (default 40) is the number of sequences per set-up and protocol; 2000 is a long run.
 */
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { redisServer, requireRedisTools, type ServerGroup, startCluster, startNode } from '../harness/processes.js';
import { RawClient, type Shown } from './raw-client.js';

const runs = Number(process.env['TORC_WIRE_RUNS'] ?? 40);

/** A TTL may have run on by this much between two servers' looks. */
const slackMs = 5000;

type Words = readonly string[];

/** Far apart in the slots, and two that share one. */
const key = fc.constantFrom('a', 'b', 'c', 'd', '{a}2', 'foo', 'k\u00e9y', '');
const numeral = fc.constantFrom(
  '0',
  '1',
  '-1',
  '10',
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775808',
  '1.0',
  '01',
  '',
);
const value = fc.oneof(numeral, fc.constantFrom('x', 'hello world', '\u00e9\r\n'), fc.string({ maxLength: 5 }));
/** Spans of TTL are so far apart that it does not matter how fast a server answers; a span of 1 or 0 or -1 is over, or as good as. */
const seconds = fc.constantFrom('100', '200', '300', '0', '-1', 'x', '');
const milliseconds = fc.constantFrom('100000', '200000', '300000', '0', '-1', 'x');
const condition = fc.constantFrom('NX', 'XX', 'GT', 'LT', 'wrong');

const setOption: fc.Arbitrary<Words> = fc.oneof(
  fc.constantFrom<Words>(['NX'], ['xx'], ['GET'], ['KEEPTTL'], ['EX'], ['WRONG']),
  fc.tuple(fc.constantFrom('EX', 'ex'), seconds),
  fc.tuple(fc.constant('PX'), milliseconds),
  fc.tuple(fc.constantFrom('EXAT', 'PXAT'), fc.constantFrom('1', '0', '-1', 'x')),
);

const command: fc.Arbitrary<Words> = fc.oneof(
  fc.tuple(key, value, fc.array(setOption, { maxLength: 2 })).map(([k, v, options]): Words => ['SET', k, v, ...options.flat()]),
  fc.tuple(fc.constantFrom('GET', 'get', 'INCR', 'DECR', 'STRLEN', 'TTL', 'PTTL', 'PERSIST', 'TYPE'), key),
  fc.tuple(fc.constantFrom('INCRBY', 'DECRBY'), key, numeral),
  fc.tuple(fc.constant('APPEND'), key, value),
  fc.tuple(fc.constantFrom('DEL', 'EXISTS', 'MGET'), fc.array(key, { maxLength: 5 })).map(([name, keys]): Words => [name, ...keys]),
  fc.array(fc.tuple(key, value), { maxLength: 5 }).map((pairs): Words => ['MSET', ...pairs.flat()]),
  fc.tuple(key, seconds, fc.array(condition, { maxLength: 2 })).map(([k, s, options]): Words => ['EXPIRE', k, s, ...options]),
  fc.tuple(key, milliseconds, fc.array(condition, { maxLength: 2 })).map(([k, s, options]): Words => ['PEXPIRE', k, s, ...options]),
  fc.constantFrom<Words>(['DBSIZE'], ['PING'], ['ECHO', 'x'], ['SELECT', '0'], ['SELECT', 'x'], ['PING', 'a', 'b']),
  fc
    .tuple(
      fc.constantFrom('GET', 'SET', 'MGET', 'MSET', 'INCRBY', 'DEL', 'EXPIRE', 'TTL', 'nonsense', 'NON SENSE'),
      fc.array(value, { maxLength: 3 }),
    )
    .map(([name, values]): Words => [name, ...values]),
);

/** Later commands give longer spans: which of two instants is later must not hang on how fast a server answers. */
function spread(words: Words, place: number): Words {
  return words.map((word) =>
    /^[123]00$/.test(word) ? `${Number(word) + place}` : /^[123]00000$/.test(word) ? `${Number(word) + place * 1000}` : word,
  );
}

function agree([name]: Words, ours: Shown, theirs: Shown): boolean {
  const slack = /^pttl$/i.test(name ?? '') ? slackMs : /^ttl$/i.test(name ?? '') ? slackMs / 1000 : 0;
  const [a, b] = [ours, theirs].map((shown) => (/^:\d+$/.test(shown) ? Number(shown.slice(1)) : -1)) as [number, number];
  return slack > 0 && a > 0 && b > 0 ? Math.abs(a - b) <= slack : ours === theirs;
}

/** The clients are asked in turn, each command when the one before it was answered; the oracle gets all at once. */
async function compare(t: ExecutionContext, torc: ServerGroup, redis: ServerGroup, resp: 2 | 3): Promise<void> {
  const nodes = await Promise.all(torc.ports.map((port) => RawClient.connect(port)));
  const oracle = await RawClient.connect(redis.port);
  const everyone = [...nodes, oracle];
  if (resp === 3) for (const client of everyone) t.regex((await client.ask(['HELLO', '3']))[0] ?? '', /^%/);
  let turn = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 25 }), async (generated) => {
      const sequence = generated.map(spread);
      const theirs = (await oracle.ask(['FLUSHALL'], ...sequence)).slice(1);
      await nodes[turn % nodes.length]?.ask(['FLUSHALL']);
      for (const [i, words] of sequence.entries()) {
        const [ours = ''] = (await nodes[turn++ % nodes.length]?.ask(words)) ?? [];
        if (!agree(words, ours, theirs[i] ?? '')) throw new Error(`${JSON.stringify(words)}: ${ours} and not ${theirs[i]}`);
      }
    }),
    { numRuns: runs, includeErrorInReport: true, interruptAfterTimeLimit: 60_000 + runs * 500, markInterruptAsFailure: true },
  );
  await Promise.all(everyone.map((client) => client.end()));
}

/** One connection, all at once: pipelining must not change what is answered. */
async function comparePipelined(torc: ServerGroup, redis: ServerGroup): Promise<void> {
  const ours = await RawClient.connect(torc.port);
  const oracle = await RawClient.connect(redis.port);
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 60 }), async (sequence) => {
      // DBSIZE looks at all partitions, and is not ordered with what is under way in them.
      const ordered = sequence.map(spread).filter(([name]) => name !== 'DBSIZE');
      await ours.ask(['FLUSHALL']);
      await oracle.ask(['FLUSHALL']);
      const [mine, theirs] = await Promise.all([ours.ask(...ordered), oracle.ask(...ordered)]);
      for (const [i, words] of ordered.entries())
        if (!agree(words, mine[i] ?? '', theirs[i] ?? '')) throw new Error(`${JSON.stringify(words)}: ${mine[i]} and not ${theirs[i]}`);
    }),
    { numRuns: runs, includeErrorInReport: true },
  );
  await Promise.all([ours.end(), oracle.end()]);
}

/** A TTL that ends is seen to end, at every node, within the spread of two looks at two clocks. */
async function compareExpiry(t: ExecutionContext, torc: ServerGroup): Promise<void> {
  const nodes = await Promise.all(torc.ports.map((port) => RawClient.connect(port)));
  const [first] = nodes;
  const lifeMs = 400;
  const begunMs = performance.now();
  t.deepEqual(
    await first?.ask(['SET', 'brief', 'v', 'PX', String(lifeMs)], ['SET', 'brief2', 'v'], ['PEXPIRE', 'brief2', String(lifeMs)]),
    ['+OK', '+OK', ':1'],
  );
  const setMs = performance.now();
  for (const node of nodes) {
    for (const name of ['brief', 'brief2']) {
      for (;;) {
        const askedMs = performance.now();
        const [shown] = await node.ask(['GET', name]);
        if (shown === '$v')
          t.true(askedMs - setMs < lifeMs + 50, `${name} is still there ${askedMs - setMs} ms after its SET was answered`);
        else {
          t.is(shown, 'nil');
          t.true(performance.now() - begunMs >= lifeMs - 5, `${name} was gone ${performance.now() - begunMs} ms after its SET was sent`);
          break;
        }
      }
    }
    t.deepEqual(await node.ask(['EXISTS', 'brief', 'brief2'], ['TTL', 'brief'], ['STRLEN', 'brief2'], ['TYPE', 'brief']), [
      ':0',
      ':-2',
      ':0',
      '+none',
    ]);
  }
  t.deepEqual(await first?.ask(['INCR', 'brief'], ['TTL', 'brief'], ['SET', 'brief2', 'w', 'NX']), [':1', ':-1', '+OK']);
  await Promise.all(nodes.map((node) => node.end()));
}

for (const [name, start] of [
  ['one node', startNode],
  ['three nodes in turn', startCluster],
] as const) {
  test.serial(`${name} and Redis give the same replies`, async (t) => {
    if (!requireRedisTools(t)) return;
    t.timeout(240_000 + runs * 2000);
    const [torc, redis] = await Promise.all([start(), redisServer()]);
    t.teardown(() => Promise.all([torc.stop(), redis.stop()]));
    await compare(t, torc, redis, 2);
    await compare(t, torc, redis, 3);
    await comparePipelined(torc, redis);
    await compareExpiry(t, torc);
    t.is(torc.pids.length, torc.size, 'every process still runs');
  });
}
