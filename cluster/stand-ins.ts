/**
 * Sloppy quorums, a coordinator's side (Dynamo, section 4.6): while a home replica cannot be reached its batches go to the next healthy node of the
 * preference list, which keeps them for it and counts towards W, never towards R. One stand-in for each home, in order; where there is none
 * the batch stays with the link to the home replica, as it does under strict quorums.
 */
import type { torc } from '../protocol/generated/messages.js';
import type { Clock } from '../storage/clock.js';
import type { HintExchange } from './hint-exchange.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';
import { bytesOf, type Settlement } from './settlement.js';

/** A stand-in that had no room for a home replica's batches is not asked to keep more of them for so long. */
const fullMs = 10_000;
/** Stand-ins that a batch is sent to, one after the other. */
const triesMax = 3;
/** Bytes on their way to one stand-in; more stays with the link to the home replica. */
const underWayBytesMax = 64 * 1024 * 1024;

export interface StandInsOptions {
  readonly membership: Membership;
  readonly exchange: HintExchange;
  readonly clock: Clock;
  /** Read each time. */
  readonly directives: { readonly sloppyQuorum: boolean; readonly hintBytesMax: number };
  /** This node may stand in itself: it does not doubt its data and does not leave. */
  readonly selfMay: () => boolean;
  /** Keeps batches here that no other keeps. */
  readonly keepHere: (target: Peer, settlements: readonly Settlement[]) => number;
  /** Stand-ins kept batches, but have promised newer terms. */
  readonly superseded: (superseded: readonly torc.Superseded[]) => void;
}

/** What goes from one turn to one stand-in for one home replica. */
interface Parcel {
  /** Stand-ins that it was sent to, this one included. */
  readonly tries: number;
  readonly holder: Peer;
  readonly target: Peer;
  readonly settlements: Settlement[];
  bytes: number;
}

export class StandIns {
  private parcels: Parcel[] = [];
  /** By stand-in, by whom it had no room for. */
  private readonly fullUntilMs = new Map<Peer, Map<number, number>>();
  private readonly underWayBytes = new Map<Peer, number>();
  /** What no stand-in took, by the home replica that it is for: not settled until that one is known to hold it. */
  private readonly leftHere = new Map<Peer, Settlement[]>();
  /** Batches that went to a stand-in, for INFO. */
  batchesSent = 0;
  /** Batches for unreachable replicas that nothing is kept of, since hint-max-bytes is 0. */
  batchesDropped = 0;

  constructor(private readonly options: StandInsOptions) {}

  /** Whether others may stand in for home replicas. */
  get sloppy(): boolean {
    return this.options.directives.sloppyQuorum;
  }

  /** Takes a batch of this turn for a home replica that cannot be reached. False: it is the link's to keep. */
  take(settlement: Settlement, target: Peer): boolean {
    const { directives } = this.options;
    if (directives.hintBytesMax === 0) {
      this.batchesDropped++;
      return true;
    }
    if (!directives.sloppyQuorum) return false;
    const holder = this.holderFor(settlement.partition, target);
    if (holder === undefined) return false;
    const known = this.parcels.find((parcel) => parcel.holder === holder && parcel.target === target);
    if (known === undefined) this.parcels.push({ tries: 1, holder, target, settlements: [settlement], bytes: settlement.length });
    else {
      known.settlements.push(settlement);
      known.bytes += settlement.length;
    }
    return true;
  }

  /** How many of the partition's home replicas can be stood in for now, this node among those who do. */
  count(partition: number): number {
    const { membership, directives } = this.options;
    if (!directives.sloppyQuorum || directives.hintBytesMax === 0) return 0;
    const taken: number[] = [];
    for (const home of membership.preferenceList(partition)) {
      if (this.takesWrites(home)) continue;
      const holder = this.nextHolder(partition, home, taken);
      if (holder !== undefined) taken.push(holder);
    }
    return taken.length;
  }

  /** What the home replica will not acknowledge is settled, for those who saw it, once it says that it holds it. */
  awaits(target: Peer, settlements: readonly Settlement[]): void {
    const open = [...(this.leftHere.get(target) ?? []), ...settlements].filter(({ settled }) => !settled);
    if (open.length > 0) this.leftHere.set(target, open);
  }

  /** A home replica holds the batches that `isHeld` names: its `seen` covers them, or it got hints of them. */
  held(target: Peer, isHeld: (settlement: Settlement) => boolean): void {
    const left = this.leftHere.get(target);
    if (left === undefined) return;
    const open: Settlement[] = [];
    for (const settlement of left) {
      if (settlement.settled) continue;
      if (isHeld(settlement)) settlement.cover();
      else open.push(settlement);
    }
    if (open.length > 0) this.leftHere.set(target, open);
    else this.leftHere.delete(target);
  }

