/**
 * Directives from the environment: `TORC_CACHE_SIZE=1gb` is `cache-size 1gb`. They win over the configuration file and give way to the command line.
 *
 * Two kinds of variables begin with TORC_ and are no directives: what Kubernetes tells every pod of a service that is named torc (`TORC_PORT` is then
 * `tcp://10.0.0.1:6379`), which is passed over, and everything else, which is passed over too and named in a warning, since it may be a slip of the pen.
 */
import type { Setting } from './configuration-file.js';
import { directiveNames } from './directives.js';
import { nearestName } from './nearest-name.js';

const prefix = 'TORC_';

export type Environment = Readonly<Record<string, string | undefined>>;

export function environmentName(directive: string): string {
  return prefix + directive.toUpperCase().replaceAll('-', '_');
}

const directiveByVariable: ReadonlyMap<string, string> = new Map(directiveNames.map((name) => [environmentName(name), name]));

/** `TORC_SERVICE_HOST`, `TORC_PORT_6379_TCP`, `TORC_PEERS_PORT` and `TORC_PORT`, the last two by their value. */
function isServiceLink(variable: string, value: string): boolean {
  return /_SERVICE_(HOST|PORT)(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$/.test(variable) || /^(tcp|udp|sctp):\/\//.test(value);
}

/** In the order of the table of directives. An empty value is one: `TORC_LOGFILE=` is `logfile ""`. */
export function environmentSettings(environment: Environment): Setting[] {
  return [...directiveByVariable].flatMap(([variable, name]) => {
    const value = environment[variable];
    return value === undefined || isServiceLink(variable, value) ? [] : [{ name, value, place: `environment ${variable}: ` }];
  });
}

/** One line for each variable that looks like a directive and is none. */
export function environmentWarnings(environment: Environment): string[] {
  return Object.entries(environment)
    .filter(
      ([variable, value]) => variable.startsWith(prefix) && !directiveByVariable.has(variable) && !isServiceLink(variable, value ?? ''),
    )
    .map(([variable]) => `environment variable ${variable} names no directive; the nearest is ${nearestVariable(variable)}`);
}

function nearestVariable(variable: string): string {
  return environmentName(nearestName(variable.slice(prefix.length).replaceAll('_', '-'), directiveNames) ?? '');
}
