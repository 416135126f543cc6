/**
 * Whole clusters under faults, a seed each: registers, counters and lists are checked, and that all replicas end up the same.
 * TORC_SEEDS=n runs seeds 1 to n instead of the usual number; TORC_SEED=s runs that one alone.
 */
import test from 'ava';
import { runOne } from './seed-run.js';
import { report, runSeed, seeds } from './torc-run.js';

test('histories under faults', async (t) => {
  t.timeout(3_600_000);
  let acknowledged = 0;
  let unclear = 0;
  let failures = 0;
  for (const seed of seeds(2)) {
    const result = await runSeed(seed);
    acknowledged += result.acknowledged;
    unclear += result.refused + result.unknown;
    if (result.fault === undefined) continue;
    t.fail(`seed ${seed}: ${report(result)}`);
    if (++failures >= 3) break;
  }
  t.log(`${acknowledged} commands acknowledged, ${unclear} refused or of unknown outcome`);
  t.true(acknowledged > unclear);
});

test('histories of sets, hashes and sorted sets under faults', async (t) => {
  t.timeout(3_600_000);
  let acknowledged = 0;
  let failures = 0;
  for (const seed of seeds(2)) {
    const result = await runSeed(seed, { clients: { workloads: ['set', 'field', 'tally', 'score', 'brief'] } });
    acknowledged += result.acknowledged;
    if (result.fault === undefined) continue;
    t.fail(`seed ${seed}: ${report(result)}`);
    if (++failures >= 3) break;
  }
  t.true(acknowledged > 500, `${acknowledged} commands acknowledged`);
});

test('the same seed of a swarm gives the same trace twice', async (t) => {
  for (const seed of [7, 11]) {
    const [first, again] = [await runOne(seed), await runOne(seed)];
    t.is(first.fault, undefined);
    t.deepEqual(first, again, `seed ${seed}`);
  }
});

test('the same seed gives the same trace twice', async (t) => {
  for (const seed of seeds(1)) t.is((await runSeed(seed)).hash, (await runSeed(seed)).hash, `seed ${seed}`);
});
