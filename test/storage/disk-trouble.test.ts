/** Coming back from a disk that refuses writes: not before an attempt has ended during which it refused nothing. */
import test from 'ava';
import { DiskTrouble } from '../../storage/disk-trouble.js';
import { StorageError } from '../../storage/engine.js';
import { HandClock } from './log-fixtures.js';

test('a refusal while the disk is being tried is one more attempt, not the end of the trouble', async (t) => {
  const clock = new HandClock();
  const told: (string | undefined)[] = [];
  let ends = (): void => undefined;
  const trouble = new DiskTrouble(
    clock,
    () => new Promise((resolve) => (ends = resolve)),
    (error) => t.fail(error.message),
  );
  trouble.onChange((reason) => told.push(reason?.message));
  trouble.met(new StorageError('IO', 'first'));
  await clock.advance(1000);
  trouble.met(new StorageError('IO', 'again'));
  ends();
  await clock.advance(0);
  t.deepEqual(told, ['first']);
  t.is(trouble.reason?.message, 'again');
  await clock.advance(1000);
  t.is(trouble.attempts, 2);
  ends();
  await clock.advance(0);
  t.deepEqual(told, ['first', undefined]);
});
