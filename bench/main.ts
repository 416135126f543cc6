/**
 * `npm run bench`: Torc and redis-server under redis-benchmark, on servers of its own, on free ports of the loopback interface.
 *
 *   node dist/bench/main.js [--quick] [--rounds N] [--requests N] [--only setup,...] [--tests all|test,...]
 *
 * All servers run at once, and each load goes over all setups before the next load begins (A B C, A B C, ...), so that what else the
 * machine does hits all alike. Before the rounds each setup is filled with the keys, and each load is run once, unmeasured, to warm
 * the server and to learn how many requests fill the time a run should take. What takes elements away finds enough of them, put there
 * before, unmeasured. `--tests all` is redis-benchmark's own list. It uses one thread. CPU is what the
 * servers used between the first and the last request; work they put off beyond that counts for the run in which it is done.
 *
 * Exit code 0 when all ran, floors kept or not; 1 when a server or a run failed; 2 when Redis' tools are missing or a flag is wrong.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { missingRedisTools, redisToolsHint, type ServerGroup } from '../test/harness/processes.js';
import { cpuMicros } from './cpu-time.js';
import { ratioChart } from './ratio-chart.js';
import {
  allTests,
  type BenchmarkTest,
  clients,
  fillFor,
  fillsByItself,
  keys,
  type Load,
  type Measured,
  runRedisBenchmark,
  valueBytes,
} from './redis-benchmark.js';
import { reportText } from './report-text.js';
import { loadName, type Sample, summarize } from './results.js';
import { type FleetName, fleets, loadsOf, type Setup, setups, usualTests } from './setups.js';
import { runWaitLoad } from './wait-load.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Options {
  readonly rounds: number;
  /** Of each run; undefined: as many as fill `runMs`. */
  readonly requests: number | undefined;
  readonly runMs: number;
  /** SETs before anything is measured; random keys, so more of them leave fewer keys missing. */
  readonly fillRequests: number;
  readonly setups: readonly Setup[];
  readonly tests: readonly BenchmarkTest[];
}

const warmUpRequests = { 1: 4_000, 16: 16_000 } as const;
const requestsMin = 2_000;

class UsageError extends Error {}

/** Throws UsageError. */
function readOptions(): Options {
  const text = { type: 'string' } as const;
  const options = { rounds: text, requests: text, quick: { type: 'boolean', default: false }, only: text, tests: text } as const;
  const { values } = parseArgs({ options });
  const quick = values.quick;
  const chosen = values.only?.split(',') ?? setups.map((setup) => setup.name);
  for (const name of chosen) {
    if (!setups.some((setup) => setup.name === name))
      throw new UsageError(`no setup '${name}'; there are ${setups.map((setup) => setup.name).join(', ')}`);
  }
  // What a chosen setup is compared with must run too.
  const needed = new Set([
    ...chosen,
    ...setups.flatMap((setup) => (chosen.includes(setup.name) && setup.baseline ? [setup.baseline] : [])),
  ]);
  return {
    rounds: positive('rounds', values.rounds) ?? (quick ? 1 : 3),
    requests: positive('requests', values.requests),
    runMs: quick ? 350 : 1_000,
    fillRequests: quick ? 60_000 : 300_000,
    setups: setups.filter((setup) => needed.has(setup.name)),
    tests: readTests(values.tests),
  };
}

function readTests(given: string | undefined): readonly BenchmarkTest[] {
  if (given === undefined) return usualTests;
  if (given === 'all') return allTests;
  return given.split(',').map((name) => {
    const test = allTests.find((one) => one === name);
    if (test === undefined) throw new UsageError(`no test '${name}'; there are all, ${allTests.join(', ')}`);
    return test;
  });
}

function positive(name: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const value = Number(given);
  if (!Number.isSafeInteger(value) || value < 1) throw new UsageError(`--${name} wants a whole number above 0, not '${given}'`);
  return value;
}

async function startFleets(options: Options): Promise<Map<FleetName, ServerGroup>> {
  const running = new Map<FleetName, ServerGroup>();
  for (const name of new Set(options.setups.map((setup) => setup.fleet))) {
    process.stdout.write(`starting ${name}\n`);
    running.set(name, await fleets[name]());
  }
  return running;
}

/** One run of one load on one setup; an error names both. */
async function runLoad(setup: Setup, group: ServerGroup, load: Load, requests: number): Promise<Measured> {
  try {
    if (setup.client === 'wait') return await runWaitLoad(group.port, load.pipeline, requests);
    return await runRedisBenchmark(group.port, setup.client === 'cluster', load, requests);
  } catch (error) {
    const ended = Array.from({ length: group.size }, (_, index) => group.server(index)).filter((server) => !server.running);
    const because = ended.map((server) => ` ${server.command.name} has ended. ${server.lastWords()}`).join('');
    throw new Error(`${setup.name}, ${loadName(load)} P=${load.pipeline}: ${messageOf(error)}.${because}`, { cause: error });
  }
}

