/**
 * Reads under R (`read-from any`): this home replica answers from its own records once R-1 other home replicas have shown the same versions; where one
 * differs, the records are merged and written back to those asked before the reply. So a read never misses what was acknowledged, and
 * what it shows is held by R replicas.
 *
 * The reply is computed when the read is sent, so that a later write of the same connection cannot slip into it.
 */
import type { torc } from '../protocol/generated/messages.js';
import { decodeRecord } from '../protocol/record.js';
import type { Reply } from '../protocol/resp/reply.js';
import { slotOf } from '../protocol/slot.js';
import type { Clock } from '../storage/clock.js';
import type { KeyEntry } from '../storage/key-entry.js';
import { recordVersion } from '../storage/merge.js';
import type { Partition } from '../storage/partition.js';
import type { Store } from '../storage/store.js';
import { Transaction } from '../storage/transaction.js';
import { noReplicas, notServedInTime, type Call } from './call.js';
import type { Comparison } from './comparison.js';
import { run, type Coordinator } from './coordinator.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';
import { Settlement } from './settlement.js';
import type { Turn } from './turn.js';

/** Stands in a version's column for "see the token". */
export const tokenActor = 0xffff_ffff;

/** No record's version: who asks with it gets the record in any case. */
const noVersion = Buffer.from('?');

/** One key of a read, at one peer. */
interface Asked {
  readonly read: PendingRead;
  readonly key: string;
  readonly peer: Peer;
}

/** A version in the columns of a read. */
interface AskedVersion {
  readonly actor: number;
  readonly counter: number;
  readonly token: Buffer | undefined;
}

interface PendingRead {
  readonly call: Call;
  reply: Reply;
  readonly sentMs: number;
  /** Peers' answers that are still needed, by key in the order of the operation's keys. */
  readonly missing: number[];
  readonly keys: readonly string[];
  /** What the reply shows of each key: what is asked about also later, when more may have arrived here. */
  versions: readonly AskedVersion[];
  open: number;
  readonly peers: Peer[];
  /** Peers whose version was the same as this replica's, kept while a later answer may yet differ. */
  readonly equal: Asked[];
  differs: boolean;
  done: boolean;
}

export interface ReaderOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly comparison: Comparison;
  readonly coordinator: Coordinator;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly isDoubtful: (partition: number) => boolean;
}

export class Reader {
  private readonly transaction = new Transaction(() => {
    throw new Error('a read stages no record');
  });
  private readonly asked = new Map<Peer, Map<number, Asked>>();
  private readonly pending = new Set<PendingRead>();
  /** Smoothed time of a peer's answer, ms: a read that takes much longer is asked elsewhere too. */
  private usualMs = 5;
  private rotation = 0;
  /** Records asked for to be looked at, by the id of the question. */
  private readonly inspections = new Map<number, { readonly peer: Peer; readonly done: (transfer: torc.Transfer | undefined) => void }>();
  /** Versions compared with a peer's, and those that differed. */
  compared = 0;
  differed = 0;

  constructor(private readonly options: ReaderOptions) {}

  /** Answers a read of keys of a partition that this node is a home replica of. */
  submit(call: Call): void {
    const { coordinator, membership } = this.options;
    if (!coordinator.isLoaded(call)) return coordinator.load(call, () => this.submit(call));
    const { quorums } = membership;
    const quorum = call.options.readQuorum === 0 ? quorums.read : Math.min(call.options.readQuorum, quorums.replicas);
    const reply = this.run(call);
    const needed = this.options.isDoubtful(call.partition) ? quorum : quorum - 1;
    if (needed === 0 || call.operation.keys.length === 0) return call.answer(reply);
    const reachable = membership.reachableHomes(call.partition);
    if (reachable <= needed) return call.answer(noReplicas(quorum, reachable, 'read'));
    const [only] = call.operation.keys;
    const keys =
      call.operation.keys.length === 1 && only !== undefined
        ? [only.toString('latin1')]
        : [...new Set(call.operation.keys.map((key) => key.toString('latin1')))];
    const read: PendingRead = {
      call,
      reply,
      sentMs: this.options.clock.monotonicMs(),
      missing: keys.map(() => needed),
      keys,
      versions: versionsOf(this.options.store.partition(call.partition), keys),
      open: keys.length,
      peers: [],
      equal: [],
      differs: false,
      done: false,
    };
    this.pending.add(read);
    const others = membership.otherHomes(call.partition);
    const first = this.rotation++ % others.length;
    for (let i = 0, asked = 0; i < others.length && asked < needed; i++) {
      const peer = others[(first + i) % others.length];
      if (peer?.reachable !== true) continue;
      this.ask(read, peer);
      asked++;
    }
  }