  /** Sends the turn's parcels; `batches` are its bytes, kept as long as one of them is on its way. */
  seal(batches: Buffer | undefined): void {
    if (this.parcels.length === 0) return;
    const { parcels } = this;
    this.parcels = [];
    for (const { settlements } of parcels) for (const settlement of settlements) settlement.turnBytes ??= batches; // a large one has its own
    for (const parcel of parcels) this.send(parcel);
  }

  /** The log took nothing of the turn: its batches are not sent. */
  dropTurn(): void {
    for (const { target, settlements } of this.parcels.splice(0)) this.awaits(target, settlements);
  }

  private send(parcel: Parcel): void {
    const { exchange, membership } = this.options;
    const { holder, target, settlements, bytes } = parcel;
    this.batchesSent += settlements.length;
    this.underWayBytes.set(holder, (this.underWayBytes.get(holder) ?? 0) + bytes);
    exchange.send(holder, membership.numberOf(target.member), Buffer.concat(settlements.map(bytesOf)), (ack) => {
      this.underWayBytes.set(holder, (this.underWayBytes.get(holder) ?? 0) - bytes);
      this.answered(parcel, ack);
    });
  }

  private answered(parcel: Parcel, ack: torc.HintAck | undefined): void {
    const { clock, superseded } = this.options;
    const { holder, target, settlements } = parcel;
    if (ack === undefined) return this.sendElsewhere(parcel);
    if (ack.refused) {
      let fullFor = this.fullUntilMs.get(holder);
      if (fullFor === undefined) this.fullUntilMs.set(holder, (fullFor = new Map<number, number>()));
      fullFor.set(target.member, clock.monotonicMs() + fullMs);
      return this.sendElsewhere(parcel);
    }
    const over = new Set(ack.superseded.map(({ counter }) => counter));
    for (const settlement of settlements) if (!over.has(settlement.counter)) settlement.acknowledge();
    if (over.size > 0) superseded(ack.superseded as torc.Superseded[]);
  }

  /** A stand-in failed: the next one takes its place, and where there is none this node keeps what only it has. */
  private sendElsewhere({ tries, holder: failed, target, settlements }: Parcel): void {
    const left: Settlement[] = [];
    const parcels = new Map<Peer, Parcel>();
    for (const settlement of settlements) {
      const holder = tries < triesMax ? this.holderFor(settlement.partition, target) : undefined;
      if (holder === undefined || holder === failed) {
        left.push(settlement);
        continue;
      }
      const parcel = parcels.get(holder) ?? { tries: tries + 1, holder, target, settlements: [], bytes: 0 };
      parcels.set(holder, parcel);
      parcel.settlements.push(settlement);
      parcel.bytes += settlement.length;
    }
    if (left.length > 0) {
      this.options.keepHere(target, left);
      this.awaits(target, left);
    }
    for (const parcel of parcels.values()) this.send(parcel);
  }

  /** Each home that cannot be reached has a stand-in of its own, in order. Undefined: nobody is left, or this node itself stands in. */
  private holderFor(partition: number, target: Peer): Peer | undefined {
    const { membership } = this.options;
    const taken: number[] = [];
    for (const home of membership.preferenceList(partition)) {
      if (home !== target.member && this.takesWrites(home)) continue;
      const holder = this.nextHolder(partition, home, taken);
      if (home === target.member) return holder === undefined ? undefined : membership.peer(holder);
      if (holder !== undefined) taken.push(holder);
    }
    return undefined;
  }

  private takesWrites(member: number): boolean {
    const { membership } = this.options;
    return member === membership.selfIndex || membership.peer(member)?.takesWrites === true;
  }

  private nextHolder(partition: number, home: number, taken: readonly number[]): number | undefined {
    return this.options.membership.substitutes(partition).find((member) => !taken.includes(member) && this.mayHold(member, home));
  }

  private mayHold(member: number, home: number): boolean {
    const { membership, clock, selfMay } = this.options;
    const peer = membership.peer(member);
    if (peer === undefined) return selfMay();
    if (!peer.takesWrites || peer.doubtful || (this.underWayBytes.get(peer) ?? 0) > underWayBytesMax) return false;
    const fullUntilMs = this.fullUntilMs.get(peer)?.get(home);
    return fullUntilMs === undefined || fullUntilMs <= clock.monotonicMs();
  }
}
