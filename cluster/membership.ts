/**
 * The members and where partitions live: the configuration with its placement, the peers behind the members, and who is reachable. Everything
 * that routes asks here; it holds no protocol of its own.
 */
import { placement, quorums, type Configuration, type Placement, type Quorums } from './configuration.js';
import type { Peer } from './peer.js';

export class Membership {
  configuration: Configuration | undefined;
  private placed: Placement | undefined;
  /** By member index; undefined = this node. */
  private peers: (Peer | undefined)[] = [];
  /** By partition: its home replicas but this node. */
  private others: (readonly Peer[])[] = [];
  selfIndex = -1;
  /** This node came back a moment ago and is catching up. */
  arriving = false;
  /** Less than min-free-space is left on this node's disk. */
  nearlyFull = false;
  /** This node's disk is so far behind what was written that more would not fit into memory. */
  behind = false;
  /** This node's disk refuses writes: what it has it shows as far as its log has it, and it stores nothing. */
  failing = false;
  quorums: Quorums = { replicas: 1, write: 1, read: 1, promises: 1 };
  /** Raised whenever members or their reachability change: what is derived from them is built anew. */
  version = 0;
  /** By partition, as of `tablesVersion`: for what is asked of every command. */
  private homes = new Uint8Array(0);
  private reachable = new Uint8Array(0);
  private writable = new Uint8Array(0);
  /** -1 = none. The first of each pair where this node may coordinate, the second where it may not. */
  private coordinators = new Int32Array(0);
  private tablesVersion = -1;

  /** Takes a configuration; `peerOf` finds or makes the peer of another member. */
  adopt(
    configuration: Configuration,
    selfNodeId: string,
    directives: { readonly writeQuorum: number; readonly readQuorum: number },
    peerOf: (nodeId: string) => Peer,
  ): void {
    this.configuration = configuration;
    this.placed = placement(configuration);
    this.selfIndex = configuration.members.findIndex(({ nodeId }) => nodeId === selfNodeId);
    this.peers = configuration.members.map(({ nodeId }, index) => {
      if (index === this.selfIndex) return undefined;
      const peer = peerOf(nodeId);
      peer.member = index;
      return peer;
    });
    this.others = this.placed.preferenceLists.map((list) => list.flatMap((member) => this.peers[member] ?? []));
    this.setQuorums(directives);
    this.version++;
  }

  /** W and R, as far as there are members for them. */
  setQuorums(directives: { readonly writeQuorum: number; readonly readQuorum: number }): void {
    if (this.configuration !== undefined) this.quorums = quorums(this.configuration, directives);
  }

  /** This node takes no writes, and coordinates only where nobody else may. */
  get full(): boolean {
    return this.nearlyFull || this.behind || this.failing;
  }

  get memberCount(): number {
    return this.peers.length;
  }

  /** Member indexes of a partition's home replicas, in order. */
  preferenceList(partition: number): readonly number[] {
    const list = this.placed?.preferenceLists[partition];
    if (list === undefined) throw new Error(`no placement of partition ${partition}`);
    return list;
  }

  /** Undefined for this node. */
  peer(member: number): Peer | undefined {
    return this.peers[member];
  }

  isReachable(member: number): boolean {
    return member === this.selfIndex || this.peers[member]?.reachable === true;
  }

  isHome(partition: number): boolean {
    if (this.tablesVersion !== this.version) this.buildTables();
    return this.homes[partition] === 1;
  }

  /**
   * The first reachable home replica that is not doubtful, as this node sees it, those that are arriving or full last; undefined when none is. `selfMay`: this
   * node is not doubtful there.
   */
  coordinatorOf(partition: number, selfMay = true): number | undefined {
    if (this.tablesVersion !== this.version) this.buildTables();
    const member = this.coordinators[2 * partition + (selfMay ? 0 : 1)] ?? -1;
    return member < 0 ? undefined : member;
  }

  private firstCoordinator(partition: number, selfMay: boolean): number | undefined {
    const list = this.preferenceList(partition);
    let arriving: number | undefined;
    let full: number | undefined;
    for (let i = 0; i < list.length; i++) {
      const member = list[i];
      if (member === undefined || (member === this.selfIndex && !selfMay)) continue;
      const peer = this.peers[member];
      if (!this.isReachable(member) || peer?.doubtful === true) continue;
      // While this node arrives there may be no stream from the peer yet, and then its answers would be lost.
      const isArriving = peer === undefined ? this.arriving : peer.arriving || (this.arriving && peer.streams === 0);
      if ((peer ?? this).full) full ??= member;
      else if (isArriving) arriving ??= member;
      else return member;
    }
    return arriving ?? full;
  }

  /** The first that may coordinate of those who stand in for home replicas; undefined when there is none. */
  firstSubstitute(partition: number, selfMay: boolean): number | undefined {
    return this.substitutes(partition).find((member) => {
      if (member === this.selfIndex) return selfMay && !this.full;
      const peer = this.peers[member];
      return peer !== undefined && peer.takesWrites && !peer.doubtful;
    });
  }

  /** Members that are no home replicas of the partition, in the order in which they stand in for those. */
  substitutes(partition: number): readonly number[] {
    return this.placed?.substitutes(partition) ?? [];
  }

  reachableHomes(partition: number): number {
    if (this.tablesVersion !== this.version) this.buildTables();
    return this.reachable[partition] ?? 0;
  }

  /** Home replicas that can be reached and have room for a write; none where this node has none, since it would have to keep it too. */
  writableHomes(partition: number): number {
    if (this.tablesVersion !== this.version) this.buildTables();
    return this.writable[partition] ?? 0;
  }

  /** The other home replicas, in order. Not to be changed. */
  otherHomes(partition: number): readonly Peer[] {
    const others = this.others[partition];
    if (others === undefined) throw new Error(`no placement of partition ${partition}`);
    return others;
  }

  /** The member's number: what clocks and hints name it by. */
  numberOf(member: number): number {
    const found = this.configuration?.members[member];
    if (found === undefined) throw new Error(`no member ${member}`);
    return found.number;
  }

  /** -1 when no member has that number. */
  indexOf(number: number): number {
    return this.configuration?.members.findIndex((member) => member.number === number) ?? -1;
  }

  /** Undefined for this node and for a number that no member has. */
  peerNumbered(number: number): Peer | undefined {
    return this.peers[this.indexOf(number)];
  }

  changed(): void {
    this.version++;
  }

  private buildTables(): void {
    const partitions = this.placed?.preferenceLists.length ?? 0;
    if (partitions === 0) throw new Error('there is no configuration yet');
    this.tablesVersion = this.version;
    if (this.homes.length !== partitions) {
      this.homes = new Uint8Array(partitions);
      this.reachable = new Uint8Array(partitions);
      this.writable = new Uint8Array(partitions);
      this.coordinators = new Int32Array(2 * partitions);
    }
    for (let partition = 0; partition < partitions; partition++) {
      const list = this.preferenceList(partition);
      this.homes[partition] = list.includes(this.selfIndex) ? 1 : 0;
      this.reachable[partition] = list.filter((member) => this.isReachable(member)).length;
      this.writable[partition] = this.full ? 0 : list.filter((member) => this.peers[member]?.takesWrites ?? true).length;
      this.coordinators[2 * partition] = this.firstCoordinator(partition, true) ?? -1;
      this.coordinators[2 * partition + 1] = this.firstCoordinator(partition, false) ?? -1;
    }
  }
}
