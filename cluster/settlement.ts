/**
 * A batch on its way to being settled: it counts the replicas that hold it, and answers those who wait for that. A batch that was
 * not acknowledged in time answers UNKNOWNOUTCOME to its own command, and goes on being resent until it is held everywhere.
 */
import type { KeyEntry, Unsettled } from '../storage/key-entry.js';
import type { Reply } from '../protocol/resp/reply.js';
import type { Call } from './call.js';

interface Waiter {
  readonly call: Call;
  readonly reply: Reply;
  /** It wrote this batch, rather than having seen what the batch wrote. */
  readonly writer: boolean;
}

export class Settlement implements Unsettled {
  settled = false;
  private waiters: Waiter[] = [];
  private readonly entries: readonly KeyEntry[];

  constructor(
    readonly partition: number,
    readonly counter: number,
    /** What it wrote; copied. */
    entries: readonly KeyEntry[],
    /** Acknowledgements still missing for W. */
    private missing: number,
    private readonly whenSettled: (settlement: Settlement) => void,
  ) {
    this.entries = entries.slice();
    for (const entry of this.entries) entry.unsettled = this;
  }

  wait(call: Call, reply: Reply, writer: boolean): void {
    this.waiters.push({ call, reply, writer });
  }

  /** One more replica holds it, in its term. Each replica says so once. */
  acknowledge(): void {
    if (--this.missing === 0) this.settle();
  }

  /** W replicas hold it, by acknowledgement or because their `seen` covers it. */
  settle(): void {
    if (this.settled) return;
    this.settled = true;
    for (const entry of this.entries) if (entry.unsettled === this) entry.unsettled = undefined;
    const { waiters } = this;
    this.waiters = [];
    this.whenSettled(this);
    for (const { call, reply } of waiters) call.answer(reply);
  }

  /** Takes out and returns the waiters that `due` names. */
  giveUp(due: (waiter: { readonly call: Call; readonly writer: boolean }) => boolean): readonly Waiter[] {
    if (this.waiters.length === 0) return [];
    const given = this.waiters.filter(due);
    if (given.length > 0) this.waiters = this.waiters.filter((waiter) => !given.includes(waiter));
    return given;
  }
}
