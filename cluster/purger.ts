/**
 * Forgets what every home replica has seen (ARCHITECTURE.md, "Forgetting"): tombstones, and contexts of living records, without which memory and disk
 * would fill with what is no more. What the others have seen is known from their gossip of clocks. It may be out of date when one of them has lost its
 * disk since: such a one learns from `purged` that it cannot know by itself what was removed (comparison.ts).
 *
 * Nothing is forgotten in a partition while a home replica of it is in doubt or has not told its clock. And what all had seen at one look goes only when, at a later
 * one, all have seen whatever any of them had seen then: what a superseded coordinator wrote before it saw a deletion is here by then, and is buried (storage/merge.ts).
 */
import type { VectorClock } from '../protocol/record.js';
import type { Clock } from '../storage/clock.js';
import type { Partition } from '../storage/partition.js';
import type { Store } from '../storage/store.js';
import { clocksEqual, coversClock, maxClock, minClock } from '../storage/vector-clock.js';
import type { Membership } from './membership.js';
import { slotsOfPartition } from './ring.js';
import type { Turn } from './turn.js';

/** Entries looked at in one step, and the time between two: a step takes about a millisecond... */
const stepEntries = 500;
const stepMs = 20;
/** ...but with many waiting (a queue's pops come faster) four at most, and so that what waits now is looked at within a second. */
const stepEntriesMax = 2000;
const stepsASecond = 1000 / stepMs;
/** Between two readings of one partition's rows. */
const lookMs = 60_000;
/** Between two partitions' rows. */
const pauseMs = 50;

export interface PurgerOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly isDoubtful: (partition: number) => boolean;
  readonly failed: (error: Error) => void;
}

/** What home replicas had seen of a partition at one look. */
interface Horizon {
  /** All of them. */
  readonly least: VectorClock;
  /** Any of them. */
  readonly most: VectorClock;
  /** Of the partition here: what came since is not covered, or will be by a later look. */
  readonly contextsAdded: number;
}

/** What a partition's last whole pass went by: the next one waits until one of them has changed. */
interface Pass {
  readonly seenByAll: VectorClock;
  /** Entries that came later it does not look at. */
  readonly contextsAdded: number;
}

/** A pass under way. */
interface PassUnderWay extends Pass {
  /** Entries that are still to be looked at. */
  left: number;
  /** Every entry so far was judged, and by this clock. */
  whole: boolean;
}

export class Purger {
  /** Partitions to go through. */
  private readonly queue = new Map<number, PassUnderWay>();
  private readonly passes = new Map<number, Pass>();
  /** By partition with something to forget: an earlier look, which they have not all reached yet. */
  private readonly horizons = new Map<number, Horizon>();
  /** By partition: what may be forgotten. */
  private readonly forgettable = new Map<number, Pass>();
  /** By partition: when its rows were read last, and by which clock. */
  private readonly looks = new Map<number, { readonly atMs: number; readonly seenByAll: VectorClock; readonly hidings: number }>();
  private looking = false;
  private nextMs = 0;
  private closed = false;

  constructor(private readonly options: PurgerOptions) {}

  /** Once a gossip interval: finds the partitions with something to forget. */
  readonly plan = (): void => {
    if (this.closed) return;
    const { store, membership } = this.options;
    for (let number = 0; number < (membership.configuration?.partitions ?? 0); number++) {
      if (!membership.isHome(number)) continue;
      const partition = store.partition(number);
      const { contexts, contextsAdded, hasHiddenContexts } = partition;
      if (contexts === 0) this.passes.delete(number);
      if (contexts === 0 && !hasHiddenContexts) {
        this.horizons.delete(number);
        this.forgettable.delete(number);
      } else this.lookAhead(number);
      if ((contexts === 0 && !hasHiddenContexts) || this.queue.has(number)) continue;
      const seenByAll = this.seenByAll(number);
      if (seenByAll === undefined || seenByAll.size === 0) continue;
      if (contexts > 0) {
        const last = this.passes.get(number);
        const looked = this.forgettable.get(number)?.contextsAdded ?? contextsAdded;
        // The ring has the newest last.
        const left = Math.max(0, contexts - (contextsAdded - looked));
        if (last?.contextsAdded !== looked || !clocksEqual(last.seenByAll, seenByAll))
          this.queue.set(number, { seenByAll, contextsAdded: looked, left, whole: true });
      }
      if (hasHiddenContexts && !this.looking) this.look(partition, seenByAll);
    }
  };

