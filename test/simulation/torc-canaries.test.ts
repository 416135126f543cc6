/**
 * Bugs planted in the cluster under test: the histories have to catch each of them, or they prove nothing. TORC_SEEDS=n gives them n seeds to be
 * caught in, 200 by default. `firstSeed` saves the seeds that are known not to catch it.
 */
import test from 'ava';
import { canaries } from './canaries.js';
import { runSeed, seeds } from './torc-run.js';

for (const [name, settings] of Object.entries(canaries)) {
  test(`caught: ${name}`, async (t) => {
    t.timeout(3_600_000);
    for (const seed of seeds(200)) {
      if (seed < (settings.firstSeed ?? 1)) continue;
      const { fault } = await runSeed(seed, settings);
      if (fault === undefined) continue;
      t.log(`seed ${seed}: ${fault.slice(0, 200)}`);
      return t.pass();
    }
    t.fail('not caught');
  });
}
