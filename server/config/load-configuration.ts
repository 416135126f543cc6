/**
 * From settings, as they were written, to the typed configuration. Later settings win over earlier ones, the environment over the file, and the
 * command line over both.
 *
 * Invariant: a `Configuration` that this returns satisfies every row's type and every rule between rows.
 */
import { readFileSync } from 'node:fs';
import { ConfigurationError, parseConfigurationFile, type Setting } from './configuration-file.js';
import {
  directiveKeyOf,
  directiveKeys,
  directiveNames,
  directiveOf,
  directives,
  type Configuration,
  type DirectiveKey,
} from './directives.js';
import { environmentSettings, type Environment } from './environment.js';
import { nearestName } from './nearest-name.js';
import { formatPeerAddress, Refusal } from './value-types.js';

/** Redis' own bound: more is a file that includes itself. */
const includeDepthMax = 16;

export interface ConfigurationSources {
  /** Path of a file in redis.conf's syntax. */
  readonly file?: string | undefined;
  /** Variables named TORC_ and a directive win over the file. */
  readonly environment?: Environment;
  /** In the order given; these win over all. */
  readonly overrides: readonly Setting[];
}

/** @throws ConfigurationError */
export function loadConfiguration(sources: ConfigurationSources): Configuration {
  const fromFile = sources.file === undefined ? [] : settingsOfFile(sources.file, includeDepthMax);
  return resolveConfiguration([...fromFile, ...environmentSettings(sources.environment ?? {}), ...sources.overrides]);
}

/** As in Redis, `include path` stands for what that file holds; a relative path is one from where the process runs. */
function settingsOfFile(file: string, depth: number): Setting[] {
  return parseConfigurationFile(readConfigurationFile(file), file).flatMap((setting) => {
    if (setting.name.toLowerCase() !== 'include') return setting;
    if (depth === 0) throw new ConfigurationError(`${setting.place}files include one another more than ${includeDepthMax} deep`);
    return settingsOfFile(setting.value, depth - 1);
  });
}

function readConfigurationFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigurationError(`cannot read the configuration file ${file}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

/** @throws ConfigurationError */
export function resolveConfiguration(settings: readonly Setting[]): Configuration {
  const values = new Map<DirectiveKey, unknown>();
  for (const setting of settings) {
    const key = directiveKeyOf(setting.name);
    if (key === undefined) throw new ConfigurationError(`${setting.place}${unknownDirective(setting.name)}`);
    const { name, type, isSecret, default: byDefault } = directiveOf(key);
    const before = values.get(key) ?? (typeof byDefault === 'string' ? type.parse(byDefault) : undefined);
    const value = type.parse(setting.value, before);
    if (value instanceof Refusal)
      throw new ConfigurationError(
        `${setting.place}${name} ${isSecret === true ? '' : `'${setting.value}' `}is not allowed: it takes ${type.allowed}`,
      );
    values.set(key, value);
  }
  return completed(values);
}

/** Fills in defaults, in the table's order since some follow from others, and checks what no row can check alone. */
function completed(given: ReadonlyMap<DirectiveKey, unknown>): Configuration {
  const values: Partial<Record<DirectiveKey, unknown>> = {};
  for (const key of directiveKeys) {
    // Other ports are derived from these two.
    if (key === 'bind' && values.port === 0 && values.tlsPort === 0)
      throw new ConfigurationError('port 0 without tls-port leaves clients nowhere to connect');
    values[key] = given.has(key) ? given.get(key) : defaultOf(key, values as Configuration);
  }
  const configuration = values as Configuration;
  const conflict = conflictWithin(configuration);
  if (conflict !== undefined) throw new ConfigurationError(`${directives[conflict.key].name} ${conflict.reason}`);
  return Object.freeze(configuration);
}

function defaultOf(key: DirectiveKey, earlier: Configuration): unknown {
  const { name, type, default: byDefault, defaultIs } = directiveOf(key);
  const text = typeof byDefault === 'string' ? byDefault : byDefault(earlier);
  const value = type.parse(text);
  if (!(value instanceof Refusal)) return value;
  throw new ConfigurationError(
    `${name} is ${defaultIs ?? 'by default'} = ${text}, which is not allowed: it takes ${type.allowed}; give ${name} itself`,
  );
}

export interface Conflict {
  readonly key: DirectiveKey;
  /** Follows the directive's name. */
  readonly reason: string;
}

/** The first rule between directives that does not hold. */
export function conflictWithin(configuration: Configuration): Conflict | undefined {
  const { port, peerPort, httpPort, replicas, writeQuorum, readQuorum, gossipIntervalMs, suspicionTimeoutMs } = configuration;
  if (writeQuorum > replicas) return { key: 'writeQuorum', reason: `${writeQuorum} is more than replicas ${replicas}` };
  if (readQuorum > replicas) return { key: 'readQuorum', reason: `${readQuorum} is more than replicas ${replicas}` };
  const { tlsPort, tlsCertFile, tlsKeyFile, tlsCaCertFile, tlsAuthClients, tlsCluster } = configuration;
  if (tlsPort !== 0 && [port, peerPort, httpPort].includes(tlsPort))
    return { key: 'tlsPort', reason: `${tlsPort} is another of this node's ports; the four differ` };
  if ((tlsPort !== 0 || tlsCluster) && (tlsCertFile === '' || tlsKeyFile === ''))
    return { key: 'tlsCertFile', reason: 'and tls-key-file are needed for tls-port and tls-cluster' };
  if ((tlsCluster || (tlsPort !== 0 && tlsAuthClients !== 'no')) && tlsCaCertFile === '')
    return { key: 'tlsCaCertFile', reason: 'is needed for tls-cluster, and for tls-port unless tls-auth-clients is no' };
  if (peerPort === port) return { key: 'peerPort', reason: `${peerPort} is also port; the three ports differ` };
  if (httpPort === port) return { key: 'httpPort', reason: `${httpPort} is also port; the three ports differ` };
  if (httpPort === peerPort) return { key: 'httpPort', reason: `${httpPort} is also peer-port; the three ports differ` };
  if (suspicionTimeoutMs <= gossipIntervalMs) {
    return { key: 'suspicionTimeoutMs', reason: `${suspicionTimeoutMs} is not more than gossip-interval ${gossipIntervalMs}` };
  }
  if (configuration.aclFile !== '' && configuration.users.length > 0)
    return { key: 'aclFile', reason: 'is given beside user lines; users stand in one of them' };
  const ownHosts = new Set([configuration.announceHost, ...configuration.bind]);
  const clientSeed = configuration.seeds.find((seed) => seed.port === port && ownHosts.has(seed.host));
  if (clientSeed !== undefined) {
    const given = formatPeerAddress(clientSeed);
    return { key: 'seeds', reason: `${given} is this node's client port; seeds name peer ports (${peerPort} here)` };
  }
  return undefined;
}

/** What is allowed and hardly meant, or weaker than it looks: one line each. */
export function warningsOf(configuration: Configuration): string[] {
  const { replicas, writeQuorum, readQuorum, sloppyQuorum, hintBytesMax, initialNodes, seeds } = configuration;
  const warnings: string[] = [];
  if (writeQuorum + readQuorum <= replicas) {
    const sum = `write-quorum ${writeQuorum} and read-quorum ${readQuorum}`;
    warnings.push(`${sum} together are not more than replicas ${replicas}: a read may miss what was acknowledged before it`);
  }
  if (sloppyQuorum && hintBytesMax === 0) {
    warnings.push(
      'sloppy-quorum yes with hint-max-bytes 0: nothing is kept for a node that cannot be reached, and no node stands in for it',
    );
  }
  if (initialNodes > 1 && seeds.length === 0) {
    warnings.push(`initial-nodes ${initialNodes} without seeds: this node waits until others, who have it among theirs, find it`);
  }
  return warnings;
}

/** One line that names the unknown directive and the nearest right one. */
function unknownDirective(name: string): string {
  return `unknown directive '${name}'; the nearest is ${nearestName(name, directiveNames)}`;
}
