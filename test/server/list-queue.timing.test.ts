/**
 * A list used as a queue, on one node and on three, short and with many waiting: what a push and a pop cost, what the nodes hold in memory and on disk, all of it
 * from the first to the last alike. TORC_QUEUE_COMMANDS=10000000 is the full size, so many pushes and as many pops in each test; by default it is 40,000.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { cpuMicros } from '../../bench/cpu-time.js';
import { startCluster, startNode, type ServerGroup } from '../harness/processes.js';
import { QueueLoad } from '../harness/queue-load.js';
import { until } from '../harness/until.js';
import { RespConnection } from '../failure/resp-connection.js';
import { RawClient } from './raw-client.js';

const full = 10_000_000;
const pushes = Number(process.env['TORC_QUEUE_COMMANDS'] ?? 40_000);
/** Of a list that is a long one at full size. */
const manyWaiting = Math.ceil(pushes / 10);
const fewWaiting = 500;
const steps = 10;
/** Pushed, then popped. */
const block = 500;
/** What is flat: the last third of the steps, by their median, takes at most so many times what the second and third took. */
const flatness = 1.5;
/** Below it a difference is noise: a round of writing behind, a commit log's segment. */
const noiseBytes = 192 * 1024 * 1024;
const mebibyte = 1024 * 1024;

interface Step {
  /** CPU of the nodes' main threads, microseconds an operation. */
  readonly pushMicros: number;
  readonly popMicros: number;
  /** Of all threads, for a push and a pop. */
  readonly pairMicros: number;
  /** At the end, of all nodes together. */
  readonly memoryBytes: number;
  readonly residentBytes: number;
  /** The most of ten looks. */
  readonly diskBytes: number;
  readonly contexts: number;
  readonly unflushed: number;
}

/** CPU of the processes' main threads so far, in microseconds. */
async function mainMicros(pids: readonly number[]): Promise<number> {
  const texts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/schedstat`, 'latin1')));
  return texts.reduce((sum, text) => sum + Number.parseInt(text, 10) / 1000, 0);
}

async function bytesUnder(directory: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    // Files go while they are counted.
    sum += (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0;
  }
  return sum;
}

/** A figure of INFO torc, of all nodes together. */
async function sumOf(group: ServerGroup, name: string): Promise<number> {
  let sum = 0;
  for (const port of group.ports) {
    const connection = await RespConnection.open(port);
    sum += await connection.figure('torc', name);
    connection.close();
  }
  return sum;
}

async function residentBytes(pids: readonly number[]): Promise<number> {
  const texts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/status`, 'latin1')));
  return texts.reduce((sum, text) => sum + 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1]), 0);
}

/** A key that the first node coordinates. */
async function keyOfFirst(port: number): Promise<string> {
  const client = await RawClient.connect(port);
  const keys = Array.from({ length: 100 }, (_, i) => `queue:${i}`);
  const lists = await client.ask(...keys.map((key) => ['TORC', 'PREFLIST', key]));
  await client.end();
  const key = keys[lists.findIndex((list) => /\$(node\d+)/.exec(list)?.[1] === 'node1')];
  if (key === undefined) throw new Error(`node1 coordinates none of 100 keys: ${lists[0]}`);
  return key;
}

async function measured(group: ServerGroup, load: QueueLoad, count: number): Promise<Step> {
  const { pids } = group;
  let [pushMicros, popMicros, diskBytes] = [0, 0, 0];
  const before = (await cpuMicros(pids)) ?? 0;
  const looks = 10;
  for (let look = 0; look < looks; look++) {
    for (let done = 0; done < count / looks; done += block) {
      const begun = await mainMicros(pids);
      await load.push(block);
      const between = await mainMicros(pids);
      await load.pop(block);
      pushMicros += between - begun;
      popMicros += (await mainMicros(pids)) - between;
    }
    diskBytes = Math.max(diskBytes, await bytesUnder(group.dir));
  }
  return {
    pushMicros: pushMicros / count,
    popMicros: popMicros / count,
    pairMicros: (((await cpuMicros(pids)) ?? 0) - before) / count,
    memoryBytes: await sumOf(group, 'memoryBytes'),
    residentBytes: await residentBytes(pids),
    diskBytes,
    contexts: await sumOf(group, 'contextsHeld'),
    unflushed: await sumOf(group, 'dirtyEntries'),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((x, y) => x - y)[Math.floor(values.length / 2)] ?? 0;
}

async function judgeQueue(t: ExecutionContext, group: ServerGroup, waiting: number): Promise<void> {
  const load = await QueueLoad.to(group.port, await keyOfFirst(group.port));
  await load.push(waiting);
  const taken: Step[] = [];
  for (let step = 0; step < steps; step++) {
    const last = await measured(group, load, pushes / steps);
    taken.push(last);
    t.log(
      `${((step + 1) * pushes) / steps}: RPUSH ${last.pushMicros.toFixed(1)} us, LPOP ${last.popMicros.toFixed(1)} us of the main threads, both ` +
        `${last.pairMicros.toFixed(1)} us of all; memory ${Math.round(last.memoryBytes / mebibyte)} MiB, resident ${Math.round(last.residentBytes / mebibyte)} MiB, ` +
        `disk ${Math.round(last.diskBytes / mebibyte)} MiB, ${last.contexts} to be forgotten, ${last.unflushed} to be written behind`,
    );
  }
  const of = (from: number, to: number, figure: (step: Step) => number): number => median(taken.slice(from, to).map(figure));
  const isFlat = (what: string, noise: number, figure: (step: Step) => number): void => {
    const [first, last] = [of(1, 4, figure), of(-3, steps, figure)];
    t.true(last <= flatness * first + noise, `${what}: ${first} at first, ${last} at last`);
  };
  if (pushes >= full / 10) {
    isFlat('RPUSH', 0, ({ pushMicros }) => pushMicros);
    isFlat('LPOP', 0, ({ popMicros }) => popMicros);
    isFlat('resident memory', noiseBytes, ({ residentBytes }) => residentBytes);
    isFlat('disk', noiseBytes * group.size, ({ diskBytes }) => diskBytes);
  }
  await load.pop(load.waiting);
  t.is(load.waiting, 0);
  load.end();
  // What is left of so many: nothing, and without a round of writing behind, which may be a minute away.
  await until(async () => (await sumOf(group, 'contextsHeld')) === 0, 'all that was popped is forgotten', 120_000);
}

for (const [shape, waiting] of [
  ['short', fewWaiting],
  ['long', manyWaiting],
] as const) {
  test.serial(`a ${shape} queue on one node`, async (t) => {
    t.timeout(7_200_000);
    const group = await startNode();
    t.teardown(() => group.stop());
    await judgeQueue(t, group, waiting);
  });

  test.serial(`a ${shape} queue on three nodes`, async (t) => {
    t.timeout(7_200_000);
    const group = await startCluster();
    t.teardown(() => group.stop());
    await judgeQueue(t, group, waiting);
  });
}
