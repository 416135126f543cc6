/** CONFIG: the directives of this node. */
import { ErrorReply, MapReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { CommandFlag, LocalRow } from '../command-table.js';
import type { LocalContext } from '../local-context.js';
import { syntaxError } from './errors.js';
import { container, docsOf, noKeys } from './row.js';

const docs = docsOf('server');

const configGet = ({ configuration }: LocalContext, args: readonly Buffer[]): Reply =>
  new MapReply(configuration.matching(args.slice(2).map((pattern) => pattern.toString())));

const refused = (refusal: string | undefined): Reply =>
  refusal === undefined ? ok : new ErrorReply(refusal.startsWith('ERR ') ? refusal : `ERR ${refusal}`);

function configSet({ configuration }: LocalContext, args: readonly Buffer[]): Reply {
  if (args.length % 2 !== 0) return syntaxError;
  const pairs: (readonly [string, string])[] = [];
  for (let i = 2; i < args.length; i += 2) pairs.push([(args[i] as Buffer).toString(), (args[i + 1] as Buffer).toString()]);
  return refused(configuration.set(pairs));
}

function resetStatistics({ statistics }: LocalContext): Reply {
  statistics.reset();
  return ok;
}

const flags: readonly CommandFlag[] = ['admin', 'noscript', 'loading', 'stale'];

function configRow(name: string, arity: number, rowDocs: LocalRow['docs'], run: LocalRow['run']): LocalRow {
  return {
    scope: 'local',
    name: `config|${name}`,
    arity,
    flags,
    keys: noKeys,
    categories: ['admin', 'slow', 'dangerous'],
    docs: rowDocs,
    run,
  };
}

const help = [
  'GET <pattern>',
  '    Return parameters matching the glob-like <pattern> and their values.',
  'SET <directive> <value>',
  '    Set the configuration <directive> to <value>.',
  'RESETSTAT',
  '    Reset statistics reported by the INFO command.',
  'REWRITE',
  '    Rewrite the configuration file.',
];

const perDirective = 'O(N) when N is the number of configuration parameters provided';

export const configRows: readonly LocalRow[] = [
  container(
    {
      name: 'config',
      categories: ['slow'],
      docs: docs('2.0.0', 'Depends on subcommand.', 'A container for server configuration commands.'),
    },
    help,
    [
      configRow(
        'get',
        -3,
        docs('2.0.0', perDirective, 'Returns the effective values of configuration parameters.', 'parameter [parameter ...]'),
        configGet,
      ),
      configRow(
        'set',
        -4,
        docs('2.0.0', perDirective, 'Sets configuration parameters of this node while it runs.', 'parameter value [parameter value ...]'),
        configSet,
      ),
      configRow('resetstat', 2, docs('2.0.0', 'O(1)', "Resets the node's statistics."), resetStatistics),
      configRow('rewrite', 2, docs('2.8.0', 'O(1)', 'Persists the effective configuration to file.'), async ({ configuration }) =>
        refused(await configuration.rewrite()),
      ),
    ],
  ),
];
