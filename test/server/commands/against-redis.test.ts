/** Generated sequences of string and key commands: the same replies, error texts included, as a real Redis. */
import test from 'ava';
import fc from '../../harness/properties.js';
import { ErrorReply } from '../../../protocol/resp/reply.js';
import type { Reply } from '../../../protocol/resp/reply.js';
import { CommandLookup } from '../../../server/command-lookup.js';
import { allRows } from '../../../server/commands/all.js';
import { agree, endsComparison } from '../generated/agreement.js';
import { anyCommand } from '../generated/all.js';
import { bitmapFamily } from '../generated/bitmaps.js';
import { hashFamily, setFamily } from '../generated/collections.js';
import { geoFamily } from '../generated/geo.js';
import { hyperLogLogFamily } from '../generated/hyperloglogs.js';
import { keyFamily } from '../generated/keys.js';
import { listFamily } from '../generated/lists.js';
import { sortedSetFamily } from '../generated/sorted-sets.js';
import { streamFamily } from '../generated/streams.js';
import { sortFamily } from '../generated/sort.js';
import { stringFamily } from '../generated/strings.js';
import { binaryKey, binaryNear, spread, type Words } from '../generated/words.js';
import { MemoryExecution } from './memory-execution.js';
import { RedisOracle, shown } from './redis-oracle.js';

const lookup = new CommandLookup(allRows);
const keys = { any: fc.constantFrom('a', 'b', 'c', 'list', '', binaryKey), near: fc.constantFrom('a', '{a}2', '{a}3', binaryNear) };

/** lookup -> arity -> parse -> run. */
function run(execution: MemoryExecution, args: readonly Buffer[]): Reply {
  const row = lookup.resolve(args);
  if (row instanceof ErrorReply) return row;
  if (row.scope !== 'keys') throw new Error(`${row.name} is not on keys`);
  const parsed = row.parse(args);
  return parsed instanceof ErrorReply ? parsed : execution.execute(parsed);
}

const family = {
  ...stringFamily(keys),
  ...bitmapFamily(keys),
  ...hyperLogLogFamily(keys),
  ...hashFamily(keys),
  ...setFamily(keys),
  ...sortedSetFamily(keys),
  ...listFamily(keys),
  ...geoFamily(keys),
  ...keyFamily(keys),
};
const command = anyCommand(family);

/** Both are asked the same, from nothing. Throws where they differ. */
async function follow(redis: RedisOracle, generated: readonly Words[]): Promise<void> {
  const sequence = generated.map(spread);
  const execution = new MemoryExecution(Date.now());
  execution.insertIntoList(Buffer.from('list'), 0, [Buffer.from('x')]);
  const [, , ...theirs] = await redis.ask([['FLUSHALL'], ['RPUSH', 'list', 'x'], ...sequence]);
  for (const [i, words] of sequence.entries()) {
    const args = words.map((word) => Buffer.from(word));
    const ours = shown(run(execution, args));
    const expected = shown(theirs[i] as Reply);
    if (endsComparison(ours, expected)) return;
    if (!agree(words, ours, expected)) throw new Error(`${JSON.stringify(words)}: ${ours} and not ${expected}`);
  }
}

test('sequences of commands answer as Redis answers', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 25 }), (sequence) => follow(redis, sequence)),
    { numRuns: 1000, includeErrorInReport: true },
  );
  t.pass();
});

test('sequences on sorted sets answer as Redis answers', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const family = sortedSetFamily({ any: fc.constantFrom('a', 'a', '{a}2', 'list'), near: fc.constantFrom('a', 'a', '{a}2') });
  const commands = fc.oneof(
    { weight: 2, arbitrary: family['zadd'] as fc.Arbitrary<Words> },
    { weight: 9, arbitrary: fc.oneof(...Object.values(family)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Words>(['OBJECT', 'ENCODING', 'a'], ['DUMP', 'a'], ['COPY', 'a', '{a}2', 'REPLACE'], ['TYPE', 'a']),
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(commands, { minLength: 5, maxLength: 40 }), (sequence) => follow(redis, sequence)),
    { numRuns: Number(process.env['TORC_SORTED_RUNS'] ?? 1000), includeErrorInReport: true },
  );
  t.pass();
});

