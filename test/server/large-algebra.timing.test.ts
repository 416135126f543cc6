/**
 * The longest turn of a node's event loop under the algebra of large sets and sorted sets, in CPU time. TORC_ELEMENTS=200000 for larger ones; by default each has 30,000 elements, of which a ZUNION in one turn takes
 * 70 ms.
 */
import test from 'ava';
import { MeteredServer } from '../harness/turn-figures.js';
import { startCluster } from '../harness/processes.js';
import { RawClient } from './raw-client.js';

const elements = Number(process.env['TORC_ELEMENTS'] ?? 30_000);
const longestTurnMs = 10;
/** The quietest counts: the machine may be short of CPUs. */
const rounds = 4;
const perCommand = 500;
const replyTimeoutMs = 300_000;

/** Keys of one partition, and of several. */
const reads: readonly (readonly string[])[] = [
  ['SUNION', '{k}s', '{k}t'],
  ['SINTER', '{k}s', '{k}t'],
  ['ZUNION', '2', '{k}a', '{k}b', 'WITHSCORES'],
  ['ZUNION', '2', '{k}s', '{k}t'],
  ['ZUNION', '3', '{k}a', '{k}b', '{k}t', 'WEIGHTS', '1', '0.1', '3', 'WITHSCORES'],
  ['ZINTER', '2', '{k}a', '{k}b', 'WITHSCORES'],
  ['ZDIFF', '2', '{k}a', '{k}t'],
  ['ZINTERCARD', '2', '{k}a', '{k}b'],
  ['SUNION', '{k}s', 'x'],
  ['SINTER', 'x', '{k}s'],
  ['ZUNION', '2', '{k}a', 'y', 'WITHSCORES'],
  ['ZINTER', '2', 'y', 'x'],
];

/** What they find is found in slices, and written in one turn: how long that is, is told and not judged. */
const stores: readonly (readonly string[])[] = [
  ['ZUNIONSTORE', '{k}d', '2', '{k}a', '{k}b'],
  ['ZINTERSTORE', '{k}d', '2', '{k}a', '{k}b'],
  ['SUNIONSTORE', '{k}d', '{k}s', '{k}t'],
  ['SINTERSTORE', '{k}d', '{k}s', '{k}t'],
  ['SUNIONSTORE', '{k}e', '{k}s', 'x'],
];
/** They find nothing, of as much: all that they do is done in slices. */
const storesOfNothing: readonly (readonly string[])[] = [
  ['ZDIFFSTORE', '{k}d', '2', '{k}a', '{k}a'],
  ['SDIFFSTORE', '{k}d', '{k}s', '{k}s'],
  ['SDIFFSTORE', '{k}d', 'x', 'x'],
];

test.serial(`algebra of sets and sorted sets of ${elements} elements`, async (t) => {
  t.timeout(600_000);
  const cluster = await startCluster({ nodes: 1 });
  t.teardown(() => cluster.stop());
  const metered = await MeteredServer.inPlaceOf(cluster, 0);
  t.teardown(() => metered.server.stop());
  const client = await RawClient.connect(metered.server.port, replyTimeoutMs);
  const fill = async (name: string, key: string, first: number, words: (index: number) => string[]): Promise<void> => {
    for (let from = first; from < first + elements; from += perCommand) {
      const members = Array.from({ length: perCommand }, (_, at) => words(from + at)).flat();
      const [reply = ''] = await client.ask([name, key, ...members]);
      t.false(reply.startsWith('-'), reply);
    }
  };
  const half = elements / 2;
  await fill('ZADD', '{k}a', 0, (index) => [String((index * 7919) % 100_003), `member:${index}`]);
  await fill('ZADD', '{k}b', half, (index) => [String((index * 31) % 1009), `member:${index}`]);
  await fill('SADD', '{k}s', 0, (index) => [`member:${index}`]);
  await fill('SADD', '{k}t', half, (index) => [`member:${index}`]);
  await fill('SADD', 'x', half, (index) => [`member:${index}`]);
  await fill('ZADD', 'y', half, (index) => [String((index * 31) % 1009), `member:${index}`]);
  const tooLong: string[] = [];
  const measure = async (words: readonly string[], isJudged: boolean): Promise<void> => {
    let [least, leastWithCollection] = [Infinity, Infinity];
    for (let round = 0; round < rounds; round++) {
      await metered.figures();
      const [reply = ''] = await client.ask([...words]);
      t.false(reply.startsWith('-'), reply.slice(0, 100));
      const { longestMs, longestWithCollectionMs } = await metered.figures();
      least = Math.min(least, longestMs);
      leastWithCollection = Math.min(leastWithCollection, longestWithCollectionMs);
    }
    const figure = `${words.join(' ')}: longest turn ${least.toFixed(1)} ms of CPU, with garbage collection ${leastWithCollection.toFixed(1)} ms`;
    t.log(figure);
    if (isJudged && least >= longestTurnMs) tooLong.push(figure);
  };
  for (const words of reads) await measure(words, true);
  for (const words of stores) await measure(words, false);
  for (const words of storesOfNothing) await measure(words, true);
  await client.end();
  t.deepEqual(tooLong, []);
});
