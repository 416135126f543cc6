/** Places by chance: different ones, each as likely as any other, whether few of all are drawn or many. */
import test from 'ava';
import { differentPlaces } from '../../../server/commands/random-elements.js';
import { seededRandom } from '../../storage/log-fixtures.js';
import { MemoryExecution } from './memory-execution.js';

class Seeded extends MemoryExecution {
  private readonly chance = seededRandom(1);

  override random(below: number): number {
    return this.chance.integer(below);
  }
}

const size = 64;
const runs = 20_000;

for (const [count, what] of [
  [3, 'few'],
  [7, 'the most that are few'],
  [8, 'the fewest that are many'],
  [40, 'many'],
  [63, 'all but one'],
] as const)
  test(`${what} of ${size}`, (t) => {
    const execution = new Seeded(0);
    const drawn = Array.from({ length: size }, () => 0);
    for (let run = 0; run < runs; run++) {
      const places = differentPlaces(execution, size, count);
      if (places.length !== count || new Set(places).size !== count) return t.fail(`${places.join()} are not ${count} different ones`);
      for (const place of places) drawn[place] = (drawn[place] ?? NaN) + 1;
    }
    const share = count / size;
    const deviation = Math.sqrt(runs * share * (1 - share));
    for (const [place, times] of drawn.entries())
      t.true(Math.abs(times - runs * share) < 5 * deviation, `${place} was drawn ${times} times`);
  });

test('all, or more than there are, are all', (t) => {
  const all = Array.from({ length: 9 }, (_, at) => at);
  for (const count of [9, 10, 2 ** 63]) t.deepEqual(differentPlaces(new Seeded(0), 9, count), all);
  t.deepEqual(differentPlaces(new Seeded(0), 0, 5), []);
  t.deepEqual(differentPlaces(new Seeded(0), 9, 0), []);
});
