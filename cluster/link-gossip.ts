/**
 * What members tell each other of themselves over their own links, each gossip interval and when a link opens: heartbeat and state, the clocks of partitions, the terms
 * that were promised, what came over the other's stream. What nodes say of others goes another way (gossiper.ts).
 */
import type { torc } from '../protocol/generated/messages.js';
import type { Clock } from '../storage/clock.js';
import { clockBytes, clockOf } from '../storage/partition-clocks.js';
import type { Store } from '../storage/store.js';
import type { Comparison } from './comparison.js';
import { decodeMemberState, encodeMemberState, GossipError } from './gossip-codec.js';
import { newsFor } from './gossip-state.js';
import type { Gossiper } from './gossiper.js';
import type { Lives } from './lives.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';
import type { Rebuild } from './rebuild.js';
import type { Settlement } from './settlement.js';
import type { StandIns } from './stand-ins.js';
import type { SystemRecords } from './system-records.js';
import type { Turn } from './turn.js';

/** How many gossip intervals a stream may bring nothing to the peer, which says so, before it is dead. */
const streamPatienceGossips = 3;

export interface LinkGossipOptions {
  readonly selfNodeId: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly membership: Membership;
  readonly gossiper: Gossiper;
  readonly lives: Lives;
  readonly rebuild: Rebuild;
  readonly comparison: Comparison;
  readonly standIns: StandIns;
  readonly systemRecords: SystemRecords;
  /** Read each time. */
  readonly directives: { readonly gossipIntervalMs: number };
  /** A large batch of the partition is on its way to the log. */
  readonly isHeld: (partition: number) => boolean;
  /** This node is about to stop. */
  readonly isLeaving: () => boolean;
}

export class LinkGossip {
  constructor(private readonly options: LinkGossipOptions) {}

  /** To every peer whose link is open: the clocks that moved since it was told last. */
  sayToAll(peers: Iterable<Peer>): void {
    for (const peer of peers) {
      if (peer.link.isOpen) this.say(peer, false);
      this.heldAlready(peer);
    }
  }

  /** What was given up for a peer after it had said that it holds it: its acknowledgement was lost, and it does not say so again. */
  private heldAlready(peer: Peer): void {
    const actor = this.options.lives.actor();
    this.holds(peer, ({ partition, counter }) => counter <= (peer.seenOf(partition)?.get(actor) ?? 0));
  }

  private holds(peer: Peer, isHeld: (settlement: Settlement) => boolean): void {
    peer.link.covered(isHeld);
    this.options.standIns.held(peer, isHeld);
  }

  /** What the peer said. Throws GossipError and FormatError. */
  heard(
    peer: Peer,
    {
      doubtful,
      arriving,
      partition,
      seen,
      whole,
      termCounter,
      termActor,
      state,
      doubted,
      stream,
      heard,
      ended,
      full,
      systemRecords,
    }: torc.Gossip,
  ): void {
    if (doubted?.nodeId === this.options.selfNodeId) this.options.gossiper.take(decodeMemberState(doubted as torc.MemberState));
    if (state) {
      const heartbeat = decodeMemberState(state as torc.MemberState);
      if (heartbeat.nodeId !== peer.nodeId) throw new GossipError(`'${peer.nodeId}' has the heart of '${heartbeat.nodeId}'`);
      if (heartbeat.seen !== undefined) {
        this.options.lives.note(clockOf(heartbeat.seen.value));
        this.options.rebuild.heard(peer);
      }
      peer.beatsEvery(heartbeat.intervalMs, this.options.clock.monotonicMs());
      this.options.gossiper.take(heartbeat);
    }
    peer.link.echoed({ stream, heard, ended }, streamPatienceGossips * this.options.directives.gossipIntervalMs);
    if (peer.doubtful !== doubtful || peer.arriving !== arriving || peer.full !== full) {
      peer.full = full;
      peer.link.setHolding(full);
      peer.doubtful = doubtful;
      peer.arriving = arriving;
      this.options.membership.changed();
    }
    this.options.systemRecords.heardDigest(peer, systemRecords as Buffer);
    if (whole && this.options.rebuild.isInDoubt) {
      partition.forEach((number, i) => {
        const term = { counter: termCounter[i] ?? 0, actor: termActor[i] ?? 0 };
        if (term.counter > 0 && this.options.membership.isHome(number)) this.options.store.promise([number], term);
      });
      this.options.turn.schedule();
      this.options.rebuild.heardTerms(peer, doubtful);
    }
    const covered = new Map<number, number>();
    partition.forEach((number, i) => {
      const bytes = seen[i];
      if (bytes === undefined) return;
      const clock = clockOf(bytes);
      covered.set(number, clock.get(this.options.lives.actor()) ?? 0);
      if (this.options.membership.isHome(number)) {
        peer.saw(number, clock);
        this.options.comparison.noteSeen(peer, number, clock);
      }
    });
    if (covered.size > 0) this.holds(peer, (settlement) => settlement.counter <= (covered.get(settlement.partition) ?? 0));
  }

  /** Tells `peer` this node's clocks: all of them when the link is new, else those that moved since it was told last. */
  say(peer: Peer, everything: boolean): void {
    const { store } = this.options;
    const partition: number[] = [];
    const seen: Buffer[] = [];
    const termCounter: number[] = [];
    const termActor: number[] = [];
    const { configuration } = this.options.membership;
    if (everything) peer.told.clear();
    for (let number = 0; number < (configuration?.partitions ?? 0); number++) {
      const here = store.partition(number);
      if (peer.told.get(number) === here.changes) continue;
      if (store.isUnlogged(here)) continue; // if this process died it would never have been
      // It would ask for the large batch that is on its way to it.
      if (!everything && (peer.link.isSending(number) || this.options.isHeld(number))) continue;
      if (here.seen.size === 0 && !(everything && here.promised.counter > 0)) continue;
      peer.told.set(number, here.changes);
      partition.push(number);
      seen.push(clockBytes(here.seen));
      if (!everything) continue;
      termCounter.push(here.promised.counter);
      termActor.push(here.promised.actor);
    }
    const doubted = this.options.gossiper.view.get(peer.nodeId)?.state;
    peer.link.say({
      gossip: {
        configurationNumber: configuration?.number ?? 0,
        doubtful: this.options.isLeaving() || this.options.rebuild.isInDoubt,
        full: this.options.membership.full,
        partition,
        seen,
        whole: everything && configuration !== undefined,
        termCounter,
        termActor,
        state: encodeMemberState(this.options.gossiper.view.ownState),
        doubted: doubted === undefined || doubted.status === 'up' ? null : encodeMemberState(newsFor(doubted, doubted)),
        ...peer.heardStream,
        arriving: this.options.membership.arriving,
        systemRecords: this.options.systemRecords.digest,
      },
    });
  }
}
