/** What a transaction staged is seen by itself alone: reads run in another one, over the same entries. */
import test from 'ava';
import { versionKind } from '../../protocol/record.js';
import { Partition } from '../../storage/partition.js';
import { Transaction } from '../../storage/transaction.js';

const key = Buffer.from('k');

function transactions(): { readonly partition: Partition; readonly writer: Transaction; readonly reader: Transaction } {
  const partition = new Partition(0, () => undefined);
  partition.resident = true;
  let counter = 0;
  const writer = new Transaction(() => ({ actor: 1, counter: ++counter }));
  const reader = new Transaction(() => {
    throw new Error('a read stages no record');
  });
  writer.begin(partition, 1, 1000, 2);
  reader.begin(partition, 0, 1000, 2);
  return { partition, writer, reader };
}

test('what another node wrote is read although a transaction staged the key before', (t) => {
  const { partition, writer, reader } = transactions();
  writer.setString(key, Buffer.from('old'), 0);
  for (const entry of writer.staged) if (entry.staged !== undefined) partition.put(entry, entry.staged);
  writer.end();
  const newer = { kind: versionKind.plain, actor: 2, counter: 9, term: 2, expiresAtMs: 0, bytes: Buffer.from('new') };
  partition.merge(partition.getOrCreate('k', 0), { context: new Map([[1, 1]]), versions: [newer] });
  t.is(reader.string(key)?.bytes.toString(), 'new');
});

test('what an ended transaction staged and did not write is seen by nobody', (t) => {
  const { partition, writer, reader } = transactions();
  writer.setString(key, Buffer.from('aborted'), 0);
  t.is(writer.string(key)?.bytes.toString(), 'aborted');
  writer.end();
  t.is(reader.string(key), undefined);
  t.is(writer.batchDot, undefined);
  t.is(partition.get('k')?.record, undefined);
});

test('one batch may write a key twice: the last write stands, and it saw what was there before the batch', (t) => {
  const { partition, writer } = transactions();
  const older = { kind: versionKind.plain, actor: 2, counter: 9, term: 1, expiresAtMs: 0, bytes: Buffer.from('older') };
  partition.merge(partition.getOrCreate('k', 0), { context: new Map(), versions: [older] });
  writer.setString(key, Buffer.from('first'), 0);
  writer.setString(key, Buffer.from('second'), 0);
  t.is(writer.string(key)?.bytes.toString(), 'second');
  const [entry] = writer.staged;
  t.deepEqual(entry?.staged?.context, new Map([[2, 9]]));
  t.is(entry?.staged?.versions.length, 1);
  t.true(writer.delete(key));
  t.is(writer.string(key), undefined);
  t.deepEqual(writer.staged.length, 1);
});
