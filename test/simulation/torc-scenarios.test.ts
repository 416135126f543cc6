/** Named scenarios on a simulated cluster of real nodes, of what clients are shown: what the issue demands by name, and what a seed found once. */
import test, { type ExecutionContext } from 'ava';
import { torc } from '../../protocol/generated/messages.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { FormatError } from '../../protocol/format-error.js';
import { writeCommand } from '../../protocol/peer/packed-rows.js';
import { TestCall } from '../cluster/calls.js';
import { elementsOf } from './client-histories.js';
import { convergenceFault } from './convergence.js';
import { ask, begin, entryAt, homes, started, well } from './scenario.js';
import { SimulatedClients, textOf } from './simulated-clients.js';
import type { TorcCluster } from './torc-cluster.js';

test('a coordinator stopped for 3 s under write load and woken: what was acknowledged meanwhile is what later reads show', async (t) => {
  const cluster = await started({ partitions: 1 });
  const clients = new SimulatedClients(cluster, {
    clients: 18, // a third of them waits for the one that is stopped
    keysPerWorkload: 3,
    workloads: ['register', 'list', 'counter'],
    thinkMs: 10,
    hereChance: 0,
    pipelineChance: 0.2,
  });
  clients.start();
  await cluster.scheduler.runFor(1000);
  const [coordinator = ''] = homes(cluster, 'list0');
  cluster.scheduler.pause(coordinator);
  const before = clients.acknowledged;
  await cluster.scheduler.runFor(3000);
  const meanwhile = clients.acknowledged - before;
  cluster.scheduler.resume(coordinator);
  await cluster.scheduler.runFor(2000);
  clients.stop();
  await well(cluster);
  t.true(meanwhile > 50, `${meanwhile} acknowledged while it was stopped`);
  t.is(clients.verdict(), undefined);
  t.is(await convergenceFault(cluster), undefined);
  const shown = new Map<string, string | null>();
  for (const workload of ['register', 'list', 'counter'] as const) {
    for (const key of clients.keys(workload)) shown.set(key, await ask(cluster, coordinator, ['GET', key]));
  }
  t.is(
    clients.finalVerdict((key) => shown.get(key) ?? null),
    undefined,
  );
  t.true(elementsOf(shown.get('list0') ?? null).length > 10);
});

test('a stale record planted on each replica in turn is never shown, and versions are compared for every read', async (t) => {
  const cluster = await started();
  const compared = (): number => cluster.nodes.reduce((sum, name) => sum + cluster.runningNow(name).node.reader.compared, 0);
  t.is(await ask(cluster, 'a', ['SET', 'k', 'old']), 'OK');
  await cluster.scheduler.runFor(100);
  const stale = entryAt(cluster, 'a', 'k').record;
  if (stale === undefined) return t.fail('no record');
  t.is(await ask(cluster, 'b', ['SET', 'k', 'new']), 'OK');
  await cluster.scheduler.runFor(100);
  const before = compared();
  let reads = 0;
  for (const planted of cluster.nodes) {
    const partition = cluster.runningNow(planted).store.partition(entryAt(cluster, planted, 'k').partition);
    for (const asked of cluster.nodes) {
      for (let round = 0; round < 4; round++) {
        partition.put(entryAt(cluster, planted, 'k').id, stale);
        t.is(entryAt(cluster, planted, 'k').bytes.toString(), 'old');
        t.is(await ask(cluster, asked, ['GET', 'k']), 'new', `planted on ${planted}, asked ${asked}`);
        reads++;
      }
    }
  }
  await cluster.scheduler.runFor(1000);
  t.true(compared() - before >= reads, `${compared() - before} versions compared for ${reads} reads`);
});

test("found by a seed: increments run by one node after the other leave each other's sums where they were", async (t) => {
  const cluster = await started();
  t.is(await ask(cluster, 'a', ['INCRBY', 'n', '5'], true), '5');
  t.is(await ask(cluster, 'b', ['INCRBY', 'n', '1'], true), '6');
  t.is(await ask(cluster, 'c', ['INCRBY', 'n', '1'], true), '7');
  t.is(await ask(cluster, 'a', ['INCRBY', 'n', '1'], true), '8');
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['GET', 'n']), '8');
});

