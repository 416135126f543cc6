/**
 * When a round of writing behind begins, and that it loses nothing: by the log's growth, by time, by full memory; what is written while its
 * slices wait for the event loop is the next one's; a killed process is followed by one that reads the engine and replays the rest.
 */
import test from 'ava';
import { slotOf } from '../../protocol/slot.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { table } from '../../storage/rows.js';
import { runCold } from './cold-command.js';
import { HandClock } from './log-fixtures.js';
import { command, openStore, type OpenedStore } from './store-fixtures.js';

function write(opened: OpenedStore, key: string, value: Buffer | string): void {
  command(opened, 0, 1, (transaction) => transaction.setString(Buffer.from(key), Buffer.from(value), 0));
}

/** `clock`: of the store, where the value is read in pieces, a turn for each. */
async function read({ store }: OpenedStore, key: string, clock = new HandClock()): Promise<Buffer | undefined> {
  const here = store.partition(0);
  if (!here.isLoaded(Buffer.from(key))) {
    let loaded = false;
    store.loader.load(here, Buffer.from(key), slotOf(Buffer.from(key)), () => (loaded = true));
    store.endTurn(() => undefined);
    while (!loaded) await clock.advance(0);
  }
  return here.get(key)?.bytes;
}

test('a round of writing behind lets old log segments go, and what came after its start is replayed', async (t) => {
  const engine = new MemoryEngine();
  const files = new MemoryLogFiles();
  const clock = new HandClock();
  const opened = await openStore(engine, files, { clock });
  const value = Buffer.alloc(9 * 1024 * 1024, 'x');
  for (let i = 0; i < 32; i++) {
    command(opened, 0, 1, (transaction) => transaction.setString(Buffer.from(`k${i % 3}`), value, 0));
    opened.store.endTurn(() => undefined);
    for (let j = 0; j < 40; j++) await clock.advance(0); // one for each slice of it in the log, and those of a round
  }
  const { flushes, logBytes } = opened.store.statistics();
  t.is(flushes, 2, 'a round each 128 MiB of log');
  t.true(logBytes > 288 * 1024 * 1024);
  t.true((await files.list()).length <= 3);
  files.kill();
  const next = await openStore(engine.reopened(), files, { clock });
  for (const i of [0, 1, 2]) {
    t.true((await read(next, `k${i}`, clock))?.equals(value));
  }
});

test('what was written lies a minute at most: then a round begins, though nothing happens any more', async (t) => {
  const clock = new HandClock();
  const { store, ...rest } = await openStore(new MemoryEngine(), new MemoryLogFiles(), { clock });
  write({ store, ...rest }, 'k', 'v');
  store.endTurn(() => undefined);
  await clock.advance(59_999);
  for (let i = 0; i < 4; i++) await clock.advance(0);
  t.is(store.statistics().flushes, 0);
  await clock.advance(1);
  for (let i = 0; i < 4; i++) await clock.advance(0);
  t.is(store.statistics().flushes, 1);
  t.is(store.statistics().dirtyEntries, 0);
});

test('with memory full a round begins by what is dirty, and what it wrote may leave memory', async (t) => {
  const clock = new HandClock();
  const opened = await openStore(new MemoryEngine(), new MemoryLogFiles(), { clock, cacheBytesMax: 1 });
  const { store } = opened;
  const turns = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      store.endTurn(() => undefined);
      await clock.advance(0);
    }
  };
  for (let i = 0; i < 1000; i++) write(opened, `k${i}`, 'v');
  await turns(10);
  t.is(store.statistics().flushes, 0, 'a round for every write would be all the disk does');
  write(opened, 'k1000', 'v');
  await turns(10);
  t.is(store.statistics().flushes, 1);
  await turns(10);
  t.is(store.partition(0).entries.size, 0);
  t.is((await read(opened, 'k0'))?.toString(), 'v');
});

test('a round goes to the engine in parts; killed between two of them, a process is followed by one that misses nothing', async (t) => {
  const count = 40;
  /** Opens a store, lets a round go on until the engine has `parts` batches of it, and kills it. */
  const killedAfter = async (parts: number): Promise<{ readonly batches: number; readonly whole: boolean }> => {
    const engine = new MemoryEngine();
    const files = new MemoryLogFiles();
    const clock = new HandClock();
    let batches = 0;
    let whole = false;
    const write = engine.write.bind(engine);
    engine.write = async (batch, options) => {
      if (batches === parts) return new Promise(() => undefined); // the process ends before this one
      batches++;
      whole = options.sync;
      t.true(whole || batch.puts.length < count / 2, 'a part');
      await write(batch, options);
    };
    const opened = await openStore(engine, files, { clock, roundPartBytes: 1000 });
    for (let i = 0; i < count; i++)
      command(opened, 0, 1, (transaction) => transaction.setString(Buffer.from(`k${i}`), Buffer.alloc(100, i), 0));
    opened.store.endTurn(() => undefined);
    await clock.advance(60_000);
    for (let i = 0; i < 20; i++) await clock.advance(0);
    files.kill();
    const next = await openStore(engine.reopened(), files, { clock: new HandClock() });
    for (let i = 0; i < count; i++) t.true((await read(next, `k${i}`))?.equals(Buffer.alloc(100, i)), `k${i} after ${batches} batches`);
    t.deepEqual(next.store.partition(0).seen, opened.store.partition(0).seen);
    return { batches, whole };
  };
  let parts = 0;
  while (!(await killedAfter(parts)).whole) parts++;
  t.true(parts >= 5, `${parts} parts`);
});

