/** The rows say of themselves what redis-server says of its own commands. */
import test from 'ava';
import { ErrorReply, type MapReply, StatusReply } from '../../../protocol/resp/reply.js';
import type { Reply } from '../../../protocol/resp/reply.js';
import type { CommandRow } from '../../../server/command-table.js';
import { CommandLookup } from '../../../server/command-lookup.js';
import { allRows } from '../../../server/commands/all.js';
import { hashExpiryRows } from '../../../server/commands/hash-expiry.js';
import { RedisOracle, shown } from './redis-oracle.js';
import { argumentsOf } from '../../../server/commands/docs-arguments.js';
import { localContext } from './local-node.js';

const subcommandsOf = (row: CommandRow): readonly CommandRow[] =>
  row.scope === 'local' && row.subcommands ? [...row.subcommands.values()] : [];
const everyRow = allRows.filter(({ scope }) => scope !== 'partition').flatMap((row) => [row, ...subcommandsOf(row)]);

/** Where Redis 7.2 differs from the 7.0 that is compared with. */
const arityIn72: Readonly<Record<string, number>> = { 'command|getkeys': -3, 'command|getkeysandflags': -3, zrank: -3, zrevrank: -3 };

/** Of a status or a bulk string. */
const textOf = (reply: Reply | undefined): string => (reply instanceof StatusReply ? reply.text : (reply as Buffer).toString());
const wordsOf = (reply: Reply): string[] => (reply as readonly Reply[]).map(textOf).toSorted();

test('arity, flags, key positions, categories, age and group are those of redis-server', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const names = everyRow.map(({ name }) => name);
  const [infos, docs] = (await redis.ask([
    ['COMMAND', 'INFO', ...names],
    ['COMMAND', 'DOCS', ...names],
  ])) as [Reply[], Reply[]];
  const docsByName = new Map<string, Reply[]>();
  for (let i = 0; i < docs.length; i += 2) docsByName.set(textOf(docs[i]), docs[i + 1] as Reply[]);
  const unknown: string[] = [];
  for (const [i, row] of everyRow.entries()) {
    const info = infos[i] as Reply;
    if (!Array.isArray(info)) {
      unknown.push(row.name);
      continue;
    }
    const { first, last, step } = row.keys;
    t.is(BigInt(row.arity), arityIn72[row.name] === undefined ? (info[1] as bigint) : BigInt(arityIn72[row.name] as number), row.name);
    t.deepEqual([...row.flags].toSorted(), wordsOf(info[2]) as (typeof row.flags)[number][], row.name);
    t.deepEqual([first, last, step].map(BigInt), info.slice(3, 6), row.name);
    t.deepEqual(row.categories.map((category) => `@${category}`).toSorted(), wordsOf(info[6]), row.name);
    const rowDocs = docsByName.get(row.name) as Reply[];
    t.is(row.docs.since, textOf(rowDocs[3]), row.name);
    t.is(row.docs.group, textOf(rowDocs[5]) as typeof row.docs.group, row.name);
  }
  t.deepEqual(
    unknown.filter((name) => !name.startsWith('torc')),
    [...hashExpiryRows.map(({ name }) => name), 'client|setinfo', 'client|no-touch'],
    'only what 7.2 and later added is unknown to 7.0',
  );
});

test('COMMAND INFO, DOCS, GETKEYS have the shapes of redis-server', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const commands = [
    'COMMAND INFO get nosuch',
    'COMMAND INFO mget',
    'COMMAND INFO mset del',
    'COMMAND INFO command|count config|get',
    'COMMAND GETKEYS mset a 1 b 2',
    'COMMAND GETKEYS get',
    'COMMAND GETKEYS get a b',
    'COMMAND GETKEYS nosuch a',
    'COMMAND GETKEYS ping a',
    'COMMAND GETKEYSANDFLAGS get a',
    'COMMAND GETKEYSANDFLAGS set a b',
    'COMMAND GETKEYSANDFLAGS set a b GET',
    'COMMAND GETKEYSANDFLAGS mset a 1 b 2',
    'COMMAND GETKEYSANDFLAGS del a b c',
    'COMMAND GETKEYSANDFLAGS expire a 1',
    'COMMAND GETKEYSANDFLAGS exists a',
    'COMMAND GETKEYSANDFLAGS memory usage a',
    'COMMAND GETKEYSANDFLAGS nosuch a',
    'COMMAND LIST FILTERBY',
    'COMMAND LIST FILTERBY NOTHING x',
    'COMMAND LIST FILTERBY PATTERN PTT?',
    'COMMAND LIST FILTERBY ACLCAT nosuch',
    'COMMAND nosuch',
    'COMMAND COUNT x',
  ].map((line) => line.split(' ').map((word) => Buffer.from(word)));
  const theirs = (await redis.ask(commands)).map(shown);
  const { run } = localContext();
  t.is(shown(await run(['COMMAND', 'GETKEYS', 'torc', 'PREFLIST', 'k'].map((word) => Buffer.from(word)))), '[$k]');
  for (const [i, args] of commands.entries()) {
    const ours = shown(await run(args));
    const line = args.join(' ');
    const expected = theirs[i] as string;
    if (line.endsWith('GETKEYS get'))
      t.is(ours, '-ERR Invalid number of arguments specified for command', '7.2 takes one argument and looks on');
    else if (line.endsWith('ping a')) t.is(ours, '-ERR The command has no key arguments', line);
    else t.is(ours, expected, line);
  }
});

