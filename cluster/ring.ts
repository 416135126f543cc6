/**
 * The ring: 2^128 positions on which nodes and partitions stand, by SHA-256 (Karger et al. 1997; Dynamo, section 4.2). A node stands at its
 * virtual nodes, so that what it holds comes from, and goes to, many others. Keys never touch the ring: key -> slot -> partition -> ring.
 *
 * Invariant: a position depends on a node's id and on nothing else, so members that come and go leave the others where they are.
 * What is hashed, byte for byte; positions are the first 128 bits of the digest, read big-endian:
 *
 *   virtual node   node id in UTF-8 | 00 | index u32 big-endian      (index 0 to 127)
 *   partition      number u32 big-endian
 *
 * A node id is neither empty nor has it a zero byte, so no two inputs are the same.
 */
import { createHash } from 'node:crypto';

/** Redis Cluster's: what clients route by. */
export const slotCount = 16384;

/** Of a member of weight 1. */
const virtualNodesPerMember = 128;

/** Where on the ring: 0 to 2^128 - 1. */
export type Position = bigint;

export interface RingMember {
  readonly nodeId: string;
  /** The fraction of the 128 virtual nodes it has, above 0 and at most 1; 1 when it is left out. */
  readonly weight?: number;
}

/** Sorted by position. `owners[i]` is the index, in the members it was built from, of the node whose virtual node stands at `positions[i]`. */
export interface Ring {
  readonly positions: readonly Position[];
  readonly owners: readonly number[];
}

/** Where a member's virtual node stands. */
export function virtualNodePosition(nodeId: string, index: number): Position {
  const id = Buffer.from(nodeId, 'utf8');
  const input = Buffer.alloc(id.length + 5);
  id.copy(input);
  input.writeUInt32BE(index, id.length + 1);
  return positionOf(input);
}

/** Where a partition stands. Its preference list begins at the first virtual node at or after this position. */
export function partitionPosition(partition: number): Position {
  const input = Buffer.alloc(4);
  input.writeUInt32BE(partition);
  return positionOf(input);
}

/** How many virtual nodes a weight is worth: at least one. Throws RangeError when the weight is not above 0 and at most 1. */
export function virtualNodeCount(weight: number): number {
  if (!(weight > 0 && weight <= 1)) throw new RangeError(`weight ${weight}: it must be above 0 and at most 1`);
  return Math.max(1, Math.round(weight * virtualNodesPerMember));
}

/** Built once per change of the members: about 3 us per virtual node. The same set of members in any order gives the same ring. */
export function buildRing(members: readonly RingMember[]): Ring {
  const points = members.flatMap(({ nodeId, weight = 1 }, owner) =>
    Array.from({ length: virtualNodeCount(weight) }, (_, index) => ({ position: virtualNodePosition(nodeId, index), nodeId, owner })),
  );
  points.sort((x, y) => compare(x.position, y.position) || compare(x.nodeId, y.nodeId));
  return { positions: points.map((point) => point.position), owners: points.map((point) => point.owner) };
}

/** Index of the first virtual node at or clockwise after `position`; round the top of the ring it is the first of all. */
export function firstAtOrAfter(ring: Ring, position: Position): number {
  let low = 0;
  let high = ring.positions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ring.positions[middle] as Position) < position) low = middle + 1;
    else high = middle;
  }
  return low === ring.positions.length ? 0 : low;
}

/**
 * The partition of a slot: floor(slot * partitions / 16384). Partitions are runs of consecutive slots whether or not their number divides
 * 16384; their lengths then differ by one at most.
 */
export function partitionOfSlot(slot: number, partitions: number): number {
  return Math.floor((slot * partitions) / slotCount);
}

/** The run of slots of a partition, both ends inclusive: the inverse of `partitionOfSlot`. */
export function slotsOfPartition(partition: number, partitions: number): { readonly firstSlot: number; readonly lastSlot: number } {
  return {
    firstSlot: Math.ceil((partition * slotCount) / partitions),
    lastSlot: Math.ceil(((partition + 1) * slotCount) / partitions) - 1,
  };
}

function positionOf(input: Buffer): Position {
  const digest = createHash('sha256').update(input).digest();
  return (digest.readBigUInt64BE(0) << 64n) | digest.readBigUInt64BE(8);
}

function compare<T extends bigint | string>(x: T, y: T): number {
  return x < y ? -1 : x > y ? 1 : 0;
}
