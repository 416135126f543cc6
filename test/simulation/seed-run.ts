/** One seed of `npm run simulate`, and what is told of it: plain figures, so that they can be added up and sent between processes. */
import type { Durability } from '../../storage/commit-log.js';
import { planted } from './canaries.js';
import { swarmOf } from './swarm.js';
import { report, runSeed } from './torc-run.js';

export interface SeedOutcome {
  readonly seed: number;
  /** Undefined = all well. */
  readonly fault: string | undefined;
  /** Of the trace: the same for the same seed and code. */
  readonly hash: string;
  readonly nodes: number;
  readonly durability: Durability;
  /** What was done to the cluster, and what that brought about: how often, by kind. */
  readonly injected: Readonly<Record<string, number>>;
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly simulatedMs: number;
  /** The plan, what nodes said, and the trace's last lines. */
  readonly story: string;
}

/** `canary` names a planted bug. */
export async function runOne(seed: number, canary?: string): Promise<SeedOutcome> {
  const settings = canary === undefined ? swarmOf(seed) : planted(canary);
  const result = await runSeed(seed, settings);
  const { fault, hash, plan, acknowledged, refused, unknown, cluster } = result;
  const injected: Record<string, number> = {};
  const count = (kind: string, times = 1): void => {
    injected[kind] = (injected[kind] ?? 0) + times;
  };
  for (const timed of plan.faults) count(timed.fault.kind);
  count('clock skew', cluster.nodes.filter((node) => (cluster.settings.skewMs?.[node] ?? 0) !== 0).length);
  count('late segments', cluster.network.late);
  count('segments lost with their stream', cluster.network.lost);
  count('streams stalled by a blocked direction', cluster.network.stalled);
  count('batches that came again', cluster.batches.duplicates);
  count('batches that came before earlier ones', cluster.batches.gaps);
  count('batches that went in pieces', cluster.batches.large);
  count('disks that refused writes', cluster.disk.refused);
  count('disks that took them again', cluster.disk.recovered);
  count('processes that died while writes waited for the disk', cluster.disk.heldAtCrash);
  return {
    seed,
    fault,
    hash,
    nodes: cluster.nodes.length,
    durability: cluster.settings.durability ?? 'everysec',
    injected,
    acknowledged,
    refused,
    unknown,
    simulatedMs: cluster.scheduler.nowMs,
    story: fault === undefined ? '' : report(result),
  };
}
