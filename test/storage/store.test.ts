/**
 * The store as a whole, against a model, over the engine and log in memory and over RocksDB and files: after any history of commands,
 * peers' batches, transfers, promises, facts, rounds of writing behind and evictions, a crash leaves what was acknowledged. TORC_STORE_HISTORIES=n
 * runs that many histories in place of the usual few. A failure names its seed.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { BatchEncoder } from '../../protocol/batch.js';
import type { Dot, Term } from '../../protocol/dot.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { encodeRecordKey, recordPart, recordType } from '../../protocol/record-key.js';
import { emptyClock, encodeRecord, type VersionedRecord } from '../../protocol/record.js';
import { slotOf } from '../../protocol/slot.js';
import type { Engine } from '../../storage/engine.js';
import { DiskLogFiles } from '../../storage/file-log-files.js';
import type { LogFiles } from '../../storage/log-files.js';
import { deleting, effectiveContext, mergeRecords, newestTerm } from '../../storage/merge.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { clockBytes } from '../../storage/partition-clocks.js';
import type { Ahead } from '../../storage/partition.js';
import { RocksdbEngine } from '../../storage/rocksdb-engine.js';
import type { Store } from '../../storage/store.js';
import { HandClock, seededRandom, settled } from './log-fixtures.js';
import { command, encodeBatches, openInMemory, openStore, plainRecord, self, type OpenedStore } from './store-fixtures.js';
import type { Staged } from '../../storage/staged-writes.js';
import { temporaryDirectory } from './temporary-directory.js';

/** After which what is dirty is written behind, if nothing else begins a round before. */
const roundDelayMs = 60_000;
const slotsPerPartition = 16;
const partitions = [0, 1, 2];
const keysOf = partitions.map((partition) => {
  const keys: string[] = [];
  for (let i = 0; keys.length < 5; i++)
    if (Math.floor(slotOf(Buffer.from(`key${i}`)) / slotsPerPartition) === partition) keys.push(`key${i}`);
  return keys;
});
const histories = (usual: number): number => Number(process.env['TORC_STORE_HISTORIES'] ?? usual);

interface Backend {
  readonly engine: Engine;
  readonly files: LogFiles;
  /** What the next process finds. `power`: the machine under it was lost, with what was not synced. */
  crash(power: number | undefined): Promise<Backend>;
}

function memoryBackend(engine = new MemoryEngine(), files = new MemoryLogFiles()): Backend {
  return {
    engine,
    files,
    crash: (power) => {
      if (power === undefined) {
        files.kill();
        return Promise.resolve(memoryBackend(engine.reopened(), files));
      }
      const random = seededRandom(power);
      files.crash(random);
      return Promise.resolve(memoryBackend(engine.crashed(random), files));
    },
  };
}

async function diskBackend(directory: string): Promise<Backend> {
  fs.mkdirSync(path.join(directory, 'log'), { recursive: true });
  const engine = await RocksdbEngine.open(path.join(directory, 'rocksdb'));
  return {
    engine,
    files: new DiskLogFiles(path.join(directory, 'log')),
    crash: async () => {
      await engine.close();
      return diskBackend(directory);
    },
  };
}

/** What a store is to hold, computed without it. */
class Model {
  readonly records = new Map<string, VersionedRecord>();
  readonly seen = partitions.map(() => new Map<number, number>());
  ahead: Ahead[][] = partitions.map(() => []);
  readonly promised: Term[] = partitions.map(() => ({ counter: 0, actor: 0 }));
  readonly facts = new Map<string, string>();

  merge(partition: number, key: string, record: VersionedRecord): void {
    const held = this.records.get(`${partition} ${key}`);
    this.records.set(`${partition} ${key}`, held === undefined ? record : mergeRecords(held, record));
  }

  note(partition: number, batch: Ahead): void {
    this.ahead[partition]?.push(batch);
    this.closeGaps(partition);
  }

