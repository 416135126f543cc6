/**
 * DEBUG: the few of its subcommands that tools and tests of clients need. As in Redis it is refused unless `enable-debug-command` allows it.
 * SLEEP makes its own client wait and nobody else, where Redis stands still.
 */
import { ErrorReply, StatusReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { LocalRow } from '../command-table.js';
import type { LocalContext } from '../local-context.js';
import { isToken } from './arguments.js';
import { subcommandSyntax } from './errors.js';
import { docsOf, noKeys } from './row.js';

const docs = docsOf('server');
const msPerSecond = 1000;
const notAllowed = new ErrorReply(
  'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.',
);
const noSuchKey = new ErrorReply('ERR no such key');

function mayDebug({ configuration, client }: LocalContext): boolean {
  const [[, allowed] = ['', 'no']] = configuration.matching(['enable-debug-command']);
  return allowed === 'yes' || (allowed === 'local' && /^(127\.|::1:|::ffff:127\.)/.test(client.address));
}

function debug(context: LocalContext, args: readonly Buffer[]): Reply | Promise<Reply> {
  if (!mayDebug(context)) return notAllowed;
  const name = args[1] as Buffer;
  const argument = args[2];
  if (isToken(name, 'HELP') && args.length === 2) return help;
  if (argument === undefined || args.length > 3) return subcommandSyntax('debug', args);
  if (isToken(name, 'SLEEP')) return sleep(context, argument);
  if (isToken(name, 'OBJECT')) return describeObject(context, argument);
  if (isToken(name, 'ERROR')) return new ErrorReply(argument.toString());
  return subcommandSyntax('debug', args);
}

/** As strtod: what is no number is 0. */
function sleep({ node }: LocalContext, seconds: Buffer): Promise<Reply> {
  const ms = Math.max(0, (Number.parseFloat(seconds.toString()) || 0) * msPerSecond);
  return new Promise((resolve) => node.after(ms, () => resolve(ok)));
}

/** What Redis prints of a value, as far as there is something of the kind. */
async function describeObject(context: LocalContext, key: Buffer): Promise<Reply> {
  const length = await context.ask([Buffer.from('STRLEN'), key]);
  if (length instanceof ErrorReply && length.code !== 'WRONGTYPE') return length;
  const type = await context.ask([Buffer.from('TYPE'), key]);
  const typeName = type instanceof StatusReply ? type.text : 'none';
  if (typeName === 'none') return noSuchKey;
  const bytes = length instanceof ErrorReply ? 0 : Number(length);
  return new StatusReply(`Value at:0x0 refcount:1 encoding:raw serializedlength:${bytes} lru:0 lru_seconds_idle:0 type:${typeName}`);
}

const help = [
  'DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'ERROR <string>',
  '    Return a Redis protocol error with <string> as message. Useful for clients',
  '    unit tests to simulate Redis errors.',
  'OBJECT <key>',
  '    Show low level info about `key` and associated value.',
  'SLEEP <seconds>',
  '    Make this client wait for <seconds>. Decimals allowed.',
  'HELP',
  '    Prints this help.',
].map((line) => new StatusReply(line));

export const debugRows: readonly LocalRow[] = [
  {
    scope: 'local',
    name: 'debug',
    arity: -2,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    keys: noKeys,
    categories: ['admin', 'slow', 'dangerous'],
    docs: docs('1.0.0', 'Depends on subcommand.', 'A container for debugging commands.', 'subcommand [arg]'),
    holds: true,
    run: debug,
  },
];
