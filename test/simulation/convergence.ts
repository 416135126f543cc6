/**
 * What must be true of replicas, whatever happened: none claims to have seen what it does not hold, and what is derived from records is
 * what they give. After faults have ended, all replicas are the same, record for record.
 */
import { slotsOfPartition } from '../../cluster/ring.js';
import { recordCovers, recordsEqual, emptyRecord } from '../../storage/merge.js';
import type { Partition } from '../../storage/partition.js';
import type { Store } from '../../storage/store.js';
import type { VectorClock, VersionedRecord } from '../../protocol/record.js';
import { shownString } from '../../storage/string-value.js';
import { clocksEqual, covers, coversClock } from '../../storage/vector-clock.js';
import type { TorcCluster } from './torc-cluster.js';

const nothing = Buffer.alloc(0);

/** Brings every record into memory and keeps it there until what it resolves with is called. Takes simulated time. */
export async function loadAll(store: Store, partitions: number): Promise<() => void> {
  for (let number = 0; number < partitions; number++) {
    const { firstSlot, lastSlot } = slotsOfPartition(number, partitions);
    store.partition(number).pins++;
    await store.loader.loadPartition(store.partition(number), firstSlot, lastSlot);
  }
  return () => {
    for (let number = 0; number < partitions; number++) store.partition(number).pins--;
  };
}

/** Batches that `seen` covers and whose records do not, though nobody has forgotten them. Everything is loaded. */
export function claimedAndMissing(name: string, store: Store, { batches, forgetting }: TorcCluster): string | undefined {
  for (const { partition: number, actor, counter, keys } of batches.all()) {
    const partition = store.partition(number);
    if ((partition.seen.get(actor) ?? 0) < counter) continue;
    const missing = keys.find(
      (key) =>
        !recordCovers(partition.entries.get(key)?.record ?? emptyRecord, { actor, counter }) &&
        !covers(forgetting.of(number, key), { actor, counter }),
    );
    if (missing !== undefined) {
      return `${name} claims to have seen ${actor}:${counter} of partition ${number} (${partition.seen.get(actor)}), and its record of ${missing} does not cover it`;
    }
  }
  return undefined;
}

/** Why derived state is not what the records give. Everything is loaded. */
export function derivedFault(name: string, { number, entries, aliveEntries, expiring }: Partition): string | undefined {
  let alive = 0;
  for (const entry of entries.values()) {
    const shown = shownString(entry.record ?? emptyRecord);
    const same = (shown?.bytes ?? nothing).equals(entry.bytes) && (shown?.expiresAtMs ?? 0) === entry.expiresAtMs;
    if (!same || entry.alive !== (shown !== undefined)) {
      return `${name} shows ${entry.bytes.toString()} for ${entry.key}, its record gives ${shown?.bytes.toString()}`;
    }
    if (entry.alive) alive++;
    if ((entry.expiresAtMs !== 0) !== expiring.has(entry.id)) return `${name}: the expiry index is wrong of ${entry.key}`;
  }
  return alive === aliveEntries ? undefined : `${name} counts ${aliveEntries} keys of partition ${number}, not ${alive}`;
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
      for (const entry of partition.entries.values()) bytes += entry.byteSize;
    }
    if (bytes !== store.memoryBytes) return `${name} accounts ${store.memoryBytes} bytes, not ${bytes}`;
  }
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
    const { entries, seen, ahead, purged, promised } = store.partition(number);
    return {
      records: new Map([...entries.values()].map(({ key, record }) => [key, record])),
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
    for (const key of new Set([...records.keys(), ...partition.entries.keys()])) {
      const [before, now] = [records.get(key) ?? emptyRecord, partition.entries.get(key)?.record ?? emptyRecord];
      if (!equalButForgotten(before, now, cluster.forgetting.of(number, key))) return `${name}, opened again, gives ${shown(now)} for ${key}, not ${shown(before)}`;
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
function equalButForgotten(x: VersionedRecord, y: VersionedRecord, forgotten: VectorClock): boolean {
  const rest = (record: VersionedRecord): VersionedRecord =>
    // What was forgotten came back with a part that was not, when a later write saw both.
    ({
      context: new Map([...record.context].filter(([actor, counter]) => !covers(forgotten, { actor, counter }))),
      versions: record.versions,
    });
  return recordsEqual(rest(x), rest(y));
}

/** Why a node that is no home of the partition holds some of it; undefined when it does not. */
function strayFault(name: string, { number, entries, seen }: Partition): string | undefined {
  const held = [...entries.values()].find(({ record }) => record !== undefined);
  if (held === undefined && seen.size === 0) return undefined;
  return `${name} is no home of partition ${number} and holds ${held === undefined ? 'a clock' : held.key} of it`;
}

function difference(cluster: TorcCluster, xName: string, yName: string, number: number): string | undefined {
  const x = cluster.runningNow(xName).store.partition(number);
  const y = cluster.runningNow(yName).store.partition(number);
  const where = `partition ${x.number} at ${xName} and ${yName}`;
  for (const partition of [x, y]) if (partition.ahead.length > 0) return `${where}: ahead ${JSON.stringify(partition.ahead)}`;
  if (!clocksEqual(x.seen, y.seen)) return `${where}: seen ${JSON.stringify([...x.seen])} and ${JSON.stringify([...y.seen])}`;
  for (const key of new Set([...x.entries.keys(), ...y.entries.keys()])) {
    const [mine, theirs] = [x.entries.get(key)?.record ?? emptyRecord, y.entries.get(key)?.record ?? emptyRecord];
    if (!equalButForgotten(mine, theirs, cluster.forgetting.of(number, key))) return `${where}: ${key} is ${shown(mine)} and ${shown(theirs)}`;
  }
  return undefined;
}

function shown({ context, versions }: typeof emptyRecord): string {
  return JSON.stringify({ context: [...context], versions: versions.map(({ actor, counter, term }) => ({ actor, counter, term })) });
}