test('found by a seed: a node shows what others wrote after its own last write', async (t) => {
  const cluster = await started();
  for (const key of ['x', 'y', 'z']) {
    t.is(await ask(cluster, 'a', ['SET', key, 'first'], true), 'OK');
    t.is(await ask(cluster, 'b', ['SET', key, 'second'], true), 'OK');
    for (const name of cluster.nodes) t.is(await ask(cluster, name, ['GET', key]), 'second', name);
  }
});

test('found by a seed: a read that is asked again elsewhere is asked about the version that it shows', async (t) => {
  const cluster = await started();
  t.is(await ask(cluster, 'b', ['SET', 'k', 'first'], true), 'OK');
  await cluster.scheduler.runFor(100);
  for (let round = 0; round < 6; round++) {
    const value = `value ${round}`;
    cluster.network.block('a', 'c');
    cluster.network.block('b', 'c');
    t.is(await ask(cluster, 'b', ['SET', 'k', value], true), 'OK');
    const read = begin(cluster, 'c', ['GET', 'k']);
    await cluster.scheduler.runFor(5);
    cluster.network.unblock('b', 'c');
    await cluster.scheduler.runFor(3000, () => read.reply() !== undefined);
    t.is(textOf(read.reply()), value);
    cluster.network.unblock('a', 'c');
    await cluster.scheduler.runFor(1500);
  }
});

test('found by reading: the answer to a command of a process that is gone is not taken for that of another', async (t) => {
  const cluster = await started({ partitions: 1 });
  const [first = '', other = '', third = ''] = homes(cluster, 'k');
  cluster.network.block(third, first);
  begin(cluster, other, ['SET', 'k', 'v']);
  await cluster.scheduler.runFor(0.3);
  cluster.network.block(other, first);
  await cluster.scheduler.runFor(20);
  cluster.scheduler.crash(other, 'process');
  cluster.network.unblock(other, first);
  cluster.start(other);
  const member = cluster.nodes.indexOf(first);
  await cluster.scheduler.runFor(900, () => cluster.running(other)?.node.membership.isReachable(member) === true);
  t.regex(String(await ask(cluster, other, ['INCRBY', 'n', '1'])), /^(1|UNKNOWNOUTCOME .*)$/);
});

test('found by a seed: of five nodes only the home replicas of a partition hold something of it', async (t) => {
  const cluster = await started({ nodes: ['a', 'b', 'c', 'd', 'e'], partitions: 4 });
  for (let i = 0; i < 20; i++) t.is(await ask(cluster, 'a', ['SET', `k${i}`, 'v']), 'OK');
  await cluster.scheduler.runFor(5000);
  for (let number = 0; number < 4; number++) {
    const homes = cluster.homesOf(number);
    for (const name of cluster.nodes) {
      t.is(cluster.runningNow(name).store.partition(number).seen.size > 0, homes.includes(name), `${name}, partition ${number}`);
    }
  }
  t.is(await convergenceFault(cluster), undefined);
});

/** `to` gets from `from` what was overdue when it was sent, though the receiver sees no delay and its turn began a moment ago. */
function passOverdue(cluster: TorcCluster, to: string, from: string, words: readonly Buffer[]): void {
  const { peers, router } = cluster.runningNow(to).node;
  const peer = [...peers.all()].find(({ nodeId }) => nodeId === from);
  if (peer === undefined) throw new Error(`${to} does not know ${from}`);
  const rows = new ByteWriter();
  writeCommand(rows, 0, 2 | (2 << 10), 0, words);
  peer.frameSentMs = cluster.scheduler.nowMs;
  router.onCommands(peer, torc.Commands.create({ firstId: 1_000_000, rows: rows.take() }));
}

test('found by seed 900484: a command that was overdue when it was sent waits for nothing, since what waits for a load gets more time', async (t) => {
  const cluster = await started({ partitions: 1 });
  const [first = '', other = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'k', 'acknowledged']), 'OK');
  const { coordinator } = cluster.runningNow(first).node;
  let submitted = 0;
  const submit = coordinator.submit.bind(coordinator);
  coordinator.submit = (call) => {
    submitted++;
    submit(call);
  };
  const words = ['SET', 'k', 'given up'].map((word) => Buffer.from(word));
  cluster.scheduler.schedule(first, 0, 'is passed', () => passOverdue(cluster, first, other, words));
  await cluster.scheduler.runFor(500);
  t.is(submitted, 0);
  t.is(await ask(cluster, first, ['SET', 'k', 'later', 'GET']), 'acknowledged');
  t.is(submitted, 1);
});

