/** A stream is called dead when the peer says so, or says again and again that nothing came; never while it moves, or after one side stood still. */
import test from 'ava';
import { StreamEcho } from '../../cluster/stream-echo.js';
import { HandClock } from '../storage/log-fixtures.js';

const patienceMs = 3000;

function echo(): {
  readonly clock: HandClock;
  readonly echo: StreamEcho;
  readonly says: (heard: number, ended?: boolean) => string | undefined;
} {
  const clock = new HandClock();
  const made = new StreamEcho(clock, 7);
  return { clock, echo: made, says: (heard, ended = false) => made.echoed({ stream: 7, heard, ended }, patienceMs) };
}

test('the peer says that the stream has ended; of another stream it may say what it likes', (t) => {
  const { echo: made, says } = echo();
  made.sent(10);
  t.is(made.echoed({ stream: 6, heard: 0, ended: true }, patienceMs), undefined);
  t.is(made.echoed({ stream: 0, heard: 0, ended: false }, patienceMs), undefined);
  t.regex(says(10, true) ?? '', /ended/);
});

test('nothing of what is sent arrives for longer than the patience', async (t) => {
  const { clock, echo: made, says } = echo();
  made.sent(10);
  t.is(says(10), undefined);
  for (let second = 0; second < 3; second++) {
    made.sent(5);
    await clock.advance(1000);
    t.is(says(10), undefined, `${second}`);
  }
  await clock.advance(1);
  t.regex(says(10) ?? '', /arrives/);
});

test('a slow stream that moves is alive, and so is one that nothing is sent over', async (t) => {
  const { clock, echo: made, says } = echo();
  made.sent(1_000_000);
  for (let heard = 0; heard < 100; heard++) {
    await clock.advance(2000);
    t.is(says(heard + 1), undefined);
  }
  const idle = echo();
  idle.echo.sent(10);
  for (let second = 0; second < 20; second++) {
    await idle.clock.advance(1000);
    t.is(idle.says(10), undefined);
  }
});

test('gossip that waited while this process stood still proves nothing against what it sent since', async (t) => {
  const { clock, echo: made, says } = echo();
  made.sent(10);
  t.is(says(10), undefined);
  await clock.advance(20_000);
  made.sent(10);
  for (let i = 0; i < 20; i++) t.is(says(10), undefined);
});

test('gossip of a peer that stood still is not believed at its first word', async (t) => {
  const { clock, echo: made, says } = echo();
  for (let second = 0; second < 10; second++) {
    made.sent(10);
    await clock.advance(1000);
  }
  t.is(says(0), undefined);
  t.is(says(0), undefined);
  t.is(says(100), undefined);
});
