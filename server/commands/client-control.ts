/** CLIENT, where it changes what becomes of connections: KILL, PAUSE, REPLY, UNBLOCK, and what there is of tracking, which is nothing. */
import { ErrorReply, MapReply, SetReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { CommandFlag, LocalRow } from '../command-table.js';
import type { ClientView, LocalContext } from '../local-context.js';
import { isToken, parseInteger } from './arguments.js';
import { cString, notAnInteger, subcommandSyntax, syntaxError } from './errors.js';
import { docsOf, noKeys } from './row.js';
import { pauseTimeout } from './timeout.js';

const docs = docsOf('connection');

const noSuchClient = new ErrorReply('ERR No such client');
const idTooSmall = new ErrorReply('ERR client-id should be greater than 0');
const pauseMode = new ErrorReply('ERR CLIENT PAUSE mode must be WRITE or ALL');
const unblockReason = new ErrorReply('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR');
const noTracking = new ErrorReply(
  'ERR CLIENT TRACKING is not supported: Torc sends no invalidations; give cached values a time to live of your own',
);
const notTracking = new ErrorReply(
  'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled',
);

type Filter = (client: ClientView) => boolean;
const everyClient: Filter = () => true;
const noClient: Filter = () => false;

/** Every client of Torc is a normal one. */
export function isOfType(type: Buffer): Filter | ErrorReply {
  if (isToken(type, 'NORMAL')) return everyClient;
  if (['MASTER', 'REPLICA', 'SLAVE', 'PUBSUB'].some((name) => isToken(type, name))) return noClient;
  return new ErrorReply(`ERR Unknown client type '${cString(type)}'`, 'latin1');
}

function killFilter({ client, users }: LocalContext, option: Buffer, value: Buffer): Filter | ErrorReply {
  if (isToken(option, 'ID')) {
    const id = parseInteger(value);
    if (id === undefined || id < 1) return idTooSmall;
    return (each) => each.id === Number(id);
  }
  const text = value.toString();
  if (isToken(option, 'TYPE')) return isOfType(value);
  if (isToken(option, 'ADDR')) return (each) => each.address === text;
  if (isToken(option, 'LADDR')) return (each) => each.localAddress === text;
  if (isToken(option, 'USER')) {
    const name = value.toString('latin1');
    return users.get(name) === undefined
      ? new ErrorReply(`ERR No such user '${cString(value)}'`, 'latin1')
      : (each) => each.user.name === name;
  }
  if (!isToken(option, 'SKIPME')) return syntaxError;
  if (isToken(value, 'YES')) return (each) => each !== client;
  return isToken(value, 'NO') ? everyClient : syntaxError;
}

/** CLIENT KILL ip:port | CLIENT KILL option value ...; all options must hold. The asker is told before it is closed. */
function kill(context: LocalContext, args: readonly Buffer[]): Reply {
  const isOld = args.length === 3;
  const filters: Filter[] = [];
  const options = isOld ? [Buffer.from('ADDR'), args[2] as Buffer] : args.slice(2);
  let skipsAsker = !isOld;
  for (let i = 0; i < options.length; i += 2) {
    const option = options[i] as Buffer;
    const value = options[i + 1];
    if (value === undefined) return syntaxError;
    const filter = killFilter(context, option, value);
    if (filter instanceof ErrorReply) return filter;
    if (isToken(option, 'SKIPME')) skipsAsker = isToken(value, 'YES');
    else filters.push(filter);
  }
  const doomed = context.clients().filter((each) => !(skipsAsker && each === context.client) && filters.every((filter) => filter(each)));
  for (const each of doomed) {
    if (each === context.client) each.closeAfterReply();
    else each.kill();
  }
  if (isOld) return doomed.length > 0 ? ok : noSuchClient;
  return doomed.length;
}

function pause({ node }: LocalContext, args: readonly Buffer[]): Reply {
  const mode = args[3];
  if (args.length > 4) return subcommandSyntax('client', args);
  if (mode && !isToken(mode, 'WRITE') && !isToken(mode, 'ALL')) return pauseMode;
  const timeoutMs = pauseTimeout(args[2] as Buffer);
  if (timeoutMs instanceof ErrorReply) return timeoutMs;
  node.pauseClients(mode && isToken(mode, 'WRITE') ? 'write' : 'all', timeoutMs);
  return ok;
}

function unpause({ node }: LocalContext): Reply {
  node.unpauseClients();
  return ok;
}

function reply({ client }: LocalContext, args: readonly Buffer[]): Reply {
  const mode = args[2] as Buffer;
  if (isToken(mode, 'ON')) client.setReplies('on');
  else if (isToken(mode, 'OFF')) client.setReplies('off');
  else if (isToken(mode, 'SKIP')) client.setReplies('skip');
  else return syntaxError;
  return ok;
}

function unblock(context: LocalContext, args: readonly Buffer[]): Reply {
  const how = args[3];
  if (args.length > 4) return subcommandSyntax('client', args);
  if (how && !isToken(how, 'TIMEOUT') && !isToken(how, 'ERROR')) return unblockReason;
  const id = parseInteger(args[2] as Buffer);
  if (id === undefined) return notAnInteger;
  const blocked = context.clients().find((client) => client.id === Number(id))?.unblock;
  blocked?.(how && isToken(how, 'ERROR') ? 'error' : 'timeout');
  return blocked === undefined ? 0 : 1;
}

/** Redis' reply of a client that does not track. */
const trackingInfo = (): Reply =>
  new MapReply([
    ['flags', new SetReply(['off'])],
    ['redirect', -1],
    ['prefixes', []],
  ]);

/** Nothing is tracked to begin with. */
const tracking = (_context: LocalContext, args: readonly Buffer[]): Reply => {
  const value = args[2] as Buffer;
  if (isToken(value, 'OFF')) return args.length === 3 ? ok : noTracking;
  return isToken(value, 'ON') ? noTracking : syntaxError;
};

const usual: readonly CommandFlag[] = ['noscript', 'loading', 'stale'];

export function clientRow(name: string, arity: number, rowDocs: LocalRow['docs'], run: LocalRow['run'], admin = false): LocalRow {
  return {
    scope: 'local',
    name: `client|${name}`,
    arity,
    flags: admin ? ['admin', ...usual] : usual,
    keys: noKeys,
    categories: admin ? ['admin', 'slow', 'dangerous', 'connection'] : ['slow', 'connection'],
    docs: rowDocs,
    run,
  };
}

const perClient = 'O(N) where N is the number of client connections';

export const clientControlRows: readonly LocalRow[] = [
  clientRow(
    'kill',
    -3,
    docs(
      '2.4.0',
      perClient,
      'Terminates open connections.',
      'ip:port | [ID client-id] [TYPE NORMAL | MASTER | SLAVE | REPLICA | PUBSUB] [USER username] [ADDR ip:port] [LADDR ip:port] [SKIPME YES | NO]',
    ),
    kill,
    true,
  ),
  clientRow(
    'pause',
    -3,
    docs('2.9.50', 'O(1)', 'Suspends commands processing of the clients of this node.', 'timeout [WRITE | ALL]'),
    pause,
    true,
  ),
  clientRow('unpause', 2, docs('6.2.0', perClient, 'Resumes processing commands from paused clients.'), unpause, true),
  clientRow('reply', 3, docs('3.2.0', 'O(1)', 'Instructs the server whether to reply to commands.', 'ON | OFF | SKIP'), reply),
  clientRow(
    'unblock',
    -3,
    docs(
      '5.0.0',
      'O(log N) where N is the number of client connections',
      'Unblocks a client blocked by a blocking command from a different connection.',
      'client-id [TIMEOUT | ERROR]',
    ),
    unblock,
    true,
  ),
  clientRow(
    'getredir',
    2,
    docs('6.0.0', 'O(1)', "Returns the client ID to which the connection's tracking notifications are redirected."),
    () => -1,
  ),
  clientRow(
    'trackinginfo',
    2,
    docs('6.2.0', 'O(1)', 'Returns information about server-assisted client-side caching for the connection.'),
    trackingInfo,
  ),
  clientRow(
    'tracking',
    -3,
    docs('6.0.0', 'O(1)', 'Controls server-assisted client-side caching for the connection; Torc has none.', 'ON | OFF'),
    tracking,
  ),
  clientRow(
    'caching',
    3,
    docs('6.0.0', 'O(1)', 'Instructs the server whether to track the keys in the next request.', 'YES | NO'),
    () => notTracking,
  ),
];
