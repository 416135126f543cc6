/** Named scenarios on a simulated cluster of real nodes: fields of hashes that expire, on both sides of a partition, and how they are swept. */
import test from 'ava';
import { convergenceFault } from './convergence.js';
import { ask, entryAt, started, well } from './scenario.js';
import type { TorcCluster } from './torc-cluster.js';

const sloppy = { sloppyQuorum: true, writeQuorum: 1, readQuorum: 1 } as const;

async function parted(cluster: TorcCluster): Promise<void> {
  for (const other of ['b', 'c']) {
    cluster.network.block('a', other);
    cluster.network.block(other, 'a');
  }
  await cluster.scheduler.runFor(15_000);
}

async function healed(cluster: TorcCluster): Promise<void> {
  for (const other of ['b', 'c']) {
    cluster.network.unblock('a', other);
    cluster.network.unblock(other, 'a');
  }
  await well(cluster);
}

/** At a node that runs it itself; the first time it may learn that another has taken over. */
async function write(cluster: TorcCluster, name: string, line: string): Promise<void> {
  let reply: string | null = null;
  for (let attempt = 0; attempt < 10; attempt++) {
    reply = await ask(cluster, name, line.split(' '), true);
    if (!/^(UNKNOWNOUTCOME|NOREPLICAS|LOADING)/.test(String(reply))) return;
  }
  throw new Error(`${line}: always ${reply}`);
}

const shown = (cluster: TorcCluster, name: string, line: string): Promise<string | null> => ask(cluster, name, line.split(' '));

test('a field written on one side of a partition and given an expiry on the other is what the later of the two made of it, value and expiry together', async (t) => {
  const cluster = await started(sloppy);
  await write(cluster, 'a', 'HSET h f 1 g 1');
  await cluster.scheduler.runFor(1000);
  await parted(cluster);
  await write(cluster, 'a', 'HPEXPIRE h 900000 FIELDS 1 f');
  await write(cluster, 'a', 'HSET h g 2');
  await cluster.scheduler.runFor(100);
  await write(cluster, 'b', 'HSET h f 2');
  await write(cluster, 'b', 'HPEXPIRE h 900000 FIELDS 1 g');
  await healed(cluster);
  t.is(await convergenceFault(cluster), undefined);
  for (const name of cluster.nodes) {
    t.is(await shown(cluster, name, 'HGET h f'), '2');
    t.is(await shown(cluster, name, 'HTTL h FIELDS 1 f'), '[-1]', 'the later write had no expiry');
    t.is(await shown(cluster, name, 'HGET h g'), '1', 'what the later one had seen');
    t.regex(String(await shown(cluster, name, 'HPTTL h FIELDS 1 g')), /^\[[1-8]\d{5}\]$/);
  }
});

test('increments on one side and an expiry on the other: the sums add up, and the later of their expiries stands', async (t) => {
  const cluster = await started(sloppy);
  await write(cluster, 'a', 'HINCRBY h n 10');
  await cluster.scheduler.runFor(1000);
  await parted(cluster);
  await write(cluster, 'a', 'HINCRBY h n 5');
  await cluster.scheduler.runFor(100);
  await write(cluster, 'b', 'HPEXPIRE h 900000 FIELDS 1 n');
  await healed(cluster);
  t.is(await convergenceFault(cluster), undefined);
  for (const name of cluster.nodes) {
    t.is(await shown(cluster, name, 'HGET h n'), '15');
    t.regex(String(await shown(cluster, name, 'HPTTL h FIELDS 1 n')), /^\[[1-8]\d{5}\]$/);
  }
});

for (const beside of ['alone', 'beside another']) {
  test(`a field that one side sweeps, and the other had written anew (${beside}), lives`, async (t) => {
    const cluster = await started(sloppy);
    await write(cluster, 'a', 'HSETEX h PX 20000 FIELDS 1 f old');
    if (beside !== 'alone') await write(cluster, 'a', 'HSET h stays here');
    await cluster.scheduler.runFor(1000);
    await parted(cluster);
    await write(cluster, 'b', 'HSET h f new');
    await cluster.scheduler.runFor(10_000);
    t.is(await ask(cluster, 'a', ['HGET', 'h', 'f'], true), null, 'it has expired here');
    t.is(await ask(cluster, 'a', ['HLEN', 'h'], true), beside === 'alone' ? '0' : '1');
    await healed(cluster);
    t.is(await convergenceFault(cluster), undefined);
    for (const name of cluster.nodes) t.is(await shown(cluster, name, 'HGET h f'), 'new');
  });
}

