/**
 * What goes wrong in a run, and when, drawn from its seed before it starts. As in swarm testing (Groce et al., 2012) each seed has only
 * some kinds of fault, and its own pace, since a run with everything always on never gets deep into anything. Invariant: each fault has
 * an end, and after `healedAtMs` all nodes are up, all links work, all clocks and disks are as they were: then convergence is demanded.
 */
import type { DiskOperation } from './disk-access.js';
import type { SeededRandom } from './random.js';
import type { CrashKind, Scheduler } from './simulated-clock.js';
import type { SimulatedDisk } from './simulated-disk.js';
import type { SimulatedNetwork } from './simulated-network.js';

export type Fault =
  /** kill -9 and a later start. */
  | { readonly kind: 'kill'; readonly node: string }
  /** Loss of power and a later start, with another boot id. */
  | { readonly kind: 'power'; readonly node: string }
  /** kill -9 of all nodes at the same moment. */
  | { readonly kind: 'kill-all' }
  /** SIGSTOP and SIGCONT. */
  | { readonly kind: 'pause'; readonly node: string }
  /** All streams between the two break, once. */
  | { readonly kind: 'break'; readonly a: string; readonly b: string }
  /** One way only. */
  | { readonly kind: 'block'; readonly from: string; readonly to: string }
  /** Nothing passes between the node and all others. */
  | { readonly kind: 'isolate'; readonly node: string }
  | { readonly kind: 'slow-link'; readonly from: string; readonly to: string; readonly extraMs: number }
  /** The wall clock jumps, and jumps back. */
  | { readonly kind: 'jump'; readonly node: string; readonly ms: number }
  | { readonly kind: 'slow-disk'; readonly node: string; readonly slowness: number }
  /** Loss of power of all nodes at the same moment. */
  | { readonly kind: 'power-all' }
  /** The log takes `bytes` more: the node takes no writes when they are used up, until there is room. */
  | { readonly kind: 'full-disk'; readonly node: string; readonly bytes: number }
  /** Operations fail: the node takes no writes, or stops where it cannot read, and is started again on a disk that works. */
  | { readonly kind: 'failing-disk'; readonly node: string; readonly operation: DiskOperation }
  /** Loss of power and of all that was on the disk. */
  | { readonly kind: 'lost-disk'; readonly node: string }
  /** Less than min-free-space is left: the node takes no writes, whether it is started anew or not. */
  | { readonly kind: 'nearly-full'; readonly node: string };

export type FaultKind = Fault['kind'];

/** What any cluster may be put through. */
export const faultKinds: readonly FaultKind[] = [
  'kill',
  'power',
  'kill-all',
  'pause',
  'break',
  'block',
  'isolate',
  'slow-link',
  'jump',
  'slow-disk',
];

/** What happens to disks: for a target that has nodes stop by themselves, and knows what may be lost. */
export const diskFaultKinds: readonly FaultKind[] = ['power-all', 'full-disk', 'failing-disk', 'lost-disk'];

/** A plan of its own, since nobody is away for it: all may be nearly full at once. */
export const roomFaultKinds: readonly FaultKind[] = ['nearly-full'];

/** Of one operation of a failing disk: more than a node tries. */
const failuresInARow = 100;

export interface TimedFault {
  readonly fault: Fault;
  /** True milliseconds since the simulation began. */
  readonly atMs: number;
  /** Later than atMs where the fault lasts, the same where it does not. */
  readonly endsAtMs: number;
}

export interface FaultPlan {
  /** The kinds that this seed has on. */
  readonly kinds: readonly FaultKind[];
  /** By atMs. */
  readonly faults: readonly TimedFault[];
  /** No fault lasts longer. */
  readonly healedAtMs: number;
}

export interface FaultPlanSettings {
  /** At least two. */
  readonly nodes: readonly string[];
  readonly fromMs: number;
  /** The end of the last fault. */
  readonly untilMs: number;
  /** Kinds that may be on; all by default. */
  readonly kinds?: readonly FaultKind[];
  /** Of each of these kinds to be on; 0.4 by default. */
  readonly kindChance?: number;
  /** How many nodes may be down, paused or isolated at once, but for kill-all; 1 by default. */
  readonly awayMax?: number;
  /** How far a wall clock may jump either way; an hour by default. */
  readonly jumpMsMax?: number;
}

