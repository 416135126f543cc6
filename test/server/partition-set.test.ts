import test from 'ava';
import { PartitionSet } from '../../server/partition-set.js';
import fc from '../harness/properties.js';

test('a set of partitions is the numbers that were added, rising, also beyond how many there are said to be', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(16_383)), fc.nat(16_384), (added, partitions) => {
      const set = new PartitionSet(() => partitions);
      for (const partition of added) set.add(partition);
      t.deepEqual(
        set.numbers(),
        [...new Set(added)].sort((a, b) => a - b),
      );
      set.clear();
      t.deepEqual(set.numbers(), []);
    }),
  );
});
