/**
 * Generated rules on users, in Torc's table and in a real redis-server: the same refusals, the same users, and the same verdict on every command that both have. Torc's
 * own text of each user, given to Redis, makes the same user there.
 *
 * How Redis 7.0 words the rules on commands of a user is not compared: Torc keeps them as they were said, as Redis 7.2 does.
 *
 * TORC_ACL_RUNS (default 60) is the number of users that are made.
 */
import test from 'ava';
import fc from '../../harness/properties.js';
import { ErrorReply, type Reply } from '../../../protocol/resp/reply.js';
import type { CommandRow } from '../../../server/command-table.js';
import { allRows } from '../../../server/commands/all.js';
import { categories } from '../../../server/acl/command-set.js';
import { localContext, type LocalNode } from '../commands/local-node.js';
import { linesOf, RedisOracle, shown } from '../commands/redis-oracle.js';

const runs = Number(process.env['TORC_ACL_RUNS'] ?? 60);
const digest = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';

const split = (line: string): Buffer[] => line.split(' ').map((word) => Buffer.from(word));

const rows = allRows
  .flatMap((row): readonly CommandRow[] => [row, ...(row.scope === 'local' && row.subcommands ? row.subcommands.values() : [])])
  .filter((row) => row.scope !== 'partition' && !row.name.startsWith('torc') && !isNewer(row));

/** A command of a later Redis, which the oracle, 7.0, does not know. */
function isNewer({ docs: { since } }: CommandRow): boolean {
  const [major = 0, minor = 0] = since.split('.').map(Number);
  return major > 7 || (major === 7 && minor > 0);
}

/** A command of the row that has as many arguments as it needs, and some that are keys. */
function exampleOf(row: CommandRow): readonly string[] {
  const name = row.name.split('|');
  // GETKEYS takes one word less since 7.2; and of a PFMERGE without a source Redis does not find the key, and lets anybody.
  const wantsMore = row.name === 'mset' || row.name === 'msetnx' || row.name.startsWith('command|getkeys') || row.name === 'pfmerge';
  const wanted = Math.abs(row.arity) + (wantsMore ? 2 : 0);
  return [...name, ...['a1', 'b1', 'a2', 'b2', 'a3', 'b3', 'a4'].slice(0, Math.max(0, wanted - name.length))];
}

/** Those that look at their arguments to say which are their keys, and what becomes of them. Where their number makes no sense Redis finds none, and lets the command fail by itself. */
const moreExamples: readonly (readonly string[])[] = linesOf(`
  SET b1 v GET; SET b1 v NX GET; SET a1 v get; BITFIELD a1 GET u8 0; BITFIELD a1 SET u8 0 1; BITFIELD b1 INCRBY u8 0 1; BITFIELD b1 GET u8 0 OVERFLOW SAT
  MGET a1 a2 b1; MGET a1 a2 a3; MSET a1 v b1 v; DEL b1 a1; COPY a1 b1; COPY b1 a1; RENAME a1 b1; RENAME b1 a1; SELECT 1; SELECT 0; CLIENT LIST TYPE normal
  EXISTS a1 b1 c1; TOUCH c1; STRLEN b1; BITOP AND b1 a1 a2; BITOP AND a1 b1 b2; LCS a1 b1; GETEX a1; GETDEL a1; EXPIRE b1 1; MEMORY USAGE b1; OBJECT ENCODING b1
  SINTERCARD 2 a1 b1; SINTERCARD 1 a1 LIMIT 1; SINTERCARD 0 a1; SINTERCARD x a1 b1; ZUNION 2 a1 b1 WITHSCORES; ZINTER 1 b1; ZDIFF 2 a1 a2; ZINTERCARD 2 b1 b2; ZUNIONSTORE a1 2 b1 b2
  ZINTERSTORE b1 1 a1; ZDIFFSTORE a1 2 a2 b1; ZMPOP 1 a1 MIN; ZMPOP 2 b1 a1 MAX COUNT 1; LMPOP 1 a1 LEFT; LMPOP 2 b1 a1 RIGHT; GEORADIUS a1 0 0 1 m; GEORADIUS a1 0 0 1 m STORE b1; GEORADIUSBYMEMBER b1 m 1 km STOREDIST a1
  GEOSEARCHSTORE a1 b1 FROMLONLAT 0 0 BYRADIUS 1 m; ZRANGESTORE a1 b1 0 -1; SMOVE a1 b1 m; SINTERSTORE a1 b1; PFMERGE a1 b1; PFCOUNT a1 b1
  SORT a1; SORT a1 STORE b1; SORT b1 STORE a1; SORT a1 LIMIT 0 1 STORE a2 STORE b1; SORT_RO a1; SORT_RO b1; XREAD STREAMS a1 0; XREAD STREAMS a1 b1 0 0; XREAD COUNT 1 STREAMS b1 0
  XADD a1 * f v; XDEL b1 0-1; XTRIM a1 MAXLEN 1; XRANGE b1 - +; XLEN b1; XINFO STREAM b1; XSETID a1 0-1; OBJECT FREQ b1; DUMP b1; RESTORE b1 0 x; LMOVE a1 b1 LEFT RIGHT; RPOPLPUSH b1 a1; SUNIONSTORE b1 a1 a2; GETDEL b1
  AUTH x; HELLO 3; QUIT; RESET; PING
`).map((line) => line.split(' '));

