/** A list that only the engine has: what its length, a push, an index and a range bring into memory, and that memory which runs out in between changes nothing. */
import test from 'ava';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import type { Transaction } from '../../storage/transaction.js';
import { runCold } from './cold-command.js';
import { HandClock, seededRandom } from './log-fixtures.js';
import { command, openStore, type OpenedStore } from './store-fixtures.js';

const key = Buffer.from('list');
const partition = 0;
const valueOf = (i: number): Buffer => Buffer.from(`value-${i}`);

const run = <T>(opened: OpenedStore, clock: HandClock, body: (transaction: Transaction) => T): Promise<{ runs: number; result: T }> =>
  runCold(opened, clock, key, body);

test('a cold list is counted without being read; of its ends so much is read as is used, for a search all of it, put in order in slices, and then nothing more', async (t) => {
  const count = 6000;
  const engine = new MemoryEngine();
  const files = new MemoryLogFiles();
  const first = await openStore(engine, files, { clock: new HandClock() });
  command(first, partition, 1, (transaction) => {
    transaction.insertIntoList(key, 0, Array.from({ length: count }, (_, i) => valueOf(i)), 'left'); // prettier-ignore
  });
  await first.close();

  const clock = new HandClock();
  const opened = await openStore(engine.reopened(), files, { clock });
  const { store } = opened;
  const before = store.loader.reads;
  t.is((await run(opened, clock, (transaction) => transaction.list(key)?.size)).result, count);
  t.true(store.loader.reads - before < 10, `${store.loader.reads - before} rows read`);

  const rowsReadBy = async (body: (transaction: Transaction) => unknown): Promise<number> => {
    const readBefore = store.loader.reads;
    await run(opened, clock, body);
    return store.loader.reads - readBefore;
  };
  const few = 300;
  t.true((await rowsReadBy((transaction) => transaction.insertIntoList(key, 0, [valueOf(-1)], 'left'))) < few);
  t.true((await rowsReadBy((transaction) => transaction.insertIntoList(key, count + 1, [valueOf(count)], 'left'))) < few);
  for (let i = 0; i < 40; i++) {
    const popped = await run(opened, clock, (transaction) => {
      const values = transaction.list(key)?.slice(0, 10).map(String);
      transaction.removeFromList(key, [[0, 10]]);
      return values;
    });
    t.is(popped.result?.[0], `value-${10 * i - 1}`);
  }
  t.true(store.loader.reads - before < 4 * few, `${store.loader.reads - before} rows read`);
  await run(opened, clock, (transaction) => transaction.insertIntoList(key, 0, Array.from({ length: 400 }, (_, i) => valueOf(i - 1)), 'left')); // prettier-ignore
  await run(opened, clock, (transaction) => transaction.removeFromList(key, [[count + 1, count + 2]]));
  const far = await rowsReadBy((transaction) => transaction.list(key)?.slice(5000, 5001));
  t.true(far > 500 && far < 1500, `${far} rows read from the nearer end`);

  const searched = await run(opened, clock, (transaction) =>
    transaction.list(key)?.indexesOf({ value: valueOf(0), fromEnd: false, most: 1, lookedAt: Infinity }),
  );
  t.deepEqual(searched.result, [1]);
  t.true(searched.runs > 1, 'so many are not read, nor put in order, by the command');
  const looked = await run(opened, clock, (transaction) => transaction.list(key)?.slice(3000, 3002).map(String));
  t.deepEqual(looked, { runs: 1, result: ['value-2999', 'value-3000'] });
  t.deepEqual(
    (
      await run(opened, clock, (transaction) =>
        transaction.list(key)?.indexesOf({ value: valueOf(5), fromEnd: true, most: 1, lookedAt: Infinity }),
      )
    ).result,
    [6],
  );
  const accounted = store.memoryBytes;
  await run(opened, clock, (transaction) => transaction.delete(key));
  t.true(store.memoryBytes < accounted, 'what the order took is given back');
  t.is(store.partition(partition).aliveEntries, 0);
  await opened.close();
});

