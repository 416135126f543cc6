/** The order of SCAN: the same in a large partition as in a small one, at every step, while keys come and go. */
import test from 'ava';
import fc from 'fast-check';
import { KeyOrder, positionEnd, scanHash, sliceOf, type OrderedKey } from '../../storage/key-order.js';

const keysOf = (count: number, slot = 7): OrderedKey[] => Array.from({ length: count }, (_, i) => ({ key: `{tag}${i}`, slot }));
const byHash = (keys: readonly string[]): string[] => keys.toSorted((a, b) => scanHash(a) - scanHash(b));

test('the hash is what it was: it is part of cursors that clients hold', (t) => {
  t.deepEqual(['', 'a', 'foo', '{tag}1'].map(scanHash), [2872998923, 444641715, 1834638500, 1949224580]);
});

test('a tree and a list give the same keys from every position, and each key once', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 3000 }),
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 0, max: positionEnd - 1 }),
      (count, limit, from) => {
        const entries = keysOf(count);
        const order = new KeyOrder(entries.values());
        t.true(order.fill(count + 1));
        const names = entries.map(({ key }) => key);
        for (const slice of [order.slice.bind(order, 7), sliceOf.bind(undefined, names)]) {
          const found: string[] = [];
          for (let position: number | undefined = from; position !== undefined;) {
            const { keys, next } = slice(position, limit);
            if (next !== undefined) {
              t.true(next > position);
              t.true(keys.length >= limit && keys.length < limit + 200);
              t.true(keys.every((key) => scanHash(key) < next));
            }
            found.push(...keys);
            position = next;
          }
          t.deepEqual(byHash(found), byHash(names.filter((key) => scanHash(key) >= from)));
        }
      },
    ),
    { numRuns: 30 },
  );
});

test('while it is filled keys come and go, and in the end it holds what there is', (t) => {
  const entries = new Map(keysOf(5000).map((entry) => [entry.key, entry]));
  const order = new KeyOrder(entries.values());
  let added = 0;
  const comeAndGo = (): void => {
    const born = { key: `{tag}new${added++}`, slot: 7 };
    entries.set(born.key, born);
    order.add(born);
    const gone = entries.get(`{tag}${added * 3}`);
    if (gone === undefined) return;
    entries.delete(gone.key);
    order.remove(gone);
  };
  while (!order.fill(100)) comeAndGo();
  for (let i = 0; i < 300; i++) comeAndGo();
  const { keys, next } = order.slice(7, 0, Infinity);
  t.is(next, undefined);
  t.true(added > 300);
  t.deepEqual(keys.toSorted(), [...entries.keys()].toSorted());
  t.deepEqual(order.slice(8, 0, 10), { keys: [], next: undefined });
});

test('a cursor of a small partition goes on in a large one, and back', (t) => {
  const entries = keysOf(2000);
  const order = new KeyOrder(entries.values());
  order.fill(Infinity);
  const names = entries.map(({ key }) => key);
  const found = new Set<string>();
  let calls = 0;
  for (let position: number | undefined = 0; position !== undefined; calls++) {
    const { keys, next }: { keys: readonly string[]; next: number | undefined } =
      calls % 2 === 0 ? order.slice(7, position, 13) : sliceOf(names, position, 13);
    for (const key of keys) found.add(key);
    position = next;
  }
  t.is(found.size, 2000);
  t.true(calls > 30);
});

test('200,000 keys in one slot are taken a few at a time', (t) => {
  const order = new KeyOrder(keysOf(200_000).values());
  let fills = 1;
  while (!order.fill(16_384)) fills++;
  t.is(fills, 13);
  let longest = 0;
  let found = 0;
  for (let position: number | undefined = 0; position !== undefined;) {
    const { keys, next }: { keys: readonly string[]; next: number | undefined } = order.slice(7, position, 1000);
    longest = Math.max(longest, keys.length);
    found += keys.length;
    position = next;
  }
  t.is(found, 200_000);
  t.true(longest < 1000 + 65);
});