  /** Entries in memory that are still to be looked at. */
  get backlog(): number {
    let backlog = 0;
    for (const { left } of this.queue.values()) backlog += left;
    return backlog;
  }

  /** One step, if it is time. */
  tick(): void {
    const { store, turn, clock } = this.options;
    const nowMs = clock.monotonicMs();
    if (this.queue.size === 0 || nowMs < this.nextMs) return;
    this.nextMs = nowMs + stepMs;
    let budget = Math.min(stepEntriesMax, Math.max(stepEntries, Math.ceil(this.backlog / stepsASecond)));
    for (const [number, pass] of this.queue) {
      if (budget === 0) break;
      const partition = store.partition(number);
      if (partition.pins > 0) continue; // somebody goes through it: later
      const seenByAll = this.seenByAll(number);
      const looked = Math.min(pass.left, budget);
      budget -= looked;
      pass.left -= looked;
      const judged = seenByAll !== undefined && store.forgetting.step(partition, seenByAll, looked);
      pass.whole &&= judged && clocksEqual(seenByAll, pass.seenByAll);
      if (pass.left > 0 && seenByAll !== undefined) continue;
      this.queue.delete(number);
      // A pass during which a peer's clock was not known, or an entry was not in memory, is made again: nothing else may ever change.
      if (pass.whole) this.passes.set(number, pass);
      else this.passes.delete(number);
    }
    turn.schedule();
  }

  close(): void {
    this.closed = true;
  }

  /** What may be forgotten by what every home replica has seen; undefined = one of them cannot tell, or is not to be believed, or it is not known yet. */
  private seenByAll(number: number): VectorClock | undefined {
    const now = this.horizonOf(number);
    const forgettable = this.forgettable.get(number);
    // A node may have lost some of what it had seen then.
    return now === undefined || forgettable === undefined ? undefined : minClock(now.least, forgettable.seenByAll);
  }

  /** All have reached what any had seen at the earlier look: what all had seen then may go, and what they have seen now is the next to be reached. */
  private lookAhead(number: number): void {
    const now = this.horizonOf(number);
    if (now === undefined) return;
    const earlier = this.horizons.get(number);
    if (earlier !== undefined && !coversClock(now.least, earlier.most)) return;
    if (earlier !== undefined) this.forgettable.set(number, { seenByAll: earlier.least, contextsAdded: earlier.contextsAdded });
    this.horizons.set(number, now);
  }

  /** As far as this node knows; undefined = a home replica cannot tell, or is not to be believed. */
  private horizonOf(number: number): Horizon | undefined {
    const { store, membership, isDoubtful } = this.options;
    if (isDoubtful(number)) return undefined;
    const { seen, contextsAdded } = store.partition(number);
    const own: VectorClock = new Map(seen); // a copy: it is kept, and the partition's goes on
    let least = own;
    let most = own;
    for (const peer of membership.otherHomes(number)) {
      const theirs = peer.seenOf(number);
      if (theirs === undefined || peer.doubtful) return undefined;
      least = minClock(least, theirs);
      most = maxClock(most, theirs);
    }
    return { least, most, contextsAdded };
  }

  /** What was evicted, or stood on disk before this start, is not counted in memory: now and then the rows are read. */
  private look(partition: Partition, seenByAll: VectorClock): void {
    const { store, membership, turn, clock, failed } = this.options;
    const { number, hidings } = partition;
    const last = this.looks.get(number);
    const nowMs = clock.monotonicMs();
    if (last !== undefined) {
      const isAsItWas = last.hidings === hidings && clocksEqual(last.seenByAll, seenByAll);
      if (nowMs - last.atMs < lookMs || isAsItWas) return;
    }
    this.looks.set(number, { atMs: nowMs, seenByAll, hidings });
    this.looking = true;
    const slots = slotsOfPartition(number, membership.configuration?.partitions ?? 1);
    const breathe = (): Promise<void> => {
      turn.schedule();
      return new Promise((resolve) => clock.after(1, resolve));
    };
    store.forgetting
      .look(partition, { ...slots, seenByAll: () => (this.closed ? undefined : this.seenByAll(number)), breathe })
      .catch((error: unknown) => {
        if (!this.closed) failed(error instanceof Error ? error : new Error(String(error)));
      })
      .finally(() => {
        this.looking = false;
        clock.after(pauseMs, this.plan);
      });
  }
}
