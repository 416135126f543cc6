/** Bugs to be planted in the cluster under test: the histories have to catch each of them, or they prove nothing. */
import type { Node } from '../../cluster/node.js';
import type { Rebuild } from '../../cluster/rebuild.js';
import type { TakeOverOptions } from '../../cluster/take-over.js';
import type { TermProofs } from '../../cluster/term-proofs.js';
import { decodeBatches } from '../../protocol/batch.js';
import type { Partition } from '../../storage/partition.js';
import { recordPart } from '../../protocol/record-key.js';
import type { CommitLog } from '../../storage/commit-log.js';
import type { Staged } from '../../storage/staged-writes.js';
import type { Store } from '../../storage/store.js';
import type { WriteBehind } from '../../storage/write-behind.js';
import { plusDot } from '../../storage/vector-clock.js';
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

/** Every so many batches, those that hold none of what `isMeant` are not counted, one stages nothing of it. */
function dropNowAndThen(store: Store, every: number, isMeant: (staged: Staged) => boolean): void {
  const writeBatch = store.writeBatch.bind(store);
  let batches = 0;
  store.writeBatch = (partition, dot, term, epoch, transaction) => {
    const { writes } = transaction;
    const staged = writes.places.slice(0, writes.count);
    if (staged.some(isMeant) && ++batches % every === 0) {
      const kept = staged.filter((one) => !isMeant(one));
      writes.places.splice(0, writes.count, ...kept, ...staged.filter(isMeant));
      writes.count = kept.length;
    }
    return writeBatch(partition, dot, term, epoch, transaction);
  };
}

const removes = ({ deletes, record }: Staged): boolean => deletes || record?.versions.length === 0;

const duels = { workloads: ['list'], keysPerWorkload: 2, hereChance: 0.7 } as const;

/** A part of a node that only the node itself knows. */
const partOf = (node: Node, name: 'rebuild' | 'termProofs' | 'purger'): unknown => Reflect.get(node, name);

