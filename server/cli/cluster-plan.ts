/** Which nodes `torc cluster` runs, and with which directives each. Pure: the same command line gives the same nodes. */
import { join } from 'node:path';
import type { Setting } from '../config/configuration-file.js';
import { directives, type Configuration } from '../config/directives.js';
import { isWildcard } from '../config/own-address.js';
import { resolveConfiguration } from '../config/load-configuration.js';
import { formatPeerAddress } from '../config/value-types.js';
import { UsageError } from './arguments.js';

export interface PlannedNode {
  readonly configuration: Configuration;
  /** What follows the script's name on the node's command line. */
  readonly args: readonly string[];
}

/** Directives that cannot be the same for every node and are not counted up either. */
const perNode: readonly string[] = [directives.nodeId.name, directives.announcePort.name];

/** Directives that count up from the first node's. */
const counted = [directives.port.name, directives.peerPort.name, directives.httpPort.name, directives.tlsPort.name] as const;

/** 0 is none, on every node. */
const countedUp = (first: number, index: number): string => String(first === 0 ? 0 : first + index);

/**
 * @param settings what the command line gave; passed on to each node and winning over what is planned here, but for dir and the ports, of which
 *   each node gets its own
 * @throws ConfigurationError, UsageError
 */
export function planCluster(nodes: number, settings: readonly Setting[]): PlannedNode[] {
  const refused = settings.find((setting) => perNode.includes(setting.name));
  if (refused !== undefined) throw new UsageError(`--${refused.name} cannot be the same for all nodes; torc cluster gives each its own`);
  const base = resolveConfiguration(settings);
  requireApart(base, nodes);
  const passedOn = settings.filter(({ name }) => name !== directives.directory.name && !counted.some((each) => each === name));
  const peerHost = reachableHost(base);
  return Array.from({ length: nodes }, (_, index) => {
    const own: [name: string, value: string][] = [
      ['node-id', nodeName(index)],
      ['port', countedUp(base.port, index)],
      ['peer-port', String(base.peerPort + index)],
      ['http-port', String(base.httpPort + index)],
      ...(base.tlsPort === 0 ? [] : [['tls-port', countedUp(base.tlsPort, index)] as [string, string]]),
      ['dir', join(base.directory, nodeName(index))],
      ['logfile', join(base.directory, `${nodeName(index)}.log`)],
      ['zone', zoneName(index)],
      ['initial-nodes', String(nodes)],
    ];
    const others = Array.from({ length: nodes }, (_, other) => other).filter((other) => other !== index);
    if (others.length > 0) {
      own.push(['seeds', others.map((other) => formatPeerAddress({ host: peerHost, port: base.peerPort + other })).join(',')]);
    }
    const all: Setting[] = [...own.map(([name, value]) => ({ name, value, place: '' })), ...passedOn];
    // A directive given twice would be no error, but the last one alone is easier to read in a list of processes.
    const last = [...new Map(all.map((setting) => [setting.name, setting])).values()];
    return {
      configuration: resolveConfiguration(last),
      args: ['server', ...last.flatMap(({ name, value }) => [`--${name}`, value])],
    };
  });
}

/** @throws UsageError when one node's port would be another's too. */
function requireApart(base: Configuration, nodes: number): void {
  const ranges = [base.port, base.peerPort, base.httpPort, base.tlsPort]
    .map((first, at) => ({ name: counted[at] ?? '', first, last: first + nodes - 1 }))
    .filter(({ first }) => first !== 0);
  for (const [at, a] of ranges.entries()) {
    for (const b of ranges.slice(at + 1)) {
      if (a.last < b.first || b.last < a.first) continue;
      throw new UsageError(
        `--${a.name} ${a.first} to ${a.last} and --${b.name} ${b.first} to ${b.last} overlap; the ports of all nodes differ`,
      );
    }
  }
}

/** Where this machine itself reaches what listens on `bind`. */
export function reachableHost(configuration: Configuration): string {
  const bound = configuration.bind[0] ?? '127.0.0.1';
  return isWildcard(bound) ? '127.0.0.1' : bound;
}

function nodeName(index: number): string {
  return `node${index + 1}`;
}

/** a to z, then again. */
function zoneName(index: number): string {
  return String.fromCharCode('a'.charCodeAt(0) + (index % 26));
}
