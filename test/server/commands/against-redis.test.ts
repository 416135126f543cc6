/** Generated sequences of string and key commands: the same replies, error texts included, as a real Redis. */
import test from 'ava';
import fc from 'fast-check';
import { ErrorReply } from '../../../protocol/resp/reply.js';
import type { Reply } from '../../../protocol/resp/reply.js';
import { CommandLookup } from '../../../server/command-lookup.js';
import { allRows } from '../../../server/commands/all.js';
import { MemoryExecution } from './memory-execution.js';
import { RedisOracle, shown } from './redis-oracle.js';

const lookup = new CommandLookup(allRows);

/** lookup -> arity -> parse -> run. */
function run(execution: MemoryExecution, args: readonly Buffer[]): Reply {
  const row = lookup.resolve(args);
  if (row instanceof ErrorReply) return row;
  if (row.scope !== 'keys') throw new Error(`${row.name} is not on keys`);
  const parsed = row.parse(args);
  return parsed instanceof ErrorReply ? parsed : execution.execute(parsed);
}

type Word = string | { readonly span: number; readonly unit: 's' | 'ms'; readonly from: 'now' | 'epoch' };

const key = fc.constantFrom('a', 'b', 'c', 'list');
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
  '+1',
  ' 1',
  '-0',
  '',
  '999999999999999',
  '9999999999999999',
);
const value = fc.oneof(numeral, fc.constantFrom('x', 'hello world', '\u00e9\n'), fc.string({ maxLength: 5 }));
const anyCase = (word: string) => fc.constantFrom(word, word.toLowerCase(), (word[0] as string) + word.slice(1).toLowerCase());
/** Spans stand so far apart that which of two instants is later does not hang on how fast a server answers. */
const span = (unit: 's' | 'ms', from: 'now' | 'epoch') =>
  fc.oneof({ weight: 5, arbitrary: fc.constantFrom(1000, 2000, 3000).map((seconds): Word => ({ span: seconds, unit, from })) }, numeral);
const condition = fc.constantFrom('NX', 'XX', 'GT', 'LT').chain(anyCase);

const setOption = fc.oneof(
  fc
    .constantFrom('NX', 'XX', 'GET', 'KEEPTTL')
    .chain(anyCase)
    .map((word): Word[] => [word]),
  fc.tuple(anyCase('EX'), span('s', 'now')).map((words): Word[] => words),
  fc.tuple(anyCase('PX'), span('ms', 'now')).map((words): Word[] => words),
  fc.tuple(anyCase('EXAT'), span('s', 'epoch')).map((words): Word[] => words),
  fc.tuple(anyCase('PXAT'), span('ms', 'epoch')).map((words): Word[] => words),
  fc.constantFrom('EX', 'PXAT', 'WRONG', '').map((word): Word[] => [word]),
);

const command: fc.Arbitrary<Word[]> = fc.oneof(
  fc.tuple(key, value, fc.array(setOption, { maxLength: 3 })).map(([k, v, options]): Word[] => ['SET', k, v, ...options.flat()]),
  fc.tuple(fc.constantFrom('GET', 'get', 'INCR', 'DECR', 'STRLEN', 'TTL', 'PTTL', 'PERSIST', 'TYPE'), key).map((words): Word[] => words),
  fc.tuple(fc.constantFrom('INCRBY', 'DECRBY'), key, numeral).map((words): Word[] => words),
  fc.tuple(fc.constantFrom('APPEND'), key, value).map((words): Word[] => words),
  fc
    .tuple(fc.constantFrom('DEL', 'EXISTS', 'MGET', 'mGet'), fc.array(key, { maxLength: 4 }))
    .map(([name, keys]): Word[] => [name, ...keys]),
  fc.array(fc.tuple(key, value), { maxLength: 3 }).map((pairs): Word[] => ['MSET', ...pairs.flat()]),
  fc
    .tuple(key, span('s', 'now'), fc.array(fc.oneof(condition, fc.constant('wrong')), { maxLength: 2 }))
    .map(([k, s, options]): Word[] => ['EXPIRE', k, s, ...options]),
  fc.tuple(key, span('ms', 'now'), fc.array(condition, { maxLength: 2 })).map(([k, s, options]): Word[] => ['PEXPIRE', k, s, ...options]),
  fc
    .tuple(
      fc.constantFrom('GET', 'SET', 'MGET', 'MSET', 'INCRBY', 'DEL', 'EXPIRE', 'nonsense', 'NON SENSE'),
      fc.array(value, { maxLength: 3 }),
    )
    .map(([name, values]): Word[] => [name, ...values]),
);

/** The moment when a sequence begins makes its instants, its place in the sequence sets equal spans apart. */
function spell(words: readonly Word[], place: number, nowMs: number): Buffer[] {
  return words.map((word) => {
    if (typeof word === 'string') return Buffer.from(word);
    const seconds = word.span + place * 10 + (word.from === 'epoch' ? Math.floor(nowMs / 1000) : 0);
    return Buffer.from(String(word.unit === 's' ? seconds : seconds * 1000));
  });
}

const slackMs = 5000;

function agree(args: readonly Buffer[], ours: Reply, theirs: Reply): boolean {
  const name = args[0]?.toString().toUpperCase();
  const slack = name === 'TTL' ? slackMs / 1000 : name === 'PTTL' ? slackMs : 0;
  if (slack > 0 && !(ours instanceof ErrorReply) && Number(ours) > 0) return Math.abs(Number(ours) - Number(theirs)) <= slack;
  return shown(ours) === shown(theirs);
}

/** Where an instant may come out past 2^53 ms; the next tests see to those. */
const mayBeBeyondOurInstants = (args: readonly Buffer[]): boolean => {
  const name = args[0]?.toString().toUpperCase() ?? '';
  const options = name === 'SET' ? args.slice(3) : name.endsWith('EXPIRE') ? args.slice(2) : [];
  return options.some((arg) => /^[0-9]{15,}$/.test(arg.toString()));
};

test('sequences of commands answer as Redis answers', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 25 }), async (sequence) => {
      const nowMs = Date.now();
      const commands = sequence.map((words, place) => spell(words, place, nowMs)).filter((args) => !mayBeBeyondOurInstants(args));
      const execution = new MemoryExecution(nowMs);
      execution.plant(Buffer.from('list'), 'list');
      const [, , ...theirs] = await redis.ask([['FLUSHALL'], ['RPUSH', 'list', 'x'], ...commands]);
      for (const [i, args] of commands.entries()) {
        const ours = run(execution, args);
        if (!agree(args, ours, theirs[i] as Reply))
          throw new Error(`${args.join(' ')}: ${shown(ours)} and not ${shown(theirs[i] as Reply)}`);
      }
    }),
    { numRuns: 1500, includeErrorInReport: true },
  );
  t.pass();
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
