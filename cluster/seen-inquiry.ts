/**
 * How many replicas hold everything that was written to some partitions up to now: WAIT. It asks every reachable home replica for its `seen` of each
 * partition. The newest of the first N-W+1 answers is what replicas have to reach, and those that do not are asked again, until enough
 * do or the asker gives up. Any acknowledged write is within that: one of so many home replicas holds it.
 */
import type { torc } from '../protocol/generated/messages.js';
import { emptyClock, type VectorClock } from '../protocol/record.js';
import type { Clock, Timer } from '../storage/clock.js';
import { clockBytes, clockOf } from '../storage/partition-clocks.js';
import type { Store } from '../storage/store.js';
import { coversClock, maxClock } from '../storage/vector-clock.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';

/** Between two rounds of questions. */
const roundMs = { first: 2, most: 100 };

export interface SeenInquiryOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly clock: Clock;
}

/** One partition of one inquiry. */
interface Asked {
  /** Latest answers by member. */
  readonly seen: Map<number, VectorClock>;
  /** What a replica has to have seen; undefined until N-W+1 home replicas have answered. */
  target: VectorClock | undefined;
}

class Inquiry {
  private readonly asked: ReadonlyMap<number, Asked>;
  private timer: Timer | undefined;
  private delayMs = roundMs.first;
  isOver = false;

  constructor(
    private readonly options: SeenInquiryOptions,
    partitions: readonly number[],
    private readonly wanted: number,
    private readonly ended: (replicas: number) => void,
  ) {
    this.asked = new Map(partitions.map((partition) => [partition, { seen: new Map<number, VectorClock>(), target: undefined }]));
  }

  /** Asks whoever has not seen enough. */
  round(): void {
    const { store, membership, clock } = this.options;
    const questions = new Map<Peer, number[]>();
    for (const [partition, asked] of this.asked) {
      for (const member of membership.preferenceList(partition)) {
        const peer = membership.peer(member);
        const seen = asked.seen.get(member);
        if (asked.target !== undefined && seen !== undefined && coversClock(seen, asked.target)) continue;
        if (peer === undefined) asked.seen.set(member, new Map(store.partition(partition).seen));
        else if (peer.reachable) {
          const partitions = questions.get(peer);
          if (partitions === undefined) questions.set(peer, [partition]);
          else partitions.push(partition);
        }
      }
      this.aim(asked);
    }
    for (const [peer, asked] of questions) peer.link.say({ inquiries: [{ asked }] });
    this.endIfEnough();
    if (this.isOver) return;
    this.timer = clock.after(this.delayMs, () => this.round());
    this.delayMs = Math.min(2 * this.delayMs, roundMs.most);
  }

  heard(member: number, partition: number, seen: VectorClock): void {
    const asked = this.asked.get(partition);
    if (asked === undefined || this.isOver) return;
    asked.seen.set(member, seen);
    this.aim(asked);
    this.endIfEnough();
  }

  /** The least of what the partitions have, as far as is known. */
  get replicas(): number {
    const { membership } = this.options;
    let least = Math.max(0, membership.quorums.replicas - 1);
    for (const { seen, target } of this.asked.values()) {
      let holders = 0;
      if (target !== undefined) for (const clock of seen.values()) if (coversClock(clock, target)) holders++;
      least = Math.min(least, Math.max(0, holders - 1));
    }
    return least;
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.timer?.cancel();
    this.ended(this.replicas);
  }

  private aim(asked: Asked): void {
    if (asked.target === undefined && asked.seen.size >= this.options.membership.quorums.promises)
      asked.target = [...asked.seen.values()].reduce(maxClock, emptyClock);
  }

  private endIfEnough(): void {
    if (this.replicas >= this.wanted) this.end();
  }
}

export class SeenInquiries {
  private readonly open = new Set<Inquiry>();

  constructor(private readonly options: SeenInquiryOptions) {}

  /** Calls `ended` once: with `wanted` or more as soon as so many hold all of it, else with how many do when `giveUp` is called. */
  begin(partitions: readonly number[], wanted: number, ended: (replicas: number) => void): { giveUp(): void } {
    if (this.options.membership.configuration === undefined) {
      ended(0);
      return { giveUp: () => undefined };
    }
    const inquiry = new Inquiry(this.options, partitions, wanted, (replicas) => {
      this.open.delete(inquiry);
      ended(replicas);
    });
    this.open.add(inquiry);
    inquiry.round();
    return { giveUp: () => inquiry.end() };
  }

  /** A peer asks, or answers. */
  onInquiry(peer: Peer, { asked, partition, seen }: torc.Inquiry): void {
    partition.forEach((number, i) => {
      const bytes = seen[i];
      if (bytes === undefined) return;
      const clock = clockOf(bytes);
      for (const inquiry of this.open) inquiry.heard(peer.member, number, clock);
    });
    const { store, membership } = this.options;
    const known = asked.filter((number) => number < (membership.configuration?.partitions ?? 0));
    if (known.length > 0)
      peer.link.say({ inquiries: [{ partition: known, seen: known.map((number) => clockBytes(store.partition(number).seen)) }] });
  }
}
