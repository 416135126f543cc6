/** Digests of long records are kept, thousands at once while a partition is gone through: their values, which may have come from the disk for that alone, are not. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { LongRecord } from '../../storage/long-record.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const mebibyte = 1024 * 1024;

test('what is hashed keeps its digest, and nothing of its value', async (t) => {
  let value: Buffer | undefined = Buffer.alloc(3 * mebibyte, 7);
  const memory = new WeakRef(value.buffer);
  const record = new LongRecord(5, Buffer.from('key'), Buffer.from('head'), value);
  value = undefined;
  let slices = 1;
  while (!record.proceed()) slices++;
  t.is(slices, 6);
  await new Promise((resolve) => setImmediate(resolve)); // what a job has made of a WeakRef stays until its end
  collectGarbage();
  t.true(memory.deref() === undefined);
  t.is(record.digest.length, 32);
});