for (const [size, name] of [
  [3000, 'a large hash'],
  [90, 'small hashes'],
] as const)
  // prettier-ignore
  test(`the rows of ${name} go in parts, too, each with header rows that count what is there; killed between two of them, nothing is missed`, async (t) => {
    const keys = size > 1000 ? [Buffer.from('large')] : Array.from({ length: 30 }, (_, i) => Buffer.from(`small:${i}`));
    const field = (i: number): Buffer => Buffer.from(`field:${i}`);
    const killedAfter = async (parts: number): Promise<{ readonly batches: number; readonly whole: boolean }> => {
      const files = new MemoryLogFiles();
      const filled = new MemoryEngine();
      const first = await openStore(filled, files, { clock: new HandClock() });
      for (const key of keys)
        command(first, 0, 1, (transaction) => {
          for (let i = 0; i < size; i++) transaction.setElement(key, 'hash', field(i), Buffer.alloc(50, i));
        });
      await first.close();
      const [engine, clock] = [filled.reopened(), new HandClock()];
      let batches = 0;
      let whole = false;
      const write = engine.write.bind(engine);
      const opened = await openStore(engine, files, { clock, roundPartBytes: 10_000 });
      engine.write = async (batch, options) => {
        if (batches === parts) return new Promise(() => undefined); // the process ends before this one
        batches++;
        whole = options.sync;
        await write(batch, options);
      };
      // A third goes, a third is new, a third stays; and each is counted without being read.
      const third = size / 3;
      for (const key of keys)
        await runCold(opened, clock, key, (transaction) => {
          for (let i = 0; i < third; i++) transaction.removeElement(key, 'hash', field(i));
          for (let i = 0; i < third; i++) transaction.setElement(key, 'hash', field(size + i), Buffer.alloc(50, i));
        });
      opened.store.endTurn(() => undefined);
      await clock.advance(60_000);
      for (let i = 0; i < 100; i++) await clock.advance(0);
      files.kill();
      const nextClock = new HandClock();
      const next = await openStore(engine.reopened(), files, { clock: nextClock });
      for (const key of keys) {
        const counted = await runCold(next, nextClock, key, (transaction) => transaction.collection(key, 'hash')?.size);
        const all = await runCold(next, nextClock, key, (transaction) => transaction.collection(key, 'hash')?.elements().length);
        t.deepEqual([counted.result, all.result], [size, size], `${key.toString()} after ${batches} batches`);
      }
      return { batches, whole };
    };
    let parts = 0;
    while (!(await killedAfter(parts)).whole) parts++;
    t.true(parts >= 3, `${parts} parts`);
  });

test('what is written while a round waits between its slices is not lost, whenever the process is killed', async (t) => {
  const count = 2500;
  for (let waited = 0; waited < 14; waited++) {
    const engine = new MemoryEngine();
    const files = new MemoryLogFiles();
    const clock = new HandClock();
    const opened = await openStore(engine, files, { clock });
    const { store } = opened;
    for (let i = 0; i < count; i++) write(opened, `k${i}`, 'before');
    store.endTurn(() => undefined);
    await clock.advance(60_000);
    const rewritten = [0, 700, 1200, count - 1];
    for (let i = 0; i < waited; i++) {
      await clock.advance(0);
      const at = rewritten[i % rewritten.length] ?? 0;
      write(opened, `k${at}`, `during ${i}`);
      store.endTurn(() => undefined);
    }
    files.kill();
    const next = await openStore(engine.reopened(), files, { clock: new HandClock() });
    for (let i = 0; i < count; i += 50) if (!rewritten.includes(i)) t.is((await read(next, `k${i}`))?.toString(), 'before');
    for (const [j, at] of rewritten.entries()) {
      const last = Array.from({ length: waited }, (_, i) => i).findLast((i) => i % rewritten.length === j);
      t.is((await read(next, `k${at}`))?.toString(), last === undefined ? 'before' : `during ${last}`);
    }
    // By the last of them, the round was over, and what was written meanwhile is the next one's.
    if (waited === 13) t.like(store.statistics(), { flushes: 1, dirtyEntries: rewritten.length });
  }
});

test('a record that is too long for the engine goes there in pieces, and no other does', async (t) => {
  const engine = new MemoryEngine();
  const files = new MemoryLogFiles();
  const clock = new HandClock();
  const opened = await openStore(engine, files, { clock });
  const most = 2 * 264 * 1024 - 22; // with what stands before it in the record two pieces
  const values = [0, 65_536, 65_537, 262_145, most, most + 1].map((length, at) => Buffer.alloc(length, at));
  for (const [at, value] of values.entries()) {
    write(opened, `k${at}`, value);
    opened.store.endTurn(() => undefined);
    for (let turn = 0; turn < 10; turn++) await clock.advance(0);
  }
  let isWritten = false;
  void opened.store.writeOut().then(() => (isWritten = true));
  while (!isWritten) await clock.advance(0);
  let split = 0;
  for await (const chunk of engine.iterate({ from: Buffer.of(table.split), to: Buffer.of(table.split + 1) })) split += chunk.length;
  t.is(split, 1);
  await opened.close();
  const reopenedClock = new HandClock();
  const reopened = await openStore(engine.reopened(), files, { clock: reopenedClock });
  for (const [at, value] of values.entries()) t.true((await read(reopened, `k${at}`, reopenedClock))?.equals(value), `k${at}`);
  await reopened.close();
});
