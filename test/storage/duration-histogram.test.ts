import test from 'ava';
import fc from '../harness/properties.js';
import { DurationHistogram } from '../../storage/duration-histogram.js';

const bounds = [...DurationHistogram.boundsSeconds, Infinity];

test('each duration is counted in the first bucket that may hold it, and summed', (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.double({ min: 0, max: 1e5, noNaN: true }), fc.nat(40_000)), { maxLength: 50 }), (durationsMs) => {
      const histogram = new DurationHistogram();
      const expected = bounds.map(() => 0);
      for (const ms of durationsMs) {
        histogram.record(ms);
        // Whole microseconds, upwards: a bound belongs to the bucket below it.
        const bucket = bounds.findIndex((bound) => Math.ceil(ms * 1000) <= bound * 1e6);
        expected[bucket] = (expected[bucket] ?? 0) + 1;
      }
      t.deepEqual([...histogram.counts], expected);
      const sum = durationsMs.reduce((all, ms) => all + ms / 1000, 0);
      t.true(Math.abs(histogram.seconds - sum) <= sum * 1e-9);
    }),
  );
});

test('several at once, and none below zero', (t) => {
  const histogram = new DurationHistogram();
  histogram.record(1, 5);
  histogram.record(-3);
  t.is(histogram.seconds, 0.005);
  t.is(histogram.counts[0], 1);
  t.is(histogram.counts[10], 5, 'at most 1024 us');
});