const commandNames = rows.map(({ name }) => name);
const pattern = fc.constantFrom('a*', 'a1', 'b?', 'b*', 'c[1-3]', '**', '', 'x\\*', 'é*', '[^a]1');
const each = {
  on: fc.constant('on'),
  off: fc.constantFrom('off', 'OFF'),
  nopass: fc.constant('nopass'),
  resetpass: fc.constant('resetpass'),
  'add password': fc.constantFrom('>x', '>y', '>', '>p w'),
  'remove password': fc.constantFrom('<x', '<nosuch'),
  'add hash': fc.constantFrom(`#${digest}`, `#${digest.toUpperCase()}`, '#abc'),
  'remove hash': fc.constantFrom(`!${digest}`, '!abc'),
  sanitizing: fc.constantFrom('sanitize-payload', 'skip-sanitize-payload'),
  reset: fc.constant('reset'),
  clearselectors: fc.constant('clearselectors'),
  allkeys: fc.constantFrom('allkeys', '~*', 'AllKeys'),
  resetkeys: fc.constant('resetkeys'),
  key: pattern.map((text) => `~${text}`),
  'key by access': fc.tuple(fc.constantFrom('R', 'W', 'RW', 'WR', 'r', 'X', ''), pattern).map(([access, text]) => `%${access}~${text}`),
  allchannels: fc.constantFrom('allchannels', '&*'),
  resetchannels: fc.constant('resetchannels'),
  channel: pattern.map((text) => `&${text}`),
  allcommands: fc.constantFrom('allcommands', '+@all', '+@ALL'),
  nocommands: fc.constantFrom('nocommands', '-@all'),
  category: fc.tuple(fc.constantFrom('+@', '-@'), fc.constantFrom(...categories, 'READ', 'nosuch')).map((parts) => parts.join('')),
  command: fc
    .tuple(fc.constantFrom('+', '-'), fc.constantFrom(...commandNames, 'GET', 'Config|Get', 'hset', 'xinfo|stream', 'nosuch'))
    .map((parts) => parts.join('')),
  'first argument': fc.constantFrom(
    '+select|1',
    '+SELECT|0',
    '-select|1',
    '+get|a1',
    '+config|nosuch',
    '+config|get|x',
    '+nosuch|x',
    '+get|x|y',
    '+ping|',
  ),
  wrong: fc.constantFrom('foo', '', '+', '-', '@all', '+@', '~a b', '&a b', '%', '(on)', ')', '(+get'),
};
type Kind = keyof typeof each;
const kinds = Object.keys(each) as Kind[];
const inSelectors: readonly Kind[] = [
  'allkeys',
  'resetkeys',
  'key',
  'key by access',
  'allchannels',
  'channel',
  'allcommands',
  'nocommands',
  'category',
  'command',
  'first argument',
];

interface Rule {
  readonly kind: Kind | 'selector';
  readonly text: string;
}
const simple = fc.oneof(...kinds.map((kind) => each[kind].map((text): Rule => ({ kind, text }))));
const selector = fc
  .array(fc.oneof(...inSelectors.map((kind) => each[kind].filter((text) => !text.includes(' ')))), { maxLength: 5 })
  .map((texts): Rule => ({ kind: 'selector', text: `(${texts.join(' ')})` }));
/** Mostly few rules at a time, so that most are taken. */
const someRules = fc.array(fc.oneof({ weight: 8, arbitrary: simple }, { weight: 1, arbitrary: selector }), { minLength: 1, maxLength: 4 });

/** What Redis 7.0 says in the words of 7.2. */
const asNewer = (text: string): string =>
  text
    .replace(/^\$This user has no permissions to/, '$User u has no permissions to')
    .replace(/^-NOPERM this user has no permissions to access one of the keys used as arguments/, '-NOPERM No permissions to access a key');

/** A user as ACL GETUSER shows it, without how its rules on commands are worded. */
const withoutWording = (text: string): string => text.replaceAll(/\$commands, \$[^,]*/g, '$commands');