test('the argument syntax becomes the arguments of COMMAND DOCS', async (t) => {
  const { run } = localContext();
  const docs = async (name: string) => shown(await run(['COMMAND', 'DOCS', name].map((word) => Buffer.from(word))));
  t.true((await docs('get')).endsWith('$arguments, [[$name, $key, $type, $key, $key_spec_index, :0]]]]'));
  t.true((await docs('del')).endsWith('$arguments, [[$name, $key, $type, $key, $key_spec_index, :0, $flags, [+multiple]]]]]'));
  t.true((await docs('mset')).includes('$type, $block, $flags, [+multiple], $arguments, [[$name, $key'));
  const set = await docs('set');
  t.true(set.includes('[$name, $nx, $type, $pure-token, $token, $NX], [$name, $xx, $type, $pure-token, $token, $XX]'));
  t.true(set.includes('[$name, $seconds, $type, $integer, $token, $EX]'));
  t.true(set.includes('$type, $oneof, $flags, [+optional]'));
  t.is(await docs('nosuch'), '[]');
});

test('a name is found in any case, and nothing else is', (t) => {
  const lookup = new CommandLookup(allRows);
  const resolve = (...words: string[]) => lookup.resolve(words.map((word) => Buffer.from(word)));
  const nameOf = (...words: string[]) => {
    const found = resolve(...words);
    return found instanceof ErrorReply ? Buffer.from(found.text, found.encoding).toString() : found.name;
  };
  for (const row of allRows) {
    const args = Array.from({ length: Math.abs(row.arity) }, () => Buffer.from('x'));
    for (const name of [row.name, row.name.toUpperCase()]) {
      const found = lookup.resolveForwarded([Buffer.from(name), ...args.slice(1)]);
      t.is(
        found instanceof ErrorReply ? found.code : found.name,
        row.scope === 'local' && row.subcommands && row.arity !== -1 ? 'ERR' : row.name,
      );
    }
  }
  t.is(nameOf('cLiEnT', 'SetName', 'x'), 'client|setname');
  t.is(nameOf('GET'), "ERR wrong number of arguments for 'get' command");
  t.is(nameOf('client', 'id', 'x'), "ERR wrong number of arguments for 'client|id' command");
  t.is(nameOf('client'), "ERR wrong number of arguments for 'client' command");
  t.is(nameOf('client', 'nope'), "ERR unknown subcommand 'nope'. Try CLIENT HELP.");
  t.is(nameOf('command'), 'command');
  for (const name of ['', 'ge', 'gett', '\u0007et', 'GE\u0034', 'partition|dbsize', 'PARTITION|FLUSH', 'client|id', 'g\u00e9t']) {
    t.is(nameOf(name), `ERR unknown command '${name}', with args beginning with: `);
  }
  t.throws(() => new CommandLookup([...allRows, ...allRows.slice(0, 1)]), { message: 'two rows named get' });
});

test('every argument that COMMAND DOCS tells of is of a type that redis-cli knows', (t) => {
  const known = new Set(['string', 'integer', 'double', 'key', 'pattern', 'unix-time', 'pure-token', 'oneof', 'block']);
  const look = (row: CommandRow, reply: Reply): void => {
    const argument = new Map((reply as MapReply).entries as [string, Reply][]);
    const [name, type] = [argument.get('name') as string, argument.get('type') as string];
    t.true(known.has(type), `${row.name}: ${name} is a ${type}`);
    for (const part of (argument.get('arguments') ?? []) as Reply[]) look(row, part);
  };
  for (const row of everyRow) for (const argument of argumentsOf(row.docs.syntax)) look(row, argument);
});