test('a command that its client has given up is run by nobody any more, though a node that stood still would pass it on', async (t) => {
  const cluster = await started({ partitions: 1 });
  const [first = '', sleeper = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'k', 'acknowledged']), 'OK');
  const words = ['SET', 'k', 'given up'].map((word) => Buffer.from(word));
  const call = new TestCall('SET', 0);
  cluster.scheduler.schedule(sleeper, 0, 'passes on', () => {
    call.args = words;
    cluster.runningNow(sleeper).node.router.reroute([call]);
  });
  cluster.scheduler.schedule(first, 0, 'is passed', () => passOverdue(cluster, first, sleeper, words));
  await cluster.scheduler.runFor(500);
  t.is(call.hops, 0);
  t.regex(textOf(call.replies[0]), /^NOREPLICAS .* nothing was executed/);
  t.is(await ask(cluster, sleeper, ['GET', 'k']), 'acknowledged');
});

/** The others hold `value` at k, and c, which says that it has seen it, holds what was there before: in memory and, if `onDisk`, in its engine. */
async function withStaleRecordAtC(t: ExecutionContext, value: string, options: { readonly largeBytes?: number; readonly onDisk: boolean }) {
  const { largeBytes, onDisk } = options;
  const cluster = await started({
    readQuorum: 3,
    network: { spikeChance: 0, latencyMinMs: 20 },
    ...(largeBytes === undefined ? {} : { largeBytes }),
  });
  t.is(await ask(cluster, 'a', ['SET', 'k', 'old']), 'OK');
  await cluster.scheduler.runFor(500);
  const stale = entryAt(cluster, 'c', 'k').record;
  if (stale === undefined) throw new Error('no record');
  t.is(await ask(cluster, 'b', ['SET', 'k', value]), 'OK');
  await cluster.scheduler.runFor(10_000);
  const { store, node } = cluster.runningNow('c');
  const { id, partition } = entryAt(cluster, 'c', 'k');
  store.partition(partition).put(id, stale);
  t.is(entryAt(cluster, 'c', 'k').bytes.toString(), 'old');
  let isWritten = false;
  if (onDisk) store.writeOut().then(() => (isWritten = true), t.fail);
  await cluster.scheduler.runFor(1000, () => isWritten || !onDisk);
  return { cluster, store, node, evict: () => t.true(store.partition(partition).evict(id)) };
}

test('found by a seed: a read that needs every replica asks one again that could not answer while it was sending the very record', async (t) => {
  const value = 'new '.repeat(100);
  const { cluster } = await withStaleRecordAtC(t, value, { largeBytes: 120, onDisk: false });
  const first = begin(cluster, 'c', ['GET', 'k']);
  await cluster.scheduler.runFor(30); // the record begins to come
  const second = begin(cluster, 'c', ['GET', 'k']);
  await cluster.scheduler.runFor(20_000, () => first.reply() !== undefined && second.reply() !== undefined);
  t.is(textOf(first.reply()), value);
  t.is(textOf(second.reply()), value);
});

test('a large record that a read waits for goes to the log in slices, also when the key left memory before it came', async (t) => {
  const largeBytes = 120;
  const value = 'new '.repeat(500);
  const { cluster, store, evict } = await withStaleRecordAtC(t, value, { largeBytes, onDisk: true });
  const read = begin(cluster, 'c', ['GET', 'k']);
  await cluster.scheduler.runFor(300); // the record is coming
  t.is(read.reply(), undefined);
  evict();
  let mostAtOnce = 0;
  let logged = store.statistics().logBytes;
  await cluster.scheduler.runFor(20_000, () => {
    const { logBytes } = store.statistics();
    mostAtOnce = Math.max(mostAtOnce, logBytes - logged);
    logged = logBytes;
    return read.reply() !== undefined;
  });
  t.is(textOf(read.reply()), value);
  t.true(mostAtOnce > largeBytes / 2 && mostAtOnce < 3 * largeBytes, `${mostAtOnce} bytes in one turn`);
});

