/** How a failure test judges a checked load: which errors it may have met, and when a node alone holds what the cluster holds. */
import type { ExecutionContext } from 'ava';
import type { Load, LoadReport } from '../harness/load-client.js';
import type { ServerGroup } from '../harness/processes.js';
import { betweenLooks } from '../harness/until.js';
import { RawClient } from '../server/raw-client.js';
import { RespConnection } from './resp-connection.js';

/** Keys whose versions are asked for in one go. */
const versionsAtOnce = 256;

/** A fault may be told to clients in these words only. */
const permitted = new Set(['NOREPLICAS', 'UNKNOWNOUTCOME']);

/** Error replies of the report, whatever they said. */
export function errorCount({ errors }: LoadReport): number {
  return Object.values(errors).reduce((sum, count) => sum + count, 0);
}

/** Nothing acknowledged is missing, nothing shown was never written, and no error but the permitted ones came. */
export function assertSound(t: ExecutionContext, report: LoadReport, alsoPermitted: readonly string[] = []): void {
  t.deepEqual(report.findings, []);
  t.deepEqual([report.violations, report.late], [0, 0]);
  const others = Object.keys(report.errors).filter((code) => !permitted.has(code) && !alsoPermitted.includes(code));
  t.deepEqual(others, [], `error replies: ${JSON.stringify(report.errors)}`);
}

/** Every key of a load. */
export function keysOf({ ledger }: Load): string[] {
  const counters = Array.from({ length: ledger.counters }, (_, index) => ledger.counterKey(index));
  return [...counters, ...Array.from({ length: ledger.registers }, (_, index) => ledger.registerKey(index))];
}

/**
 * Polls the node at `port`, read alone (R=1), until it answers for every key what a quorum answers through `otherPort`. Returns when the
 * look began that found no difference, ms; throws when one that begins after `withinMs` finds some. Nothing may be written meanwhile.
 */
export async function caughtUp(port: number, otherPort: number, keys: readonly string[], withinMs: number): Promise<number> {
  const begin = performance.now();
  const alone = await RespConnection.alone(port);
  const others = await RespConnection.open(otherPort);
  try {
    let missing = keys;
    for (;;) {
      const elapsedMs = performance.now() - begin;
      // Asked first: a write of unknown outcome that only one replica holds may still be spreading, so both may move.
      const expected = await others.values(missing);
      const values = await alone.values(missing);
      const differs = missing.filter((_, index) => values[index] !== expected[index]);
      if (differs.length === 0) return elapsedMs;
      if (elapsedMs > withinMs) {
        const first = missing.findIndex((_, index) => values[index] !== expected[index]);
        const count = `${differs.length} of ${keys.length} keys differ after ${Math.round(elapsedMs)} ms`;
        throw new Error(`${count}: ${missing[first]} is '${values[first]}', and '${expected[first]}' by quorum`);
      }
      missing = differs;
      await betweenLooks();
    }
  } finally {
    alone.close();
    others.close();
  }
}

/**
 * Polls TORC VERSION until every key's record is the same at all of its replicas, each in its own memory. Returns after how long the look began that found
 * no difference, ms; throws when one that begins after `withinMs` finds some. Nothing may be written meanwhile.
 */
export async function replicasEqual({ port }: ServerGroup, keys: readonly string[], withinMs: number): Promise<number> {
  const begin = performance.now();
  const client = await RawClient.connect(port);
  try {
    let differing = keys;
    for (;;) {
      const elapsedMs = performance.now() - begin;
      let words: string[] = [];
      for (let at = 0; at < differing.length; at += versionsAtOnce) {
        words = words.concat(await client.ask(...differing.slice(at, at + versionsAtOnce).map((key) => ['TORC', 'VERSION', key])));
      }
      const differs = words.map((text) => text.includes('$error') || text.includes('$equal, $no') || !text.includes('$equal, $yes'));
      const example = words.find((_, index) => differs[index]);
      differing = differing.filter((_, index) => differs[index]);
      if (example === undefined) return elapsedMs;
      if (elapsedMs > withinMs) {
        const count = `${differing.length} of ${keys.length} records differ after ${Math.round(elapsedMs)} ms`;
        throw new Error(`${count}: ${differing[0]} is ${example}`);
      }
      await betweenLooks();
    }
  } finally {
    await client.end();
  }
}

/** One line of figures for the test's log. */
export function figures(report: LoadReport): string {
  const { acknowledged, unknown, errors, longestGapMs, operationsPerSecond, reconnects, late, violations } = report;
  const counts = `${acknowledged} acknowledged, ${unknown} unknown, errors ${JSON.stringify(errors)}, ${reconnects} reconnects`;
  return `${counts}, longest gap ${longestGapMs} ms, ${operationsPerSecond}/s, ${violations} violations, ${late} late`;
}

/** Stops the group when the test ends; when it failed, says first what each server printed last. */
export function stoppedAtEnd(t: ExecutionContext, group: ServerGroup): void {
  t.teardown(async () => {
    for (let index = 0; index < group.size && !t.passed; index++) {
      const server = group.server(index);
      t.log(`${server.command.name} ${server.running ? 'runs' : `ended: ${await server.exited}`}. ${server.lastWords()}`);
    }
    await group.stop();
  });
}
