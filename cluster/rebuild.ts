/**
 * A doubtful node cannot prove that it kept all it wrote (ARCHITECTURE.md, "actor"): it counts towards W, not R, and coordinates nothing, until each
 * partition has been compared whole with N-W+1 of the other home replicas, none of them doubtful, or with all of them. Where nodes stand in for home replicas it
 * may also have lost what it wrote in others' stead: then enough members have to say which lives of it they have met.
 */
import { emptyClock, type VectorClock } from '../protocol/record.js';
import type { Clock } from '../storage/clock.js';
import type { Store } from '../storage/store.js';
import type { Comparison } from './comparison.js';
import type { EventLog } from './events.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';

const rebuildsAtOnce = 16;
const doubtFact = 'doubtful';

interface Progress {
  readonly compared: Set<Peer>;
  /** Those of `compared` that were not doubtful themselves. */
  witnesses: number;
  /** Those who told which term they have promised, and how many of them were not doubtful. */
  readonly termsFrom: Set<Peer>;
  termWitnesses: number;
  underWay: Peer | undefined;
}

const newProgress = (): Progress => ({ compared: new Set(), witnesses: 0, termsFrom: new Set(), termWitnesses: 0, underWay: undefined });

export interface RebuildOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly comparison: Comparison;
  readonly clock: Clock;
  readonly log: EventLog;
  readonly actor: () => number;
  /** The node is in doubt from now on, though it served before: it has to drop what it coordinates. */
  readonly doubted: () => void;
  /** Every partition's clocks are here: the life of this member can be raised above all that were ever seen. */
  readonly raiseLife: () => void;
  /** Other members that have to tell first whose batches they have met. */
  readonly membersToHear: () => number;
}

export class Rebuild {
  private readonly doubtful = new Map<number, Progress>();
  private inDoubt = false;
  private readonly heardFrom = new Set<Peer>();

  constructor(private readonly options: RebuildOptions) {}

  get doubtfulPartitions(): number {
    return this.doubtful.size;
  }

  get isInDoubt(): boolean {
    return this.inDoubt;
  }

  /**
   * Whether this replica may acknowledge in the term that it knows as the newest. A promise may be lost with what else was: whoever got it has others' too, so enough
   * of them have to tell first what they promised; else a coordinator that was superseded could count on this replica.
   */
  isTermKnown(partition: number): boolean {
    if (!this.inDoubt) return true;
    const progress = this.doubtful.get(partition);
    if (progress === undefined) return true;
    const { membership } = this.options;
    const { termWitnesses, termsFrom } = progress;
    return termWitnesses >= membership.quorums.promises || termsFrom.size >= membership.otherHomes(partition).length;
  }

  /** The peer told, since its link opened, all the terms that it has promised. `doubtful`: it may have forgotten some itself. */
  heardTerms(peer: Peer, doubtful: boolean): void {
    if (!this.inDoubt) return;
    for (const [partition, progress] of this.doubtful) {
      const { termsFrom } = progress;
      if (termsFrom.has(peer) || !this.options.membership.otherHomes(partition).includes(peer)) continue;
      termsFrom.add(peer);
      if (!doubtful) progress.termWitnesses++;
    }
  }

  /** The peer told whose batches it has met. */
  heard(peer: Peer): void {
    if (this.inDoubt) this.heardFrom.add(peer);
  }

  isDoubtful(partition: number): boolean {
    // What it stood in for it may have lost too, and is not told of.
    return this.inDoubt && (this.doubtful.has(partition) || !this.options.membership.isHome(partition));
  }

  /** The configuration is known. `doubt`: this start of the node cannot vouch for its data; an earlier one may not have been done either. */
  begin(doubt: boolean): void {
    const { store, membership, log } = this.options;
    if (!doubt && store.fact(doubtFact)?.toString() !== 'yes') return;
    if (membership.memberCount === 1) return;
    store.setFact(doubtFact, Buffer.from('yes'));
    this.inDoubt = true;
    this.heardFrom.clear();
    for (let partition = 0; partition < (membership.configuration?.partitions ?? 0); partition++) {
      if (membership.isHome(partition)) this.doubtful.set(partition, newProgress());
    }
    log(
      'warn',
      `this node may have lost some of what it wrote: ${this.doubtful.size} partitions are compared with their other replicas first`,
      { event: 'rebuild-began', partitions: this.doubtful.size },
    );
  }

  /**
   * A peer's clock of a partition. What this node wrote is in its own clock before anyone hears of it; so one that has seen more proves a loss that
   * the node did not know of (a directory put back from a copy, a disk that lied), and doubt begins. Returns true then.
   */
  provesLoss(partition: number, peerSeen: VectorClock): boolean {
    if (this.inDoubt) return false;
    const { store, actor, doubted, log } = this.options;
    const self = actor();
    if ((peerSeen.get(self) ?? 0) <= (store.partition(partition).seen.get(self) ?? 0)) return false;
    log('warn', `a peer has seen more of what this node wrote in partition ${partition} than the node itself has`, {
      event: 'loss-proven',
      partition,
    });
    this.begin(true);
    doubted();
    return true;
  }

  /** Goes on where it can. */
  tick(): void {
    if (!this.inDoubt) return;
    let underWay = 0;
    for (const progress of this.doubtful.values()) if (progress.underWay !== undefined) underWay++;
    for (const [partition, progress] of this.doubtful) {
      if (underWay >= rebuildsAtOnce) return;
      if (progress.underWay === undefined && this.compareNext(partition, progress)) underWay++;
    }
    if (this.doubtful.size === 0) this.finish();
  }

  private compareNext(partition: number, progress: Progress): boolean {
    const { membership, comparison, clock } = this.options;
    const next = membership.otherHomes(partition).find((peer) => peer.reachable && !progress.compared.has(peer));
    if (next === undefined) return false;
    progress.underWay = next;
    comparison.pull(
      partition,
      next,
      (result) => {
        progress.underWay = undefined;
        if (result !== 'failed') {
          progress.compared.add(next);
          if (result === 'done') progress.witnesses++;
          if (progress.witnesses >= membership.quorums.promises || progress.compared.size === membership.otherHomes(partition).length)
            this.cleared(partition);
        }
        clock.after(0, () => this.tick());
      },
      emptyClock,
    );
    return true;
  }

  private cleared(partition: number): void {
    this.doubtful.delete(partition);
    if (this.doubtful.size === 0) this.finish();
  }

  /** Everything that was to be compared was: doubt ends once enough members were heard. */
  private finish(): void {
    const { store, membership, log, raiseLife, membersToHear } = this.options;
    if (!this.inDoubt || this.heardFrom.size < membersToHear()) return;
    this.inDoubt = false;
    raiseLife();
    store.setFact(doubtFact, Buffer.from('no'));
    membership.changed();
    log('info', 'every partition was compared: this node counts fully again', { event: 'rebuild-done' });
  }
}
