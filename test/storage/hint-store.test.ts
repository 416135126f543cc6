/**
 * Hints on disk: whatever was kept and not let go is read back in order, whenever the process ends, and whether or not it was written behind; and
 * what was let go is never read again.
 */
import test from 'ava';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { HandClock, seededRandom } from './log-fixtures.js';
import { openStore, type OpenedStore } from './store-fixtures.js';

const targets = [2, 3];
const partitions = [0, 1, 7];

async function textsIn({ store }: OpenedStore, target: number, partition: number): Promise<string[]> {
  const { hints } = store;
  const pieces: Buffer[] = [];
  for await (const piece of hints.copies(target, partition, 30)) pieces.push(piece);
  const copied = Buffer.concat(pieces).toString().split(';').slice(0, -1);
  const read = (await hints.read(target, partition, 1 << 30)).flatMap(({ batches }) => batches.toString().split(';').slice(0, -1));
  if (copied.join() !== read.join()) throw new Error(`copied ${copied.join()}, read ${read.join()}`);
  return read;
}

/** Time goes on until rounds of writing behind are over. */
async function writtenBehind(clock: HandClock): Promise<void> {
  for (let step = 0; step < 60; step++) await clock.advance(step === 0 ? 61_000 : 1);
}

test('histories of hints kept, let go, written behind and recovered', async (t) => {
  let rounds = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed);
    const clock = new HandClock();
    let engine = new MemoryEngine();
    const files = new MemoryLogFiles();
    let opened = await openStore(engine, files, { clock });
    const model = new Map<string, string[]>();
    let serial = 0;
    for (let step = 0; step < 80; step++) {
      const target = targets[random.integer(targets.length)] ?? 0;
      const partition = partitions[random.integer(partitions.length)] ?? 0;
      const name = `${target} ${partition}`;
      const expected = model.get(name) ?? [];
      const kind = random.integer(20);
      if (kind < 10) {
        const text = `hint ${++serial}`;
        opened.store.hints.keep(target, partition, clock.wallMs(), Buffer.from(`${text};`));
        model.set(name, [...expected, text]);
      } else if (kind < 15) {
        const first = await opened.store.hints.read(target, partition, 1 + random.integer(40));
        opened.store.hints.letGo(target, partition, first);
        model.set(name, expected.slice(first.length));
      } else if (kind < 16) {
        opened.store.hints.letGoLane(target, partition);
        model.set(name, []);
      } else if (kind < 17) await opened.store.hints.writeOut();
      else if (kind < 18) {
        const before = opened.store.statistics().flushes;
        await writtenBehind(clock);
        rounds += opened.store.statistics().flushes - before;
      } else if (kind < 19) {
        engine = engine.crashed(random); // and the log keeps all that was appended
        files.kill();
        opened = await openStore(engine, files, { clock });
      } else {
        await opened.close();
        engine = engine.reopened();
        opened = await openStore(engine, files, { clock });
      }
      opened.store.endTurn(() => undefined);
      for (const [lane, texts] of model) {
        const [laneTarget = 0, lanePartition = 0] = lane.split(' ').map(Number);
        t.deepEqual(await textsIn(opened, laneTarget, lanePartition), texts, `seed ${seed}, step ${step}, lane ${lane}`);
        t.is(opened.store.hints.lane(laneTarget, lanePartition)?.hints ?? 0, texts.length);
      }
      for (const one of targets) {
        const lanes = opened.store.hints.lanesOf(one);
        t.is(
          opened.store.hints.bytesOf(one),
          lanes.reduce((sum, { bytes }) => sum + bytes, 0),
        );
      }
    }
    t.deepEqual(opened.failures, []);
  }
  t.true(rounds > 100, `${rounds} rounds`);
});
