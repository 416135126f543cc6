/**
 * A node's coming and going, so that its peers' clients notice neither: it says that it is ready only with links to enough peers, coordinates only what
 * nobody else may while it catches up (docs/decisions/0020-coming-back.md), and leaves what it coordinates to others before it stops.
 */
import type { Clock } from '../storage/clock.js';
import type { Coordination } from './coordination.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';

/** How often it is looked whether all is quiet. */
const lookMs = 10;
/** A node that steps aside is done when its peers have asked nothing of it for so long, and waits no longer than so long. */
const stepAsideMs = { quiet: 100, most: 1000 };
/** How long a node that began waits for links to its peers, in both directions, before it says that it is ready all the same. */
const readyWaitMs = 5000;

/**
 * A node that comes back leaves what it would coordinate to others for so many rounds of gossip at least, and until it lacks at most so many partitions'
 * writes or so many rounds have passed: its peers' clients would wait for what it catches up with. What is large comes one after the other, and whatever a
 * take-over fetches comes behind it: while it lacks anything and pieces come it may take many more rounds.
 */
const arrival = { roundsMin: 2, behindMax: 16, roundsMax: 10, ofLarge: { behindMax: 0, roundsMax: 100 } };

export interface PresenceOptions {
  readonly clock: Clock;
  readonly membership: Membership;
  /** The node knows its configuration, and is not closed. */
  readonly isReady: () => boolean;
  readonly peers: () => Iterable<Peer>;
  readonly partitionsBehind: () => number;
  /** Pieces of large messages that have come so far. */
  readonly piecesReceived: () => number;
  /** When a peer last forwarded commands here, monotonic. */
  readonly lastAskedMs: () => number;
  readonly coordinations: () => Iterable<Coordination>;
  /** Tells peers how this node is. */
  readonly sayToAll: () => void;
}

export class Presence {
  /** It is about to stop, and coordinates nothing. */
  leaving = false;
  /** It has not said yet that it is ready: the links between it and its peers are being made. */
  meeting = true;
  /** Of gossip, since the node began. */
  private rounds = 0;
  /** Pieces that had come by the last round. */
  private pieces = 0;
  private readyByMs = 0;
  private readonly whenReady: (() => void)[] = [];

  constructor(private readonly options: PresenceOptions) {}

  /** The node has read what it knows: with a configuration, it has been here before. */
  begin(): void {
    const { membership, isReady } = this.options;
    membership.arriving = isReady() && membership.memberCount > 1;
    membership.changed();
  }

  /** There is a configuration. */
  formed(): void {
    this.readyByMs = this.options.clock.monotonicMs() + readyWaitMs;
    this.announceReady();
  }

  /** Resolves once commands are served. */
  ready(): Promise<void> {
    return new Promise((resolve) => {
      this.whenReady.push(resolve);
      this.announceReady();
    });
  }

  /** A node that knows its configuration but has no link to its peers yet would refuse what it is asked: it says that it is ready a moment later. */
  announceReady(): void {
    if (this.meeting && this.meets()) return;
    for (const resolve of this.whenReady.splice(0)) resolve();
  }

  /**
   * In both directions: an answer comes over a link that the peer has opened. And with every peer that is there, or whoever restarts node after node
   * by what they say of themselves would stop the only one that reaches this one.
   */
  private meets(): boolean {
    const { membership, isReady, clock, peers } = this.options;
    if (!isReady()) return true;
    let reachable = 0;
    for (let member = 0; member < membership.memberCount; member++) {
      if (membership.isReachable(member) && (membership.peer(member)?.streams ?? 1) > 0) reachable++;
    }
    let isOneWay = false;
    for (const { member, link, streams } of peers()) isOneWay ||= member >= 0 && link.isOpen !== streams > 0;
    const wanted = Math.max(membership.quorums.write, membership.quorums.read);
    this.meeting = (isOneWay || reachable < wanted) && clock.monotonicMs() < this.readyByMs;
    return this.meeting;
  }

  /** A round of gossip has begun. */
  round(): void {
    const { membership, partitionsBehind, piecesReceived } = this.options;
    this.rounds++;
    const isLargeComing = piecesReceived() > this.pieces;
    this.pieces = piecesReceived();
    if (!membership.arriving || this.rounds < arrival.roundsMin) return;
    const { behindMax, roundsMax } = isLargeComing ? arrival.ofLarge : arrival;
    if (partitionsBehind() > behindMax && this.rounds < roundsMax) return;
    membership.arriving = false;
    membership.changed();
  }

  /**
   * Leaves what this node coordinates to others, lest its end costs clients commands of unknown outcome; its own clients are still served, by way of
   * the others. Resolves when no peer asks anything of it any more and all it coordinated is settled, after a second at the latest.
   */
  stepAside(): Promise<void> {
    this.leaving = true;
    if (this.isAlone()) return Promise.resolve();
    this.options.sayToAll();
    return this.quiet(stepAsideMs.most, () => this.coordinates());
  }

  /** Resolves when nothing that was asked of this node, or by it, is open, after `limitMs` at the latest. To be called after stepAside(). */
  settle(limitMs: number): Promise<void> {
    return this.isAlone() ? Promise.resolve() : this.quiet(limitMs, () => this.isBusy());
  }

  private isAlone(): boolean {
    const { isReady, membership } = this.options;
    return !isReady() || membership.memberCount === 1;
  }

  private quiet(limitMs: number, isBusy: () => boolean): Promise<void> {
    const { clock, lastAskedMs } = this.options;
    const latestMs = clock.monotonicMs() + limitMs;
    return new Promise((resolve) => {
      const look = (): void => {
        const nowMs = clock.monotonicMs();
        const isQuiet = nowMs - lastAskedMs() > stepAsideMs.quiet && !isBusy();
        if (isQuiet || nowMs > latestMs) resolve();
        else clock.after(lookMs, look);
      };
      clock.after(stepAsideMs.quiet, look);
    });
  }

  /** Some call or batch waits here. */
  private coordinates(): boolean {
    for (const { waiting, unsettled } of this.options.coordinations()) if (waiting > 0 || unsettled > 0) return true;
    return false;
  }

  /** Some call or batch waits, here or at a peer that can answer. */
  private isBusy(): boolean {
    if (this.coordinates()) return true;
    for (const { reachable, link } of this.options.peers()) if (reachable && link.expectsAnswer) return true;
    return false;
  }
}
