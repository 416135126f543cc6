/** One seed's run of a whole cluster: faults and clients together, then healing, then everything is demanded that must be true. */
import { claimedAndMissing, convergenceFault, loadAll } from './convergence.js';
import { describePlan, faultTarget, planFaults, schedulePlan, type FaultKind, type FaultPlan } from './faults.js';
import { SeededRandom } from './random.js';
import { SimulatedClients, type ClientSettings } from './simulated-clients.js';
import { TorcCluster, type TorcSettings } from './torc-cluster.js';

export interface RunResult {
  readonly hash: string;
  /** Undefined = all well. */
  readonly fault: string | undefined;
  /** For messages. */
  readonly plan: FaultPlan;
  readonly acknowledged: number;
  readonly refusedOrUnknown: number;
  readonly cluster: TorcCluster;
}

export interface RunSettings {
  readonly cluster?: Partial<TorcSettings>;
  readonly clients?: Partial<ClientSettings>;
  readonly kinds?: readonly FaultKind[];
  readonly loadMs?: number;
}

/** Everysec may lose what was acknowledged when two machines lose power within a second of each other, so only one of them may. */
function restrained(plan: FaultPlan, mayLosePower: (node: string) => boolean): FaultPlan {
  const faults = plan.faults.map((timed) =>
    timed.fault.kind === 'power' && !mayLosePower(timed.fault.node)
      ? { ...timed, fault: { kind: 'kill', node: timed.fault.node } as const }
      : timed,
  );
  return { ...plan, faults };
}

export async function runSeed(seed: number, settings: RunSettings = {}): Promise<RunResult> {
  const random = new SeededRandom(seed).fork('run');
  const nodes = ['a', 'b', 'c'];
  const durability = random.pick(['always', 'everysec', 'everysec'] as const);
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
  const kinds = settings.kinds === undefined ? {} : { kinds: settings.kinds };
  const drawn = planFaults(cluster.random, { nodes, fromMs, untilMs, ...kinds });
  const plan = restrained(drawn, (node) => durability === 'always' || node === mayLosePower);
  const clients = new SimulatedClients(cluster, {
    clients: 6,
    keysPerWorkload: random.pick([1, 3, 20]),
    workloads: ['register', 'counter', 'list'],
    thinkMs: random.pick([5, 20, 60]),
    hereChance: random.pick([0, 0, 0.3]),
    pipelineChance: random.pick([0, 0.3]),
    ...settings.clients,
  });
  let fault: string | undefined;
  cluster.onRecovered = async ({ name, store }) => {
    if (!random.chance(0.5)) return;
    const release = await loadAll(store, cluster.partitions);
    fault ??= claimedAndMissing(`${name}, recovered,`, store, cluster.batches);
    release();
  };
  const result = (): RunResult => ({
    hash: scheduler.traceHash(),
    fault: fault ?? cluster.faults[0],
    plan,
    acknowledged: clients.acknowledged,
    refusedOrUnknown: clients.refusedOrUnknown,
    cluster,
  });
  try {
    schedulePlan(scheduler, plan, faultTarget(scheduler, network, disks, cluster.start), nodes);
    clients.start();
    const broken = (): boolean => fault !== undefined || cluster.faults.length > 0;
    await scheduler.runUntil(untilMs, broken);
    clients.stop();
    if (broken()) return result();
    await scheduler.runFor(90_000, () => broken() || cluster.allWell());
    if (!broken() && !cluster.allWell()) fault = `not healed: ${cluster.log.slice(-5).join('; ')}`;
    // Two rounds of gossip, and time for what they bring about.
    await scheduler.runFor(5000, broken);
    if (!broken()) await readEverything(cluster, clients, (reason) => (fault ??= reason));
    await scheduler.runFor(3000, broken);
    if (!broken() && clients.unanswered > 0) fault = `${clients.unanswered} commands were never answered`;
    if (!broken()) fault = clients.verdict();
    if (!broken()) fault = await convergenceFault(cluster);
    if (!broken()) fault = clients.finalVerdict((key) => shownEverywhere(cluster, key));
  } catch (error) {
    fault ??= error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  return result();
}

/** Every key through every node: after healing each is answered, and that too is part of the history. */
async function readEverything(cluster: TorcCluster, clients: SimulatedClients, refused: (reason: string) => void): Promise<void> {
  let open = 0;
  for (const workload of ['register', 'counter', 'list'] as const) {
    for (const key of clients.keys(workload)) {
      for (const name of cluster.nodes) {
        open++;
        clients.read('reader', name, key, (ok) => {
          open--;
          if (!ok) refused(`${name} refuses GET ${key} after all was healed`);
        });
      }
    }
  }
  await cluster.scheduler.runFor(20_000, () => open === 0);
  if (open > 0) refused(`${open} reads are not answered after all was healed`);
}

function shownEverywhere(cluster: TorcCluster, key: string): string | null {
  const { store } = cluster.runningNow(cluster.nodes[0] ?? '');
  for (let number = 0; number < cluster.partitions; number++) {
    const entry = store.partition(number).entries.get(key);
    if (entry?.alive === true) return entry.bytes.toString();
  }
  return null;
}

/** What to print of a seed that fails. */
export function report(test: string, seed: number, { fault, plan, cluster }: RunResult): string {
  const trace = process.env['TORC_SEED'] === undefined ? '' : `\n${cluster.scheduler.recentTrace().slice(-60).join('')}`;
  const said = cluster.log.slice(-20).join('\n');
  return `${test}: seed ${seed} fails: ${fault}\nreplay it with TORC_SEED=${seed}\n${describePlan(plan)}\n${said}${trace}`;
}

/** The seeds of a test: TORC_SEED alone, or TORC_SEEDS of them, or `usual`. */
export function seeds(usual: number): number[] {
  const { TORC_SEED: only, TORC_SEEDS: count } = process.env;
  if (only !== undefined) return [Number(only)];
  return Array.from({ length: count === undefined ? usual : Number(count) }, (_, at) => at + 1);
}