/** By name. `npm run simulate -- --canaries` has each of them caught within 200 seeds. */
export const canaries: Readonly<Record<string, RunSettings>> = {
  'a node acknowledges before it has appended': {
    cluster: {
      durability: 'os',
      plant: (store) => {
        // Only every tenth turn's end reaches the file; acknowledgements go with all of them.
        const log = Reflect.get(store, 'log') as CommitLog;
        const flush = log.flush.bind(log);
        let turns = 0;
        log.flush = () => {
          if (++turns % 10 === 0) flush();
        };
        store.whenDurable = (callback) => callback();
      },
    },
    kinds: ['kill', 'kill-all'],
  },
  'a node acknowledges before it has synced': {
    cluster: { durability: 'always', plant: (store) => (store.whenDurable = (callback) => callback()) },
    kinds: ['power', 'power-all'],
  },
  'a machine that lost its power believes that it kept all it wrote': {
    cluster: { plantedSameBoot: true, durability: 'os' },
    kinds: ['power', 'isolate', 'pause'],
    kindChance: 1,
    awayMax: 2,
    clients: duels,
  },
  'a node that lost its disk counts before it was rebuilt': {
    cluster: {
      durability: 'always',
      plantNode: (node) => {
        const rebuild = partOf(node, 'rebuild') as Rebuild;
        rebuild.isDoubtful = () => false;
        rebuild.tick = () => undefined;
        Object.defineProperty(rebuild, 'isInDoubt', { value: false });
      },
    },
    kinds: ['lost-disk', 'isolate', 'pause'],
    kindChance: 1,
    awayMax: 2,
    clients: duels,
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
  'a replica promises a term and keeps to its old one': {
    cluster: {
      plantNode: ({ takeOver }) => {
        const { store } = Reflect.get(takeOver, 'options') as TakeOverOptions;
        const onTakeOver = takeOver.onTakeOver.bind(takeOver);
        const promise = store.promise.bind(store);
        takeOver.onTakeOver = (peer, message) => {
          store.promise = (numbers) => [...numbers];
          onTakeOver(peer, message);
          store.promise = promise;
        };
      },
    },
    clients: duels,
  },
  'a promise is not logged': {
    cluster: {
      plant: (store) => {
        store.promise = (numbers, term) => numbers.filter((number) => store.partition(number).promise(term.counter, term.actor));
      },
      readFrom: 'coordinator',
      partitions: 16,
    },
    kinds: ['kill', 'isolate'],
    kindChance: 1,
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
    reopens: false,
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
  'a hint is lost': {
    cluster: {
      nodes: ['a', 'b', 'c', 'd', 'e'],
      sloppyQuorum: true,
      plant: (store) => {
        const keep = store.hints.keep.bind(store.hints);
        let count = 0;
        store.hints.keep = (...hint) => (++count % 3 === 0 ? undefined : keep(...hint));
      },
    },
    kinds: ['power', 'kill', 'isolate', 'lost-disk'],
    kindChance: 1,
    awayMax: 3,
    clients: { workloads: ['counter'] },
  },
  'peers are told of what the log did not take': {
    cluster: {
      durability: 'always',
      plant: (store) => {
        store.isUnlogged = () => false;
      },
    },
    kinds: ['failing-disk', 'kill'],
    kindChance: 1,
    clients: duels,
  },
  'what no sync has covered counts as durable when the disk takes writes again': {
    cluster: {
      durability: 'always',
      plant: (store) => {
        const writeBehind = Reflect.get(store, 'writeBehind') as WriteBehind;
        writeBehind.writeOut = () => Promise.resolve();
      },
    },
    // Two replicas have to lose what they told the coordinator of: one that is away leaves no third.
    kinds: ['failing-disk', 'kill', 'power-all', 'block'],
    awayMax: 2,
    kindChance: 1,
    clients: duels,
  },
  'a value lives on when it has expired': {
    cluster: { plant: (store) => (store.hybridClock.nowMsAt = () => 0) },
    clients: { workloads: ['volatile'] },
  },
  'a command on several keys is written in pieces': {
    cluster: {
      plant: (store) => {
        const writeBatch = store.writeBatch.bind(store);
        store.writeBatch = (partition, dot, term, epoch, transaction) => {
          transaction.writes.count = Math.min(transaction.writes.count, 2);
          return writeBatch(partition, dot, term, epoch, transaction);
        };
      },
    },
    clients: { workloads: ['group'] },
  },
  // Replicas catch up soon, unless hints are few and nothing is repaired.
  'a replica forgets what it alone has seen': {
    cluster: {
      nodes: ['a', 'b', 'c'],
      repairIntervalMs: 1e6,
      fullRepairIntervalMs: 1e6,
      gossipIntervalMs: 300,
      hintBytesMax: 1000,
      plantNode: (node) => {
        const purger = partOf(node, 'purger') as { horizonOf: (partition: number) => unknown; options: { store: Store } };
        purger.horizonOf = (number) => {
          const { seen, contextsAdded } = purger.options.store.partition(number);
          const own = new Map(seen);
          return { least: own, most: own, contextsAdded };
        };
      },
    },
    kinds: ['block', 'isolate'],
    kindChance: 1,
    awayMax: 2,
    clients: { workloads: ['set', 'field'], keysPerWorkload: 3, hereChance: 0.7, thinkMs: 20 },
  },
  'reads ask nobody': { cluster: { readQuorum: 1 } },
  'a coordinator answers reads without asking whether its term stands': {
    cluster: {
      readFrom: 'coordinator',
      plantNode: (node) => {
        const proofs = partOf(node, 'termProofs') as TermProofs;
        proofs.prove = (_coordination, call, reply, newest) => {
          if (newest === undefined || newest.settled) call.answer(reply);
          else newest.wait(call, reply);
        };
      },
    },
    kinds: ['pause', 'isolate', 'block'],
    clients: { thinkMs: 5, keysPerWorkload: 1 },
  },
  'a deletion of a collection covers its own batch': {
    cluster: {
      plant: (store) => {
        const writeBatch = store.writeBatch.bind(store);
        store.writeBatch = (partition, dot, term, epoch, transaction) => {
          for (const staged of transaction.writes.places.slice(0, transaction.writes.count)) {
            if (staged.part === recordPart.deleted && staged.record !== undefined)
              staged.record = { context: plusDot(staged.record.context, dot), versions: [] };
          }
          return writeBatch(partition, dot, term, epoch, transaction);
        };
      },
    },
    clients: { workloads: ['set'] },
    reopens: false,
  },
  'what was popped or removed stays there now and then': {
    cluster: { plant: (store) => dropNowAndThen(store, 5, (staged) => staged.part === recordPart.element && removes(staged)) },
    clients: { workloads: ['set', 'rank', 'queue', 'log'] },
    reopens: false,
  },
  'what was added or set is not there now and then': {
    cluster: {
      plant: (store) =>
        dropNowAndThen(store, 5, (staged) => (staged.part === recordPart.element || staged.part === recordPart.value) && !removes(staged)),
    },
    clients: { workloads: ['rank', 'place', 'cell', 'bitmap'] },
    reopens: false,
  },
  'commands of a connection overtake each other': {
    cluster: { plantedNoOrder: true },
    clients: { pipelineChance: 0.7, thinkMs: 5, keysPerWorkload: 1 },
  },
};

/** The settings of a seed that is to catch the bug of this name. Throws when there is none. */
export function planted(name: string): RunSettings {
  const settings = canaries[name];
  if (settings === undefined) throw new Error(`no canary '${name}'; there are: ${Object.keys(canaries).join(', ')}`);
  return settings;
}

/** Seeds that have caught those that few seeds catch. They are tried first, as any that catches a bug proves the same; where one does so no longer the others are. */
export const caughtBefore: Readonly<Record<string, number>> = {
  'a node acknowledges before it has appended': 16,
  'a machine that lost its power believes that it kept all it wrote': 17,
  'a node that lost its disk counts before it was rebuilt': 17,
  'a replica promises a term and keeps to its old one': 7,
  'seen moves over gaps': 23,
  'a replica acknowledges what it did not store': 12,
  'a hint is lost': 39,
  'peers are told of what the log did not take': 139,
  'what no sync has covered counts as durable when the disk takes writes again': 14,
  'a replica forgets what it alone has seen': 4,
  'a coordinator answers reads without asking whether its term stands': 7,
};
