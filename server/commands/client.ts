/** CLIENT: what the node knows of its connections. */
import { ErrorReply, VerbatimReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { CommandFlag, LocalRow } from '../command-table.js';
import type { ClientView, LocalContext } from '../local-context.js';
import { isToken, parseIntegerWithin } from './arguments.js';
import { invalidClientName, syntaxError } from './errors.js';
import { container, docsOf, noKeys } from './row.js';

const docs = docsOf('connection');
const invalidClientId = new ErrorReply('ERR Invalid client ID');
const clientTypes: readonly string[] = ['NORMAL', 'MASTER', 'REPLICA', 'SLAVE', 'PUBSUB'];
const msPerSecond = 1000;

/** CLIENT LIST separates its fields by spaces and its clients by line breaks, so names hold neither. */
export const isNameByte = (byte: number): boolean => byte >= 0x21 && byte <= 0x7e;

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
  if (!isName && !isToken(attribute, 'LIB-VER')) return new ErrorReply(`ERR Unrecognized option '${attribute.toString()}'`);
  if (!value.every(isNameByte))
    return new ErrorReply(`ERR ${isName ? 'lib-name' : 'lib-ver'} cannot contain spaces, newlines or special characters.`);
  if (isName) client.libraryName = value.toString();
  else client.libraryVersion = value.toString();
  return ok;
}

/** One line of CLIENT LIST, in Redis 7.2's order; what Torc has not is printed as Redis prints nothing of it. */
function describe(client: ClientView, nowMs: number): string {
  const seconds = (sinceMs: number): number => Math.max(0, Math.floor((nowMs - sinceMs) / msPerSecond));
  const flags = client.readonly ? 'r' : 'N';
  return (
    `id=${client.id} addr=${client.address} laddr=${client.localAddress} fd=-1 name=${client.name} age=${seconds(client.createdAtMs)} idle=${seconds(client.lastCommandAtMs)}` +
    ` flags=${flags} db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=${client.queryBufferBytes} qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0` +
    ` omem=${client.outputBufferBytes} tot-mem=${client.queryBufferBytes + client.outputBufferBytes} events=r cmd=${client.lastCommand || 'NULL'} user=default redir=-1` +
    ` resp=${client.resp} lib-name=${client.libraryName} lib-ver=${client.libraryVersion}\n`
  );
}

function list(context: LocalContext, args: readonly Buffer[]): Reply {
  const chosen = chooseClients(context, args);
  if (chosen instanceof ErrorReply) return chosen;
  return new VerbatimReply(chosen.map((client) => describe(client, context.nowMs)).join(''));
}

/** CLIENT LIST [TYPE normal|master|replica|pubsub | ID id ...]; every client of Torc is a normal one. */
function chooseClients(context: LocalContext, args: readonly Buffer[]): readonly ClientView[] | ErrorReply {
  const option = args[2];
  const value = args[3];
  if (option === undefined) return context.clients();
  if (value && args.length === 4 && isToken(option, 'TYPE')) {
    if (!clientTypes.some((type) => isToken(value, type))) return new ErrorReply(`ERR Unknown client type '${value.toString()}'`);
    return isToken(value, 'NORMAL') ? context.clients() : [];
  }
  if (!value || !isToken(option, 'ID')) return syntaxError;
  const ids = args.slice(3).map((id) => parseIntegerWithin(id, 1, Number.MAX_SAFE_INTEGER));
  if (ids.includes(undefined)) return invalidClientId;
  return ids.flatMap((id) => context.clients().find((client) => client.id === id) ?? []);
}

/** Nothing is evicted and nothing has a last access time, so both switches are taken and change nothing. */
const onOrOff = (_context: LocalContext, args: readonly Buffer[]): Reply => {
  const value = args[2] as Buffer;
  return isToken(value, 'ON') || isToken(value, 'OFF') ? ok : syntaxError;
};

const usual: readonly CommandFlag[] = ['noscript', 'loading', 'stale'];

function row(name: string, arity: number, rowDocs: LocalRow['docs'], run: LocalRow['run'], admin = false): LocalRow {
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

const help = [
  'GETNAME',
  '    Return the name of the current connection.',
  'ID',
  '    Return the ID of the current connection.',
  'INFO',
  '    Return information about the current client connection.',
  'LIST [options ...]',
  '    Return information about client connections. Options:',
  '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
  '      Return clients of specified type.',
  '    * ID <id> [<id> ...]',
  '      Return clients of specified IDs only.',
  'SETNAME <name>',
  '    Assign the name <name> to the current connection.',
  'SETINFO <option> <value>',
  '    Set client meta attr. Options are:',
  '    * LIB-NAME: the client lib name.',
  '    * LIB-VER: the client lib version.',
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
    row('id', 2, docs('5.0.0', 'O(1)', 'Returns the unique client ID of the connection.'), ({ client }) => client.id),
    row('setname', 3, docs('2.6.9', 'O(1)', 'Sets the connection name.', 'connection-name'), setName),
    row('getname', 2, docs('2.6.9', 'O(1)', 'Returns the name of the connection.'), ({ client }) => client.name || null),
    row(
      'setinfo',
      4,
      docs('7.2.0', 'O(1)', 'Sets information specific to the client or connection.', 'LIB-NAME libname | LIB-VER libver'),
      setInfo,
    ),
    row(
      'info',
      2,
      docs('6.2.0', 'O(1)', 'Returns information about the connection.'),
      ({ client, nowMs }) => new VerbatimReply(describe(client, nowMs)),
    ),
    row(
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
    row('no-evict', 3, docs('7.0.0', 'O(1)', 'Sets the client eviction mode of the connection.', 'ON | OFF'), onOrOff, true),
    row(
      'no-touch',
      3,
      docs('7.2.0', 'O(1)', 'Controls whether commands sent by the client affect the LRU/LFU of accessed keys.', 'ON | OFF'),
      onOrOff,
    ),
  ],
);

/** Redis counts the container itself to no more than @slow. */
export const clientRows: readonly LocalRow[] = [{ ...clientCommand, categories: ['slow'] }];
