/** A stream that only the engine has: what adding, its length, a range and deleting bring into memory, and that memory which runs out in between changes nothing. */
import test from 'ava';
import { addEntry, Stream, type StreamEntry } from '../../server/streams/stream.js';
import { cpuMsOf } from '../harness/cpu-time.js';
import { entriesBetween } from '../../server/streams/stream-elements.js';
import { idMax, idOf } from '../../server/streams/stream-id.js';
import { trimmedIds } from '../../server/streams/trimming.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import type { Transaction } from '../../storage/transaction.js';
import { runCold } from './cold-command.js';
import { HandClock, seededRandom } from './log-fixtures.js';
import { openStore, type OpenedStore } from './store-fixtures.js';

const key = Buffer.from('stream');
const entryOf = (i: number): StreamEntry => ({ id: idOf(BigInt(i), 1n), fields: [Buffer.from('f'), Buffer.from(`value-${i}`)] });
const numbersOf = (entries: readonly StreamEntry[] | undefined): number[] | undefined => entries?.map(({ id }) => Number(id >> 64n));

const run = <T>(opened: OpenedStore, clock: HandClock, body: (transaction: Transaction) => T): Promise<{ runs: number; result: T }> =>
  runCold(opened, clock, key, body);

test('of a cold stream only what a command asks for is read', async (t) => {
  const count = 6000;
  const engine = new MemoryEngine();
  const files = new MemoryLogFiles();
  const clockBefore = new HandClock();
  const first = await openStore(engine, files, { clock: clockBefore });
  await run(first, clockBefore, (transaction) => {
    for (let i = 1; i <= count; i++) addEntry(transaction, key, entryOf(i));
  });
  await first.close();

  const clock = new HandClock();
  const opened = await openStore(engine.reopened(), files, { clock });
  const { store } = opened;
  let before = store.loader.reads;
  const read = (): number => {
    const rows = store.loader.reads - before;
    before = store.loader.reads;
    return rows;
  };
  t.is((await run(opened, clock, (transaction) => Stream.at(transaction, key)?.length)).result, count);
  t.true(read() < 10, 'its length');
  t.is((await run(opened, clock, (transaction) => Stream.at(transaction, key)?.mark.lastId)).result, entryOf(count).id);
  t.true(read() < 20, 'its last id');
  const added = await run(opened, clock, (transaction) => {
    if (Stream.at(transaction, key)?.mark.lastId === entryOf(count).id) addEntry(transaction, key, entryOf(count + 1));
  });
  t.is(added.runs, 1, 'nobody looks for an entry behind the last one');
  t.is(read(), 0);
  const range = (from: number, to: number, most?: number, backwards?: boolean) =>
    run(opened, clock, (transaction) => Stream.at(transaction, key)?.entries(entryOf(from).id, entryOf(to).id, most, backwards));
  t.deepEqual(numbersOf((await range(3000, 3002)).result), [3000, 3001, 3002]);
  t.deepEqual(numbersOf((await range(2000, 3002, 2)).result), [2000, 2001]);
  t.deepEqual(numbersOf((await range(1, 1000, 3, true)).result), [1000, 999, 998]);
  t.true(read() < 60, 'ranges');
  t.deepEqual(numbersOf((await range(1000, 2999)).result)?.length, 2000);
  t.true(read() < 2200, 'what memory has of a longer range is not read again');
  await run(opened, clock, (transaction) => Stream.at(transaction, key)?.remove([entryOf(17).id], true));
  t.true(read() < 60, 'deleting one');
  t.is((await run(opened, clock, (transaction) => Stream.at(transaction, key)?.length)).result, count);
  t.deepEqual(numbersOf((await range(16, 18)).result), [16, 18]);
  await opened.close();
});

