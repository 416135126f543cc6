/**
 * Hinted handoff, a holder's side (Dynamo, section 4.6): keeps batches for home replicas that others cannot reach, on disk, and hands them over in order as
 * soon as it reaches them itself. A piece is let go when its target has acknowledged it, so a crash of either side repeats pieces and loses
 * none; what a target has had already it knows by its `seen`.
 *
 * Bounds, for each target: `hint-max-bytes`, beyond which nothing more is taken, and `hint-max-age`, after which a hint is dropped.
 */
import { batchLength, decodeBatches } from '../protocol/batch.js';
import { compareTerms } from '../protocol/dot.js';
import type { torc } from '../protocol/generated/messages.js';
import type { Clock } from '../storage/clock.js';
import { StorageError } from '../storage/engine.js';
import type { KeptHint } from '../storage/hint-store.js';
import type { Store } from '../storage/store.js';
import type { HintExchange } from './hint-exchange.js';
import type { Lives } from './lives.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';
import { bytesOf, type Settlement } from './settlement.js';
import type { Turn } from './turn.js';

/** Bytes of batches in one piece; the next one leaves when it was acknowledged. */
const pieceBytes = 256 * 1024;
/** Partitions in one piece. */
const pieceLanes = 64;
/** What is handed over to one target in a second, at most: it has clients to serve. */
const bytesPerSecond = 16 * 1024 * 1024;

export interface HandOffOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly exchange: HintExchange;
  /** Read each time. */
  readonly directives: { readonly hintBytesMax: number; readonly hintAgeMaxMs: number };
  /** Hears whose batches are kept. */
  readonly lives: Lives;
  /** A batch lies beyond a gap: what is missing has to be fetched from its sender, a home replica. */
  readonly fetchMissing: (partition: number, from: Peer) => void;
  /** The target has taken these batches of a partition. */
  readonly handedOver: (target: Peer, partition: number, batches: Buffer) => void;
  readonly failed: (error: StorageError) => void;
}

export class HandOff {
  private readonly handingOver = new Set<number>();
  private closed = false;
  /** Batches, for INFO: kept here, handed over to others, taken from others, dropped for their age or for want of room. */
  readonly counts = { kept: 0, handedOver: 0, taken: 0, dropped: 0 };

  constructor(private readonly options: HandOffOptions) {}

  /** Batches from a peer: for this node, or to be kept for another. Throws FormatError before anything of a malformed frame is stored. */
  onHints(peer: Peer, { id, target, batches, answer, complete }: torc.Hints): void {
    const { membership, turn, exchange } = this.options;
    if (answer || target === membership.numberOf(membership.selfIndex)) {
      if (batches.length > 0) this.take(peer, batches as Buffer);
      if (answer) exchange.onAnswer(peer, id, complete);
      else turn.whenWritten(() => peer.link.say({ hintAcks: [{ id }] }));
      return;
    }
    const superseded = membership.full ? undefined : this.keepFor(target, batches as Buffer);
    turn.whenWritten(() => peer.link.say({ hintAcks: [superseded === undefined ? { id, refused: true } : { id, superseded }] }));
  }

  /** A peer takes a partition over and asks what is kept of it, for whomever. */
  onHintPull(peer: Peer, pull: torc.HintPull): void {
    this.show(peer, pull).catch((error: unknown) => this.diskFailed(error));
  }

  /** Something of the partition is kept here for another member. */
  keepsSomethingOf(partition: number): boolean {
    const { hints } = this.options.store;
    return hints.targets().some((target) => hints.lane(target, partition) !== undefined);
  }

  /** Keeps batches of this node that neither `target` nor a stand-in took. Returns how many there is no room for. */
  readonly keepHere = (target: Peer, settlements: readonly Settlement[]): number => {
    const { store, membership, turn, directives } = this.options;
    const number = membership.numberOf(target.member);
    const nowMs = store.hybridClock.nowMs();
    let dropped = 0;
    for (const settlement of settlements) {
      const bytes = bytesOf(settlement);
      if (!store.hints.hasRoom(number, bytes.length, directives.hintBytesMax)) dropped++;
      else store.hints.keep(number, settlement.partition, nowMs, bytes);
    }
    this.counts.kept += settlements.length - dropped;
    this.counts.dropped += dropped;
    turn.schedule();
    return dropped;
  };

