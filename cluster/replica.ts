/**
 * A home replica's side of a write: batches from a coordinator are stored and acknowledged. One acknowledgement answers all batches of
 * a frame; those whose term was superseded are named in it, for they count for nothing.
 */
import type { torc } from '../protocol/generated/messages.js';
import type { AppliedPart, Store } from '../storage/store.js';
import type { Peer } from './peer.js';
import type { Turn } from './turn.js';

export class Replica {
  /** Batches applied, for INFO. */
  batchesApplied = 0;

  constructor(
    private readonly store: Store,
    private readonly turn: Turn,
    /** A batch lies beyond a gap: what is missing has to be fetched from its sender. */
    private readonly fetchMissing: (partition: number, from: Peer) => void,
  ) {}

  /** Stores `bytes`, batches back to back, borrowed. Throws FormatError. */
  receive(peer: Peer, bytes: Buffer): void {
    let first: AppliedPart | undefined;
    let last: AppliedPart | undefined;
    let superseded: torc.Superseded.$Shape[] | undefined;
    this.store.applyBatches(bytes, (part) => {
      this.batchesApplied++;
      if (first !== undefined && last !== undefined && last.dot.actor !== part.dot.actor) {
        this.acknowledge(peer, first, last, superseded);
        first = superseded = undefined;
      }
      first ??= part;
      last = part;
      if (part.gap) this.fetchMissing(part.partition, peer);
      if (!part.superseded) return;
      const { counter: termCounter, actor: termActor } = this.store.partition(part.partition).promised;
      (superseded ??= []).push({ counter: part.dot.counter, partition: part.partition, termCounter, termActor });
    });
    if (first !== undefined && last !== undefined) this.acknowledge(peer, first, last, superseded);
  }

  private acknowledge(peer: Peer, first: AppliedPart, { dot }: AppliedPart, superseded: torc.Superseded.$Shape[] = []): void {
    const ack = { actor: dot.actor, first: first.dot.counter, counter: dot.counter, superseded };
    this.turn.whenWritten(() => peer.link.acknowledge(ack));
  }
}