/** What faults are done to. */
export interface FaultTarget {
  crash(node: string, kind: CrashKind): void;
  /** Starts the node again; nothing happens when it is up. */
  restart(node: string): void;
  pause(node: string): void;
  resume(node: string): void;
  breakStreams(a: string, b: string): void;
  block(from: string, to: string): void;
  unblock(from: string, to: string): void;
  /** 0 = as usual. */
  slowLink(from: string, to: string, extraMs: number): void;
  jump(node: string, ms: number): void;
  /** 1 = as usual. */
  slowDisk(node: string, slowness: number): void;
  /** Room for the log; Infinity = as usual. The node may stop by itself while there is too little. */
  limitDisk(node: string, bytes: number): void;
  /** The next `times` operations fail; 0 = no more. The node may stop by itself. */
  failDisk(node: string, operation: DiskOperation, times: number): void;
  /** All that is on it is gone. The node is down. */
  loseDisk(node: string): void;
  /** The node is told, now and whenever it starts, that its disk is nearly full, or that it is not any more. */
  setFull(node: string, full: boolean): void;
}

/** Nodes that a fault takes away while it lasts. */
function awayIn(fault: Fault): string | undefined {
  switch (fault.kind) {
    case 'kill':
    case 'power':
    case 'pause':
    case 'isolate':
    case 'full-disk':
    case 'failing-disk':
    case 'lost-disk':
      return fault.node;
    case 'kill-all':
    case 'power-all':
    case 'break':
    case 'block':
    case 'slow-link':
    case 'jump':
    case 'slow-disk':
    case 'nearly-full':
      return undefined;
  }
}

const isOfDisk = ({ kind }: Fault): boolean => kind === 'full-disk' || kind === 'failing-disk';

const takesAll = ({ kind }: Fault): boolean => kind === 'kill-all' || kind === 'power-all';

function drawFault(kind: FaultKind, random: SeededRandom, nodes: readonly string[], jumpMsMax: number): Fault {
  const node = random.pick(nodes);
  const other = random.pick(nodes.filter((candidate) => candidate !== node));
  switch (kind) {
    case 'kill':
    case 'power':
    case 'pause':
    case 'isolate':
    case 'lost-disk':
    case 'nearly-full':
      return { kind, node };
    case 'kill-all':
    case 'power-all':
      return { kind };
    case 'break':
      return { kind, a: node, b: other };
    case 'block':
      return { kind, from: node, to: other };
    case 'slow-link':
      return { kind, from: node, to: other, extraMs: Math.ceil(random.between(1, 500)) };
    case 'jump':
      return { kind, node, ms: Math.round(random.between(-jumpMsMax, jumpMsMax)) };
    case 'slow-disk':
      return { kind, node, slowness: random.pick([3, 10, 50]) };
    case 'full-disk':
      return { kind, node, bytes: random.integer(3000) };
    case 'failing-disk':
      return { kind, node, operation: random.pick(['append', 'sync', 'engine-read', 'engine-write']) };
  }
}

/** The same for the same generator and settings. */
export function planFaults(parent: SeededRandom, settings: FaultPlanSettings): FaultPlan {
  const { nodes, fromMs, untilMs, awayMax = 1, jumpMsMax = 3_600_000 } = settings;
  const random = parent.fork('faults');
  const possible = settings.kinds ?? faultKinds;
  const drawn = possible.filter(() => random.chance(settings.kindChance ?? 0.4));
  const kinds = drawn.length > 0 || possible.length === 0 ? drawn : [random.pick(possible)];
  const gapMs = random.pick([100, 500, 2000]);
  const lastsMs = random.pick([50, 500, 3000, 8000]);
  const faults: TimedFault[] = [];
  if (kinds.length === 0) return { kinds, faults, healedAtMs: fromMs };
  for (let atMs = fromMs + random.between(0, gapMs); atMs < untilMs; atMs += random.between(0, 2 * gapMs)) {
    const fault = drawFault(random.pick(kinds), random, nodes, jumpMsMax);
    const endsAtMs = fault.kind === 'break' ? atMs : Math.min(untilMs, atMs + random.between(0.1, 2) * lastsMs);
    const lasting = faults.filter((earlier) => earlier.endsAtMs > atMs);
    const away = lasting.flatMap((earlier) => awayIn(earlier.fault) ?? []);
    const node = awayIn(fault);
    const refuses = lasting.some(({ fault: earlier }) => isOfDisk(earlier) && awayIn(earlier) === node);
    // A process may die, or the machine, while its disk refuses writes.
    if (node !== undefined && !refuses && (away.length >= awayMax || away.includes(node))) continue;
    if (takesAll(fault) && lasting.some((earlier) => takesAll(earlier.fault))) continue;
    faults.push({ fault, atMs, endsAtMs });
  }
  return { kinds, faults, healedAtMs: untilMs };
}

/** For messages: one line a fault. */
export function describePlan(plan: FaultPlan): string {
  const lines = plan.faults.map(({ fault, atMs, endsAtMs }) => `${atMs.toFixed(0)}..${endsAtMs.toFixed(0)} ${JSON.stringify(fault)}`);
  return [`faults on: ${plan.kinds.join(' ')}`, ...lines, `healed at ${plan.healedAtMs}`].join('\n');
}

