/** Metrics of a node's storage: memory, commit log, RocksDB, disk, what competes and what waits to be forgotten. */
import { conflictTypes, type ConflictLog } from '../../storage/conflict-log.js';
import type { Store } from '../../storage/store.js';
import type { DiskUsage } from './disk-usage.js';
import { histogramPoint, metric, single, type Metric } from './metric.js';

export interface StorageSource {
  readonly memoryBytes: number;
  readonly figures: ReturnType<Store['statistics']>;
  readonly logTimes: Store['logTimes'];
  readonly conflicts: Pick<ConflictLog, 'counts' | 'openCount'>;
  readonly disk: Pick<DiskUsage, 'bytes' | 'availableBytes' | 'totalBytes' | 'secondsUntilFull'>;
  /** Reads and commands that ran here. */
  readonly lookups: number;
  /** Those that waited for a key to be read from the disk. */
  readonly lookupsWaited: number;
  readonly cacheBytesMax: number;
  /** RocksDB's own figures, by name without `rocksdb.`. */
  readonly engineFigure: (name: string) => number | undefined;
}

export const storageMetrics: readonly Metric<StorageSource>[] = [
  single(
    'gauge',
    'torc_storage_memory_bytes',
    'By',
    'Memory that keys and values take, as cache-size counts it.',
    ({ memoryBytes }) => memoryBytes,
  ),
  single('gauge', 'torc_storage_memory_max_bytes', 'By', 'The directive cache-size.', ({ cacheBytesMax }) => cacheBytesMax),
  single('counter', 'torc_storage_lookups_total', '{command}', 'Commands that ran here, reads and writes.', (from) => from.lookups),
  single('counter', 'torc_storage_lookups_waited_total', '{command}', 'Commands that waited for a key that was not in memory.', (from) => {
    return from.lookupsWaited;
  }),
  single('counter', 'torc_storage_loads_total', '{record}', 'Records asked of RocksDB.', ({ figures }) => figures.loads),
  single('counter', 'torc_storage_evictions_total', '{record}', 'Records that left memory for want of room.', ({ figures }) => {
    return figures.evictedEntries;
  }),
  single(
    'gauge',
    'torc_storage_unflushed_records',
    '{record}',
    'Records that the commit log holds and RocksDB does not yet.',
    ({ figures }) => {
      return figures.dirtyEntries;
    },
  ),
  single('counter', 'torc_storage_flushes_total', '{round}', 'Rounds of writing from memory to RocksDB.', ({ figures }) => figures.flushes),
  single(
    'counter',
    'torc_storage_log_written_bytes_total',
    'By',
    'Bytes ever written to the commit log, earlier processes included.',
    ({ figures }) => {
      return figures.logBytes;
    },
  ),
  single(
    'gauge',
    'torc_storage_log_bytes',
    'By',
    'Bytes of the commit log that are kept: what a start has to read again.',
    ({ figures }) => {
      return figures.logKeptBytes;
    },
  ),
  single(
    'gauge',
    'torc_storage_backlog_bytes',
    'By',
    'Bytes of the commit log that RocksDB does not have yet: at a third of write-backlog-max writes are slowed, at all of it none are taken.',
    ({ figures }) => {
      return figures.backlogBytes;
    },
  ),
  single(
    'gauge',
    'torc_storage_write_delay_seconds',
    's',
    "How long a turn's writes wait for those of the turn before, since the disk does not keep up; 0 = it does.",
    ({ figures }) => {
      return figures.writeDelayMs / 1000;
    },
  ),
  metric('histogram', 'torc_storage_log_append_seconds', 's', "How long a turn's write to the commit log took.", [], ({ logTimes }) => [
    histogramPoint(logTimes.append),
  ]),
  metric('histogram', 'torc_storage_log_sync_seconds', 's', 'How long an fdatasync of the commit log took.', [], ({ logTimes }) => [
    histogramPoint(logTimes.sync),
  ]),
  single('gauge', 'torc_storage_compaction_backlog_bytes', 'By', 'Bytes that RocksDB has to rewrite to be in order again.', (from) => {
    return from.engineFigure('estimate-pending-compaction-bytes');
  }),
  single('gauge', 'torc_storage_compactions_running', '{compaction}', 'Compactions that RocksDB is at.', (from) => {
    return from.engineFigure('num-running-compactions');
  }),
  single('gauge', 'torc_storage_writes_stopped', '1', '1 while RocksDB takes no writes since it is behind with compactions.', (from) => {
    return from.engineFigure('is-write-stopped');
  }),
  metric('gauge', 'torc_storage_disk_bytes', 'By', "Bytes of files in the node's directory.", ['part'], ({ disk }) =>
    [...disk.bytes].map(([part, value]) => ({ labels: { part }, value })),
  ),
  single(
    'gauge',
    'torc_storage_disk_available_bytes',
    'By',
    "Bytes free on the directory's file system.",
    ({ disk }) => disk.availableBytes,
  ),
  single('gauge', 'torc_storage_disk_size_bytes', 'By', "Size of the directory's file system.", ({ disk }) => disk.totalBytes),
  single(
    'gauge',
    'torc_storage_disk_full_seconds',
    's',
    'When the disk will be full if the directory grows on as in the last hour; absent while it does not grow, or is watched for less than two minutes.',
    ({ disk }) => disk.secondsUntilFull,
  ),
  metric(
    'counter',
    'torc_conflicts_total',
    '{conflict}',
    'Values that this node met which were written without one having seen the other, by what competes.',
    ['type'],
    ({ conflicts }) => conflictTypes.map((type) => ({ labels: { type }, value: conflicts.counts[type] })),
  ),
  single(
    'gauge',
    'torc_conflicts_open',
    '{conflict}',
    'Those of the last 128 that no later write has covered yet.',
    ({ conflicts }) => conflicts.openCount,
  ),
  single(
    'gauge',
    'torc_purge_backlog_records',
    '{record}',
    'Records in memory that keep what they have seen, tombstones mostly, until every home replica has seen it.',
    ({ figures }) => figures.contextsHeld,
  ),
  single(
    'gauge',
    'torc_purge_backlog_partitions',
    '{partition}',
    'Partitions of which the disk may hold more of such records, and which are to be looked through.',
    ({ figures }) => figures.partitionsToLookThrough,
  ),
  single(
    'gauge',
    'torc_purge_backlog_collections',
    '{collection}',
    'Deleted collections whose elements are still to be swept.',
    ({ figures }) => figures.collectionsToSweep,
  ),
  single(
    'counter',
    'torc_purge_tombstones_total',
    '{record}',
    'Tombstones that were forgotten.',
    ({ figures }) => figures.tombstonesPurged,
  ),
];