  /** There is something to hand over to the peer, so what this node has for it in memory comes after that. */
  keepsFor(peer: Peer): boolean {
    return peer.member >= 0 && this.options.store.hints.bytesOf(this.options.membership.numberOf(peer.member)) > 0;
  }

  /** Once a gossip interval, and when a link has opened: goes on handing over, and drops what is too old. */
  tick(): void {
    const { store, membership, directives } = this.options;
    const limitMs = store.hybridClock.nowMs() - directives.hintAgeMaxMs;
    for (const target of store.hints.targets()) {
      if (this.handingOver.has(target)) continue;
      const peer = membership.peerNumbered(target);
      const isReachable = peer?.takesWrites === true && peer.streams > 0; // else its acknowledgement would be lost
      if (!isReachable && !store.hints.lanesOf(target).some(({ oldestMs }) => oldestMs < limitMs)) continue;
      this.handingOver.add(target);
      const work = isReachable ? this.handOver(peer, target) : this.dropOld(target, limitMs);
      work.catch((error: unknown) => this.diskFailed(error)).finally(() => this.handingOver.delete(target));
    }
  }

  /** By member: bytes kept here for it. */
  bytesByMember(): (readonly [member: number, bytes: number])[] {
    const { store, membership } = this.options;
    return store.hints.targets().map((target) => [membership.indexOf(target), store.hints.bytesOf(target)] as const);
  }

  close(): void {
    this.closed = true;
  }

  private take(peer: Peer, batches: Buffer): void {
    const { store, membership, turn, fetchMissing } = this.options;
    store.applyBatches(batches, {
      applied: (partition, _actor, _counter, _superseded, gap) => {
        this.counts.taken++;
        // A holder has nothing but hints of the partition; home replicas tell by gossip what they have more.
        if (gap && membership.isHome(partition) && membership.preferenceList(partition).includes(peer.member))
          fetchMissing(partition, peer);
      },
    });
    turn.schedule();
  }

  /** Returns what counts for nothing; undefined = there is no room. Throws FormatError. */
  private keepFor(target: number, bytes: Buffer): torc.Superseded.$Shape[] | undefined {
    const { store, membership, directives } = this.options;
    const batches = decodeBatches(bytes); // what cannot be decoded must not be kept: its target would refuse it for ever
    if (!store.hints.hasRoom(target, bytes.length, directives.hintBytesMax) || membership.indexOf(target) < 0) return undefined;
    const nowMs = store.hybridClock.nowMs();
    const lanes = new Map<number, Buffer[]>();
    const superseded: torc.Superseded.$Shape[] = [];
    let offset = 0;
    for (const { dot, parts } of batches) {
      this.options.lives.keeps(dot.actor, dot.counter);
      const length = batchLength(bytes, offset);
      const first = parts[0]?.partition ?? 0;
      const slices = lanes.get(first);
      if (slices === undefined) lanes.set(first, [bytes.subarray(offset, offset + length)]);
      else slices.push(bytes.subarray(offset, offset + length));
      offset += length;
      for (const { partition, term } of parts) {
        const { promised } = store.partition(partition);
        if (compareTerms(promised, { counter: term, actor: dot.actor }) <= 0) continue;
        superseded.push({ counter: dot.counter, partition, termCounter: promised.counter, termActor: promised.actor });
      }
    }
    for (const [partition, slices] of lanes) store.hints.keep(target, partition, nowMs, Buffer.concat(slices));
    this.counts.kept += batches.length;
    return superseded;
  }