  closeGaps(partition: number): void {
    const seen = this.seen[partition] ?? new Map<number, number>();
    const waiting = (this.ahead[partition] ?? []).toSorted((x, y) => x.counter - y.counter);
    for (const { actor, counter, prev } of waiting)
      if ((seen.get(actor) ?? 0) >= prev) seen.set(actor, Math.max(counter, seen.get(actor) ?? 0));
    this.ahead[partition] = waiting.filter(({ actor, counter }) => (seen.get(actor) ?? 0) < counter);
  }

  promise(partition: number, term: Term): void {
    const { counter, actor } = this.promised[partition] ?? term;
    if (term.counter > counter || (term.counter === counter && term.actor > actor)) this.promised[partition] = term;
  }

  state(): unknown {
    const records = [...this.records].map(([key, record]): [string, string] => [key, hex(record)]);
    return stateOf(records, this.seen, this.ahead, this.promised, this.facts);
  }
}

function hex(record: VersionedRecord): string {
  const writer = new ByteWriter();
  encodeRecord(writer, record);
  return writer.take().toString('hex');
}

function stateOf(
  records: [string, string][],
  seen: readonly ReadonlyMap<number, number>[],
  ahead: readonly (readonly Ahead[])[],
  promised: readonly Term[],
  facts: ReadonlyMap<string, string>,
): unknown {
  return {
    records: Object.fromEntries(records.toSorted(([x], [y]) => (x < y ? -1 : 1))),
    seen: seen.map((clock) => [...clock].toSorted(([x], [y]) => x - y)),
    ahead: ahead.map((list) =>
      joined(list)
        .map(({ actor, counter, prev }) => `${actor} ${counter} ${prev}`)
        .toSorted(),
    ),
    promised: promised.map(({ counter, actor }) => [counter, actor]),
    facts: Object.fromEntries([...facts].toSorted(([x], [y]) => (x < y ? -1 : 1))),
  };
}

/** What follows a batch ahead may be one with it. */
function joined(list: readonly Ahead[]): Ahead[] {
  const runs: Ahead[] = [];
  for (const next of list.toSorted((x, y) => x.counter - y.counter)) {
    const before = runs.findIndex(({ actor, counter }) => actor === next.actor && counter === next.prev);
    if (before < 0) runs.push(next);
    else runs[before] = { ...next, prev: runs[before]?.prev ?? 0 };
  }
  return runs;
}

