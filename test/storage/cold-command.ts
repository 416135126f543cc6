/** Commands on a collection that only the engine has, as a coordinator runs them: again and again, until all that they need is in memory. */
import { LongReply } from '../../protocol/resp/long-reply.js';
import { slotOf } from '../../protocol/slot.js';
import type { Transaction } from '../../storage/transaction.js';
import type { HandClock } from './log-fixtures.js';
import type { OpenedStore } from './store-fixtures.js';

const partition = 0;
const runsMost = 30;

async function until(clock: HandClock, begin: (done: () => void) => void): Promise<void> {
  let isDone = false;
  begin(() => (isDone = true));
  for (let i = 0; i < 400 && !isDone; i++) await clock.advance(0);
  if (!isDone) throw new Error('nothing came');
}

/** Runs a command on `key`, of partition 0, until it has all that it needs, and writes what it stages; how often it ran, and what it gave. */
export async function runCold<T>(
  { store, transaction }: OpenedStore,
  clock: HandClock,
  key: Buffer,
  body: (transaction: Transaction) => T,
): Promise<{ runs: number; result: T }> {
  const here = store.partition(partition);
  for (let runs = 1; runs < runsMost; runs++) {
    if (!here.isLoaded(key)) await until(clock, (done) => (store.loader.load(here, key, slotOf(key), done), store.loader.flush()));
    transaction.begin(here, 1, 1, 2);
    const result = body(transaction);
    const { needs } = transaction;
    if (needs.length === 0) {
      const dot = transaction.batchDot;
      if (dot !== undefined) store.writeBatch(here, dot, 1, 1, transaction);
      store.endTurn(() => undefined);
      return { runs, result };
    }
    transaction.discard();
    if (result instanceof LongReply) result.abandon(); // as whoever runs commands does
    here.pins++;
    for (const { collection, element, order, range, rows } of needs) {
      if (rows === true) await until(clock, (done) => store.loader.loadRows(here, collection, done, () => undefined));
      else if (range !== undefined) await until(clock, (done) => store.loader.loadRange(here, collection, range, done));
      else if (order) await until(clock, (done) => store.orders.fill(here, collection, done));
      else if (element !== undefined) await until(clock, (done) => store.loader.loadElements(here, collection, [element], done));
      else await until(clock, (done) => void store.loader.loadCollection(here, collection).then(done));
    }
    here.pins--;
  }
  throw new Error('a command never had what it needs');
}
