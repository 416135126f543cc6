/**
 * Reads under R (`read-from any`): this home replica answers from its own records once R-1 other home replicas have shown the same versions; where one
 * differs, the records are merged and written back to those asked before the reply. So a read never misses what was acknowledged, and
 * what it shows is held by R replicas.
 *
 * Of collections the reader asks whether the peer has the same (key-questions.ts). Where it has not, nothing is merged: the read goes to the coordinator, which has
 * all that was acknowledged, and is answered there in a term that is proven to stand.
 *
 * The reply is computed when the read is sent, and anew only when a difference was merged; a later write of the same connection cannot slip into
 * it, since session.ts lets writes wait for reads. Of the other home replicas one is asked first for a whole turn, so that its questions share a frame.
 */
import type { torc } from '../protocol/generated/messages.js';
import type { Dot } from '../protocol/dot.js';
import { questionActor, tokenActor } from '../protocol/peer/packed-rows.js';
import { decodeRecordKey, recordPart } from '../protocol/record-key.js';
import { decodeRecord } from '../protocol/record.js';
import { LongReply } from '../protocol/resp/long-reply.js';
import { heldReply, ownReply, type Reply } from '../protocol/resp/reply.js';
import { slotOf } from '../protocol/slot.js';
import type { Clock } from '../storage/clock.js';
import { DurationHistogram } from '../storage/duration-histogram.js';
import { noEntry } from '../storage/key-table.js';
import { dotToken, recordVersion } from '../storage/merge.js';
import type { Partition } from '../storage/partition.js';
import { decodeTransfer } from '../storage/received-records.js';
import type { Store } from '../storage/store.js';
import { Transaction } from '../storage/transaction.js';
import { diskRefuses, noReplicas, notServedInTime, type Call } from './call.js';
import type { CallLoads } from './call-loads.js';
import type { CommandRun } from './command-run.js';
import type { Comparison } from './comparison.js';
import type { Coordination } from './coordination.js';
import type { Coordinator } from './coordinator.js';
import { IdWindow } from './id-window.js';
import { KeyQuestion, noVersion, questionOf, recordQuestion } from './key-questions.js';
import { abandon } from './long-replies.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';
import type { Turn } from './turn.js';

/** Loads of one read, of which a long cold list needs four. */
const loadsMost = 12;
/** After so many a peer is not asked by a read any more. */
const refusalsMost = 3;

/** A read's question to one peer: a comparison for each of its keys. */
interface Asked {
  readonly read: PendingRead;
  readonly peer: Peer;
  /** Keys that the peer has not agreed on, or been written, yet. */
  open: number;
  /** Nothing more will come of it: the peer could not say just then, or its link broke. */
  failed: boolean;
  /** Times that the peer did not take what it lacked. */
  refusals: number;
}

/** A record asked for to be looked at. */
interface Inspection {
  readonly inspected: (transfer: torc.Transfer | undefined) => void;
  /** Nobody waits for it any more. */
  over: boolean;
}

type Question = Asked | Inspection;

/** Which record a key had: the dot of its one plain version with nothing else seen, or the token of any other; undefined = none. Of collections a question. */
type Shown = Dot | Buffer | KeyQuestion | undefined;

interface PendingRead {
  readonly call: Call;
  reply: Reply;
  readonly sentMs: number;
  /** Peers whose whole answer is still needed. */
  needed: number;
  /** What the reply shows of each key: what is asked about also later, when more may have arrived here. */
  shown: readonly Shown[];
  /** One entry for each peer that was asked: what it was asked last. */
  asked: Asked[];
  /** When a peer was asked last. */
  askedMs: number;
  /** A peer's record was merged: the reply was computed anew. */
  differs: boolean;
  done: boolean;
}

export interface ReaderOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly comparison: Comparison;
  readonly coordinator: Coordinator;
  readonly callLoads: CallLoads;
  readonly coordination: (partition: number) => Coordination;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly isDoubtful: (partition: number) => boolean;
  /** Sends a read on its way to its coordinator. */
  readonly sendOn: (call: Call) => void;
  /** Bytes of large batches of the partition that are on their way here. */
  readonly arrivingBytes: (partition: number) => number;
  readonly commands: CommandRun;
}

