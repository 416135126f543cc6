/** Which ranges are in memory: against a model that has every element by itself. */
import test from 'ava';
import { LoadedRanges } from '../../storage/loaded-ranges.js';
import { seededRandom } from './log-fixtures.js';

test('has what was read, and nothing that left since', (t) => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed);
    const ranges = new LoadedRanges();
    const read = new Set<number>();
    for (let step = 0; step < 30; step++) {
      const [a, b] = [random.integer(40), random.integer(40)];
      if (random.integer(4) > 0) {
        ranges.add(Buffer.of(a), Buffer.of(b));
        for (let i = a; i < b; i++) read.add(i);
      } else {
        ranges.cutBehind(Buffer.of(a));
        read.delete(a);
      }
      for (let i = 0; i < 40; i++) {
        const has = ranges.has(Buffer.of(i));
        t.false(has && !read.has(i), `seed ${seed}: ${i} is not in memory`);
        const end = ranges.endFrom(Buffer.of(i));
        for (let j = i; end !== undefined && j < (end[0] ?? 0); j++) t.true(read.has(j));
        const beginning = ranges.beginningBefore(Buffer.of(i));
        for (let j = beginning[0] ?? 0; j < i; j++) t.true(beginning.length > 1 || read.has(j));
      }
    }
    ranges.addAll();
    t.true(ranges.has(Buffer.of(200)));
    ranges.clear();
    t.is(ranges.size, 0);
  }
});

test('the end of a range stays when an element in it leaves', (t) => {
  const ranges = new LoadedRanges();
  ranges.add(Buffer.of(1), Buffer.of(9));
  ranges.cutBehind(Buffer.of(4));
  t.false(ranges.has(Buffer.of(3)));
  t.false(ranges.has(Buffer.of(4)));
  t.true(ranges.has(Buffer.of(5)));
  t.true(ranges.has(Buffer.of(4, 0)));
});

test('what is before the first element that left stays, too', (t) => {
  const ranges = new LoadedRanges();
  ranges.addAll();
  for (const element of [5, 3, 7, 4]) ranges.cutBehind(Buffer.of(element));
  t.deepEqual(ranges.endFrom(Buffer.alloc(0)), Buffer.of(3));
  t.deepEqual(ranges.beginningBefore(Buffer.of(0xff)), Buffer.of(7, 0));
  for (const element of [3, 4, 5, 7]) t.false(ranges.has(Buffer.of(element)));
});

test('a range does not fall apart into many, whichever of its elements leave', (t) => {
  for (const next of [(i: number) => i, (i: number) => 249 - i, (i: number) => (i * 89) % 250]) {
    const ranges = new LoadedRanges();
    ranges.addAll();
    ranges.cutBehind(Buffer.of(125));
    ranges.add(Buffer.of(100), Buffer.of(150));
    for (let i = 0; i < 250; i++) {
      ranges.cutBehind(Buffer.of(next(i)));
      t.true(ranges.size <= 3);
    }
    t.true(ranges.has(Buffer.of(250)), 'the end stays');
  }
});

test('of very many ranges what was read longest ago is forgotten, wherever it stands, and never what was read just now', (t) => {
  const place = (i: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(i);
    return bytes;
  };
  const ranges = new LoadedRanges();
  for (let i = 0; i < 3000; i++) {
    // From the last to the first, and from the first to the last.
    const at = i % 2 === 0 ? 10_000 - 3 * i : 20_000 + 3 * i;
    ranges.add(place(at), place(at + 1));
    t.true(ranges.has(place(at)));
    t.false(ranges.has(place(at + 1)));
    if (i >= 500) t.true(ranges.has(place((i - 500) % 2 === 0 ? 10_000 - 3 * (i - 500) : 20_000 + 3 * (i - 500))));
  }
  t.is(ranges.size, 1024);
});
