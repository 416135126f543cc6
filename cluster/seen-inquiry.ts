/**
 * How many replicas hold everything that was written to some partitions up to now: WAIT. It asks every reachable home replica for its `seen` of each
 * partition. The newest of the first N-W+1 answers is what replicas have to reach, and those that do not are asked again, until enough
 * do or the asker gives up. Any acknowledged write is within that: one of so many home replicas holds it.
 *
 * An answer counts for the inquiry that asked, and no other: one that was given before a later inquiry began may lack what was acknowledged in between.
 */
import type { torc } from '../protocol/generated/messages.js';
import { emptyClock, type VectorClock } from '../protocol/record.js';
import type { Clock, Random, Timer } from '../storage/clock.js';
import { clockBytes, clockOf } from '../storage/partition-clocks.js';
import type { Store } from '../storage/store.js';
import { coversClock, maxClock } from '../storage/vector-clock.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';
import { firstId } from './id-window.js';

/** Between two rounds of questions. */
const roundMs = { first: 2, most: 100 };

export interface SeenInquiryOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly clock: Clock;
  readonly random: Random;
}

/** One partition of one inquiry. */
interface Asked {
  /** Latest answers by member. */
  readonly seen: Map<number, VectorClock>;
  /** What a replica has to have seen; undefined until N-W+1 home replicas have answered. */
  target: VectorClock | undefined;
  /** As many replicas hold it as are wanted. */
  isHeld: boolean;
}

class Inquiry {
  private readonly asked: ReadonlyMap<number, Asked>;
  /** Partitions that fewer hold: counted as answers come, since each answer speaks of up to all of them. */
  private short: number;
  private timer: Timer | undefined;
  private delayMs = roundMs.first;
  isOver = false;

  constructor(
    private readonly options: SeenInquiryOptions,
    private readonly id: number,
    partitions: readonly number[],
    private readonly wanted: number,
    private readonly ended: (replicas: number) => void,
  ) {
    const isHeld = wanted <= 0;
    this.asked = new Map(partitions.map((partition) => [partition, { seen: new Map<number, VectorClock>(), target: undefined, isHeld }]));
    this.short = isHeld ? 0 : this.asked.size;
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
        if (peer === undefined) this.note(asked, member, new Map(store.partition(partition).seen));
        else if (peer.reachable) {
          const partitions = questions.get(peer);
          if (partitions === undefined) questions.set(peer, [partition]);
          else partitions.push(partition);
        }
      }
    }
    for (const [peer, asked] of questions) peer.link.say({ inquiries: [{ id: this.id, asked }] });
    this.endIfEnough();
    if (this.isOver) return;
    this.timer = clock.after(this.delayMs, () => this.round());
    this.delayMs = Math.min(2 * this.delayMs, roundMs.most);
  }

  /** All of a peer's answer. */
  heard(member: number, partitions: readonly number[], seen: readonly Uint8Array[]): void {
    partitions.forEach((partition, i) => {
      const asked = this.asked.get(partition);
      const bytes = seen[i];
      if (asked !== undefined && bytes !== undefined) this.note(asked, member, clockOf(bytes));
    });
    this.endIfEnough();
  }

  /** The least of what the partitions have, as far as is known. */
  private get replicas(): number {
    let least = this.replicasMost;
    for (const asked of this.asked.values()) least = Math.min(least, replicasOf(asked));
    return least;
  }

  private get replicasMost(): number {
    return Math.max(0, this.options.membership.quorums.replicas - 1);
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.timer?.cancel();
    this.ended(this.replicas);
  }

  private note(asked: Asked, member: number, clock: VectorClock): void {
    asked.seen.set(member, clock);
    if (asked.target === undefined && asked.seen.size >= this.options.membership.quorums.promises)
      asked.target = [...asked.seen.values()].reduce(maxClock, emptyClock);
    const isHeld = replicasOf(asked) >= this.wanted;
    if (isHeld === asked.isHeld) return;
    asked.isHeld = isHeld;
    this.short += isHeld ? -1 : 1;
  }

  private endIfEnough(): void {
    if (this.short === 0 && this.replicasMost >= this.wanted) this.end();
  }
}

/** How many replicas besides one are known to hold what has to be reached. */
function replicasOf({ seen, target }: Asked): number {
  let holders = 0;
  if (target !== undefined) for (const clock of seen.values()) if (coversClock(clock, target)) holders++;
  return Math.max(0, holders - 1);
}

export class SeenInquiries {
  /** Undefined until the first inquiry. */
  private nextId: number | undefined;
  private readonly open = new Map<number, Inquiry>();

  constructor(private readonly options: SeenInquiryOptions) {}

  /** Calls `ended` once: with `wanted` or more as soon as so many hold all of it, else with how many do when `giveUp` is called. */
  begin(partitions: readonly number[], wanted: number, ended: (replicas: number) => void): { giveUp(): void } {
    if (this.options.membership.configuration === undefined) {
      ended(0);
      return { giveUp: () => undefined };
    }
    const id = (this.nextId ??= firstId(this.options.random));
    this.nextId++;
    const inquiry = new Inquiry(this.options, id, partitions, wanted, (replicas) => {
      this.open.delete(id);
      ended(replicas);
    });
    this.open.set(id, inquiry);
    inquiry.round();
    return { giveUp: () => inquiry.end() };
  }

  /** A peer asks, or answers. */
  onInquiry(peer: Peer, { id, asked, partition, seen }: torc.Inquiry): void {
    if (partition.length > 0) this.open.get(id)?.heard(peer.member, partition, seen);
    const { store, membership } = this.options;
    const known = asked.filter((number) => number < (membership.configuration?.partitions ?? 0));
    if (known.length > 0)
      peer.link.say({ inquiries: [{ id, partition: known, seen: known.map((number) => clockBytes(store.partition(number).seen)) }] });
  }
}
