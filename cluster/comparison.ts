/**
 * Bringing two replicas of a partition together by their `seen`: one asks for every record the other's clock has and its own has not (a pull), or
 * sends them (a push). Both end with the pointwise max of the clocks. It closes gaps, catches up after a stop, feeds take-overs, and
 * rebuilds a doubtful replica. What clocks cannot show, a record that a disk lost silently, anti-entropy.ts finds.
 */
import type { torc } from '../protocol/generated/messages.js';
import { decodeRecord, deletionTerm, emptyClock, type VectorClock, type VersionedRecord } from '../protocol/record.js';
import { noTerm, type Dot, type Term } from '../protocol/dot.js';
import type { Clock, Random } from '../storage/clock.js';
import { noEntry } from '../storage/key-table.js';
import { clockBytes, clockOf, encodeAhead } from '../storage/partition-clocks.js';
import type { Partition } from '../storage/partition.js';
import type { Store } from '../storage/store.js';
import { covers, coversClock, withoutActor } from '../storage/vector-clock.js';
import { encodedRecord, type LongTransfer } from './long-transfer.js';
import type { Peer } from './peer.js';
import { firstId } from './id-window.js';
import { slotsOfPartition } from './ring.js';
import type { Turn } from './turn.js';

/** Bytes of records in one piece of a transfer. */
const pieceBytes = 512 * 1024;
/** Entries looked at before the event loop gets its turn. */
const sliceEntries = 1000;
/** Pulls for catching up that are under way at once. */
const catchUpsAtOnce = 16;
/** Pushes of which a piece was discarded that are remembered. */
const discardedMax = 1000;

interface Exchange {
  readonly peer: Peer;
  readonly partition: number;
  /** A pull of everything, whatever this replica has seen: which versions the peer showed of those that it may have forgotten others beside. */
  readonly shown: Set<string> | undefined;
  /** A piece was discarded, as possibly older than what was forgotten here: the clock must not move by the others. */
  discarded: boolean;
  readonly done: (result: 'done' | 'failed' | 'doubtful') => void;
  /** Peer.way when it began. */
  readonly way: number;
  lastProgressMs: number;
}

export interface ComparisonOptions {
  readonly store: Store;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly random: Random;
  readonly timeoutMs: number;
  readonly partitions: () => number;
  /** This node cannot prove that it kept all it wrote in the partition. */
  readonly isDoubtful: (partition: number) => boolean;
  /** A large batch of the partition is on its way here: what seems to be missing is just that. */
  readonly isArriving: (partition: number) => boolean;
  /** A peer's clock may prove that this node lost some of what it wrote. */
  readonly provesLoss: (partition: number, seen: VectorClock) => boolean;
  /** This node has no room for what it lacks. */
  readonly isFull: () => boolean;
}

export class Comparison {
  private nextId: number;
  private readonly exchanges = new Map<number, Exchange>();
  /** Partitions in which peers were ahead when they last said so; they say so once. */
  private readonly behind = new Map<number, Map<Peer, VectorClock>>();
  private readonly catchingUp = new Set<number>();
  /** Pulls that brought something to their end. */
  finished = 0;
  /** Keys of which versions were dropped because a peer had forgotten them. */
  dropped = 0;
  /** Pushes, by peer and number, of which a piece was discarded. */
  private readonly discarded = new Set<string>();

  constructor(private readonly options: ComparisonOptions) {
    this.nextId = firstId(options.random);
  }

  /** Fetches from `peer` what `since` (this replica's `seen`, unless given) does not cover. */
  pull(partition: number, peer: Peer, done: Exchange['done'], since?: VectorClock): void {
    const clock = since ?? this.options.store.partition(partition).seen;
    const id = this.begin(partition, peer, done, clock.size === 0 ? new Set() : undefined);
    peer.link.say({ pulls: [{ id, partition, since: clockBytes(clock) }] });
  }