  /** Asks a peer for its record of `key` as it is: a transfer without records = it has none, undefined = it did not answer in time. */
  inspect(peer: Peer, key: Buffer, timeoutMs: number): Promise<torc.Transfer | undefined> {
    return new Promise((resolve) => {
      if (!peer.reachable) return resolve(undefined);
      const id = peer.link.sendRead(slotOf(key), key, tokenActor, 0, noVersion);
      const done = (transfer: torc.Transfer | undefined): void => {
        this.inspections.delete(id);
        resolve(transfer);
      };
      this.inspections.set(id, { peer, done });
      this.options.clock.after(timeoutMs, () => done(undefined));
    });
  }

  /** A peer compares its versions with this replica's. */
  onReads(peer: Peer, reads: torc.Reads): void {
    const { store, membership } = this.options;
    const partitions = membership.configuration?.partitions ?? 1;
    for (let i = 0; i < reads.slot.length; i++) {
      const id = reads.firstId + i;
      const slot = reads.slot[i] ?? 0;
      const key = (reads.key[i] as Buffer).toString('latin1');
      const actor = reads.actor[i] ?? 0;
      const counter = reads.counter[i] ?? 0;
      const partition = store.partition(Math.floor((slot * partitions) / 16384));
      const token = actor === tokenActor ? (reads.token[counter] as Buffer | undefined) : undefined;
      if (partition.isLoaded(key)) this.answerRead(peer, id, partition, key, actor, counter, token);
      else {
        const kept = token === undefined ? undefined : Buffer.from(token);
        store.loader.load(partition, key, slot, () => this.answerRead(peer, id, partition, key, actor, counter, kept));
        this.options.turn.schedule();
      }
    }
  }

  onAnswers(peer: Peer, answers: torc.ReadAnswers): void {
    const asked = this.asked.get(peer) ?? new Map<number, Asked>();
    for (let i = 0; i < answers.equal.length; i++) {
      const question = take(asked, answers.equal[i] ?? 0);
      if (question === undefined) continue;
      this.compared++;
      if (needsMore(question)) question.read.equal.push(question);
      this.answered(question);
    }
    for (const id of answers.doubtful) {
      const question = take(asked, id);
      if (question !== undefined) this.askAnother(question.read);
    }
    for (const { id, transfer } of answers.different) {
      const inspection = this.inspections.get(id ?? 0);
      if (inspection?.peer === peer) {
        this.inspections.delete(id ?? 0);
        inspection.done(transfer as torc.Transfer);
        continue;
      }
      const question = take(asked, id ?? 0);
      if (question === undefined || !transfer) continue;
      this.compared++;
      this.differed++;
      this.merge(question, transfer as torc.Transfer);
    }
  }

  /** A link broke: what was asked over it is asked elsewhere. */
  linkBroken(peer: Peer): void {
    const asked = this.asked.get(peer);
    if (asked === undefined) return;
    this.asked.delete(peer);
    for (const { read } of asked.values()) this.askAnother(read);
  }

  /** Asks further replicas what is late, and gives up what is overdue. Called every few milliseconds. */
  tick(): void {
    const { clock, store } = this.options;
    const now = clock.monotonicMs();
    const nowMs = store.hybridClock.nowMs();
    const patienceMs = 10 + 4 * this.usualMs;
    for (const read of this.pending) {
      if (read.call.options.deadlineMs < nowMs) this.finish(read, notServedInTime);
      else if (now - read.sentMs > patienceMs * read.peers.length) this.askAnother(read);
      else if (now - read.sentMs < patienceMs) break; // the set is in the order of sending
    }
    for (const asked of this.asked.values()) {
      for (const [id, { read }] of asked) {
        if (!read.done) break;
        asked.delete(id);
      }
    }
  }

  private run(call: Call): Reply {
    const { store } = this.options;
    this.transaction.begin(store.partition(call.partition), 0, store.hybridClock.nowMs(), call.options.resp);
    return run(call, this.transaction);
  }

  private ask(read: PendingRead, peer: Peer): void {
    read.peers.push(peer);
    let asked = this.asked.get(peer);
    if (asked === undefined) this.asked.set(peer, (asked = new Map()));
    read.keys.forEach((name, i) => {
      const version = read.versions[i];
      if (version === undefined) throw new Error('a read without a version of each key');
      const key = Buffer.from(name, 'latin1');
      const id = peer.link.sendRead(slotOf(key), key, version.actor, version.counter, version.token);
      asked?.set(id, { read, key: name, peer });
    });
  }

  private askAnother(read: PendingRead): void {
    if (read.done) return;
    const next = this.options.membership.otherHomes(read.call.partition).find((peer) => peer.reachable && !read.peers.includes(peer));
    if (next !== undefined) this.ask(read, next);
  }

