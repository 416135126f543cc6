/** One seed's run of a whole cluster: faults and clients together, then healing, then everything is demanded that must be true. */
import { partitionOfSlot } from '../../cluster/ring.js';
import { slotOf } from '../../protocol/slot.js';
import { claimedAndMissing, convergenceFault, loadAll, reopenedFault } from './convergence.js';
import {
  describePlan,
  faultKinds,
  faultTarget,
  planFaults,
  roomFaultKinds,
  schedulePlan,
  type Fault,
  type FaultKind,
  type FaultPlan,
} from './faults.js';
import { SeededRandom } from './random.js';
import { finallyShown, isOfCollection, storedKey } from './collection-clients.js';
import { SimulatedClients, type ClientSettings, type Workload } from './simulated-clients.js';
import { TorcCluster, type TorcSettings } from './torc-cluster.js';

export interface RunResult {
  readonly hash: string;
  /** Undefined = all well. */
  readonly fault: string | undefined;
  /** For messages. */
  readonly plan: FaultPlan;
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly cluster: TorcCluster;
}

export interface RunSettings {
  readonly cluster?: Partial<TorcSettings>;
  readonly clients?: Partial<ClientSettings>;
  readonly kinds?: readonly FaultKind[];
  /** Of each of these kinds to be on. */
  readonly kindChance?: number;
  /** Disks are nearly full now and then, some or all at once. */
  readonly nearlyFull?: boolean;
  /** Nodes that may be down at once, but for faults that take all. */
  readonly awayMax?: number;
  readonly loadMs?: number;
  /** False: engines and logs are not opened again at the end; replaying a log knows nothing of what was planted in the store that wrote it. */
  readonly reopens?: boolean;
}

/** Which losses the cluster's settings promise to survive. */
interface Losses {
  readonly power: (node: string) => boolean;
  readonly disk: (node: string) => boolean;
  readonly powerOfAll: boolean;
}

/** The same with each fault that may lose more than the settings allow for turned into a milder one. */
function restrained(plan: FaultPlan, losses: Losses): FaultPlan {
  const milder = (fault: Fault): Fault => {
    if (fault.kind === 'power-all' && !losses.powerOfAll) return { kind: 'kill-all' };
    if (fault.kind === 'lost-disk' && !losses.disk(fault.node)) return milder({ kind: 'power', node: fault.node });
    if (fault.kind === 'power' && !losses.power(fault.node)) return { kind: 'kill', node: fault.node };
    return fault;
  };
  return { ...plan, faults: plan.faults.map((timed) => ({ ...timed, fault: milder(timed.fault) })) };
}

function joined(plan: FaultPlan, other: FaultPlan): FaultPlan {
  return {
    kinds: [...plan.kinds, ...other.kinds],
    faults: [...plan.faults, ...other.faults].sort((x, y) => x.atMs - y.atMs),
    healedAtMs: Math.max(plan.healedAtMs, other.healedAtMs),
  };
}

const usualWorkloads: readonly Workload[] = ['register', 'counter', 'list'];

