/**
 * Small records that every member holds whole, on its disk: the cluster's users. Each is a register, the latest by (counter, actor) stands, and what was deleted stays as a
 * record without a value; so any two members come to hold the same, whatever order they hear things in.
 *
 * Whoever changes one tells all members at once and waits for those that can be reached. Everybody says a digest over all with each gossip; members
 * whose digests differ send each other all they have. So one that was away catches up with the first gossip over its new links
 * (docs/decisions/0030-users-of-a-cluster.md).
 */
import { createHash } from 'node:crypto';
import { torc } from '../protocol/generated/messages.js';
import type { Clock } from '../storage/clock.js';
import type { Store } from '../storage/store.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';
import type { Turn } from './turn.js';

/** Deleted ones included. */
const recordsMax = 65_536;
const valueBytesMax = 1024 * 1024;
const digestBytes = 16;
/** Peer timeouts that a change waits for members. */
const waitsMax = 9;
const factPrefix = 'system:';

export interface SystemRecord {
  readonly name: string;
  readonly counter: number;
  readonly actor: number;
  /** Undefined = deleted. */
  readonly value: Buffer | undefined;
}

export interface SystemRecordsOptions {
  readonly store: Store;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly membership: Membership;
  readonly peers: () => Iterable<Peer>;
  readonly actor: () => number;
  /** Read each time. */
  readonly directives: { readonly peerTimeoutMs: number };
}

/** Why a change is not made: nothing of it was. */
export class SystemRecordsError extends Error {
  readonly code = 'SYSTEM_RECORDS';

  constructor(
    readonly reason: 'not formed' | 'full' | 'disk',
    message: string,
  ) {
    super(message);
  }
}

interface Pending {
  readonly waiting: Set<string>;
  written: boolean;
  readonly done: () => void;
}

export class SystemRecords {
  private readonly records = new Map<string, SystemRecord>();
  private readonly sum = Buffer.alloc(digestBytes);
  private readonly listeners: ((names: readonly string[]) => void)[] = [];
  private readonly currentListeners: (() => void)[] = [];
  private readonly pending = new Map<number, Pending>();
  private nextId = 1;
  /** Of a node that has a configuration: whether it has compared its records with another member's since it began, or given that up. */
  private compared = false;

  constructor(private readonly options: SystemRecordsOptions) {
    for (const [name, value] of options.store.factsNamed(factPrefix)) this.keep(recordOf(torc.SystemRecord.decode(value)), name);
  }

  /** Over all records; the same on two nodes when they hold the same. Borrowed. */
  get digest(): Buffer {
    return this.sum;
  }

  /** Others may know of changes that this node does not, and it is about to hear of them. */
  get isCatchingUp(): boolean {
    return this.options.membership.configuration !== undefined && !this.compared;
  }

  get(name: string): SystemRecord | undefined {
    return this.records.get(name);
  }

  all(): IterableIterator<SystemRecord> {
    return this.records.values();
  }

  /** `listener` is told which records are others than before. */
  onChange(listener: (names: readonly string[]) => void): void {
    this.listeners.push(listener);
  }

  /** Called when isCatchingUp changes. */
  onComparison(listener: () => void): void {
    this.currentListeners.push(listener);
  }

  /** There is a configuration. */
  formed(): void {
    const { membership, clock, directives } = this.options;
    this.compared = membership.memberCount <= 1;
    this.tellCompared();
    // Alone there is nobody to ask: what this node knows has to do.
    const look = (): void => {
      if (!this.compared && this.reachableMembers().length > 0) clock.after(directives.peerTimeoutMs, look);
      else this.wasCompared();
    };
    if (!this.compared) clock.after(directives.peerTimeoutMs, look);
  }

  /**
   * Changes records, one after the other, undefined = deleted. Resolves when it is durable here and every member that can be reached has it, after ten peer timeouts at
   * the latest. Throws SystemRecordsError.
   */
  put(changes: readonly (readonly [name: string, value: Buffer | undefined])[]): Promise<void> {
    const { store, turn, membership, actor } = this.options;
    if (membership.configuration === undefined) throw new SystemRecordsError('not formed', 'the cluster has not formed yet');
    if (membership.failing) throw new SystemRecordsError('disk', 'the disk of this node refuses writes');
    const added = changes.filter(([name]) => !this.records.has(name)).length;
    if (this.records.size + added > recordsMax)
      throw new SystemRecordsError('full', `there are ${recordsMax} of them, deleted ones included`);
    if (changes.some(([, value]) => (value?.length ?? 0) > valueBytesMax))
      throw new SystemRecordsError('full', `one takes more than ${valueBytesMax} bytes`);
    const record = changes.map(([name, value]): SystemRecord => ({ name, counter: store.hybridClock.next(), actor: actor(), value }));
    for (const each of record) this.store(each);
    this.tell(record);
    return new Promise((resolve) => {
      const id = this.nextId++;
      const waiting = new Set<string>();
      this.pending.set(id, { waiting, written: false, done: resolve });
      this.watch(id, waitsMax);
      turn.whenWritten(() => {
        for (const peer of this.reachableMembers()) {
          waiting.add(peer.nodeId);
          peer.link.say({ systemRecords: [{ id, record: record.map(messageOf) }] });
        }
        const pending = this.pending.get(id);
        if (pending) pending.written = true;
        this.settleIfHeld(id);
      });
    });
  }

