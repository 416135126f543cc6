/**
 * Histories of collections on one real store, against a plain model: elements come, change and go, keys are deleted, overwritten by another type, renamed and
 * expire, as a whole and field by field, while memory holds four keys or everything, rounds of writing behind run at any moment, sweepers are at work, and the process is closed or
 * killed and started again. After each step something is looked at: a count, an element, all of it, the type, the number of keys.
 *
 * TORC_COLLECTION_HISTORIES=n plays n histories instead of 60.
 */
import test from 'ava';
import type { Dot } from '../../protocol/dot.js';
import { emptyClock, versionKind } from '../../protocol/record.js';
import { recordPart, recordType } from '../../protocol/record-key.js';
import { slotOf } from '../../protocol/slot.js';
import { CommandError, type CollectionName } from '../../storage/execution.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { decodeScore, encodeScore } from '../../storage/score-value.js';
import type { Need } from '../../storage/transaction-reads.js';
import type { Transaction } from '../../storage/transaction.js';
import { HandClock, seededRandom } from './log-fixtures.js';
import { command, openInMemory, openStore, self, type OpenedStore } from './store-fixtures.js';

const keys = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => Buffer.from(name));
const elements = Array.from({ length: 12 }, (_, i) => Buffer.from(`element-${i}`));
const types: readonly CollectionName[] = ['set', 'hash', 'zset'];
const steps = 160;
const partition = 0;

interface Value {
  readonly type: 'string' | CollectionName;
  /** Those that have expired and nobody has swept among them. */
  readonly elements: Map<string, string>;
  /** Of hashes: when fields expire that do. */
  readonly expiries: Map<string, number>;
  expiresAtMs: number;
}

const newValue = (type: Value['type']): Value => ({ type, elements: new Map(), expiries: new Map(), expiresAtMs: 0 });

class History {
  private clock = new HandClock();
  private engine = new MemoryEngine();
  private readonly files = new MemoryLogFiles();
  private opened: OpenedStore | undefined;
  private readonly model = new Map<string, Value>();
  private readonly pick: (below: number) => number;
  private nowMs = 1000;

  constructor(
    seed: number,
    private readonly cacheBytesMax: number,
  ) {
    const random = seededRandom(seed);
    this.pick = (below) => random.integer(below);
  }

  async play(): Promise<void> {
    await this.open();
    for (let step = 0; step < steps; step++) {
      await this.act();
      await this.look();
    }
    for (const key of keys) await this.lookAtAll(key);
    await this.countKeys();
  }

  private get store(): OpenedStore {
    if (this.opened === undefined) throw new Error('not open');
    return this.opened;
  }

  private async open(): Promise<void> {
    this.opened = await openStore(this.engine, this.files, { clock: this.clock, cacheBytesMax: this.cacheBytesMax });
  }

  /** As a coordinator runs a command: what it lacks is loaded, and it runs again. */
  private async run<T>(on: readonly Buffer[], body: (transaction: Transaction) => T): Promise<T> {
    const { store, transaction } = this.store;
    const here = store.partition(partition);
    for (let attempt = 0; attempt < 10; attempt++) {
      for (const key of on) {
        if (here.isLoaded(key)) continue;
        await this.until((done) => (store.loader.load(here, key, slotOf(key), done), store.loader.flush()));
      }
      transaction.begin(here, 1, this.nowMs, 2);
      let result: T | CommandError;
      try {
        result = body(transaction);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        result = error; // one that is due to what is not in memory yet counts for nothing
      }
      if (transaction.needs.length === 0) {
        if (result instanceof CommandError) throw result;
        const dot = transaction.batchDot;
        if (dot !== undefined) store.writeBatch(here, dot, 1, 1, transaction);
        if (this.pick(3) > 0) store.endTurn(() => undefined);
        return result;
      }
      const { needs } = transaction;
      transaction.discard();
      for (const need of needs) await this.load(need);
    }
    throw new Error('a command never had what it needs');
  }

  private async load({ collection, element }: Need): Promise<void> {
    const { loader } = this.store.store;
    const here = this.store.store.partition(partition);
    here.pins++;
    if (element === undefined) await this.until((done) => void loader.loadCollection(here, collection).then(done));
    else await this.until((done) => loader.loadElements(here, collection, [element], done));
    here.pins--;
  }

  private async until(begin: (done: () => void) => void): Promise<void> {
    let isDone = false;
    begin(() => (isDone = true));
    for (let i = 0; i < 100 && !isDone; i++) await this.clock.advance(0);
    if (!isDone) throw new Error('nothing came');
  }