  /** Piece after piece, until nothing is left or the target does not take it. */
  private async handOver(peer: Peer, target: number): Promise<void> {
    const { store, clock, turn } = this.options;
    while (!this.closed && peer.takesWrites) {
      const piece = await this.gather(target);
      if (piece.length === 0) return;
      const batches = Buffer.concat(piece.flatMap(({ hints }) => hints.map((hint) => hint.batches)));
      if (!(await this.send(peer, target, batches))) return;
      for (const { partition, hints } of piece) {
        store.hints.letGo(target, partition, hints);
        for (const hint of hints) this.options.handedOver(peer, partition, hint.batches);
        this.counts.handedOver += hints.reduce((sum, hint) => sum + batchCount(hint.batches), 0);
      }
      turn.schedule();
      do await new Promise<void>((resolve) => clock.after(Math.ceil((batches.length / bytesPerSecond) * 1000), resolve));
      while (!this.closed && peer.takesWrites && peer.link.isCongested);
    }
  }

  private send(peer: Peer, target: number, batches: Buffer): Promise<boolean> {
    return new Promise((resolve) => this.options.exchange.send(peer, target, batches, (ack) => resolve(ack?.refused === false)));
  }

  /** The next piece, from the front of some lanes; what is too old is dropped on the way. */
  private async gather(target: number): Promise<{ readonly partition: number; readonly hints: readonly KeptHint[] }[]> {
    const { store, directives } = this.options;
    const limitMs = store.hybridClock.nowMs() - directives.hintAgeMaxMs;
    const piece: { partition: number; hints: readonly KeptHint[] }[] = [];
    let left = pieceBytes;
    for (const { partition, oldestMs } of store.hints.lanesOf(target)) {
      if (left <= 0 || piece.length >= pieceLanes || this.closed) break;
      if (oldestMs < limitMs) await this.dropOldOf(target, partition, limitMs);
      const hints = await store.hints.read(target, partition, left);
      if (hints.length === 0)
        store.hints.letGoLane(target, partition); // its rows were lost, or never were
      else piece.push({ partition, hints });
      for (const { batches } of hints) left -= batches.length;
    }
    return piece;
  }

  private async dropOld(target: number, limitMs: number): Promise<void> {
    for (const { partition, oldestMs } of this.options.store.hints.lanesOf(target)) {
      if (oldestMs < limitMs && !this.closed) await this.dropOldOf(target, partition, limitMs);
    }
  }

  private async dropOldOf(target: number, partition: number, limitMs: number): Promise<void> {
    const { store, turn } = this.options;
    while (!this.closed) {
      const hints = await store.hints.read(target, partition, pieceBytes);
      const old = hints.filter(({ keptMs }) => keptMs < limitMs);
      const [next] = hints.slice(old.length);
      if (next !== undefined) store.hints.noteOldest(target, partition, next.keptMs);
      if (old.length === 0) return;
      store.hints.letGo(target, partition, old);
      this.counts.dropped += old.reduce((sum, { batches }) => sum + batchCount(batches), 0);
      turn.schedule();
    }
  }

  /** Sends a copy of all that is kept of a partition; it stays kept. */
  private async show(peer: Peer, { id, partition }: torc.HintPull): Promise<void> {
    const { store, clock } = this.options;
    const { streamNumber } = peer.link;
    for (const target of store.hints.targets()) {
      for await (const batches of store.hints.copies(target, partition, pieceBytes)) {
        peer.link.say({ hints: [{ id, target, batches, answer: true }] });
        const isOver = (): boolean => this.closed || !peer.link.isOpen || peer.link.streamNumber !== streamNumber;
        do await new Promise<void>((resolve) => clock.after(1, resolve));
        while (!isOver() && peer.link.isCongested);
        if (isOver()) return;
      }
    }
    peer.link.say({ hints: [{ id, answer: true, complete: true }] });
  }

  private diskFailed(error: unknown): void {
    if (this.closed) return; // the engine may have been closed under it
    this.options.failed(error instanceof StorageError ? error : new StorageError('IO', 'hints could not be read', { cause: error }));
  }
}

function batchCount(batches: Buffer): number {
  let count = 0;
  for (let offset = 0; offset < batches.length; offset += batchLength(batches, offset)) count++;
  return count;
}
