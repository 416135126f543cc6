/** Named scenarios on a simulated cluster of real nodes: what the issue demands by name, and what a seed found once. */
import test from 'ava';
import { partitionOfSlot } from '../../cluster/ring.js';
import { slotOf } from '../../protocol/slot.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { KeyEntry } from '../../storage/key-entry.js';
import { convergenceFault } from './convergence.js';
import { elementsOf } from './client-histories.js';
import { SimulatedClients, textOf } from './simulated-clients.js';
import { TorcCluster, type TorcSettings } from './torc-cluster.js';
import { runSeed } from './torc-run.js';

async function started(settings: TorcSettings = {}): Promise<TorcCluster> {
  const cluster = new TorcCluster(1, { network: { spikeChance: 0 }, ...settings });
  await cluster.startAll();
  await cluster.scheduler.runFor(3000);
  return cluster;
}

/** Gives a command to a node; what it answers comes as simulated time goes on. `here`: it runs it whoever else could. */
function begin(cluster: TorcCluster, name: string, words: readonly string[], here = false): { readonly reply: () => Reply | undefined } {
  let reply: Reply | undefined;
  const connection = cluster.connect(name);
  cluster.scheduler.schedule(name, 0, words.join(' '), () => connection.run(words, (answer) => (reply = answer), here));
  return { reply: () => reply };
}

/** The same, waiting for the answer; as text, nil as null. */
async function ask(cluster: TorcCluster, name: string, words: readonly string[], here = false): Promise<string | null> {
  const begun = begin(cluster, name, words, here);
  await cluster.scheduler.runFor(20_000, () => begun.reply() !== undefined);
  const reply = begun.reply();
  if (reply === undefined) throw new Error(`${words.join(' ')} is not answered`);
  if (reply === null) return null;
  return textOf(reply);
}

function entryAt(cluster: TorcCluster, name: string, key: string): KeyEntry {
  const partition = partitionOfSlot(slotOf(Buffer.from(key)), cluster.partitions);
  const entry = cluster.runningNow(name).store.partition(partition).entries.get(key);
  if (entry === undefined) throw new Error(`${name} has no ${key}`);
  return entry;
}

/** Home replicas of a key, the coordinator first. */
function homes(cluster: TorcCluster, key: string): string[] {
  const { membership } = cluster.runningNow('a').node;
  const partition = partitionOfSlot(slotOf(Buffer.from(key)), cluster.partitions);
  return membership.preferenceList(partition).map((member) => membership.configuration?.members[member]?.nodeId ?? '');
}

/** Appends at a node that runs it itself, until it is acknowledged: the first time the node may learn that it was superseded. */
async function append(cluster: TorcCluster, name: string, key: string, element: string): Promise<void> {
  let reply: string | null = null;
  for (let attempt = 0; attempt < 3; attempt++) {
    reply = await ask(cluster, name, ['APPEND', key, element], true);
    if (/^\d+$/.test(String(reply))) return;
  }
  throw new Error(`${name} does not append: ${reply}`);
}

function keysOfDifferentPartitions(cluster: TorcCluster): string[] {
  const partitionOf = (key: string): number => partitionOfSlot(slotOf(Buffer.from(key)), cluster.partitions);
  const other = Array.from({ length: 50 }, (_, i) => `k${i}`).find((key) => partitionOf(key) !== partitionOf('k'));
  if (other === undefined) throw new Error('all keys are of one partition');
  return ['k', other];
}

async function well(cluster: TorcCluster): Promise<void> {
  await cluster.scheduler.runFor(60_000, () => cluster.allWell());
  await cluster.scheduler.runFor(3000);
}

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
  t.true(meanwhile > 20, `${meanwhile} acknowledged while it was stopped`);
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

