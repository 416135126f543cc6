/** Elements that come and go between two rounds of writing behind, as a queue's do: forgotten, they leave memory at once, and the engine never hears of them. */
import test from 'ava';
import type { Engine } from '../../storage/engine.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { table } from '../../storage/rows.js';
import { runCold } from './cold-command.js';
import { HandClock } from './log-fixtures.js';
import { command, openStore, type OpenedStore } from './store-fixtures.js';

const key = Buffer.from('queue');
const partition = 0;
const valueOf = (i: number): Buffer => Buffer.from(`value-${i}`);

async function rowsOf(engine: Engine, name: number): Promise<number> {
  let rows = 0;
  for await (const chunk of engine.iterate({ from: Buffer.of(name), to: Buffer.of(name + 1) })) rows += chunk.length;
  return rows;
}

function push(opened: OpenedStore, first: number, count: number): void {
  const values = Array.from({ length: count }, (_, i) => valueOf(first + i));
  command(opened, partition, 1, (transaction) => transaction.insertIntoList(key, transaction.list(key)?.size ?? 0, values, 'left'));
}

const pop = (opened: OpenedStore, count: number): unknown =>
  command(opened, partition, 1, (transaction) => transaction.removeFromList(key, [[0, count]]));

function shown({ store, transaction }: OpenedStore): string[] {
  transaction.begin(store.partition(partition), 1, 1, 2);
  return (transaction.list(key)?.slice(0, Infinity) ?? []).map(String);
}

async function writtenOut({ store }: OpenedStore, clock: HandClock): Promise<void> {
  let over = false;
  const writing = store.writeOut().finally(() => (over = true));
  while (!over) await clock.advance(0);
  await writing;
}

const forget = ({ store }: OpenedStore): void => {
  const here = store.partition(partition);
  store.forgetting.step(here, here.seen, here.contexts);
};

test('what was pushed and popped since the last round leaves nothing in memory, and no row is deleted that never was', async (t) => {
  const clock = new HandClock();
  const engine = new MemoryEngine();
  const files = new MemoryLogFiles();
  const opened = await openStore(engine, files, { clock });
  const { store } = opened;
  push(opened, 0, 20);
  pop(opened, 10);
  forget(opened);
  const { memoryBytes } = store;
  const { end } = store.table;
  for (let i = 1; i <= 200; i++) {
    push(opened, 10 * i + 10, 10);
    pop(opened, 10);
    forget(opened);
  }
  t.is(store.memoryBytes, memoryBytes);
  t.true(store.table.end <= end + 20, `${store.table.end} numbers of entries, ${end} before`);
  let deleted = 0;
  const write = engine.write.bind(engine);
  engine.write = (batch, how) => {
    for (const _ of batch.deletes) deleted++;
    return write(batch, how);
  };
  await writtenOut(opened, clock);
  t.is(deleted, 0);
  t.is(await rowsOf(engine, table.element), 10);
  const left = shown(opened);
  t.deepEqual(left[0], 'value-2010');

  // What has a row by now keeps its place in memory until the row is gone.
  pop(opened, 5);
  forget(opened);
  t.is(await rowsOf(engine, table.element), 10);
  await writtenOut(opened, clock);
  t.is(await rowsOf(engine, table.element), 5);
  t.deepEqual(shown(opened), left.slice(5));
  pop(opened, 5);
  push(opened, 5000, 1);
  pop(opened, 1);
  forget(opened);
  await writtenOut(opened, clock);
  forget(opened);
  await writtenOut(opened, clock);
  t.is(await rowsOf(engine, table.element), 0);
  t.is(await rowsOf(engine, table.header), 0, 'of a list of which nothing is left');
  t.is(store.memoryBytes, 0);
  await opened.close();
});

test('numbers that are used again while a round is under way bring the engine what they name then', async (t) => {
  const clock = new HandClock();
  const engine = new MemoryEngine();
  const files = new MemoryLogFiles();
  const opened = await openStore(engine, files, { clock, roundPartBytes: 2000 });
  push(opened, 0, 1000);
  let pushed = 1000;
  for (let round = 0; round < 20; round++) {
    let over = false;
    const writing = opened.store.writeOut().finally(() => (over = true));
    while (!over) {
      pop(opened, 30);
      forget(opened);
      push(opened, pushed, 30);
      pushed += 30;
      await clock.advance(0);
    }
    await writing;
  }
  t.true(pushed > 1600, 'commands ran between slices');
  const expected = Array.from({ length: 1000 }, (_, i) => String(valueOf(pushed - 1000 + i)));
  t.deepEqual(shown(opened), expected);
  await opened.close();
  const reopened = engine.reopened();
  const again = await openStore(reopened, files, { clock });
  t.is(await rowsOf(reopened, table.element), 1000);
  await runCold(again, clock, key, (transaction) => transaction.list(key)?.isOrdered());
  t.deepEqual(shown(again), expected);
  await again.close();
});
