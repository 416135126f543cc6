/**
 * What real nodes show at /metrics: each metric with help, unit and type; and each of them moves when what it counts happens. Four processes, so that
 * there is somebody to stand in for one that is away.
 */
import test from 'ava';
import { metricRows } from '../../../server/telemetry/telemetry.js';
import { RespConnection } from '../../failure/resp-connection.js';
import { stoppedAtEnd } from '../../failure/judging.js';
import { Scrape } from '../../harness/metrics.js';
import { type ServerGroup, startCluster, startNode } from '../../harness/processes.js';
import { until } from '../../harness/until.js';

/** What cannot be moved from outside in a short time; metric-rows.test.ts reads these from a source of its own. */
const elsewhere = new Set([
  'torc_build_info',
  'torc_clients_cut_total',
  'torc_hints_dropped_total',
  'torc_partitions_behind',
  'torc_partitions_doubtful',
  'torc_peer_phi',
  'torc_read_repairs_total',
  'torc_repair_failures_total',
  'torc_repair_partitions_compared_total',
  'torc_repair_partitions_differed_total',
  'torc_repair_partitions_left',
  'torc_repair_records_total',
  'torc_storage_compaction_backlog_bytes',
  'torc_storage_compactions_running',
  'torc_storage_disk_full_seconds',
  'torc_storage_disk_size_bytes',
  'torc_storage_memory_max_bytes',
  'torc_storage_writes_stopped',
  'torc_take_overs_abandoned_total',
  'torc_unsettled_batches',
  'torc_gossip_failures_total',
  'torc_members',
  'torc_partitions_short',
  'torc_ready',
  'torc_unacknowledged_bytes',
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