test('a record that makes no sense ends the stream that brought it, also when the key left memory before it came', async (t) => {
  const { cluster, node, evict } = await withStaleRecordAtC(t, 'new', { onDisk: true });
  const { reader } = node;
  const onAnswers = reader.onAnswers.bind(reader);
  let refused: unknown;
  reader.onAnswers = (peer, answers) => {
    for (const { transfer } of answers.different ?? []) if (transfer?.record?.[0]) transfer.record = [transfer.record[0].subarray(0, 5)];
    try {
      onAnswers(peer, answers);
    } catch (error) {
      refused = error;
      reader.onAnswers = onAnswers;
      throw error;
    }
  };
  const read = begin(cluster, 'c', ['GET', 'k']);
  await cluster.scheduler.runFor(25); // it has asked
  evict();
  await cluster.scheduler.runFor(20_000, () => read.reply() !== undefined);
  t.true(refused instanceof FormatError, String(refused));
  t.regex(textOf(read.reply()) ?? '', /^NOREPLICAS/);
  t.is(textOf(await ask(cluster, 'c', ['GET', 'k'])), 'new');
});

test('a read that needs every replica is asked again when the stream that its answer was to come over is replaced', async (t) => {
  const cluster = await started({ readQuorum: 3, network: { spikeChance: 0, latencyMinMs: 20, lateDetectionMs: 0 } });
  t.is(await ask(cluster, 'a', ['SET', 'k', 'v']), 'OK');
  await cluster.scheduler.runFor(500);
  const { link } = cluster.runningNow('a').node.membership.peer(1) ?? {};
  const read = begin(cluster, 'a', ['GET', 'k']);
  await cluster.scheduler.runFor(30); // b has the question, and its answer is on its way
  t.is(read.reply(), undefined);
  const stream = link?.isOpen;
  cluster.network.breakStreamsOf('b', 'a');
  await cluster.scheduler.runFor(20_000, () => read.reply() !== undefined);
  t.true(stream && link?.isOpen, 'the way of the question was open all the time');
  t.is(textOf(read.reply()), 'v');
});

test('found by seed 1119: MGET shows all that an MSET wrote or nothing, though its records come one by one and a replica has no room for the batch', async (t) => {
  const nodes = ['a', 'b', 'c', 'd'];
  const cluster = await started({ nodes, largeBytes: 20, peerTimeoutMs: 5000, network: { spikeChance: 0, latencyMinMs: 10 } });
  const keys = ['{k}0', '{k}1', '{k}2'];
  const [coordinator = '', ...others] = homes(cluster, '{k}0');
  const away = nodes.find((name) => name !== coordinator && !others.includes(name)) ?? '';
  t.is(await ask(cluster, away, ['MSET', ...keys.flatMap((key) => [key, 'old'])]), 'OK');
  await cluster.scheduler.runFor(1000);
  const shown = new Set<string | null>();
  for (let afterMs = 5; afterMs < 150; afterMs += 5) {
    const written = begin(cluster, away, ['MSET', ...keys.flatMap((key) => [key, `${afterMs}`])]);
    await cluster.scheduler.runFor(afterMs);
    for (const name of others) cluster.runningNow(name).node.disk.setFull(true);
    for (let look = 0; look < 4; look++) {
      const reply = String(await ask(cluster, others[look % 2] ?? '', ['MGET', ...keys]));
      if (reply.startsWith('NOREPLICAS ')) continue; // what it wrote cannot be settled just now
      const values = JSON.parse(reply) as unknown[];
      t.is(new Set(values.map((value) => JSON.stringify(value))).size, 1, `${afterMs} ms: ${JSON.stringify(values)}`);
      shown.add(JSON.stringify(values[0]));
    }
    for (const name of others) cluster.runningNow(name).node.disk.setFull(false);
    await cluster.scheduler.runFor(20_000, () => written.reply() !== undefined);
    await cluster.scheduler.runFor(1000);
  }
  t.true(shown.size > 5);
});

