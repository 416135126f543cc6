/**
 * What real nodes show at /metrics: each metric with help, unit and type; and each of them moves when what it counts happens. Four processes, so that
 * there is somebody to stand in for one that is away.
 */
import { randomBytes } from 'node:crypto';
import { appendFile, readFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { DiskUsage } from '../../../server/telemetry/disk-usage.js';
import { storageMetrics, type StorageSource } from '../../../server/telemetry/storage-metrics.js';
import { metricRows } from '../../../server/telemetry/telemetry.js';
import { RocksdbEngine } from '../../../storage/rocksdb-engine.js';
import { RespConnection } from '../../failure/resp-connection.js';
import { stoppedAtEnd } from '../../failure/judging.js';
import { freePorts, peerPortOf } from '../../harness/free-ports.js';
import { Scrape } from '../../harness/metrics.js';
import { patient, type ServerGroup, startCluster, startNode } from '../../harness/processes.js';
import { until } from '../../harness/until.js';
import { temporaryDirectory } from '../../storage/temporary-directory.js';
import { allReady, runTrouble, troubles } from './troubles.js';

/** RocksDB's own, moved on an engine below. */
const engineFigures = ['torc_storage_compaction_backlog_bytes', 'torc_storage_compactions_running', 'torc_storage_writes_stopped'];
/** What stays as it is while a node runs; looked at for what it says. */
const settled = ['torc_build_info', 'torc_storage_disk_size_bytes', 'torc_storage_memory_max_bytes'];
/** Moved on two nodes below. */
const ofTwo = [
  'torc_conflicts_total',
  'torc_conflicts_open',
  'torc_purge_backlog_records',
  'torc_purge_backlog_partitions',
  'torc_purge_backlog_collections',
  'torc_purge_tombstones_total',
];
/** Moved by other tests of this file, each by name. */
const elsewhere = new Set([
  ...troubles.flatMap(({ moves }) => Object.keys(moves)),
  ...engineFigures,
  ...ofTwo,
  ...settled,
  'torc_storage_write_delay_seconds',
  'torc_members',
  'torc_storage_disk_full_seconds',
]);

const scrapes = (cluster: ServerGroup, nodes: readonly number[]): Promise<Scrape[]> =>
  Promise.all(nodes.map((node) => Scrape.of(cluster.ports[node] ?? 0)));

test.serial('every metric has help, unit and type, is named as it should be, and moves', async (t) => {
  t.timeout(120_000);
  const cluster = await startCluster({
    nodes: 4,
    directives: { 'gossip-interval': '100', 'suspicion-timeout': '500', 'cache-size': '1mb', partitions: '64', durability: 'always' },
  });
  stoppedAtEnd(t, cluster);
  const all = [0, 1, 2, 3];
  const taken: Scrape[][] = [await scrapes(cluster, all)];
  const [first] = taken[0] ?? [];
  for (const { name, help, unit, kind } of metricRows) {
    t.is(first?.help.get(name), help, name);
    t.is(first?.unit.get(name), unit, name);
    t.is(first?.type.get(name), kind, name);
    t.is(name.endsWith('_total'), kind === 'counter', name);
    if (unit === 's') t.regex(name, /_seconds(_total)?$/);
    if (unit === 'By') t.regex(name, /_bytes(_total)?$/);
  }
  t.deepEqual(first?.help.size, metricRows.length + 1, 'and target_info');

  const client = await RespConnection.open(cluster.port);
  const keys = Array.from({ length: 4000 }, (_, index) => `key${index}`);
  const value = 'v'.repeat(1000);
  await client.all(keys.map((key) => ['SET', key, value]));
  await client.all(keys.slice(0, 200).map((key) => ['GET', key]));
  t.is((await client.ask('INCR', 'key1')).kind, 'error');
  await client.ask('SET', 'short', 'lived', 'PX', '1');
  await client.ask('HSET', 'hash', 'stays', 'value');
  await client.ask('HSETEX', 'hash', 'PX', '20', 'FIELDS', '1', 'short', 'lived');
  t.is((await client.ask('TORC', 'REPAIR')).kind, 'status');
  await until(async () => (await scrapes(cluster, all)).some((one) => one.value('torc_expired_keys_total') > 0), 'a key expires');
  await until(async () => (await scrapes(cluster, all)).some((one) => one.value('torc_expired_elements_total') > 0), 'a field expires');
  await until(async () => (await Scrape.of(cluster.port)).value('torc_repair_rounds_total') > 0, 'a round of repair');
  await until(async () => {
    await client.all(keys.slice(0, 50).map((key) => ['GET', key]));
    return (await scrapes(cluster, all)).some((one) => one.value('torc_storage_loads_total') > 0);
  }, 'a record leaves memory and comes back');
  await client.ask('CONFIG', 'SET', 'maxclients', '1');
  const second = await RespConnection.open(cluster.port);
  await t.throwsAsync(async () => {
    if ((await second.ask('PING')).kind === 'error') throw new Error('refused');
  });
  taken.push(await scrapes(cluster, all));

  const away = 3;
  const others = [0, 1, 2];
  await cluster.kill9(away);
  await until(async () => (await scrapes(cluster, others)).every((one) => one.value('torc_nodes', { status: 'down' }) === 1), 'it is down');
  const { kind } = await client.ask('SET', 'while-away', value);
  t.is(kind, 'status');
  await client.all(keys.slice(0, 200).map((key) => ['SET', key, 'new']));
  taken.push(await scrapes(cluster, others));
  const hinted = taken.at(-1) ?? [];
  t.true(hinted.some((one) => one.value('torc_hints_bytes', { peer: 'node4' }) > 0));
  t.true(hinted.some((one) => one.value('torc_replication_lag_seconds', { peer: 'node4' }) > 0));
  t.true(hinted.every((one) => one.value('torc_peer_reachable', { peer: 'node4' }) === 0));
  t.true(hinted.some((one) => one.value('torc_hints_to_stand_ins_total') > 0));
  await cluster.restart(away);
  await until(async () => (await scrapes(cluster, all)).every((one) => one.value('torc_hints_bytes') === 0), 'all is handed over');
  taken.push(await scrapes(cluster, all));
  client.close();

  const unmoved = metricRows
    .map(({ name }) => name)
    .filter((name) => all.every((node) => new Set(taken.flatMap((round) => round[node]?.shown(name) ?? [])).size <= 1));
  t.deepEqual(
    unmoved.filter((name) => !elsewhere.has(name)),
    [],
  );
  const known = new Set(metricRows.map(({ name }) => name));
  t.deepEqual(
    [...elsewhere].filter((name) => !known.has(name)),
    [],
  );

  const [last] = taken.at(-1) ?? [];
  const commands = last?.all('torc_command_duration_seconds_count') ?? [];
  t.true((last?.value('torc_command_duration_seconds_count', { family: 'string', outcome: 'ok' }) ?? 0) >= 4400, 'calls of strings');
  t.is(last?.value('torc_command_duration_seconds_count', { family: 'string', outcome: 'error' }), 1, 'by whichever node it was run');
  t.is(last?.value('torc_errors_total', { code: 'ERR' }), 1);
  for (const { labels } of commands) {
    const of = { family: labels.get('family') ?? '', outcome: labels.get('outcome') ?? '' };
    const buckets = last?.all('torc_command_duration_seconds_bucket', of).map((sample) => sample.value) ?? [];
    t.deepEqual(
      buckets,
      buckets.toSorted((a, b) => a - b),
      'buckets add up',
    );
    t.is(buckets.at(-1), last?.value('torc_command_duration_seconds_count', of));
  }
});

test.serial('nothing of the command line, and no key or value, is shown; scrapes at once share one', async (t) => {
  const node = await startNode();
  t.teardown(() => node.stop());
  const client = await RespConnection.open(node.port);
  await client.ask('SET', 'a-secret-key', 'a-secret-value');
  await client.ask('GETEX', 'a-secret-key', 'nonsense-option');
  client.close();
  const texts = await Promise.all(Array.from({ length: 20 }, () => Scrape.of(node.port)));
  t.is(new Set(texts.map(({ text }) => text)).size, 1, 'asked together, answered together');
  t.notRegex(texts[0]!.text, /secret|nonsense|--port|\/tmp/);
});

test.serial('what only trouble moves', async (t) => {
  t.timeout(240_000);
  const cluster = await startCluster({
    directives: {
      'gossip-interval': '500',
      'suspicion-timeout': '1000',
      'peer-timeout': '1000',
      'hint-max-bytes': '0',
      partitions: '64',
      'sloppy-quorum': 'no',
    },
  });
  stoppedAtEnd(t, cluster);
  await allReady(cluster);
  for (const trouble of troubles) {
    await t.notThrowsAsync(runTrouble(cluster, trouble), trouble.what);
    t.log(`${Object.keys(trouble.moves).join(', ')}: ${trouble.what}`);
  }
});

test.serial('conflicts that are met, and what waits until all have seen it to be forgotten', async (t) => {
  t.timeout(120_000);
  const cluster = await startCluster({
    nodes: 2,
    directives: { 'gossip-interval': '100', 'suspicion-timeout': '500', 'write-quorum': '1', 'read-quorum': '1', partitions: '8' },
  });
  stoppedAtEnd(t, cluster);
  const [one, other] = [0, 1];
  const scrape = (node: number): Promise<Scrape> => Scrape.of(cluster.server(node).port);
  const shows = (node: number, name: string, isSo: (value: number) => boolean): Promise<void> =>
    until(
      async () => isSo((await scrape(node)).value(name)),
      () => `${name} of node ${node + 1}`,
    );
  const ask = async (node: number, commands: readonly string[][]): Promise<void> => {
    const client = await RespConnection.open(cluster.server(node).port);
    for (const reply of await client.all(commands)) if (reply.kind === 'error') throw new Error(reply.text);
    client.close();
  };
  const keys = Array.from({ length: 100 }, (_, index) => `key${index}`);
  const fields = Array.from({ length: 20_000 }, (_, index) => [`field${index}`, 'value']).flat();

  await until(async () => {
    await ask(one, [['HSET', 'hash', ...fields]]);
    const deleting = ask(one, [['DEL', 'hash']]);
    let isSwept = false;
    for (let looks = 0; looks < 20 && !isSwept; looks++) isSwept = (await scrape(one)).value('torc_purge_backlog_collections') > 0;
    await deleting;
    return isSwept;
  }, 'a deleted hash is being swept');
  await shows(one, 'torc_purge_backlog_collections', (value) => value === 0);

  await ask(one, keys.map((key) => ['SET', key, 'value'])); // prettier-ignore
  await cluster.server(other).stop();
  await shows(one, 'torc_peer_reachable', (value) => value === 0);
  await ask(one, [...keys.map((key) => ['DEL', key]), ['SET', 'both', 'one'], ['SET', 'types', 'one']]);
  await shows(one, 'torc_purge_backlog_records', (value) => value >= keys.length);
  await cluster.server(one).stop();
  await cluster.restart(one);
  await shows(one, 'torc_purge_backlog_partitions', (value) => value > 0);
  await cluster.server(one).stop();

  await cluster.restart(other);
  await ask(other, [
    ['SET', 'both', 'other'],
    ['SADD', 'types', 'other'],
  ]);
  await cluster.restart(one);
  for (const node of [one, other]) {
    await shows(node, 'torc_conflicts_total', (value) => value >= 2);
    t.is((await scrape(node)).value('torc_conflicts_total', { type: 'string' }), 1);
    t.is((await scrape(node)).value('torc_conflicts_total', { type: 'type' }), 1);
    await shows(node, 'torc_conflicts_open', (value) => value === 2);
  }
  await ask(other, [
    ['SET', 'both', 'later'],
    ['DEL', 'types'],
  ]);
  for (const node of [one, other]) {
    await shows(node, 'torc_conflicts_open', (value) => value === 0);
    await shows(node, 'torc_purge_backlog_partitions', (value) => value === 0);
    await shows(node, 'torc_purge_backlog_records', (value) => value === 0);
  }
  await shows(one, 'torc_purge_tombstones_total', (value) => value >= keys.length);
});

test.serial('a cluster has members once it has formed', async (t) => {
  const ports = await freePorts(2);
  const start = (at: number): Promise<ServerGroup> => {
    const seeds = `127.0.0.1:${peerPortOf(ports[1 - at] ?? 0)}`;
    const directives = { port: String(ports[at]), 'node-id': `node${at}`, 'cluster-name': `two-${ports[0]}`, 'initial-nodes': '2', seeds };
    const starting = startNode(directives);
    t.teardown(async () => (await starting).stop());
    return starting;
  };
  const members = (): Promise<number | undefined> =>
    Scrape.of(ports[0] ?? 0).then(
      (one) => one.all('torc_members')[0]?.value,
      () => undefined,
    );
  const first = start(0);
  await until(async () => (await members()) === 0, 'no members yet');
  await Promise.all([first, start(1)]);
  t.is(await members(), 2);
});

test.serial('what stays as it is says what it should', async (t) => {
  const node = await startNode({ 'cache-size': '7mb' });
  stoppedAtEnd(t, node);
  const scrape = await Scrape.of(node.port);
  const [build] = scrape.all('torc_build_info');
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
  t.deepEqual(Object.fromEntries(build?.labels ?? []), { node_version: process.versions.node, version });
  const { blocks, bsize } = await statfs(node.dir);
  t.is(scrape.value('torc_storage_disk_size_bytes'), blocks * bsize);
  t.is(scrape.value('torc_storage_memory_max_bytes'), 7 << 20);
});

/** The value of a row of the storage's table, read from what the row reads. */
function shownOf(name: string, source: Partial<StorageSource>): number | undefined {
  const [point] = storageMetrics.find((row) => row.name === name)?.read(source as StorageSource) ?? [];
  return typeof point?.value === 'number' ? point.value : undefined;
}

test.serial('a disk that does not keep up: writes are slowed, none is refused, and what memory holds for it is bounded', async (t) => {
  const [cacheBytes, backlogBytes] = [8 << 20, 2 << 20];
  const node = await startNode({ ...patient, 'cache-size': '8mb', 'write-backlog-max': '2mb' });
  t.teardown(() => node.stop());
  const client = await RespConnection.open(node.port);
  const value = 'v'.repeat(1000);
  let [mostDelay, mostBacklog, mostMemory] = [0, 0, 0];
  let isOver = false;
  const looking = (async () => {
    while (!isOver) {
      const scrape = await Scrape.of(node.port);
      mostDelay = Math.max(mostDelay, scrape.value('torc_storage_write_delay_seconds'));
      mostBacklog = Math.max(mostBacklog, scrape.value('torc_storage_backlog_bytes'));
      mostMemory = Math.max(mostMemory, scrape.value('torc_storage_memory_bytes'));
    }
  })();
  for (let round = 0; round < 60; round++) {
    const replies = await client.all(Array.from({ length: 1000 }, (_, i) => ['SET', `key:${round}:${i}`, value]));
    t.deepEqual([...new Set(replies.map(({ kind }) => kind))], ['status']);
  }
  isOver = true;
  await looking;
  client.close();
  t.log(`delayed by ${mostDelay} s, ${mostBacklog} bytes not in RocksDB, ${mostMemory} bytes of memory at most`);
  t.true(mostDelay > 0);
  // One turn's writes come before anyone can know that they are too many: those of 1,000 commands under way, here.
  t.true(mostBacklog < backlogBytes + (2 << 20));
  t.true(mostMemory < cacheBytes + 3 * (backlogBytes + (2 << 20)));
});

test("RocksDB's figures move as it falls behind with its compactions", async (t) => {
  const engine = await RocksdbEngine.open(temporaryDirectory(t), { cacheBytes: 1 << 20, writeBufferBytes: 64 << 10 });
  t.teardown(() => engine.close());
  const source = { engineFigure: (name: string) => engine.figure(`rocksdb.${name}`) };
  const still = new Set(engineFigures);
  for (const name of still) t.is(shownOf(name, source), 0, name);
  const value = randomBytes(1 << 20);
  for (let round = 0; round < 2000 && still.size > 0; round++) {
    // As many as are handed over in one turn: looked at is what RocksDB says while it writes them.
    const puts = Array.from({ length: 63 }, (_, i): [Buffer, Buffer] => [randomBytes(16), value.subarray(i * 4096, (i + 1) * 4096)]);
    const written = engine.write({ puts, deletes: [] }, { sync: false });
    for (const name of still) if ((shownOf(name, source) ?? 0) > 0) still.delete(name);
    await written;
  }
  t.deepEqual([...still], []);
});

test('a disk that fills is forecast to be full', async (t) => {
  const directory = temporaryDirectory(t);
  let nowMs = 0;
  const disk = new DiskUsage(directory, () => nowMs);
  const forecast = (): number | undefined => shownOf('torc_storage_disk_full_seconds', { disk });
  for (let minute = 0; minute < 5; minute++, nowMs += 60_000) {
    await disk.refresh();
    t.is(forecast(), undefined);
  }
  const forecasts: (number | undefined)[] = [];
  for (let minute = 0; minute < 5; minute++, nowMs += 60_000) {
    await appendFile(join(directory, 'grows'), Buffer.alloc(1 << 20));
    await disk.refresh();
    forecasts.push(forecast());
  }
  t.true(forecasts.every((seconds) => seconds !== undefined && seconds > 0));
  t.true(new Set(forecasts).size > 1);
});
