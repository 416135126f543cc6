/**
 * A doubtful node cannot prove that it kept all it wrote (ARCHITECTURE.md, "actor"): it counts towards W, not R, and coordinates nothing, until each
 * partition has been compared whole with N-W+1 of the other home replicas, none of them doubtful, or with all of them.
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
  underWay: Peer | undefined;
}

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
  readonly raiseLife: (memberNumber: number) => void;
}

export class Rebuild {
  private readonly doubtful = new Map<number, Progress>();
  private inDoubt = false;

  constructor(private readonly options: RebuildOptions) {}

  get doubtfulPartitions(): number {
    return this.doubtful.size;
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
    for (let partition = 0; partition < (membership.configuration?.partitions ?? 0); partition++) {
      if (membership.isHome(partition)) this.doubtful.set(partition, { compared: new Set(), witnesses: 0, underWay: undefined });
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
    const { store, membership, log, raiseLife } = this.options;
    this.doubtful.delete(partition);
    if (this.doubtful.size > 0) return;
    this.inDoubt = false;
    raiseLife(membership.configuration?.members[membership.selfIndex]?.number ?? 0);
    store.setFact(doubtFact, Buffer.from('no'));
    membership.changed();
    log('info', 'every partition was compared: this node counts fully again', { event: 'rebuild-done' });
  }
}
