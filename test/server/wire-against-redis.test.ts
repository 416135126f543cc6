/**
 * Generated commands over the wire, to a real Redis and to Torc: the same replies, byte for byte and error texts included, from one node and from
 * three asked in turn, in RESP2 and in RESP3. Where test/server/commands/against-redis.test.ts judges rows in memory, this one judges the
 * whole road: forwarding, splitting, joining, quorums, expiry by the cluster's clock.
 *
 * Each row on keys and each of its options is exercised, or the run fails; how often is in the log (test/server/generated/).
 *
 * TORC_WIRE_RUNS (default 12) is the number of sequences per set-up and protocol; 2000 is a long run.
 */
import test, { type ExecutionContext } from 'ava';
import fc from '../harness/properties.js';
import { patient, redisServer, requireRedisTools, type ServerGroup, startCluster, startNode } from '../harness/processes.js';
import { agree, endsComparison } from './generated/agreement.js';
import { anyCommand, Coverage, everyFamily, samplesOfEach } from './generated/all.js';
import { eachOption } from './generated/each-option.js';
import { binaryKey, binaryNear, spread, type Words } from './generated/words.js';
import { RawClient, type Shown } from './raw-client.js';

const runs = Number(process.env['TORC_WIRE_RUNS'] ?? 12);

const family = everyFamily({
  any: fc.constantFrom('a', 'b', 'c', 'd', '{a}2', 'foo', 'k\u00e9y', '', binaryKey),
  near: fc.constantFrom('a', '{a}2', '{a}3', '{a}\u00e9', binaryNear),
});
const command = anyCommand(family);
/** Each row, on keys that are there. */
const samples = samplesOfEach(family, 42, 10).map((commands): Words[] => [
  ['MSET', 'a', 'ohmytext', '{a}2', '5', '{a}3', 'mynewtext', 'foo', '10.5'],
  ['EXPIRE', '{a}3', '200'],
  ...commands,
]);

const isScan = ([name]: Words): boolean => /^scan$/i.test(String(name));

/** All that an iteration finds, as the array of keys; or the error of its first call. */
async function scanned(client: RawClient, words: Words): Promise<Shown> {
  const keys: string[] = [];
  const [name = 'SCAN'] = words;
  for (let cursor = words[1] ?? '0'; ;) {
    const [shown = ''] = await client.ask([name, cursor, ...words.slice(2)]);
    const found = /^\*\[\$(\d+), \*\[(.*)\]\]$/s.exec(shown);
    if (found === null) return shown;
    if (found[2] !== '') keys.push(...(found[2] ?? '').split(', '));
    cursor = found[1] ?? '0';
    if (cursor === '0') return `*[${keys.join(', ')}]`;
  }
}

/** Redis gives all of so few keys at once when it is asked for many. */
const forOracle = (words: Words): Words =>
  isScan(words) && !words.some((word) => /^count$/i.test(String(word))) ? [...words, 'COUNT', '100000'] : words;
const asScanned = (words: Words, shown: Shown): Shown => (isScan(words) ? shown.replace(/^\*\[\$0, (.*)\]$/s, '$1') : shown);

/** The clients are asked in turn, each command when the one before it was answered; the oracle gets all at once. */
async function compare(t: ExecutionContext, torc: ServerGroup, redis: ServerGroup, resp: 2 | 3, coverage: Coverage): Promise<void> {
  const nodes = await Promise.all(torc.ports.map((port) => RawClient.connect(port)));
  const oracle = await RawClient.connect(redis.port);
  const everyone = [...nodes, oracle];
  if (resp === 3) for (const client of everyone) t.regex((await client.ask(['HELLO', '3']))[0] ?? '', /^%/);
  let turn = 0;
  const follow = async (generated: readonly Words[]): Promise<void> => {
    const sequence = generated.map(spread);
    const theirs = (await oracle.ask(['FLUSHALL'], ...sequence.map(forOracle))).slice(1);
    await nodes[turn % nodes.length]?.ask(['FLUSHALL']);
    for (const [i, words] of sequence.entries()) {
      const node = nodes[turn++ % nodes.length] as RawClient;
      const ours = isScan(words) ? await scanned(node, words) : ((await node.ask(words))[0] ?? '');
      const expected = asScanned(words, theirs[i] ?? '');
      coverage.note(words, ours.startsWith('-'));
      if (endsComparison(ours, expected)) return;
      if (!agree(words, ours, expected)) throw new Error(`${JSON.stringify(words)}: ${ours} and not ${expected}`);
    }
  };
  for (const sample of [eachOption, ...samples]) await follow(sample);
  await fc.assert(fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 25 }), follow), {
    numRuns: runs,
    includeErrorInReport: true,
    interruptAfterTimeLimit: 60_000 + runs * 500,
    markInterruptAsFailure: true,
  });
  await Promise.all(everyone.map((client) => client.end()));
}

/** One connection, all at once: pipelining must not change what is answered. */
async function comparePipelined(torc: ServerGroup, redis: ServerGroup): Promise<void> {
  const ours = await RawClient.connect(torc.port);
  const oracle = await RawClient.connect(redis.port);
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 60 }), async (sequence) => {
      // What looks at all partitions is not ordered with what is under way in them.
      const ordered = sequence.map(spread).filter(([name]) => !/^(dbsize|keys|scan|randomkey|flushall|flushdb)$/i.test(String(name)));
      await ours.ask(['FLUSHALL']);
      await oracle.ask(['FLUSHALL']);
      const [mine, theirs] = await Promise.all([ours.ask(...ordered), oracle.ask(...ordered)]);
      for (const [i, words] of ordered.entries()) {
        if (endsComparison(mine[i] ?? '', theirs[i] ?? '')) return;
        if (!agree(words, mine[i] ?? '', theirs[i] ?? '')) throw new Error(`${JSON.stringify(words)}: ${mine[i]} and not ${theirs[i]}`);
      }
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
  ['one node', () => startNode(patient)],
  ['three nodes in turn', () => startCluster({ directives: patient })],
] as const) {
  test.serial(`${name} and Redis give the same replies`, async (t) => {
    if (!requireRedisTools(t)) return;
    t.timeout(240_000 + runs * 2000);
    const [torc, redis] = await Promise.all([start(), redisServer()]);
    t.teardown(() => Promise.all([torc.stop(), redis.stop()]));
    const coverage = new Coverage();
    await compare(t, torc, redis, 2, coverage);
    await compare(t, torc, redis, 3, coverage);
    await comparePipelined(torc, redis);
    await compareExpiry(t, torc);
    t.log(`\n${coverage.table}`);
    t.deepEqual(coverage.missing, [], 'rows and options that nothing exercised');
    t.is(torc.pids.length, torc.size, 'every process still runs');
  });
}
