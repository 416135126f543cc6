/** One command's run: it sees what it staged itself, an error leaves nothing behind, and what has expired is not there. */
import test from 'ava';
import { versionKind, type CounterVersion } from '../../protocol/record.js';
import { ErrorReply } from '../../protocol/resp/reply.js';
import { CommandError } from '../../storage/execution.js';
import { emptyRecord, mergeRecords } from '../../storage/merge.js';
import { Transaction } from '../../storage/transaction.js';
import { cpuMsOf } from '../harness/cpu-time.js';
import { command, encodeBatches, openInMemory, plainRecord, self, type OpenedStore } from './store-fixtures.js';

const k = Buffer.from('k');
const partition = 3;
const nowMs = 1_000_000;
const text = (transaction: Transaction): string | undefined => transaction.string(k)?.bytes.toString();
const set =
  (value: string, expiresAtMs = 0) =>
  (transaction: Transaction) =>
    transaction.setString(k, Buffer.from(value), expiresAtMs);

function shown(opened: OpenedStore, atMs = nowMs): string | undefined {
  opened.transaction.begin(opened.store.partition(partition), 1, atMs, 2);
  return text(opened.transaction);
}

test('DEL k k deletes once, MSET k 1 k 2 keeps the second: one record under one dot', async (t) => {
  const opened = await openInMemory();
  command(opened, partition, nowMs, (transaction) => {
    set('1')(transaction);
    t.is(text(transaction), '1');
    set('2')(transaction);
    t.is(text(transaction), '2');
    t.is(transaction.writes.places.length, 1);
  });
  t.is(shown(opened), '2');
  command(opened, partition, nowMs, (transaction) => {
    t.true(transaction.delete(k));
    t.false(transaction.delete(k));
    t.is(transaction.typeOf(k), undefined);
  });
  t.is(shown(opened), undefined);
  t.is(opened.store.partition(partition).aliveEntries, 0);
});

test('each write of one command builds on the one before', async (t) => {
  const opened = await openInMemory();
  command(opened, partition, nowMs, (transaction) => {
    set('7')(transaction);
    t.is(transaction.increment(k, 5n), 12n);
    t.is(transaction.increment(k, 5n), 17n);
    t.true(transaction.setExpiry(k, nowMs + 500));
    t.is(transaction.expiryOf(k), nowMs + 500);
    t.is(transaction.increment(k, 1n), 18n);
    t.is(transaction.expiryOf(k), nowMs + 500);
    t.true(transaction.delete(k));
    t.is(transaction.increment(k, 3n), 3n);
    t.is(transaction.expiryOf(k), 0);
  });
  t.is(shown(opened), '3');
  command(opened, partition, nowMs, (transaction) => {
    t.true(transaction.delete(k));
    set('again')(transaction);
  });
  t.is(shown(opened), 'again');
  command(opened, partition, nowMs, (transaction) => {
    set('gone')(transaction);
    t.true(transaction.delete(k));
    t.false(transaction.setExpiry(k, nowMs + 1));
  });
  t.is(shown(opened), undefined);
});

test('an increment leaves the sums of others where they are, in its own view too', async (t) => {
  const opened = await openInMemory();
  command(opened, partition, nowMs, set('10'));
  command(opened, partition, nowMs, (transaction) => void transaction.increment(k, 1n));
  const record = opened.store.partition(partition).get('k')?.record;
  const own = record?.versions[0] as CounterVersion;
  t.is(own.kind, versionKind.counter);
  const theirs = { ...own, actor: 0x2_0001, counter: own.counter + 1, sum: 20n };
  const bytes = encodeBatches([{ partition, dot: theirs, prev: 0, records: [['k', { context: new Map(), versions: [theirs] }]] }]);
  opened.store.applyBatches(bytes);
  t.is(shown(opened), '31');
  command(opened, partition, nowMs, (transaction) => {
    t.is(transaction.increment(k, 1n), 32n);
    t.is(text(transaction), '32');
    t.is(transaction.increment(k, 1n), 33n);
    t.is(text(transaction), '33');
  });
  t.is(shown(opened), '33');
  command(opened, partition, nowMs, (transaction) => {
    transaction.increment(k, 1n);
    set('end')(transaction);
  });
  t.is(shown(opened), 'end');
  const after = opened.store.partition(partition).get('k')?.record;
  t.is(mergeRecords(after ?? emptyRecord, { context: new Map(), versions: [theirs] }).versions.length, 1, 'the SET covers the sum it saw');
});

test('what has expired is absent: no expiry, nothing to delete, and a count begins at nothing', async (t) => {
  const opened = await openInMemory();
  command(opened, partition, nowMs, set('41', nowMs + 100));
  t.is(shown(opened, nowMs + 99), '41');
  t.is(shown(opened, nowMs + 100), undefined);
  command(opened, partition, nowMs + 100, (transaction) => {
    t.is(transaction.typeOf(k), undefined);
    t.is(transaction.expiryOf(k), undefined);
    t.false(transaction.delete(k));
    t.false(transaction.setExpiry(k, nowMs + 200));
    t.deepEqual(transaction.keysInSlot(12706, 10), []);
    t.is(transaction.increment(k, 2n), 2n);
    t.is(transaction.expiryOf(k), 0);
  });
  t.is(shown(opened, nowMs + 100), '2');
  t.is(opened.store.partition(partition).expiring.size, 0);
});