export class Reader {
  private readonly transaction = new Transaction(() => {
    throw new Error('a read stages no record');
  });
  /** By peer: what it was asked, under the ids of its link. */
  private readonly asked = new Map<Peer, IdWindow<Question>>();
  /** In the order of sending; those that are done leave with the next tick. */
  private pending: PendingRead[] = [];
  /** Reads that wait for a large batch that is arriving. */
  private parked: Call[] = [];
  /** Smoothed time of a peer's answer, ms: a read that takes much longer is asked elsewhere too. */
  private usualMs = 5;
  /** The turn in which `first` was chosen, and which of the other homes is asked first in it: one of them, so that a turn costs one frame. */
  private turnNumber = -1;
  private first = 0;
  /** Versions compared with a peer's, and those that differed. */
  compared = 0;
  differed = 0;
  /** Reads that ran here. */
  executed = 0;
  /** Reads of collections that went on to the coordinator, since a peer had other contents. */
  sentOn = 0;
  /** How long reads waited for the versions of other replicas. */
  readonly quorumWaits = new DurationHistogram();

  constructor(private readonly options: ReaderOptions) {}

  /** Answers a read of keys of a partition that this node is a home replica of. */
  submit(call: Call, loads = 0): void {
    const { callLoads, membership } = this.options;
    if (!callLoads.isLoaded(call)) return callLoads.load(call, () => this.submitAgain(call, loads + 1));
    const arriving = this.options.arrivingBytes(call.partition);
    if (arriving > 0) return this.park(call, arriving);
    if (call.trace !== undefined) call.trace.enter('read', 'internal', { 'torc.partition.id': call.partition });
    const { quorums } = membership;
    // A node that stands in for home replicas never counts for a read.
    if (!membership.isHome(call.partition)) return call.answer(noReplicas(quorums.read, membership.reachableHomes(call.partition), 'read'));
    if (membership.failing && this.options.isDoubtful(call.partition)) return call.answer(diskRefuses);
    const quorum = call.options.readQuorum === 0 ? quorums.read : Math.min(call.options.readQuorum, quorums.replicas);
    this.executed++;
    const reply = this.run(call);
    const { needs } = this.transaction;
    if (needs.length > 0) {
      abandon(reply);
      return callLoads.loadNeeds(call, needs, () => this.submitAgain(call, loads + 1));
    }
    if (reply instanceof LongReply) this.options.commands.carryOn(reply, call);
    const needed = this.options.isDoubtful(call.partition) ? quorum : quorum - 1;
    if (needed === 0 || call.operation.keys.length === 0) return call.answer(reply);
    const reachable = membership.reachableHomes(call.partition);
    if (reachable <= needed) return call.answer(noReplicas(quorum, reachable, 'read'));
    const shown = this.shownOf(call);
    const read: PendingRead = {
      call,
      reply: heldReply(reply),
      sentMs: this.options.turn.nowMs,
      needed,
      shown,
      asked: [],
      askedMs: this.options.turn.nowMs,
      differs: false,
      done: false,
    };
    this.pending.push(read);
    if (this.turnNumber !== this.options.turn.number) {
      this.turnNumber = this.options.turn.number;
      this.first++;
    }
    const others = membership.otherHomes(call.partition);
    // A full one would have to keep what it lacks.
    const fullToo = membership.full || membership.writableHomes(call.partition) <= needed;
    const first = this.firstOf(others);
    for (let i = 0, asked = 0; i < others.length && asked < needed; i++) {
      const peer = others[(first + i) % others.length];
      if (peer === undefined || !(fullToo ? peer.reachable : peer.takesWrites)) continue;
      this.ask(read, peer);
      asked++;
    }
    this.options.turn.readAsked();
  }

  /** What it needs may change for as long as others write; where they come from all is known. */
  private submitAgain(call: Call, loads: number): void {
    if (call.deadlineMs < this.options.clock.monotonicMs()) return call.answer(notServedInTime);
    if (loads < loadsMost || this.options.membership.memberCount === 1) return this.submit(call, loads);
    call.fromCoordinator = true;
    this.options.sendOn(call);
  }

  /** Others have what is on its way here, or will: to compare now would bring it a second time. */
  private park(call: Call, arriving: number): void {
    call.moves(arriving);
    this.parked.push(call);
  }

