/**
 * The histories of store-histories.test.ts with a set: its members come and go, and it is deleted as a whole, alone or with a new member in the same batch. Three
 * replicas of one partition, each a Store on an engine and log files in memory, every one of which may write. Batches and repairs come late, lost and again; replicas
 * compare, sweep, forget, write behind, are killed and started again, lose a record behind their back, and lose their disks. Replicas must end equal, no member
 * that two replicas held may be missing unless a later removal or deletion had seen it, none that was removed may be back, what was stolen comes back; and in
 * the end nothing is left of what is no more.
 *
 * Each rule left out must make some history go wrong. TORC_COLLECTION_HISTORIES=n plays n histories instead of 150.
 */
import test from 'ava';
import { recordPart, recordType, type RecordKey } from '../../protocol/record-key.js';
import { emptyClock, encodeRecord, type VectorClock } from '../../protocol/record.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import type { Dot } from '../../protocol/dot.js';
import type { torc } from '../../protocol/generated/messages.js';
import { slotOf } from '../../protocol/slot.js';
import { effectiveContext, emptyRecord } from '../../storage/merge.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { noEntry } from '../../storage/key-table.js';
import { clockBytes, encodeAhead } from '../../storage/partition-clocks.js';
import type { Partition } from '../../storage/partition.js';
import type { Store } from '../../storage/store.js';
import { Transaction } from '../../storage/transaction.js';
import { coversClock, plusDot, withoutActor } from '../../storage/vector-clock.js';
import { HandClock, seededRandom } from './log-fixtures.js';
import { openStore, type OpenedStore } from './store-fixtures.js';

type Rule =
  | 'cut-before-batch' // else: a deletion covers its own batch, too
  | 'cut-by-seen' // else: it covers the maximum over the set's members instead of `seen`
  | 'purged'; // else: any version is taken from a peer, however old its record

const setKey = Buffer.from('set');
const elements = ['p', 'q', 'r'];
const noBytes = Buffer.alloc(0);
const all = 1000;
const steps = 120;
const name = ({ actor, counter }: Dot): string => `${actor}:${counter}`;

interface Batch {
  readonly bytes: Buffer;
  readonly dot: Dot;
  readonly heldBy: Set<Replica>;
}

interface Message {
  to: Replica;
  readonly deliver: (to: Replica) => void;
}

class Replica {
  private readonly clock = new HandClock();
  private engine = new MemoryEngine();
  private readonly files = new MemoryLogFiles();
  private opened: OpenedStore | undefined;
  private transaction: Transaction | undefined;

  constructor(
    readonly actor: number,
    readonly without: Rule | undefined,
  ) {}

  get store(): Store {
    if (this.opened === undefined) throw new Error('not open');
    return this.opened.store;
  }

  get partition(): Partition {
    return this.store.partition(0);
  }

  /** From engine and log, as a killed process left them; everything is in memory then. */
  async open(): Promise<this> {
    if (this.opened !== undefined) this.engine = this.engine.reopened();
    this.opened = await openStore(this.engine, this.files, { clock: this.clock });
    this.transaction = new Transaction(() => ({ actor: this.actor, counter: this.store.hybridClock.next() }));
    if (this.without === 'purged') this.partition.raisePurged = () => undefined;
    let isLoaded = false;
    void this.store.loader.loadRecords(this.partition, 0, 16383).then(() => (isLoaded = true));
    while (!isLoaded) await this.clock.advance(0);
    return this;
  }

  async writeOut(): Promise<void> {
    let over = false;
    const writing = this.store.writeOut().finally(() => (over = true));
    while (!over) await this.clock.advance(0);
    await writing;
  }

  dots(element: string): readonly Dot[] {
    const entry = this.partition.findRecord(memberKey(element));
    return entry === noEntry ? [] : (this.partition.recordOf(entry)?.versions ?? []);
  }

  /** Lets sweepers go on. */
  async sweep(turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await this.clock.advance(0);
  }

  /** Undefined when it wrote nothing. */
  write(body: (transaction: Transaction) => void): Batch | undefined {
    const { store, partition, transaction } = this;
    if (transaction === undefined) return undefined;
    transaction.begin(partition, 1, 0, 2);
    body(transaction);
    const dot = transaction.batchDot;
    if (dot === undefined) return undefined;
    this.plant(transaction, dot);
    store.writeBatch(partition, dot, 1, 1, transaction);
    let bytes = Buffer.alloc(0);
    store.endTurn((batches) => (bytes = Buffer.from(batches)));
    return { bytes, dot, heldBy: new Set([this]) };
  }

  private plant({ staged, stagedCount }: Transaction, dot: Dot): void {
    for (const one of staged.slice(0, stagedCount)) {
      if (one.part !== recordPart.deleted || one.record === undefined) continue;
      if (this.without === 'cut-before-batch') one.record = { context: plusDot(one.record.context, dot), versions: [] };
      if (this.without === 'cut-by-seen') one.record = { context: withoutActor(this.top(), dot.actor), versions: one.record.versions };
    }
  }

