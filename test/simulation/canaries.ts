/** Bugs to be planted in the cluster under test: the histories have to catch each of them, or they prove nothing. */
import { decodeBatches } from '../../protocol/batch.js';
import type { Partition } from '../../storage/partition.js';
import type { Store } from '../../storage/store.js';
import type { RunSettings } from './torc-run.js';

/** Changes every partition of a store, those that were recovered and those to come. */
function inEachPartition(store: Store, change: (partition: Partition) => void): void {
  const changed = new Set<Partition>();
  const partitionOf = store.partition.bind(store);
  store.partition = (number) => {
    const partition = partitionOf(number);
    if (!changed.has(partition)) change(partition);
    changed.add(partition);
    return partition;
  };
}

const duels = { workloads: ['list'], keysPerWorkload: 2, hereChance: 0.7 } as const;

export const canaries: Readonly<Record<string, RunSettings & { readonly firstSeed?: number }>> = {
  'a machine that lost its power believes that it kept all it wrote': {
    firstSeed: 46,
    cluster: { plantedSameBoot: true, durability: 'os' },
    kinds: ['power'],
  },
  'a replica acknowledges whatever term it has promised': {
    cluster: {
      plant: (store) =>
        inEachPartition(store, (partition) => {
          const promise = partition.promise.bind(partition);
          partition.promise = (term) => promise(term) || true;
        }),
    },
    clients: duels,
  },
  'seen moves over gaps': {
    cluster: {
      hintBytesMax: 1000,
      plant: (store) =>
        inEachPartition(store, (partition) => {
          const note = partition.note.bind(partition);
          partition.note = (actor, counter) => note(actor, counter, 0);
        }),
    },
    clients: { hereChance: 0.3 },
  },
  'a replica acknowledges what it did not store': {
    cluster: {
      plant: (store, node) => {
        if (node !== 'b') return;
        const applyBatches = store.applyBatches.bind(store);
        let count = 0;
        store.applyBatches = (bytes, report) => {
          if (++count % 20 !== 0) return applyBatches(bytes, report);
          for (const { dot, parts } of decodeBatches(bytes)) {
            for (const { partition } of parts) report({ partition, dot, superseded: false, gap: false });
          }
        };
      },
    },
  },
  'reads ask nobody': { cluster: { readQuorum: 1 } },
};

/** The settings of a seed that is to catch the bug of this name. Throws when there is none. */
export function planted(name: string, _seed: number): RunSettings {
  const settings = canaries[name];
  if (settings === undefined) throw new Error(`no canary '${name}'; there are: ${Object.keys(canaries).join(', ')}`);
  return settings;
}
