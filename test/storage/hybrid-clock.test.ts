import test from 'ava';
import fc from '../harness/properties.js';
import { counterEpochMs, counterMax, counterMs, countersPerMs } from '../../protocol/dot.js';
import type { Clock, Timer } from '../../storage/clock.js';
import { HybridClock } from '../../storage/hybrid-clock.js';

/** Time that moves when it is told to. */
class ManualClock implements Clock {
  wall = counterEpochMs + 1_000_000;
  monotonic = 77.25;
  wallMs(): number {
    return this.wall;
  }
  monotonicMs(): number {
    return this.monotonic;
  }
  pass(ms: number): void {
    this.monotonic += ms;
  }
  after(): Timer {
    throw new Error('the hybrid clock starts no timers');
  }
  atTurnEnd(): void {
    throw new Error('the hybrid clock starts no timers');
  }
  nextTurn(): void {
    throw new Error('the hybrid clock starts no timers');
  }
}

const second = 1000 * countersPerMs;

function started(startAbove = 0): { time: ManualClock; hybrid: HybridClock } {
  const time = new ManualClock();
  const hybrid = new HybridClock(time, startAbove);
  hybrid.ceilingDurable(counterMax);
  return { time, hybrid };
}

test('it starts at the wall clock and runs on monotonic time, wherever the wall clock goes', (t) => {
  const { time, hybrid } = started();
  const start = time.wall;
  t.is(hybrid.nowMs(), start);
  t.is(counterMs(hybrid.next()), start);
  time.wall -= 60_000;
  time.pass(10);
  t.is(hybrid.nowMs(), start + 10);
  time.wall += 600_000;
  time.pass(1.5);
  t.is(counterMs(hybrid.next()), start + 11);
});

test('every counter is above all issued and all met', (t) => {
  const moves = fc.oneof(
    fc.record({ pass: fc.double({ min: 0, max: 5, noNaN: true }) }),
    fc.record({ raise: fc.integer({ min: -second, max: 10 * second }) }),
    fc.constant('next' as const),
  );
  fc.assert(
    fc.property(fc.array(moves, { maxLength: 60 }), (list) => {
      const { time, hybrid } = started();
      let highest = 0;
      let nowMs = 0;
      for (const move of list) {
        if (move === 'next') {
          const counter = hybrid.next();
          if (counter <= highest || !Number.isSafeInteger(counter)) return false;
          highest = counter;
        } else if ('pass' in move) {
          time.pass(move.pass);
        } else {
          const met = hybrid.currentCounter + move.raise;
          hybrid.raise(met);
          highest = Math.max(highest, met);
        }
        if (hybrid.nowMs() < nowMs || hybrid.currentCounter < highest) return false;
        nowMs = hybrid.nowMs();
      }
      return true;
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('more than 4096 counters in a millisecond run into the next', (t) => {
  const { time, hybrid } = started();
  const first = hybrid.next();
  for (let i = 1; i < countersPerMs; i++) hybrid.next();
  t.is(counterMs(hybrid.next()), counterMs(first) + 1);
  time.pass(5);
  t.is(counterMs(hybrid.next()), counterMs(first) + 5);
});

test('a clock that was raised runs on from there', (t) => {
  const { time, hybrid } = started();
  const met = hybrid.currentCounter + 30 * second + 17;
  hybrid.raise(met);
  t.is(hybrid.next(), met + 1);
  time.pass(1000);
  t.is(hybrid.nowMs(), counterMs(met) + 1000);
  t.is(hybrid.next(), (Math.floor(met / countersPerMs) + 1000) * countersPerMs);
});

test('it starts above what was found, though the wall clock be behind', (t) => {
  const found = (1_000_000 + 60_000) * countersPerMs + 5;
  const { time, hybrid } = started(found);
  t.is(hybrid.next(), found + 1);
  time.pass(100);
  t.is(hybrid.nowMs(), counterMs(found) + 100);
});

test('no counter leaves above the durable ceiling', (t) => {
  const time = new ManualClock();
  const hybrid = new HybridClock(time, 0);
  t.false(hybrid.canIssue());
  t.throws(() => hybrid.next(), { message: /above the durable ceiling/ });
  const ceiling = hybrid.needsCeiling();
  t.is(ceiling, hybrid.currentCounter + 10 * second);
  hybrid.ceilingDurable(ceiling!);
  t.is(hybrid.ceiling, ceiling!);
  t.is(hybrid.needsCeiling(), undefined);
  time.pass(5000);
  t.is(hybrid.needsCeiling(), undefined);
  time.pass(1);
  t.is(hybrid.needsCeiling(), ceiling! + 5 * second + countersPerMs);
  t.true(hybrid.canIssue());
  time.pass(4999);
  t.is(hybrid.next(), ceiling!);
  t.false(hybrid.canIssue());
  t.throws(() => hybrid.next(), { message: /above the durable ceiling/ });
});

test('a ceiling never comes down, and a new life above it is above all that was issued', (t) => {
  const time = new ManualClock();
  const hybrid = new HybridClock(time, 0);
  const ceiling = hybrid.needsCeiling()!;
  hybrid.ceilingDurable(ceiling);
  hybrid.ceilingDurable(ceiling - 1);
  t.is(hybrid.ceiling, ceiling);
  const issued = hybrid.next();
  time.wall -= 3_600_000;
  const reborn = new HybridClock(time, ceiling);
  reborn.ceilingDurable(reborn.needsCeiling()!);
  t.true(reborn.next() > issued);
});

test('what is no counter is refused', (t) => {
  const { hybrid } = started();
  for (const counter of [-1, NaN, 2 ** 53]) t.throws(() => hybrid.raise(counter), { instanceOf: RangeError });
});
