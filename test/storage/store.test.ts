/** The store as a node uses it, on memory: its clock, and what peers send it. */
import test from 'ava';
import type { Clock } from '../../storage/clock.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { Store } from '../../storage/store.js';

const clock: Clock = {
  wallMs: () => 1_767_225_600_000,
  monotonicMs: () => 0,
  after: () => ({ cancel: () => undefined }),
  atTurnEnd: () => undefined,
};

function openStore(engine: MemoryEngine, logFiles: MemoryLogFiles): Promise<Store> {
  const onFailure = (error: Error): never => {
    throw error;
  };
  return Store.open({ engine, logFiles, clock, durability: 'everysec', cacheBytesMax: 1e9, onFailure });
}

test('a counter can be issued in the very turn in which a peer an hour ahead was met', async (t) => {
  const store = await openStore(new MemoryEngine(), new MemoryLogFiles());
  const met = store.hybridClock.currentCounter + 3_600_000 * 4096;
  store.hybridClock.raise(met);
  t.true(store.nextCounter() > met);
  t.true(store.hybridClock.ceiling > met);
});
