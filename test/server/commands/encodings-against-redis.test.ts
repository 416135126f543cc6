/**
 * OBJECT ENCODING at the sizes where Redis changes from one way to keep a value to another: values just within and just beyond each limit, set in one go, with Redis 7.0's name and, where it has
 * another since, 7.2's, which is Torc's. The redis-server that is here is asked too, and has to agree with the table of its version.
 */
import test from 'ava';
import { ErrorReply, type Reply } from '../../../protocol/resp/reply.js';
import { CommandLookup } from '../../../server/command-lookup.js';
import { allRows } from '../../../server/commands/all.js';
import type { Words } from '../generated/words.js';
import { MemoryExecution } from './memory-execution.js';
import { RedisOracle, shown } from './redis-oracle.js';

const lookup = new CommandLookup(allRows);

function ask(execution: MemoryExecution, words: Words): string {
  const args = words.map((word) => Buffer.from(word));
  const row = lookup.resolve(args);
  if (row instanceof ErrorReply || row.scope !== 'keys') throw new Error(`${String(words[0])} is no command on keys`);
  const parsed = row.parse(args);
  return shown(parsed instanceof ErrorReply ? parsed : execution.execute(parsed));
}

const times = (count: number, each: (i: number) => Words): Words => Array.from({ length: count }, (_, i) => each(i)).flat();
const text = (length: number): string => 'x'.repeat(length);
/** Different members of that many bytes. */
const texts = (count: number, length: number): Words => times(count, (i) => [`${i}`.padEnd(length, 'x')]);
const integers = (count: number): Words => times(count, (i) => [`${i}`]);
const set = (value: string | Buffer): Words => ['SET', 'k', value];
const hset = (...pairs: Words): Words => ['HSET', 'k', ...pairs];
const sadd = (...members: Words): Words => ['SADD', 'k', ...members];
const zadd = (...members: Words): Words => ['ZADD', 'k', ...members.flatMap((member, i) => [`${i}`, member])];
const rpush = (...values: Words): Words => ['RPUSH', 'k', ...values];

type Row = readonly [what: string, command: Words, redis70: string, redis72?: string];

