/**
 * The configuration: who the members are, agreed by number. Number 1 comes from formation.ts; a later one is chosen by a majority of the members
 * of the one before. Everything about placement is a pure function of it, so nodes with the same configuration agree without a word.
 *
 * Invariant: a member number is never given to another node id; clocks name writers by it for ever.
 */
import * as z from 'zod';
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

const port = z.int().min(0).max(65535);
const nodeFields = {
  nodeId: z
    .string()
    .min(1)
    .max(255)
    .refine((id) => !id.includes('\0'), 'has a zero byte'),
  host: z.string().min(1),
  clientPort: port,
  peerPort: port,
  zone: z.string(),
  hostLabel: z.string(),
};

export const nodeDescriptionSchema = z.strictObject(nodeFields);

export const configurationSchema = z
  .strictObject({
    number: z.int().min(1),
    clusterName: z.string().min(1),
    partitions: z.int().min(1).max(slotCount),
    replicas: z.int().min(1),
    members: z.array(z.strictObject({ number: z.int().min(1).max(0xffff), ...nodeFields })).min(1),
  })
  .refine(({ members }) => members.every((member, i) => member.number > (members[i - 1]?.number ?? 0)), {
    path: ['members'],
    error: 'member numbers must ascend, each once',
  })
  .refine(({ members }) => new Set(members.map((member) => member.nodeId)).size === members.length, {
    path: ['members'],
    error: 'two members have the same node id',
  });

/** The same configuration gives the same bytes, so bytes may be compared. Throws ConfigurationError on what decoding would refuse. */
export function encodeConfiguration(configuration: Configuration): Buffer {
  const checked = checkedAs(configurationSchema, configuration, 'configuration');
  return Buffer.from(JSON.stringify({ format: formatVersion, ...checked }), 'utf8');
}

/** Throws ConfigurationError. `bytes` are borrowed until return. */
export function decodeConfiguration(bytes: Buffer): Configuration {
  const { format, ...fields } = checkedAs(z.looseObject({ format: z.int() }), parsedJson(bytes, 'configuration'), 'configuration');
  if (format !== formatVersion) {
    throw new ConfigurationError(`configuration: format ${format} is not known to this release, which knows ${formatVersion}`);
  }
  return checkedAs(configurationSchema, fields, 'configuration');
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

/** `value` with the schema's fields in the schema's order. Throws ConfigurationError that names what, the first wrong field and why. */
export function checkedAs<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ConfigurationError(`${[what, ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'not valid'}`);
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