test('thousands of fields that expire at once are hidden at once, swept in bounded batches, and nothing of them is left', async (t) => {
  const cluster = await started();
  const fields = Array.from({ length: 2500 }, (_, i) => [`field-${i}`, `value-${i}`]).flat();
  t.is(await ask(cluster, 'a', ['HSETEX', 'h', 'PX', '4000', 'FIELDS', '2500', ...fields]), '1');
  t.is(await ask(cluster, 'b', ['HSET', 'h', 'stays', 'here']), '1');
  t.is(await ask(cluster, 'c', ['HLEN', 'h']), '2501');
  await cluster.scheduler.runFor(4000);
  t.is(await ask(cluster, 'c', ['HLEN', 'h']), '1');
  t.is(
    await ask(cluster, 'a', ['HGETALL', 'h']),
    '{"entries":[[{"type":"Buffer","data":[115,116,97,121,115]},{"type":"Buffer","data":[104,101,114,101]}]]}',
  );
  await cluster.scheduler.runFor(3000);
  const sweeps = [...cluster.batches.all()].map(({ records }) => records.length);
  t.is(Math.max(...sweeps.filter((length) => length < 2500)), 500);
  t.is(sweeps.filter((length) => length === 500).length, 5);
  await cluster.scheduler.runFor(60_000);
  for (const name of cluster.nodes) {
    const { partition: number, id } = entryAt(cluster, name, 'h');
    const [hash] = cluster.runningNow(name).store.partition(number).collections.of(id);
    t.is(hash?.living, 1, name);
    t.is(hash?.soonestOfAllMs, 0, name);
  }
  t.is(await convergenceFault(cluster), undefined);
});

test('a hash whose fields have all expired is no key any more, and goes by one record', async (t) => {
  const cluster = await started();
  const fields = Array.from({ length: 300 }, (_, i) => [`field-${i}`, 'v']).flat();
  t.is(await ask(cluster, 'a', ['HSETEX', 'h', 'PX', '1000', 'FIELDS', '300', ...fields]), '1');
  t.is(await ask(cluster, 'a', ['EXPIRE', 'h', '1000']), '1');
  await cluster.scheduler.runFor(1000);
  for (const name of cluster.nodes) {
    t.is(await ask(cluster, name, ['EXISTS', 'h']), '0');
    t.is(await ask(cluster, name, ['TYPE', 'h']), 'none');
  }
  await cluster.scheduler.runFor(1000);
  t.is(await ask(cluster, 'b', ['DBSIZE']), '0');
  const last = [...cluster.batches.all()].at(-1);
  t.true((last?.records.length ?? 0) <= 2, `${last?.records.length} records`);
  t.is(await ask(cluster, 'c', ['SET', 'h', 'text']), 'OK');
  t.is(await ask(cluster, 'c', ['TTL', 'h']), '-1');
  await well(cluster);
  t.is(await convergenceFault(cluster), undefined);
});

test('more keys with an expiry than a sweep looks at do not hide those behind them', async (t) => {
  const cluster = await started({ partitions: 1 });
  for (let i = 0; i < 600; i += 100) {
    const begun = Array.from({ length: 100 }, (_, j) => ask(cluster, 'a', ['SET', `far${i + j}`, 'v', 'EX', '100000']));
    await Promise.all(begun);
  }
  t.is(await ask(cluster, 'a', ['SET', 'near', 'v', 'PX', '100']), 'OK');
  t.is(await ask(cluster, 'a', ['DBSIZE']), '601');
  await cluster.scheduler.runFor(3000);
  t.is(await ask(cluster, 'a', ['DBSIZE']), '600');
});
