/**
 * A node that is told to stop, as its clients and its orchestrator see it: the probes say so first, what was asked is answered, and the process
 * ends with exit code 0; a second signal ends it at once. The same by SIGTERM, TORC DRAIN and `torc drain`.
 */
import { execFile } from 'node:child_process';
import test from 'ava';
import { drain, type DrainSteps } from '../../server/drain.js';
import { failing, httpPortOf, probe, probed } from '../harness/http-probe.js';
import { startCluster, startNode, torcEntry } from '../harness/processes.js';
import { RawClient } from './raw-client.js';

/** `torc drain`, while the tests beside this one go on. */
function torcDrain(...args: readonly string[]): Promise<{ readonly status: number; readonly stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [torcEntry, 'drain', ...args], (error, _stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), stderr }),
    );
  });
}

test('on SIGTERM a node is not ready, goes on serving for drain-wait, answers what it took, and ends', async (t) => {
  const node = await startNode({ 'drain-wait': '5' });
  t.teardown(() => node.stop());
  const http = httpPortOf(node.port);
  t.is((await probe(http, '/readyz')).status, 200);
  const client = await RawClient.connect(node.port);
  process.kill(node.server(0).pid, 'SIGTERM');
  const unready = await probed(http, '/readyz', ({ status }) => status === 503);
  t.deepEqual(failing(unready), ['not-draining']);
  t.is((await probe(http, '/livez')).status, 200);
  t.is((await probe(http, '/startupz')).status, 200);
  t.deepEqual(await client.ask(['SET', 'k', 'v'], ['GET', 'k']), ['+OK', '$v']);
  const late = await RawClient.connect(node.port);
  t.deepEqual(await late.ask(['GET', 'k']), ['$v']);
  await client.closed;
  t.is(await node.server(0).exited, 'exit code 0');
  await node.restart(0);
  t.deepEqual(await (await RawClient.connect(node.port)).ask(['GET', 'k']), ['$v']);
});

test('a second signal ends a node that drains at once, and nothing acknowledged is missing', async (t) => {
  const node = await startNode({ 'drain-wait': '600' });
  t.teardown(() => node.stop());
  const client = await RawClient.connect(node.port);
  process.kill(node.server(0).pid, 'SIGTERM');
  await probed(httpPortOf(node.port), '/readyz', ({ status }) => status === 503);
  t.deepEqual(await client.ask(['SET', 'k', 'v']), ['+OK']);
  process.kill(node.server(0).pid, 'SIGTERM');
  t.is(await node.server(0).exited, 'exit code 130');
  await node.restart(0);
  t.deepEqual(await (await RawClient.connect(node.port)).ask(['GET', 'k']), ['$v']);
  process.kill(node.server(0).pid, 'SIGKILL');
});

test('TORC DRAIN is answered, and the node ends; a signal meanwhile joins in', async (t) => {
  const node = await startNode({ 'drain-wait': '5' });
  t.teardown(() => node.stop());
  const client = await RawClient.connect(node.port);
  t.deepEqual(await client.ask(['TORC', 'DRAIN']), ['+OK']);
  await probed(httpPortOf(node.port), '/readyz', ({ status }) => status === 503);
  process.kill(node.server(0).pid, 'SIGTERM');
  t.deepEqual(await client.ask(['SET', 'k', 'v']), ['+OK']);
  t.is(await node.server(0).exited, 'exit code 0');
});

test('torc drain stops the node of its configuration, and says so when there is none', async (t) => {
  const node = await startNode();
  t.teardown(() => node.stop());
  const run = () => torcDrain('--port', `${node.port}`);
  t.like(await run(), { status: 0, stderr: '' });
  t.is(await node.server(0).exited, 'exit code 0');
  const again = await run();
  t.is(again.status, 1);
  t.regex(again.stderr, /^torc: .*ECONNREFUSED/);
});

test('torc drain says the password of its configuration first, and what a node answers that wants another', async (t) => {
  const node = await startNode({ requirepass: 'open sesame' });
  t.teardown(() => node.stop());
  const run = (...more: readonly string[]) => torcDrain('--port', `${node.port}`, ...more);
  const [without, wrong] = [await run(), await run('--requirepass', 'sesame')];
  t.is(without.status, 1);
  t.regex(without.stderr, /^torc: the node at 127\.0\.0\.1:\d+ refuses to drain: NOAUTH/);
  t.regex(wrong.stderr, /refuses to drain: WRONGPASS/);
  t.like(await run('--requirepass', 'open sesame'), { status: 0, stderr: '' });
  t.is(await node.server(0).exited, 'exit code 0');
});

test('a node is not ready without a quorum, and ready again with one', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => cluster.stop());
  const [first = 0] = cluster.ports;
  const http = httpPortOf(first);
  await probed(http, '/readyz', ({ status }) => status === 200);
  await cluster.kill9(1);
  await cluster.kill9(2);
  const unready = await probed(http, '/readyz', ({ status }) => status === 503);
  t.deepEqual(failing(unready), ['quorum']);
  t.regex(unready.body, /1024 of 1024 partitions/);
  t.is((await probe(http, '/livez')).status, 200);
  await cluster.restart(1);
  await probed(http, '/readyz', ({ status }) => status === 200);
  // Alone again, it can hand over to nobody and still ends.
  await cluster.kill9(1);
  t.is(await cluster.server(0).stop(), 'exit code 0');
});

test('a node that waits for its cluster to form is live and started, and not ready for want of a ring', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => cluster.stop());
  const lone = cluster.server(0).command;
  await cluster.stop();
  const started = startNode({ 'initial-nodes': '3', replicas: '3', 'http-port': `${httpPortOf(lone.port)}` });
  await probed(httpPortOf(lone.port), '/startupz', ({ status }) => status === 200);
  t.is((await probe(httpPortOf(lone.port), '/livez')).status, 200);
  t.deepEqual(failing(await probe(httpPortOf(lone.port), '/readyz')), ['ring', 'quorum']);
  await t.throwsAsync(started, { message: /before it printed 'ready on'/ });
});

const quick: DrainSteps = {
  handOver: () => Promise.resolve(),
  finishClients: () => Promise.resolve(),
  settle: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

test('a step that never ends is given up when the time is over', async (t) => {
  const never = new Promise<void>(() => undefined);
  await t.throwsAsync(drain({ ...quick, close: () => never }, { waitSeconds: 0, timeoutSeconds: 0.05 }), { code: 'LATE' });
});

test('the steps come in order: nobody is cut off before what it asked was handed over', async (t) => {
  const order: string[] = [];
  const noted = (name: string) => () => (order.push(name), Promise.resolve());
  await drain(
    { handOver: noted('hand over'), finishClients: noted('clients'), settle: noted('settle'), close: noted('close') },
    { waitSeconds: 0, timeoutSeconds: 10 },
  );
  t.deepEqual(order, ['hand over', 'clients', 'settle', 'close']);
});
