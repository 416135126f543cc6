/**
 * Gaps that nobody can close any more (ARCHITECTURE.md, "Gapless seen"). An actor wrote two batches in a partition; the second reached this replica, the first only
 * disks and memories that were lost. Its node has begun another life, nothing will ever come, and without this `seen` would stand still before the gap, and
 * nothing behind it be forgotten.
 *
 * Whatever is left of such a batch is with a member: kept for another as a hint, or in a copy of the partition. So once every member, none of them in doubt, has shown its
 * hints of the partition, and after that its copy, the author's own among them, what is still missing exists nowhere, and the gap is closed. Hints come first:
 * one that is handed over meanwhile is in its target's copy by then. What came beyond the gap since that began stays: its author may live.
 */
import { memberNumberOf } from '../protocol/dot.js';
import { clockBytes } from '../storage/partition-clocks.js';
import type { Partition } from '../storage/partition.js';
import type { Store } from '../storage/store.js';
import type { Comparison } from './comparison.js';
import type { EventLog } from './events.js';
import type { HintExchange } from './hint-exchange.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';
import type { Turn } from './turn.js';

/** Gossip rounds for which a gap stands open before it counts as one that does not close by itself. */
const roundsOpen = 5;

export interface RetiredGapsOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly comparison: Comparison;
  readonly hintExchange: HintExchange;
  readonly turn: Turn;
  readonly isDoubtful: (partition: number) => boolean;
  /** This node in clocks, now. */
  readonly actor: () => number;
  readonly log: EventLog;
}

export class RetiredGaps {
  /** By partition: rounds for which there was a gap. */
  private readonly open = new Map<number, number>();
  private isAtWork = false;
  /** So far. */
  closed = 0;

  constructor(private readonly options: RetiredGapsOptions) {}

  /** Once a gossip interval. */
  tick(): void {
    const { store, membership, isDoubtful } = this.options;
    const stuck: Partition[] = [];
    for (let number = 0; number < (membership.configuration?.partitions ?? 0); number++) {
      const partition = store.partition(number);
      if (partition.ahead.length === 0 || !membership.isHome(number) || isDoubtful(number)) {
        this.open.delete(number);
        continue;
      }
      const rounds = (this.open.get(number) ?? 0) + 1;
      this.open.set(number, rounds);
      if (rounds > roundsOpen) stuck.push(partition);
    }
    const others = this.others();
    if (stuck.length === 0 || this.isAtWork || others === undefined) return;
    this.isAtWork = true;
    void this.close(stuck, others).finally(() => (this.isAtWork = false));
  }

  /** All other members; undefined = one of them cannot be asked now, or is not to be believed. */
  private others(): Peer[] | undefined {
    const { membership } = this.options;
    const others: Peer[] = [];
    for (let member = 0; member < membership.memberCount; member++) {
      if (member === membership.selfIndex) continue;
      const peer = membership.peer(member);
      if (peer?.reachable !== true || peer.streams === 0 || peer.doubtful) return undefined;
      others.push(peer);
    }
    return others;
  }

  private async close(stuck: readonly Partition[], others: readonly Peer[]): Promise<void> {
    for (const partition of stuck) {
      const candidates = this.candidates(partition);
      if (candidates.size > 0 && !(await this.everythingShown(partition.number, others))) return;
      this.raise(partition, candidates);
    }
  }

  /** By actor, up to where there are batches behind gaps. Its own node's present life can tell by itself what it wrote. */
  private candidates(partition: Partition): Map<number, number> {
    const candidates = new Map<number, number>();
    for (const { actor, counter } of partition.ahead) {
      if (actor !== this.options.actor()) candidates.set(actor, Math.max(counter, candidates.get(actor) ?? 0));
    }
    return candidates;
  }

  /** False: a member did not answer, or is in doubt. */
  private async everythingShown(number: number, others: readonly Peer[]): Promise<boolean> {
    const { comparison, hintExchange } = this.options;
    const hints = others.map((peer) => new Promise<boolean>((resolve) => hintExchange.pull(peer, number, resolve)));
    if ((await Promise.all(hints)).includes(false)) return false;
    const copies = others.map((peer) => new Promise<string>((resolve) => comparison.pull(number, peer, resolve)));
    return (await Promise.all(copies)).every((result) => result === 'done');
  }

  private raise(partition: Partition, candidates: ReadonlyMap<number, number>): void {
    const { store, membership, turn, log } = this.options;
    const seen = new Map([...candidates].filter(([actor, counter]) => (partition.seen.get(actor) ?? 0) < counter));
    if (seen.size === 0) return; // it closed by what came
    store.applyTransfer({ partition: partition.number, seen: clockBytes(seen), complete: true });
    turn.schedule();
    this.closed += seen.size;
    for (const [actor, counter] of seen) {
      const author = membership.configuration?.members[membership.indexOf(memberNumberOf(actor))]?.nodeId ?? '?';
      const what = `what '${author}' wrote in partition ${partition.number} in an earlier life, and lost before anyone else had it, is missed no longer`;
      log('info', what, { event: 'gap-closed', partition: partition.number, actor, counter });
    }
  }
}
