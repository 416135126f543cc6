/** How long a call may take. */
import test from 'ava';
import { TestCall } from './calls.js';

test('while what it waits for goes on a call has time from then on, long before its own is over', (t) => {
  const call = new TestCall('a', 1, 'write', { deadlineMs: 2000 });
  call.goesOn(1000);
  t.is(call.deadlineMs, 2000, 'there is time enough');
  for (let nowMs = 1600; nowMs < 60_000; nowMs += 100) {
    call.goesOn(nowMs);
    t.true(call.deadlineMs >= nowMs + 500 && call.deadlineMs < nowMs + 1100, `${call.deadlineMs} at ${nowMs}`);
  }
});

test('a call has time for the bytes that it moves, and none for a few', (t) => {
  const call = new TestCall('a', 1, 'write', { deadlineMs: 2000 });
  call.moves(100_000);
  t.is(call.deadlineMs, 2000);
  call.moves(512 * 1024 * 1024);
  t.true(call.deadlineMs >= 2000 + 512_000, 'a second for each mebibyte');
  call.moves(1024 * 1024);
  t.true(call.deadlineMs >= 2000 + 512_000, 'what it had is not taken from it');
});
