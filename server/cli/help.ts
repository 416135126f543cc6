/** What `torc --help` prints. The directives come from their table. */
import { directiveKeys, directiveOf, type DirectiveKey } from '../config/directives.js';
import type { Subcommand } from './arguments.js';

const usage: Readonly<Record<Subcommand, string>> = {
  server: `torc server [conf] [--directive value ...]
    Runs one node. conf is a file in redis.conf's syntax; TORC_... in the environment
    (TORC_CACHE_SIZE for cache-size) wins over it, and what the command line gives wins over both.`,
  drain: `torc drain [conf] [--directive value ...]
    Tells the node that this configuration is of (its port, on this machine) to stop: the same as TORC DRAIN to it. Ends when the node has begun to.`,
  cluster: `torc cluster [--nodes 3] [--port 6379] [--dir ./data] [--directive value ...]
    Runs nodes node1, node2, ... on this machine, one process each, on the ports P, P+1, ... with their data in D/node1, D/node2, ...
    and zones a, b, c, ... Every directive is passed on to each node; --peer-port and --http-port count up from node1's as --port does.
    Ctrl-C stops them all.`,
};

export function helpText(about: Subcommand | undefined): string {
  const sections = about === undefined ? [usage.server, usage.drain, usage.cluster, 'torc --help | --version'] : [usage[about]];
  return `Torc, a leaderless key-value store that speaks the Redis protocol.

${sections.join('\n\n')}

Directives (those marked * can also be changed by CONFIG SET):
${directiveKeys.map(directiveHelp).join('\n')}
`;
}

function directiveHelp(key: DirectiveKey): string {
  const { name, default: byDefault, defaultIs, unit, whileRunning, doc } = directiveOf(key);
  const written = typeof byDefault === 'string' ? byDefault || '""' : (defaultIs ?? '');
  return `  ${whileRunning ? '*' : ' '} --${name.padEnd(27)} ${doc} [${written}${unit === undefined ? '' : `; ${unit}`}]`;
}
