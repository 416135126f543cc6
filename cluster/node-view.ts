/** The cluster as clients are told of it, built from the membership and kept until that changes. */
import { createHash } from 'node:crypto';
import type { NodeDescription } from './configuration.js';
import { placement } from './configuration.js';
import type { Membership } from './membership.js';
import type { NodeHealth } from './node-health.js';
import { partitionOfSlot } from './ring.js';
import { slotRanges } from './slot-ranges.js';
import type { ClusterView, MemberView, SlotRange } from './view.js';

/** Redis' form of a node id. */
function redisNodeId(nodeId: string): string {
  return createHash('sha1').update(nodeId).digest('hex');
}

export class NodeView implements ClusterView {
  private builtVersion = -1;
  private memberViews: readonly MemberView[] = [];
  private ranges: readonly SlotRange[] = [];

  constructor(
    readonly clusterName: string,
    private readonly membership: Membership,
    private readonly description: NodeDescription,
    private readonly configured: { readonly partitions: number; readonly replicas: number },
    private readonly isReady: () => boolean,
    readonly health: () => readonly NodeHealth[],
  ) {}

  get ready(): boolean {
    return this.isReady();
  }

  get configurationNumber(): number {
    return this.membership.configuration?.number ?? 0;
  }

  get partitions(): number {
    return this.membership.configuration?.partitions ?? this.configured.partitions;
  }

  get replicas(): number {
    return this.membership.configuration === undefined ? this.configured.replicas : this.membership.quorums.replicas;
  }

  get writeQuorum(): number {
    return this.membership.quorums.write;
  }

  get readQuorum(): number {
    return this.membership.quorums.read;
  }

  get self(): MemberView {
    return this.members().find(({ self }) => self) ?? this.memberView(this.description, 0, true, true);
  }

  members(): readonly MemberView[] {
    this.build();
    return this.memberViews;
  }

  slotRanges(): readonly SlotRange[] {
    this.build();
    return this.ranges;
  }

  partitionOfSlot(slot: number): number {
    return partitionOfSlot(slot, this.partitions);
  }

  preferenceList(partition: number): readonly MemberView[] {
    const members = this.members();
    return this.membership.preferenceList(partition).flatMap((index) => members[index] ?? []);
  }

  private build(): void {
    const { membership } = this;
    const { configuration } = membership;
    if (configuration === undefined || this.builtVersion === membership.version) return;
    this.builtVersion = membership.version;
    this.memberViews = configuration.members.map((member, index) => {
      const self = index === membership.selfIndex;
      const now = self ? this.description : (membership.peer(index)?.description ?? member);
      return this.memberView(now, member.number, self, membership.isReachable(index));
    });
    this.ranges = slotRanges(placement(configuration), this.memberViews);
  }

  private memberView(
    { nodeId, host, clientPort, peerPort, zone, hostLabel }: NodeDescription,
    number: number,
    self: boolean,
    reachable: boolean,
  ): MemberView {
    return { id: redisNodeId(nodeId), name: nodeId, number, host, clientPort, peerPort, zone, hostLabel, self, reachable };
  }
}
