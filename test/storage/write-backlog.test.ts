import test from 'ava';
import { isBehind, isRoundDue, writeDelayMs } from '../../storage/write-backlog.js';

test('writes are slowed from a third of the most on, the more the nearer it is', (t) => {
  t.is(writeDelayMs(0, 600), 0);
  t.is(writeDelayMs(200, 600), 0);
  t.true(writeDelayMs(201, 600) >= 1);
  const delays = Array.from({ length: 401 }, (_, i) => writeDelayMs(201 + i, 600));
  for (const [i, ms] of delays.entries()) if (i > 0) t.true(ms >= (delays[i - 1] ?? 0));
  t.is(writeDelayMs(600, 600), 1000);
  t.is(writeDelayMs(6000, 600), 1000);
});

test('a round begins before writes are slowed', (t) => {
  t.false(isRoundDue(100, 600));
  t.true(isRoundDue(101, 600));
  t.is(writeDelayMs(101, 600), 0);
});

test('beyond the most no writes are taken, until they would not even be slowed', (t) => {
  t.false(isBehind(600, 600, false));
  t.true(isBehind(601, 600, false));
  t.true(isBehind(201, 600, true));
  t.false(isBehind(200, 600, true));
});