test('a stream is what its commands made of it, across rounds, evictions, kills and starts', async (t) => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = seededRandom(seed);
    const pick = (below: number): number => random.integer(below);
    const files = new MemoryLogFiles();
    let engine = new MemoryEngine();
    let clock = new HandClock();
    const cacheBytesMax = seed % 2 === 0 ? 2000 : 1 << 30;
    let opened = await openStore(engine, files, { clock, cacheBytesMax });
    let model: number[] = [];
    let [last, added] = [0, 0];
    for (let step = 0; step < 60; step++) {
      const action = pick(12);
      if (action < 5) {
        const from = last;
        const many = 1 + pick(20);
        await run(opened, clock, (transaction) => {
          const known = Stream.at(transaction, key)?.mark.lastId ?? 0n;
          if (transaction.needs.length === 0) t.is(known, from === 0 ? 0n : entryOf(from).id, `seed ${seed}`);
          for (let i = 1; i <= many; i++) addEntry(transaction, key, entryOf(from + i));
        });
        for (let i = 1; i <= many; i++) model.push(++last);
        added += many;
      } else if (action < 7 && model.length > 0) {
        const gone = new Set(Array.from({ length: 1 + pick(3) }, () => model[pick(model.length)] as number));
        await run(opened, clock, (transaction) =>
          Stream.at(transaction, key)?.remove(
            [...gone].map((i) => entryOf(i).id),
            true,
          ),
        );
        model = model.filter((i) => !gone.has(i));
      } else if (action === 7) {
        const most = pick(model.length + 1);
        await run(opened, clock, (transaction) => {
          const stream = Stream.at(transaction, key);
          stream?.remove(trimmedIds(stream, { most, least: undefined, isAbout: false, limit: 0 }), false);
        });
        model = model.slice(model.length - most);
      } else if (action === 8) {
        const [a, b] = [1 + pick(last + 1), 1 + pick(last + 1)];
        const most = pick(2) === 0 ? Infinity : 1 + pick(5);
        const backwards = pick(2) === 0;
        const shown = await run(opened, clock, (transaction) => Stream.at(transaction, key)?.entries(entryOf(a).id, entryOf(b).id, most, backwards)); // prettier-ignore
        const within = model.filter((i) => i >= a && i <= b);
        t.deepEqual(numbersOf(shown.result) ?? [], (backwards ? within.reverse() : within).slice(0, most), `seed ${seed} step ${step}`);
      } else if (action === 9) await clock.advance(1000);
      else if (action === 10) {
        if (pick(2) === 0) await opened.close();
        engine = engine.reopened();
        clock = new HandClock();
        opened = await openStore(engine, files, { clock, cacheBytesMax });
      }
      if (last === 0) continue;
      const shown = await run(opened, clock, (transaction) => {
        const stream = Stream.at(transaction, key);
        return [stream?.length, stream?.mark.lastId, stream?.entriesAdded];
      });
      t.deepEqual(shown.result, [model.length, entryOf(last).id, added], `seed ${seed} step ${step}`);
    }
    const all = await run(opened, clock, (transaction) => Stream.at(transaction, key)?.entries(0n, idMax));
    t.deepEqual(numbersOf(all.result) ?? [], model);
    await opened.close();
  }
});

test('many who read different ranges of a cold stream at once do not look through those of the others', async (t) => {
  const engine = new MemoryEngine();
  const files = new MemoryLogFiles();
  const clockBefore = new HandClock();
  const first = await openStore(engine, files, { clock: clockBefore });
  await run(first, clockBefore, (transaction) => {
    for (let i = 1; i <= 5; i++) addEntry(transaction, key, entryOf(i));
  });
  await first.close();

  const clock = new HandClock();
  const opened = await openStore(engine.reopened(), files, { clock });
  await run(opened, clock, (transaction) => Stream.at(transaction, key)?.length);
  const { store } = opened;
  const here = store.partition(0);
  const [collection] = here.collections.of(here.find(key));
  if (collection === undefined) return t.fail('there is no stream');
  t.false(collection.whole);
  const count = 10_000;
  let loaded = 0;
  const before = store.loader.reads;
  const ms = cpuMsOf(() => {
    for (let i = 0; i < 2 * count; i++) {
      const { from, to } = entriesBetween(idOf(1n, BigInt(i % count)), idMax); // each twice
      store.loader.loadRange(here, collection, { from, to, most: 1, backwards: false }, () => loaded++);
    }
  });
  t.true(ms < 1500, `${ms} ms`);
  while (loaded < 2 * count) await clock.advance(0);
  t.true(store.loader.reads - before <= 5 * count, 'those who want the same one read it once');
  t.is(here.pins, 0);
  await opened.close();
});
