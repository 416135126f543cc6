/** Where the elements stand that memory lacks: against a model that has every element by itself. */
import test from 'ava';
import { ElsewhereBounds } from '../../storage/elsewhere-bounds.js';
import { seededRandom } from './log-fixtures.js';

const places = 40;

test('no element that memory lacks stands outside the bounds, and there are none where it lacks none', (t) => {
  for (let seed = 1; seed <= 500; seed++) {
    const random = seededRandom(seed);
    const bounds = new ElsewhereBounds();
    const elsewhere = new Set<number>();
    if (seed % 2 === 0) {
      bounds.all();
      for (let i = 0; i < places; i++) if (random.integer(2) === 0) elsewhere.add(i);
    }
    for (let step = 0; step < 30; step++) {
      const [a, b] = [random.integer(places), random.integer(places)];
      if (random.integer(2) === 0) {
        bounds.left(Buffer.of(a));
        elsewhere.add(a);
      } else if (a < b) {
        bounds.read(Buffer.of(a), Buffer.of(b));
        for (let i = a; i < b; i++) elsewhere.delete(i);
      }
      for (const i of elsewhere) {
        const isWithin = Buffer.compare(Buffer.of(i), bounds.from) >= 0 && Buffer.compare(Buffer.of(i), bounds.to) < 0;
        t.true(isWithin, `seed ${seed}: ${i} is outside`);
      }
    }
    bounds.read(Buffer.alloc(0), Buffer.of(0xff));
    t.true(Buffer.compare(bounds.from, Buffer.of(0xfe)) > 0);
    t.is(bounds.to.length, 0);
  }
});

test('what was read at an end is behind it', (t) => {
  const bounds = new ElsewhereBounds();
  bounds.all();
  bounds.read(Buffer.alloc(0), Buffer.of(5));
  bounds.read(Buffer.of(9), Buffer.of(0xff));
  bounds.read(Buffer.of(6), Buffer.of(7));
  t.deepEqual([bounds.from, bounds.to], [Buffer.of(5), Buffer.of(9)]);
  bounds.left(Buffer.of(3));
  t.deepEqual([bounds.from, bounds.to], [Buffer.of(3), Buffer.of(9)]);
});
