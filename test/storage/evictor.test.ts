/** What leaves memory when it is full, and what stays: a sorted set that is used by its order, while other keys come and go. */
import test, { type ExecutionContext } from 'ava';
import { encodeScore } from '../../storage/score-value.js';
import { runCold } from './cold-command.js';
import { HandClock } from './log-fixtures.js';
import { command, openInMemory, type OpenedStore } from './store-fixtures.js';

const board = Buffer.from('board');
const cacheBytesMax = 1024 * 1024;

interface Scene {
  readonly opened: OpenedStore;
  readonly clock: HandClock;
  /** Writes as many other values as memory holds, in ten steps. */
  readonly others: (use: () => Promise<unknown>) => Promise<void>;
  /** Reads the first member; how often the command had to run until it had all. */
  readonly first: () => Promise<number>;
}

async function scene(t: ExecutionContext, members: number): Promise<Scene> {
  const clock = new HandClock();
  const opened = await openInMemory({ clock, cacheBytesMax });
  command(opened, 0, 1, (transaction) => {
    for (let i = 0; i < members; i++) transaction.setElement(board, 'zset', Buffer.from(`member-${i}`), encodeScore(members - i));
  });
  let written = 0;
  const writtenBehind = async (): Promise<void> => {
    let isOut = false;
    void opened.store.writeOut().then(() => (isOut = true));
    while (!isOut) await clock.advance(0);
    for (let turn = 0; turn < 40; turn++) opened.store.endTurn(() => undefined);
  };
  const first = async (): Promise<number> => {
    const { result, runs } = await runCold(opened, clock, board, (transaction) => transaction.sorted(board)?.slice(0, 1));
    t.is(result?.[0]?.score, 1);
    return runs;
  };
  const others = async (use: () => Promise<unknown>): Promise<void> => {
    for (let step = 0; step < 10; step++) {
      for (let i = 0; i < 100; i++)
        command(opened, 1, 1, (transaction) => transaction.setString(Buffer.from(`other-${written++}`), Buffer.alloc(1000), 0));
      await writtenBehind();
      await use();
    }
  };
  return { opened, clock, others, first };
}

test('a sorted set of which the first are read again and again stays whole while what nobody asks for goes', async (t) => {
  const { opened, clock, others, first } = await scene(t, 1000);
  const { store } = opened;
  await first(); // which puts it in order
  const runs: number[] = [];
  const use = async (): Promise<unknown> => runs.push(await first());
  await others(use);
  await others(use);
  t.deepEqual(new Set(runs), new Set([1]), 'it never had to be read');
  t.true(store.evictor.evicted > 500);
  t.true(store.memoryBytes < 1.2 * cacheBytesMax);
  const unused = async (): Promise<void> => clock.advance(2000);
  await others(unused);
  await others(unused);
  t.true((await first()) > 1, 'nobody used it for so long that it went');
  await opened.close();
});

test('one that is larger than memory for entries stays for a while after its last use, beside the bound', async (t) => {
  const { opened, clock, others, first } = await scene(t, 12_000);
  const { store } = opened;
  t.true(store.memoryBytes > cacheBytesMax);
  await first(); // which puts it in order
  const runs: number[] = [];
  await others(async () => runs.push(await first()));
  t.deepEqual(new Set(runs), new Set([1]), 'it never had to be read');
  const unused = async (): Promise<void> => clock.advance(2000);
  await others(unused);
  await others(unused);
  t.true(store.memoryBytes <= cacheBytesMax);
  await opened.close();
});