  private living(key: Buffer): Value | undefined {
    const value = this.model.get(key.toString());
    if (value === undefined || (value.expiresAtMs !== 0 && value.expiresAtMs <= this.nowMs)) return undefined;
    if (value.type === 'string') return value;
    const elements = new Map([...value.elements].filter(([name]) => (value.expiries.get(name) ?? Infinity) > this.nowMs));
    return elements.size === 0 ? undefined : { ...value, elements };
  }

  /** What a write of an element changes: anew where nothing lives. */
  private writable(key: Buffer, type: CollectionName): Value {
    if (this.living(key) === undefined) this.model.set(key.toString(), newValue(type));
    return this.model.get(key.toString()) as Value;
  }

  private async act(): Promise<void> {
    const key = keys[this.pick(keys.length)] as Buffer;
    const element = elements[this.pick(elements.length)] as Buffer;
    const action = this.pick(36);
    const value = this.living(key);
    const type = types[this.pick(types.length)] as CollectionName;
    if (action < 14) {
      if (value !== undefined && value.type !== type) return;
      if (type === 'zset' && this.pick(3) === 0) return this.increment(key, element, value);
      const bytes = type === 'zset' ? encodeScore(this.pick(5)) : Buffer.from(type === 'set' ? '' : String(this.pick(100)));
      const text = bytes.toString('latin1');
      const expiresAtMs = type === 'hash' && this.pick(2) === 0 ? this.nowMs + 5 + this.pick(60) : 0;
      const isNew = await this.run([key], (t) => t.setElement(key, type, element, bytes, expiresAtMs));
      if (isNew === (value?.elements.has(element.toString()) === true))
        throw new Error(`${key.toString()} ${element.toString()}: new ${isNew}`);
      const now = this.writable(key, type);
      now.elements.set(element.toString(), text);
      now.expiries.set(element.toString(), expiresAtMs === 0 ? Infinity : expiresAtMs);
    } else if (action < 18) {
      if (value === undefined || value.type === 'string') return;
      const { type: held } = value;
      const removed = await this.run([key], (t) => t.removeElement(key, held, element));
      if (removed !== value.elements.delete(element.toString())) throw new Error(`removed ${removed}`);
      const now = this.model.get(key.toString()) as Value;
      if (removed) now.elements.delete(element.toString());
      if (now.elements.size === 0) this.model.delete(key.toString());
      else if (value.elements.size === 0) now.expiresAtMs = 0; // what is left has expired, and the key is no more
    } else if (action < 20) {
      const deleted = await this.run([key], (t) => t.delete(key));
      if (deleted !== (value !== undefined)) throw new Error(`deleted ${deleted}`);
      if (deleted) this.model.delete(key.toString()); // what has expired is the sweeper's
    } else if (action < 22) {
      await this.run([key], (t) => t.setString(key, Buffer.from('text'), 0));
      this.model.set(key.toString(), newValue('string'));
    } else if (action < 23) {
      const expiresAtMs = this.nowMs + 5 + this.pick(60);
      const done = await this.run([key], (t) => t.setExpiry(key, expiresAtMs));
      if (done !== (value !== undefined)) throw new Error(`expiry ${done}`);
      if (value !== undefined) (this.model.get(key.toString()) as Value).expiresAtMs = expiresAtMs;
    } else if (action < 24) {
      const expired = await this.run([key], (t) => t.removeExpired(key));
      if (expired && value !== undefined) throw new Error('what had not expired was swept');
      const { expiresAtMs = 0 } = this.model.get(key.toString()) ?? {};
      if (!expired && expiresAtMs !== 0 && expiresAtMs <= this.nowMs) throw new Error('what had expired was not swept');
      if (expired) this.model.delete(key.toString());
    } else if (action < 25) await this.replace(key, type);
    else if (action < 28) this.nowMs += this.pick(20);
    else if (action < 29) {
      this.store.store.endTurn(() => undefined);
      this.store.store.writeOut().catch(() => undefined); // one that a crash cuts off
    } else if (action < 30) await this.clock.advance(this.pick(2));
    else if (action < 31) {
      for (let i = 0; i < 40; i++) await this.clock.advance(0);
    } else if (action < 32) await this.restart();
    else if (action < 34) await this.expireElement(key, element, value);
    else await this.sweepElements(key);
  }