test('sequences on lists answer as Redis answers', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const family = listFamily({ any: fc.constantFrom('a', 'a', 'a', '{a}2', '{a}set'), near: fc.constantFrom('a', 'a', '{a}2') });
  const commands = fc.oneof(
    { weight: 2, arbitrary: fc.oneof(family['rpush'] as fc.Arbitrary<Words>, family['lpush'] as fc.Arbitrary<Words>) },
    { weight: 9, arbitrary: fc.oneof(...Object.values(family)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Words>(['OBJECT', 'ENCODING', 'a'], ['DUMP', 'a'], ['COPY', 'a', '{a}2', 'REPLACE'], ['TYPE', 'a']),
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(commands, { minLength: 5, maxLength: 40 }), (sequence) => follow(redis, sequence)),
    { numRuns: Number(process.env['TORC_LIST_RUNS'] ?? 1000), includeErrorInReport: true },
  );
  t.pass();
});

test('sequences on streams answer as Redis answers', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const family = streamFamily({ any: fc.constantFrom('a', 'a', 'a', '{a}2', 'list'), near: fc.constantFrom('a', 'a', '{a}2') });
  const commands = fc.oneof(
    { weight: 4, arbitrary: family['xadd'] as fc.Arbitrary<Words> },
    { weight: 9, arbitrary: fc.oneof(...Object.values(family)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Words>(
        ['DUMP', 'a'],
        ['COPY', 'a', '{a}2', 'REPLACE'],
        ['TYPE', 'a'],
        ['DEL', '{a}2'],
        ['RENAME', '{a}2', 'a'],
      ),
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(commands, { minLength: 5, maxLength: 40 }), (sequence) => follow(redis, sequence)),
    { numRuns: Number(process.env['TORC_STREAM_RUNS'] ?? 500), includeErrorInReport: true },
  );
  t.pass();
});

test('streams and their groups go both ways between redis-server and here', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const key = Buffer.from('a');
  const family = streamFamily({ any: fc.constant('a'), near: fc.constant('a') });
  const commands = fc.oneof(
    { weight: 4, arbitrary: family['xadd'] as fc.Arbitrary<Words> },
    { weight: 9, arbitrary: fc.oneof(...Object.values(family)) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(commands, { minLength: 5, maxLength: 60 }), async (sequence) => {
      const theirs = (await redis.ask([['FLUSHALL'], ...sequence, ['DUMP', 'a']])).at(-1);
      if (!Buffer.isBuffer(theirs)) return;
      const here = new MemoryExecution(Date.now());
      t.is(shown(run(here, [Buffer.from('RESTORE'), key, Buffer.from('0'), theirs])), '+OK');
      const questions = [
        ['XINFO', 'STREAM', 'a', 'FULL', 'COUNT', '0'],
        ['DUMP', 'a'],
        ['XINFO', 'GROUPS', 'a'],
      ] as const;
      const ours = questions.map((words) => run(here, words.map((word) => Buffer.from(word)))); // prettier-ignore
      const answers = await redis.ask([...questions, ['RESTORE', 'a', '0', ours[1] as Buffer, 'REPLACE'], ...questions]);
      t.is(shown(answers[3] as Reply), '+OK');
      for (const [i, words] of questions.entries())
        for (const answer of [answers[i], answers[i + 4]])
          t.true(agree(words, shown(ours[i] as Reply), shown(answer as Reply)), `${words.join(' ')}: ${shown(ours[i] as Reply)} and not ${shown(answer as Reply)}`); // prettier-ignore
    }),
    { numRuns: Number(process.env['TORC_STREAM_RUNS'] ?? 300), includeErrorInReport: true },
  );
});

