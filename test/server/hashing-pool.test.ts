/** The pool hashes as the same code does on the spot, on buffers that it takes; when it cannot, it says so to the node and to the asker. */
import test from 'ava';
import { runHashing } from '../../storage/merkle-hashing.js';
import { leafOf } from '../../storage/merkle-tree.js';
import { packRecords } from '../storage/packed-records.js';
import { HashingFailure, HashingPool } from '../../server/hashing-pool.js';

const records = (count: number) =>
  packRecords(
    Array.from({ length: count }, (_, i) => ({
      leaf: leafOf(Buffer.from(`k${i}`)),
      key: Buffer.from(`k${i}`),
      record: Buffer.from(`value ${i}`),
    })),
  );

test('many tasks at once give what the same code gives here, and their buffers are gone', async (t) => {
  const failures: Error[] = [];
  const pool = new HashingPool((error) => failures.push(error));
  const inputs = Array.from({ length: 20 }, (_, i) => records(1 + i * 50));
  const copies = inputs.map((input) => input.slice());
  const results = await Promise.all(inputs.map((input, i) => pool.run(i % 2 === 0 ? 'leaves' : 'digest', input)));
  results.forEach((result, i) => t.deepEqual(Buffer.from(result), Buffer.from(runHashing(i % 2 === 0 ? 'leaves' : 'digest', copies[i]!))));
  t.deepEqual([...new Set(inputs.map(({ length }) => length))], [0]);
  t.deepEqual(failures, []);
  await pool.close();
});

test('a task that fails is a failure of the node, in one line', async (t) => {
  const failures: Error[] = [];
  const pool = new HashingPool((error) => failures.push(error));
  const torn = records(3).slice(0, -1);
  const error = await t.throwsAsync(pool.run('digest', torn), { instanceOf: HashingFailure, code: 'HASHING' });
  t.deepEqual(failures, [error]);
  t.regex(error.message, /^the pool that hashes records for comparison failed: a record to hash ends at \d+ of \d+ bytes$/);
  await pool.close();
});

test('a worker that cannot be loaded, or ends, is one too', async (t) => {
  for (const worker of ['data-that-is-not-there.js', './ending-worker.js']) {
    const failures: Error[] = [];
    const pool = new HashingPool((error) => failures.push(error), new URL(worker, import.meta.url));
    await t.throwsAsync(pool.run('digest', records(3)), { instanceOf: HashingFailure });
    t.true(failures.length > 0 && failures.every((failure) => failure instanceof HashingFailure), worker);
    await pool.close();
  }
});

test('closing ends the threads, and nothing is a failure then', async (t) => {
  const failures: Error[] = [];
  const pool = new HashingPool((error) => failures.push(error));
  const running = pool.run('digest', records(50_000));
  running.catch(() => undefined);
  await pool.close();
  await Promise.allSettled([running]);
  t.deepEqual(failures, []);
});