for (const [words, answer] of [
  [['SET', 'k', 'w'], /^UNKNOWNOUTCOME /],
  [['GET', 'k'], /^v$/],
] as const)
  test(`found by seed 677: a ${words[0]} whose reply was lost with the stream that it came over does not wait for its deadline`, async (t) => {
    const cluster = await started({ readFrom: 'coordinator', network: { spikeChance: 0, latencyMinMs: 20, lateDetectionMs: 0 } });
    const [coordinator = '', front = ''] = homes(cluster, 'k');
    t.is(await ask(cluster, front, ['SET', 'k', 'v']), 'OK');
    await cluster.scheduler.runFor(500);
    const beganMs = cluster.scheduler.nowMs;
    const asked = begin(cluster, front, words);
    await cluster.scheduler.runFor(words[0] === 'SET' ? 70 : 30); // it has run, and its reply is on its way
    t.is(asked.reply(), undefined);
    cluster.network.breakStreamsOf(coordinator, front);
    await cluster.scheduler.runFor(20_000, () => asked.reply() !== undefined);
    t.regex(textOf(asked.reply()), answer);
    t.true(cluster.scheduler.nowMs - beganMs < 1000);
  });

test('a large write that is still leaving for its coordinator outlives the stream that replies come over: what its connection sends next runs after it', async (t) => {
  const cluster = await started({ largeBytes: 120, network: { spikeChance: 0, latencyMinMs: 20, lateDetectionMs: 0 } });
  const [coordinator = '', front = ''] = homes(cluster, 'k');
  const { link } = cluster.runningNow(front).node.membership.peer(cluster.nodes.indexOf(coordinator)) ?? {};
  const connection = cluster.connect(front);
  const replies: string[] = [];
  const send = (value: string): void => {
    cluster.scheduler.schedule(front, 0, 'SET', () => connection.run(['SET', 'k', value], (reply) => replies.push(String(textOf(reply)))));
  };
  send('large '.repeat(300));
  send('next');
  await cluster.scheduler.runFor(100);
  const { streamNumber } = link ?? {};
  cluster.network.breakStreamsOf(coordinator, front);
  await cluster.scheduler.runFor(500);
  t.deepEqual(
    [link?.isOpen, link?.streamNumber, link?.isSendingLarge],
    [true, streamNumber, true],
    'on its way over the stream that it began on',
  );
  await cluster.scheduler.runFor(20_000, () => replies.length === 2);
  t.deepEqual(replies, ['OK', 'OK']);
  await cluster.scheduler.runFor(3000);
  t.is(await ask(cluster, front, ['GET', 'k']), 'next');
});

test('found by a seed: a large reply and a large write over a slow network have their time, though pieces take longer than a command may', async (t) => {
  const value = 'v'.repeat(1000);
  for (const readFrom of ['any', 'coordinator'] as const) {
    const cluster = await started({
      nodes: ['a', 'b', 'c', 'd', 'e'],
      largeBytes: 60,
      readFrom,
      network: { spikeChance: 0, latencyMinMs: 50 },
    });
    const away = cluster.nodes.find((name) => !homes(cluster, 'k').includes(name)) ?? '';
    t.is(await ask(cluster, away, ['SET', 'k', value]), 'OK');
    const beganMs = cluster.scheduler.nowMs;
    t.is(await ask(cluster, away, ['GET', 'k']), value);
    t.true(cluster.scheduler.nowMs - beganMs > 1000, 'longer than the peers have for a command of a few bytes');
  }
});

test('found by seed 940977: a read of several keys that differ is sent on to its coordinator once', async (t) => {
  const cluster = await started({ partitions: 1, network: { spikeChance: 0 } });
  const [first = '', , third = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['MSET', 'k', 'v', 'l', 'v']), 'OK');
  cluster.network.slow(first, third, 300);
  t.is(await ask(cluster, first, ['SET', 'k', 'w']), 'OK');
  const { node } = cluster.runningNow(third);
  const { sentOn } = node.reader;
  const read = begin(cluster, third, ['MGET', 'k', 'l']);
  await cluster.scheduler.runFor(2000, () => read.reply() !== undefined);
  t.deepEqual((read.reply() as Buffer[]).map(String), ['w', 'v']);
  t.is(node.reader.sentOn, sentOn + 1);
});
