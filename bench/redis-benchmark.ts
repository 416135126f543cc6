/**
 * One run of redis-benchmark: one test, one pipeline depth, one server. It uses one thread (no --threads), so on fast servers it is itself
 * part of what is measured; it is the same for every server compared.
 *
 * Against a server that cannot be reached redis-benchmark spins for ever instead of failing, so each run has a time limit.
 */
import { spawn } from 'node:child_process';

/** redis-benchmark's own list, in its order, by the names that its `-t` takes. */
export const allTests = [
  'ping_inline',
  'ping_mbulk',
  'set',
  'get',
  'incr',
  'lpush',
  'rpush',
  'lpop',
  'rpop',
  'sadd',
  'hset',
  'spop',
  'zadd',
  'zpopmin',
  'lrange_100',
  'lrange_300',
  'lrange_500',
  'lrange_600',
  'mset',
] as const;
export type BenchmarkTest = (typeof allTests)[number];

/** What has to be there before something is taken away: a pop of nothing is no pop. */
export const filledBy: Readonly<Partial<Record<BenchmarkTest, BenchmarkTest>>> = {
  lpop: 'lpush',
  rpop: 'rpush',
  spop: 'sadd',
  zpopmin: 'zadd',
};

/** It pushes as many elements as it reads lists, before it reads them: the servers' CPU is not that of the reads alone. */
export function fillsByItself(test: BenchmarkTest): boolean {
  return test.startsWith('lrange');
}

/** What is asked of a server, in one test at one pipeline depth. `hot`: one single key instead of many, where the test has many. */
export interface Load {
  readonly test: BenchmarkTest;
  readonly hot: boolean;
  readonly pipeline: number;
}

/** One run's figures. */
export interface Measured {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export const clients = 50;
export const valueBytes = 64;
export const keys = 100_000;

/**
 * With --cluster each key is spread over all slots by a {tag}, one slot after the other, so the same range gives 16384 times as many
 * keys: six of each make the same hundred thousand.
 */
const keysPerSlot = Math.round(keys / 16_384);
const runTimeoutMs = 60_000;
/** Members and fields of so many kinds, so that each of a filling is a new one. */
const manyMembers = 1_000_000_000;

/** Puts elements where `load` will take `requests` away, and as many again: redis-benchmark does not see to it that every list gets what is taken from it. */
export async function fillFor(port: number, cluster: boolean, load: Load, requests: number): Promise<void> {
  const test = filledBy[load.test];
  if (test === undefined) return;
  await runRedisBenchmark(port, cluster, { test, hot: false, pipeline: 16 }, 2 * requests, manyMembers);
}

/** Rejects with one line when redis-benchmark fails, is answered with an error or takes longer than a minute. */
export async function runRedisBenchmark(
  port: number,
  cluster: boolean,
  load: Load,
  requests: number,
  distinct = cluster ? keysPerSlot : keys,
): Promise<Measured> {
  const range = load.hot ? [] : ['-r', String(distinct)];
  const size = ['-n', String(requests), '-c', String(clients), '-P', String(load.pipeline), '-d', String(valueBytes)];
  const args = ['-p', String(port), '-t', load.test, ...size, ...range, ...(cluster ? ['--cluster'] : []), '--csv'];
  const { code, output } = await run('redis-benchmark', args);
  // test, rps, avg, min, p50, p95, p99, max; each in quotes, after one line of headings.
  const row = output.split('\n').find((line) => line.toUpperCase().startsWith(`"${load.test.toUpperCase()}`));
  const fields = row?.split('","').map((field) => Number(field.replaceAll('"', ''))) ?? [];
  const [, requestsPerSecond, , , p50Ms, , p99Ms] = fields;
  if (code !== 0 || !requestsPerSecond || p50Ms === undefined || p99Ms === undefined) {
    const said = output
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('"test"'))
      .slice(-2)
      .join(' ');
    throw new Error(`redis-benchmark ${args.join(' ')} failed: ${said || `exit code ${code}`}`);
  }
  return { requests, requestsPerSecond, p50Ms, p99Ms };
}

function run(program: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: runTimeoutMs, killSignal: 'SIGKILL' });
    const end = (): void => void child.kill('SIGKILL');
    process.once('exit', end);
    let output = '';
    const keep = (chunk: Buffer): void => void (output = (output + chunk.toString('latin1')).slice(-16_384));
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      process.removeListener('exit', end);
      if (signal === null) resolve({ code, output });
      else reject(new Error(`${program} ${args.join(' ')} was ended by ${signal}, after ${runTimeoutMs} ms at the latest`));
    });
  });
}
