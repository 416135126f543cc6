/** Elements whose rows the disk lost behind the store's back, and that a peer gives back: they are counted once, now and after the next start. */
import test from 'ava';
import { encodeRecordKey, recordPart, recordType } from '../../protocol/record-key.js';
import { slotOf } from '../../protocol/slot.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { clockBytes } from '../../storage/partition-clocks.js';
import { elementRow } from '../../storage/rows.js';
import type { Transaction } from '../../storage/transaction.js';
import { runCold } from './cold-command.js';
import { HandClock } from './log-fixtures.js';
import { command, openStore } from './store-fixtures.js';

const key = Buffer.from('names');
const slot = slotOf(key);
const partition = 0;
const count = 50;
const lost = [3, 17];
const memberOf = (i: number): Buffer => Buffer.from(`member-${i}`);
const size = (transaction: Transaction): number | undefined => transaction.collection(key, 'set')?.size;

for (const isWhole of [false, true])
  test(`elements that come back to a set that is ${isWhole ? '' : 'not '}in memory are counted once`, async (t) => {
    let engine = new MemoryEngine();
    const files = new MemoryLogFiles();
    const first = await openStore(engine, files, { clock: new HandClock() });
    command(first, partition, 1, (transaction) => {
      for (let i = 0; i < count; i++) transaction.setElement(key, 'set', memberOf(i), Buffer.alloc(0));
    });
    await first.close();

    engine = engine.reopened();
    const rows = lost.map((i) => elementRow(slot, key, recordType.set, memberOf(i)));
    const records = (await engine.getMany(rows)).map((row) => row ?? t.fail('an element is not on disk'));
    await engine.write({ puts: [], deletes: rows }, { sync: true });

    let clock = new HandClock();
    const damaged = await openStore(engine.reopened(), files, { clock });
    const { store } = damaged;
    const here = store.partition(partition);
    // What repair reads before it takes a record; a command on all of it reads the rest.
    for (const i of lost) await runCold(damaged, clock, key, (transaction) => transaction.collection(key, 'set')?.get(memberOf(i)));
    if (isWhole) await runCold(damaged, clock, key, (transaction) => transaction.collection(key, 'set')?.pairs());
    const keys = lost.map((i) => encodeRecordKey(slot, key, recordType.set, recordPart.element, memberOf(i)));
    t.true(store.applyTransfer({ partition, key: keys, record: records as Buffer[], seen: clockBytes(here.seen) }));
    t.is((await runCold(damaged, clock, key, size)).result, count);
    await damaged.close();

    clock = new HandClock();
    const again = await openStore(engine.reopened(), files, { clock });
    t.is((await runCold(again, clock, key, size)).result, count);
    await again.close();
  });
