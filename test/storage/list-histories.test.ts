/**
 * The histories of collection-histories.test.ts with a list: elements are pushed at both ends, inserted, set, popped, moved, trimmed, and the list is deleted as
 * a whole, on three replicas of which every one may write. Replicas must end with the same elements in the same order, which their order in memory shows as their
 * records do; no version that two replicas held may be missing unless a later removal, or LSET, had seen it, and none that was removed may be back; and in the end
 * nothing is left of what is no more.
 *
 * Each rule left out must make some history go wrong. TORC_COLLECTION_HISTORIES=n plays n histories instead of 40.
 */
import test from 'ava';
import { recordPart, recordType } from '../../protocol/record-key.js';
import { effectiveContext, emptyRecord } from '../../storage/merge.js';
import type { Transaction } from '../../storage/transaction.js';
import { coversClock } from '../../storage/vector-clock.js';
import { seededRandom } from './log-fixtures.js';
import { Replica, type Batch, type Message, type Rule, type Subject } from './replica.js';

const key = Buffer.from('list');
const subject: Subject = { key, type: recordType.list };
const steps = 120;

/** A version of one element: where it stands, and by which write. */
interface Version {
  readonly position: Buffer;
  readonly name: string;
}

function versionsOf(replica: Replica): Version[] {
  const { partition } = replica;
  return [...partition.recordEntries()]
    .filter((entry) => partition.table.kindOf(entry) !== 0 && (partition.table.kindOf(entry) & 3) === recordPart.element)
    .flatMap((entry) => {
      const position = partition.table.keyBytes(entry);
      const versions = partition.recordOf(entry)?.versions ?? [];
      return versions.map(({ actor, counter }) => ({ position, name: `${position.toString('hex')}@${actor}:${counter}` }));
    })
    .sort((x, y) => Buffer.compare(x.position, y.position));
}

const view = (replica: Replica): string =>
  versionsOf(replica)
    .map(({ name }) => name)
    .join(' ');

/** The values in the order that commands see. */
function shown(replica: Replica): string[] {
  let values: string[] = [];
  replica.write((transaction) => void (values = (transaction.list(key)?.slice(0, Infinity) ?? []).map(String)));
  return values;
}

