import test from 'ava';
import { distinctIds, IdMap } from '../../../server/streams/id-map.js';
import { idMax, idOf } from '../../../server/streams/stream-id.js';

test('a Map by id, in the order of the first time', (t) => {
  const map = new IdMap<string>();
  for (const [id, value] of [
    [idOf(2n, 0n), 'two'],
    [idMax, 'last'],
    [0n, 'zero'],
    [idOf(2n, 0n), 'again'],
  ] as const)
    map.set(id, value);
  t.deepEqual(
    [...map],
    [
      [idOf(2n, 0n), 'again'],
      [idMax, 'last'],
      [0n, 'zero'],
    ],
  );
  t.is(map.get(idMax), 'last');
  t.true(map.has(0n));
  t.false(map.has(2n));
  t.true(map.delete(0n));
  t.false(map.delete(0n));
  t.is(map.size, 2);
});

test('each id once', (t) => {
  t.deepEqual(distinctIds([5n, idMax, 5n, 0n, idMax]), [5n, idMax, 0n]);
});

test('ids ms-0 cost no more than others, however many there are', (t) => {
  const count = 100_000;
  const beganMs = performance.now();
  t.is(distinctIds(Array.from({ length: count }, (_, i) => idOf(BigInt(i), 0n))).length, count);
  t.true(performance.now() - beganMs < 10_000, 'a Map of bigints takes minutes');
});