  private answerRead(
    peer: Peer,
    id: number,
    partition: Partition,
    key: string,
    actor: number,
    counter: number,
    token: Buffer | undefined,
  ): void {
    if (this.options.isDoubtful(partition.number)) return peer.link.answerDoubtful(id);
    const entry = partition.get(key);
    const record = entry?.record;
    if (record === undefined) {
      if (actor === 0) return peer.link.answerEqual(id); // with a token it is answered below: nothing is there
    } else if (token !== undefined) {
      if (recordVersion(record).equals(token)) return peer.link.answerEqual(id);
    } else {
      const only = record.versions[0];
      const same =
        only !== undefined && record.versions.length === 1 && record.context.size === 0 && only.actor === actor && only.counter === counter;
      if (same) return peer.link.answerEqual(id);
    }
    peer.link.answerDifferent(id, this.options.comparison.recordTransfer(partition, entry));
  }

  private answered({ read, key }: Asked): void {
    if (read.done) return;
    const index = read.keys.indexOf(key);
    const missing = (read.missing[index] ?? 0) - 1;
    read.missing[index] = missing;
    if (missing === 0 && --read.open === 0) this.complete(read);
  }

  private merge(question: Asked, transfer: torc.Transfer): void {
    const { store, turn } = this.options;
    store.applyTransfer({ ...transfer, complete: false });
    turn.schedule();
    this.merged(question, transfer);
  }

  /** The peer's record is merged into this replica's, which may have left memory since the read was sent. */
  private merged(question: Asked, transfer: torc.Transfer): void {
    const { read, key, peer } = question;
    const { store, coordinator } = this.options;
    if (read.done) return;
    if (!coordinator.isLoaded(read.call)) return coordinator.load(read.call, () => this.merged(question, transfer));
    const partition = store.partition(read.call.partition);
    read.differs = true;
    read.reply = this.run(read.call);
    read.versions = versionsOf(partition, read.keys);
    const mine = partition.get(key)?.record;
    const theirs = transfer.record[0];
    const isEqual =
      mine === undefined || (theirs !== undefined && recordVersion(mine).equals(recordVersion(decodeRecord(theirs as Buffer))));
    if (isEqual) this.answered(question);
    else this.writeBack(question, partition, peer, key);
    for (const earlier of read.equal.splice(0)) {
      if (earlier.key !== key) {
        read.equal.push(earlier);
        continue;
      }
      this.reopen(earlier);
      this.writeBack(earlier, partition, earlier.peer, key);
    }
  }

  private writeBack(question: Asked, partition: Partition, peer: Peer, key: string): void {
    const entry: KeyEntry | undefined = partition.get(key);
    if (entry === undefined) return this.answered(question);
    this.options.comparison.pushRecord(partition, peer, entry, (result) => {
      if (result === 'failed') this.askAnother(question.read);
      else this.answered(question);
    });
  }

  /** A peer that had agreed has to be written to before the reply after all. */
  private reopen({ read, key }: Asked): void {
    const index = read.keys.indexOf(key);
    const missing = read.missing[index] ?? 0;
    if (missing === 0) read.open++;
    read.missing[index] = missing + 1;
  }

  private complete(read: PendingRead): void {
    this.usualMs += (this.options.clock.monotonicMs() - read.sentMs - this.usualMs) / 256;
    this.finish(read, read.reply);
  }

  private finish(read: PendingRead, reply: Reply): void {
    read.done = true;
    this.pending.delete(read);
    const unsettled = read.differs ? this.newestUnsettled(read) : undefined;
    if (unsettled === undefined) read.call.answer(reply);
    else unsettled.wait(read.call, reply, false);
  }

  /** After a merge the reply may show what this node is still writing itself. */
  private newestUnsettled(read: PendingRead): Settlement | undefined {
    const partition = this.options.store.partition(read.call.partition);
    let newest: Settlement | undefined;
    for (const key of read.keys) {
      const unsettled = partition.get(key)?.unsettled;
      if (unsettled instanceof Settlement && !unsettled.settled && unsettled.counter > (newest?.counter ?? 0)) newest = unsettled;
    }
    return newest;
  }
}

function versionsOf(partition: Partition, keys: readonly string[]): AskedVersion[] {
  return keys.map((key) => {
    const record = partition.get(key)?.record;
    const only = record?.versions[0];
    const simple = record === undefined || (only !== undefined && record.versions.length === 1 && record.context.size === 0);
    if (!simple) return { actor: tokenActor, counter: 0, token: recordVersion(record) };
    return { actor: only?.actor ?? 0, counter: only?.counter ?? 0, token: undefined };
  });
}

/** Other peers have yet to answer for this key. */
function needsMore({ read, key }: Asked): boolean {
  return (read.missing[read.keys.indexOf(key)] ?? 0) > 1;
}

function take(asked: Map<number, Asked>, id: number): Asked | undefined {
  const question = asked.get(id);
  if (question !== undefined) asked.delete(id);
  return question;
}
