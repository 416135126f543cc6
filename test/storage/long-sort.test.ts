/** A sort in slices is the sort in one piece, and takes about as many steps a slice as it may. */
import fc from '../harness/properties.js';
import test from 'ava';
import { LongSort } from '../../storage/long-sort.js';

/** A number of a run counts for eight steps, and a run is begun while one is left. */
const runSteps = 256 * 8;

test('numbers in any order', (t) => {
  let slicesMost = 0;
  fc.assert(
    fc.property(fc.nat(3000), fc.integer(), fc.integer({ min: 1, max: 5000 }), (count, salt, budget) => {
      // A key for each number, some the same, and the number itself where they are.
      const keys = Int32Array.from({ length: count }, (_, at) => Math.imul(at + 1, salt | 1) >> (salt & 15));
      let compared = 0;
      const compare = (one: number, other: number): number => {
        compared++;
        return (keys[one] as number) - (keys[other] as number) || one - other;
      };
      const row = Int32Array.from({ length: count }, (_, at) => at);
      const expected = [...row].sort(compare);
      const sort = new LongSort(row, compare);
      let slices = 0;
      for (let isOver = sort.isSorted; !isOver; slices++) {
        compared = 0;
        isOver = sort.proceed(budget);
        t.true(compared <= budget + runSteps, `${compared} comparisons`);
      }
      slicesMost = Math.max(slicesMost, slices);
      t.deepEqual([...sort.take()], expected);
    }),
    { numRuns: 100 },
  );
  t.true(slicesMost > 50);
});
