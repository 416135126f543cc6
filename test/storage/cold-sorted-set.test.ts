/** A sorted set that only the engine has: what reads and writes of single members, ranks and ranges bring into memory. */
import test from 'ava';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { encodeScore } from '../../storage/score-value.js';
import type { Transaction } from '../../storage/transaction.js';
import { runCold } from './cold-command.js';
import { HandClock } from './log-fixtures.js';
import { command, openStore, type OpenedStore } from './store-fixtures.js';

const key = Buffer.from('board');
const partition = 0;
const count = 6000;
const memberOf = (i: number): Buffer => Buffer.from(`member-${i}`);

const read = <T>(opened: OpenedStore, clock: HandClock, body: (transaction: Transaction) => T): Promise<{ runs: number; result: T }> =>
  runCold(opened, clock, key, body);

test('single members are read and written without the rest; a rank needs all, put in order in slices', async (t) => {
  const engine = new MemoryEngine();
  const files = new MemoryLogFiles();
  const first = await openStore(engine, files, { clock: new HandClock() });
  command(first, partition, 1, (transaction) => {
    for (let i = 0; i < count; i++) transaction.setElement(key, 'zset', memberOf(i), encodeScore(count - i));
  });
  await first.close();

  const clock = new HandClock();
  const opened = await openStore(engine.reopened(), files, { clock });
  const { store } = opened;
  const before = store.loader.reads;
  t.is((await read(opened, clock, (transaction) => transaction.sorted(key)?.scoreOf(memberOf(7)))).result, count - 7);
  t.is((await read(opened, clock, (transaction) => transaction.sorted(key)?.scoreOf(Buffer.from('nobody')))).result, undefined);
  t.is((await read(opened, clock, (transaction) => transaction.incrementScore(key, memberOf(8), 0.5))).result, count - 8 + 0.5);
  t.is((await read(opened, clock, (transaction) => transaction.sorted(key)?.size)).result, count);
  t.true(store.loader.reads - before < 10, `${store.loader.reads - before} rows read`);

  const ranked = await read(opened, clock, (transaction) => transaction.sorted(key)?.rankOf(memberOf(10)));
  t.is(ranked.result, count - 11);
  t.true(ranked.runs > 2, 'the order of so many is not made by the command');
  const accounted = store.memoryBytes;
  const here = store.partition(partition);
  command(opened, partition, 1, (transaction) => transaction.setElement(key, 'zset', memberOf(10), encodeScore(0)));
  t.is((await read(opened, clock, (transaction) => transaction.sorted(key)?.rankOf(memberOf(10)))).runs, 1);
  t.is((await read(opened, clock, (transaction) => transaction.sorted(key)?.rankOf(memberOf(10)))).result, 0);
  const slice = await read(opened, clock, (transaction) => transaction.sorted(key)?.slice(1, 3) ?? []);
  t.deepEqual(
    slice.result.map(({ member, score }) => `${member.toString()} ${score}`),
    [`member-${count - 1} 1`, `member-${count - 2} 2`],
  );
  command(opened, partition, 1, (transaction) => void transaction.delete(key));
  t.true(store.memoryBytes < accounted, 'what the order took is given back');
  t.is(here.aliveEntries, 0);
  await opened.close();
});