  /** Index of the peer to ask first: the same node for every partition of this turn that it is a home of. */
  private firstOf(others: readonly Peer[]): number {
    const wanted = this.first % this.options.membership.memberCount;
    let nearest = 0;
    let distance = Infinity;
    for (let i = 0; i < others.length; i++) {
      const away = ((others[i]?.member ?? 0) - wanted + this.options.membership.memberCount) % this.options.membership.memberCount;
      if (away < distance) [nearest, distance] = [i, away];
    }
    return nearest;
  }

  /** Asks a peer for a record as it is, by its record key: a transfer without records = it has none, undefined = it did not answer in time. */
  inspect(peer: Peer, encodedKey: Buffer, timeoutMs: number): Promise<torc.Transfer | undefined> {
    const recordKey = decodeRecordKey(encodedKey);
    const { slot, key, part } = recordKey;
    const question = part === recordPart.value ? undefined : recordQuestion(recordKey);
    return new Promise((resolve) => {
      if (!peer.reachable || (part !== recordPart.value && question === undefined)) return resolve(undefined);
      const inspection: Inspection = { inspected: resolve, over: false };
      this.windowOf(peer).put(inspection);
      if (question === undefined) peer.link.sendRead(slot, key, tokenActor, 0, noVersion);
      else peer.link.sendRead(slot, key, questionActor, 0, question.bytes);
      this.options.clock.after(timeoutMs, () => {
        inspection.over = true;
        resolve(undefined);
      });
    });
  }

  onAnswers(peer: Peer, answers: torc.ReadAnswers): void {
    const asked = this.windowOf(peer);
    for (let i = 0; i < answers.equal.length; i++) {
      const first = answers.equal[i] ?? 0;
      const end = Math.min(first + (answers.equalCount[i] ?? 0), peer.link.nextReadId);
      for (let id = first; id < end; id++) {
        const question = asked.take(id);
        if (question === undefined || !('read' in question)) continue;
        this.compared++;
        this.agreed(question);
      }
    }
    for (const id of answers.doubtful) {
      const question = asked.take(id);
      if (question !== undefined && 'read' in question) this.failed(question);
    }
    for (const { id, transfer } of answers.different) {
      const question = asked.take(id ?? 0);
      if (question === undefined || !transfer) continue;
      if (!('read' in question)) {
        question.inspected(transfer as torc.Transfer);
        continue;
      }
      this.compared++;
      this.differed++;
      if (transfer.collections === true || question.read.call.operation.keys.length > 1) this.toCoordinator(question.read);
      else this.merge(question, transfer as torc.Transfer);
    }
  }

  /** A link broke, or the stream that answers come over was replaced: what was asked is asked elsewhere, or here again where there is no other. */
  answersLost(peer: Peer): void {
    const asked = this.asked.get(peer);
    if (asked === undefined) return;
    this.asked.delete(peer);
    for (const question of asked.takeAll()) {
      if ('read' in question) this.failed(question);
      else question.inspected(undefined);
    }
  }

  /** A read that takes longer is late. */
  private get patienceMs(): number {
    return 10 + 4 * this.usualMs;
  }

  /** Asks further replicas what is late, and gives up what is overdue. Called every few milliseconds. */
  tick(): void {
    const now = this.options.clock.monotonicMs();
    const { patienceMs } = this;
    this.unpark(now);
    if (this.pending.length > 0) this.pending = this.pending.filter(({ done }) => !done);
    for (const read of this.pending) {
      if (this.isOverdue(read, now)) this.finish(read, notServedInTime);
      else if (now - read.askedMs > patienceMs) this.askMore(read);
      else if (now - read.sentMs < patienceMs) break; // those behind it were sent later
    }
    // Answers that came from elsewhere first: their questions need not be kept for ever.
    for (const asked of this.asked.values()) asked.takeEvery((question) => ('read' in question ? question.read.done : question.over));
  }

  /** What moves to or from the peers that were asked may be what the read waits for; but not what a peer lacks that could not say since it is being rebuilt. */
  private isOverdue({ call, asked }: PendingRead, nowMs: number): boolean {
    if (call.deadlineMs >= nowMs) return false;
    for (const { peer, failed, refusals } of asked) if (refusals < refusalsMost && (!failed || !peer.doubtful)) call.moves(peer.largeBytes);
    return call.deadlineMs < nowMs;
  }

