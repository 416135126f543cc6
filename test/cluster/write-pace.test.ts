import test from 'ava';
import { Coordination } from '../../cluster/coordination.js';
import { WritePace } from '../../cluster/write-pace.js';
import { HandClock } from '../storage/log-fixtures.js';

function paced() {
  const clock = new HandClock();
  const store = { writeDelayMs: 0, behind: false, isBehind: () => store.behind };
  const changes: boolean[] = [];
  const wentOn: Coordination[] = [];
  const pace = new WritePace({
    clock,
    store,
    behindChanged: (isBehind) => changes.push(isBehind),
    goOn: (coordination) => wentOn.push(coordination),
  });
  return { clock, store, changes, wentOn, pace };
}

test('as long as the disk keeps up nothing waits', (t) => {
  const { pace, changes } = paced();
  pace.turnEnded();
  t.false(pace.isHolding);
  t.deepEqual(changes, []);
});

test('after a turn writes wait as long as the store says, and then what was held goes on once', async (t) => {
  const { clock, store, pace, wentOn } = paced();
  store.writeDelayMs = 20;
  pace.turnEnded();
  t.true(pace.isHolding);
  const coordination = new Coordination(7);
  pace.hold(coordination);
  pace.hold(coordination);
  pace.turnEnded(); // of reads, or of other nodes' batches
  await clock.advance(19);
  t.deepEqual(wentOn, []);
  await clock.advance(1);
  t.false(pace.isHolding);
  t.deepEqual(wentOn, [coordination]);
  await clock.advance(1000);
  t.is(wentOn.length, 1);
});

test('what is held anew while others go on waits for the next time', async (t) => {
  const { clock, store, pace, wentOn } = paced();
  store.writeDelayMs = 20;
  pace.turnEnded();
  const [first, second] = [new Coordination(1), new Coordination(2)];
  pace.hold(first);
  await clock.advance(20);
  pace.turnEnded();
  pace.hold(second);
  t.deepEqual(wentOn, [first]);
  await clock.advance(20);
  t.deepEqual(wentOn, [first, second]);
});

test('that the node is behind is said once, and its end without a turn', async (t) => {
  const { clock, store, changes, pace } = paced();
  [store.writeDelayMs, store.behind] = [1000, true];
  pace.turnEnded();
  pace.turnEnded();
  t.deepEqual(changes, [true]);
  await clock.advance(5000);
  t.deepEqual(changes, [true]);
  [store.writeDelayMs, store.behind] = [0, false];
  await clock.advance(100);
  t.deepEqual(changes, [true, false]);
  await clock.advance(5000);
  t.deepEqual(changes, [true, false]);
});

test('of many that were held a turn takes some, and the others go on after it, or wait with what is held anew', async (t) => {
  const { clock, store, pace, wentOn } = paced();
  store.writeDelayMs = 20;
  pace.turnEnded();
  for (let number = 0; number < 1200; number++) pace.hold(new Coordination(number));
  await clock.advance(20);
  t.is(wentOn.length, 500);
  await clock.advance(0);
  t.is(wentOn.length, 1000);
  pace.turnEnded();
  await clock.advance(0);
  t.is(wentOn.length, 1000);
  store.writeDelayMs = 0;
  await clock.advance(20);
  t.deepEqual(wentOn.map(({ partition }) => partition), Array.from({ length: 1200 }, (_, i) => i)); // prettier-ignore
});