  private async expireElement(key: Buffer, element: Buffer, value: Value | undefined): Promise<void> {
    if (value !== undefined && value.type !== 'hash') return;
    const expiresAtMs = this.pick(4) === 0 ? 0 : this.nowMs + 5 + this.pick(60);
    const done = await this.run([key], (t) => t.setElementExpiry(key, 'hash', element, expiresAtMs));
    if (done !== (value?.elements.has(element.toString()) === true)) throw new Error(`expiry of an element ${done}`);
    if (done) this.model.get(key.toString())?.expiries.set(element.toString(), expiresAtMs === 0 ? Infinity : expiresAtMs);
  }

  /** Some of what has expired of it; all where nothing else is left. */
  private async sweepElements(key: Buffer): Promise<void> {
    const value = this.model.get(key.toString());
    if (value === undefined || (value.expiresAtMs !== 0 && value.expiresAtMs <= this.nowMs)) return;
    const due = [...value.elements.keys()].filter((name) => (value.expiries.get(name) ?? Infinity) <= this.nowMs);
    const most = 1 + this.pick(3);
    const removed = await this.run([key], (t) => t.removeExpiredElements(key, most));
    const isAll = due.length === value.elements.size;
    if (removed > (isAll ? due.length : Math.min(most, due.length))) throw new Error(`${removed} of ${due.length} expired ones removed`);
    for (const name of due.slice(0, removed)) value.elements.delete(name);
    if (isAll && removed > 0) this.model.delete(key.toString());
  }

  private async increment(key: Buffer, member: Buffer, value: Value | undefined): Promise<void> {
    const by = this.pick(9) / 2 - 2;
    const before = value?.elements.get(member.toString());
    const expected = before === undefined ? by : decodeScore(Buffer.from(before, 'latin1')) + by;
    const score = await this.run([key], (t) => t.incrementScore(key, member, by));
    if (score !== expected) throw new Error(`${key.toString()} ${member.toString()}: ${score} after ${by}, not ${expected}`);
    this.writable(key, 'zset').elements.set(member.toString(), encodeScore(expected).toString('latin1'));
  }

  /** SUNIONSTORE and RENAME: away with what is there, and new elements in the same batch. */
  private async replace(key: Buffer, type: CollectionName): Promise<void> {
    const some = elements.filter(() => this.pick(3) === 0);
    if (some.length === 0 && this.living(key) === undefined) return;
    const bytes = type === 'zset' ? encodeScore(7) : Buffer.from(type === 'set' ? '' : 'new');
    await this.run([key], (t) => {
      t.delete(key);
      for (const element of some) t.setElement(key, type, element, bytes);
      if (some.length > 0) t.removeElement(key, type, some[0] as Buffer);
    });
    const left = some.slice(1).map((element) => [element.toString(), bytes.toString('latin1')] as const);
    if (left.length === 0) this.model.delete(key.toString());
    else this.model.set(key.toString(), { ...newValue(type), elements: new Map(left) });
  }

  private async restart(): Promise<void> {
    this.store.store.endTurn(() => undefined);
    if (this.pick(2) === 0) await this.store.close();
    else this.files.kill();
    this.clock = new HandClock(); // nobody wakes what the killed process still had to do
    this.engine = this.engine.reopened();
    await this.open();
  }

  private async look(): Promise<void> {
    const key = keys[this.pick(keys.length)] as Buffer;
    const value = this.living(key);
    const how = this.pick(6);
    if (how === 0) return this.lookAtAll(key);
    if (how === 1) return this.pick(4) === 0 ? this.countKeys() : undefined;
    const type = await this.run([key], (t) => t.typeOf(key));
    if (type !== value?.type) throw new Error(`${key.toString()} is ${type}, not ${value?.type}`);
    if (value === undefined || value.type === 'string') return;
    const { type: held } = value;
    if (how === 2) {
      const size = await this.run([key], (t) => t.collection(key, held)?.size);
      if (size !== value.elements.size) throw new Error(`${key.toString()} has ${size}, not ${value.elements.size}`);
    } else if (how === 3) {
      const expiresAtMs = await this.run([key], (t) => t.expiryOf(key));
      if (expiresAtMs !== value.expiresAtMs) throw new Error(`${key.toString()} expires at ${expiresAtMs}, not ${value.expiresAtMs}`);
    } else {
      const element = elements[this.pick(elements.length)] as Buffer;
      const found = await this.run([key], (t) => t.collection(key, held)?.get(element));
      if (found?.toString('latin1') !== value.elements.get(element.toString()))
        throw new Error(`${key.toString()} ${element.toString()}: ${found?.toString()}`);
      if (held === 'zset') await this.lookAtRanks(key, value, element);
      if (held === 'hash') {
        const expiresAtMs = await this.run([key], (t) => t.collection(key, held)?.expiryOf(element));
        const expected = value.elements.has(element.toString()) ? (value.expiries.get(element.toString()) ?? Infinity) : undefined;
        if (expiresAtMs !== (expected === Infinity ? 0 : expected))
          throw new Error(`${key.toString()} ${element.toString()} expires at ${expiresAtMs}, not ${expected}`);
      }
    }
  }

