/** Named scenarios of nodes that coordinate one after the other or at once: what the issue demands by name, and what a seed found once. */
import test from 'ava';
import { elementsOf } from './client-histories.js';
import { convergenceFault } from './convergence.js';
import { append, ask, begin, entryAt, homes, keysOfDifferentPartitions, setFull, started, well } from './scenario.js';
import { textOf } from './simulated-clients.js';
import { TorcCluster } from './torc-cluster.js';

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

test('found by stopped processes: a coordinator that stands still in the middle of a turn runs no overdue write over what others acknowledged since', async (t) => {
  let late = 0;
  // Wherever in its turn it stops: its clock is read a few times for each command.
  for (let readings = 0; readings < 40; readings++) {
    const cluster = await started({ partitions: 1 });
    const [first = '', second = '', third = ''] = homes(cluster, 'k');
    t.is(await ask(cluster, second, ['SET', 'k', 'v0']), 'OK');
    cluster.scheduler.stopWithinTurn(first, 4000, readings);
    const old = Array.from({ length: 5 }, (_, i) => begin(cluster, second, ['SET', 'k', `old${i}`]));
    await cluster.scheduler.runFor(2500, () => old.every(({ reply }) => reply() !== undefined));
    if (old.every(({ reply }) => textOf(reply()) === 'OK')) continue; // it stood still afterwards
    late++;
    let answered = await ask(cluster, third, ['SET', 'k', 'new'], true);
    for (let again = 0; again < 3 && answered !== 'OK'; again++) answered = await ask(cluster, third, ['SET', 'k', 'new'], true);
    t.is(answered, 'OK');
    for (let look = 0; look < 300; look++) {
      await cluster.scheduler.runFor(20);
      for (const name of [second, third]) t.is(await ask(cluster, name, ['GET', 'k']), 'new', `${name}, stopped at reading ${readings}`);
    }
    await well(cluster);
    for (const name of cluster.nodes) t.is(await ask(cluster, name, ['GET', 'k']), 'new', `${name}, stopped at reading ${readings}`);
    t.is(await convergenceFault(cluster), undefined);
  }
  t.true(late > 3, `${late}`);
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

test('found by a seed: what a later coordinator showed and others wrote over is not written once more by its first coordinator', async (t) => {
  const network = { spikeChance: 0, cutChance: 0, lateDetectionMs: 1 };
  const cluster = await started({ partitions: 1, readFrom: 'coordinator', network });
  const [first = '', second = '', third = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'other', 'v']), 'OK');
  cluster.network.block(first, second);
  cluster.network.block(third, first);
  const write = begin(cluster, first, ['SET', 'k', 'early'], true);
  await cluster.scheduler.runFor(5);
  t.is(await ask(cluster, second, ['SET', 'another', 'v'], true), 'OK');
  t.is(entryAt(cluster, second, 'k').bytes.toString(), 'early', 'brought by the take-over');
  t.is(await ask(cluster, second, ['SET', 'k', 'later'], true), 'OK');
  t.is(write.reply(), undefined);
  cluster.network.breakStreams(first, third); // with the acknowledgement
  cluster.network.unblock(first, second);
  cluster.network.unblock(third, first);
  await cluster.scheduler.runFor(5000, () => write.reply() !== undefined);
  t.regex(textOf(write.reply()), /^UNKNOWNOUTCOME /);
  await well(cluster);
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['GET', 'k']), 'later', name);
});

test('found by a seed: what no stand-in took is settled once its home has it, and can be read again', async (t) => {
  const cluster = await started({ nodes: ['a', 'b', 'c', 'd', 'e'], partitions: 1, sloppyQuorum: true });
  const [first = '', ...others] = homes(cluster, 'n');
  const standIns = cluster.nodes.filter((name) => name !== first && !others.includes(name));
  for (const other of others) cluster.scheduler.crash(other, 'process');
  await cluster.scheduler.runFor(100);
  t.is(await ask(cluster, first, ['INCR', 'n'], true), '1');
  for (const standIn of standIns) cluster.network.block(first, standIn);
  const late = begin(cluster, first, ['INCR', 'n'], true);
  const { membership } = cluster.runningNow(first).node;
  await cluster.scheduler.runFor(30_000, () => standIns.every((name) => !membership.isReachable(cluster.nodes.indexOf(name))));
  t.regex(textOf(late.reply()), /^UNKNOWNOUTCOME /);
  for (const standIn of standIns) cluster.network.unblock(first, standIn);
  others.forEach(cluster.start);
  await well(cluster);
  await cluster.scheduler.runFor(20_000, () => cluster.hintBytes() === 0);
  await cluster.scheduler.runFor(3000);
  const figures = new Map(cluster.runningNow(first).node.statistics());
  t.true(Number(figures.get('hints_handed_over')) > 0);
  t.is(figures.get('unsettled_batches'), 0);
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['GET', 'n']), '2', name);
  t.is(await convergenceFault(cluster), undefined);
});