async function stateIn(store: Store): Promise<unknown> {
  const records: [string, string][] = [];
  for (const number of partitions) {
    const partition = store.partition(number);
    const firstSlot = number * slotsPerPartition;
    await store.loader.loadPartition(partition, firstSlot, firstSlot + slotsPerPartition - 1);
    for (const { key, record } of partition.entries.values()) if (record !== undefined) records.push([`${number} ${key}`, hex(record)]);
  }
  const here = partitions.map((number) => store.partition(number));
  const facts = new Map(
    ['a', 'b'].flatMap((name) => {
      const value = store.fact(name)?.toString();
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
  return stateOf(
    records,
    here.map(({ seen }) => seen),
    here.map(({ ahead }) => ahead),
    here.map(({ promised }) => promised),
    facts,
  );
}

/** Counts and indexes are what the records in memory say. */
function assertDerived(t: ExecutionContext, store: Store, seed: string): void {
  let bytes = 0;
  for (const number of partitions) {
    const partition = store.partition(number);
    const entries = [...partition.entries.values()];
    t.is(partition.aliveEntries, entries.filter(({ alive }) => alive).length, `alive, ${seed}`);
    const expiring = entries.filter(({ expiresAtMs }) => expiresAtMs !== 0).map(({ id }) => id);
    t.deepEqual(
      [...partition.expiring].toSorted((x, y) => x - y),
      expiring.toSorted((x, y) => x - y),
      `expiring, ${seed}`,
    );
    for (const entry of entries) bytes += entry.byteSize;
    t.is(partition.pins, 0, `pins, ${seed}`);
  }
  t.is(store.memoryBytes, bytes, `memory, ${seed}`);
}

async function load(store: Store, partition: number, key: string): Promise<void> {
  const here = store.partition(partition);
  const name = Buffer.from(key);
  if (here.isLoaded(name)) return;
  const loaded = new Promise<void>((resolve) => store.loader.load(here, name, slotOf(name), resolve));
  store.endTurn(() => undefined);
  await loaded;
}

/** One random history of a store and its model. */
class History {
  readonly model = new Model();
  readonly random;
  /** What each peer has written in each partition, and not said yet. */
  private readonly unsent: { readonly partition: number; readonly bytes: Buffer; readonly apply: () => void }[] = [];
  private readonly lastOf = new Map<string, number>();
  private readonly clock = new HandClock();
  private counter = 1;
  /** Rounds of writing behind that were done before a crash. */
  rounds = 0;
  opened: OpenedStore | undefined;

  constructor(
    private readonly t: ExecutionContext,
    private backend: Backend,
    readonly seed: number,
    private readonly options: { readonly cacheBytesMax: number; readonly power: boolean },
  ) {
    this.random = seededRandom(seed);
  }

  get store(): Store {
    if (this.opened === undefined) throw new Error('the history has not begun');
    return this.opened.store;
  }

  async open(): Promise<void> {
    const durability = this.options.power ? 'always' : 'os';
    const { engine, files } = this.backend;
    this.opened = await openStore(engine, files, { clock: this.clock, durability, cacheBytesMax: this.options.cacheBytesMax });
  }

  promise(term: Term): void {
    this.store.promise(partitions, term);
    for (const partition of partitions) this.model.promise(partition, term);
  }

  async step(): Promise<void> {
    const { random, store, model } = this;
    const partition = random.integer(partitions.length);
    const key = keysOf[partition]?.[random.integer(5)] ?? '';
    const choice = random.integer(12);
    if (choice < 5) await this.own(partition, key, choice);
    else if (choice < 7) this.peerWrites(partition, key);
    else if (choice < 9) this.peerSends();
    else if (choice === 9) this.transfer(partition, key);
    else if (choice === 10) {
      const term = { counter: ++this.counter, actor: self };
      store.promise([partition], term);
      model.promise(partition, term);
    } else {
      const name = random.integer(2) === 0 ? 'a' : 'b';
      store.setFact(name, Buffer.from(String(this.counter)));
      model.facts.set(name, String(this.counter));
    }
    store.endTurn(() => undefined);
    if (random.integer(10) === 0) await this.clock.advance(roundDelayMs); // a round of writing behind is due
    if (random.integer(2) === 0) await this.clock.advance(1);
  }

  /** The process ends without a word, and the next one is to hold what the log was handed; or what was synced, with the machine. */
  async crash(): Promise<void> {
    const { random, t, model } = this;
    const { power } = this.options;
    const expected = model.state();
    if (power) await new Promise<void>((resolve) => this.store.whenDurable(resolve));
    this.rounds += this.store.statistics().flushes;
    this.backend = await this.backend.crash(power ? random.integer(1000) : undefined);
    await this.open();
    t.deepEqual(await stateIn(this.store), expected, `seed ${this.seed}`);
    assertDerived(t, this.store, `seed ${this.seed}`);
  }

  private async own(partition: number, name: string, choice: number): Promise<void> {
    const { opened, model } = this;
    if (opened === undefined) return;
    await load(opened.store, partition, name);
    const key = Buffer.from(name);
    const here = opened.store.partition(partition);
    const prev = here.seen.get(self) ?? 0;
    let staged: Staged | undefined;
    const dot = command(opened, partition, 1, (transaction) => {
      if (choice === 0) transaction.delete(key);
      else if (choice === 1) transaction.setExpiry(key, 1000 + this.random.integer(1000));
      else if (choice === 2) transaction.increment(key, 2n);
      else transaction.setString(key, Buffer.from(String(this.random.integer(1_000_000))), this.random.integer(3) === 0 ? 5000 : 0);
      staged = transaction.writes.count === 0 ? undefined : transaction.writes.places[0];
    });
    if (dot === undefined || staged === undefined) return;
    const written = staged.deletes
      ? deleting(model.records.get(`${partition} ${name}`), dot, staged.deletionTerm)
      : plainRecord(dot, staged.bytes.toString(), 1, staged.expiresAtMs);
    const { record = written } = staged;
    model.merge(partition, name, record);
    model.note(partition, { ...dot, prev });
  }

  private peerWrites(partition: number, key: string): void {
    const { model, random } = this;
    const actor = 0x2_0001 + random.integer(2) * 0x1_0000;
    const dot: Dot = { actor, counter: ++this.counter };
    const prev = this.lastOf.get(`${partition} ${actor}`) ?? 0;
    this.lastOf.set(`${partition} ${actor}`, dot.counter);
    const held = model.records.get(`${partition} ${key}`);
    const knows = held !== undefined && random.integer(2) === 0;
    const context = knows ? new Map(effectiveContext(held)) : emptyClock;
    const lower = (context.get(actor) ?? 0) < dot.counter;
    const record =
      knows && lower && random.integer(3) === 0
        ? deleting(held, dot)
        : { context: emptyClock, versions: plainRecord(dot, `peer ${this.counter}`, 1).versions };
    const term = { counter: 1, actor };
    this.unsent.push({
      partition,
      bytes: encodeBatches([{ partition, dot, prev, records: [[key, record]] }]),
      apply: () => {
        model.promise(partition, term);
        const seen = model.seen[partition]?.get(actor) ?? 0;
        if (seen >= dot.counter || model.ahead[partition]?.some((a) => a.actor === actor && a.counter === dot.counter) === true) return;
        model.merge(partition, key, record);
        model.note(partition, { ...dot, prev });
      },
    });
  }

  /** Late, repeated, out of order. */
  private peerSends(): void {
    if (this.unsent.length === 0) return;
    const at = this.random.integer(this.unsent.length);
    const batch = this.unsent[at];
    if (batch === undefined) return;
    if (this.random.integer(4) > 0) this.unsent.splice(at, 1);
    this.store.applyBatches(batch.bytes);
    batch.apply();
  }

  private transfer(partition: number, key: string): void {
    const { store, model, random } = this;
    const dot = { actor: 0x4_0001, counter: ++this.counter };
    const record = plainRecord(dot, `transfer ${this.counter}`);
    const writer = new ByteWriter();
    encodeRecord(writer, record);
    const complete = random.integer(2) === 0;
    const seen = new Map([[dot.actor, dot.counter]]);
    const term = { termCounter: ++this.counter, termActor: dot.actor };
    const recordKey = encodeRecordKey(slotOf(Buffer.from(key)), Buffer.from(key), recordType.string, recordPart.value);
    const taken = store.applyTransfer({ partition, key: [recordKey], record: [writer.take()], seen: clockBytes(seen), complete, ...term });
    this.t.true(taken);
    model.merge(partition, key, record);
    model.promise(partition, newestTerm(record));
    model.promise(partition, { counter: term.termCounter, actor: dot.actor });
    if (complete) model.seen[partition]?.set(dot.actor, dot.counter);
    model.closeGaps(partition);
  }
}

async function run(
  t: ExecutionContext,
  backend: Backend,
  seed: number,
  options: { cacheBytesMax: number; power: boolean },
): Promise<History> {
  const history = new History(t, backend, seed, options);
  await history.open();
  history.promise({ counter: 1, actor: self }); // what its own commands run in
  for (let crashes = 0; crashes < 4; crashes++) {
    for (let steps = 10 + history.random.integer(60); steps > 0; steps--) await history.step();
    await history.crash();
  }
  return history;
}

for (const [name, cacheBytesMax] of [
  ['everything in memory', 1 << 30],
  ['a cache of four keys', 2000],
] as const) {
  test(`in memory, ${name}: a killed process is followed by one that holds what it held`, async (t) => {
    let rounds = 0;
    for (let seed = 1; seed <= histories(40); seed++)
      rounds += (await run(t, memoryBackend(), seed, { cacheBytesMax, power: false })).rounds;
    t.true(rounds >= histories(40), `${rounds} rounds of writing behind`);
  });

  test(`in memory, ${name}: after the loss of power all that was acknowledged is there`, async (t) => {
    let rounds = 0;
    for (let seed = 1; seed <= histories(25); seed++)
      rounds += (await run(t, memoryBackend(), seed, { cacheBytesMax, power: true })).rounds;
    t.true(rounds >= histories(25), `${rounds} rounds of writing behind`);
  });

  test(`on disk, ${name}: a store whose process ended is followed by one that holds what it held`, async (t) => {
    const directory = temporaryDirectory(t);
    let rounds = 0;
    for (let seed = 1; seed <= histories(3); seed++) {
      const history = await run(t, await diskBackend(path.join(directory, String(seed))), seed, { cacheBytesMax, power: false });
      rounds += history.rounds;
      await history.opened?.close();
    }
    t.true(rounds > 0, 'no round of writing behind was done');
  });
}

test('a clean stop leaves the log empty of work: the next store replays nothing, and nothing runs after it', async (t) => {
  const engine = new MemoryEngine();
  const files = new MemoryLogFiles();
  const clock = new HandClock();
  const opened = await openStore(engine, files, { clock });
  command(opened, 0, 1, (transaction) => transaction.setString(Buffer.from('k'), Buffer.from('v'), 0));
  opened.store.endTurn(() => undefined);
  await opened.close();
  await clock.advance(2 * roundDelayMs);
  t.deepEqual(opened.failures, []);
  const next = await openStore(engine.reopened(), files, { clock });
  t.is(next.store.statistics().dirtyEntries, 0);
  await load(next.store, 0, 'k');
  t.is(next.store.partition(0).get('k')?.bytes.toString(), 'v');
});

test('keys that are asked for in one turn are read from the engine together, each once', async (t) => {
  const engine = new MemoryEngine();
  const files = new MemoryLogFiles();
  const first = await openStore(engine, files);
  for (const key of keysOf[0] ?? []) command(first, 0, 1, (transaction) => transaction.setString(Buffer.from(key), Buffer.from(key), 0));
  first.store.endTurn(() => undefined);
  await first.close();
  const asked: number[] = [];
  const counting = engine.reopened();
  const getMany = counting.getMany.bind(counting);
  counting.getMany = (keys) => {
    asked.push(keys.length);
    return getMany(keys);
  };
  const { store } = await openStore(counting, files);
  asked.length = 0;
  const loaded: string[] = [];
  for (const key of [...(keysOf[0] ?? []), ...(keysOf[0] ?? [])]) {
    store.loader.load(store.partition(0), Buffer.from(key), slotOf(Buffer.from(key)), () => loaded.push(key));
  }
  t.deepEqual(asked, []);
  store.endTurn(() => undefined);
  await settled();
  t.deepEqual(asked, [5]);
  t.is(loaded.length, 10);
  t.is(store.statistics().loads, 5);
  for (const key of keysOf[0] ?? []) t.is(store.partition(0).get(key)?.bytes.toString(), key);
});

test("a batch on a cold key is merged with the engine's record when that is read, and written behind merged", async (t) => {
  const engine = new MemoryEngine();
  const files = new MemoryLogFiles();
  const clock = new HandClock();
  const first = await openStore(engine, files, { clock });
  const dot = command(first, 0, 1, (transaction) => transaction.setString(Buffer.from('k'), Buffer.from('mine'), 0));
  first.store.endTurn(() => undefined);
  await first.close();
  const second = await openStore(engine.reopened(), files, { clock });
  const theirs = { actor: 0x2_0001, counter: (dot?.counter ?? 0) + 1 };
  second.store.applyBatches(encodeBatches([{ partition: 0, dot: theirs, prev: 0, records: [['k', plainRecord(theirs, 'theirs')]] }]));
  const entry = second.store.partition(0).get('k');
  t.false(entry?.complete);
  t.is(entry?.record?.versions.length, 1);
  second.store.endTurn(() => undefined);
  await clock.advance(roundDelayMs);
  for (let i = 0; i < 4; i++) await clock.advance(1);
  t.true(entry?.complete);
  t.is(entry?.record?.versions.length, 2);
  t.is(second.store.statistics().flushes, 1);
  const third = await openStore(engine.reopened(), files, { clock });
  await load(third.store, 0, 'k');
  t.is(third.store.partition(0).get('k')?.record?.versions.length, 2);
});

test('counters never repeat, though the wall clock is set back and the process is killed at any moment', async (t) => {
  const engine = new MemoryEngine();
  const files = new MemoryLogFiles();
  let current = engine;
  let last = 0;
  const random = seededRandom(7);
  for (let start = 0; start < 40; start++) {
    const clock = new HandClock();
    const wallMs = 1_800_000_000_000 - start * 3_600_000;
    const back = {
      wallMs: () => wallMs,
      monotonicMs: () => clock.monotonicMs(),
      after: clock.after.bind(clock),
      atTurnEnd: clock.atTurnEnd.bind(clock),
      nextTurn: clock.nextTurn.bind(clock),
    };
    const opened = await openStore(current, files, { clock: back });
    for (let i = random.integer(30); i > 0; i--) {
      const dot = command(opened, 0, 1, (transaction) => void transaction.increment(Buffer.from('k'), 1n));
      t.true(dot !== undefined && dot.counter > last);
      last = dot?.counter ?? last;
      if (random.integer(3) > 0) opened.store.endTurn(() => undefined);
      await clock.advance(random.integer(9000));
      opened.store.endTurn(() => undefined);
    }
    files.kill();
    current = current.reopened();
  }
});

test('a counter can be issued right after the clock has leapt beyond its ceiling', async (t) => {
  const clock = new HandClock();
  const files = new MemoryLogFiles();
  const opened = await openStore(new MemoryEngine(), files, { clock });
  const count = (): number => command(opened, 0, 1, (transaction) => void transaction.increment(Buffer.from('k'), 1n))?.counter ?? 0;
  const first = count();
  await clock.advance(2 * roundDelayMs); // stopped, and no turn has ended since
  const second = count();
  t.true(second > first);
  const theirs = { actor: 0x2_0001, counter: second + 100_000 * 4096 };
  opened.store.applyBatches(encodeBatches([{ partition: 0, dot: theirs, prev: 0, records: [['k', plainRecord(theirs, '7')]] }]));
  const third = count();
  t.true(third > theirs.counter);
  opened.store.endTurn(() => undefined);
  files.kill();
  const next = await openStore(new MemoryEngine(), files);
  t.true(next.store.hybridClock.next() > third);
});

test('memory that deleted and evicted keys took is given back', async (t) => {
  const clock = new HandClock();
  const opened = await openInMemory({ clock, cacheBytesMax: 1 });
  const { store } = opened;
  const begin = store.memoryBytes;
  for (let i = 0; i < 500; i++)
    command(opened, i % 3, 1, (transaction) => transaction.setString(Buffer.from(`k${i}`), Buffer.alloc(i), i % 2));
  t.true(store.memoryBytes > 500 * 100);
  for (let i = 0; i < 500; i += 2) {
    command(opened, i % 3, 1, (transaction) => void transaction.delete(Buffer.from(`k${i}`)));
  }
  store.endTurn(() => undefined);
  await clock.advance(roundDelayMs);
  await clock.advance(1);
  for (let i = 0; i < 4; i++) {
    store.endTurn(() => undefined);
    await clock.advance(roundDelayMs);
  }
  t.is(store.memoryBytes, begin);
  t.is(store.evictor.evicted, 500);
  for (const number of partitions) {
    const { entries, aliveEntries, expiring, resident } = store.partition(number);
    t.deepEqual([entries.size, aliveEntries, expiring.size, resident], [0, 0, 0, false]);
  }
});

test('malformed batches are refused before anything of them is applied or logged', async (t) => {
  const { store } = await openInMemory();
  const dot = { actor: 0x2_0001, counter: 5 };
  const bytes = encodeBatches([
    { partition: 0, dot, prev: 0, records: [['k', plainRecord(dot, 'v')]] },
    { partition: 0, dot: { ...dot, counter: 6 }, prev: 5, records: [['k', plainRecord({ ...dot, counter: 6 }, 'w')]] },
  ]);
  const { logBytes } = store.statistics();
  for (let length = 1; length < bytes.length; length++) {
    if (length === bytes.length / 2) continue; // the first batch alone
    t.throws(() => store.applyBatches(Buffer.from(bytes.subarray(0, length)), { applied: () => t.fail() }), { name: 'FormatError' });
  }
  t.is(store.partition(0).entries.size, 0);
  t.is(store.statistics().logBytes, logBytes);
});

test('an element of a list at no position is refused with its batch, or its transfer', async (t) => {
  const { store } = await openInMemory();
  const key = Buffer.from('list');
  const dot = { actor: 0x2_0001, counter: 5 };
  const { logBytes } = store.statistics();
  for (const position of [Buffer.of(0x87, 1), Buffer.alloc(300, 1), Buffer.concat([Buffer.of(0x82, 0, 5), Buffer.alloc(12)])]) {
    const encoder = new BatchEncoder();
    encoder.begin(dot.actor, dot.counter);
    encoder.part(0, 1, 1, 0);
    encoder.plain(slotOf(key), key, recordType.list, recordPart.element, position, 1, 0, Buffer.from('value'));
    encoder.end();
    const refusal = { name: 'FormatError', code: 'INVALID', message: /at no position/ };
    t.throws(() => store.applyBatches(encoder.writer.take()), refusal);
    const record = new ByteWriter(64);
    encodeRecord(record, plainRecord(dot, 'value'));
    const encodedKey = encodeRecordKey(slotOf(key), key, recordType.list, recordPart.element, position);
    t.throws(() => store.applyTransfer({ partition: 0, key: [encodedKey], record: [record.take()] }), refusal);
  }
  t.is(store.partition(0).entries.size, 0);
  t.is(store.statistics().logBytes, logBytes);
});

test('superseded and beyond a gap: each part of a batch says so, and a repeated one is not applied again', async (t) => {
  const { store } = await openInMemory();
  store.promise([0], { counter: 9, actor: self });
  const dot = { actor: 0x2_0001, counter: 12 };
  const say = (counter: number, prev: number, term: number): string[] => {
    const said: string[] = [];
    const batch = {
      partition: 0,
      dot: { ...dot, counter },
      prev,
      term,
      records: [['k', plainRecord({ ...dot, counter }, 'v', term)]] as const,
    };
    store.applyBatches(encodeBatches([batch]), {
      applied: (_partition, _actor, _counter, superseded, gap) => said.push(`${superseded} ${gap}`),
    });
    return said;
  };
  t.deepEqual(say(12, 11, 8), ['true true']);
  t.deepEqual(say(11, 0, 9), ['false false']);
  t.deepEqual([...store.partition(0).seen], [[dot.actor, 12]]);
  const record = store.partition(0).get('k')?.record;
  t.deepEqual(say(12, 11, 10), ['false false']);
  t.deepEqual(store.partition(0).get('k')?.record, record);
  t.deepEqual(store.partition(0).promised, { counter: 10, actor: dot.actor });
});

test('what a peer sends of a newer term is promised: a batch of an older one counts for nothing, also after a crash', async (t) => {
  const engine = new MemoryEngine();
  const files = new MemoryLogFiles();
  const { store } = await openStore(engine, files);
  store.promise([0], { counter: 9, actor: self });
  const dot = { actor: 0x2_0001, counter: 40 };
  const writer = new ByteWriter(64);
  encodeRecord(writer, plainRecord(dot, 'v', 30));
  const key = encodeRecordKey(slotOf(Buffer.from('k')), Buffer.from('k'), recordType.string, recordPart.value);
  t.true(store.applyTransfer({ partition: 0, key: [key], record: [writer.take()], seen: clockBytes(new Map([[dot.actor, 40]])) }));
  t.deepEqual(store.partition(0).promised, { counter: 30, actor: dot.actor });
  store.endTurn(() => undefined);
  files.kill();
  const again = (await openStore(engine.reopened(), files)).store;
  t.deepEqual(again.partition(0).promised, { counter: 30, actor: dot.actor });
  const late = { actor: 0x3_0001, counter: 50 };
  const said: boolean[] = [];
  const batch = { partition: 0, dot: late, prev: 0, term: 9, records: [['k', plainRecord(late, 'late', 9)]] as const };
  again.applyBatches(encodeBatches([batch]), { applied: (_partition, _actor, _counter, superseded) => said.push(superseded) });
  t.deepEqual(said, [true]);
});
