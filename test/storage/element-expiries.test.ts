import test from 'ava';
import fc from '../harness/properties.js';
import { cpuMsOf } from '../harness/cpu-time.js';
import { ElementExpiries } from '../../storage/element-expiries.js';

const inOrder = (x: number, y: number): number => x - y;
const sameNumbers = (x: readonly number[], y: readonly number[]): boolean => x.toSorted(inOrder).join() === y.toSorted(inOrder).join();

const change = fc.record({
  entry: fc.integer({ min: 0, max: 30 }),
  instant: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 })),
  /** How much later the next question comes; most often none is asked. A clock that goes back is not trusted never to do so. */
  laterMs: fc.oneof(fc.constant(undefined), fc.constant(undefined), fc.integer({ min: -3, max: 8 })),
});

test('the soonest, how many have expired and which, are those of a plain map, whenever somebody asks', (t) => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), fc.integer({ min: 1, max: 8 }), (changes, most) => {
      const expiries = new ElementExpiries();
      const model = new Map<number, number>();
      let now = 0;
      for (const { entry, instant, laterMs } of changes) {
        expiries.set(entry, instant);
        if (instant === 0) model.delete(entry);
        else model.set(entry, instant);
        const soonest = Math.min(...model.values());
        if (expiries.soonestMs !== (model.size === 0 ? 0 : soonest)) throw new Error(`soonest ${expiries.soonestMs}, not ${soonest}`);
        if (expiries.size !== model.size || expiries.byteSize !== 64 * model.size) throw new Error('size');
        if (laterMs === undefined) continue;
        now += laterMs;
        const expected = [...model].filter(([, each]) => each <= now).map(([each]) => each);
        if (expiries.countDue(now) !== expected.length) throw new Error('counts');
        const some = expiries.due(now, most);
        if (some.length !== Math.min(most, expected.length) || new Set(some).size !== some.length)
          throw new Error(`${some.length} of them`);
        if (some.some((each) => !expected.includes(each))) throw new Error('not due');
        if (!sameNumbers(expiries.due(now, Infinity), expected)) throw new Error('not all that are due');
      }
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('what has expired is found without looking at the rest', (t) => {
  const expiries = new ElementExpiries();
  for (let entry = 0; entry < 100_000; entry++) expiries.set(entry, 1000 + ((entry * 7919) % 100_000));
  t.is(expiries.countDue(999), 0);
  t.is(expiries.countDue(1009), 10);
  t.is(expiries.due(1_000_000, 5).length, 5);
});

test('what has expired and was not swept is not counted one by one each time', (t) => {
  const expiries = new ElementExpiries();
  for (let entry = 0; entry < 100_000; entry++) expiries.set(entry, 1000 + (entry % 7));
  const ms = cpuMsOf(() => {
    for (let asked = 0; asked < 5000; asked++) if (expiries.countDue(2000 + asked) !== 100_000) throw new Error('counts');
  });
  t.true(ms < 600, `${ms} ms`);
});