test('a list is what its commands made of it, across rounds, evictions, kills and starts', async (t) => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed);
    const pick = (below: number): number => random.integer(below);
    const files = new MemoryLogFiles();
    let engine = new MemoryEngine();
    let clock = new HandClock();
    const model: string[] = [];
    const cacheBytesMax = seed % 2 === 0 ? 2000 : 1 << 30;
    let opened = await openStore(engine, files, { clock, cacheBytesMax });
    for (let step = 0; step < 80; step++) {
      const { length } = model;
      const action = pick(12);
      if (action < 4) {
        const values = Array.from({ length: 1 + pick(8) }, (_, i) => valueOf(100 * step + i));
        const at = [0, length, pick(length + 1)][pick(3)] as number;
        model.splice(at, 0, ...values.map(String));
        await run(opened, clock, (transaction) => transaction.insertIntoList(key, at, values, 'left'));
      } else if (action < 6 && length > 0) {
        const from = pick(length);
        const to = Math.min(length, from + 1 + pick(20));
        model.splice(from, to - from);
        await run(opened, clock, (transaction) => transaction.removeFromList(key, [[from, to]]));
      } else if (action < 7 && length > 0) {
        const at = pick(length);
        model[at] = `set-${step}`;
        await run(opened, clock, (transaction) => transaction.replaceInList(key, at, Buffer.from(`set-${step}`)));
      } else if (action < 9)
        opened.store.writeOut().catch(() => undefined); // one that a crash cuts off
      else if (action < 10) for (let i = 0; i < 20; i++) await clock.advance(0);
      else if (action < 11) {
        opened.store.endTurn(() => undefined);
        if (pick(2) === 0) await opened.close();
        else files.kill();
        clock = new HandClock();
        engine = engine.reopened();
        opened = await openStore(engine, files, { clock, cacheBytesMax });
      }
      for (const from of [0, model.length - 3, pick(model.length + 1)]) {
        const [first, end] = [Math.max(0, from), Math.max(0, from) + 3];
        const { result: some } = await run(opened, clock, (transaction) => transaction.list(key)?.slice(first, end) ?? []);
        if (some.map(String).join() !== model.slice(first, end).join())
          return t.fail(`seed ${seed}, step ${step}: ${some.join()} and not ${model.slice(first, end).join()} from ${first}`);
      }
      if (pick(3) > 0) continue;
      const { result } = await run(opened, clock, (transaction) => transaction.list(key)?.slice(0, Infinity) ?? []);
      if (result.map(String).join() !== model.join()) return t.fail(`seed ${seed}, step ${step}: ${result.join()} and not ${model.join()}`);
      const { result: size } = await run(opened, clock, (transaction) => transaction.list(key)?.size ?? 0);
      if (size !== model.length) return t.fail(`seed ${seed}, step ${step}: ${size} counted of ${model.length}`);
    }
    await opened.close();
  }
  t.pass();
});

/** A list that only an engine has; the second one holds the same. */
async function coldLists(count: number): Promise<{ clock: HandClock; coordinator: OpenedStore; replica: OpenedStore }> {
  const engines = [new MemoryEngine(), new MemoryEngine()] as const;
  const logs = [new MemoryLogFiles(), new MemoryLogFiles()] as const;
  const clock = new HandClock();
  const opened = await Promise.all(engines.map((engine, i) => openStore(engine, logs[i] as MemoryLogFiles, { clock: new HandClock() })));
  const [first, second] = opened as [OpenedStore, OpenedStore];
  command(first, partition, 1, (transaction) => {
    transaction.insertIntoList(key, 0, Array.from({ length: count }, (_, i) => valueOf(i)), 'left'); // prettier-ignore
  });
  first.store.endTurn((batches) => second.store.applyBatches(batches));
  for (const each of opened) await each.close();
  const [coordinator, replica] = await Promise.all(
    engines.map((engine, i) => openStore(engine.reopened(), logs[i] as MemoryLogFiles, { clock })),
  );
  return { clock, coordinator: coordinator as OpenedStore, replica: replica as OpenedStore };
}

