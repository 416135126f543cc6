/**
 * What is compared, as a table: each row's servers, how it is loaded, and what it is measured against, with the floors it must keep.
 */
import { redisServer, type ServerGroup, startCluster, startNode } from '../test/harness/processes.js';
import type { BenchmarkTest, Load } from './redis-benchmark.js';

/** Least ratio to the baseline's requests per second, by test and pipeline depth: `set/1`. 'set': that of SET in the same run. */
type Floors = Readonly<Record<string, number | 'set'>>;

/** Servers that are started once; two setups may load the same ones. */
export type FleetName = 'torc1' | 'torc3' | 'redis' | 'redis-aof' | 'redis-replicated';

/** Memory for all that the loads put into a node, as redis-server has. */
const cacheSize = '2gb';

export const fleets: Readonly<Record<FleetName, () => Promise<ServerGroup>>> = {
  torc1: () => startNode({ durability: 'everysec', 'cache-size': cacheSize }),
  torc3: () =>
    startCluster({
      directives: { durability: 'everysec', 'cache-size': cacheSize, replicas: '3', 'write-quorum': '2', 'read-quorum': '2' },
    }),
  redis: () => redisServer({ directives: { appendonly: 'no' } }),
  'redis-aof': () => redisServer({ directives: { appendonly: 'yes', appendfsync: 'everysec' } }),
  'redis-replicated': () => redisServer({ replicas: 2 }),
};

export interface Setup {
  readonly name: string;
  readonly title: string;
  readonly fleet: FleetName;
  /** plain: redis-benchmark on the first port; cluster: the same with --cluster; wait: SET and WAIT 1 0 by a client of our own. */
  readonly client: 'plain' | 'cluster' | 'wait';
  /** Name of the setup whose figures are 1.0. */
  readonly baseline: string | undefined;
  readonly floors: Floors;
}

const pipelines = [1, 16] as const;
export const usualTests: readonly BenchmarkTest[] = ['set', 'get', 'incr', 'mset'];

const oneNodeFloors: Floors = { 'set/1': 0.4, 'get/1': 0.65, 'set/16': 0.3, 'get/16': 0.45 };
/** Writes to a collection, one element each, cost no more than SET does. */
const asSet: readonly BenchmarkTest[] = ['lpush', 'rpush', 'sadd', 'hset', 'zadd', 'lpop', 'spop', 'zpopmin'];
const collectionFloors: Floors = Object.fromEntries([
  ...asSet.flatMap((test) => pipelines.map((pipeline) => [`${test}/${pipeline}`, 'set'] as const)),
  ...pipelines.map((pipeline) => [`lrange_600/${pipeline}`, 0.3] as const),
]);
const threeNodeFloors: Floors = { 'set/1': 0.2, 'get/1': 0.4, 'set/16': 0.12, 'get/16': 0.22, ...collectionFloors };

export const setups: readonly Setup[] = [
  { name: 'torc1', title: 'Torc, one node, everysec', fleet: 'torc1', client: 'plain', baseline: 'redis-aof', floors: oneNodeFloors },
  { name: 'torc3', title: 'Torc, 3/2/2, one address', fleet: 'torc3', client: 'plain', baseline: 'redis', floors: threeNodeFloors },
  {
    name: 'torc3-cluster',
    title: 'Torc, 3/2/2, --cluster',
    fleet: 'torc3',
    client: 'cluster',
    baseline: 'redis',
    floors: collectionFloors,
  },
  { name: 'redis', title: 'redis-server, no persistence', fleet: 'redis', client: 'plain', baseline: undefined, floors: {} },
  { name: 'redis-aof', title: 'redis-server, everysec', fleet: 'redis-aof', client: 'plain', baseline: 'redis', floors: {} },
  {
    name: 'redis-wait',
    title: 'redis-server, 2 replicas, WAIT 1',
    fleet: 'redis-replicated',
    client: 'wait',
    baseline: 'redis',
    floors: {},
  },
];

/** Every load of a setup: of these tests, with many keys, and of SET and GET among them with one. WAIT makes sense after SETs only. */
export function loadsOf(setup: Setup, tests: readonly BenchmarkTest[] = usualTests): Load[] {
  return pipelines.flatMap((pipeline): Load[] => {
    if (setup.client === 'wait') return tests.includes('set') ? [{ test: 'set', hot: false, pipeline }] : [];
    const many = tests.map((test) => ({ test, hot: false, pipeline }));
    // Without -r and with --cluster redis-benchmark still spreads its one key over all slots.
    const hot =
      setup.client === 'cluster'
        ? []
        : (['set', 'get'] as const).filter((test) => tests.includes(test)).map((test) => ({ test, hot: true, pipeline }));
    return [...many, ...hot];
  });
}
