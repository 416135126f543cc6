/** The node: its figures, its directives, its clock. */
import { ErrorReply, MapReply, VerbatimReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { CommandFlag, LocalRow } from '../command-table.js';
import { infoText } from '../info.js';
import type { LocalContext } from '../local-context.js';
import { syntaxError } from './errors.js';
import { container, docsOf, noKeys } from './row.js';

const docs = docsOf('server');
const cannotReset = new ErrorReply('ERR CONFIG RESETSTAT cannot reset the statistics of this node');

const info = (context: LocalContext, args: readonly Buffer[]): Reply =>
  new VerbatimReply(
    infoText(
      context,
      args.slice(1).map((section) => section.toString().toLowerCase()),
    ),
  );

/** Seconds and microseconds, as strings: Redis answers so. */
function time({ nowMs }: LocalContext): Reply {
  return [String(Math.floor(nowMs / 1000)), String((nowMs % 1000) * 1000)];
}

const configGet = ({ configuration }: LocalContext, args: readonly Buffer[]): Reply =>
  new MapReply(configuration.matching(args.slice(2).map((pattern) => pattern.toString())));

function configSet({ configuration }: LocalContext, args: readonly Buffer[]): Reply {
  if (args.length % 2 !== 0) return syntaxError;
  const pairs: (readonly [string, string])[] = [];
  for (let i = 2; i < args.length; i += 2) pairs.push([(args[i] as Buffer).toString(), (args[i + 1] as Buffer).toString()]);
  const refusal = configuration.set(pairs);
  if (refusal === undefined) return ok;
  return new ErrorReply(refusal.startsWith('ERR ') ? refusal : `ERR ${refusal}`);
}

function resetStatistics({ statistics }: LocalContext): Reply {
  if (!statistics.reset) return cannotReset;
  statistics.reset();
  return ok;
}

const configFlags: readonly CommandFlag[] = ['admin', 'noscript', 'loading', 'stale'];

function configRow(name: string, arity: number, rowDocs: LocalRow['docs'], run: LocalRow['run']): LocalRow {
  return {
    scope: 'local',
    name: `config|${name}`,
    arity,
    flags: configFlags,
    keys: noKeys,
    categories: ['admin', 'slow', 'dangerous'],
    docs: rowDocs,
    run,
  };
}

const configHelp = [
  'GET <pattern>',
  '    Return parameters matching the glob-like <pattern> and their values.',
  'SET <directive> <value>',
  '    Set the configuration <directive> to <value>.',
  'RESETSTAT',
  '    Reset statistics reported by the INFO command.',
];

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
  container(
    {
      name: 'config',
      categories: ['slow'],
      docs: docs('2.0.0', 'Depends on subcommand.', 'A container for server configuration commands.'),
    },
    configHelp,
    [
      configRow(
        'get',
        -3,
        docs(
          '2.0.0',
          'O(N) when N is the number of configuration parameters provided',
          'Returns the effective values of configuration parameters.',
          'parameter [parameter ...]',
        ),
        configGet,
      ),
      configRow(
        'set',
        -4,
        docs(
          '2.0.0',
          'O(N) when N is the number of configuration parameters provided',
          'Sets configuration parameters of this node while it runs.',
          'parameter value [parameter value ...]',
        ),
        configSet,
      ),
      configRow('resetstat', 2, docs('2.0.0', 'O(1)', "Resets the node's statistics."), resetStatistics),
    ],
  ),
];
