/** When a collection expires, on a replica that only the engine has it of: what comes before it is read ends as it does where all is in memory. */
import test from 'ava';
import { recordPart, recordType } from '../../protocol/record-key.js';
import { slotOf } from '../../protocol/slot.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import { Transaction } from '../../storage/transaction.js';
import { runCold } from './cold-command.js';
import { HandClock } from './log-fixtures.js';
import { command, openStore, type OpenedStore } from './store-fixtures.js';

const key = Buffer.from('hash');
const partition = 0;

const expiryAt = ({ store }: OpenedStore) => {
  const here = store.partition(partition);
  const entry = here.findRecord({ slot: slotOf(key), key, type: recordType.hash, part: recordPart.expiry, element: Buffer.alloc(0) });
  return here.recordOf(entry);
};

test('deleted and made anew before the header of it was read: of the expiry before nothing is left, wherever that was', async (t) => {
  const clock = new HandClock();
  const engines = [new MemoryEngine(), new MemoryEngine()] as const;
  const logs = [new MemoryLogFiles(), new MemoryLogFiles()] as const;
  const opened = await Promise.all(engines.map((engine, i) => openStore(engine, logs[i] as MemoryLogFiles, { clock: new HandClock() })));
  const [first, second] = opened as [OpenedStore, OpenedStore];
  const another = { ...first, transaction: new Transaction(() => ({ actor: 900, counter: first.store.hybridClock.next() })) };
  command(another, partition, 1, (transaction) => {
    transaction.setElement(key, 'hash', Buffer.from('field'), Buffer.from('value'));
    transaction.setExpiry(key, 5000);
  });
  first.store.endTurn((batches) => second.store.applyBatches(batches));
  for (const each of opened) await each.close();
  const [coordinator, replica] = (await Promise.all(
    engines.map((engine, i) => openStore(engine.reopened(), logs[i] as MemoryLogFiles, { clock })),
  )) as [OpenedStore, OpenedStore];

  await runCold(coordinator, clock, key, (transaction) => transaction.expiryOf(key));
  command(coordinator, partition, 1, (transaction) => {
    transaction.delete(key);
    transaction.setElement(key, 'hash', Buffer.from('field'), Buffer.from('new'));
    transaction.setExpiry(key, 6000);
  });
  coordinator.store.endTurn((batches) => replica.store.applyBatches(batches));
  replica.store.endTurn(() => undefined);
  t.is((await runCold(replica, clock, key, (transaction) => transaction.expiryOf(key))).result, 6000);
  const expiry = expiryAt(coordinator);
  t.is(expiry?.versions.length, 1);
  t.deepEqual(expiryAt(replica), expiry);
  for (const each of [coordinator, replica]) await each.close();
});