  /** Sends `peer` what `since`, its clock, does not cover; with a term the peer answers whether that is still the newest. */
  push(partition: number, peer: Peer, since: VectorClock, term: Term, done: Exchange['done']): void {
    const id = this.begin(partition, peer, done);
    this.send(peer, partition, since, { id, answer: false, term });
  }

  /** Writes one merged record back to a replica whose version was older. */
  pushRecord(partition: Partition, peer: Peer, entry: number, done: Exchange['done']): void {
    // Perhaps this very record; and many reads of it must not each send it.
    if (peer.link.isSendingLarge && peer.link.isLarge(partition.table.valueLengthOf(entry))) return done('failed');
    const id = this.begin(partition.number, peer, done);
    peer.link.say({ transfers: [{ id, ...this.recordTransfer(partition, entry) }] });
  }

  /** One record with this replica's `seen`, to be answered to a peer's comparison. */
  recordTransfer(partition: Partition, entry: number): LongTransfer {
    const seen = clockBytes(partition.seen);
    const doubtful = this.options.isDoubtful(partition.number);
    const record = entry === noEntry ? undefined : partition.recordOf(entry);
    if (record === undefined) return { partition: partition.number, seen, doubtful };
    const { bytes, rest } = encodedRecord(record);
    return { partition: partition.number, key: [partition.recordKeyOf(entry)], record: [bytes], rest, seen, doubtful };
  }

  /** A batch beyond a gap came, or `peer` was seen to have more: fetched soon, once. */
  fetchMissing(partition: number, peer: Peer): void {
    this.noteBehind(partition, peer, emptyClock);
  }

  /** What gossip says of a peer's clocks. Batches on their way explain most differences, so it counts only if it still holds at the next tick; a
   * node that is full remembers it until there is room, since it is told once. */
  noteSeen(peer: Peer, partition: number, seen: VectorClock): void {
    this.options.provesLoss(partition, seen);
    if (!coversClock(this.options.store.partition(partition).seen, seen)) this.noteBehind(partition, peer, seen);
  }

  /** Once a gossip interval: fetches what is still missing, and gives up exchanges that do not move. */
  tick(): void {
    const { clock, timeoutMs } = this.options;
    const now = clock.monotonicMs();
    for (const [id, exchange] of this.exchanges) {
      const { peer, way, lastProgressMs } = exchange;
      const isLost = !peer.link.isOpen || peer.way !== way;
      if (isLost || (now - lastProgressMs > timeoutMs && peer.largeBytes === 0)) this.end(id, 'failed');
    }
    for (const [number, peers] of this.behind) {
      if (this.catchingUp.size >= catchUpsAtOnce || this.options.isFull()) break;
      if (!this.catchingUp.has(number) && !this.options.isArriving(number)) this.catchUp(number, peers);
    }
  }

  /** Asks the first peer that can be asked; what it does not bring stays to be fetched. */
  private catchUp(number: number, peers: Map<Peer, VectorClock>): void {
    const partition = this.options.store.partition(number);
    for (const [peer, seen] of peers) {
      if (partition.ahead.length === 0 && coversClock(partition.seen, seen)) peers.delete(peer);
      else if (peer.link.isOpen) {
        peers.delete(peer);
        this.catchingUp.add(number);
        this.pull(number, peer, (result) => {
          this.catchingUp.delete(number);
          if (result !== 'failed') this.finished++;
          else if (this.behind.get(number)?.has(peer) !== true) return this.noteBehind(number, peer, seen);
          if (this.behind.size > 0) this.options.clock.after(0, () => this.tick());
        });
        break;
      }
    }
    if (peers.size === 0) this.behind.delete(number);
  }

  private noteBehind(partition: number, peer: Peer, seen: VectorClock): void {
    const peers = this.behind.get(partition);
    if (peers === undefined) this.behind.set(partition, new Map([[peer, seen]]));
    else if (seen.size > 0 || !peers.has(peer)) peers.set(peer, seen);
  }

  /** Partitions known to lack something. */
  get partitionsBehind(): number {
    return this.behind.size + this.catchingUp.size;
  }