  private top(): VectorClock {
    const owner = this.partition.find(setKey);
    return owner === noEntry ? emptyClock : this.partition.topOf(owner);
  }

  apply({ bytes, heldBy }: Batch): void {
    heldBy.add(this);
    this.store.applyBatches(Buffer.from(bytes));
    this.store.endTurn(() => undefined);
  }

  /** The records beside the members, too, where no names are given. */
  transfer(named: readonly string[] | undefined): torc.Transfer.$Shape {
    const { partition } = this;
    const wanted = named?.map((element) => partition.findRecord(memberKey(element))) ?? [...partition.recordEntries()];
    const held = wanted.flatMap((entry) => {
      const record = entry === noEntry ? undefined : partition.recordOf(entry);
      if (record === undefined) return [];
      const writer = new ByteWriter(64);
      encodeRecord(writer, record);
      return [{ key: partition.recordKeyOf(entry), record: writer.take() }];
    });
    const [key, record] = [held.map((one) => one.key), held.map((one) => one.record)];
    return { partition: 0, key, record, seen: clockBytes(partition.seen), purged: clockBytes(partition.purged) };
  }

  /** False: it was discarded. */
  take(transfer: torc.Transfer.$Shape): boolean {
    const taken = this.store.applyTransfer({ ...transfer });
    this.store.endTurn(() => undefined);
    return taken;
  }

  /** In pieces, of which one that is discarded spoils the comparison. */
  compareWith(peer: Replica): void {
    const whole = peer.transfer(undefined);
    const pieces = (whole.key ?? []).map((key, i) => ({ ...whole, key: [key], record: [whole.record?.[i] ?? Buffer.alloc(0)] }));
    const taken = pieces.map((piece) => this.take(piece));
    if (taken.includes(false)) return;
    this.take({ ...peer.transfer([]), complete: true, ahead: encodeAhead(peer.partition.ahead) });
  }

  purge(owners: readonly Replica[]): void {
    const seenByAll = new Map<number, number>();
    for (const [actor] of this.partition.seen)
      seenByAll.set(actor, Math.min(...owners.map(({ partition }) => partition.seen.get(actor) ?? 0)));
    this.store.forgetting.step(this.partition, seenByAll, all);
    this.store.endTurn(() => undefined);
  }

  /** A record is gone, and nothing says so. */
  lose(element: string): void {
    const entry = this.partition.findRecord(memberKey(element));
    if (entry !== noEntry) this.partition.put(entry, emptyRecord);
  }

  view(): string {
    return elements.map((element) => `${element}=${this.dots(element).map(name).join(',')}`).join(' ');
  }
}

const memberKey = (element: string): RecordKey => ({
  slot: slotOf(setKey),
  key: setKey,
  type: recordType.set,
  part: recordPart.element,
  element: Buffer.from(element),
});

