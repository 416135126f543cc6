/** Which merges and writes are conflicts, what is told of them, and that neither a plain write nor a counter's sums are any. */
import test from 'ava';
import { emptyClock, noBase, versionKind, type Version, type VersionedRecord } from '../../protocol/record.js';
import { slotOf } from '../../protocol/slot.js';
import type { Store } from '../../storage/store.js';
import { command, encodeBatches, openInMemory, openStore, plainRecord, self } from './store-fixtures.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';

const [other, third] = [0x2_0001, 0x3_0001];
const key = Buffer.from('contested');
const partition = 0;

function merge(store: Store, record: VersionedRecord, name = key): void {
  store.partition(partition).merge(store.partition(partition).findOrInsert(name, 0, name.length, slotOf(name)), record);
}

const plain = (actor: number, counter: number, text: string): Version => ({
  kind: versionKind.plain,
  actor,
  counter,
  term: counter,
  expiresAtMs: 0,
  bytes: Buffer.from(text),
});
const record = (...versions: Version[]): VersionedRecord => ({ context: emptyClock, versions });

test('values that did not see each other are a conflict until a write covers them', async (t) => {
  const opened = await openInMemory();
  const { store } = opened;
  merge(store, record(plain(other, 10, 'one')));
  merge(store, record(plain(third, 20, 'two')));
  merge(store, record(plain(third, 20, 'two'))); // again: nothing new
  const [met] = store.conflicts.newest(10);
  t.deepEqual(store.conflicts.counts, { string: 1, counter: 0, field: 0, type: 0 });
  t.is(store.conflicts.openCount, 1);
  t.is(met?.key.toString(), 'contested');
  t.is(met?.type, 'string');
  t.is(met?.shown.toString(), 'two');
  t.is(met?.coveredAtMs, undefined);
  t.deepEqual(
    met?.versions.map(({ actor, counter, value, shown }) => [actor, counter, value.toString(), shown]),
    [
      [other, 10, 'one', false],
      [third, 20, 'two', true],
    ],
  );

  command(opened, partition, 1, (execution) => execution.setString(key, Buffer.from('three'), 0));
  const [covered] = store.conflicts.newest(10);
  t.is(store.conflicts.openCount, 0);
  t.not(covered?.coveredAtMs, undefined);
  t.is(covered?.shown.toString(), 'two');
  t.is(store.conflicts.newest(10).length, 1);
  await opened.close();
});

test('what a write sees, a tombstone and sums on one base are no conflicts; two bases are', async (t) => {
  const opened = await openInMemory();
  const { store } = opened;
  const sum = (actor: number, counter: number, base: typeof noBase): Version => ({
    kind: versionKind.counter,
    actor,
    counter,
    term: counter,
    expiresAtMs: 0,
    base,
    amount: 5n,
    sum: 2n,
  });
  merge(store, record(plain(other, 10, 'one')));
  for (const text of ['a', 'b']) command(opened, partition, 1, (execution) => execution.setString(key, Buffer.from(text), 0));
  command(opened, partition, 1, (execution) => execution.delete(key));
  merge(store, { context: new Map([[third, 30]]), versions: [] });
  const counter = Buffer.from('counter');
  merge(store, record(sum(other, 40, noBase)), counter);
  merge(store, record(sum(third, 41, noBase)), counter);
  t.deepEqual(store.conflicts.counts, { string: 0, counter: 0, field: 0, type: 0 });

  merge(store, record(sum(self, 42, { actor: third, counter: 1, term: 1 })), counter);
  t.deepEqual(store.conflicts.counts, { string: 0, counter: 1, field: 0, type: 0 });
  const [met] = store.conflicts.newest(1);
  t.deepEqual(
    met?.versions.map(({ actor, value, shown }) => [actor, value.toString(), shown]),
    [
      [self, '5 + 2', true],
      [other, '5 + 2', false],
      [third, '5 + 2', false],
    ],
  );
  await opened.close();
});

test('the list is bounded, the counts are not, and a start from the log counts nothing again', async (t) => {
  const [engine, files] = [new MemoryEngine(), new MemoryLogFiles()];
  const { store } = await openStore(engine, files);
  for (let i = 0; i < 1000; i++) {
    const name = Buffer.from(`key${i}`);
    merge(store, record(plain(other, 10, 'one')), name);
    merge(store, record(plain(third, 20, 'x'.repeat(1000))), name);
  }
  const kept = store.conflicts.newest(1000);
  t.is(store.conflicts.counts.string, 1000);
  t.is(kept.length, 128);
  t.is(store.conflicts.openCount, 128);
  t.is(kept[0]?.key.toString(), 'key999');
  t.is(kept[0]?.versions[1]?.value.length, 128);

  const bytes = encodeBatches([
    { partition, dot: { actor: other, counter: 1 }, prev: 0, records: [['logged', plainRecord({ actor: other, counter: 1 }, 'a')]] },
    { partition, dot: { actor: third, counter: 2 }, prev: 0, records: [['logged', plainRecord({ actor: third, counter: 2 }, 'b')]] },
  ]);
  store.applyBatches(bytes);
  t.is(store.conflicts.counts.string, 1001);
  store.endTurn(() => undefined);
  files.kill();
  const again = await openStore(engine.reopened(), files);
  t.is(again.store.partition(partition).get('logged')?.record?.versions.length, 2);
  t.deepEqual(again.store.conflicts.counts, { string: 0, counter: 0, field: 0, type: 0 });
  await again.close();
});
