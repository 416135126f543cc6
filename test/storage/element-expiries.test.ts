import test from 'ava';
import fc from '../harness/properties.js';
import { ElementExpiries } from '../../storage/element-expiries.js';

const inOrder = (x: number, y: number): number => x - y;
const sameNumbers = (x: readonly number[], y: readonly number[]): boolean => x.toSorted(inOrder).join() === y.toSorted(inOrder).join();

const change = fc.tuple(fc.integer({ min: 0, max: 30 }), fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 })));

test('the soonest, how many have expired and which, are those of a plain map', (t) => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 200 }),
      fc.integer({ min: 0, max: 45 }),
      fc.integer({ min: 1, max: 8 }),
      (changes, now, most) => {
        const expiries = new ElementExpiries();
        const model = new Map<number, number>();
        for (const [entry, instant] of changes) {
          expiries.set(entry, instant);
          if (instant === 0) model.delete(entry);
          else model.set(entry, instant);
          const soonest = Math.min(...model.values());
          if (expiries.soonestMs !== (model.size === 0 ? 0 : soonest)) throw new Error(`soonest ${expiries.soonestMs}, not ${soonest}`);
        }
        const expected = [...model].filter(([, instant]) => instant <= now).map(([entry]) => entry);
        const some = expiries.due(now, most);
        if (expiries.size !== model.size || expiries.countDue(now) !== expected.length) throw new Error('counts');
        if (some.length !== Math.min(most, expected.length) || new Set(some).size !== some.length)
          throw new Error(`${some.length} of them`);
        if (some.some((entry) => !expected.includes(entry))) throw new Error('not due');
        if (!sameNumbers(expiries.due(now, Infinity), expected)) throw new Error('not all that are due');
      },
    ),
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
