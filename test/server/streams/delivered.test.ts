/** The laws of what a group was given (server/streams/delivered.ts), whatever two coordinators gave it. */
import test from 'ava';
import fc from '../../harness/properties.js';
import { counterMax } from '../../../protocol/dot.js';
import {
  adoptedBy,
  areEqual,
  clockAt,
  deliveredUpTo,
  deliveredWithin,
  join,
  lastDelivered,
  nothing,
  openRanges,
  wasDelivered,
  type Delivered,
} from '../../../server/streams/delivered.js';
import { decodeCursor, encodeCursor } from '../../../server/streams/group-elements.js';
import { clocksEqual, coversClock } from '../../../storage/vector-clock.js';

const id = fc.integer({ min: 1, max: 12 }).map(BigInt);
const actor = fc.integer({ min: 1, max: 3 });
const counter = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constant(counterMax));
const clock = fc.array(fc.tuple(actor, counter), { maxLength: 3 }).map((dots) => new Map(dots));
const range = fc.tuple(fc.integer({ min: 0, max: 11 }).map(BigInt), id, clock);
const delivered = fc
  .array(range, { maxLength: 4 })
  .map((ranges) =>
    ranges.reduce<Delivered>((all, [after, to, each]) => (after < to ? join(all, deliveredWithin(after, to, each)) : all), nothing),
  );
const dot = fc.record({ actor, counter: fc.integer({ min: 1, max: 6 }) });

const runs = { numRuns: 2000 };

test('what two were given joins as sets do: commutative, associative, idempotent', (t) => {
  fc.assert(
    fc.property(delivered, delivered, delivered, (x, y, z) => {
      t.true(areEqual(join(x, y), join(y, x)));
      t.true(areEqual(join(join(x, y), z), join(x, join(y, z))));
      t.true(areEqual(join(x, x), x));
      t.true(areEqual(join(x, nothing), x));
    }),
    runs,
  );
});

test('an entry was delivered when either says so, and is never taken back', (t) => {
  fc.assert(
    fc.property(delivered, delivered, id, dot, (x, y, at, made) => {
      t.is(wasDelivered(join(x, y), at, made), wasDelivered(x, at, made) || wasDelivered(y, at, made));
      t.is(lastDelivered(join(x, y)) >= lastDelivered(x), true);
    }),
    runs,
  );
});

test('it is in one form only, which its bytes keep', (t) => {
  fc.assert(
    fc.property(delivered, (x) => {
      for (const [i, step] of x.entries()) {
        t.true(step.to > (x[i - 1]?.to ?? 0n));
        if (i > 0) t.false(clocksEqual(step.clock, x[i - 1]?.clock ?? new Map()));
      }
      t.not(x.at(-1)?.clock.size, 0);
      t.true(areEqual(decodeCursor(encodeCursor({ delivered: x, entriesRead: undefined })).delivered, x));
    }),
    runs,
  );
});

test('no entry that was not delivered is outside the ranges that are looked through', (t) => {
  fc.assert(
    fc.property(delivered, clock, id, dot, (x, top, at, made) => {
      const open = openRanges(x, top, 100n);
      const isLooked = open.some(({ after, to }) => after < at && at <= to);
      if (coversClock(top, new Map([[made.actor, made.counter]])) && !wasDelivered(x, at, made)) t.true(isLooked);
      for (const { after, to, clock: each } of open) if (after < at && at <= to) t.true(clocksEqual(each, clockAt(x, at)));
      if (at <= deliveredUpTo(x, top)) t.false(isLooked);
    }),
    runs,
  );
});

test('a coordinator vouches for what it adds from then on, where all that it added before was delivered, and for nothing else', (t) => {
  fc.assert(
    fc.property(delivered, actor, fc.integer({ min: 0, max: 6 }), id, id, dot, clock, (x, own, latest, lastId, at, made, written) => {
      const others = [...written].filter(([each]) => each !== own);
      const adopted = adoptedBy(x, own, latest, lastId);
      t.is(lastDelivered(adopted), lastDelivered(x));
      const step = x.find(({ to }) => at <= to);
      const all =
        made.actor === own &&
        step !== undefined &&
        step.to <= lastId &&
        (latest === 0 || wasDelivered(x, at, { actor: own, counter: latest }));
      t.is(wasDelivered(adopted, at, made), all || wasDelivered(x, at, made));
      // So up to where all was given needs nobody's word.
      const top = new Map(latest === 0 ? others : [...others, [own, latest]]);
      t.is(deliveredUpTo(adopted, top), deliveredUpTo(x, top));
    }),
    runs,
  );
});