test('found by a seed: what a superseded coordinator makes of a value does not outlive a deletion that was acknowledged', async (t) => {
  const changes = [
    ['PEXPIRE', 'k', '100000'],
    ['APPEND', 'k', 'more'],
    ['SETRANGE', 'k', '1', 'x'],
    ['HPEXPIRE', 'h', '100000', 'FIELDS', '1', 'f'],
    ['HINCRBY', 'h', 'n', '1'],
    ['ZINCRBY', 'z', '1', 'm'],
  ];
  for (const change of changes) {
    const cluster = await started({ partitions: 1, network: { spikeChance: 0, cutChance: 0, lateDetectionMs: 1 } });
    const [first = '', second = '', third = ''] = homes(cluster, 'k');
    for (const words of [
      ['SET', 'k', 'old'],
      ['HSET', 'h', 'f', 'old', 'n', '10', 'stays', '1'],
      ['ZADD', 'z', '10', 'm', '1', 'stays'],
    ])
      await ask(cluster, first, words);
    for (const other of [second, third]) cluster.network.block(other, first); // it hears nobody, and does not know yet
    for (const words of [
      ['DEL', 'k'],
      ['HDEL', 'h', 'f', 'n'],
      ['ZREM', 'z', 'm'],
    ])
      t.regex(String(await ask(cluster, second, words, true)), /^[12]$/, words.join(' '));
    const late = begin(cluster, first, change, true);
    await cluster.scheduler.runFor(50);
    t.is(late.reply(), undefined);
    const look = async (name: string): Promise<(string | null)[]> => [
      await ask(cluster, name, ['GET', 'k']),
      await ask(cluster, name, ['HGET', 'h', 'f']),
      await ask(cluster, name, ['HGET', 'h', 'n']),
      await ask(cluster, name, ['ZSCORE', 'z', 'm']),
    ];
    t.deepEqual(await look(third), [null, null, null, null], `${change.join(' ')}, meanwhile`);
    for (const other of [second, third]) cluster.network.unblock(other, first);
    await cluster.scheduler.runFor(5000, () => late.reply() !== undefined);
    t.regex(textOf(late.reply()), /^(UNKNOWNOUTCOME|NOREPLICAS) /, change.join(' '));
    await well(cluster);
    for (const name of cluster.nodes) t.deepEqual(await look(name), [null, null, null, null], `${change.join(' ')}, ${name}`);
    t.is(await convergenceFault(cluster), undefined);
  }
});

test('a deletion is not forgotten while what a superseded coordinator wrote before it saw it is still on its way in pieces', async (t) => {
  const network = { latencyMinMs: 3, latencyMeanMs: 4, spikeChance: 0, cutChance: 0 };
  const cluster = await started({ partitions: 1, largeBytes: 120, gossipIntervalMs: 400, network });
  const [first = '', second = '', third = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'k', 'old']), 'OK');
  await well(cluster);
  for (const other of [second, third]) cluster.network.block(other, first);
  t.is(await ask(cluster, second, ['DEL', 'k'], true), '1');
  const late = begin(cluster, first, ['APPEND', 'k', 'more'.repeat(5000)], true);
  await cluster.scheduler.runFor(20);
  for (const other of [second, third]) cluster.network.unblock(other, first);
  await cluster.scheduler.runFor(5000, () => late.reply() !== undefined);
  t.regex(textOf(late.reply()), /^UNKNOWNOUTCOME /);
  // Over new streams it tells at once what it has seen, and the pieces begin anew.
  for (const other of [second, third]) cluster.network.breakStreams(first, other);
  await well(cluster);
  const { peers } = cluster.runningNow(first).node;
  await cluster.scheduler.runFor(30_000, () => [...peers.all()].every(({ link }) => link.largeBytes === 0));
  await cluster.scheduler.runFor(3000);
  for (const name of cluster.nodes) t.is(await ask(cluster, name, ['STRLEN', 'k']), '0', name);
  t.is(await convergenceFault(cluster), undefined);
  for (const name of cluster.nodes) t.is(cluster.runningNow(name).store.partition(0).contexts, 0, name);
});