/** Plays one history; returns what went wrong. */
async function play(seed: number, without: Rule | undefined): Promise<string | undefined> {
  const random = seededRandom(seed);
  const pick = (below: number): number => random.integer(below);
  const owners = await Promise.all([1, 2, 3].map((actor) => new Replica(subject, actor, without).open()));
  const wire: Message[] = [];
  const batches: Batch[] = [];
  const writes = new Map<string, Batch>();
  const removals = new Map<string, Batch[]>();
  const acked = new Set<Batch>();
  let lives = 3;
  let serial = 0;
  const anyOwner = (): Replica => owners[pick(3)]!;
  const noteAcked = (): void => {
    for (const batch of batches) if (owners.filter((owner) => batch.heldBy.has(owner)).length >= 2) acked.add(batch);
  };
  /** Writes as one command, and notes which versions came and which went. */
  const change = (self: Replica, body: (transaction: Transaction, size: number) => void): void => {
    const before = new Set(versionsOf(self).map(({ name }) => name));
    const wrote: string[] = [];
    const batch = self.write((transaction) => {
      body(transaction, transaction.list(key)?.size ?? 0);
      for (const { part, element, record, deletes } of transaction.writes.places.slice(0, transaction.writes.count))
        if (part === recordPart.element && !deletes && record?.versions.length !== 0) wrote.push(element.toString('hex'));
    });
    if (batch === undefined) return;
    const after = new Set(versionsOf(self).map(({ name }) => name));
    batches.push(batch);
    for (const position of wrote) writes.set(`${position}@${batch.dot.actor}:${batch.dot.counter}`, batch);
    for (const each of before) if (!after.has(each)) removals.set(each, [...(removals.get(each) ?? []), batch]);
    for (const to of owners) if (to !== self) wire.push({ to, deliver: (replica) => replica.apply(batch) });
  };
  const loseDisk = async (lost: Replica): Promise<void> => {
    noteAcked();
    const at = owners.indexOf(lost);
    const reborn = await new Replica(subject, ++lives, without).open();
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
  const value = (): Buffer => Buffer.from(`v${++serial}`);
  const act = (self: Replica, action: number): void =>
    change(self, (transaction, size) => {
      if (action < 2) transaction.insertIntoList(key, size, [value(), value()], 'left');
      else if (action < 4) transaction.insertIntoList(key, 0, [value()], 'left');
      else if (action < 6) transaction.insertIntoList(key, pick(size + 1), [value()], pick(2) === 0 ? 'left' : 'right');
      else if (size === 0) return;
      else if (action < 8) transaction.replaceInList(key, pick(size), value());
      else if (action < 11) transaction.removeFromList(key, [pick(2) === 0 ? [0, 1] : [size - 1, size]]);
      else if (action < 12) transaction.rotateList(key, pick(2) === 0 ? 'left' : 'right');
      else if (action < 13) transaction.removeFromList(key, [[pick(size), size]]);
      else {
        transaction.delete(key);
        if (pick(2) === 0) transaction.insertIntoList(key, 0, [value()], 'left');
      }
    });

  for (let step = 0; step < steps; step++) {
    const action = pick(32);
    const self = anyOwner();
    if (action < 14) act(self, action);
    else if (action < 20 && wire.length > 0) {
      const at = pick(wire.length);
      const message = wire[at]!;
      if (pick(4) > 0) wire.splice(at, 1); // else it will come again
      message.deliver(message.to);
    } else if (action < 21 && wire.length > 0) wire.splice(pick(wire.length), 1);
    else if (action < 23) {
      const peer = anyOwner();
      if (peer !== self) self.compareWith(peer);
    } else if (action < 25) self.purge(owners);
    else if (action < 27) {
      const known = versionsOf(self);
      const repair = self.transfer(known.length === 0 ? [] : [known[pick(known.length)]!.position]);
      const to = anyOwner();
      if (to !== self) wire.push({ to, deliver: (replica) => void replica.take(repair) });
    } else if (action < 28) await self.writeOut();
    else if (action < 29) await self.open();
    else if (action < 31) await self.sweep(pick(3));
    else if (pick(3) === 0) await loseDisk(self);
    noteAcked();
  }

  while (wire.length > 0) {
    const message = wire.splice(pick(wire.length), 1)[0]!;
    if (pick(2) === 1) message.deliver(message.to);
    if (pick(5) === 0) anyOwner().purge(owners);
  }
  compareAll(3);
  const views = owners.map(view);
  if (new Set(views).size > 1) return `diverged: ${views.join(' | ')}`;
  const orders = owners.map((owner) => shown(owner).join(' '));
  if (new Set(orders).size > 1) return `shown as ${orders.join(' | ')}`;
  const held = versionsOf(owners[0]!);
  const places = new Set(held.map(({ position }) => position.toString('hex'))).size;
  if (shown(owners[0]!).length !== places) return `${shown(owners[0]!).length} shown of ${places}`;
  const live = new Set(held.map((each) => each.name));
  for (const [name, batch] of writes) {
    const by = removals.get(name) ?? [];
    if (by.length === 0 && acked.has(batch) && !live.has(name)) return `lost ${name}`;
    if (by.some((removal) => acked.has(removal)) && live.has(name)) return `resurrected ${name}`;
  }
  if (held.length > 0) anyOwner().lose(held[pick(held.length)]!.position);
  compareAll(2);
  if (owners.some((owner) => view(owner) !== views[0])) return `not repaired: ${owners.map(view).join(' | ')}`;
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
    if (view(owner) !== views[0]) return `after a start: ${view(owner)}, not ${views[0]}`;
    if (shown(owner).join(' ') !== orders[0]) return `after a start shown as ${shown(owner).join(' ')}, not ${orders[0]}`;
    const left = [...owner.partition.recordEntries()].filter((entry) => owner.partition.recordOf(entry) !== undefined).length;
    if (left > places + 1) return `${left} records for ${places} elements`; // and the expiry
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

test('no history of a list on real stores goes wrong', async (t) => {
  t.timeout(3_600_000);
  t.deepEqual(await faults(Number(process.env['TORC_COLLECTION_HISTORIES'] ?? 40), undefined, 3), []);
});

for (const rule of ['cut-before-batch', 'cut-by-seen', 'purged'] as const) {
  test(`without the rule ${rule} some history of a list on real stores goes wrong`, async (t) => {
    t.timeout(600_000);
    t.is((await faults(3000, rule, 1)).length, 1);
  });
}
