/** How each node is, as this one sees it: what gossip has it for, and for a member of the configuration whether it is bypassed here. */
import type { MemberStatus } from './gossip-state.js';
import type { GossipView } from './gossip-view.js';
import type { Membership } from './membership.js';
import type { Peers } from './peers.js';

export interface NodeHealth {
  /** The `node-id` directive's name. */
  readonly name: string;
  readonly address: string;
  readonly zone: string;
  readonly self: boolean;
  /** Of the configuration; others only gossip. */
  readonly member: boolean;
  /** suspected: not to be relied on, whoever noticed; down: so for longer than `suspicion-timeout`, and no heartbeat came by any road. */
  readonly status: MemberStatus;
  /** The greater of that over its link and that over gossip. */
  readonly phi: number;
  readonly incarnation: number;
  readonly heartbeat: number;
  /** Calls and batches under way there at its last heartbeat. */
  readonly load: number;
  /** Since anything new was heard of it; undefined = nothing was. */
  readonly silentMs: number | undefined;
}

/** This node first. */
export function healthOfNodes(view: GossipView, peers: Peers, membership: Membership, nowMs: number): NodeHealth[] {
  const { ownState } = view;
  const all: NodeHealth[] = [];
  const isMember = (nodeId: string): boolean => membership.configuration?.members.some((member) => member.nodeId === nodeId) === true;
  for (const { state, description, heardMs } of [
    { state: ownState, description: ownState.description?.value, heardMs: nowMs },
    ...view.others(),
  ]) {
    const { nodeId, incarnation, heartbeat, load } = state;
    const self = state === ownState;
    const member = isMember(nodeId);
    const peer = peers.get(nodeId);
    const lastMs = Math.max(heardMs, peer?.heardMs ?? -Infinity);
    all.push({
      name: nodeId,
      address: `${description?.host}:${description?.clientPort}`,
      zone: description?.zone ?? '',
      self,
      member,
      status: state.status === 'up' && !self && member && peer?.reachable !== true ? 'suspected' : state.status,
      phi: self ? 0 : Math.max(view.phiOf(nodeId, nowMs), peer?.phi(nowMs) ?? 0),
      incarnation,
      heartbeat,
      load,
      silentMs: lastMs === -Infinity ? undefined : nowMs - lastMs,
    });
  }
  return all;
}
