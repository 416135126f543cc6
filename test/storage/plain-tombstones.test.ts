/**
 * A deletion of what its own actor wrote last is the whole record afterwards: it is written, sent, applied and forgotten without decoding or merging anything. What
 * comes of that must be what the one rule of merging makes of it, for whatever was there before.
 */
import test from 'ava';
import { BatchEncoder } from '../../protocol/batch.js';
import { BatchCursor } from '../../protocol/batch-cursor.js';
import { recordPart, recordType } from '../../protocol/record-key.js';
import { deletionTerm, emptyClock, type VersionedRecord } from '../../protocol/record.js';
import { slotOf } from '../../protocol/slot.js';
import { deleting, emptyRecord, mergeRecords, recordsEqual, recordVersion } from '../../storage/merge.js';
import type { Store } from '../../storage/store.js';
import fc from '../harness/properties.js';
import { pools } from './record-pool.js';
import { command, encodeBatches, openInMemory, openStore, plainRecord, self, type OpenedStore } from './store-fixtures.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';

const partition = 3;
const key = Buffer.from('k');
const noElement = Buffer.alloc(0);
const actors = [self, 0x2_0001] as const;

function recordAt({ store }: OpenedStore): VersionedRecord {
  return store.partition(partition).get('k')?.record ?? emptyRecord;
}

/** Counts how often records are decoded from memory. */
function countDecoding({ table }: Store): { readonly times: () => number } {
  let times = 0;
  const recordOf = table.recordOf.bind(table);
  table.recordOf = (entry) => {
    const record = recordOf(entry);
    if (record !== undefined) times++;
    return record;
  };
  return { times: () => times };
}

test('writes and deletions by two nodes, in any order: the record is what merging makes of them', async (t) => {
  const write = fc.record({ by: fc.nat(1), deletes: fc.boolean(), saysTerm: fc.boolean(), knows: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 10 }), async (writes) => {
      const opened = await openInMemory();
      let model: VersionedRecord = emptyRecord;
      const last = [0, 0];
      for (const [i, { by, deletes, saysTerm, knows }] of writes.entries()) {
        const dot = { actor: actors[by] as number, counter: i + 1 };
        // One that does not know what is there has seen nothing but what it wrote before itself.
        const old = knows ? model : undefined;
        const term = saysTerm ? 1 + Math.floor(i / 3) : 0;
        const record = deletes ? deleting(old, dot, term) : plainRecord(dot, `value ${i}`, 1 + Math.floor(i / 3));
        opened.store.applyBatches(encodeBatches([{ partition, dot, prev: last[by] as number, records: [['k', record]] }]));
        last[by] = dot.counter;
        model = mergeRecords(model, record);
        t.true(recordsEqual(recordAt(opened), model));
        const { table } = opened.store;
        const entry = opened.store.partition(partition).find(key);
        t.is(table.isAlive(entry), model.versions.length > 0);
        t.is(table.expiresOf(entry), 0);
        const inRing = model.context.size > 0 ? 1 : 0;
        t.is(opened.store.partition(partition).contexts, inRing);
      }
    }),
  );
});

test('a command that deletes what it or another node wrote: the same as by the rule, in memory, on its way and after a start', async (t) => {
  for (const author of actors) {
    for (const ordersDeletions of [false, true]) {
      const engine = new MemoryEngine();
      const files = new MemoryLogFiles();
      const opened = await openStore(engine, files);
      const { store, transaction } = opened;
      if (author === self) command(opened, partition, 1, (run) => run.setString(key, Buffer.from('value'), 0));
      else {
        const dot = { actor: author, counter: 1 };
        store.applyBatches(encodeBatches([{ partition, dot, prev: 0, records: [['k', plainRecord(dot, 'value')]] }]));
      }
      const before = recordAt(opened);
      transaction.begin(store.partition(partition), 7, 1, 2, ordersDeletions);
      t.true(transaction.delete(key));
      t.is(transaction.string(key), undefined);
      t.false(transaction.delete(key));
      const dot = transaction.batchDot;
      if (dot === undefined) throw new Error('nothing was written');
      store.writeBatch(store.partition(partition), dot, 7, 1, transaction);
      const expected = mergeRecords(before, deleting(before, dot, ordersDeletions ? 7 : 0));
      t.true(recordsEqual(recordAt(opened), expected));
      let sent = noElement;
      store.endTurn((batches) => (sent = Buffer.from(batches)));
      const replica = await openInMemory();
      if (author !== self) {
        const earlier = { actor: author, counter: 1 };
        replica.store.applyBatches(encodeBatches([{ partition, dot: earlier, prev: 0, records: [['k', plainRecord(earlier, 'value')]] }]));
      }
      replica.store.applyBatches(sent);
      t.deepEqual(recordVersion(recordAt(replica)), recordVersion(expected));
      await opened.close();
      const again = await openStore(engine.reopened(), files);
      await new Promise<void>((resolve) => {
        again.store.loader.load(again.store.partition(partition), key, slotOf(key), resolve);
        again.store.endTurn(() => undefined);
      });
      t.true(recordsEqual(recordAt(again), expected));
    }
  }
});

