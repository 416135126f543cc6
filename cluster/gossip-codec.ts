/**
 * Gossip on the wire (GossipExchange, MemberState in protocol/peer/frame.proto). Invariant: what decodes has been checked, so gossip-view.ts trusts its
 * shape; whoever sends something else is cut off.
 */
import { torc } from '../protocol/generated/messages.js';
import { clockOf } from '../storage/partition-clocks.js';
import type { NodeDescription } from './configuration.js';
import { statuses, type Digest, type MemberState, type MemberStatus } from './gossip-state.js';

/** The largest message of an exchange: some ten thousand nodes. */
export const exchangeBytesMax = 4 * 1024 * 1024;
/** No clock gives more, and a refutation needs room above. */
const incarnationMax = 2 ** 52;
const heartbeatMax = 2 ** 31;
const textCharsMax = 255;

export interface Exchange {
  /** `digests` name everyone the sender knows; else those that it wants news of. */
  readonly whole: boolean;
  readonly digests: readonly Digest[];
  readonly news: readonly MemberState[];
}

/** A peer sent gossip that makes no sense; its stream has to be closed. */
export class GossipError extends Error {
  readonly code = 'GOSSIP';
}

export function encodeExchange({ whole, digests, news }: Exchange): torc.GossipExchange.$Shape {
  return {
    whole,
    nodeId: digests.map(({ nodeId }) => nodeId),
    incarnation: digests.map(({ incarnation }) => incarnation),
    heartbeat: digests.map(({ heartbeat }) => heartbeat),
    status: digests.map(({ status }) => statuses.indexOf(status)),
    news: news.map(encodeMemberState),
  };
}

/** Throws GossipError or protobuf's RangeError. Keeps nothing of `bytes`. */
export function decodeExchange(bytes: Buffer): Exchange {
  const { whole, nodeId, incarnation, heartbeat, status, news } = torc.GossipExchange.decode(bytes);
  const digests = nodeId.map((id, i) => checkedDigest(id, incarnation[i], heartbeat[i], status[i]));
  return { whole, digests, news: news.map((state) => decodeMemberState(state as torc.MemberState)) };
}

export function encodeMemberState(state: MemberState): torc.MemberState.$Shape {
  const { nodeId, incarnation, heartbeat, clock, load, intervalMs, description, seen } = state;
  const encoded: torc.MemberState.$Shape = {
    nodeId,
    incarnation,
    heartbeat,
    status: statuses.indexOf(state.status),
    clock,
    load,
    intervalMs,
  };
  if (description !== undefined) {
    encoded.addressAt = description.at;
    encoded.address = { ...description.value, nodeId: '' };
  }
  if (seen !== undefined) {
    encoded.seenAt = seen.at;
    encoded.seen = seen.value;
  }
  return encoded;
}

/** Throws GossipError. Keeps nothing of the message's bytes. */
export function decodeMemberState(message: torc.MemberState): MemberState {
  const { nodeId, incarnation, heartbeat, status, clock, load, intervalMs, addressAt, address, seenAt, seen } = message;
  if (!Number.isFinite(clock) || clock < 0) throw new GossipError(`a clock of ${clock}`);
  if (intervalMs < 1) throw new GossipError('a heartbeat without an interval');
  if (addressAt > heartbeat || seenAt > heartbeat) throw new GossipError('a part that is newer than its heartbeat');
  if (seenAt > 0) clockOf(seen);
  return {
    ...checkedDigest(nodeId, incarnation, heartbeat, status),
    clock,
    load,
    intervalMs,
    description: addressAt === 0 ? undefined : { at: addressAt, value: checkedDescription(nodeId, address as torc.NodeAddress | null) },
    seen: seenAt === 0 ? undefined : { at: seenAt, value: Buffer.from(seen) },
  };
}

function checkedDigest(nodeId: string, incarnation = 0, heartbeat = 0, rank = 0): Digest {
  const status: MemberStatus | undefined = statuses[rank];
  if (nodeId === '' || nodeId.length > textCharsMax || nodeId.includes('\0'))
    throw new GossipError('a node id of no or too many characters');
  if (!Number.isInteger(incarnation) || incarnation < 0 || incarnation > incarnationMax)
    throw new GossipError(`incarnation ${incarnation}`);
  if (heartbeat > heartbeatMax) throw new GossipError(`heartbeat ${heartbeat}`);
  if (status === undefined) throw new GossipError(`status ${rank}`);
  return { nodeId, incarnation, heartbeat, status };
}

function checkedDescription(nodeId: string, address: torc.NodeAddress | null): NodeDescription {
  const { host = '', peerPort = 0, clientPort = 0, zone = '', hostLabel = '' } = address ?? {};
  if (host === '' || peerPort < 1 || peerPort > 65535 || clientPort > 65535) throw new GossipError(`no address of '${nodeId}'`);
  for (const text of [host, zone, hostLabel])
    if (text.length > textCharsMax) throw new GossipError(`an address of ${text.length} characters`);
  return { nodeId, host, peerPort, clientPort, zone, hostLabel };
}