  /** A member says what it has. Empty: it is of an earlier version. */
  heardDigest(peer: Peer, digest: Buffer): void {
    if (digest.length > 0 && !digest.equals(this.sum)) return this.sendAll(peer);
    this.wasCompared();
  }

  /** A member sends records, or has stored some. Throws RangeError for what is no counter. */
  onRecords(peer: Peer, { id, record, whole, acknowledged }: torc.SystemRecords): void {
    const { store, turn } = this.options;
    const news = record
      .map((message) => recordOf(message as torc.SystemRecord))
      .filter((each) => isNewer(each, this.records.get(each.name)));
    for (const each of news) {
      store.hybridClock.raise(each.counter);
      this.store(each);
    }
    if (news.length > 0) this.tell(news);
    if (whole) this.wasCompared();
    if (id > 0) turn.whenWritten(() => peer.link.say({ systemRecords: [{ acknowledged: id }] }));
    if (acknowledged > 0) this.heldBy(acknowledged, peer.nodeId);
  }

  linkBroken(peer: Peer): void {
    for (const id of this.pending.keys()) this.heldBy(id, peer.nodeId);
  }

  private reachableMembers(): Peer[] {
    return [...this.options.peers()].filter((peer) => peer.member >= 0 && peer.reachable);
  }

  /** Whoever cannot be reached any more is not waited for. */
  private watch(id: number, waitsLeft: number): void {
    this.options.clock.after(this.options.directives.peerTimeoutMs, () => {
      const pending = this.pending.get(id);
      if (pending === undefined) return;
      if (waitsLeft === 0) return this.settle(id);
      const reachable = new Set(this.reachableMembers().map(({ nodeId }) => nodeId));
      for (const nodeId of pending.waiting) if (!reachable.has(nodeId)) pending.waiting.delete(nodeId);
      this.settleIfHeld(id);
      this.watch(id, waitsLeft - 1);
    });
  }

  private sendAll(peer: Peer): void {
    peer.link.say({ systemRecords: [{ record: [...this.all()].map(messageOf), whole: true }] });
  }

  private heldBy(id: number, nodeId: string): void {
    this.pending.get(id)?.waiting.delete(nodeId);
    this.settleIfHeld(id);
  }

  private settleIfHeld(id: number): void {
    const pending = this.pending.get(id);
    if (pending?.written === true && pending.waiting.size === 0) this.settle(id);
  }

  private settle(id: number): void {
    this.pending.get(id)?.done();
    this.pending.delete(id);
  }

  private wasCompared(): void {
    if (this.compared || this.options.membership.configuration === undefined) return;
    this.compared = true;
    this.tellCompared();
  }

  private tellCompared(): void {
    for (const listener of this.currentListeners) listener();
  }

  private tell(records: readonly SystemRecord[]): void {
    const names = records.map(({ name }) => name);
    for (const listener of this.listeners) listener(names);
  }

  private store(record: SystemRecord): void {
    this.keep(record, record.name);
    this.options.store.setFact(factPrefix + record.name, torc.SystemRecord.encode(messageOf(record)).finish() as Buffer);
    this.options.turn.schedule();
  }

  private keep(record: SystemRecord, name: string): void {
    const before = this.records.get(name);
    if (before !== undefined) this.mix(before);
    this.mix(record);
    this.records.set(name, record);
  }

  /** Adds a record to the digest, or takes it out again. */
  private mix({ name, counter, actor }: SystemRecord): void {
    const digest = createHash('sha256').update(`${counter} ${actor} ${name}`).digest();
    for (let i = 0; i < digestBytes; i++) this.sum[i] = (this.sum[i] as number) ^ (digest[i] as number);
  }
}

function isNewer(x: SystemRecord, y: SystemRecord | undefined): boolean {
  return y === undefined || x.counter > y.counter || (x.counter === y.counter && x.actor > y.actor);
}

function messageOf({ name, counter, actor, value }: SystemRecord): torc.SystemRecord.$Shape {
  return { name, counter, actor, value: value ?? Buffer.alloc(0), deleted: value === undefined };
}

/** Copies the value. */
function recordOf({ name, counter, actor, value, deleted }: torc.SystemRecord): SystemRecord {
  return { name, counter, actor, value: deleted ? undefined : Buffer.from(value) };
}