test('the bytes of a deletion are those of any other record, and only such are read as one', (t) => {
  fc.assert(
    fc.property(pools, ({ all }) => {
      for (const record of all) {
        const encoder = new BatchEncoder();
        encoder.begin(9, 99);
        encoder.part(partition, 1, 1, 0);
        encoder.record(slotOf(key), key, recordType.string, recordPart.value, noElement, record);
        encoder.end();
        const cursor = new BatchCursor();
        cursor.reset(encoder.writer.take());
        cursor.nextBatch();
        cursor.nextPart();
        cursor.nextRecord();
        const isSole = record.versions.length === 0 && [...record.context.keys()].filter((actor) => actor !== deletionTerm).length === 1;
        t.is(cursor.readTombstone(), isSole);
        if (!isSole) continue;
        const { versionActor, versionCounter, versionTerm } = cursor;
        t.true(recordsEqual(deleting(undefined, { actor: versionActor, counter: versionCounter }, versionTerm), record));
      }
    }),
  );
  for (const term of [0, 7]) {
    const encoded = [false, true].map((directly) => {
      const encoder = new BatchEncoder();
      encoder.begin(self, 99);
      encoder.part(partition, 1, 7, 0);
      if (directly) encoder.tombstone(5, key, recordType.list, recordPart.element, Buffer.from('at'), term);
      else
        encoder.record(
          5,
          key,
          recordType.list,
          recordPart.element,
          Buffer.from('at'),
          deleting(undefined, { actor: self, counter: 99 }, term),
        );
      encoder.end();
      return encoder.writer.take();
    });
    t.deepEqual(encoded[0], encoded[1]);
  }
});

test('a queue’s pushes, pops and what is forgotten of them decode no record, at its coordinator and at a replica', async (t) => {
  const [coordinator, replica] = [await openInMemory(), await openInMemory()];
  const decodings = [coordinator, replica].map(({ store }) => countDecoding(store));
  for (let i = 0; i < 50; i++) {
    command(coordinator, partition, 1, (run) => run.insertIntoList(key, run.list(key)?.size ?? 0, [Buffer.from(`value ${i}`)], 'left'));
    command(coordinator, partition, 1, (run) => run.insertIntoList(key, 0, [Buffer.from(`value ${i}`)], 'left'));
    command(coordinator, partition, 1, (run) => run.removeFromList(key, [[0, 1]]));
    coordinator.store.endTurn((batches) => replica.store.applyBatches(Buffer.from(batches)));
  }
  for (const { store } of [coordinator, replica]) {
    const here = store.partition(partition);
    t.is(here.contexts, 50);
    t.true(store.forgetting.step(here, here.seen, here.contexts));
    t.is(here.contexts, 0);
    t.deepEqual(here.purged, new Map(here.seen));
  }
  t.deepEqual(
    decodings.map(({ times }) => times()),
    [0, 0],
  );
});

test('a member that comes back after it was removed is one plain version again', async (t) => {
  const opened = await openInMemory();
  const { store } = opened;
  const decoding = countDecoding(store);
  const member = Buffer.from('member');
  for (let i = 0; i < 10; i++) {
    command(opened, partition, 1, (run) => void run.setElement(key, 'set', member, noElement));
    command(opened, partition, 1, (run) => void run.removeElement(key, 'set', member));
  }
  command(opened, partition, 1, (run) => void run.setElement(key, 'set', member, noElement));
  t.is(decoding.times(), 0);
  const here = store.partition(partition);
  const entry = here.findRecord({ slot: slotOf(key), key, type: recordType.set, part: recordPart.element, element: member });
  t.true(store.table.isSingle(entry));
  t.is(store.table.recordOf(entry)?.context, emptyClock);
  t.is(here.contexts, 0);
});
