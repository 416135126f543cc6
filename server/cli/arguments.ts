/**
 * The command line: which subcommand, and the directives given to it. Says nothing about whether values are right; the configuration does.
 *
 *   torc server [conf] [--directive value ...]
 *   torc drain [conf] [--directive value ...]
 *   torc cluster [--nodes N] [--port P] [--dir D] [--directive value ...]
 *
 * As with redis-server a directive may have several words (`--bind 127.0.0.1 10.0.0.1`): words that follow an option belong to it, so a
 * configuration file comes first.
 */
import { parseArgs } from 'node:util';
import type { Setting } from '../config/configuration-file.js';
import { directiveNames } from '../config/directives.js';
import { nearestName } from '../config/nearest-name.js';

export type CommandLine =
  | { readonly kind: 'server' | 'drain'; readonly file: string | undefined; readonly settings: readonly Setting[] }
  | { readonly kind: 'cluster'; readonly nodes: number; readonly settings: readonly Setting[] }
  | { readonly kind: 'help'; readonly about: Subcommand | undefined }
  | { readonly kind: 'version' };

export const subcommands = ['server', 'drain', 'cluster'] as const;
export type Subcommand = (typeof subcommands)[number];

/** Bounds what a slip of the finger starts; each node is a process of its own. */
const clusterNodesMax = 64;

/** A command line that means nothing: one line that names what is wrong and the nearest right thing. */
export class UsageError extends Error {
  readonly code = 'USAGE';
}

/**
 * @param argv what follows the script's name
 * @throws UsageError
 */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const [first, ...rest] = argv;
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') return { kind: 'help', about: undefined };
  if (first === '--version' || first === '-v' || first === 'version') return { kind: 'version' };
  const subcommand = subcommands.find((name) => name === first);
  if (subcommand === undefined) {
    const what = first.startsWith('-') ? 'a subcommand comes before options; unknown' : 'unknown subcommand';
    throw new UsageError(
      `${what} '${first}'; the nearest is 'torc ${nearestName(first.replace(/^-+/, ''), subcommands)}', and torc --help lists all`,
    );
  }
  const { words, settings, asked } = readOptions(subcommand, rest);
  if (asked === 'help') return { kind: 'help', about: subcommand };
  if (asked === 'version') return { kind: 'version' };
  if (subcommand !== 'cluster') {
    if (words.length > 1) throw new UsageError(`torc ${subcommand} takes one configuration file, and '${words[1]}' is a second`);
    return { kind: subcommand, file: words[0], settings };
  }
  if (words[0] !== undefined) throw new UsageError(`torc cluster takes options only, and '${words[0]}' is none`);
  return { kind: 'cluster', nodes: nodesOf(settings), settings: settings.filter((setting) => setting.name !== 'nodes') };
}

interface Options {
  /** What stands before the first option. */
  readonly words: readonly string[];
  readonly settings: readonly Setting[];
  readonly asked: 'help' | 'version' | undefined;
}

function readOptions(subcommand: Subcommand, args: readonly string[]): Options {
  const names = subcommand === 'cluster' ? ['nodes', ...directiveNames] : directiveNames;
  const { tokens } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries(names.map((name) => [name, { type: 'string', multiple: true } as const])),
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
    },
    strict: false,
    tokens: true,
  });
  const words: string[] = [];
  const given: { name: string; values: string[] }[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') {
      (given.at(-1)?.values ?? words).push(token.value);
    } else if (token.kind === 'option') {
      if (token.name === 'help' || token.name === 'version') return { words, settings: [], asked: token.name };
      if (!names.includes(token.name)) {
        throw new UsageError(`unknown option ${token.rawName}; the nearest is --${nearestName(token.name, names)}`);
      }
      if (token.value === undefined || (!token.inlineValue && token.value.startsWith('--'))) {
        throw new UsageError(`${token.rawName} needs a value`);
      }
      given.push({ name: token.name, values: [token.value] });
    }
  }
  return { words, settings: given.map(({ name, values }) => ({ name, value: values.join(' '), place: '' })), asked: undefined };
}

function nodesOf(settings: readonly Setting[]): number {
  const text = settings.findLast((setting) => setting.name === 'nodes')?.value ?? '3';
  const nodes = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (nodes < 1 || nodes > clusterNodesMax) {
    throw new UsageError(`nodes '${text}' is not allowed: it takes an integer from 1 to ${clusterNodesMax}`);
  }
  return nodes;
}
