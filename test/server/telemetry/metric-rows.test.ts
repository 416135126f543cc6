/** Each row of the tables of metrics reads a figure of its own: from sources that differ in everything it shows different points. */
import test from 'ava';
import { clientMetrics } from '../../../server/telemetry/client-metrics.js';
import { clusterMetrics, type ClusterSource } from '../../../server/telemetry/cluster-metrics.js';
import { type Metric, readings } from '../../../server/telemetry/metric.js';
import { storageMetrics, type StorageSource } from '../../../server/telemetry/storage-metrics.js';
import { metricRows } from '../../../server/telemetry/telemetry.js';
import { Statistics } from '../../../server/statistics.js';
import { DurationHistogram } from '../../../storage/duration-histogram.js';

function histogram(times: number): DurationHistogram {
  const filled = new DurationHistogram();
  filled.record(1, times);
  return filled;
}

/** Every number in the result is another one. */
function numbers(from: number): () => number {
  let last = from;
  return () => ++last;
}

const figureNames =
  'doubtful_partitions coordinated_partitions unsettled_batches batches_written batches_applied commands_forwarded versions_compared versions_differed partitions_behind expired_keys expired_elements repair_rounds repair_partitions_done repair_partitions_total repair_partitions_compared repair_partitions_differed repair_pairs_failed repair_records_sent repair_records_taken repair_bytes_sent hashing_tasks hints_kept hints_handed_over hints_dropped hints_sent_to_stand_ins gossip_rounds gossip_failed_exchanges';

function clusterSource(next: () => number, isWell: boolean): ClusterSource {
  const figures = new Map(figureNames.split(' ').map((name, index) => [name, next() + (isWell ? 0 : index * 7)]));
  const health = (name: string, status: 'up' | 'suspected' | 'down', self: boolean) => ({
    name,
    address: '',
    zone: '',
    self,
    member: true,
    status,
    phi: next(),
    incarnation: 0,
    heartbeat: 0,
    load: 0,
    silentMs: 0,
  });
  return {
    figures,
    peers: [
      {
        nodeId: 'b',
        reachable: isWell,
        bytesReceived: next(),
        bytesSent: next(),
        unackedBytes: next(),
        bufferedBytes: next(),
        hintBytes: next(),
        lagMs: next(),
      },
    ],
    health: [health('a', 'up', true), health('b', isWell ? 'up' : 'down', false)],
    readiness: {
      ringKnown: true,
      meeting: false,
      leaving: false,
      full: false,
      behind: false,
      diskRefusal: undefined,
      doubtfulPartitions: 0,
      shortPartitions: isWell ? 0 : 5,
      homePartitions: 9,
    },
    members: next(),
    waits: { write: histogram(next()), read: histogram(next()) },
    takeOvers: { times: histogram(next()), abandoned: next() },
  };
}

function storageSource(next: () => number): StorageSource {
  return {
    memoryBytes: next(),
    figures: {
      memoryBytes: next(),
      dirtyEntries: next(),
      logBytes: next(),
      logKeptBytes: next(),
      backlogBytes: next(),
      writeDelayMs: next(),
      logSyncs: next(),
      evictedEntries: next(),
      flushes: next(),
      loads: next(),
      rowsRewritten: next(),
      collectionsToSweep: next(),
      elementsSwept: next(),
      contextsHeld: next(),
      partitionsToLookThrough: next(),
      tombstonesPurged: next(),
      contextsDropped: next(),
    },
    logTimes: { append: histogram(next()), sync: histogram(next()) },
    conflicts: { counts: { string: next(), counter: next(), hyperloglog: next(), field: next(), type: next() }, openCount: next() },
    disk: { bytes: new Map([['log', next()]]), availableBytes: next(), totalBytes: next(), secondsUntilFull: next() },
    lookups: next(),
    lookupsWaited: next(),
    cacheBytesMax: next(),
    engineFigure: () => next(),
  };
}

function unmoved<S>(rows: readonly Metric<S>[], before: S, after: S): string[] {
  const [first, second] = [readings(rows, before), readings(rows, after)];
  return rows.filter((_, index) => JSON.stringify(first[index]?.points) === JSON.stringify(second[index]?.points)).map(({ name }) => name);
}

test("the cluster's", (t) => {
  t.deepEqual(unmoved(clusterMetrics, clusterSource(numbers(0), true), clusterSource(numbers(1000), false)), []);
});

test('no two of them read the same figure', (t) => {
  const shown = readings(clusterMetrics, clusterSource(numbers(0), true)).flatMap(({ name, kind, points }) =>
    kind === 'histogram' || /reachable|ready|short|partitions_left|torc_nodes/.test(name) ? [] : points.map(({ value }) => value),
  );
  t.is(new Set(shown).size, shown.length);
});

test("the storage's", (t) => {
  t.deepEqual(unmoved(storageMetrics, storageSource(numbers(0)), storageSource(numbers(1000))), []);
});

test("the clients'", (t) => {
  const statistics = () => new Statistics(0, { monotonicMs: () => 0, expiredKeys: () => 0, section: () => [] });
  const after = Object.assign(statistics(), {
    connectionsReceived: 1,
    rejectedConnections: 2,
    outputLimitDisconnections: 3,
    bytesIn: 4,
    bytesOut: 5,
  });
  after.failed('ERR');
  const client = { statistics: statistics(), connections: 0, clientsMax: 10 };
  t.deepEqual(unmoved(clientMetrics, client, { statistics: after, connections: 1, clientsMax: 11 }), ['torc_command_duration_seconds']);
});

test('names are unique, and labels are those of the rows', (t) => {
  t.is(new Set(metricRows.map(({ name }) => name)).size, metricRows.length);
  const labelsOf = new Map(metricRows.map(({ name, labels }) => [name, labels]));
  const shown = [...readings(clusterMetrics, clusterSource(numbers(0), true)), ...readings(storageMetrics, storageSource(numbers(0)))];
  for (const { name, points } of shown)
    for (const { labels } of points) t.deepEqual(Object.keys(labels), [...(labelsOf.get(name) ?? [])], name);
});
