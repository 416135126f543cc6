/** Bytes made of large values in slices are what they would be in one piece; a run that lacks them stages nothing, and the one after it takes them only for what they were made of. */
import fc from '../harness/properties.js';
import test from 'ava';
import { CommandError } from '../../storage/execution.js';
import { LongBytes, overlay, type Source } from '../../storage/long-bytes.js';
import type { LongWork } from '../../storage/long-work.js';
import type { Transaction } from '../../storage/transaction.js';
import { command, openInMemory } from './store-fixtures.js';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
const key = Buffer.from('k');

const source = fc.record({ at: fc.nat(700 * kibibyte), length: fc.nat(700 * kibibyte), fill: fc.integer({ min: 1, max: 255 }) });

test('sources over one another, with zeros where there is none, in slices as in one piece', (t) => {
  let slicesMost = 0;
  fc.assert(
    fc.property(fc.array(source, { minLength: 1, maxLength: 3 }), fc.nat(1000), (list, more) => {
      const sources: Source[] = list.map(({ at, length, fill }) => ({ bytes: Buffer.alloc(length, fill), at }));
      const length = Math.max(...sources.map(({ bytes, at }) => at + bytes.length)) + more;
      const expected = Buffer.alloc(length);
      for (const { bytes, at } of sources) expected.set(bytes, at);
      const long = new LongBytes(length, sources, overlay);
      let slices = 1;
      while (!long.proceed()) slices++;
      slicesMost = Math.max(slicesMost, slices);
      t.true(long.take().equals(expected));
      t.true(new LongBytes(length, sources, overlay).take().equals(expected), 'at once');
    }),
    { numRuns: 60 },
  );
  t.true(slicesMost > 4);
});

test('a run that lacks bytes of much stages nothing; the next one takes what was made of the same value, and makes its own of another', async (t) => {
  const opened = await openInMemory();
  const { store, transaction } = opened;
  const partition = store.partition(0);
  const set = (fill: number): void => {
    transaction.begin(partition, 1, 1000, 2);
    transaction.setString(key, Buffer.alloc(6 * mebibyte, fill), 0);
    const dot = transaction.batchDot;
    if (dot === undefined) throw new Error('nothing was staged');
    store.writeLargeBatch(partition, dot, 1, 1, transaction);
  };
  const suffix = Buffer.from('end');
  const append = (run: Transaction): Buffer => {
    const before = run.string(key)?.bytes ?? Buffer.alloc(0);
    const sources = [
      { bytes: before, at: 0 },
      { bytes: suffix, at: before.length },
    ];
    return run.made(new LongBytes(before.length + suffix.length, sources, overlay));
  };
  const begin = (prepared?: LongWork<unknown>): Transaction => {
    transaction.begin(partition, 1, 1000, 2);
    transaction.prepared = prepared;
    return transaction;
  };
  set(1);
  t.throws(() => append(begin()), { instanceOf: CommandError });
  const { lacking } = transaction;
  if (!(lacking instanceof LongBytes)) return t.fail('no bytes are lacking');
  t.is(transaction.batchDot, undefined);
  let slices = 1;
  while (!lacking.proceed()) slices++;
  t.true(slices > 20, `${slices} slices`);

  const made = append(begin(lacking));
  t.is(transaction.lacking, undefined);
  t.is(made.buffer, lacking.take().buffer, 'nothing is made twice');
  t.true(made.equals(Buffer.concat([Buffer.alloc(6 * mebibyte, 1), suffix])));

  set(2);
  const other = append(begin(lacking));
  t.not(other.buffer, made.buffer);
  t.true(other.equals(Buffer.concat([Buffer.alloc(6 * mebibyte, 2), suffix])), 'of what is there now');

  command(opened, 0, 1000, (run) => run.setString(key, Buffer.from('small'), 0));
  t.is(append(begin()).toString(), 'smallend', 'a little is made at once');
  await opened.close();
});
