/**
 * What real processes take one for that stands still (SIGSTOP): suspected by phi, down when that has lasted `suspicion-timeout`, up as soon as it goes on
 * (SIGCONT); and that the directives of it all can be changed while they run.
 */
import test from 'ava';
import { startCluster } from '../harness/processes.js';
import { stoppedAtEnd } from './judging.js';
import { RespConnection } from './resp-connection.js';

/** Between two looks. */
const lookMs = 20;

/** The fields of INFO's line on the node; throws when there is none. */
async function healthOf(connection: RespConnection, name: string): Promise<Map<string, string>> {
  const { text } = await connection.ask('INFO', 'torc');
  const line = text.split('\r\n').find((one) => one.includes(`name=${name},`)) ?? '';
  if (line === '') throw new Error(`nothing is said of ${name}: ${text}`);
  return new Map(
    line
      .slice(line.indexOf(':') + 1)
      .split(',')
      .map((field) => field.split('=') as [string, string]),
  );
}

/** Looks until the status is `status`; ms from `beginMs`, by default since the look began. */
async function until(
  connection: RespConnection,
  name: string,
  status: string,
  withinMs: number,
  beginMs = performance.now(),
): Promise<number> {
  for (;;) {
    const health = await healthOf(connection, name);
    const elapsedMs = performance.now() - beginMs;
    if (health.get('status') === status) return elapsedMs;
    if (elapsedMs > withinMs) throw new Error(`after ${Math.round(elapsedMs)} ms not ${status} but ${JSON.stringify([...health])}`);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

test.serial('a process that stands still is suspected by phi, down 5 s later, and up again when it goes on', async (t) => {
  t.timeout(60_000);
  const cluster = await startCluster();
  stoppedAtEnd(t, cluster);
  const sleeper = 2;
  const name = 'node3';
  const [first, second] = [await RespConnection.open(cluster.server(0).port), await RespConnection.open(cluster.server(1).port)];
  for (const connection of [first, second]) for (const other of ['node1', 'node2', name]) await until(connection, other, 'up', 10_000);
  const incarnation = Number((await healthOf(first, name)).get('incarnation'));

  cluster.pause(sleeper);
  const pausedMs = performance.now();
  const suspectedMs = await until(first, name, 'suspected', 10_000, pausedMs);
  // Whoever noticed by itself told the other: one of the two has the phi that made it so.
  const [phi = 0] = (await Promise.all([first, second].map(async (each) => Number((await healthOf(each, name)).get('phi'))))).toSorted(
    (x, y) => y - x,
  );
  // Whoever coordinated its partitions, they are served.
  for (let key = 0; key < 50; key++) t.is((await first.ask('SET', `key:${key}`, 'v')).text, 'OK');
  // Counted from the suspicion, not from when the writes are done.
  const downMs = await until(first, name, 'down', 10_000, pausedMs + suspectedMs);
  await until(second, name, 'down', 5_000);
  t.is((await second.ask('CLUSTER', 'INFO')).kind, 'bulk');
  cluster.resume(sleeper);
  const upMs = await until(first, name, 'up', 10_000);
  t.log(
    `suspected ${Math.round(suspectedMs)} ms after SIGSTOP with phi ${phi}, down ${Math.round(downMs)} ms later, up ${Math.round(upMs)} ms after SIGCONT`,
  );
  // Its last heartbeat was at most an interval old; with a rhythm of a second phi passes 8 some 2.3 s after it, in a busy process later.
  t.true(suspectedMs > 1_000 && suspectedMs < 5_000, `${suspectedMs}`);
  t.true(phi > 8, `${phi}`);
  // Counted from the first suspicion, which may have been the other node's, at most a round of gossip earlier.
  t.true(downMs > 3_500 && downMs < 7_000, `${downMs}`);
  t.true(suspectedMs + downMs > 6_000, `${suspectedMs + downMs}`);
  t.true(upMs < 3_000, `${upMs}`);
  const sleeping = await RespConnection.open(cluster.server(sleeper).port);
  for (const other of ['node1', 'node2']) t.is((await healthOf(sleeping, other)).get('status'), 'up', 'it blames nobody for its sleep');
  for (const endsMs = performance.now() + 5_000; Number((await healthOf(first, name)).get('incarnation')) === incarnation;) {
    if (performance.now() > endsMs) t.fail('it did not refute what it was taken for');
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }

  for (const connection of [first, second, sleeping]) {
    for (const [directive, value] of [
      ['gossip-interval', '200'],
      ['phi-threshold', '4'],
      ['suspicion-timeout', '1000'],
    ] as const)
      t.is((await connection.ask('CONFIG', 'SET', directive, value)).text, 'OK');
  }
  // The next heartbeats say how often they come from now on.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  for (const connection of [first, second]) await until(connection, name, 'up', 5_000);
  cluster.pause(sleeper);
  const suspectedSoonerMs = await until(first, name, 'suspected', 10_000);
  const downSoonerMs = await until(first, name, 'down', 10_000);
  t.log(
    `with gossip each 200 ms, phi 4 and 1 s of suspicion: suspected after ${Math.round(suspectedSoonerMs)} ms, down ${Math.round(downSoonerMs)} ms later`,
  );
  t.true(suspectedSoonerMs < 1_500, `${suspectedSoonerMs}`);
  t.true(downSoonerMs > 700 && downSoonerMs < 2_500, `${downSoonerMs}`);
  cluster.resume(sleeper);
  await until(first, name, 'up', 5_000);
  for (const connection of [first, second, sleeping]) connection.close();
});