  private async lookAtRanks(key: Buffer, value: Value, member: Buffer): Promise<void> {
    const expected = [...value.elements]
      .map(([name, text]) => ({ name, score: decodeScore(Buffer.from(text, 'latin1')) }))
      .sort((x, y) => x.score - y.score || (x.name < y.name ? -1 : 1));
    const [rank, all, below] = await this.run([key], (t) => {
      const set = t.sorted(key);
      return [set?.rankOf(member), set?.slice(0, Infinity) ?? [], set?.countToScore(2, false)] as const;
    });
    const at = expected.findIndex(({ name }) => name === member.toString());
    if (rank !== (at < 0 ? undefined : at)) throw new Error(`${key.toString()} ${member.toString()} has rank ${rank}, not ${at}`);
    const found = all.map((each) => `${each.member.toString()}=${each.score}`);
    const names = expected.map(({ name, score }) => `${name}=${score}`);
    if (found.join() !== names.join()) throw new Error(`${key.toString()}: ${found.join()} and not ${names.join()}`);
    if (below !== expected.filter(({ score }) => score < 2).length) throw new Error(`${key.toString()}: ${below} below 2`);
  }

  private async lookAtAll(key: Buffer): Promise<void> {
    const value = this.living(key);
    if (value === undefined || value.type === 'string') return;
    const { type } = value;
    const { pairs, size } = await this.run([key], (t) => {
      const collection = t.collection(key, type);
      return { pairs: collection?.pairs() ?? [], size: collection?.size };
    });
    const found = pairs
      .map(String)
      .filter((_, i) => i % 2 === 0)
      .map((name, i) => `${name}=${pairs[2 * i + 1]?.toString('latin1')}`);
    const expected = [...value.elements].map(([name, text]) => `${name}=${text}`);
    if (found.toSorted().join() !== expected.toSorted().join())
      throw new Error(`${key.toString()}: ${found.join()} and not ${expected.join()}`);
    if (size !== expected.length) throw new Error(`${key.toString()} counts ${size} of ${expected.length}`);
  }

  private async countKeys(): Promise<void> {
    const here = this.store.store.partition(partition);
    here.pins++; // nothing is evicted between loading and counting
    await this.until((done) => void this.store.store.loader.loadPartition(here, 0, 16383).then(done));
    if (here.aliveEntries !== this.model.size) throw new Error(`${here.aliveEntries} keys, not ${this.model.size}`);
    here.pins--;
    for (const key of keys) {
      const isThere = await this.run([key], (t) => t.typeOf(key) !== undefined);
      if (isThere !== (this.living(key) !== undefined)) throw new Error(`${key.toString()} is there: ${isThere}`);
    }
  }
}

const key = Buffer.from('set');

async function withMembers(clock: HandClock, count: number): Promise<OpenedStore> {
  const opened = await openInMemory({ clock });
  command(opened, partition, 1, (t) => {
    for (let i = 0; i < count; i++) t.setElement(key, 'set', Buffer.from(`m${i}`), Buffer.alloc(0));
  });
  return opened;
}

test('a deletion is one record however many elements it covers, and is forgotten only after they were swept', async (t) => {
  const clock = new HandClock();
  const opened = await withMembers(clock, 5000);
  const { store, transaction } = opened;
  const here = store.partition(partition);
  transaction.begin(here, 1, 1, 2);
  t.true(transaction.delete(key));
  t.is(transaction.writes.count, 1);
  const dot = transaction.batchDot;
  if (dot === undefined) return t.fail('nothing was written');
  store.writeBatch(here, dot, 1, 1, transaction);
  t.is(here.aliveEntries, 0);
  store.forgetting.step(here, here.seen, 100);
  t.is(here.contexts, 1, 'what it covers is still there');
  for (let i = 0; i < 20; i++) await clock.advance(0);
  store.forgetting.step(here, here.seen, 100);
  t.is(here.contexts, 0);
  await opened.close();
});

