/**
 * The cluster that a seed is run on, beside its faults: how many nodes, which durability, which quorums, what network. As in swarm testing (Groce
 * et al., 2012) seeds differ in kind, since one cluster with everything on at once never gets deep into anything.
 */
import { diskFaultKinds, faultKinds } from './faults.js';
import { SeededRandom } from './random.js';
import type { Workload } from './simulated-clients.js';
import type { NetworkSettings } from './simulated-network.js';
import type { RunSettings } from './torc-run.js';

const networks: readonly Partial<NetworkSettings>[] = [
  {},
  {},
  // Zones far apart.
  { latencyMinMs: 2, latencyMeanMs: 4, spikeMs: 200 },
  // Segments lost now and then, which TCP sends again much later.
  { spikeChance: 0.1, spikeMs: 250 },
  // Everything arrives in pieces.
  { cutChance: 0.9, joinChance: 0.6 },
  // Slow, with small buffers.
  { bytesPerMs: 500, socketBufferBytes: 4096 },
];

/** Quorums of three replicas that overlap: R + W > N. */
const quorums = [
  { writeQuorum: 2, readQuorum: 2 },
  { writeQuorum: 2, readQuorum: 2 },
  { writeQuorum: 2, readQuorum: 2 },
  { writeQuorum: 2, readQuorum: 3 },
  { writeQuorum: 3, readQuorum: 1 },
  { writeQuorum: 3, readQuorum: 2 },
] as const;

/** The same for the same seed; drawn apart from all that the run itself draws. */
export function swarmOf(seed: number): RunSettings {
  const random = new SeededRandom(seed).fork('swarm');
  const nodes = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].slice(0, random.pick([3, 3, 3, 4, 5, 7]));
  const cluster = {
    nodes,
    durability: random.pick(['always', 'everysec', 'os'] as const),
    network: random.pick(networks),
    hintBytesMax: random.pick([1000, 1 << 20, 1 << 20]),
    ...random.pick(quorums),
  };
  const awayMax = random.pick(nodes.length > 4 ? [1, 2, 3] : nodes.length > 3 ? [1, 2] : [1, 1, 2]);
  const loadMs = random.pick([3000, 6000]);
  const readFrom = random.pick(['any', 'any', 'coordinator'] as const);
  const features = new SeededRandom(seed).fork('features');
  // Two nodes of three replicas would stand in for each other: nobody does.
  const sloppyQuorum = nodes.length >= 5 && features.chance(0.6);
  const repair = features.pick([
    {},
    {},
    { repairIntervalMs: 1500, fullRepairIntervalMs: 4000 },
    { repairIntervalMs: 700, fullRepairIntervalMs: 2500 },
  ]);
  const gossipIntervalMs = features.pick([1000, 1000, 300, 2500]);
  // Where both sides of a partition take writes, a list's elements go with the value that does not stand.
  const strict: Workload[] = [
    'register',
    'counter',
    'list',
    ...features.pick<Workload[]>([[], ['volatile'], ['group'], ['volatile', 'group']]),
  ];
  const collections = features.pick<Workload[]>([[], ['set', 'score'], ['field', 'tally'], ['set', 'field', 'tally', 'score']]);
  // Drawn apart, so that seeds are what they were in all else.
  const queues = new SeededRandom(seed).fork('queues').pick<Workload[]>([[], ['queue']]);
  const logs = new SeededRandom(seed).fork('logs').pick<Workload[]>([[], ['log']]);
  const feeds = new SeededRandom(seed).fork('feeds').pick<Workload[]>([[], [], ['feed']]);
  const sketches = new SeededRandom(seed).fork('sketches').pick<Workload[]>([[], [], [], ['sketch']]);
  const ranks = new SeededRandom(seed).fork('ranks').pick<Workload[]>([[], [], ['rank'], ['rank', 'place']]);
  const cells: Workload[] = new SeededRandom(seed).fork('cells').chance(0.25) ? ['cell'] : [];
  // A bitmap is a string: of two sides that write to it the later one's stands.
  const bitmaps: Workload[] = !sloppyQuorum && new SeededRandom(seed).fork('bitmaps').chance(0.25) ? ['bitmap'] : [];
  const timed: Workload[] = new SeededRandom(seed).fork('timed').chance(0.25) ? ['brief'] : [];
  const workloads = [
    ...(sloppyQuorum ? strict.filter((workload) => workload !== 'list') : strict),
    ...collections,
    ...queues,
    ...logs,
    ...feeds,
    ...timed,
    ...sketches,
    ...ranks,
    ...cells,
    ...bitmaps,
  ];
  const usualLargeBytes = new SeededRandom(seed).fork('large').pick([undefined, undefined, 60, 120, 200]);
  // Nearly everything goes in pieces then, most of it in two, one message after the other: some hundred messages a second, for which what is waited otherwise is too short.
  const tiny = new SeededRandom(seed).fork('tiny');
  const pieces = tiny.chance(0.15) ? { largeBytes: tiny.pick([20, 24, 28]), peerTimeoutMs: 5000 } : { largeBytes: usualLargeBytes };
  // A load writes some ten to fifty kilobytes to each node's log.
  const writeBacklogMax = new SeededRandom(seed).fork('backlog').pick([undefined, undefined, 6000, 20_000]);
  const nearlyFull = new SeededRandom(seed).fork('room').chance(0.3);
  return {
    cluster: { ...cluster, ...repair, ...pieces, writeBacklogMax, readFrom, sloppyQuorum, gossipIntervalMs },
    clients: { workloads },
    kinds: [...faultKinds, ...diskFaultKinds],
    nearlyFull,
    awayMax,
    loadMs,
  };
}
