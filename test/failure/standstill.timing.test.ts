/**
 * A node that stands still (SIGSTOP) loses its partitions to others without knowing it, and must not speak from its old state when it
 * goes on; a node that was stopped cleanly fetches what it missed.
 */
import test from 'ava';
import { opKind } from '../harness/load-ledger.js';
import { startLoad } from '../harness/load-client.js';
import { startCluster } from '../harness/processes.js';
import { assertSound, caughtUp, errorCount, figures, keysOf, stoppedAtEnd } from './judging.js';
import { RespConnection } from './resp-connection.js';
import { sized } from './run-size.js';

/** Longer than the second after which a node knows that it stood still, and than the peers' patience. */
const pauseMs = 4_000;
/** `peer-timeout` and a second: by then the others have gone on without it. */
const gapMsMax = 3_000;

test.serial('each coordinator stands still for 4 s under write load', async (t) => {
  t.timeout(120_000);
  const cluster = await startCluster();
  stoppedAtEnd(t, cluster);
  for (let round = 0; round < sized(1, 6); round++) {
    const [sleeper, other] = [round % 3, (round + 1) % 3];
    const sleeping = await RespConnection.open(cluster.server(sleeper).port);
    const operations = Number.MAX_SAFE_INTEGER;
    const load = startLoad({ ports: [cluster.server(other).port], operations, getPercent: 20, setPercent: 50, seed: round + 1 });
    const { ledger } = load;
    await load.reached(3_000);
    cluster.pause(sleeper);
    const before = load.operations;
    await new Promise((resolve) => setTimeout(resolve, pauseMs)); // the pause itself
    const between = load.operations - before;
    // Asked while it still stands still: it wakes with these before it, and with whatever its peers sent since.
    const judged = Array.from({ length: ledger.registers }, async (_, register) => {
      const floor = ledger.sent(opKind.get, register);
      const { kind, text } = await sleeping.ask('GET', ledger.registerKey(register));
      if (kind === 'error') ledger.failed(opKind.get, register, floor, text);
      else ledger.getReplied(register, floor, kind === 'null' ? undefined : text);
    });
    cluster.resume(sleeper);
    await Promise.all(judged);
    await load.reached(load.operations + 3_000);
    await load.stop();
    for (const port of cluster.ports) await load.verify(port);
    const report = load.report();
    t.log(`node ${sleeper + 1}: ${between} operations in the pause, ${errorCount(report)} errors; ${figures(report)}`);
    assertSound(t, report);
    t.true(between > 0);
    t.true(report.longestGapMs < gapMsMax, `longest gap ${report.longestGapMs} ms`);
    sleeping.close();
  }
});

test.serial('a node that was stopped cleanly has all it missed within 5 s', async (t) => {
  t.timeout(120_000);
  const cluster = await startCluster();
  stoppedAtEnd(t, cluster);
  const [absent, other] = [2, 0];
  const load = startLoad({ ports: [cluster.server(other).port], operations: 6_000, getPercent: 0, setPercent: 70 });
  await load.reached(2_000);
  t.is(await cluster.server(absent).stop(), 'exit code 0');
  await load.done;
  const connection = await RespConnection.open(cluster.server(other).port);
  const missed = Array.from({ length: 1_000 }, (_, index) => `missed:${index}`);
  const replies = await connection.all(missed.map((key, index) => ['SET', key, `value ${index}`]));
  t.true(replies.every(({ text }) => text === 'OK'));
  connection.close();
  await cluster.restart(absent);
  const tookMs = await caughtUp(cluster.server(absent).port, cluster.server(other).port, [...missed, ...keysOf(load)], 5_000);
  t.log(`has everything ${Math.round(tookMs)} ms after it was ready`);
  for (const port of cluster.ports) await load.verify(port);
  assertSound(t, load.report());
  const alone = await RespConnection.alone(cluster.server(absent).port);
  t.deepEqual(
    await alone.values(missed),
    missed.map((_, index) => `value ${index}`),
  );
  alone.close();
});