test('a blind SET acknowledged after a failover by a node whose clock is an hour behind is what every later GET shows', async (t) => {
  for (const reaches of ['everyone', 'one', 'nobody'] as const) {
    const names = ['a', 'b', 'c'];
    const probe = new TorcCluster(1, {});
    await probe.startAll();
    const [first = '', second = '', third = ''] = homes(probe, 'k');
    const cluster = await started({ skewMs: { [second]: -3_600_000, [third]: -3_600_000 } });
    t.is(await ask(cluster, first, ['SET', 'k', 'v0']), 'OK');
    if (reaches !== 'everyone') cluster.network.block(first, second);
    if (reaches === 'nobody') cluster.network.block(first, third);
    const old = begin(cluster, first, ['SET', 'k', 'v1']);
    await cluster.scheduler.runFor(20);
    t.is(old.reply() === undefined, reaches === 'nobody');
    cluster.scheduler.crash(first, 'process');
    if (reaches !== 'everyone') cluster.network.unblock(first, second);
    if (reaches === 'nobody') cluster.network.unblock(first, third);
    await cluster.scheduler.runFor(200);
    t.is(await ask(cluster, third, ['SET', 'k', 'v2']), 'OK', reaches);
    for (const name of [second, third]) t.is(await ask(cluster, name, ['GET', 'k']), 'v2');
    cluster.start(first);
    await cluster.scheduler.runFor(20_000, () => cluster.allReady());
    for (let round = 0; round < 20; round++) {
      for (const name of names)
        t.true(['v2', 'NOREPLICAS'].includes((await ask(cluster, name, ['GET', 'k']))?.split(' ')[0] ?? ''), reaches);
      await cluster.scheduler.runFor(10);
    }
    await well(cluster);
    for (const name of names) t.is(await ask(cluster, name, ['GET', 'k']), 'v2', `${reaches}, ${name}`);
    t.is(await convergenceFault(cluster), undefined);
  }
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

test('found by a seed: a machine that lost its power is reached again as soon as it is back', async (t) => {
  const cluster = await started({ network: { spikeChance: 0, lateDetectionMs: 60_000 } });
  cluster.scheduler.crash('a', 'machine');
  await cluster.scheduler.runFor(500);
  cluster.start('a');
  await cluster.scheduler.runFor(2000);
  t.true(cluster.allReady());
  for (const name of ['b', 'c']) t.true(cluster.runningNow(name).node.membership.isReachable(0));
  await cluster.scheduler.runFor(5000);
  t.true(cluster.allWell());
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

test('read-from coordinator: a coordinator that others took over from unawares does not answer from what it holds', async (t) => {
  const cluster = await started({ partitions: 1, readFrom: 'coordinator' });
  const [first = '', second = '', third = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, third, ['SET', 'k', 'old']), 'OK');
  t.is(await ask(cluster, third, ['GET', 'k']), 'old');
  for (const other of [second, third]) {
    cluster.network.block(first, other);
    cluster.network.block(other, first);
  }
  t.is(await ask(cluster, second, ['SET', 'k', 'new'], true), 'OK');
  t.true(cluster.runningNow(first).node.membership.isReachable(cluster.nodes.indexOf(second)));
  t.regex(String(await ask(cluster, first, ['GET', 'k'])), /^NOREPLICAS/);
  const reaches = (name: string): boolean => cluster.runningNow(name).node.membership.isReachable(cluster.nodes.indexOf(first));
  await cluster.scheduler.runFor(30_000, () => !reaches(second) && !reaches(third));
  for (const name of [second, third]) t.is(await ask(cluster, name, ['GET', 'k']), 'new');
  for (const other of [second, third]) {
    cluster.network.unblock(first, other);
    cluster.network.unblock(other, first);
  }
  await well(cluster);
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['GET', 'k']), 'new', name);
});

test('found by a seed: a pull is given up and sent again when the stream that its answer was to come over is replaced', async (t) => {
  // Node c lacked the batches before those it held ahead, and its only pull waited for an answer that was lost with b's old stream.
  t.is((await runSeed(65)).fault, undefined);
});

test('found by a seed: a coordinator that was superseded unawares does not say that there is nothing to delete', async (t) => {
  const cluster = await started({ partitions: 1 });
  const [first = '', second = '', third = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'other', 'v']), 'OK');
  for (const other of [second, third]) cluster.network.block(other, first);
  t.is(await ask(cluster, second, ['SET', 'k', 'v'], true), 'OK');
  const deletion = begin(cluster, first, ['DEL', 'k'], true);
  await cluster.scheduler.runFor(50);
  t.is(deletion.reply(), undefined);
  for (const other of [second, third]) cluster.network.unblock(other, first);
  await cluster.scheduler.runFor(5000, () => deletion.reply() !== undefined);
  t.regex(textOf(deletion.reply()), /^(1|UNKNOWNOUTCOME .*|NOREPLICAS .*)$/);
});

