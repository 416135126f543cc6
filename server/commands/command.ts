/** COMMAND: the table about itself. Shapes are Redis 7.2's; of its tips only those that tell a client how a command may be split. */
import { ErrorReply, MapReply, SetReply, StatusReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { CommandRow, KeyedRow, LocalRow } from '../command-table.js';
import { checkArity } from '../command-lookup.js';
import type { LocalContext } from '../local-context.js';
import { isToken } from './arguments.js';
import { accessOfKey, hasKeys, keyAccess, keysAt } from './key-access.js';
import { argumentsOf } from './docs-arguments.js';
import { syntaxError, unknownSubcommand } from './errors.js';
import { matchesGlob } from '../glob-pattern.js';
import { container, docsOf, noKeys } from './row.js';

const docs = docsOf('server');
const invalidCommand = new ErrorReply('ERR Invalid command specified');
const invalidArguments = new ErrorReply('ERR Invalid arguments specified for command');
const invalidArgumentCount = new ErrorReply('ERR Invalid number of arguments specified for command');
const noKeyArguments = new ErrorReply('ERR The command has no key arguments');

const subcommandsOf = (row: CommandRow): readonly CommandRow[] =>
  row.scope === 'local' && row.subcommands ? [...row.subcommands.values()] : [];

const splitTips: Readonly<Record<Extract<KeyedRow['split'], string>, readonly string[]>> = {
  array: ['request_policy:multi_shard'],
  sum: ['request_policy:multi_shard', 'response_policy:agg_sum'],
  'first-error-or-ok': ['request_policy:multi_shard', 'response_policy:all_succeeded'],
};

function infoOf(row: CommandRow): Reply {
  const { first, last, step } = row.keys;
  const tips = row.scope === 'keys' && typeof row.split === 'string' ? splitTips[row.split] : [];
  return [
    row.name,
    row.arity,
    new SetReply(row.flags.map((flag) => new StatusReply(flag))),
    first,
    last,
    step,
    new SetReply(row.categories.map((category) => new StatusReply(`@${category}`))),
    new SetReply(tips),
    new SetReply(keySpecifications(row)),
    new SetReply(subcommandsOf(row).map(infoOf)),
  ];
}

const typed = (type: string, entries: readonly (readonly [Reply, Reply])[]): Reply =>
  new MapReply([
    ['type', type],
    ['spec', new MapReply(entries)],
  ]);

/** The newer form of first, last and step, one for each kind of access; its last counts from its own first key on. */
function keySpecifications(row: CommandRow): Reply[] {
  const { first, last, step } = row.keys;
  if (first === 0) return [];
  const accesses = keyAccess(row);
  return accesses.map((access, i) => {
    const begin = first + i * step;
    const isLast = i === accesses.length - 1;
    const lastKey = last < 0 ? last : last - begin;
    return new MapReply([
      ['flags', new SetReply(access.map((word) => new StatusReply(word)))],
      ['begin_search', typed('index', [['index', begin]])],
      [
        'find_keys',
        typed('range', [
          ['lastkey', isLast ? lastKey : 0],
          ['keystep', step],
          ['limit', 0],
        ]),
      ],
    ]);
  });
}

function docsReply(row: CommandRow): Reply {
  const { summary, since, group, complexity, syntax } = row.docs;
  const entries: (readonly [Reply, Reply])[] = [
    ['summary', summary],
    ['since', since],
    ['group', group],
    ['complexity', complexity],
  ];
  const args = argumentsOf(syntax);
  if (args.length > 0) entries.push(['arguments', args]);
  const subcommands = subcommandsOf(row);
  if (subcommands.length > 0) entries.push(['subcommands', new MapReply(subcommands.map((sub) => [sub.name, docsReply(sub)] as const))]);
  return new MapReply(entries);
}

const subcommand = (name: string, arity: number, rowDocs: LocalRow['docs'], run: LocalRow['run']): LocalRow => ({
  scope: 'local',
  name: `command|${name}`,
  arity,
  flags: ['loading', 'stale'],
  keys: noKeys,
  categories: ['slow', 'connection'],
  docs: rowDocs,
  run,
});

/** `rows` is asked when a command runs, since the list that it returns holds these rows too. */
export function commandRows(rows: () => readonly CommandRow[]): readonly LocalRow[] {
  const visible = (): readonly CommandRow[] => rows().filter((row) => row.scope !== 'partition');
  const named = (names: readonly Buffer[]): readonly (CommandRow | undefined)[] => {
    const byName = new Map(visible().flatMap((row) => [row, ...subcommandsOf(row)].map((each) => [each.name, each] as const)));
    return names.map((name) => byName.get(name.toString('latin1').toLowerCase()));
  };

  const isContainer = (name: Buffer): boolean => named([name]).some((row) => row && subcommandsOf(row).length > 0);

  const info = (_context: LocalContext, args: readonly Buffer[]): Reply =>
    args.length > 2 ? named(args.slice(2)).map((row) => (row ? infoOf(row) : null)) : visible().map(infoOf);

  const documentation = (_context: LocalContext, args: readonly Buffer[]): Reply => {
    const chosen = args.length > 2 ? named(args.slice(2)) : visible();
    return new MapReply(chosen.flatMap((row) => (row ? [[row.name, docsReply(row)] as const] : [])));
  };

  /** COMMAND LIST [FILTERBY (MODULE name | ACLCAT category | PATTERN pattern)] */
  const list = (_context: LocalContext, args: readonly Buffer[]): Reply => {
    if (args.length === 2) return visible().map((row) => row.name);
    const [, , filterBy, kind, value] = args;
    if (args.length !== 5 || !filterBy || !kind || !value || !isToken(filterBy, 'FILTERBY')) return syntaxError;
    if (isToken(kind, 'MODULE')) return [];
    const everything = visible().flatMap((row) => [row, ...subcommandsOf(row)]);
    const category = value.toString().toLowerCase();
    if (isToken(kind, 'ACLCAT')) return everything.filter((row) => row.categories.includes(category)).map((row) => row.name);
    if (isToken(kind, 'PATTERN')) return everything.filter((row) => matchesGlob(value, Buffer.from(row.name), true)).map((row) => row.name);
    return syntaxError;
  };

  /** The row of the command that follows, and the places of its keys. */
  const keysOf = (command: readonly Buffer[]): { readonly row: CommandRow; readonly keys: readonly Buffer[] } | ErrorReply => {
    const [name = Buffer.alloc(0), second] = command;
    const [row] = named([isContainer(name) && second ? Buffer.concat([name, Buffer.from('|'), second]) : name]);
    if (!row) return invalidCommand;
    if (!hasKeys(row)) return noKeyArguments;
    if (checkArity(row, command)) return invalidArgumentCount;
    const keys = keysAt(row, command);
    return keys.length === 0 ? invalidArguments : { row, keys };
  };

  const getKeys = (_context: LocalContext, args: readonly Buffer[]): Reply => {
    const found = keysOf(args.slice(2));
    return found instanceof ErrorReply ? found : found.keys;
  };

  const getKeysAndFlags = (_context: LocalContext, args: readonly Buffer[]): Reply => {
    const command = args.slice(2);
    const found = keysOf(command);
    if (found instanceof ErrorReply) return found;
    return found.keys.map((key, i) => [key, new SetReply(accessOfKey(found.row, i, command).map((word) => new StatusReply(word)))]);
  };

  const perLookUp = 'O(N) where N is the number of commands to look up';

  return [
    container(
      {
        name: 'command',
        arity: -1,
        flags: ['loading', 'stale'],
        categories: ['slow', 'connection'],
        docs: docs('2.8.13', 'O(N) where N is the total number of commands', 'Returns detailed information about all commands.'),
        run: (context, args) => (args.length === 1 ? info(context, args) : unknownSubcommand('command', args)),
      },
      help,
      [
        subcommand('count', 2, docs('2.8.13', 'O(1)', 'Returns a count of commands.'), () => visible().length),
        subcommand(
          'docs',
          -2,
          docs(
            '7.0.0',
            perLookUp,
            'Returns documentary information about one, multiple or all commands.',
            '[command-name [command-name ...]]',
          ),
          documentation,
        ),
        subcommand(
          'info',
          -2,
          docs('2.8.13', perLookUp, 'Returns information about one, multiple or all commands.', '[command-name [command-name ...]]'),
          info,
        ),
        subcommand(
          'list',
          -2,
          docs(
            '7.0.0',
            'O(N) where N is the total number of commands',
            'Returns a list of command names.',
            '[FILTERBY MODULE module-name | ACLCAT category | PATTERN pattern]',
          ),
          list,
        ),
        subcommand(
          'getkeys',
          -3,
          docs(
            '2.8.13',
            'O(N) where N is the number of arguments to the command',
            'Extracts the key names from an arbitrary command.',
            'command [arg ...]',
          ),
          getKeys,
        ),
        subcommand(
          'getkeysandflags',
          -3,
          docs(
            '7.0.0',
            'O(N) where N is the number of arguments to the command',
            'Extracts the key names and access flags for an arbitrary command.',
            'command [arg ...]',
          ),
          getKeysAndFlags,
        ),
      ],
    ),
  ];
}

const help = [
  '(no subcommand)',
  '    Return details about all commands.',
  'COUNT',
  '    Return the total number of commands in this server.',
  'LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]',
  '    Return a list of all commands in this server.',
  'INFO [<command-name> ...]',
  '    Return details about multiple commands.',
  '    If no command names are given, documentation details for all',
  '    commands are returned.',
  'DOCS [<command-name> ...]',
  '    Return documentation details about multiple commands.',
  '    If no command names are given, documentation details for all',
  '    commands are returned.',
  'GETKEYS <full-command>',
  '    Return the keys from a full command.',
  'GETKEYSANDFLAGS <full-command>',
  '    Return the keys and the access flags from a full command.',
];
