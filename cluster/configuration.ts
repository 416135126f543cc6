/**
 * The configuration: who the members are, agreed by number. Number 1 comes from formation.ts; a later one is chosen by a majority of the members
 * of the one before. Everything about placement is a pure function of it, so nodes with the same configuration agree without a word.
 *
 * Invariant: a member number is never given to another node id; clocks name writers by it for ever.
 */
import { demand, fields, integer, list, objectAt, type Shape, ShapeError, text } from './checked-json.js';
import { preferenceList } from './preference-list.js';
import { buildRing, partitionPosition, slotCount } from './ring.js';

/** A node as it describes itself to others. Addresses are where it was when it was named; gossip knows where it is. */
export interface NodeDescription {
  /** The `node-id` directive: 1 to 255 characters without a zero byte. */
  readonly nodeId: string;
  /** Announced to clients and peers. */
  readonly host: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly zone: string;
  /** The `host` directive: which machine it runs on, for placement alone. */
  readonly hostLabel: string;
}

export interface Member extends NodeDescription {
  /** 1 to 65535: the high half of its actors. */
  readonly number: number;
}

export interface Configuration {
  /** 1 for the first. */
  readonly number: number;
  readonly clusterName: string;
  /** 1 to 16384; fixed at the cluster's birth. */
  readonly partitions: number;
  /** How many replicas are wanted; N is at most the number of members. */
  readonly replicas: number;
  /** By number, ascending; at least one. */
  readonly members: readonly Member[];
}

/** Bytes that are no configuration, or one of a format that this release does not know. The message says which field and why. */
export class ConfigurationError extends Error {
  readonly code = 'BAD_CONFIGURATION';
  override readonly name = 'ConfigurationError';
}

/** Of the encoding; on disk and on the wire. */
const formatVersion = 1;

const port = integer(0, 65535);
const nodeFields = {
  nodeId: demand(text(1, 255), (id) => !id.includes('\0'), 'has a zero byte'),
  host: text(1),
  clientPort: port,
  peerPort: port,
  zone: text(),
  hostLabel: text(),
};

export const nodeDescriptionShape: Shape<NodeDescription> = fields(nodeFields);

const membersShape = list(fields({ number: integer(1, 0xffff), ...nodeFields }), 1);
const ascending = demand(
  membersShape,
  (members) => members.every((member, i) => member.number > (members[i - 1]?.number ?? 0)),
  'member numbers must ascend, each once',
);

export const configurationShape: Shape<Configuration> = fields({
  number: integer(1),
  clusterName: text(1),
  partitions: integer(1, slotCount),
  replicas: integer(1),
  members: demand(
    ascending,
    (members) => new Set(members.map((member) => member.nodeId)).size === members.length,
    'two members have the same node id',
  ),
});

/** The same configuration gives the same bytes, so bytes may be compared. Throws ConfigurationError on what decoding would refuse. */
export function encodeConfiguration(configuration: Configuration): Buffer {
  const checked = checkedAs(configurationShape, configuration, 'configuration');
  return Buffer.from(JSON.stringify({ format: formatVersion, ...checked }), 'utf8');
}

/** Throws ConfigurationError. `bytes` are borrowed until return. */
export function decodeConfiguration(bytes: Buffer): Configuration {
  const { format, ...rest } = checkedAs(objectAt, parsedJson(bytes, 'configuration'), 'configuration');
  const written = checkedAs(integer(0), format, 'configuration.format');
  if (written !== formatVersion) {
    throw new ConfigurationError(`configuration: format ${written} is not known to this release, which knows ${formatVersion}`);
  }
  return checkedAs(configurationShape, rest, 'configuration');
}

export function sameConfiguration(x: Configuration, y: Configuration): boolean {
  return x === y || encodeConfiguration(x).equals(encodeConfiguration(y));
}

/** The JSON value in `bytes`. Throws ConfigurationError beginning with `what`. */
export function parsedJson(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new ConfigurationError(`${what}: not JSON`, { cause });
  }
}

/** `value` with the shape's fields in the shape's order. Throws ConfigurationError that names what, the first wrong field and why. */
export function checkedAs<T>(shape: Shape<T>, value: unknown, what: string): T {
  try {
    return shape(value, [what]);
  } catch (error) {
    if (error instanceof ShapeError) throw new ConfigurationError(error.message);
    throw error;
  }
}

/** Who holds what. Equal lists are one and the same array, so that comparing them is `===`. */
export interface Placement {
  readonly partitions: number;
  /** N: the length of every list. */
  readonly replicas: number;
  /** By partition: indexes in the configuration's members, in preference order. */
  readonly preferenceLists: readonly (readonly number[])[];
  /** The other members, in the order in which they stand in for home replicas. Worked out when it is asked for first. */
  readonly substitutes: (partition: number) => readonly number[];
}

const placements = new WeakMap<Configuration, Placement>();

/** Worked out once per configuration object: about 10 ms for 1024 partitions. Afterwards a look-up. */
export function placement(configuration: Configuration): Placement {
  let placed = placements.get(configuration);
  if (placed === undefined) {
    placed = place(configuration);
    placements.set(configuration, placed);
  }
  return placed;
}

function place({ members, partitions, replicas }: Configuration): Placement {
  const ring = buildRing(members);
  const lists = new Map<string, readonly number[]>();
  const preferenceLists = Array.from({ length: partitions }, (_, partition) => {
    const list = preferenceList(ring, members, partitionPosition(partition), replicas);
    const name = list.join();
    const known = lists.get(name);
    if (known !== undefined) return known;
    lists.set(name, list);
    return list;
  });
  const known = new Map<number, readonly number[]>();
  const substitutes = (partition: number): readonly number[] => {
    let list = known.get(partition);
    if (list === undefined) {
      list = preferenceList(ring, members, partitionPosition(partition), members.length).slice(replicas);
      known.set(partition, list);
    }
    return list;
  };
  return { partitions, replicas: Math.min(replicas, members.length), preferenceLists, substitutes };
}

export interface Quorums {
  /** N: home replicas of a partition. */
  readonly replicas: number;
  /** W: acknowledgements before a write is answered, the coordinator's own included. */
  readonly write: number;
  /** R: replicas whose versions a read compares, the reader's own included. */
  readonly read: number;
  /** N - W + 1: promises that a take-over needs, so that it meets every acknowledged write. */
  readonly promises: number;
}

/** What the directives come to with this many members: N at most the members, W and R at most N, each at least 1. */
export function quorums(configuration: Configuration, directives: { readonly writeQuorum: number; readonly readQuorum: number }): Quorums {
  const replicas = Math.min(configuration.replicas, configuration.members.length);
  const within = (wanted: number): number => Math.max(1, Math.min(wanted, replicas));
  const write = within(directives.writeQuorum);
  return { replicas, write, read: within(directives.readQuorum), promises: replicas - write + 1 };
}
