/**
 * Commands on a long list, and those that take much of a set, a hash or a sorted set by chance: the longest turn of a node's event loop in each, in CPU time. In one piece a search of 200,000 elements took 10 to
 * 15 ms, 100,000 elements by chance 76. TORC_LIST_ELEMENTS is the size.
 */
import test from 'ava';
import { startNode } from '../harness/processes.js';
import { MeteredServer } from '../harness/turn-figures.js';
import { RawClient } from './raw-client.js';

const elements = Number(process.env['TORC_LIST_ELEMENTS'] ?? 200_000);
const longestTurnMs = 10;
/** The quietest round counts: the first ones compile what they run, and the machine may be short of CPUs. */
const rounds = 4;
const perCommand = 500;
const replyTimeoutMs = 120_000;
const half = elements / 2;

const each = (words: (index: number) => string[], first: number): string[] =>
  Array.from({ length: perCommand }, (_, at) => words(first + at)).flat();

test(`a list, a set, a hash and a sorted set of ${elements} elements`, async (t) => {
  t.timeout(600_000);
  const group = await startNode();
  t.teardown(() => group.stop());
  const metered = await MeteredServer.inPlaceOf(group, 0);
  t.teardown(() => metered.server.stop());
  const client = await RawClient.connect(metered.server.port, replyTimeoutMs);
  const fill = async (name: string, key: string, words: (index: number) => string[]): Promise<void> => {
    await client.ask(['DEL', key]);
    for (let first = 0; first < elements; first += 10 * perCommand)
      await client.ask(...Array.from({ length: 10 }, (_, at) => [name, key, ...each(words, first + at * perCommand)]));
  };
  await fill('SADD', 'set', (index) => [`member:${index}`]);
  await fill('HSET', 'hash', (index) => [`field:${index}`, `value:${index}`]);
  await fill('ZADD', 'zset', (index) => [String(index), `member:${index}`]);

  const first = new Map<string, number>();
  const least = new Map<string, number>();
  const measure = async (what: string, words: readonly string[], isRight: (reply: string) => boolean): Promise<void> => {
    await metered.figures();
    const [reply = ''] = await client.ask(words);
    t.true(isRight(reply), `${what}: ${reply.slice(0, 100)}`);
    const { longestMs } = await metered.figures();
    if (!first.has(what)) first.set(what, longestMs);
    least.set(what, Math.min(least.get(what) ?? Infinity, longestMs));
  };
  const counts =
    (count: number) =>
    (reply: string): boolean =>
      reply.split(', ').length === count;
  for (let round = 0; round < rounds; round++) {
    await fill('RPUSH', 'list', (index) => [`value:${index % half}`]);
    await client.ask(['LINDEX', 'list', '0']); // puts it in order
    await measure('LRANGE of all', ['LRANGE', 'list', '0', '-1'], counts(elements));
    await measure('LPOS', ['LPOS', 'list', 'none'], (reply) => reply === 'nil');
    await measure('LPOS from the end', ['LPOS', 'list', 'value:0', 'RANK', '-1', 'COUNT', '0'], (reply) => reply === `*[:${half}, :0]`);
    await measure('LINSERT', ['LINSERT', 'list', 'AFTER', `value:${half - 1}`, 'new'], (reply) => reply === `:${elements + 1}`);
    await measure('LREM', ['LREM', 'list', '-2', 'new'], (reply) => reply === ':1');
    await measure('LPOP of 1,000', ['LPOP', 'list', '1000'], counts(1000));
    await measure('RPOP of 1,000', ['RPOP', 'list', '1000'], counts(1000));
    await measure('SRANDMEMBER of half', ['SRANDMEMBER', 'set', String(half)], counts(half));
    await measure('SRANDMEMBER, some twice', ['SRANDMEMBER', 'set', String(-half)], counts(half));
    await measure('HRANDFIELD with values', ['HRANDFIELD', 'hash', String(half), 'WITHVALUES'], counts(elements));
    await measure('ZRANDMEMBER with scores', ['ZRANDMEMBER', 'zset', String(half), 'WITHSCORES'], counts(elements));
  }
  for (const [what, ms] of least)
    t.log(`${what}: longest turn ${ms.toFixed(1)} ms, the first time ${(first.get(what) ?? NaN).toFixed(1)}; 0.0 is below 2`);
  t.deepEqual(
    [...least].filter(([, ms]) => ms >= longestTurnMs),
    [],
  );

  // What these write is one batch, which is written in one turn.
  for (const [what, words, reply] of [
    ['LTRIM of half', ['LTRIM', 'list', '0', String(half - 1)], /^\+OK$/],
    ['LTRIM of most', ['LTRIM', 'list', '-1000', '-1'], /^\+OK$/],
    ['SPOP of a quarter', ['SPOP', 'set', String(elements / 4)], /^\*/],
    ['SPOP of the rest', ['SPOP', 'set', String(elements)], /^\*/],
  ] as const) {
    await metered.figures();
    const [shown = ''] = await client.ask(words);
    t.regex(shown, reply);
    t.log(`${what}: longest turn ${(await metered.figures()).longestMs.toFixed(1)} ms`);
  }
  t.deepEqual(await client.ask(['LLEN', 'list'], ['EXISTS', 'set']), [':1000', ':0']);
  await client.end();
});
