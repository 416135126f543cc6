/**
 * The three probes that an orchestrator asks a node: /livez (is the process of any use, or should it be started again), /startupz (has it
 * recovered what its disk holds) and /readyz (should clients be sent to it). A pure judgement over the node's state.
 *
 * They differ in what a "no" costs: a node that is not live is killed, so nothing that other nodes or the disk's owner could cause makes it so; a
 * node that is not ready only gets no new clients.
 */
import type { Readiness } from '../../cluster/readiness.js';
import type { HttpAnswer, HttpRoutes } from './http-listener.js';

/** What the probes look at. Each is read when a probe comes. */
export interface ProbedNode {
  /** Log and engine are open, and what the log holds has been replayed. */
  readonly storageOpen: boolean;
  /** Clients can connect. */
  readonly listening: boolean;
  /** Undefined before the storage is open. */
  readonly readiness: Readiness | undefined;
}

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** Why not; for an operator to read. */
  readonly reason?: string;
}

function check(name: string, ok: boolean, reason: string): Check {
  return ok ? { name, ok } : { name, ok, reason };
}

function startupChecks({ storageOpen, listening }: ProbedNode): Check[] {
  return [
    check('storage', storageOpen, 'the commit log is being replayed'),
    check('listener', listening, 'the client port is not open yet'),
  ];
}

/** Why the disk takes no writes; undefined = it does. */
function diskReason({ full, behind, diskRefusal }: Readiness): string | undefined {
  if (diskRefusal !== undefined) return `the disk refuses writes, and is tried again each second: ${diskRefusal}`;
  if (full) return 'less than min-free-space is left on the disk: writes are refused here';
  return behind ? 'the disk does not keep up with the writes, and write-backlog-max is reached: writes are refused here' : undefined;
}

function readinessChecks(node: ProbedNode): Check[] {
  const { readiness } = node;
  const known = readiness?.ringKnown === true;
  const { shortPartitions = 0, homePartitions = 0, doubtfulPartitions = 0 } = readiness ?? {};
  const { meeting = false, leaving = false } = readiness ?? {};
  const disk = readiness === undefined ? undefined : diskReason(readiness);
  const few = `${shortPartitions} of ${homePartitions} partitions have fewer reachable replicas than a write or read needs`;
  return [
    ...startupChecks(node),
    check('ring', known, 'no configuration is known: initial-nodes nodes have not met, or the others are not reached'),
    check('quorum', known && shortPartitions === 0, known ? few : 'no configuration is known'),
    check('peers', !known || !meeting, 'the node began a moment ago: links between it and the others are still being made'),
    check('rebuilt', doubtfulPartitions === 0, `${doubtfulPartitions} partitions are still compared with their other replicas`),
    check('disk', disk === undefined, disk ?? ''),
    check('not-draining', !leaving, 'the node is about to stop'),
  ];
}

/** 200 when every check holds, else 503; the checks either way. */
function probeAnswer(checks: readonly Check[]): HttpAnswer {
  const ok = checks.every((one) => one.ok);
  return { status: ok ? 200 : 503, contentType: 'application/json', body: `${JSON.stringify({ ok, checks })}\n` };
}

export function probeRoutes(node: ProbedNode): HttpRoutes {
  return new Map([
    // That the event loop gives an answer is what is asked.
    ['/livez', () => probeAnswer([check('event-loop', true, '')])],
    ['/startupz', () => probeAnswer(startupChecks(node))],
    ['/readyz', () => probeAnswer(readinessChecks(node))],
  ]);
}
