/** The order of SCAN: the same in a large partition as in a small one, at every step, while keys come and go. */
import test from 'ava';
import fc from '../harness/properties.js';
import { KeyOrder, positionEnd, scanHash, sliceOf } from '../../storage/key-order.js';

/** Entry n is the key {tag}n. */
const hashOf = (entry: number): number => scanHash(Buffer.from(`{tag}${entry}`));
const table = { slotOf: (): number => 7, scanHashOf: hashOf };
const entriesTo = (count: number): number[] => Array.from({ length: count }, (_, entry) => entry);
const byHash = (entries: readonly number[]): number[] => entries.toSorted((a, b) => hashOf(a) - hashOf(b));

/** All slices from `position` on. */
function* slices(slice: (position: number) => { readonly keys: readonly number[]; readonly next: number | undefined }, position = 0) {
  let from = position;
  for (;;) {
    const { keys, next } = slice(from);
    yield { keys, next };
    if (next === undefined) return;
    if (next <= from) throw new Error('a slice leads nowhere');
    from = next;
  }
}

test('the hash is what it was: it is part of cursors that clients hold', (t) => {
  const hashes = ['', 'a', 'foo', '{tag}1'].map((key) => scanHash(Buffer.from(key)));
  t.deepEqual(hashes, [2872998923, 444641715, 1834638500, 1949224580]);
  t.is(scanHash(Buffer.from('xfoox'), 1, 3), hashes[2]!);
});

test('a tree and a list give the same keys from every position, and each key once', (t) => {
  const count = fc.integer({ min: 0, max: 1500 });
  fc.assert(
    fc.property(count, fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: positionEnd - 1 }), (size, limit, from) => {
      const entries = entriesTo(size);
      const order = new KeyOrder(table, entries.values());
      t.true(order.fill(size + 1));
      for (const slice of [
        (position: number) => order.slice(7, position, limit),
        (position: number) => sliceOf(entries, hashOf, position, limit),
      ]) {
        const found: number[] = [];
        for (const { keys, next } of slices(slice, from)) {
          if (next !== undefined) t.true(keys.length >= limit && keys.length < limit + 65 && keys.every((entry) => hashOf(entry) < next));
          found.push(...keys);
        }
        t.deepEqual(byHash(found), byHash(entries.filter((entry) => hashOf(entry) >= from)));
      }
    }),
    { numRuns: 30 },
  );
});

test('what comes while it is filled and what goes afterwards is seen to', (t) => {
  const entries = new Set(entriesTo(5000));
  const order = new KeyOrder(table, [...entries].values());
  let added = 5000;
  while (!order.fill(100)) {
    order.add(added);
    entries.add(added++);
  }
  for (let gone = 0; gone < 2000; gone += 3) {
    entries.delete(gone);
    order.remove(gone);
    order.add(added);
    entries.add(added++);
  }
  const { keys, next } = order.slice(7, 0, Infinity);
  t.is(next, undefined);
  t.deepEqual(byHash(keys), byHash([...entries]));
  t.deepEqual(order.slice(8, 0, 10), { keys: [], next: undefined });
});

test('a cursor of a small partition goes on in a large one, and back', (t) => {
  const entries = entriesTo(2000);
  const order = new KeyOrder(table, entries.values());
  order.fill(Infinity);
  let calls = 0;
  const turns = (position: number) => (calls++ % 2 === 0 ? order.slice(7, position, 13) : sliceOf(entries, hashOf, position, 13));
  const found = [...slices(turns)].flatMap(({ keys }) => keys);
  t.deepEqual(byHash(found), byHash(entries));
  t.true(calls > 30);
});

test('200,000 keys in one slot are taken a few at a time', (t) => {
  const order = new KeyOrder(table, entriesTo(200_000).values());
  let fills = 1;
  while (!order.fill(16_384)) fills++;
  t.is(fills, 13);
  let found = 0;
  for (const { keys } of slices((position) => order.slice(7, position, 1000))) {
    t.true(keys.length < 1000 + 65);
    found += keys.length;
  }
  t.is(found, 200_000);
});
