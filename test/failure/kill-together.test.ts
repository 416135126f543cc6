/**
 * kill -9 loses nothing that was acknowledged: a lone node in a loop of writes, again and again, under two durabilities; and all three nodes
 * of a cluster in the same instant. The load's ledger judges every reply across the kills, and every key at the end.
 */
import test from 'ava';
import { type Load, startLoad } from '../harness/load-client.js';
import { type ServerGroup, startCluster, startNode } from '../harness/processes.js';
import { assertSound, figures, stoppedAtEnd } from './judging.js';
import { sized } from './run-size.js';

/** Commands between one start and the next kill. */
const stretch = 2_000;

/** Kills all nodes of the group `kills` times, each time as soon as the load has gone on for a while. Returns the longest restart, ms. */
async function killAgainAndAgain(group: ServerGroup, load: Load, kills: number): Promise<number> {
  const all = group.ports.map((_, index) => index);
  let slowestMs = 0;
  for (let kill = 0; kill < kills; kill++) {
    await load.reached(load.operations + stretch);
    await Promise.all(all.map((index) => group.kill9(index)));
    const begin = performance.now();
    await Promise.all(all.map((index) => group.restart(index)));
    slowestMs = Math.max(slowestMs, performance.now() - begin);
  }
  await load.reached(load.operations + stretch);
  await load.stop();
  return slowestMs;
}

const writes = { operations: Number.MAX_SAFE_INTEGER, getPercent: 20, setPercent: 50, backoffMs: 2 };

for (const durability of ['everysec', 'always']) {
  test.serial(`a lone node killed while it writes, ${durability}`, async (t) => {
    t.timeout(300_000);
    const node = await startNode({ durability });
    stoppedAtEnd(t, node);
    const load = startLoad({ ports: node.ports, ...writes });
    const kills = sized(3, 20);
    const slowestMs = await killAgainAndAgain(node, load, kills);
    const report = await load.verify(node.port);
    t.log(`${kills} kills, ready again within ${Math.round(slowestMs)} ms: ${figures(report)}`);
    assertSound(t, report, ['LOADING']);
    t.true(report.reconnects >= kills);
  });
}

test.serial('all three nodes killed at once', async (t) => {
  t.timeout(300_000);
  const cluster = await startCluster();
  stoppedAtEnd(t, cluster);
  const load = startLoad({ ports: cluster.ports, ...writes });
  const kills = sized(2, 5);
  const slowestMs = await killAgainAndAgain(cluster, load, kills);
  for (const port of cluster.ports) await load.verify(port);
  const report = load.report();
  t.log(`${kills} kills of all, ready again within ${Math.round(slowestMs)} ms: ${figures(report)}`);
  assertSound(t, report, ['LOADING']);
});
