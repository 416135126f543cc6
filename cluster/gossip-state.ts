/**
 * What nodes tell each other about one node, and how two versions of it meet. Only the node itself raises its incarnation and its heartbeat; others
 * may add that they have not heard of it since: a suspicion is about a heartbeat, and any later heartbeat ends it.
 *
 * Invariant: merge() is commutative, associative and idempotent, so views converge whatever the order, the repetition or the road of what is heard.
 * That holds for states as nodes write them: at one incarnation and heartbeat everything but the status is the node's own word, said once.
 */
import type { NodeDescription } from './configuration.js';

export type MemberStatus = 'up' | 'suspected' | 'down';

/** By rank: at the same heartbeat the worse one stands. */
export const statuses: readonly MemberStatus[] = ['up', 'suspected', 'down'];

/** How far somebody knows a node. */
export interface Digest {
  readonly nodeId: string;
  readonly incarnation: number;
  readonly heartbeat: number;
  readonly status: MemberStatus;
}

/** A part that changes seldom and is sent only to who lacks it. */
export interface Part<T> {
  /** The heartbeat of its last change. */
  readonly at: number;
  readonly value: T;
}

export interface MemberState extends Digest {
  /** The node's hybrid clock at its heartbeat: a counter. */
  readonly clock: number;
  /** Calls and batches under way at the node. */
  readonly load: number;
  /** Between two of its heartbeats. */
  readonly intervalMs: number;
  /** Undefined: the sender knows that the receiver has it. */
  readonly description: Part<NodeDescription> | undefined;
  /** Every actor met, with a counter (lives.ts), encoded (storage/partition-clocks.ts). */
  readonly seen: Part<Buffer> | undefined;
}

/** Positive when x is the newer. */
export function compareDigests(x: Digest, y: Digest): number {
  return x.incarnation - y.incarnation || x.heartbeat - y.heartbeat || statuses.indexOf(x.status) - statuses.indexOf(y.status);
}

/** The newer of two states of one node, with the newer of each part of its incarnation. */
export function merge(x: MemberState, y: MemberState): MemberState {
  if (x.incarnation !== y.incarnation) return x.incarnation > y.incarnation ? x : y;
  const newer = compareDigests(x, y) >= 0 ? x : y;
  const description = newerPart(x.description, y.description);
  const seen = newerPart(x.seen, y.seen);
  return description === newer.description && seen === newer.seen ? newer : { ...newer, description, seen };
}

/** `state` for one who knows `known` of the node: without the parts that it has. */
export function newsFor(state: MemberState, known: Digest | undefined): MemberState {
  if (known?.incarnation !== state.incarnation) return state;
  const lacking = <T>(part: Part<T> | undefined): Part<T> | undefined =>
    part !== undefined && part.at > known.heartbeat ? part : undefined;
  return { ...state, description: lacking(state.description), seen: lacking(state.seen) };
}

function newerPart<T>(x: Part<T> | undefined, y: Part<T> | undefined): Part<T> | undefined {
  if (x === undefined || y === undefined) return x ?? y;
  return x.at >= y.at ? x : y;
}