async function verdicts(ask: (commands: readonly (readonly string[])[]) => Promise<readonly string[]>): Promise<readonly string[]> {
  const questions = [...rows.filter((row) => row.scope !== 'keys' || row.findKeys === undefined).map(exampleOf), ...moreExamples].map(
    (example) => ['ACL', 'DRYRUN', 'u', ...example],
  );
  return (await ask(questions)).map((verdict, i) => `${questions[i]?.join(' ')}: ${asNewer(verdict)}`);
}

const askHere =
  ({ run }: LocalNode) =>
  (commands: readonly (readonly string[])[]): Promise<readonly string[]> =>
    Promise.all(commands.map(async (words) => shown(await run(words.map((word) => Buffer.from(word))))));

test('generated rules make the same users here and in redis-server', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const there = async (commands: readonly (readonly string[])[]): Promise<readonly string[]> =>
    (await redis.ask(commands)).map((reply) => shown(reply));
  const taken = new Map<string, number>();
  /** One that takes each kind, first of all. */
  const everyKind: readonly (readonly Rule[])[] = (
    [
      ['on', 'on'],
      ['add password', '>x'],
      ['add hash', `#${digest}`],
      ['remove hash', `!${digest}`],
      ['remove password', '<x'],
      ['resetpass', 'resetpass'],
      ['nopass', 'nopass'],
      ['sanitizing', 'skip-sanitize-payload'],
      ['key', '~a*'],
      ['key by access', '%R~b*'],
      ['channel', '&c'],
      ['command', '+get'],
      ['category', '+@write'],
      ['first argument', '+select|1'],
      ['selector', '(~b* +@all)'],
      ['clearselectors', 'clearselectors'],
      ['allkeys', 'allkeys'],
      ['resetkeys', 'resetkeys'],
      ['allchannels', '&*'],
      ['resetchannels', 'resetchannels'],
      ['allcommands', '+@all'],
      ['nocommands', '-@all'],
      ['off', 'off'],
      ['reset', 'reset'],
      ['allkeys', '~*'],
      ['allcommands', 'allcommands'],
    ] as const
  ).map(([kind, text]) => [{ kind, text }]);
  const allowed = new Set<string>();
  const denied = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(someRules, { minLength: 1, maxLength: 8 }), async (steps) => {
      const here = askHere(localContext());
      await there([['ACL', 'DELUSER', 'u']]);
      const questions = [
        ['ACL', 'SETUSER', 'u', 'on'],
        ...steps.map((rules) => ['ACL', 'SETUSER', 'u', ...rules.map(({ text }) => text)]),
      ].flatMap((setting) => [setting, ['ACL', 'GETUSER', 'u']]);
      const [ours, theirs] = [await here(questions), await there(questions)];
      for (const [i, question] of questions.entries())
        if (withoutWording(ours[i] ?? '') !== withoutWording(theirs[i] ?? ''))
          throw new Error(`${JSON.stringify(question)}: ${ours[i]} and not ${theirs[i]}`);
      steps.forEach((rules, i) => {
        if (ours[2 * i + 2] === '+OK') for (const { kind } of rules) taken.set(kind, (taken.get(kind) ?? 0) + 1);
      });
      const [mine, judged] = [await verdicts(here), await verdicts(there)];
      for (const [i, verdict] of mine.entries()) {
        if (verdict !== judged[i])
          throw new Error(`${questions.map((words) => words.join(' ')).join('; ')}: ${verdict} and not ${judged[i]}`);
        if (!verdict.includes(': -ERR')) (verdict.endsWith('+OK') ? allowed : denied).add(verdict.split(':')[0] ?? '');
      }
      // What ACL LIST says here makes the same user there.
      const [list = ''] = await here([['ACL', 'LIST']]);
      const text =
        list
          .slice(1, -1)
          .split(', $')
          .find((line) => line.startsWith('user u ') || line.startsWith('$user u ')) ?? '';
      await there([['ACL', 'DELUSER', 'u']]);
      const [given] = await there([['ACL', 'SETUSER', 'u', ...text.replace(/^\$?user u /, '').split(' ')]]);
      if (given !== '+OK') throw new Error(`redis-server does not take '${text}': ${given}`);
      const again = await verdicts(there);
      for (const [i, verdict] of mine.entries())
        if (verdict !== again[i]) throw new Error(`'${text}' there: ${verdict} and not ${again[i]}`);
    }),
    { numRuns: runs, includeErrorInReport: true, examples: [[everyKind]] },
  );
  t.log([...kinds, 'selector'].map((kind) => `${kind} ${taken.get(kind) ?? 0}`).join(', '));
  const never = kinds.filter((kind) => kind !== 'wrong' && !taken.has(kind));
  t.deepEqual(never, [], 'kinds of rules that were never taken');
  const oneSided = [...allowed, ...denied].filter((question) => !allowed.has(question) || !denied.has(question));
  t.deepEqual(
    oneSided.filter((question) => !/ (AUTH|HELLO|QUIT|RESET|auth|hello|quit|reset)\b/.test(question)),
    [],
    'commands that were always allowed or never',
  );
});