  private unpark(nowMs: number): void {
    if (this.parked.length === 0) return;
    const { parked } = this;
    this.parked = [];
    for (const call of parked) {
      if (call.deadlineMs < nowMs) call.answer(notServedInTime);
      else this.submit(call);
    }
  }

  private run(call: Call): Reply {
    const { store } = this.options;
    this.transaction.begin(store.partition(call.partition), 0, store.hybridClock.nowMsAt(this.options.turn.nowMs), call.options.resp);
    return this.options.commands.run(call, this.transaction);
  }

  /** What the run of the call that has just ended saw of each key. */
  private shownOf(call: Call): Shown[] {
    const { keys } = call.operation;
    const shown: Shown[] = [];
    for (let i = 0; i < keys.length; i++) {
      shown.push(this.shown(keys[i] as Buffer, call));
    }
    return shown;
  }

  private shown(key: Buffer, call: Call): Shown {
    const { table } = this.options.store;
    const { transaction } = this;
    const entry = transaction.entryOf(key);
    if (transaction.looks.length > 0 || (entry !== noEntry && table.hasParts(entry)))
      return questionOf(transaction.partitionHere, key, transaction.looksAt(key));
    if (entry === noEntry || !table.hasRecord(entry)) return undefined;
    if (table.isLarge(entry)) call.moves(table.valueLengthOf(entry)); // a peer may have to load as much before it can compare
    return table.isSingle(entry) ? { actor: table.actorOf(entry), counter: table.counterOf(entry) } : recordVersion(table.recordOf(entry));
  }

