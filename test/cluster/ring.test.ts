import test from 'ava';
import fc from '../harness/properties.js';
import {
  buildRing,
  firstAtOrAfter,
  partitionOfSlot,
  partitionPosition,
  slotCount,
  slotsOfPartition,
  virtualNodeCount,
  virtualNodePosition,
} from '../../cluster/ring.js';

// From coreutils: printf 'node-1\0\0\0\0\0' | sha256sum, and so on; the first 32 hex digits.
test('positions are the first 128 bits of SHA-256 of the published bytes', (t) => {
  t.is(virtualNodePosition('node-1', 0), 0x3d43e9d0322436942884bf3a04811021n);
  t.is(virtualNodePosition('node-1', 127), 0xba6a4503ed656234f8eb8f8297d63dbcn);
  t.is(virtualNodePosition('knöte', 5), 0x9716c81b090595057dd173292ffbd7f4n);
  t.is(partitionPosition(0), 0xdf3f619804a92fdb4057192dc43dd748n);
  t.is(partitionPosition(1023), 0xccc1c0ba35c3696d38fa6415ef6244c1n);
});

test('a ring holds 128 virtual nodes per member, sorted, and does not depend on the order of members', (t) => {
  const members = [{ nodeId: 'a' }, { nodeId: 'b' }, { nodeId: 'c', weight: 0.25 }];
  const ring = buildRing(members);
  t.is(ring.positions.length, 128 + 128 + 32);
  t.deepEqual(
    ring.positions,
    [...ring.positions].sort((x, y) => (x < y ? -1 : 1)),
  );
  t.true(ring.positions.every((position) => position >= 0n && position < 1n << 128n));
  const turned = buildRing(members.toReversed());
  t.deepEqual(turned.positions, ring.positions);
  t.deepEqual(
    turned.owners.map((owner) => 2 - owner),
    ring.owners,
  );
});

test('a weight is a fraction of 128 virtual nodes, and never none', (t) => {
  t.deepEqual([1, 0.5, 0.001].map(virtualNodeCount), [128, 64, 1]);
  for (const weight of [0, -1, 1.01, Number.NaN]) t.throws(() => virtualNodeCount(weight), { instanceOf: RangeError, message: /weight/ });
});

test('the walk begins at or after a position, and goes round the top', (t) => {
  const ring = { positions: [10n, 20n, 30n], owners: [0, 1, 2] };
  t.deepEqual(
    [0n, 10n, 11n, 20n, 30n, 31n].map((position) => firstAtOrAfter(ring, position)),
    [0, 0, 1, 1, 2, 0],
  );
});

test('partitions are runs of consecutive slots that cover all of them, whether or not their number divides 16384', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: slotCount }), (partitions) => {
      const short = Math.floor(slotCount / partitions);
      let next = 0;
      for (let partition = 0; partition < partitions; partition++) {
        const { firstSlot, lastSlot } = slotsOfPartition(partition, partitions);
        const length = lastSlot - firstSlot + 1;
        if (firstSlot !== next || length < short || length > short + 1) return false;
        if (partitionOfSlot(firstSlot, partitions) !== partition || partitionOfSlot(lastSlot, partitions) !== partition) return false;
        next = lastSlot + 1;
      }
      return next === slotCount;
    }),
    { numRuns: 60, examples: [[1], [2], [3], [1000], [1024], [16383], [16384]] },
  );
  t.deepEqual(slotsOfPartition(1, 1024), { firstSlot: 16, lastSlot: 31 });
});
