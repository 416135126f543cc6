/**
 * Deletes expired keys, and expired elements of collections, of the partitions that this node coordinates, by ordinary batches: expiry hides a key at once, the sweeper only frees what it held.
 * A tombstone covers just the value that had expired, so a newer one elsewhere is never harmed.
 */
import type { Reply } from '../protocol/resp/reply.js';
import type { Clock } from '../storage/clock.js';
import type { Execution } from '../storage/execution.js';
import type { Store } from '../storage/store.js';
import { Transaction } from '../storage/transaction.js';
import { TurnSlice } from '../storage/turn-slice.js';
import { Call } from './call.js';
import type { Operation } from './command.js';
import type { Coordination } from './coordination.js';
import type { Membership } from './membership.js';

/** From one tick that looks to the next; after one that was worth it the shorter, so that a fifth of the time goes into it at most. */
const intervalMs = { usual: 100, busy: 10 };
/** Keys looked at in one tick in any case. It goes on while one of so many had expired, as Redis' active expiry does, as long as a slice of a turn may take. */
const lookMin = 500;
const worthwhile = 4;
const lookMax = 10_000;
/** Keys deleted by one batch. */
const deleteMax = 100;
/** Elements deleted by one batch: a millisecond or two. Where there are more the next one follows at once. */
const deleteElementsMax = 500;

export interface ExpirySweeperOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly coordinations: () => Iterable<Coordination>;
  readonly submit: (call: Call) => void;
  readonly clock: Clock;
  /** Read each time. */
  readonly directives: { readonly peerTimeoutMs: number };
}

export class ExpirySweeper {
  private nextMs = 0;
  private readonly sweeping = new Set<number>();
  private resumeAt = 0;
  /** Keys deleted because they had expired. */
  expired = 0;
  /** Elements of others deleted because they had. */
  expiredElements = 0;

  constructor(private readonly options: ExpirySweeperOptions) {}

  tick(): void {
    const now = this.options.clock.monotonicMs();
    if (now < this.nextMs) return;
    const nowMs = this.options.store.hybridClock.nowMs();
    const slice = new TurnSlice(this.options.clock, lookMax);
    let looked = 0;
    let expired = 0;
    let isOver = false;
    const running = [...this.options.coordinations()].filter(
      ({ state, partition }) => state === 'running' && this.options.membership.isHome(partition),
    );
    for (let i = 0; i < running.length && !isOver; i++) {
      const coordination = running[this.resumeAt++ % running.length];
      if (coordination === undefined || this.sweeping.has(coordination.partition)) continue;
      const partition = this.options.store.partition(coordination.partition);
      const due: Buffer[] = [];
      const { table } = partition;
      let left = partition.expiring.size;
      for (const entry of partition.expiring) {
        if (left-- === 0 || due.length >= deleteMax || isOver) break;
        looked++;
        if (partition.hasExpired(entry, nowMs)) {
          due.push(table.keyBytes(entry));
          expired++;
        }
        isOver = slice.isOver() || (looked >= lookMin && worthwhile * expired < looked);
        // To the end: those behind it are looked at first the next time.
        partition.expiring.delete(entry);
        partition.expiring.add(entry);
      }
      if (due.length > 0) this.sweep(coordination.partition, due);
    }
    const isBusy = expired >= deleteMax && worthwhile * expired >= looked;
    this.nextMs = now + (isBusy ? intervalMs.busy : intervalMs.usual);
  }

  private sweep(partition: number, keys: readonly Buffer[]): void {
    this.sweeping.add(partition);
    const deadlineMs = this.options.clock.monotonicMs() + this.options.directives.peerTimeoutMs;
    this.options.submit(
      new SweepCall(sweepOperation(keys), partition, deadlineMs, (reply) => {
        this.sweeping.delete(partition);
        if (!Array.isArray(reply)) return;
        const [expired = 0, expiredElements = 0] = reply.map(Number);
        this.expired += expired;
        this.expiredElements += expiredElements;
        if (expiredElements >= deleteElementsMax) this.sweep(partition, keys);
      }),
    );
  }
}

function sweepOperation(keys: readonly Buffer[]): Operation {
  return {
    access: 'write',
    blind: false,
    keys,
    wholePartition: false,
    run(execution: Execution): Reply {
      if (!(execution instanceof Transaction)) throw new Error('the sweeper runs in a transaction');
      const removed = keys.filter((key) => execution.removeExpired(key)).length;
      let elements = 0;
      for (const key of keys)
        if (elements < deleteElementsMax) elements += execution.removeExpiredElements(key, deleteElementsMax - elements);
      return [removed, elements];
    },
  };
}

class SweepCall extends Call {
  constructor(
    operation: Operation,
    partition: number,
    deadlineMs: number,
    private readonly done: (reply: Reply) => void,
  ) {
    super([], operation, partition, { resp: 2, writeQuorum: 0, readQuorum: 0, deadlineMs });
  }

  protected deliver(reply: Reply): void {
    this.done(reply);
  }
}