  onPull(peer: Peer, { id, partition, since }: torc.Pull): void {
    this.send(peer, partition, clockOf(since), { id, answer: true, term: noTerm });
  }

  /** This node's disk is full or refuses writes: what the peer sent, and did not ask to be sent, is not stored. The peer is told, or it would wait. */
  refuse(peer: Peer, transfer: torc.Transfer): void {
    const { id, partition, complete, termCounter } = transfer;
    this.discard(peer, transfer);
    if (complete || termCounter === 0) peer.link.say({ transferAcks: [{ id, partition, current: false }] });
  }

  /** A piece of a partition is not stored: where what comes after it is, that must not count as the whole. */
  discard(peer: Peer, { id, partition, answer, complete, termCounter }: torc.Transfer): void {
    const exchange = answer ? this.exchanges.get(id) : undefined;
    if (exchange?.peer === peer && exchange.partition === partition) exchange.discarded = true;
    if (!answer && !complete && termCounter > 0) this.noteDiscarded(`${peer.nodeId} ${id}`);
  }

  onTransfer(peer: Peer, transfer: torc.Transfer): void {
    const { store, turn } = this.options;
    const partition = store.partition(transfer.partition);
    this.options.provesLoss(transfer.partition, clockOf(transfer.seen)); // before this transfer makes it good
    if (transfer.answer) return this.onAnswer(peer, transfer);
    const term = { counter: transfer.termCounter, actor: transfer.termActor };
    const current = term.counter === 0 || partition.promise(term.counter, term.actor);
    const name = `${peer.nodeId} ${transfer.id}`;
    const isLast = transfer.complete;
    const isBehind = isLast && this.lacksForgotten(partition, clockOf(transfer.purged));
    if (isBehind) this.noteBehind(transfer.partition, peer, clockOf(transfer.seen)); // a push brings what was written, not what was forgotten since
    const isSpoilt = isBehind || this.discarded.has(name);
    transfer.complete = isLast && !isSpoilt;
    const taken = store.applyTransfer(transfer) && !isSpoilt;
    if (isLast) this.discarded.delete(name);
    else if (!taken && term.counter !== 0) this.noteDiscarded(name);
    turn.schedule();
    if (isLast || term.counter === 0) {
      turn.whenWritten(() =>
        peer.link.say({ transferAcks: [{ id: transfer.id, partition: transfer.partition, current: current && taken }] }),
      );
    }
  }

  /** A piece of what was asked for. The clock moves with the last one, if all of them were taken. */
  private onAnswer(peer: Peer, transfer: torc.Transfer): void {
    const { store, turn, clock } = this.options;
    const { id, complete } = transfer;
    const exchange = this.exchanges.get(id);
    const isAwaited = exchange?.peer === peer && exchange.partition === transfer.partition;
    const partition = store.partition(transfer.partition);
    const purged = clockOf(transfer.purged);
    const forgot = !transfer.doubtful && this.mayHoldForgotten(partition, purged);
    transfer.complete = complete && isAwaited && !exchange.discarded && !forgot;
    const taken = store.applyTransfer(transfer);
    turn.schedule();
    if (!isAwaited) return;
    exchange.lastProgressMs = clock.monotonicMs();
    if (!taken) exchange.discarded = true;
    if (exchange.shown !== undefined && purged.size > 0) noteShown(exchange.shown, transfer, purged);
    if (!complete) return;
    // A node in doubt may have forgotten what it promised.
    if (transfer.promisedCounter > 0 && this.options.isDoubtful(transfer.partition))
      store.promise([transfer.partition], { counter: transfer.promisedCounter, actor: transfer.promisedActor });
    if (exchange.discarded) {
      // The peer is behind what was forgotten here. This tells it so; when it has caught up, what it sends can be believed.
      this.push(transfer.partition, peer, clockOf(transfer.seen), noTerm, () => undefined);
      this.end(id, 'failed');
    } else if (!forgot) this.end(id, transfer.doubtful ? 'doubtful' : 'done');
    else if (exchange.shown === undefined) this.pullAgainWhole(id, exchange);
    else this.dropForgotten(id, exchange, transfer, exchange.shown).catch(() => this.end(id, 'failed'));
  }