/** Plays one history; returns what went wrong. */
async function play(seed: number, without: Rule | undefined): Promise<string | undefined> {
  const random = seededRandom(seed);
  const pick = (below: number): number => random.integer(below);
  const owners = await Promise.all([1, 2, 3].map((actor) => new Replica(actor, without).open()));
  const wire: Message[] = [];
  const batches: Batch[] = [];
  const writes = new Map<string, Batch>();
  const removals = new Map<string, Batch[]>();
  const acked = new Set<Batch>();
  let lives = 3;
  const anyOwner = (): Replica => owners[pick(3)]!;
  const noteAcked = (): void => {
    for (const batch of batches) if (owners.filter((owner) => batch.heldBy.has(owner)).length >= 2) acked.add(batch);
  };
  const publish = (from: Replica, batch: Batch, saw: readonly Dot[]): void => {
    batches.push(batch);
    for (const dot of saw) removals.set(name(dot), [...(removals.get(name(dot)) ?? []), batch]);
    for (const to of owners) if (to !== from) wire.push({ to, deliver: (replica) => replica.apply(batch) });
  };
  const loseDisk = async (lost: Replica): Promise<void> => {
    noteAcked();
    const at = owners.indexOf(lost);
    const reborn = await new Replica(++lives, without).open();
    for (const message of wire) if (message.to === lost) message.to = reborn;
    owners[at] = reborn;
    reborn.compareWith(owners[(at + 1) % 3]!);
    reborn.compareWith(owners[(at + 2) % 3]!);
    for (const batch of batches) if (reborn.partition.hasSeen(batch.dot)) batch.heldBy.add(reborn);
  };
  const compareAll = (rounds: number): void => {
    for (let round = 0; round < rounds; round++)
      for (const one of owners) for (const other of owners) if (one !== other) one.compareWith(other);
  };

  for (let step = 0; step < steps; step++) {
    const action = pick(28);
    const self = anyOwner();
    const element = elements[pick(3)]!;
    const member = Buffer.from(element);
    const old = self.dots(element);
    if (action < 6) {
      const batch = self.write((transaction) => void transaction.setElement(setKey, 'set', member, noBytes));
      if (batch === undefined) return 'a write wrote nothing';
      writes.set(name(batch.dot), batch);
      publish(self, batch, old);
    } else if (action < 8) {
      const batch = self.write((transaction) => void transaction.removeElement(setKey, 'set', member));
      if (batch !== undefined) publish(self, batch, old);
    } else if (action < 10) {
      const saw = elements.flatMap((each) => self.dots(each));
      const andWrites = pick(2) === 0;
      const batch = self.write((transaction) => {
        transaction.delete(setKey);
        if (andWrites) transaction.setElement(setKey, 'set', member, noBytes);
      });
      if (batch === undefined) continue;
      if (andWrites) writes.set(name(batch.dot), batch);
      publish(self, batch, saw);
    } else if (action < 16 && wire.length > 0) {
      const at = pick(wire.length);
      const message = wire[at]!;
      if (pick(4) > 0) wire.splice(at, 1); // else it will come again
      message.deliver(message.to);
    } else if (action < 17 && wire.length > 0) wire.splice(pick(wire.length), 1);
    else if (action < 19) {
      const peer = anyOwner();
      if (peer !== self) self.compareWith(peer);
    } else if (action < 21) self.purge(owners);
    else if (action < 23) {
      const repair = self.transfer([element]);
      const to = anyOwner();
      if (to !== self) wire.push({ to, deliver: (replica) => void replica.take(repair) });
    } else if (action < 24) await self.writeOut();
    else if (action < 25) await self.open();
    else if (action < 27) await self.sweep(pick(3));
    else if (pick(3) === 0) await loseDisk(self);
    noteAcked();
  }

  while (wire.length > 0) {
    const message = wire.splice(pick(wire.length), 1)[0]!;
    if (pick(2) === 1) message.deliver(message.to);
    if (pick(5) === 0) anyOwner().purge(owners);
  }
  compareAll(3);
  const views = owners.map((owner) => owner.view());
  if (new Set(views).size > 1) return `diverged: ${views.join(' | ')}`;
  const live = new Set(elements.flatMap((element) => owners[0]!.dots(element).map(name)));
  for (const [dot, batch] of writes) {
    const by = removals.get(dot) ?? [];
    if (by.length === 0 && acked.has(batch) && !live.has(dot)) return `lost ${dot}`;
    if (by.some((removal) => acked.has(removal)) && live.has(dot)) return `resurrected ${dot}`;
  }
  anyOwner().lose(elements[pick(3)]!);
  compareAll(2);
  const repaired = owners.map((owner) => owner.view());
  if (repaired.some((view) => view !== views[0])) return `not repaired: ${repaired.join(' | ')}`;
  // All have seen all, and nothing is to be remembered: but of dots whose batch died with its writer's disk before anyone applied it.
  const clocks = owners.flatMap(({ partition }) =>
    [...partition.recordEntries()].map((entry) => effectiveContext(partition.recordOf(entry) ?? emptyRecord)),
  );
  if (!clocks.every((clock) => owners.every(({ partition }) => coversClock(partition.seen, clock)))) return undefined;
  for (const owner of owners) await owner.sweep(20);
  for (const owner of owners) owner.purge(owners);
  if (owners.some(({ partition }) => partition.contexts > 0)) return 'contexts are left';
  for (const owner of owners) {
    await owner.writeOut();
    await owner.sweep(20);
    await owner.open();
    if (owner.view() !== views[0]) return `after a start: ${owner.view()}, not ${views[0]}`;
    if (owner.partition.contexts > 0) return 'contexts are left on disk';
    const alive = elements.filter((element) => owner.dots(element).length > 0).length;
    const held = [...owner.partition.recordEntries()].filter((entry) => owner.partition.recordOf(entry) !== undefined).length;
    if (held > alive + 1) return `${held} records for ${alive} members`; // and the expiry
    if (alive === 0 && owner.partition.entries.size > 0 && held === 0) return 'a key is left of nothing';
  }
  return undefined;
}

/** Faults of seeds 1 to `seeds`, at most `limit`. */
async function faults(seeds: number, without: Rule | undefined, limit: number): Promise<string[]> {
  const found: string[] = [];
  for (let seed = 1; seed <= seeds && found.length < limit; seed++) {
    const fault = await play(seed, without);
    if (fault !== undefined) found.push(`seed ${seed}: ${fault}`);
  }
  return found;
}

test('no history of a set on real stores goes wrong', async (t) => {
  t.timeout(3_600_000);
  t.deepEqual(await faults(Number(process.env['TORC_COLLECTION_HISTORIES'] ?? 150), undefined, 3), []);
});

for (const rule of ['cut-before-batch', 'cut-by-seen', 'purged'] as const) {
  test(`without the rule ${rule} some history of a set on real stores goes wrong`, async (t) => {
    t.timeout(600_000);
    t.is((await faults(3000, rule, 1)).length, 1);
  });
}
