/**
 * A rolling restart, as an orchestrator does it: each of three nodes is stopped by SIGTERM and started again, the next one once /readyz says so, under
 * a checked load on all three. A client that reconnects meets no error reply, and nothing is lost. TORC_FULL=1 does it at full size.
 */
import test from 'ava';
import { httpPortOf, probed } from '../harness/http-probe.js';
import { startLoad } from '../harness/load-client.js';
import { startCluster } from '../harness/processes.js';
import { assertSound, errorCount, figures, stoppedAtEnd } from './judging.js';
import { sized } from './run-size.js';

const share = sized(1_000, 150_000);
const perSecond = sized(2_000, Infinity);

test('a rolling restart by SIGTERM under load', async (t) => {
  t.timeout(600_000);
  const cluster = await startCluster();
  stoppedAtEnd(t, cluster);
  for (const port of cluster.ports) await probed(httpPortOf(port), '/readyz', ({ status }) => status === 200);
  const load = startLoad({ ports: cluster.ports, operations: Infinity, giveUpMs: 10_000, pipeline: 8, perSecond });
  const steps: string[] = [];
  for (const leaver of [0, 1, 2]) {
    await load.reached(load.operations + share);
    const begun = performance.now();
    t.is(await cluster.server(leaver).stop(), 'exit code 0');
    const stoppedMs = Math.round(performance.now() - begun);
    await load.reached(load.operations + share);
    await cluster.restart(leaver);
    await probed(httpPortOf(cluster.ports[leaver] ?? 0), '/readyz', ({ status }) => status === 200);
    steps.push(`${stoppedMs} ms`);
  }
  await load.reached(load.operations + share);
  await load.stop();
  for (const port of cluster.ports) await load.verify(port);
  const report = load.report();
  t.log(`${figures(report)}; stopped after ${steps.join(', ')}`);
  assertSound(t, report);
  t.is(errorCount(report), 0);
  t.true(report.reconnects >= 8, 'the connections to each node broke, and were made anew');
});