/** Runs everything; the servers are ended whatever happens. */
async function measure(options: Options): Promise<Sample[]> {
  const running = await startFleets(options);
  const groupOf = (setup: Setup): ServerGroup => running.get(setup.fleet) as ServerGroup;
  const requestsOf = new Map<string, number>();
  const samples: Sample[] = [];
  const loads = uniqueLoads(options);
  try {
    for (const setup of options.setups) {
      process.stdout.write(`filling ${setup.name}\n`);
      await runLoad(setup, groupOf(setup), { test: 'set', hot: false, pipeline: 16 }, options.fillRequests);
    }
    for (let round = 0; round <= options.rounds; round++) {
      process.stdout.write(round === 0 ? 'warming up' : `round ${round} of ${options.rounds}`);
      for (const load of loads) {
        for (const setup of options.setups.filter((one) => hasLoad(one, options, load))) {
          const group = groupOf(setup);
          const name = `${setup.name}/${loadName(load)}/${load.pipeline}`;
          const requests = requestsOf.get(name) ?? warmUpRequests[load.pipeline === 1 ? 1 : 16];
          if (setup.client !== 'wait') await fillFor(group.port, setup.client === 'cluster', load, requests);
          const before = await cpuMicros(group.pids);
          const measured = await runLoad(setup, group, load, requests);
          const after = await cpuMicros(group.pids);
          const filling = Math.max(requestsMin, Math.round((measured.requestsPerSecond * options.runMs) / 1_000));
          // Learnt anew from each run, so that a busy machine makes runs shorter, not longer.
          requestsOf.set(name, options.requests ?? filling);
          if (round > 0) {
            const isUnknown = before === undefined || after === undefined || fillsByItself(load.test);
            const cpuMicrosPerRequest = isUnknown ? undefined : (after - before) / requests;
            samples.push({ round, setup: setup.name, ...load, ...measured, cpuMicrosPerRequest });
          }
        }
        process.stdout.write('.');
      }
      process.stdout.write('\n');
    }
    return samples;
  } finally {
    await Promise.all([...running.values()].map((group) => group.stop()));
  }
}

function sameLoad(x: Load, y: Load): boolean {
  return x.test === y.test && x.hot === y.hot && x.pipeline === y.pipeline;
}

function hasLoad(setup: Setup, { tests }: Options, load: Load): boolean {
  return loadsOf(setup, tests).some((own) => sameLoad(own, load));
}

function uniqueLoads({ setups: chosen, tests }: Options): Load[] {
  const all: Load[] = [];
  for (const load of chosen.flatMap((setup) => loadsOf(setup, tests))) if (!all.some((one) => sameLoad(one, load))) all.push(load);
  return all;
}

/** First line of what a program prints, or undefined when it fails. */
function firstLine(program: string, ...args: string[]): string | undefined {
  try {
    return execFileSync(program, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')[0];
  } catch {
    return undefined;
  }
}

function surroundings(): Record<string, unknown> {
  const packageFile: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const torc = typeof packageFile === 'object' && packageFile !== null && 'version' in packageFile ? packageFile.version : undefined;
  const machine = { system: `${type()} ${release()}`, cpu: cpus()[0]?.model, cpus: cpus().length, memoryBytes: totalmem() };
  const redis = { 'redis-server': firstLine('redis-server', '--version'), 'redis-benchmark': firstLine('redis-benchmark', '--version') };
  const commit = {
    commit: firstLine('git', 'rev-parse', 'HEAD'),
    uncommittedChanges: (firstLine('git', 'status', '--porcelain') ?? '') !== '',
  };
  return { at: new Date().toISOString(), machine, versions: { torc, node: process.version, ...redis }, ...commit };
}

async function main(): Promise<number> {
  const options = readOptions();
  const missing = missingRedisTools();
  if (missing.length > 0) {
    process.stderr.write(`bench: ${missing.join(', ')} not found; ${redisToolsHint}\n`);
    return 2;
  }
  const started = performance.now();
  const samples = await measure(options);
  const rows = summarize(samples, options.setups);
  const around = surroundings();
  const { rounds, requests, runMs } = options;
  const settings = { rounds, requests, runMs, clients, keys, valueBytes };
  const directory = join(root, 'bench', 'results');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, String(around['at']).replaceAll(':', '-').slice(0, 19));
  writeFileSync(`${file}.json`, `${JSON.stringify({ ...around, settings, summary: rows, samples }, null, 2)}\n`);
  writeFileSync(`${file}.svg`, ratioChart(rows, `Medians of ${rounds} round(s), ${clients} clients, ${valueBytes}-byte values`));
  const seconds = Math.round((performance.now() - started) / 1000);
  process.stdout.write(`\n${reportText(rows)}\nMedians of ${rounds} round(s), ${seconds} s in all. ${file}.json, .svg\n`);
  return 0;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** parseArgs' own complaints about flags carry such a code. */
function isUsageError(error: unknown): boolean {
  return error instanceof UsageError || (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'));
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`\nbench: ${messageOf(error).replaceAll('\n', ' | ')}\n`);
    process.exit(isUsageError(error) ? 2 : 1);
  },
);