export async function runSeed(seed: number, settings: RunSettings = {}): Promise<RunResult> {
  const random = new SeededRandom(seed).fork('run');
  const nodes = settings.cluster?.nodes ?? ['a', 'b', 'c'];
  const drawnDurability = random.pick(['always', 'everysec', 'everysec'] as const);
  const durability = settings.cluster?.durability ?? drawnDurability;
  const skewed = random.chance(0.5) ? random.pick(nodes) : '';
  const cluster = new TorcCluster(seed, {
    nodes,
    durability,
    partitions: random.pick([1, 4, 16]),
    cacheBytesMax: random.pick([2000, 1 << 20]),
    skewMs: { [skewed]: random.pick([-3_600_000, 3_600_000]) },
    ...settings.cluster,
  });
  const { scheduler, network, disks } = cluster;
  await cluster.startAll();
  await scheduler.runFor(3000);
  const fromMs = scheduler.nowMs;
  const untilMs = fromMs + (settings.loadMs ?? 8000);
  const mayLosePower = random.pick(nodes);
  const kinds = { kinds: settings.kinds ?? faultKinds, kindChance: settings.kindChance ?? 0.4 };
  const drawn = planFaults(cluster.random, { nodes, fromMs, untilMs, ...kinds, awayMax: settings.awayMax ?? 1 });
  // What one machine loses, W >= 2 have elsewhere: so where acknowledged writes need not be on the disk, only one machine may lose its power.
  const synced = durability === 'always';
  const oneMayLose = (settings.cluster?.writeQuorum ?? 2) > 1;
  const room = { nodes, fromMs, untilMs, kinds: settings.nearlyFull === true ? roomFaultKinds : [], kindChance: 1, awayMax: nodes.length };
  const plan = restrained(joined(drawn, planFaults(cluster.random.fork('room'), room)), {
    power: (node) => synced || (oneMayLose && node === mayLosePower),
    disk: (node) => oneMayLose && node === mayLosePower,
    powerOfAll: synced,
  });
  const sloppy = settings.cluster?.sloppyQuorum === true;
  const clients = new SimulatedClients(cluster, {
    clients: 6,
    keysPerWorkload: random.pick([1, 3, 20]),
    workloads: usualWorkloads,
    thinkMs: random.pick([5, 20, 60]),
    hereChance: random.pick([0, 0, 0.3]),
    pipelineChance: random.pick([0, 0.3]),
    ...settings.clients,
  });
  let fault: string | undefined;
  cluster.onRecovered = async ({ name, store }) => {
    if (!random.chance(0.5)) return;
    const release = await loadAll(store, cluster.partitions);
    fault ??= claimedAndMissing(`${name}, recovered,`, store, cluster);
    release();
  };
  const result = (): RunResult => ({
    hash: scheduler.traceHash(),
    fault: fault ?? cluster.faults[0],
    plan,
    acknowledged: clients.acknowledged,
    refused: clients.refused,
    unknown: clients.unknown,
    cluster,
  });
  try {
    schedulePlan(scheduler, plan, faultTarget(scheduler, network, disks, cluster.start, cluster.forget, cluster.setFull), nodes);
    clients.start();
    const broken = (): boolean => fault !== undefined || cluster.faults.length > 0;
    await scheduler.runUntil(untilMs, broken);
    clients.stop();
    if (broken()) return result();
    const healed = (): boolean => network.allTold && cluster.allWell() && cluster.hintBytes() === 0;
    await scheduler.runFor(90_000, () => broken() || healed());
    if (!broken() && !healed()) fault = `not healed: ${cluster.log.slice(-5).join('; ')}`;
    // Two rounds of gossip, and time for what they bring about.
    await scheduler.runFor(3000 + 2 * (settings.cluster?.gossipIntervalMs ?? 1000), broken);
    const workloads = new Set([...usualWorkloads, ...(settings.clients?.workloads ?? [])]);
    if (!broken()) await readEverything(cluster, clients, workloads, (reason) => (fault ??= reason));
    await scheduler.runFor(3000, broken);
    if (!broken() && clients.unanswered > 0) fault = `${clients.unanswered} commands were never answered`;
    if (!broken()) fault = clients.verdict({ linearizable: cluster.settings.readFrom === 'coordinator' && !sloppy, sloppy });
    if (!broken()) fault = await convergenceFault(cluster);
    if (!broken()) fault = clients.finalVerdict((key) => shownEverywhere(cluster, key), sloppy);
    for (const name of settings.reopens === false ? [] : nodes) if (!broken()) fault = await reopenedFault(cluster, name);
  } catch (error) {
    fault ??= error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  return result();
}

/** Every key through every node: after healing each is answered, and that too is part of the history. */
async function readEverything(
  cluster: TorcCluster,
  clients: SimulatedClients,
  workloads: Iterable<Workload>,
  refused: (reason: string) => void,
): Promise<void> {
  let open = 0;
  for (const workload of workloads) {
    for (const key of clients.keys(workload)) {
      for (const name of cluster.nodes) {
        open++;
        const read = (triesLeft: number): void =>
          clients.read('reader', name, key, (ok) => {
            if (!ok && triesLeft > 0) return void cluster.scheduler.schedule(undefined, 500, 'reader', () => read(triesLeft - 1));
            open--;
            if (!ok) refused(`${name} refuses to read ${key} after all was healed`);
          });
        // Reading through a group is a write, which a quorum of all homes refuses while a link is being made anew; in the end each is taken.
        read(workload === 'feed' ? 20 : 0);
      }
    }
  }
  await cluster.scheduler.runFor(20_000, () => open === 0);
  if (open > 0) refused(`${open} reads are not answered after all was healed`);
}

function shownEverywhere(cluster: TorcCluster, key: string): string | null {
  const stored = storedKey(key);
  const number = partitionOfSlot(slotOf(Buffer.from(stored)), cluster.partitions);
  const [home = ''] = cluster.homesOf(number);
  const partition = cluster.runningNow(home).store.partition(number);
  const entry = partition.entries.get(stored);
  if (entry === undefined) return null;
  if (!isOfCollection(key)) return entry.alive ? entry.bytes.toString('latin1') : null;
  const [collection] = partition.collections.of(entry.id).filter(({ living }) => living > 0);
  if (collection === undefined) return null;
  const pairs = Array.from({ length: collection.living }, (_, at) => collection.at(at)).map(
    (part) => [partition.table.nameOf(part), partition.table.valueOf(part).toString('latin1')] as const,
  );
  return finallyShown(key, pairs);
}

/** What to print of a seed that fails: the plan, what nodes said, and the trace's end. */
export function report({ fault, plan, cluster }: RunResult): string {
  const settings = JSON.stringify({ ...cluster.settings, plant: undefined });
  return [fault, settings, describePlan(plan), ...cluster.log.slice(-20), ...cluster.scheduler.recentTrace().slice(-60)]
    .map((line) => line?.trimEnd())
    .join('\n');
}

/** The seeds of a test: TORC_SEED alone, or TORC_SEEDS of them, or `usual`. */
export function seeds(usual: number): number[] {
  const { TORC_SEED: only, TORC_SEEDS: count } = process.env;
  if (only !== undefined) return [Number(only)];
  return Array.from({ length: count === undefined ? usual : Number(count) }, (_, at) => at + 1);
}
