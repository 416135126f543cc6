/**
 * What must be true of replicas, whatever happened: none claims to have seen what it does not hold, and what is derived from records is
 * what they give. After faults have ended, all replicas are the same, record for record.
 */
import { slotsOfPartition } from '../../cluster/ring.js';
import { decodeRecordKey, recordPart } from '../../protocol/record-key.js';
import type { Collection } from '../../storage/collection.js';
import { typeOfByte } from '../../storage/collection-types.js';
import { noEntry } from '../../storage/key-table.js';
import { effectiveContext, emptyRecord, recordCovers, recordsEqual } from '../../storage/merge.js';
import type { Partition } from '../../storage/partition.js';
import type { Store } from '../../storage/store.js';
import { emptyClock, type VectorClock, type VersionedRecord } from '../../protocol/record.js';
import { shownValue } from '../../storage/shown-value.js';
import { clocksEqual, covers, coversClock } from '../../storage/vector-clock.js';
import type { TorcCluster } from './torc-cluster.js';

const nothing = Buffer.alloc(0);

/** Brings every record into memory and keeps it there until what it resolves with is called. Takes simulated time. */
export async function loadAll(store: Store, partitions: number): Promise<() => void> {
  for (let number = 0; number < partitions; number++) {
    const { firstSlot, lastSlot } = slotsOfPartition(number, partitions);
    store.partition(number).pins++;
    await store.loader.loadRecords(store.partition(number), firstSlot, lastSlot);
  }
  return () => {
    for (let number = 0; number < partitions; number++) store.partition(number).pins--;
  };
}

/** Every record of a partition, as a deletion of its collection leaves it, by record key in latin1. Everything is loaded. */
function recordsOf(partition: Partition): Map<string, VersionedRecord> {
  const records = new Map<string, VersionedRecord>();
  for (const entry of partition.recordEntries()) {
    const record = partition.recordOf(entry);
    if (record !== undefined) records.set(partition.recordKeyOf(entry).toString('latin1'), record);
  }
  return records;
}

/** What a deletion of its collection covers of a record, by its record key. */
function cutOfRecord(partition: Partition, name: string): VectorClock {
  const { key, type } = decodeRecordKey(Buffer.from(name, 'latin1'));
  const owner = partition.find(key);
  const collectionType = typeOfByte(type);
  const collection = owner === noEntry || collectionType === undefined ? undefined : partition.collections.get(owner, collectionType);
  return collection?.cut ?? emptyClock;
}

/** Batches that `seen` covers and whose records do not, though nobody has forgotten them. Everything is loaded. */
export function claimedAndMissing(name: string, store: Store, { batches, forgetting }: TorcCluster): string | undefined {
  const byPartition = new Map<number, Map<string, VersionedRecord>>();
  for (const { partition: number, actor, counter, records: written } of batches.all()) {
    const partition = store.partition(number);
    if ((partition.seen.get(actor) ?? 0) < counter) continue;
    let held = byPartition.get(number);
    if (held === undefined) byPartition.set(number, (held = recordsOf(partition)));
    const missing = written.find(
      (each) =>
        !recordCovers(held.get(each) ?? emptyRecord, { actor, counter }) &&
        !covers(cutOfRecord(partition, each), { actor, counter }) &&
        !covers(forgetting.of(number, each), { actor, counter }),
    );
    if (missing !== undefined) {
      return `${name} claims to have seen ${actor}:${counter} of partition ${number} (${partition.seen.get(actor)}), and its record of ${JSON.stringify(missing)} does not cover it`;
    }
  }
  return undefined;
}

/** Why derived state is not what the records give. Everything is loaded. */
export function derivedFault(name: string, partition: Partition): string | undefined {
  const { number, entries, aliveEntries, expiring, table, collections } = partition;
  let alive = 0;
  for (const entry of entries.values()) {
    const shown = shownValue(entry.record ?? emptyRecord);
    const same = (shown?.bytes ?? nothing).equals(entry.bytes) && (shown?.expiresAtMs ?? 0) === entry.expiresAtMs;
    if (!same || entry.alive !== (shown !== undefined)) {
      return `${name} shows ${entry.bytes.toString()} for ${entry.key}, its record gives ${shown?.bytes.toString()}`;
    }
    let [isThere, expires] = [entry.alive, entry.expiresAtMs !== 0];
    for (const collection of collections.of(entry.id)) {
      const fault = collectionFault(partition, collection);
      if (fault !== undefined) return `${name}, the ${collection.type.name} at ${entry.key}: ${fault}`;
      if (collection.count === 0) continue;
      isThere = true;
      expires ||= collection.expiresAtMs !== 0 || collection.hasTimed;
    }
    if (isThere) alive++;
    if (expires !== expiring.has(entry.id)) return `${name}: the expiry index is wrong of ${entry.key}`;
  }
  for (const key of collections.keys) if (!table.isInUse(key)) return `${name} has collections of a key that is gone`;
  return alive === aliveEntries ? undefined : `${name} counts ${aliveEntries} keys of partition ${number}, not ${alive}`;
}