/** A cluster of simulated parts as a target; `restart` composes and starts a node anew, `forget` what its machine knew of it beside its disk. */
export function faultTarget(
  scheduler: Scheduler,
  network: SimulatedNetwork,
  disks: ReadonlyMap<string, SimulatedDisk>,
  restart: (node: string) => void,
  forget: (node: string) => void = () => undefined,
  setFull: FaultTarget['setFull'] = () => undefined,
): FaultTarget {
  return {
    crash: (node, kind) => scheduler.crash(node, kind),
    restart: (node) => {
      if (!scheduler.isUp(node)) restart(node);
    },
    pause: (node) => scheduler.pause(node),
    resume: (node) => scheduler.resume(node),
    breakStreams: (a, b) => network.breakStreams(a, b),
    block: (from, to) => network.block(from, to),
    unblock: (from, to) => network.unblock(from, to),
    slowLink: (from, to, extraMs) => network.slow(from, to, extraMs),
    jump: (node, ms) => scheduler.jump(node, ms),
    slowDisk: (node, slowness) => disks.get(node)?.slow(slowness),
    limitDisk: (node, bytes) => disks.get(node)?.limit(bytes),
    failDisk: (node, operation, times) => disks.get(node)?.fail(operation, times),
    loseDisk: (node) => {
      disks.get(node)?.lose();
      forget(node);
    },
    setFull,
  };
}

function begin(fault: Fault, target: FaultTarget, nodes: readonly string[]): void {
  switch (fault.kind) {
    case 'kill':
      return target.crash(fault.node, 'process');
    case 'power':
      return target.crash(fault.node, 'machine');
    case 'kill-all':
      return nodes.forEach((node) => target.crash(node, 'process'));
    case 'pause':
      return target.pause(fault.node);
    case 'break':
      return target.breakStreams(fault.a, fault.b);
    case 'block':
      return target.block(fault.from, fault.to);
    case 'isolate':
      return others(fault.node, nodes).forEach((other) => {
        target.block(fault.node, other);
        target.block(other, fault.node);
      });
    case 'slow-link':
      return target.slowLink(fault.from, fault.to, fault.extraMs);
    case 'jump':
      return target.jump(fault.node, fault.ms);
    case 'slow-disk':
      return target.slowDisk(fault.node, fault.slowness);
    case 'power-all':
      return nodes.forEach((node) => target.crash(node, 'machine'));
    case 'full-disk':
      return target.limitDisk(fault.node, fault.bytes);
    case 'failing-disk':
      return target.failDisk(fault.node, fault.operation, failuresInARow);
    case 'lost-disk':
      target.crash(fault.node, 'machine');
      return target.loseDisk(fault.node);
    case 'nearly-full':
      return target.setFull(fault.node, true);
  }
}

function end(fault: Fault, target: FaultTarget, nodes: readonly string[]): void {
  switch (fault.kind) {
    case 'kill':
    case 'power':
    case 'lost-disk':
      return target.restart(fault.node);
    case 'kill-all':
    case 'power-all':
      return nodes.forEach((node) => target.restart(node));
    case 'pause':
      return target.resume(fault.node);
    case 'break':
      return;
    case 'block':
      return target.unblock(fault.from, fault.to);
    case 'isolate':
      return others(fault.node, nodes).forEach((other) => {
        target.unblock(fault.node, other);
        target.unblock(other, fault.node);
      });
    case 'slow-link':
      return target.slowLink(fault.from, fault.to, 0);
    case 'jump':
      return target.jump(fault.node, -fault.ms);
    case 'slow-disk':
      return target.slowDisk(fault.node, 1);
    case 'full-disk':
      target.limitDisk(fault.node, Infinity);
      return target.restart(fault.node);
    case 'failing-disk':
      target.failDisk(fault.node, fault.operation, 0);
      return target.restart(fault.node);
    case 'nearly-full':
      return target.setFull(fault.node, false);
  }
}

const others = (node: string, nodes: readonly string[]): string[] => nodes.filter((candidate) => candidate !== node);

/** Has the plan happen as simulated time comes to it. Nodes that crash by themselves are the caller's to start again. */
export function schedulePlan(scheduler: Scheduler, plan: FaultPlan, target: FaultTarget, nodes: readonly string[]): void {
  for (const { fault, atMs, endsAtMs } of plan.faults) {
    const text = JSON.stringify(fault);
    scheduler.schedule(undefined, atMs - scheduler.nowMs, `fault ${text}`, () => begin(fault, target, nodes));
    scheduler.schedule(undefined, endsAtMs - scheduler.nowMs, `healed ${text}`, () => end(fault, target, nodes));
  }
}
