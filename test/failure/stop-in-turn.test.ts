/**
 * Each of three nodes is stopped cleanly and restarted in turn under a checked load through another: it hands over what it coordinates before it
 * goes, so the load meets no error at all.
 */
import test from 'ava';
import { startLoad } from '../harness/load-client.js';
import { startCluster } from '../harness/processes.js';
import { assertSound, errorCount, figures, stoppedAtEnd } from './judging.js';
import { sized } from './run-size.js';

const operations = sized(7_000, 300_000);
const perSecond = sized(2_000, Infinity);

test('each node stopped in turn under load', async (t) => {
  t.timeout(600_000);
  const cluster = await startCluster();
  stoppedAtEnd(t, cluster);
  for (const leaver of [0, 1, 2]) {
    const load = startLoad({ ports: [cluster.ports[(leaver + 1) % 3] ?? 0], operations, perSecond, seed: leaver + 1, giveUpMs: 10_000 });
    await load.reached(operations * 0.3);
    const stopping = performance.now();
    await cluster.server(leaver).stop();
    const stoppedMs = Math.round(performance.now() - stopping);
    await load.reached(operations * 0.8);
    await cluster.restart(leaver);
    await load.done;
    await load.verify(cluster.ports[(leaver + 2) % 3] ?? 0);
    const report = load.report();
    t.log(`node ${leaver + 1}: ${figures(report)}; stopped after ${stoppedMs} ms`);
    assertSound(t, report);
    t.is(errorCount(report), 0);
    t.is(report.reconnects, 0);
  }
});