/** Everything of it is loaded. */
function collectionFault(partition: Partition, collection: Collection): string | undefined {
  const { table } = partition;
  if (!collection.whole || !collection.isCounted()) return 'it is loaded, and not whole';
  let living = 0;
  let soonestMs = Infinity;
  for (let at = 0; at < collection.size; at++) {
    const entry = collection.at(at);
    const record = partition.recordOf(entry);
    if (table.placeOf(entry) !== at) return `entry ${at} takes itself for ${table.placeOf(entry)}`;
    const isLiving = record !== undefined && record.versions.length > 0;
    if (isLiving !== at < collection.living)
      return `entry ${at} of ${collection.living} living ones has ${record?.versions.length ?? 0} versions`;
    if (isLiving) living++;
    if (isLiving) soonestMs = Math.min(soonestMs, shownValue(record)?.expiresAtMs || Infinity);
    for (const version of record?.versions ?? []) {
      if (covers(collection.cut, version)) return `a version lives that a deletion covers`;
      if (!covers(collection.top, version)) return `a version is beyond what was written at most`;
    }
  }
  const expiry = collection.expiry === noEntry ? undefined : partition.recordOf(collection.expiry);
  const shown = expiry === undefined ? undefined : shownValue(expiry);
  if ((shown?.expiresAtMs ?? 0) !== collection.expiresAtMs)
    return `it expires at ${collection.expiresAtMs}, by its record at ${shown?.expiresAtMs}`;
  if (soonestMs !== (collection.soonestMs || Infinity))
    return `its first element expires at ${soonestMs}, by its index at ${collection.soonestMs}`;
  return living === collection.count ? undefined : `it counts ${collection.count}, not ${living}`;
}

/** Why the replicas are not all the same; undefined when they are. All nodes run; takes simulated time. */
export async function convergenceFault(cluster: TorcCluster): Promise<string | undefined> {
  const all = cluster.nodes.map((name) => cluster.runningNow(name));
  let open = all.length;
  for (const { store } of all)
    loadAll(store, cluster.partitions).then(
      () => open--,
      () => undefined,
    );
  await cluster.scheduler.runFor(60_000, () => open === 0);
  if (open > 0) return 'a partition cannot be loaded';
  for (const { name, store } of all) {
    const missing = claimedAndMissing(name, store, cluster);
    if (missing !== undefined) return missing;
    let bytes = 0;
    for (let number = 0; number < cluster.partitions; number++) {
      const partition = store.partition(number);
      const fault = derivedFault(name, partition);
      if (fault !== undefined) return fault;
      for (const entry of partition.recordEntries()) bytes += partition.table.byteSizeOf(entry);
      for (const key of partition.collections.keys) for (const { byteSize } of partition.collections.of(key)) bytes += byteSize;
    }
    if (bytes !== store.memoryBytes) return `${name} accounts ${store.memoryBytes} bytes, not ${bytes}`;
  }
  const fault = differenceFault(cluster);
  if (fault === undefined) return undefined;
  // Something that a node does by itself, such as deleting what has expired, may be on its way just now.
  await cluster.scheduler.runFor(3000);
  return differenceFault(cluster);
}

/** Why replicas are not the same. Everything is loaded. */
function differenceFault(cluster: TorcCluster): string | undefined {
  for (let number = 0; number < cluster.partitions; number++) {
    const homes = cluster.homesOf(number);
    const [first = ''] = homes;
    for (const name of cluster.nodes) {
      const partition = cluster.runningNow(name).store.partition(number);
      const fault = homes.includes(name)
        ? difference(cluster, first, name, number)
        : cluster.settings.sloppyQuorum === true
          ? undefined // a stand-in that coordinated keeps its copy
          : strayFault(name, partition);
      if (fault !== undefined) return fault;
    }
  }
  return undefined;
}