test('what a deletion has not seen survives it, and so does what its own batch writes', async (t) => {
  const opened = await withMembers(new HandClock(), 2);
  const { store } = opened;
  const here = store.partition(partition);
  const member = (name: string, dot: Dot): void => {
    const record = {
      context: emptyClock,
      versions: [{ kind: versionKind.plain, ...dot, term: 1, expiresAtMs: 0, bytes: Buffer.alloc(0) }],
    };
    here.merge(here.recordEntry(slotOf(key), key, recordType.set, recordPart.element, Buffer.from(name)), record);
  };
  const deletion = { context: new Map([[self, store.hybridClock.currentCounter]]), versions: [] };
  member('beside', { actor: 0x2_0001, counter: 5 });
  here.merge(here.recordEntry(slotOf(key), key, recordType.set, recordPart.deleted, Buffer.alloc(0)), deletion);
  const left = (): string[] => {
    opened.transaction.begin(here, 1, 1, 2);
    return (opened.transaction.collection(key, 'set')?.elements() ?? []).map(String).toSorted();
  };
  t.deepEqual(left(), ['beside']);
  command(opened, partition, 1, (transaction) => {
    transaction.delete(key);
    transaction.setElement(key, 'set', Buffer.from('after'), Buffer.alloc(0));
  });
  t.deepEqual(left(), ['after']); // the one that `seen` did not cover has a tombstone of its own
  await opened.close();
});

test('of two types alive at once the one with the latest value is seen, it is told, and the next write deletes the other', async (t) => {
  const opened = await withMembers(new HandClock(), 1);
  const { store, transaction } = opened;
  const here = store.partition(partition);
  const later = { kind: versionKind.plain, actor: 0x2_0001, counter: 9, term: 2, expiresAtMs: 0, bytes: Buffer.from('v') };
  here.merge(here.recordEntry(slotOf(key), key, recordType.hash, recordPart.element, Buffer.from('f')), {
    context: emptyClock,
    versions: [later],
  });
  store.conflicts.isReplaying = false;
  transaction.begin(here, 1, 1, 2);
  t.is(transaction.typeOf(key), 'hash');
  t.throws(() => transaction.collection(key, 'set'), { instanceOf: CommandError });
  t.is(store.conflicts.counts.type, 1);
  t.is(store.conflicts.openCount, 1);
  command(opened, partition, 1, (write) => void write.setElement(key, 'hash', Buffer.from('g'), Buffer.from('w')));
  t.is(store.conflicts.openCount, 0);
  transaction.begin(here, 1, 1, 2);
  t.is(transaction.collection(key, 'hash')?.size, 2);
  t.is(here.collections.of(here.find(key)).find(({ type }) => type.name === 'set')?.count, 0);
  await opened.close();
});

const histories = Number(process.env['TORC_COLLECTION_HISTORIES'] ?? 60);

for (const [memory, cacheBytesMax] of [
  ['everything in memory', 1 << 30],
  ['a cache of a few entries', 2000],
] as const) {
  test(`${memory}: collections are what their commands made of them, across rounds, evictions, kills and starts`, async (t) => {
    for (let seed = 1; seed <= histories; seed++) {
      try {
        await new History(seed, cacheBytesMax).play();
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      }
    }
    t.pass();
  });
}

test('a row that was read before its element went does not bring it back', async (t) => {
  const opened = await openInMemory();
  const [key, gone, left] = [Buffer.from('key'), Buffer.from('gone'), Buffer.from('left')];
  command(opened, 0, 1, (transaction) => {
    for (const member of [gone, left]) transaction.setElement(key, 'set', member, Buffer.alloc(0));
  });
  const here = opened.store.partition(0);
  const [collection] = here.collections.of(here.find(key));
  if (collection === undefined) return t.fail('there is no set');
  const row = here.table.recordOf(here.collections.find(collection, recordPart.element, gone));
  if (row === undefined) return t.fail('there is no record');
  command(opened, 0, 1, (transaction) => void transaction.removeElement(key, 'set', gone));
  const entry = here.collections.find(collection, recordPart.element, gone);
  here.forgetTombstone(entry);
  t.true(here.collections.removeUnwritten(entry), 'memory has nothing of it');
  t.true(collection.whole);
  t.false(here.collections.take(collection, gone, row));
  t.is(collection.count, 1);
  await opened.close();
});