test('ACL answers as redis-server does, errors included', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const lines = linesOf(`
    ACL; ACL nope; ACL HELP; ACL SETUSER; ACL SETUSER u; ACL GETUSER u; ACL GETUSER nobody; ACL GETUSER; ACL LIST; ACL USERS; ACL WHOAMI; ACL WHOAMI x; ACL USERS x; ACL LIST x
    ACL SETUSER u on nopass ~* &* +@all; ACL LIST; ACL SETUSER u -@all; ACL DRYRUN u get; ACL DRYRUN u get a; ACL DRYRUN u nosuch; ACL DRYRUN nobody get a; ACL DRYRUN u; ACL DRYRUN u config; ACL DRYRUN u config nosuch; ACL DRYRUN u config get x
    ACL DELUSER default; ACL DELUSER nobody; ACL SETUSER v on; ACL DELUSER u v nobody; ACL DELUSER u default; ACL DELUSER; ACL USERS
    ACL CAT; ACL CAT nosuch; ACL CAT read x; ACL GENPASS 0; ACL GENPASS -1; ACL GENPASS 4097; ACL GENPASS x; ACL GENPASS 1 2; ACL LOG; ACL LOG x; ACL LOG 0; ACL LOG reset; ACL LOG 1 2; ACL LOG -5
    ACL SAVE; ACL LOAD; ACL SAVE x; ACL LOAD x; ACL SETUSER w (+get; ACL SETUSER w (+get ~x) on; ACL SETUSER w (+get (~x); ACL LIST; ACL SETUSER w clearselectors ( ) ; ACL GETUSER w
    ACL SETUSER default off; ACL SETUSER default on >one; ACL LIST; AUTH one; AUTH two; AUTH default one; AUTH w one; AUTH nobody x; ACL SETUSER default nopass; AUTH x
  `);
  const theirs = await redis.ask(lines.map(split));
  const { run } = localContext();
  const worded = /^ACL (LIST|GETUSER)/;
  for (const [i, line] of lines.entries()) {
    const ours = asNewer(shown(await run(split(line))));
    const expected = asNewer(shown(theirs[i] as Reply));
    if (worded.test(line)) t.is(withoutWording(ours), withoutWording(expected), line);
    else t.is(ours, expected, line);
  }
  for (const category of categories) {
    const [cat = null] = await redis.ask([['ACL', 'CAT', category]]);
    const has = new Set(commandNames);
    const expected = (cat as Reply[]).map(shown).filter((name) => has.has(name.slice(1)));
    const mine = ((await run(split(`ACL CAT ${category}`))) as Reply[]).map(shown).filter((name) => has.has(name.slice(1)));
    t.deepEqual(mine.sort(), expected.sort(), category);
  }
  for (const [bits, length] of [
    ['', 64],
    [' 5', 2],
    [' 4096', 1024],
  ] as const) {
    const password = shown(await run(split(`ACL GENPASS${bits}`)));
    t.regex(password, new RegExp(`^\\$[0-9a-f]{${length}}$`));
  }
});

test('rules on commands keep their order, and a later one takes an earlier one’s place', async (t) => {
  const here = askHere(localContext());
  const commandsAfter = async (rules: string): Promise<string> => {
    await here([['ACL', 'SETUSER', 'u', 'reset', ...rules.split(' ')]]);
    return /\$commands, \$([^,]*)/.exec((await here([['ACL', 'GETUSER', 'u']]))[0] ?? '')?.[1] ?? '';
  };
  t.is(await commandsAfter('+set +get'), '-@all +set +get');
  t.is(await commandsAfter('+get +set +get'), '-@all +set +get');
  t.is(await commandsAfter('+get -@read +get'), '-@all -@read +get');
  t.is(await commandsAfter('+config|get +config|set -config'), '-@all -config');
  t.is(await commandsAfter('+get +@all -get'), '+@all -get');
  t.is(await commandsAfter('+SELECT|1 +Select|0'), '-@all +select|1 +select|0');
  t.is(await commandsAfter('+@all -@all +@Read'), '-@all +@read');
  const refused = (await here([['ACL', 'SETUSER', 'u', '+nosuch']]))[0];
  t.is(refused, "-ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL");
  t.false((await localContext().run(split('ACL WHOAMI'))) instanceof ErrorReply);
});
