/** SLOWLOG: this node's commands that took longest, from arrival to reply. */
import { ErrorReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { LocalRow } from '../command-table.js';
import type { LocalContext } from '../local-context.js';
import { parseInteger } from './arguments.js';
import { subcommandSyntax } from './errors.js';
import { container, docsOf, noKeys } from './row.js';

const docs = docsOf('server');
const countDefault = 10;
const countTooSmall = new ErrorReply('ERR count should be greater than or equal to -1');

/** SLOWLOG GET [count]; -1 = all. */
function get({ slowLog }: LocalContext, args: readonly Buffer[]): Reply {
  if (args.length > 3) return subcommandSyntax('slowlog', args);
  const count = args[2] === undefined ? countDefault : parseInteger(args[2]);
  if (count === undefined || count < -1) return countTooSmall;
  return slowLog
    .newest(count === -1 ? slowLog.length : Number(count))
    .map((entry) => [entry.id, entry.unixSeconds, entry.microseconds, entry.args, entry.address, entry.clientName]);
}

function reset({ slowLog }: LocalContext): Reply {
  slowLog.reset();
  return ok;
}

const row = (name: string, arity: number, rowDocs: LocalRow['docs'], run: LocalRow['run']): LocalRow => ({
  scope: 'local',
  name: `slowlog|${name}`,
  arity,
  flags: ['admin', 'loading', 'stale'],
  keys: noKeys,
  categories: ['admin', 'slow', 'dangerous'],
  docs: rowDocs,
  run,
});

const help = [
  'GET [<count>]',
  '    Return top <count> entries from the slowlog (default: 10, -1 mean all).',
  '    Entries are made of:',
  '    id, timestamp, time in microseconds, arguments array, client IP and port,',
  '    client name',
  'LEN',
  '    Return the length of the slowlog.',
  'RESET',
  '    Reset the slowlog.',
];

export const slowlogRows: readonly LocalRow[] = [
  container(
    {
      name: 'slowlog',
      helpSince: '6.2.0',
      categories: ['slow'],
      docs: docs('2.2.12', 'Depends on subcommand.', 'A container for slow log commands.'),
    },
    help,
    [
      row('get', -2, docs('2.2.12', 'O(N) where N is the number of entries returned', "Returns the slow log's entries.", '[count]'), get),
      row('len', 2, docs('2.2.12', 'O(1)', 'Returns the number of entries in the slow log.'), ({ slowLog }) => slowLog.length),
      row(
        'reset',
        2,
        docs('2.2.12', 'O(N) where N is the number of entries in the slowlog', 'Clears all entries from the slow log.'),
        reset,
      ),
    ],
  ),
];