test('what many read at one end of a cold list at once is read once', async (t) => {
  const { clock, coordinator, replica } = await coldLists(6000);
  const { store } = coordinator;
  const looks = Array.from({ length: 20 }, () => run(coordinator, clock, (transaction) => transaction.list(key)?.slice(0, 100).length));
  t.deepEqual((await Promise.all(looks)).map(({ result }) => result), Array.from({ length: 20 }, () => 100)); // prettier-ignore
  t.true(store.loader.reads < 600, `${store.loader.reads} rows read`);
  for (const each of [coordinator, replica]) await each.close();
});

test('a replica that only disk has the list of gets the rows of what others pop before somebody counts', async (t) => {
  const { clock, coordinator, replica } = await coldLists(3000);
  const collection = () => replica.store.partition(partition).collections.of(replica.store.partition(partition).find(key))[0];
  for (let i = 0; i < 100; i++) {
    const here = coordinator.store.partition(partition);
    await run(coordinator, clock, (transaction) => transaction.list(key)?.slice(0, 10));
    coordinator.transaction.begin(here, 1, 1, 2);
    coordinator.transaction.removeFromList(key, [[0, 10]]);
    const dot = coordinator.transaction.batchDot;
    if (dot === undefined) return t.fail('nothing is popped');
    coordinator.store.writeBatch(here, dot, 1, 1, coordinator.transaction);
    coordinator.store.endTurn((batches) => replica.store.applyBatches(batches));
    replica.store.endTurn(() => undefined);
  }
  t.true((collection()?.incomplete.size ?? 0) > 0);
  for (let i = 0; i < 20; i++) await clock.advance(0);
  t.true((collection()?.incomplete.size ?? 0) < 256);
  t.is((await run(replica, clock, (transaction) => transaction.list(key)?.size)).result, 2000);
  t.deepEqual((await run(replica, clock, (transaction) => transaction.list(key)?.slice(0, 2).map(String))).result, [
    'value-1000',
    'value-1001',
  ]);
  for (const each of [coordinator, replica]) await each.close();
});

test('a list that loses most of its elements keeps the time at which it expires', async (t) => {
  const opened = await openStore(new MemoryEngine(), new MemoryLogFiles(), { clock: new HandClock() });
  command(opened, partition, 1, (transaction) => {
    transaction.insertIntoList(key, 0, Array.from({ length: 200 }, (_, i) => valueOf(i)), 'left'); // prettier-ignore
    transaction.setExpiry(key, 5000);
  });
  command(opened, partition, 1, (transaction) => transaction.removeFromList(key, [[0, 150]]));
  command(opened, partition, 1, (transaction) => {
    t.is(transaction.list(key)?.size, 50);
    t.is(transaction.expiryOf(key), 5000);
  });
  await opened.close();
});

test('what the log says was popped, and the engine still has, is passed over in one reading', async (t) => {
  const engine = new MemoryEngine();
  const files = new MemoryLogFiles();
  const first = await openStore(engine, files, { clock: new HandClock() });
  command(first, partition, 1, (transaction) => {
    transaction.insertIntoList(key, 0, Array.from({ length: 12_000 }, (_, i) => valueOf(i)), 'left'); // prettier-ignore
  });
  await first.close();
  const second = await openStore(engine.reopened(), files, { clock: new HandClock() });
  for (let i = 0; i < 50; i++) {
    const here = second.store.partition(partition);
    await runCold(second, new HandClock(), key, (transaction) => transaction.list(key)?.slice(0, 100));
    second.transaction.begin(here, 1, 1, 2);
    second.transaction.removeFromList(key, [[0, 100]]);
    const dot = second.transaction.batchDot;
    if (dot === undefined) return t.fail('nothing is popped');
    second.store.writeBatch(here, dot, 1, 1, second.transaction);
    second.store.endTurn(() => undefined);
  }
  files.kill();
  const clock = new HandClock();
  const opened = await openStore(engine.reopened(), files, { clock });
  const looked = await run(opened, clock, (transaction) => transaction.list(key)?.slice(0, 1).map(String));
  t.deepEqual(looked.result, ['value-5000']);
  t.true(looked.runs < 8, `${looked.runs} runs`);
  await opened.close();
});