test('found by a seed: an acknowledgement says nothing of earlier batches whose own answer was lost', async (t) => {
  // A coordinator was superseded unawares. The replica that would have said so had no link back yet; then it acknowledged a later batch, of another partition.
  const cluster = await started({ partitions: 16, network: { spikeChance: 0, cutChance: 0, lateDetectionMs: 1 } });
  const [key = '', other = ''] = keysOfDifferentPartitions(cluster);
  const [first = '', second = '', third = ''] = homes(cluster, key);
  for (let round = 0; round < 8; round++) {
    for (const k of [key, other]) await append(cluster, first, k, '0;');
    cluster.network.block(second, first);
    await append(cluster, second, key, `new${round};`);
    cluster.network.breakStreams(first, second);
    cluster.network.block(third, first);
    const late = begin(cluster, first, ['APPEND', key, `late${round};`], true);
    await cluster.scheduler.runFor(5);
    cluster.network.unblock(second, first);
    const back = cluster.nodes.indexOf(first);
    await cluster.scheduler.runFor(900, () => cluster.runningNow(second).node.membership.isReachable(back));
    begin(cluster, first, ['APPEND', other, 'later;'], true);
    await cluster.scheduler.runFor(2000, () => late.reply() !== undefined);
    cluster.network.unblock(third, first);
    await well(cluster);
    const isAcknowledged = /^\d+$/.test(textOf(late.reply()));
    const shown = elementsOf(await ask(cluster, third, ['GET', key]));
    t.true(!isAcknowledged || shown.includes(`late${round}`), `round ${round}`);
    t.true(shown.includes(`new${round}`));
  }
});

test('found by a seed: under `always` a node that lost its power does not claim what left it before its disk had it', async (t) => {
  const cluster = await started({ partitions: 1, durability: 'always' });
  const [first = '', second = '', third = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'k', 'old']), 'OK');
  await cluster.scheduler.runFor(500);
  cluster.disks.get(first)?.slow(50);
  cluster.network.block(first, third);
  cluster.network.breakStreams(first, third);
  begin(cluster, first, ['SET', 'k', 'sent to one']);
  await cluster.scheduler.runFor(5);
  cluster.scheduler.crash(first, 'machine');
  t.is(entryAt(cluster, second, 'k').bytes.toString(), 'sent to one');
  cluster.scheduler.crash(second, 'process');
  cluster.network.unblock(first, third);
  cluster.disks.get(first)?.slow(1);
  cluster.start(first);
  await cluster.scheduler.runFor(5000, () => cluster.running(first)?.node.membership.isReachable(cluster.nodes.indexOf(third)) === true);
  t.is(await ask(cluster, first, ['SET', 'other', 'v']), 'OK');
  cluster.start(second);
  await well(cluster);
  t.is(await convergenceFault(cluster), undefined);
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['GET', 'k']), 'sent to one');
});

test('a node whose disk went back to an earlier state without its knowing learns it from a peer, rebuilds, and begins a new life', async (t) => {
  const cluster = await started({ partitions: 1, durability: 'everysec', plantedSameBoot: true });
  const [first = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'k', 'kept']), 'OK');
  await cluster.scheduler.runFor(2000);
  for (let i = 0; i < 10; i++) t.is(await ask(cluster, first, ['SET', 'k', `lost ${i}`]), 'OK');
  cluster.scheduler.crash(first, 'machine');
  await cluster.scheduler.runFor(200);
  cluster.start(first);
  await cluster.scheduler.runFor(20_000, () => cluster.log.some((line) => line.includes('a peer has seen more')));
  await well(cluster);
  const figures = new Map(cluster.runningNow(first).node.statistics());
  t.is(figures.get('life'), 2);
  t.is(await ask(cluster, first, ['SET', 'other', 'v'], true), 'OK');
  await cluster.scheduler.runFor(1000);
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['GET', 'k']), 'lost 9');
  t.is(await convergenceFault(cluster), undefined);
});

