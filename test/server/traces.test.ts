/** Traces of commands on three real nodes, sent to a receiver that decodes what comes: who is within whom, what they say, what they must not say, and that they are never waited for. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { stoppedAtEnd } from '../failure/judging.js';
import { RespConnection } from '../failure/resp-connection.js';
import { freePort } from '../harness/free-ports.js';
import { OtlpReceiver, type ReceivedSpan } from '../harness/otlp-receiver.js';
import { startCluster, startNode } from '../harness/processes.js';
import { until } from '../harness/until.js';

/** By OpenTelemetry's conventions for databases, RPC and errors; ours stand in a namespace of their own. */
const attributeNames = new Set([
  'db.system.name',
  'db.operation.name',
  'db.response.status_code',
  'error.type',
  'rpc.system.name',
  'rpc.method',
  'rpc.response.status_code',
  'torc.partition.id',
  'torc.batch.size',
  'torc.collection.count',
]);

const children = (spans: readonly ReceivedSpan[], of: ReceivedSpan, name: string): ReceivedSpan[] =>
  spans.filter(({ parent, name: found, trace }) => parent === of.id && found === name && trace === of.trace);

test('a SET and a GET on three nodes are one trace each: front node, coordinator, replicas, storage', async (t) => {
  t.timeout(120_000);
  const receiver = await OtlpReceiver.open();
  t.teardown(() => receiver.close());
  const cluster = await startCluster({ nodes: 3, directives: { 'tracing-endpoint': receiver.endpoint } });
  stoppedAtEnd(t, cluster);
  const client = await RespConnection.open(cluster.port);
  for (let i = 0; i < 100; i++) await client.ask('SET', `hidden-key-${i}`, 'hidden-value');
  const setRate = (rate: string): Promise<unknown> => client.ask('CONFIG', 'SET', 'tracing-sample-rate', rate);
  await setRate('1');
  for (let i = 0; i < 12; i++) await client.ask('SET', `hidden-key-${i}`, 'hidden-value');
  await setRate('0');
  t.is((await client.ask('WAIT', '2', '60000')).text, '2'); // a read whose replicas differ is run once more
  await setRate('1');
  for (let i = 0; i < 12; i++) await client.ask('GET', `hidden-key-${i}`);
  for (let i = 0; i < 12; i++) t.is((await client.ask('INCR', `hidden-key-${i}`)).kind, 'error');
  t.is((await client.ask('EXISTS', ...Array.from({ length: 12 }, (_, i) => `hidden-key-${i}`))).kind, 'integer');
  await setRate('0');
  for (let i = 0; i < 100; i++) await client.ask('SET', `hidden-key-${i}`, 'hidden-value');

  const { spans } = receiver;
  const roots = (name: string): ReceivedSpan[] => spans.filter((span) => span.parent === '' && span.name === name);
  // Of each SET the two other replicas have their spans, and the replica that is asked for a GET.
  await until(
    () =>
      roots('SET').length === 12 &&
      roots('GET').length === 12 &&
      roots('EXISTS').length === 1 &&
      roots('INCR').length === 12 &&
      spans.filter(({ name }) => name === 'torc.peer/replicate').length >= 24 &&
      spans.filter(({ name }) => name === 'torc.peer/compare').length >= 24,
    () => `all spans: ${spans.map(({ name }) => name).join(' ')}`,
  );
  t.deepEqual(receiver.wrong, []);
  t.is(spans.filter(({ parent }) => parent === '').length, 37, 'with rate 0 nothing was traced');
  const ids = new Map(spans.map((span) => [span.id, span]));
  t.is(ids.size, spans.length);
  for (const span of spans) {
    if (span.parent !== '') t.is(ids.get(span.parent)?.trace, span.trace, span.name);
    t.true(span.endedMs >= span.beganMs, span.name);
    for (const name of span.attributes.keys()) t.true(attributeNames.has(name), name);
  }

  const front = roots('SET')[0]?.node ?? '';
  let forwarded = 0;
  for (const root of roots('SET')) {
    t.is(root.node, front);
    t.is(root.kind, 2);
    t.is(root.attributes.get('db.system.name'), 'torc');
    t.is(root.attributes.get('db.operation.name'), 'SET');
    const [forward] = children(spans, root, 'torc.peer/forward');
    if (forward !== undefined) {
      forwarded++;
      t.not(forward.node, front);
      t.is(forward.kind, 2);
      t.is(forward.attributes.get('rpc.system.name'), 'torc');
      t.is(forward.attributes.get('rpc.method'), 'torc.peer/forward');
    }
    const [coordinate] = children(spans, forward ?? root, 'coordinate');
    if (coordinate === undefined) return t.fail('nobody coordinated');
    t.is(coordinate.node, forward?.node ?? front);
    t.is(children(spans, coordinate, 'storage/run').length, 1);
    t.is(children(spans, coordinate, 'storage/log').length, 1);
    const replicas = children(spans, coordinate, 'torc.peer/replicate');
    t.deepEqual(new Set([...replicas.map(({ node }) => node), coordinate.node]).size, 3, 'all three have it');
    for (const replica of replicas) {
      t.is(replica.attributes.get('rpc.method'), 'torc.peer/replicate');
      t.is(children(spans, replica, 'storage/log').length, 1);
    }
  }
  t.true(forwarded > 0 && forwarded < 12, `${forwarded} of 12 were forwarded`);
  for (const root of roots('GET')) {
    const [read] = children(spans, root, 'read');
    if (read === undefined) return t.fail('nobody read');
    t.is(read.node, front);
    t.is(children(spans, read, 'storage/run').length, 1);
    const compared = children(spans, read, 'torc.peer/compare');
    t.true(compared.length >= 1);
    for (const { node, attributes } of compared) {
      t.not(node, front);
      t.is(attributes.get('rpc.method'), 'torc.peer/compare');
    }
  }
  for (const root of roots('INCR')) {
    t.is(root.attributes.get('db.response.status_code'), 'ERR');
    const [forward] = children(spans, root, 'torc.peer/forward');
    if (forward !== undefined) t.is(forward.attributes.get('rpc.response.status_code'), 'ERR');
    const [coordinate] = children(spans, forward ?? root, 'coordinate');
    for (const span of [root, forward ?? root, coordinate]) {
      t.true(span?.isError);
      t.is(span?.attributes.get('error.type'), 'ERR');
    }
  }
  const [split] = roots('EXISTS');
  t.true(split !== undefined && children(spans, split, 'read').length > 1, 'its parts are within it');
  for (const body of receiver.bodies) t.false(body.includes('hidden'), 'no key, no value');
});