  /** The peer has forgotten what this replica has never seen: it had, and lost it, or it stood in for others. */
  private lacksForgotten({ seen }: Partition, purged: VectorClock): boolean {
    return !coversClock(seen, purged);
  }

  /** What the peer has forgotten may be here still: this replica lacks what removed it, or cannot tell. */
  private mayHoldForgotten(partition: Partition, purged: VectorClock): boolean {
    return purged.size > 0 && (this.lacksForgotten(partition, purged) || this.options.isDoubtful(partition.number));
  }

  /** What removed a version is not among what the peer sends, since that is forgotten: only all that it has tells what it has not. */
  private pullAgainWhole(id: number, { peer, partition, done }: Exchange): void {
    this.exchanges.delete(id);
    this.pull(partition, peer, done, emptyClock);
  }

  /**
   * The peer has shown all it holds. Versions here that every home replica has seen once (`purged` covers them), and that the peer holds no more, were removed
   * there and the removal was forgotten: they are dropped, so that nobody takes them for something that was lost. Only when that is on disk may the clock move.
   */
  private async dropForgotten(id: number, exchange: Exchange, last: torc.Transfer, shown: ReadonlySet<string>): Promise<void> {
    const { store, turn, clock, partitions } = this.options;
    const partition = store.partition(exchange.partition);
    const purged = clockOf(last.purged);
    const { firstSlot, lastSlot } = slotsOfPartition(exchange.partition, partitions());
    if (partition.touched !== undefined) return this.end(id, 'failed'); // another one is at it
    let dropped = 0;
    const drop = (entry: number): void => {
      const key = partition.recordKeyOf(entry).toString('latin1');
      const isForgotten = (version: Dot): boolean => covers(purged, version) && !shown.has(versionName(key, version));
      if (store.table.recordOf(entry)?.versions.some(isForgotten) !== true) return;
      store.dropVersions(partition, entry, isForgotten);
      dropped++;
    };
    partition.pins++;
    const touched = (partition.touched = new Set<number>());
    const dropTouched = (): void => {
      for (const entry of touched) drop(entry); // what comes meanwhile may be late, too
      touched.clear();
    };
    try {
      await store.loader.loadRecords(partition, firstSlot, lastSlot);
      let looked = 0;
      for (const entry of partition.recordEntries()) {
        drop(entry);
        if (++looked % sliceEntries === 0) await new Promise<void>((resolve) => clock.after(0, resolve));
      }
      dropTouched();
      for (let written = 0; written !== dropped; dropTouched()) {
        written = dropped;
        await store.writeOut();
      }
    } finally {
      partition.pins--;
      partition.touched = undefined;
      this.dropped += dropped;
    }
    if (this.exchanges.get(id) !== exchange) return;
    const { seen, ahead } = last;
    store.applyTransfer({ partition: exchange.partition, seen, ahead, purged: last.purged, complete: true });
    turn.schedule();
    this.end(id, 'done');
  }

  private noteDiscarded(name: string): void {
    if (this.discarded.size >= discardedMax) this.discarded.clear(); // they are of streams long gone
    this.discarded.add(name);
  }

  onTransferAck(peer: Peer, { id, partition, current }: torc.TransferAck): void {
    const exchange = this.exchanges.get(id);
    if (exchange?.peer === peer && exchange.partition === partition) this.end(id, current ? 'done' : 'failed');
  }

  private begin(partition: number, peer: Peer, done: Exchange['done'], shown?: Set<string>): number {
    const id = this.nextId++;
    const lastProgressMs = this.options.clock.monotonicMs();
    this.exchanges.set(id, { peer, partition, shown, discarded: false, done, way: peer.way, lastProgressMs });
    return id;
  }

  private end(id: number, result: 'done' | 'failed' | 'doubtful'): void {
    const exchange = this.exchanges.get(id);
    if (exchange === undefined) return;
    this.exchanges.delete(id);
    exchange.done(result);
  }

