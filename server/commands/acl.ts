/** ACL: the users, and what they may do. Replies and errors are Redis 7.2's; what SETUSER, DELUSER and LOAD say holds for the whole cluster. */
import { randomBytes } from 'node:crypto';
import { ErrorReply, MapReply, SetReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import { loading } from '../../cluster/call.js';
import { SystemRecordsError } from '../../cluster/system-records.js';
import { categories } from '../acl/command-set.js';
import { denial, denialText } from '../acl/permission.js';
import { hasSpaces } from '../acl/selector.js';
import { defaultUserName, joinedSelectors, User, withRules } from '../acl/user.js';
import { lineOf } from '../acl/user-files.js';
import { CommandLookup } from '../command-lookup.js';
import type { CommandFlag, CommandRow, LocalRow } from '../command-table.js';
import type { LocalContext } from '../local-context.js';
import { isToken, parseInteger } from './arguments.js';
import { notAnInteger, subcommandSyntax } from './errors.js';
import { container, docsOf, noKeys } from './row.js';

const docs = docsOf('server');
const spacesInName = new ErrorReply("ERR Usernames can't contain spaces or null characters");
const defaultStays = new ErrorReply("ERR The 'default' user cannot be removed");
const passwordBits = new ErrorReply(
  'ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096',
);
const noFile = new ErrorReply(
  'ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.',
);
const logEntriesDefault = 10;
const passwordBitsDefault = 256;
const passwordBitsMax = 4096;

const latin1 = (bytes: Buffer): string => bytes.toString('latin1');
const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');
const error = (text: string): ErrorReply => new ErrorReply(text, 'latin1');

/** A change of users: in force here at once, answered when those that can be reached have it. */
async function changed({ users }: LocalContext, changes: readonly User[], removed: readonly string[], reply: Reply): Promise<Reply> {
  try {
    await users.change(changes, removed);
    return reply;
  } catch (refused) {
    if (!(refused instanceof SystemRecordsError)) throw refused;
    return refused.reason === 'not formed' ? loading : new ErrorReply(`ERR users cannot be changed: ${refused.message}`);
  }
}

function setUser(context: LocalContext, args: readonly Buffer[]): Reply | Promise<Reply> {
  const name = latin1(args[2] as Buffer);
  if (hasSpaces(name)) return spacesInName;
  const rules = joinedSelectors(args.slice(3).map(latin1));
  if ('unmatched' in rules) return error(`ERR Unmatched parenthesis in acl selector starting at '${rules.unmatched}'.`);
  const user = withRules(context.users.get(name) ?? context.users.fresh(name), rules);
  if (user instanceof User) return changed(context, [user], [], ok);
  return error(`ERR Error in ACL SETUSER modifier '${user.rule}': ${user.reason}`);
}

function deleteUsers(context: LocalContext, args: readonly Buffer[]): Reply | Promise<Reply> {
  const names = new Set(args.slice(2).map(latin1));
  if (names.has(defaultUserName)) return defaultStays;
  const known = [...names].filter((name) => context.users.get(name) !== undefined);
  return known.length === 0 ? 0 : changed(context, [], known, known.length);
}

function getUser({ users }: LocalContext, args: readonly Buffer[]): Reply {
  const user = users.get(latin1(args[2] as Buffer));
  if (user === undefined) return null;
  const [root, ...others] = user.selectors.map(({ commands, keys, channels }): readonly (readonly [string, Reply])[] => [
    ['commands', commands],
    ['keys', bytesOf(keys)],
    ['channels', bytesOf(channels)],
  ]);
  return new MapReply([
    ['flags', new SetReply(user.flags)],
    ['passwords', user.passwords],
    ...(root ?? []),
    ['selectors', others.map((entries) => new MapReply(entries))],
  ]);
}

function cat({ users }: LocalContext, args: readonly Buffer[]): Reply {
  if (args.length > 3) return subcommandSyntax('acl', args);
  if (args[2] === undefined) return categories;
  const category = latin1(args[2]);
  if (!categories.includes(category.toLowerCase())) return error(`ERR Unknown category '${category}'`);
  return users.commands.inCategory(category.toLowerCase()).map(({ name }) => name);
}

function generatePassword(_context: LocalContext, args: readonly Buffer[]): Reply {
  if (args.length > 3) return subcommandSyntax('acl', args);
  const bits = args[2] === undefined ? passwordBitsDefault : parseInteger(args[2]);
  if (bits === undefined) return notAnInteger;
  if (bits <= 0 || bits > passwordBitsMax) return passwordBits;
  const digits = Math.ceil(Number(bits) / 4);
  return randomBytes(Math.ceil(digits / 2))
    .toString('hex')
    .slice(0, digits);
}

function log({ aclLog, nowMs }: LocalContext, args: readonly Buffer[]): Reply {
  if (args.length > 3) return subcommandSyntax('acl', args);
  if (args[2] !== undefined && isToken(args[2], 'RESET')) {
    aclLog.reset();
    return ok;
  }
  const count = args[2] === undefined ? logEntriesDefault : parseInteger(args[2]);
  if (count === undefined) return notAnInteger;
  return aclLog.newest(Math.max(0, Number(count))).map(
    (entry) =>
      new MapReply([
        ['count', entry.count],
        ['reason', entry.reason],
        ['context', 'toplevel'],
        ['object', bytesOf(entry.object)],
        ['username', bytesOf(entry.username)],
        ['age-seconds', String(Math.max(0, nowMs - entry.updatedMs) / 1000)],
        ['client-info', entry.clientInfo],
        ['entry-id', entry.id],
        ['timestamp-created', entry.createdMs],
        ['timestamp-last-updated', entry.updatedMs],
      ]),
  );
}

/** ACL LOAD: the file's users become the cluster's; those that it does not name are removed, and `default` is what it is at the beginning. */
async function load(context: LocalContext): Promise<Reply> {
  const { users, aclFile } = context;
  if (aclFile === undefined) return noFile;
  let wanted: ReadonlyMap<string, User>;
  try {
    wanted = await aclFile.read();
  } catch (refused) {
    return new ErrorReply(
      `ERR ${refused instanceof Error ? refused.message : String(refused)} WARNING: ACL errors detected, no change to the previously active ACL rules was performed`,
    );
  }
  const withDefault = new Map([[defaultUserName, users.open()], ...wanted]);
  const changes = [...withDefault.values()].filter((user) => users.get(user.name)?.described() !== user.described());
  const removed = users
    .all()
    .map(({ name }) => name)
    .filter((name) => !withDefault.has(name));
  return changed(context, changes, removed, ok);
}

async function save({ users, aclFile }: LocalContext): Promise<Reply> {
  if (aclFile === undefined) return noFile;
  try {
    await aclFile.write(users.all());
    return ok;
  } catch {
    return new ErrorReply('ERR There was an error trying to save the ACLs. Please check the server logs for more information');
  }
}

const help = [
  'CAT [<category>]',
  '    List all commands that belong to <category>, or all command categories',
  '    when no category is specified.',
  'DELUSER <username> [<username> ...]',
  '    Delete a list of users.',
  'DRYRUN <username> <command> [<arg> ...]',
  '    Returns whether the user can execute the given command without executing the command.',
  'GETUSER <username>',
  "    Get the user's details.",
  'GENPASS [<bits>]',
  '    Generate a secure 256-bit user password. The optional `bits` argument can',
  '    be used to specify a different size.',
  'LIST',
  '    Show users details in config file format.',
  'LOAD',
  '    Reload users from the ACL file.',
  'LOG [<count> | RESET]',
  '    Show the ACL log entries.',
  'SAVE',
  '    Save the current config to the ACL file.',
  'SETUSER <username> <attribute> [<attribute> ...]',
  '    Create or modify a user with the specified attributes.',
  'USERS',
  '    List all the registered usernames.',
  'WHOAMI',
  '    Return the current connection username.',
];

const forAnyone: readonly CommandFlag[] = ['noscript', 'loading', 'stale'];

function row(name: string, arity: number, rowDocs: LocalRow['docs'], run: LocalRow['run']): LocalRow {
  return { scope: 'local', name: `acl|${name}`, arity, flags: forAnyone, keys: noKeys, categories: ['slow'], docs: rowDocs, run };
}

function adminRow(name: string, arity: number, rowDocs: LocalRow['docs'], run: LocalRow['run']): LocalRow {
  return { ...row(name, arity, rowDocs, run), flags: ['admin', ...forAnyone], categories: ['admin', 'slow', 'dangerous'] };
}

/** `rows` is asked when a command runs, since the list that it returns holds these rows too. */
export function aclRows(rows: () => readonly CommandRow[]): readonly LocalRow[] {
  let lookup: CommandLookup | undefined;

  /** ACL DRYRUN user command [argument ...] */
  const dryRun = ({ users }: LocalContext, args: readonly Buffer[]): Reply => {
    const name = latin1(args[2] as Buffer);
    const user = users.get(name);
    if (user === undefined) return error(`ERR User '${name}' not found`);
    lookup ??= new CommandLookup(rows());
    const command = args.slice(3);
    const found = lookup.resolve(command);
    if (found instanceof ErrorReply) {
      const isKnown = found.text.startsWith('ERR wrong number of arguments');
      return isKnown ? found : error(`ERR Command '${latin1(command[0] as Buffer)}' not found`);
    }
    const denied = denial(user, found, command);
    return denied === undefined ? ok : bytesOf(denialText(user, denied, true));
  };

  return [
    container(
      {
        name: 'acl',
        helpSince: '6.0.0',
        categories: ['slow'],
        docs: docs('6.0.0', 'Depends on subcommand.', 'A container for Access List Control commands.'),
      },
      help,
      [
        row('cat', -2, docs('6.0.0', 'O(1)', 'Lists the ACL categories, or the commands inside a category.', '[category]'), cat),
        adminRow(
          'deluser',
          -3,
          docs(
            '6.0.0',
            'O(1) amortized time considering the typical user.',
            'Deletes ACL users, and terminates their connections.',
            'username [username ...]',
          ),
          deleteUsers,
        ),
        adminRow(
          'dryrun',
          -4,
          docs(
            '7.0.0',
            'O(1).',
            'Simulates the execution of a command by a user, without executing the command.',
            'username command [arg ...]',
          ),
          dryRun,
        ),
        row(
          'genpass',
          -2,
          docs('6.0.0', 'O(1)', 'Generates a pseudorandom, secure password that can be used to identify ACL users.', '[bits]'),
          generatePassword,
        ),
        adminRow(
          'getuser',
          3,
          docs(
            '6.0.0',
            'O(N). Where N is the number of password, command and pattern rules that the user has.',
            'Lists the ACL rules of a user.',
            'username',
          ),
          getUser,
        ),
        adminRow(
          'list',
          2,
          docs('6.0.0', 'O(N). Where N is the number of configured users.', 'Dumps the effective rules in ACL file format.'),
          ({ users }) => users.all().map((user) => bytesOf(lineOf(user))),
        ),
        adminRow(
          'load',
          2,
          docs(
            '6.0.0',
            'O(N). Where N is the number of configured users.',
            'Reloads the rules from the configured ACL file, for the whole cluster.',
          ),
          load,
        ),
        adminRow(
          'log',
          -2,
          docs(
            '6.0.0',
            'O(N) with N being the number of entries shown.',
            'Lists recent security events generated due to ACL rules.',
            '[count | RESET]',
          ),
          log,
        ),
        adminRow(
          'save',
          2,
          docs(
            '6.0.0',
            'O(N). Where N is the number of configured users.',
            'Saves the effective ACL rules in the configured ACL file of this node.',
          ),
          save,
        ),
        adminRow(
          'setuser',
          -3,
          docs(
            '6.0.0',
            'O(N). Where N is the number of rules provided.',
            'Creates and modifies an ACL user and its rules.',
            'username [rule [rule ...]]',
          ),
          setUser,
        ),
        adminRow('users', 2, docs('6.0.0', 'O(N). Where N is the number of configured users.', 'Lists all ACL users.'), ({ users }) =>
          users.all().map(({ name }) => bytesOf(name)),
        ),
        row('whoami', 2, docs('6.0.0', 'O(1)', 'Returns the authenticated username of the current connection.'), ({ client }) =>
          bytesOf(client.user.name),
        ),
      ],
    ),
  ];
}