test('sequences on places answer as Redis answers', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const family = geoFamily({ any: fc.constantFrom('a', 'none', 'list'), near: fc.constantFrom('a') });
  const commands = fc.oneof(
    { weight: 2, arbitrary: family['geoadd'] as fc.Arbitrary<Words> },
    { weight: 9, arbitrary: fc.oneof(...Object.values(family)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Words>(
        ['ZADD', 'a', '1', 'x', '-1.5', 'y', '1e300', 'z', '3e15', 'w'],
        ['ZRANGE', '{a}geo2', '0', '-1', 'WITHSCORES'],
      ),
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(commands, { minLength: 5, maxLength: 40 }), (sequence) => follow(redis, sequence)),
    { numRuns: Number(process.env['TORC_GEO_RUNS'] ?? 1000), includeErrorInReport: true },
  );
  t.pass();
});

test('sequences of SORT answer as Redis answers', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const family = sortFamily({ any: fc.constant('a'), near: fc.constantFrom('{a}target', '{a}nums') });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(...Object.values(family)), { minLength: 5, maxLength: 40 }), (sequence) => follow(redis, sequence)),
    { numRuns: Number(process.env['TORC_SORT_RUNS'] ?? 1000), includeErrorInReport: true },
  );
  t.pass();
});

test("an error that repeats a client's words repeats its bytes, up to the first zero", async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const execution = new MemoryExecution(Date.now());
  for (const bytes of [
    Buffer.from([0x61, 0xff, 0x0d, 0x80, 0x00, 0x62]),
    Buffer.from([0xff, 0x0d, 0x0a]),
    Buffer.from([0]),
    Buffer.from('m\u00e9'),
  ]) {
    const commands = [['PFADD', 'k', 'x'], ['EXPIRE', 'k', '100', bytes], ['PFDEBUG', bytes, 'k'], ['OBJECT', bytes, 'k'], ['XGROUP', bytes], [bytes, bytes, bytes]]; // prettier-ignore
    const theirs = await redis.ask(commands);
    for (const [i, words] of commands.entries()) t.is(shown(run(execution, words.map((word) => Buffer.from(word)))), shown(theirs[i] as Reply), words.join(' ')); // prettier-ignore
  }
});

test('an instant past 2^53 ms is refused where Redis would take it', (t) => {
  const execution = new MemoryExecution(1_700_000_000_000);
  const ask = (text: string) =>
    shown(
      run(
        execution,
        text.split(' ').map((word) => Buffer.from(word)),
      ),
    );
  t.is(ask('SET k v PXAT 9007199254740993'), "-ERR invalid expire time in 'set' command");
  t.is(ask('SET k v PXAT 9007199254740991'), '+OK');
  t.is(ask('PEXPIRE k 9007199254740991'), "-ERR invalid expire time in 'pexpire' command");
});

test('what no 64-bit instant can be is refused as Redis refuses it', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const most = '9223372036854775807';
  const commands = [
    ...['EX', 'PX', 'EXAT'].map((unit) => ['SET', 'k', 'v', unit, most]),
    ...['9223372036854775', '-9223372036854776', '9223372036854775808', '0', '-1'].map((seconds) => ['SET', 'k', 'v', 'EX', seconds]),
    ...['EXPIRE', 'PEXPIRE'].map((name) => [name, 'k', most]),
    ['EXPIRE', 'k', '-9223372036854775808'],
    ['EXPIRE', 'k', '9223372036854776'],
    ['SET', 'k', 'v'],
    ['PEXPIRE', 'k', '-9223372036854775808'],
    ['EXISTS', 'k'],
  ].map((words) => words.map((word) => Buffer.from(word)));
  const execution = new MemoryExecution(Date.now());
  const theirs = await redis.ask(commands);
  for (const [i, args] of commands.entries()) t.is(shown(run(execution, args)), shown(theirs[i] as Reply), args.join(' '));
});

test('SET is blind exactly when no option looks at what was there', (t) => {
  const row = allRows.find(({ name }) => name === 'set');
  const blind = (text: string) => row?.scope === 'keys' && row.blind?.(text.split(' ').map((word) => Buffer.from(word)));
  t.true(blind('set k v'));
  t.true(blind('set k NX'));
  t.true(blind('set k v EX 10'));
  for (const option of ['NX', 'xx', 'GET', 'KEEPTTL', 'EX 10 NX']) t.false(blind(`set k v ${option}`), option);
});
