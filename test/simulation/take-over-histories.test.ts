/**
 * Take-overs that duel, on the real coordinator: clients append unique elements at every node, each of which runs what it is asked as if it could
 * see no other, while nodes sleep, streams break, directions are blocked and clocks differ by an hour. No acknowledged append is missing
 * from any later read under R=2, nor from the final value. TORC_SEEDS and TORC_SEED as in torc-cluster.test.ts.
 */
import test from 'ava';
import { report, runSeed, seeds, type RunSettings } from './torc-run.js';

const duels: RunSettings = {
  kinds: ['pause', 'break', 'block', 'isolate', 'slow-link', 'kill'],
  clients: { workloads: ['list'], keysPerWorkload: 2, hereChance: 0.7, thinkMs: 25 },
  loadMs: 6000,
  reopens: false,
};

test('appends under duelling take-overs', async (t) => {
  t.timeout(3_600_000);
  let acknowledged = 0;
  let takeOvers = 0;
  let failures = 0;
  for (const seed of seeds(6)) {
    const result = await runSeed(seed, duels);
    acknowledged += result.acknowledged;
    for (const name of result.cluster.nodes) takeOvers += result.cluster.running(name)?.node.takeOver.finished ?? 0;
    if (result.fault === undefined) continue;
    t.fail(`seed ${seed}: ${report(result)}`);
    if (++failures >= 3) break;
  }
  t.log(`${acknowledged} commands acknowledged, ${takeOvers} take-overs`);
  t.true(takeOvers > 10);
});
