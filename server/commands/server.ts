/** The node: its figures, its clock, its end. */
import { ErrorReply, VerbatimReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { CommandFlag, LocalRow } from '../command-table.js';
import { compatibleVersion, infoText } from '../info.js';
import type { LocalContext } from '../local-context.js';
import { ringDrawing } from '../ring-drawing.js';
import { isToken, parseInteger } from './arguments.js';
import { notAnInteger, syntaxError } from './errors.js';
import { docsOf, noKeys } from './row.js';

const docs = docsOf('server');

const info = (context: LocalContext, args: readonly Buffer[]): Reply =>
  new VerbatimReply(
    infoText(
      context,
      args.slice(1).map((section) => section.toString().toLowerCase()),
    ),
  );

/** Seconds and microseconds, as strings: Redis answers so. */
function time({ unixMicroseconds }: LocalContext): Reply {
  return [String(Math.floor(unixMicroseconds / 1e6)), String(unixMicroseconds % 1e6)];
}

/** Every node takes writes and follows nobody. */
const role = (): Reply => ['master', 0, []];

/** MONITOR: from now on this connection is shown what others send. */
function monitor({ client }: LocalContext): Reply {
  client.setMonitoring(true);
  return ok;
}

/** LOLWUT [VERSION version] [arguments...]: what they say is not looked at beyond VERSION's number. */
function lolwut({ cluster, torcVersion }: LocalContext, args: readonly Buffer[]): Reply {
  const [, option, version] = args;
  if (option && version && isToken(option, 'VERSION') && parseInteger(version) === undefined) return notAnInteger;
  return new VerbatimReply(`${ringDrawing(cluster)}\nRedis ver. ${compatibleVersion} (Torc ${torcVersion})\n`);
}

const noShutdown = new ErrorReply('ERR No shutdown in progress.');

/**
 * SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]. Every write is in the commit log, so SAVE and NOSAVE come to the same. NOW does not wait for others
 * to take over what this node coordinates. It has no reply: the connection ends.
 */
function shutdown({ node }: LocalContext, args: readonly Buffer[]): Reply | Promise<Reply> {
  const said = new Set(args.slice(1).map((option) => option.toString('latin1').toUpperCase()));
  for (const option of said) if (!['SAVE', 'NOSAVE', 'NOW', 'FORCE', 'ABORT'].includes(option)) return syntaxError;
  if ((said.has('SAVE') && said.has('NOSAVE')) || (said.has('ABORT') && said.size > 1)) return syntaxError;
  if (said.has('ABORT')) return noShutdown;
  node.shutDown(said.has('NOW') ? 'now' : 'in order');
  return new Promise(() => undefined);
}

function row(
  name: string,
  arity: number,
  flags: readonly CommandFlag[],
  categories: readonly string[],
  rowDocs: LocalRow['docs'],
  run: LocalRow['run'],
): LocalRow {
  return { scope: 'local', name, arity, flags, keys: noKeys, categories, docs: rowDocs, run };
}

const administers: readonly CommandFlag[] = ['admin', 'noscript', 'loading', 'stale'];

export const serverRows: readonly LocalRow[] = [
  {
    scope: 'local',
    name: 'info',
    arity: -1,
    flags: ['loading', 'stale'],
    keys: noKeys,
    categories: ['slow', 'dangerous'],
    docs: docs('1.0.0', 'O(1)', 'Returns information and statistics about the node.', '[section [section ...]]'),
    run: info,
  },
  {
    scope: 'local',
    name: 'time',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    keys: noKeys,
    categories: ['fast'],
    docs: docs('2.6.0', 'O(1)', "Returns the node's time."),
    run: time,
  },
  row(
    'role',
    1,
    ['noscript', 'loading', 'stale', 'fast'],
    ['admin', 'fast', 'dangerous'],
    docs('2.8.12', 'O(1)', 'Returns the replication role.'),
    role,
  ),
  row(
    'monitor',
    1,
    administers,
    ['admin', 'slow', 'dangerous'],
    docs('1.0.0', 'O(1)', 'Listens for all requests received by this node in real-time.'),
    monitor,
  ),
  row(
    'lolwut',
    -1,
    ['readonly', 'fast'],
    ['read', 'fast'],
    docs('5.0.0', 'O(1)', 'Displays computer art and the Redis version.', '[VERSION version]'),
    lolwut,
  ),
  row(
    'shutdown',
    -1,
    ['admin', 'noscript', 'loading', 'stale', 'no_multi', 'allow_busy'],
    ['admin', 'slow', 'dangerous'],
    docs('1.0.0', 'O(1)', 'Stops the node; what it wrote is in its commit log.', '[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]'),
    shutdown,
  ),
];