test('a receiver that never answers, or is not there, holds up nobody, and is complained of once', async (t) => {
  t.timeout(120_000);
  const silent = await OtlpReceiver.open(false);
  t.teardown(() => silent.close());
  for (const endpoint of [silent.endpoint, `http://127.0.0.1:${await freePort()}`]) {
    const directory = await mkdtemp(join(tmpdir(), 'torc-traces-'));
    t.teardown(() => rm(directory, { recursive: true, force: true }));
    const logfile = join(directory, 'node.log');
    const node = await startNode({ 'tracing-endpoint': endpoint, 'tracing-sample-rate': '1', logfile });
    stoppedAtEnd(t, node);
    const client = await RespConnection.open(node.port);
    const complaints = async (): Promise<number> => {
      const log = await readFile(logfile, 'utf8');
      return log.split('\n').filter((line) => line.includes('"event":"traces"')).length;
    };
    const ask = async (): Promise<void> => {
      const replies = await client.all(Array.from({ length: 5000 }, (_, i) => ['SET', `key${i}`, 'value']));
      t.true(replies.every(({ kind }) => kind === 'status'));
    };
    await ask();
    await until(async () => (await complaints()) > 0, 'a line about traces');
    await ask();
    t.is(await complaints(), 1, endpoint);
  }
  t.true(silent.spans.length <= 4096, `${silent.spans.length} spans were held ready for a receiver that does not answer`);
});