test('found by a seed: a node that was not told that its stream broke hears it from the other side, and is heard again', async (t) => {
  // The other side heard nothing of it for 20 s, suspected it, and refused reads.
  const cluster = await started({ network: { spikeChance: 0, lateDetectionMs: 60_000 } });
  for (let round = 0; round < 10; round++) {
    for (const [one = '', other = ''] of [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'a'],
    ])
      cluster.network.breakStreams(one, other);
    await cluster.scheduler.runFor(5000, () => cluster.log.some((line) => line.includes('is suspected')));
    t.true(cluster.allWell());
  }
  t.deepEqual(
    cluster.log.filter((line) => line.includes('is suspected')),
    [],
  );
});

test('a node whose words do not arrive notices it, though it hears the other well', async (t) => {
  const cluster = await started({ network: { spikeChance: 0, stallBreakMs: 120_000 } });
  const reaches = (name: string, member: number): boolean => cluster.runningNow(name).node.membership.isReachable(member);
  cluster.network.block('a', 'b');
  await cluster.scheduler.runFor(7000);
  t.false(reaches('a', 1));
  t.true(reaches('a', 2));
  t.is(await ask(cluster, 'a', ['SET', 'k', 'v'], true), 'OK');
  t.is(await ask(cluster, 'a', ['GET', 'k']), 'v');
  cluster.network.unblock('a', 'b');
  await cluster.scheduler.runFor(5000);
  t.true(cluster.allWell());
});

test('a node that stood still, and one whose peers did, keep their streams', async (t) => {
  const cluster = await started({ network: { spikeChance: 0 } });
  for (let round = 0; round < 12; round++) {
    const name = cluster.nodes[round % 3] ?? '';
    cluster.scheduler.pause(name);
    await cluster.scheduler.runFor(400 + 1717 * (round % 5));
    cluster.scheduler.resume(name);
    await cluster.scheduler.runFor(2600 + 83 * round);
  }
  t.deepEqual(
    cluster.log.filter((line) => line.includes('broke')),
    [],
  );
  t.true(cluster.allWell());
});

test('a take-over whose words were lost with a stream is asked again as soon as there is a new one', async (t) => {
  const cluster = await started({ partitions: 1, peerTimeoutMs: 20_000, network: { spikeChance: 0, lateDetectionMs: 1 } });
  const [first = '', second = '', third = ''] = homes(cluster, 'k');
  for (const [from, to] of [
    [first, second],
    [second, first],
  ] as const) {
    cluster.network.block(third, first);
    cluster.network.block(third, second);
    cluster.network.block(from, to); // the ask, then the promise
    const write = begin(cluster, first, ['SET', 'k', 'v'], true);
    await cluster.scheduler.runFor(20);
    cluster.network.breakStreams(first, second);
    cluster.network.unblock(from, to);
    await cluster.scheduler.runFor(1500, () => write.reply() !== undefined);
    t.is(textOf(write.reply()), 'OK', `${from} to ${to}`);
    cluster.network.unblock(third, first);
    cluster.network.unblock(third, second);
    await well(cluster);
    t.is(await ask(cluster, second, ['SET', 'k', 'v'], true), 'OK'); // so that there is something to take over again
  }
});

test('batches that were dropped from the queues of both peers are settled once both have caught up', async (t) => {
  const cluster = await started({ partitions: 1, hintBytesMax: 300, network: { spikeChance: 0, lateDetectionMs: 1 } });
  const [first = '', ...others] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'k', 'v']), 'OK');
  const figure = (name: string): unknown => new Map(cluster.runningNow(first).node.statistics()).get(name);
  const takeOvers = figure('take_overs');
  for (const other of others) cluster.network.block(first, other);
  const writes = [];
  for (let i = 0; i < 40; i++) {
    writes.push(begin(cluster, first, ['INCR', `n${i}`], true));
    await cluster.scheduler.runFor(1);
  }
  t.true(Number(figure('dropped_batches')) > 40);
  for (const other of others) {
    cluster.network.breakStreams(first, other);
    cluster.network.unblock(first, other);
  }
  await well(cluster);
  t.is(figure('unsettled_batches'), 0);
  t.is(figure('take_overs'), takeOvers);
  t.true(writes.some(({ reply }) => textOf(reply()).startsWith('UNKNOWNOUTCOME')));
  t.is(await convergenceFault(cluster), undefined);
});