test('found by a seed: nodes that each have to run something here do not take the partition from each other for as long as that waits', async (t) => {
  const cluster = await started({ partitions: 1, peerTimeoutMs: 2000, network: { spikeChance: 0, lateDetectionMs: 1 } });
  const names = homes(cluster, 'k');
  for (let round = 0; round < 10; round++) {
    const writes = names.map((name) => begin(cluster, name, ['SET', 'k', `${name} ${round}`], true));
    await cluster.scheduler.runFor(1900, () => writes.every(({ reply }) => reply() !== undefined));
    for (const { reply } of writes) t.is(textOf(reply()), 'OK', `round ${round}`);
  }
  await well(cluster);
  t.is(await convergenceFault(cluster), undefined);
});

test('a take-over that waits for a large record goes on while it comes, and so do the commands that wait for it', async (t) => {
  const cluster = await started({ largeBytes: 60, network: { spikeChance: 0, latencyMinMs: 50 } });
  const [first = '', second = '', third = ''] = homes(cluster, 'k');
  const value = 'v'.repeat(2000);
  t.is(await ask(cluster, third, ['SET', 'k', 'small']), 'OK');
  for (const other of [first, third]) {
    cluster.network.block(other, second);
    cluster.network.block(second, other);
  }
  await cluster.scheduler.runFor(3000);
  t.is(await ask(cluster, third, ['SET', 'k', value]), 'OK');
  cluster.scheduler.crash(first, 'process');
  cluster.network.unblock(second, third);
  cluster.network.unblock(third, second);
  const { node } = cluster.runningNow(second);
  const reaches = (one: string, other: string): boolean =>
    cluster.runningNow(one).node.membership.peer(cluster.nodes.indexOf(other))?.reachable === true;
  await cluster.scheduler.runFor(10_000, () => reaches(second, third) && reaches(third, second));
  const abandoned = node.takeOver.abandoned;
  const beganMs = cluster.scheduler.nowMs;
  t.is(await ask(cluster, second, ['APPEND', 'k', 'end']), String(value.length + 3));
  t.true(cluster.scheduler.nowMs - beganMs > 2000, 'longer than a take-over of nothing large may take');
  t.true(node.takeOver.abandoned - abandoned <= 1, `begun anew ${node.takeOver.abandoned - abandoned} times`);
});

test('a coordinator that hears at once of more superseded batches than a function takes arguments goes on', async (t) => {
  const cluster = await started({ partitions: 1 });
  const [first = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'k', 'v0']), 'OK');
  const { node, store } = cluster.runningNow(first);
  const counter = store.hybridClock.next();
  const counters = new Set(Array.from({ length: 300_000 }, (_, i) => counter + i));
  node.coordinator.superseded(0, counters, { counter: counter + counters.size, actor: 1 });
  t.is(await ask(cluster, first, ['SET', 'k', 'v1']), 'OK');
  t.deepEqual(cluster.faults, []);
});

test('found by seed 941021: a batch that is given up for a replica which had said that it holds it is settled', async (t) => {
  const cluster = await started({ partitions: 1, writeQuorum: 3, readQuorum: 1, readFrom: 'coordinator', network: { lateDetectionMs: 1 } });
  const [first = '', , third = ''] = homes(cluster, 'k');
  t.is(await ask(cluster, first, ['SET', 'k', 'v']), 'OK');
  cluster.network.block(third, first);
  const write = begin(cluster, first, ['SET', 'k', 'w']);
  await cluster.scheduler.runFor(50);
  t.is(entryAt(cluster, third, 'k').record?.versions[0]?.counter, entryAt(cluster, first, 'k').record?.versions[0]?.counter);
  setFull(cluster, [third], true); // so the batch is not sent to it again, now that its answer is lost
  cluster.network.breakStreams(third, first);
  cluster.network.unblock(third, first);
  await cluster.scheduler.runFor(3000);
  const { handOff } = cluster.runningNow(first).node;
  const keepsFor = handOff.keepsFor.bind(handOff);
  handOff.keepsFor = () => true; // older batches, which go before it
  setFull(cluster, [third], false);
  await cluster.scheduler.runFor(1000);
  handOff.keepsFor = keepsFor;
  await well(cluster);
  t.log(textOf(write.reply()));
  t.is(await ask(cluster, first, ['GET', 'k']), 'w');
});
