/** redis-cli and redis-benchmark, as installed, against three nodes as processes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import { requireRedisTools, type ServerGroup, startCluster } from '../harness/processes.js';

let servers: ServerGroup;
test.before(async () => {
  servers = await startCluster();
});
test.after.always(async () => servers?.stop());

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function run(t: ExecutionContext, program: string, args: readonly string[], input = ''): Promise<Ended> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: 60_000, killSignal: 'SIGKILL' });
  t.teardown(() => child.kill('SIGKILL'));
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.on('error', () => undefined); // a tool that reads nothing may have ended already
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

const cli = (t: ExecutionContext, at: number, args: readonly string[], input?: string): Promise<Ended> =>
  run(t, 'redis-cli', ['-p', String(servers.ports[at]), ...args], input);

test.serial('redis-cli: single commands at one node, answers at another', async (t) => {
  if (!requireRedisTools(t)) return;
  t.like(await cli(t, 0, ['SET', 'greeting', 'hello', 'EX', '60']), { code: 0, out: 'OK\n' });
  t.is((await cli(t, 1, ['GET', 'greeting'])).out, 'hello\n');
  t.is((await cli(t, 2, ['-c', 'GET', 'greeting'])).out, 'hello\n');
  t.is((await cli(t, 2, ['-3', 'GET', 'nothing'])).out, '\n');
  t.is((await cli(t, 1, ['INCR', 'greeting'])).out, 'ERR value is not an integer or out of range\n\n');
});

test.serial('redis-cli: commands from standard input, -c and --pipe', async (t) => {
  if (!requireRedisTools(t)) return;
  const keys = Array.from({ length: 100 }, (_, i) => `stdin:${i}`);
  const { out } = await cli(t, 0, ['-c'], keys.flatMap((key, i) => [`SET ${key} ${i}`, `GET ${key}\n`]).join('\n'));
  t.is(out, keys.map((_, i) => `OK\n${i}\n`).join(''));
  const piped = await cli(t, 1, ['--pipe'], keys.map((key) => `DEL ${key}\r\n`).join(''));
  t.true(piped.out.includes('errors: 0, replies: 100'), piped.out);
});

test.serial('redis-cli: --scan and --bigkeys see every key', async (t) => {
  if (!requireRedisTools(t)) return;
  const keys = Array.from({ length: 300 }, (_, i) => `scanned:${i}`);
  await cli(t, 0, [], keys.map((key) => `SET ${key} ${'x'.repeat(200)}`).join('\n'));
  for (const at of [0, 1, 2]) {
    const { out } = await cli(t, at, ['--scan', '--pattern', 'scanned:*']);
    t.deepEqual(out.trim().split('\n').toSorted(), keys.toSorted());
  }
  const big = await cli(t, 2, ['--bigkeys']);
  t.is(big.code, 0);
  t.regex(big.out, /Biggest string found '"scanned:/);
  const count = Number(/Sampled (\d+) keys/.exec(big.out)?.[1]);
  t.true(count >= 300, big.out);
});

test.serial('redis-cli --cluster check and info take the three nodes for a whole cluster', async (t) => {
  if (!requireRedisTools(t)) return;
  const check = await run(t, 'redis-cli', ['--cluster', 'check', `127.0.0.1:${servers.port}`]);
  t.is(check.code, 0);
  t.true(check.out.includes('[OK] All nodes agree about slots configuration.'), check.out.slice(-500));
  t.true(check.out.includes('[OK] All 16384 slots covered.'), check.out.slice(-500));
  const info = await run(t, 'redis-cli', ['--cluster', 'info', `127.0.0.1:${servers.port}`]);
  t.is(info.code, 0);
  t.regex(info.out, /\[OK\] \d+ keys in 3 masters\./);
});

/** Every test it was told to run says its rate, and nothing was answered with an error. */
async function benchmark(t: ExecutionContext, names: readonly RegExp[], args: readonly string[]): Promise<void> {
  const { code, out, err } = await run(t, 'redis-benchmark', ['-p', String(servers.port), '-q', '-n', '1000', ...args]);
  t.is(code, 0, out + err);
  for (const name of names) t.regex(out, new RegExp(`${name.source}: [0-9.]+ requests per second`));
  t.false(/Error|ERR/.test(out + err), out + err);
}

test.serial('redis-benchmark: set, get, incr, mset, one key and many, pipelined and not', async (t) => {
  if (!requireRedisTools(t)) return;
  const names = [/SET/, /GET/, /INCR/, /MSET \(10 keys\)/];
  await benchmark(t, names, ['-t', 'set,get,incr,mset']);
  await benchmark(t, names, ['-t', 'set,get,incr,mset', '-r', '1000', '-P', '16', '-d', '64']);
});

test.serial('redis-benchmark --cluster, RESP2 and RESP3', async (t) => {
  if (!requireRedisTools(t)) return;
  await benchmark(t, [/SET/, /GET/, /INCR/, /MSET \(10 keys\)/], ['--cluster', '-t', 'set,get,incr,mset', '-r', '1000']);
  await benchmark(t, [/SET/, /GET/], ['--cluster', '-3', '-t', 'set,get']);
});

test.serial('redis-benchmark: inline and array pings', async (t) => {
  if (!requireRedisTools(t)) return;
  await benchmark(t, [/PING_INLINE/, /PING_MBULK/], ['-t', 'ping_inline,ping_mbulk']);
});