test('the sweeper removes what has expired and nothing else', async (t) => {
  const opened = await openInMemory();
  command(opened, partition, nowMs, set('v', nowMs + 100));
  const { expiring, table } = opened.store.partition(partition);
  t.deepEqual([...expiring].map((entry) => table.nameOf(entry)), ['k']); // prettier-ignore
  t.is(
    command(opened, partition, nowMs + 99, (transaction) => t.false(transaction.removeExpired(k))),
    undefined,
  );
  t.not(
    command(opened, partition, nowMs + 100, (transaction) => t.true(transaction.removeExpired(k))),
    undefined,
  );
  t.deepEqual([...opened.store.partition(partition).expiring], []);
  t.is(opened.store.partition(partition).aliveEntries, 0);
});

test('an error discards everything, at once and for the next command', async (t) => {
  const opened = await openInMemory();
  command(opened, partition, nowMs, set('text'));
  const before = opened.store.partition(partition).get('k')?.record;
  const other = Buffer.from('other');
  const dot = command(opened, partition, nowMs, (transaction) => {
    transaction.setString(other, Buffer.from('1'), 0);
    transaction.increment(k, 1n);
  });
  t.is(dot, undefined);
  t.deepEqual(opened.store.partition(partition).get('k')?.record, before);
  t.is(shown(opened), 'text');
  t.is(opened.transaction.string(other), undefined);
  const error = t.throws(() => opened.transaction.increment(k, 1n), { instanceOf: CommandError });
  t.true(error.reply instanceof ErrorReply);
  t.is(error.reply.text, 'ERR value is not an integer or out of range');
});

test('overflow is an error, and a command that writes nothing takes no dot', async (t) => {
  const opened = await openInMemory();
  const counter = opened.store.hybridClock.currentCounter;
  t.is(
    command(opened, partition, nowMs, (transaction) => {
      t.false(transaction.delete(k));
      t.is(text(transaction), undefined);
    }),
    undefined,
  );
  t.is(opened.store.hybridClock.currentCounter, counter);
  command(opened, partition, nowMs, set('9223372036854775807'));
  t.is(
    command(opened, partition, nowMs, (transaction) => transaction.increment(k, 1n)),
    undefined,
  );
  t.is(shown(opened), '9223372036854775807');
});

test('a dot that is issued twice is a bug, not a lost write', async (t) => {
  const opened = await openInMemory();
  const dot = command(opened, partition, nowMs, set('1'));
  t.is(dot?.actor, self);
  const record = opened.store.partition(partition).get('k')?.record;
  const again = new Transaction(() => dot ?? { actor: 0, counter: 0 });
  again.begin(opened.store.partition(partition), 1, nowMs, 2);
  t.throws(() => set('2')(again), { message: /issued twice/ });
  t.deepEqual(opened.store.partition(partition).get('k')?.record, record);
});

test('another transaction sees what was written and merged since, and nothing that was staged', async (t) => {
  const opened = await openInMemory();
  const reading = new Transaction(() => {
    throw new Error('a read writes');
  });
  const read = (): string | undefined => {
    reading.begin(opened.store.partition(partition), 0, nowMs, 2);
    return text(reading);
  };
  const counter = command(opened, partition, nowMs, set('1'))?.counter ?? 0;
  const theirs = { actor: 0x2_0001, counter: counter + 1 };
  const record = { context: new Map([[self, counter]]), versions: plainRecord(theirs, '2', 2).versions };
  opened.store.applyBatches(encodeBatches([{ partition, dot: theirs, prev: 0, term: 2, records: [['k', record]] }]));
  t.is(read(), '2');
  command(opened, partition, nowMs, (transaction) => {
    set('3')(transaction);
    transaction.increment(Buffer.from('other'), 1n);
    throw new CommandError(new ErrorReply('ERR no'));
  });
  t.is(read(), '2');
});

test('a command on many collections looks at what it has staged once, not for each of them', async (t) => {
  const opened = await openInMemory();
  const count = 12_000;
  const keys = Array.from({ length: count }, (_, i) => Buffer.from(`hash ${i}`));
  const value = Buffer.from('v');
  const ms = cpuMsOf(() => {
    command(opened, partition, nowMs, (transaction) => {
      for (const [i, key] of keys.entries()) transaction.setElement(key, 'hash', Buffer.from(`field ${i}`), value);
      for (const [i, key] of keys.entries()) {
        const pairs = transaction.collection(key, 'hash')?.pairs() ?? [];
        if (String(pairs) !== `field ${i},v`) throw new Error(`${String(pairs)} at ${String(key)}`);
        if (i % 2 === 0 && !transaction.delete(key)) throw new Error(`${String(key)} was not there`);
      }
    });
  });
  t.true(ms < 2000, `${ms} ms`);
  const { transaction, store } = opened;
  transaction.begin(store.partition(partition), 1, nowMs, 2);
  t.is(transaction.keyCount(), count / 2);
  t.is(String(transaction.collection(keys[1] as Buffer, 'hash')?.pairs()), 'field 1,v');
  t.false(transaction.collection(keys[0] as Buffer, 'hash')?.has(value) ?? false);
});

test('what a command looked at of a key is found without going through what it looked at of others', async (t) => {
  const { store, transaction } = await openInMemory();
  const keys = Array.from({ length: 30_000 }, (_, i) => Buffer.from(`hash ${i % 15_000}`)); // each twice, in Buffers of its own
  transaction.begin(store.partition(partition), 1, nowMs, 2);
  for (const key of keys) {
    transaction.collection(key, 'hash');
    t.is(transaction.looksAt(key).length, 1);
    if (transaction.looks.length === 20) break;
  }
  transaction.begin(store.partition(partition), 1, nowMs, 2);
  for (const key of keys) transaction.collection(key, 'hash');
  const ms = cpuMsOf(() => {
    for (const key of keys) {
      const looks = transaction.looksAt(key);
      if (looks.length !== 1 || looks[0]?.key !== key) throw new Error(`${looks.length} looks`);
    }
  });
  t.true(ms < 300, `${ms} ms`);
});
