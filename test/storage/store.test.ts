/** The store as a node uses it, on memory: its clock, and what peers send it. */
import test from 'ava';
import type { Clock } from '../../storage/clock.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { BatchEncoder } from '../../protocol/batch.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { emptyClock, versionKind } from '../../protocol/record.js';
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

/** One batch with one record, whose key names `type`. */
function batch(type: number): Buffer {
  const writer = new ByteWriter();
  const encoder = new BatchEncoder(writer);
  encoder.begin(7, 1);
  encoder.part(0, 1, 1, 0);
  const version = { kind: versionKind.plain, actor: 7, counter: 1, term: 1, expiresAtMs: 0, bytes: Buffer.from('v') };
  encoder.record(0, Buffer.from('k'), type, 0, Buffer.alloc(0), { context: emptyClock, versions: [version] });
  encoder.end();
  return Buffer.from(writer.view());
}

test('what a peer sends malformed is refused whole, and does not stop the next start', async (t) => {
  const engine = new MemoryEngine();
  const logFiles = new MemoryLogFiles();
  const store = await openStore(engine, logFiles);
  t.throws(() => store.applyBatches(batch(0), () => t.fail()));
  t.throws(() => store.applyTransfer({ partition: 0, key: [Buffer.from('rubbish')], record: [Buffer.from('rubbish')] }));
  t.deepEqual([...store.partition(0).seen], []);
  store.applyBatches(batch(0x73), () => undefined);
  store.endTurn(() => undefined);
  const again = await openStore(engine, logFiles);
  t.deepEqual([...again.partition(0).seen], [[7, 1]]);
});