const table: readonly Row[] = [
  ...['0', '-1', '10000', '9223372036854775807', '-9223372036854775808'].map((value): Row => [value, set(value), 'int']),
  ...['', '-0', '01', '+1', ' 1', '1.0', '1e3', '9223372036854775808', '-9223372036854775809'].map((value): Row => [
    `'${value}'`,
    set(value),
    'embstr',
  ]),
  ['44 bytes', set(text(44)), 'embstr'],
  ['45 bytes', set(text(45)), 'raw'],
  ['44 bytes that are no text', set(Buffer.alloc(44)), 'embstr'],
  ['45 bytes that are no text', set(Buffer.alloc(45, 0xff)), 'raw'],

  ['512 fields', hset(...times(512, (i) => [`${i}`, 'v'])), 'listpack'],
  ['513 fields', hset(...times(513, (i) => [`${i}`, 'v'])), 'hashtable'],
  ['512 fields of 64 bytes with 64', hset(...texts(512, 64).flatMap((field) => [field, text(64)])), 'listpack'],
  ['a field of 65 bytes', hset(text(65), 'v'), 'hashtable'],
  ['a value of 65 bytes', hset('f', text(65)), 'hashtable'],
  ['64 bytes that are no text', hset(Buffer.alloc(64), Buffer.alloc(64, 0xff)), 'listpack'],

  ['512 integers', sadd(...integers(512)), 'intset'],
  ['513 integers', sadd(...integers(513)), 'hashtable'],
  ['the least and the most integer', sadd('-9223372036854775808', '9223372036854775807'), 'intset'],
  ['an integer beyond 64 bits', sadd('1', '9223372036854775808'), 'hashtable', 'listpack'],
  ['an integer with a zero before it', sadd('1', '01'), 'hashtable', 'listpack'],
  ['127 integers and a text', sadd(...integers(127), 'x'), 'hashtable', 'listpack'],
  ['128 integers and a text', sadd(...integers(128), 'x'), 'hashtable'],
  ['512 integers and a text', sadd(...integers(512), 'x'), 'hashtable'],
  ['128 members of 64 bytes', sadd(...texts(128, 64)), 'hashtable', 'listpack'],
  ['129 members', sadd(...texts(129, 10)), 'hashtable'],
  ['a member of 65 bytes', sadd(text(65)), 'hashtable'],
  ['an integer and a member of 65 bytes', sadd('1', text(65)), 'hashtable'],
  ['no bytes', sadd(''), 'hashtable', 'listpack'],

  ['128 members with scores', zadd(...texts(128, 10)), 'listpack'],
  ['129 members with scores', zadd(...texts(129, 10)), 'skiplist'],
  ['a member of 64 bytes with a score', zadd(text(64)), 'listpack'],
  ['a member of 65 bytes with a score', zadd(text(65)), 'skiplist'],
  ['scores that are infinite', ['ZADD', 'k', 'inf', 'a', '-inf', ''], 'listpack'],
  ['places', ['GEOADD', 'k', '13.3', '38.1', 'a'], 'listpack'],

  ['a short list', rpush('a', '1', ''), 'quicklist', 'listpack'],
  ['a list of 2000 short values', rpush(...texts(2000, 1)), 'quicklist', 'listpack'],
  ['one value of 8000 bytes', rpush(text(8000)), 'quicklist', 'listpack'],
  ['one value of 8193 bytes', rpush(text(8193)), 'quicklist'],
  ['9000 bytes in all', rpush(...texts(150, 60)), 'quicklist'],
  ['a list of 9000 short values', rpush(...texts(9000, 4)), 'quicklist'],

  ['a stream', ['XADD', 'k', '1-1', 'f', text(100)], 'stream'],
  ['a HyperLogLog of 30 elements', ['PFADD', 'k', ...integers(30)], 'raw'],
];
const encoding: Words = ['OBJECT', 'ENCODING', 'k'];

test('each value on either side of a limit has the name that Redis 7.2 has for it', (t) => {
  for (const [what, command, redis70, redis72 = redis70] of table) {
    const execution = new MemoryExecution(Date.now());
    t.notRegex(ask(execution, command), /^-/, what);
    t.is(ask(execution, encoding), `$${redis72}`, what);
  }
});

test('the table has the names of the redis-server that is here', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const [info] = await redis.ask([['INFO', 'server']]);
  const [, major = 0, minor = 0] = (/redis_version:(\d+)\.(\d+)/.exec(shown(info as Reply)) ?? []).map(Number);
  t.true(major >= 7, 'Redis 6 has ziplists');
  const isNew = major > 7 || minor >= 2;
  for (const [what, command, redis70, redis72 = redis70] of table) {
    const [, made, name] = await redis.ask([['DEL', 'k'], command, encoding]);
    t.notRegex(shown(made as Reply), /^-/, what);
    t.is(shown(name as Reply), `$${isNew ? redis72 : redis70}`, what);
  }
  t.log(`compared with ${major}.${minor}`);
});

/**
 * Redis judges a list that is pushed to by what its listpack takes before, and the bytes of the new values alone; one that is restored or copied by what its listpack takes in all. Torc, which knows
 * no before, does the latter for all lists.
 */
test('a list is packed up to 8192 bytes of listpack, its head and end and what stands before and behind each value included', (t) => {
  for (const [last, name] of [
    [56, 'listpack'],
    [57, 'quicklist'],
  ] as const) {
    const execution = new MemoryExecution(Date.now());
    // 6 bytes of head, 129 times 61 bytes and 2 about them, those of the last and 2 about them, 1 of end.
    ask(execution, rpush(...texts(129, 61), text(last)));
    t.is(ask(execution, encoding), `$${name}`, `${last} bytes at the end`);
  }
});
