/**
 * Bugs planted in the cluster under test: the histories have to catch each of them, or they prove nothing. TORC_SEEDS=n gives them n seeds to be
 * caught in, 200 by default. `firstSeed` saves the seeds that are known not to catch it.
 */
import test from 'ava';
import { decodeBatches } from '../../protocol/batch.js';
import type { Partition } from '../../storage/partition.js';
import type { Store } from '../../storage/store.js';
import { runSeed, seeds, type RunSettings } from './torc-run.js';

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

const canaries: Readonly<Record<string, RunSettings & { readonly firstSeed?: number }>> = {
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
          partition.promise = (counter, actor) => promise(counter, actor) || true;
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
        store.applyBatches = (bytes, listener) => {
          if (++count % 20 !== 0) return applyBatches(bytes, listener);
          for (const { dot, parts } of decodeBatches(bytes)) {
            for (const { partition } of parts) listener?.applied(partition, dot.actor, dot.counter, false, false);
          }
        };
      },
    },
  },
  'reads ask nobody': { cluster: { readQuorum: 1 } },
};

for (const [name, settings] of Object.entries(canaries)) {
  test(`caught: ${name}`, async (t) => {
    t.timeout(3_600_000);
    for (const seed of seeds(200)) {
      if (seed < (settings.firstSeed ?? 1)) continue;
      const { fault } = await runSeed(seed, settings);
      if (fault === undefined) continue;
      t.log(`seed ${seed}: ${fault.slice(0, 200)}`);
      return t.pass();
    }
    t.fail('not caught');
  });
}