/** Why engine and log of a node do not give what it holds in memory, where everything is loaded. Kills it. Takes simulated time. */
export async function reopenedFault(cluster: TorcCluster, name: string): Promise<string | undefined> {
  const { store } = cluster.runningNow(name);
  const numbers = Array.from({ length: cluster.partitions }, (_, number) => number);
  const held = numbers.map((number) => {
    const { seen, ahead, purged, promised } = store.partition(number);
    return {
      records: recordsOf(store.partition(number)),
      clocks: shownClocks({ seen, ahead, promised }),
      purged,
    };
  });
  const reopened = await cluster.reopened(name);
  let loaded = false;
  void loadAll(reopened, cluster.partitions).then(() => (loaded = true));
  await cluster.scheduler.runFor(60_000, () => loaded);
  if (!loaded) return `${name}, opened again, cannot load its partitions`;
  for (const [number, { records, clocks, purged }] of held.entries()) {
    const partition = reopened.partition(number);
    if (!coversClock(purged, partition.purged)) return `${name}, opened again, has forgotten more of partition ${number} than before`;
    const clocksNow = shownClocks(partition);
    if (clocksNow !== clocks) return `${name}, opened again, has clocks ${clocksNow} of partition ${number}, not ${clocks}`;
    const recordsNow = recordsOf(partition);
    for (const key of new Set([...records.keys(), ...recordsNow.keys()])) {
      const [before, now] = [records.get(key) ?? emptyRecord, recordsNow.get(key) ?? emptyRecord];
      if (!equalButForgotten(key, before, now, cluster.forgetting.of(number, key)))
        return `${name}, opened again, gives ${shown(now)} for ${JSON.stringify(key)}, not ${shown(before)}`;
    }
    const fault = derivedFault(`${name}, opened again,`, partition);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function shownClocks({ seen, ahead, promised }: Pick<Partition, 'seen' | 'ahead' | 'promised'>): string {
  const sorted = (clock: VectorClock): unknown => [...clock].sort(([a], [b]) => a - b);
  return JSON.stringify({ seen: sorted(seen), ahead, promised });
}

/** Whether two copies of a record are the same but for what some node has forgotten of it. */
function equalButForgotten(key: string, x: VersionedRecord, y: VersionedRecord, forgotten: VectorClock): boolean {
  const isDeletion = decodeRecordKey(Buffer.from(key, 'latin1')).part === recordPart.deleted;
  const rest = (record: VersionedRecord): VersionedRecord =>
    // A deletion is forgotten as a whole.
    isDeletion && coversClock(forgotten, effectiveContext(record)) ? emptyRecord : restOf(record, forgotten);
  return recordsEqual(rest(x), rest(y));
}

function restOf(record: VersionedRecord, forgotten: VectorClock): VersionedRecord {
  // What was forgotten came back with a part that was not, when a later write saw both.
  return {
    context: new Map([...record.context].filter(([actor, counter]) => !covers(forgotten, { actor, counter }))),
    versions: record.versions,
  };
}

/** Why a node that is no home of the partition holds some of it; undefined when it does not. */
function strayFault(name: string, partition: Partition): string | undefined {
  const [held] = recordsOf(partition).keys();
  if (held === undefined && partition.seen.size === 0) return undefined;
  return `${name} is no home of partition ${partition.number} and holds ${held === undefined ? 'a clock' : JSON.stringify(held)} of it`;
}

function difference(cluster: TorcCluster, xName: string, yName: string, number: number): string | undefined {
  const x = cluster.runningNow(xName).store.partition(number);
  const y = cluster.runningNow(yName).store.partition(number);
  const where = `partition ${x.number} at ${xName} and ${yName}`;
  for (const partition of [x, y]) if (partition.ahead.length > 0) return `${where}: ahead ${JSON.stringify(partition.ahead)}`;
  if (!clocksEqual(x.seen, y.seen)) return `${where}: seen ${JSON.stringify([...x.seen])} and ${JSON.stringify([...y.seen])}`;
  const [ofX, ofY] = [recordsOf(x), recordsOf(y)];
  for (const key of new Set([...ofX.keys(), ...ofY.keys()])) {
    const [mine, theirs] = [ofX.get(key) ?? emptyRecord, ofY.get(key) ?? emptyRecord];
    if (!equalButForgotten(key, mine, theirs, cluster.forgetting.of(number, key)))
      return `${where}: ${JSON.stringify(key)} is ${shown(mine)} and ${shown(theirs)}`;
  }
  return undefined;
}

function shown({ context, versions }: typeof emptyRecord): string {
  return JSON.stringify({ context: [...context], versions: versions.map(({ actor, counter, term }) => ({ actor, counter, term })) });
}