  private send(
    peer: Peer,
    number: number,
    since: VectorClock,
    how: { readonly id: number; readonly answer: boolean; readonly term: Term },
  ): void {
    this.sendPieces(peer, number, new Map(since), how).catch(() => this.giveUp(how));
  }

  /** What was not sent whole: an answer's id is the asker's, who notices by itself. */
  private giveUp({ id, answer }: { readonly id: number; readonly answer: boolean }): void {
    if (!answer) this.end(id, 'failed');
  }

  private async sendPieces(
    peer: Peer,
    number: number,
    since: VectorClock,
    how: { readonly id: number; readonly answer: boolean; readonly term: Term },
  ): Promise<void> {
    const { store, clock } = this.options;
    const { streamNumber } = peer.link;
    const isLost = (): boolean => !peer.link.isOpen || peer.link.streamNumber !== streamNumber;
    const partition = store.partition(number);
    const seen = clockBytes(partition.seen);
    const head = {
      id: how.id,
      partition: number,
      seen,
      purged: clockBytes(partition.purged), // nothing is forgotten meanwhile, as the partition is pinned
      answer: how.answer,
      termCounter: how.term.counter,
      termActor: how.term.actor,
      doubtful: this.options.isDoubtful(number),
      promisedCounter: partition.promised.counter,
      promisedActor: partition.promised.actor,
    };
    const end = { ...head, complete: true, ahead: encodeAhead(partition.ahead) };
    if (coversClock(since, partition.seen) && partition.ahead.length === 0) return peer.link.say({ transfers: [end] });
    const { firstSlot, lastSlot } = slotsOfPartition(number, this.options.partitions());
    partition.pins++;
    try {
      if (!partition.isWhole) await store.loader.loadRecords(partition, firstSlot, lastSlot);
      let key: Buffer[] = [];
      let record: Buffer[] = [];
      let bytes = 0;
      let rest: Buffer | undefined; // of a long record, with which its piece ends
      let looked = 0;
      for (const entry of partition.recordEntries()) {
        const held = partition.recordOf(entry);
        if (held !== undefined && isNewer(held, since)) {
          const recordKey = partition.recordKeyOf(entry);
          const encoded = encodedRecord(held);
          key.push(recordKey);
          record.push(encoded.bytes);
          rest = encoded.rest;
          bytes += encoded.bytes.length + (rest?.length ?? 0) + recordKey.length;
        }
        if (bytes > pieceBytes) {
          const piece: LongTransfer = { ...head, key, record, rest };
          peer.link.say({ transfers: [piece] });
          [key, record, bytes, rest] = [[], [], 0, undefined];
          do await new Promise<void>((resolve) => clock.after(1, resolve));
          while (!isLost() && peer.link.isCongested);
        } else if (++looked % sliceEntries === 0) await new Promise<void>((resolve) => clock.after(0, resolve));
        // A piece may have been lost with its stream, and the last one moves the receiver's clock.
        if (isLost()) return this.giveUp(how);
      }
      peer.link.say({ transfers: [{ ...end, key, record }] });
    } finally {
      partition.pins--;
    }
  }
}

function isNewer(record: VersionedRecord, since: VectorClock): boolean {
  return record.versions.some((version) => !covers(since, version)) || !coversClock(since, withoutActor(record.context, deletionTerm));
}

function versionName(key: string, { actor, counter }: Dot): string {
  return `${key} ${actor} ${counter}`;
}

/** Those of a piece's versions that all have seen. */
function noteShown(shown: Set<string>, transfer: torc.Transfer, purged: VectorClock): void {
  transfer.record.forEach((bytes, i) => {
    const { versions } = decodeRecord(bytes as Buffer);
    const key = ((transfer.key[i] ?? Buffer.alloc(0)) as Buffer).toString('latin1');
    for (const version of versions) if (covers(purged, version)) shown.add(versionName(key, version));
  });
}
