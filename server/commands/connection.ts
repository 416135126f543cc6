/** The connection itself: who speaks, in which version of the protocol, and whether the other end is there. */
import { ErrorReply, MapReply, StatusReply, ok, pong } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { CommandFlag, LocalRow } from '../command-table.js';
import type { ClientView, LocalContext } from '../local-context.js';
import { defaultUserName, type User } from '../acl/user.js';
import { isToken, parseInteger } from './arguments.js';
import { isNameByte } from './client-name.js';
import { clientLine } from './client-line.js';
import { cString, invalidClientName, notAnInteger, syntaxError, wrongArity } from './errors.js';
import { compatibleVersion } from '../info.js';
import { docsOf, noKeys } from './row.js';

const docs = docsOf('connection');
const reset = new StatusReply('RESET');
const handshake: readonly CommandFlag[] = ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'];

const protocolNotAnInteger = new ErrorReply('ERR Protocol version is not an integer or out of range');
const unsupportedProtocol = new ErrorReply('NOPROTO unsupported protocol version');
const wrongPassword = new ErrorReply('WRONGPASS invalid username-password pair or user is disabled.');
const helloNeedsPassword = new ErrorReply(
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
);
const noPassword = new ErrorReply(
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
);
const oneDatabase = new ErrorReply('ERR Torc has one database, number 0; SELECT takes no other');

/** HELLO [protover [AUTH username password] [SETNAME clientname]]: nothing changes unless all of it is right. */
function hello(context: LocalContext, args: readonly Buffer[]): Reply {
  const { client } = context;
  let resp = client.resp;
  let name: Buffer | undefined;
  let user: User | undefined;
  if (args[1]) {
    const version = parseInteger(args[1]);
    if (version === undefined) return protocolNotAnInteger;
    if (version !== 2 && version !== 3) return unsupportedProtocol;
    resp = version;
  }
  for (let i = 2; i < args.length; i++) {
    const option = args[i] as Buffer;
    const left = args.length - i - 1;
    if (isToken(option, 'AUTH') && left >= 2) {
      user = userBy(context, args, args[i + 1] as Buffer, args[i + 2] as Buffer);
      if (user === undefined) return wrongPassword;
      i += 2;
    } else if (isToken(option, 'SETNAME') && left >= 1) {
      name = args[++i] as Buffer;
      if (!name.every(isNameByte)) return invalidClientName;
    } else return new ErrorReply(`ERR Syntax error in HELLO option '${cString(option)}'`, 'latin1');
  }
  if (user === undefined && !client.authenticated && !context.users.default.isOpen) return helloNeedsPassword;
  if (user !== undefined) client.authenticate(user);
  client.resp = resp;
  if (name) client.name = name.toString();
  return new MapReply([
    ['server', 'redis'],
    ['version', compatibleVersion],
    ['proto', resp],
    ['id', client.id],
    ['mode', 'cluster'],
    ['role', 'master'],
    ['modules', []],
  ]);
}

/** Undefined, and a line in ACL LOG, when that is not the user's password. */
function userBy({ users, aclLog, client, nowMs }: LocalContext, args: readonly Buffer[], name: Buffer, password: Buffer): User | undefined {
  const username = name.toString('latin1');
  const user = users.authenticated(username, password);
  if (user === undefined)
    aclLog.add({ reason: 'auth', object: (args[0] as Buffer).toString('latin1'), username, clientInfo: clientLine(client, nowMs) });
  return user;
}

/** AUTH [username] password. Without a password Redis' own words: clients know them, and go on with a warning. */
function auth(context: LocalContext, args: readonly Buffer[]): Reply {
  if (args.length > 3) return syntaxError;
  if (args.length === 2 && context.users.default.isOpen) return noPassword;
  const [name, password] = args.length === 2 ? [Buffer.from(defaultUserName), args[1] as Buffer] : [args[1] as Buffer, args[2] as Buffer];
  const user = userBy(context, args, name, password);
  if (user === undefined) return wrongPassword;
  context.client.authenticate(user);
  return ok;
}

function select(_context: LocalContext, args: readonly Buffer[]): Reply {
  const database = parseInteger(args[1] as Buffer);
  if (database === undefined) return notAnInteger;
  return database === 0 ? ok : oneDatabase;
}

function quit({ client }: LocalContext): Reply {
  client.closeAfterReply();
  return ok;
}

/** As if the connection were new; its id stays. */
function resetConnection({ client }: LocalContext): Reply {
  client.name = '';
  client.resp = 2;
  client.readonly = false;
  client.writeQuorum = undefined;
  client.readQuorum = undefined;
  client.noEvict = client.noTouch = false;
  if (client.monitoring) client.setMonitoring(false);
  client.setReplies('on');
  client.forgetUser();
  return reset;
}

const setReadonly =
  (value: boolean) =>
  ({ client }: { readonly client: ClientView }): Reply => {
    client.readonly = value;
    return ok;
  };

function row(name: string, arity: number, flags: readonly CommandFlag[], rowDocs: LocalRow['docs'], run: LocalRow['run']): LocalRow {
  return { scope: 'local', name, arity, flags, keys: noKeys, categories: ['fast', 'connection'], docs: rowDocs, run };
}

const clusterDocs = docsOf('cluster');

export const connectionRows: readonly LocalRow[] = [
  row('ping', -1, ['fast'], docs('1.0.0', 'O(1)', "Returns the server's liveliness response.", '[message]'), (_context, args) =>
    args.length > 2 ? wrongArity('ping') : (args[1] ?? pong),
  ),
  row(
    'echo',
    2,
    ['loading', 'stale', 'fast'],
    docs('1.0.0', 'O(1)', 'Returns the given string.', 'message'),
    (_context, args) => args[1] as Buffer,
  ),
  row(
    'hello',
    -1,
    handshake,
    docs('6.0.0', 'O(1)', 'Handshakes with the server.', '[protover [AUTH username password] [SETNAME clientname]]'),
    hello,
  ),
  row(
    'auth',
    -2,
    handshake,
    docs('1.0.0', 'O(N) where N is the number of passwords defined for the user', 'Authenticates the connection.', '[username] password'),
    auth,
  ),
  row('select', 2, ['loading', 'stale', 'fast'], docs('1.0.0', 'O(1)', 'Changes the selected database.', 'index'), select),
  row('quit', -1, handshake, docs('1.0.0', 'O(1)', 'Closes the connection.'), quit),
  row('reset', 1, handshake, docs('6.2.0', 'O(1)', 'Resets the connection.'), resetConnection),
  row(
    'readonly',
    1,
    ['loading', 'stale', 'fast'],
    clusterDocs('3.0.0', 'O(1)', 'Enables read-only queries for a connection; every node answers reads anyway.'),
    setReadonly(true),
  ),
  row('readwrite', 1, ['loading', 'stale', 'fast'], clusterDocs('3.0.0', 'O(1)', 'Ends what READONLY began.'), setReadonly(false)),
  row('asking', 1, ['fast'], clusterDocs('3.0.0', 'O(1)', 'Accepted for cluster clients; no node of Torc redirects with ASK.'), () => ok),
];
