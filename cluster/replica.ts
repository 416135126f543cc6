/**
 * A home replica's side of a write: batches from a coordinator are stored and acknowledged. One acknowledgement answers all batches of
 * a frame; those whose term was superseded are named in it, for they count for nothing.
 */
import { batchHeaderBytes } from '../protocol/batch.js';
import type { torc } from '../protocol/generated/messages.js';
import type { AppliedListener, Store } from '../storage/store.js';
import type { Peer } from './peer.js';
import { beginRequest, contextsIn, type OpenSpan, type Tracer } from './tracing.js';
import type { Turn } from './turn.js';

export class Replica implements AppliedListener {
  /** Batches applied, for INFO. */
  batchesApplied = 0;
  /** Of the frame that is being stored: its sender, its last batch that was stored, the first of that one's actor, and what was superseded of it. */
  private sender: Peer | undefined;
  private actor = 0;
  private first = 0;
  private counter = 0;
  private superseded: torc.Superseded.$Shape[] = [];
  /** Partitions of large batches that are on their way to the log. */
  private readonly storing: { readonly partition: number; readonly bytes: number }[] = [];

  constructor(
    private readonly store: Store,
    private readonly turn: Turn,
    /** A batch lies beyond a gap: what is missing has to be fetched from its sender. */
    private readonly fetchMissing: (partition: number, from: Peer) => void,
    /** This replica remembers every term that it has promised of the partition. */
    private readonly isTermKnown: (partition: number) => boolean,
    private readonly tracer: Tracer | undefined,
  ) {}

  /** Stores `bytes`, batches back to back, borrowed; `traces`: the contexts of those that are traced. Throws FormatError. */
  receive(peer: Peer, bytes: Buffer, traces: Uint8Array): void {
    const spans = traces.length > 0 && this.tracer !== undefined ? this.spansOf(traces, this.tracer) : [];
    this.sender = peer;
    this.actor = 0;
    this.store.applyBatches(bytes, this);
    if (spans.length > 0) this.endWhenWritten(spans);
    this.acknowledge(peer);
    this.sender = undefined;
  }

  private spansOf(traces: Uint8Array, tracer: Tracer): OpenSpan[] {
    return contextsIn(traces).map((context) => beginRequest(tracer, 'torc.peer/replicate', context));
  }

  /** What the log takes of it is a span of the storage's. */
  private endWhenWritten(spans: readonly OpenSpan[]): void {
    const logs = spans.map(({ context }) => this.tracer?.begin('storage/log', 'internal', context, {}));
    this.turn.whenWritten(() => {
      for (const log of logs) log?.end();
      for (const span of spans) span.end();
    });
  }

  /** Stores one large batch, whose bytes are given away; the message that brought it is `id`. Throws FormatError. */
  receiveLarge(peer: Peer, id: number, bytes: Buffer): void {
    const superseded: torc.Superseded.$Shape[] = [];
    let dot = { actor: 0, counter: 0 };
    const listener: AppliedListener = {
      applied: (partition, actor, counter, isSuperseded, gap) => {
        this.batchesApplied++;
        dot = { actor, counter };
        this.note(peer, superseded, partition, counter, isSuperseded, gap);
      },
    };
    const storing = { partition: bytes.readUInt16BE(batchHeaderBytes), bytes: bytes.length };
    this.store.applyLargeBatches(bytes, listener, () => {
      this.storing.splice(this.storing.indexOf(storing), 1);
      const stored = { ...dot, first: dot.counter, superseded };
      this.turn.whenWritten(() => peer.link.say({ bulkAcks: [{ id, received: bytes.length, stored }] }));
    });
    this.storing.push(storing);
  }

  get isStoring(): boolean {
    return this.storing.length > 0;
  }

  /** Bytes of large batches of the partition that have come and are not stored yet. */
  storingBytes(partition: number): number {
    let sum = 0;
    for (const each of this.storing) if (each.partition === partition) sum += each.bytes;
    return sum;
  }

  applied(partition: number, actor: number, counter: number, superseded: boolean, gap: boolean): void {
    const { sender } = this;
    if (sender === undefined) return;
    this.batchesApplied++;
    if (this.actor !== actor) {
      this.acknowledge(sender);
      this.actor = actor;
      this.first = counter;
    }
    this.counter = counter;
    this.note(sender, this.superseded, partition, counter, superseded, gap);
  }

  private note(sender: Peer, over: torc.Superseded.$Shape[], partition: number, counter: number, superseded: boolean, gap: boolean): void {
    if (gap) this.fetchMissing(partition, sender);
    // Where a newer term may have been promised and forgotten, the batch is stored and counts for nothing.
    if (!superseded && this.isTermKnown(partition)) return;
    const { counter: termCounter, actor: termActor } = this.store.partition(partition).promised;
    over.push({ counter, partition, termCounter, termActor });
  }

  private acknowledge(peer: Peer): void {
    const { actor, first, counter, superseded } = this;
    if (actor === 0) return;
    this.superseded = [];
    this.turn.whenWritten(() => peer.link.acknowledge({ actor, first, counter, superseded }));
  }
}