  private ask(read: PendingRead, peer: Peer, refusals = 0): void {
    const { keys } = read.call.operation;
    const asked = this.windowOf(peer);
    const question: Asked = { read, peer, open: keys.length, failed: false, refusals };
    read.asked.push(question);
    read.askedMs = this.options.turn.nowMs;
    const context = read.call.trace?.context;
    if (context !== undefined) peer.link.traceRead(peer.link.nextReadId, context);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as Buffer;
      const shown = read.shown[i];
      asked.put(question);
      if (shown instanceof KeyQuestion) peer.link.sendRead(slotOf(key), key, questionActor, 0, shown.bytes);
      else if (shown instanceof Uint8Array) peer.link.sendRead(slotOf(key), key, tokenActor, 0, shown);
      else peer.link.sendRead(slotOf(key), key, shown?.actor ?? 0, shown?.counter ?? 0, undefined);
    }
  }

  /** Its ids run with those of the peer's link: every question is put here and sent there at once. */
  private windowOf(peer: Peer): IdWindow<Question> {
    let asked = this.asked.get(peer);
    if (asked === undefined) this.asked.set(peer, (asked = new IdWindow(peer.link.nextReadId)));
    return asked;
  }

  private failed(question: Asked): void {
    const { read } = question;
    question.failed = true;
    if (this.askAnother(read) || question.refusals < refusalsMost) return;
    // Nothing will come of it: whoever is left must be enough.
    const left = read.asked.filter(({ open, failed, refusals }) => open > 0 && (!failed || refusals < refusalsMost)).length;
    if (left >= read.needed) return;
    const { partition, options } = read.call;
    const { membership } = this.options;
    const refusing = read.asked.filter(({ refusals }) => refusals >= refusalsMost).length;
    const quorum = options.readQuorum === 0 ? membership.quorums.read : Math.min(options.readQuorum, membership.quorums.replicas);
    this.finish(read, noReplicas(quorum, membership.reachableHomes(partition) - refusing, 'read'));
  }

  private askMore(read: PendingRead): void {
    if (!this.askAnother(read)) this.askAgain(read);
  }

  /** False: there is no other. */
  private askAnother(read: PendingRead): boolean {
    if (read.done) return true;
    const next = this.options.membership
      .otherHomes(read.call.partition)
      .find((peer) => peer.reachable && !read.asked.some((question) => question.peer === peer));
    if (next !== undefined) this.ask(read, next);
    return next !== undefined;
  }

  /** Where all home replicas are needed, or others are away, one that could not say may be able to by now. One that does not take what it lacks, as its disk refuses it, is not sent it for ever. */
  private askAgain(read: PendingRead): void {
    const again = read.asked.find(({ peer, failed, refusals }) => failed && peer.reachable && refusals < refusalsMost);
    if (again === undefined) return;
    read.asked = read.asked.filter((question) => question !== again);
    this.ask(read, again.peer, again.refusals);
  }

  /**
   * Collections are not merged into a reply, nor is one of several keys, which may be some of what one batch wrote: the coordinator has all that was acknowledged, and
   * what its term shows is settled.
   */
  private toCoordinator(read: PendingRead): void {
    if (read.done) return;
    read.done = true;
    this.sentOn++;
    read.call.fromCoordinator = true;
    this.options.sendOn(read.call);
  }

  /** A peer holds, for one more of the read's keys, what the reply shows. */
  private agreed(question: Asked): void {
    const { read } = question;
    if (--question.open === 0 && !read.done && --read.needed === 0) this.complete(read);
  }

  /**
   * A peer's record of a read's one key differs: both sides get the merged one before the reply. So do the peers that agreed on the version before, whose answers
   * are thereby open again.
   */
  private merge(question: Asked, transfer: torc.Transfer): void {
    const { read, peer } = question;
    const { store, turn, callLoads } = this.options;
    // Evicted since it was asked: merged into an empty entry the peer's record alone would be shown. What was prepared of a large record is so for this turn alone.
    if (!read.done && !callLoads.isLoaded(read.call)) {
      decodeTransfer(transfer); // what makes no sense is refused before it waits: there the stream that brought it ends
      return callLoads.load(read.call, () => store.prepareTransfers([transfer], () => this.merge(question, transfer)));
    }
    if (this.options.membership.failing) return read.done ? undefined : this.finish(read, diskRefuses); // what differs has to be written first
    const partition = store.partition(read.call.partition);
    transfer.complete = false; // of these records only
    store.applyTransfer(transfer);
    turn.schedule();
    if (read.done) return;
    read.differs = true;
    read.reply = ownReply(this.run(read.call));
    const shownBefore = read.shown;
    if (this.transaction.needs.length > 0) {
      abandon(read.reply);
      return this.toCoordinator(read);
    }
    if (read.reply instanceof LongReply) this.options.commands.carryOn(read.reply, read.call);
    read.shown = this.shownOf(read.call);
    if (read.shown.some((shown) => shown instanceof KeyQuestion)) return this.toCoordinator(read);
    const now = versionOf(read.shown[0]);
    const theirs = transfer.record[0];
    const isEqual = now.equals(theirs === undefined ? recordVersion(undefined) : recordVersion(decodeRecord(theirs as Buffer)));
    if (isEqual) turn.whenWritten(() => this.agreed(question));
    else this.writeBack(question, partition, peer);
    if (now.equals(versionOf(shownBefore[0]))) return;
    // What the reply shows now is more than the others agreed on.
    for (const other of read.asked) {
      if (other === question) continue;
      if (other.open === 0) read.needed++;
      other.open++;
      this.writeBack(other, partition, other.peer);
    }
  }

  private writeBack(question: Asked, partition: Partition, peer: Peer): void {
    const [key] = question.read.call.operation.keys;
    const entry = key === undefined ? noEntry : partition.find(key);
    if (entry === noEntry) return this.agreed(question);
    let isSent = false; // it is not while something large is on its way there
    this.options.comparison.pushRecord(partition, peer, entry, (result) => {
      if (result !== 'failed') return this.agreed(question);
      if (isSent) question.refusals++;
      this.failed(question);
    });
    isSent = true;
  }

  private complete(read: PendingRead): void {
    const waitedMs = this.options.turn.nowMs - read.sentMs;
    this.quorumWaits.record(waitedMs);
    // What waited for a disk, or for a peer that was away, says nothing of the next read, and there may be hundreds of it.
    this.usualMs += (Math.min(waitedMs, this.patienceMs) - this.usualMs) / 256;
    this.finish(read, read.reply);
  }

  private finish(read: PendingRead, reply: Reply): void {
    read.done = true;
    // After a merge the reply may show what this node is still writing itself.
    const { partition, operation } = read.call;
    const unsettled = read.differs
      ? this.options.coordinator.newestUnsettled(this.options.coordination(partition), operation.keys)
      : undefined;
    if (unsettled === undefined) read.call.answer(reply);
    else unsettled.wait(read.call, reply);
  }
}

function versionOf(shown: Shown): Buffer {
  if (shown instanceof KeyQuestion) return shown.bytes;
  if (shown === undefined) return recordVersion(undefined);
  return shown instanceof Uint8Array ? shown : dotToken(shown);
}
