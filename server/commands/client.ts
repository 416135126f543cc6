/** CLIENT: what the node knows of its connections. */
import { ErrorReply, VerbatimReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { LocalRow } from '../command-table.js';
import type { ClientView, LocalContext } from '../local-context.js';
import { isToken, parseIntegerWithin } from './arguments.js';
import { clientControlRows, clientRow, isOfType } from './client-control.js';
import { clientLine } from './client-line.js';
import { isNameByte } from './client-name.js';
import { cString, invalidClientName, syntaxError } from './errors.js';
import { container, docsOf } from './row.js';

const docs = docsOf('connection');
const invalidClientId = new ErrorReply('ERR Invalid client ID');
const clientsPerTurn = 500;

function setName({ client }: LocalContext, args: readonly Buffer[]): Reply {
  const name = args[2] as Buffer;
  if (!name.every(isNameByte)) return invalidClientName;
  client.name = name.toString();
  return ok;
}

function setInfo({ client }: LocalContext, args: readonly Buffer[]): Reply {
  const attribute = args[2] as Buffer;
  const value = args[3] as Buffer;
  const isName = isToken(attribute, 'LIB-NAME');
  if (!isName && !isToken(attribute, 'LIB-VER')) return new ErrorReply(`ERR Unrecognized option '${cString(attribute)}'`, 'latin1');
  if (!value.every(isNameByte))
    return new ErrorReply(`ERR ${isName ? 'lib-name' : 'lib-ver'} cannot contain spaces, newlines or special characters.`);
  if (isName) client.libraryName = value.toString();
  else client.libraryVersion = value.toString();
  return ok;
}

function list(context: LocalContext, args: readonly Buffer[]): Reply | Promise<Reply> {
  const chosen = chooseClients(context, args);
  return chosen instanceof ErrorReply ? chosen : describeAll(chosen, context.nowMs);
}

/** Thousands of clients are described over several turns of the event loop. */
async function describeAll(clients: readonly ClientView[], nowMs: number): Promise<Reply> {
  const parts: string[] = [];
  for (let from = 0; from < clients.length; from += clientsPerTurn) {
    if (from > 0) await new Promise((resolve) => setImmediate(resolve));
    parts.push(
      clients
        .slice(from, from + clientsPerTurn)
        .map((client) => `${clientLine(client, nowMs)}\n`)
        .join(''),
    );
  }
  return new VerbatimReply(parts.join(''));
}

/** CLIENT LIST [TYPE normal|master|replica|pubsub | ID id ...]; every client of Torc is a normal one. */
function chooseClients(context: LocalContext, args: readonly Buffer[]): readonly ClientView[] | ErrorReply {
  const option = args[2];
  const value = args[3];
  if (option === undefined) return context.clients();
  if (value && args.length === 4 && isToken(option, 'TYPE')) {
    const isType = isOfType(value);
    return isType instanceof ErrorReply ? isType : context.clients().filter(isType);
  }
  if (!value || !isToken(option, 'ID')) return syntaxError;
  const ids = args.slice(3).map((id) => parseIntegerWithin(id, 1, Number.MAX_SAFE_INTEGER));
  if (ids.includes(undefined)) return invalidClientId;
  const byId = new Map(context.clients().map((client) => [client.id, client]));
  return ids.flatMap((id) => byId.get(id ?? 0) ?? []);
}

/** Nothing is evicted and nothing has a last access time: both switches are kept and shown, and change nothing. */
const onOrOff =
  (property: 'noEvict' | 'noTouch'): LocalRow['run'] =>
  ({ client }, args) => {
    const value = args[2] as Buffer;
    if (!isToken(value, 'ON') && !isToken(value, 'OFF')) return syntaxError;
    client[property] = isToken(value, 'ON');
    return ok;
  };

const help = [
  'CACHING (YES|NO)',
  '    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.',
  'GETREDIR',
  '    Return the client ID we are redirecting to when tracking is enabled.',
  'GETNAME',
  '    Return the name of the current connection.',
  'ID',
  '    Return the ID of the current connection.',
  'INFO',
  '    Return information about the current client connection.',
  'KILL <ip:port>',
  '    Kill connection made from <ip:port>.',
  'KILL <option> <value> [<option> <value> [...]]',
  '    Kill connections. Options are:',
  '    * ADDR (<ip:port>|<unixsocket>:0)',
  '      Kill connections made from the specified address',
  '    * LADDR (<ip:port>|<unixsocket>:0)',
  '      Kill connections made to specified local address',
  '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
  '      Kill connections by type.',
  '    * USER <username>',
  '      Kill connections authenticated by <username>.',
  '    * SKIPME (YES|NO)',
  '      Skip killing current connection (default: yes).',
  'LIST [options ...]',
  '    Return information about client connections. Options:',
  '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
  '      Return clients of specified type.',
  '    * ID <id> [<id> ...]',
  '      Return clients of specified IDs only.',
  'UNPAUSE',
  '    Stop the current client pause, resuming traffic.',
  'PAUSE <timeout> [WRITE|ALL]',
  '    Suspend all, or just write, clients for <timeout> milliseconds.',
  'REPLY (ON|OFF|SKIP)',
  '    Control the replies sent to the current connection.',
  'SETNAME <name>',
  '    Assign the name <name> to the current connection.',
  'SETINFO <option> <value>',
  '    Set client meta attr. Options are:',
  '    * LIB-NAME: the client lib name.',
  '    * LIB-VER: the client lib version.',
  'UNBLOCK <clientid> [TIMEOUT|ERROR]',
  '    Unblock the specified blocked client.',
  'TRACKINGINFO',
  '    Report tracking status for the current connection.',
  'NO-EVICT (ON|OFF)',
  '    Protect current client connection from eviction.',
  'NO-TOUCH (ON|OFF)',
  '    Will not touch LRU/LFU stats when this mode is on.',
];

const clientCommand = container(
  {
    name: 'client',
    categories: ['slow', 'connection'],
    docs: docs('2.4.0', 'Depends on subcommand.', 'A container for client connection commands.'),
  },
  help,
  [
    clientRow('id', 2, docs('5.0.0', 'O(1)', 'Returns the unique client ID of the connection.'), ({ client }) => client.id),
    clientRow('setname', 3, docs('2.6.9', 'O(1)', 'Sets the connection name.', 'connection-name'), setName),
    clientRow('getname', 2, docs('2.6.9', 'O(1)', 'Returns the name of the connection.'), ({ client }) => client.name || null),
    clientRow(
      'setinfo',
      4,
      docs('7.2.0', 'O(1)', 'Sets information specific to the client or connection.', 'LIB-NAME libname | LIB-VER libver'),
      setInfo,
    ),
    clientRow(
      'info',
      2,
      docs('6.2.0', 'O(1)', 'Returns information about the connection.'),
      ({ client, nowMs }) => new VerbatimReply(`${clientLine(client, nowMs)}\n`),
    ),
    clientRow(
      'list',
      -2,
      docs(
        '2.4.0',
        'O(N) where N is the number of client connections',
        'Lists open connections.',
        '[TYPE NORMAL | MASTER | REPLICA | PUBSUB] [ID client-id [client-id ...]]',
      ),
      list,
      true,
    ),
    clientRow(
      'no-evict',
      3,
      docs('7.0.0', 'O(1)', 'Sets the client eviction mode of the connection.', 'ON | OFF'),
      onOrOff('noEvict'),
      true,
    ),
    clientRow(
      'no-touch',
      3,
      docs('7.2.0', 'O(1)', 'Controls whether commands sent by the client affect the LRU/LFU of accessed keys.', 'ON | OFF'),
      onOrOff('noTouch'),
    ),
    ...clientControlRows,
  ],
);

/** Redis counts the container itself to no more than @slow. */
export const clientRows: readonly LocalRow[] = [{ ...clientCommand, categories: ['slow'] }];
