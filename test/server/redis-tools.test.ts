/**
 * redis-cli and redis-benchmark, as installed, against three nodes as processes. `redis-cli --pipe` loads 20,000 commands; with
 * TORC_PIPE_COMMANDS=1000000 as many as that.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import test, { type ExecutionContext } from 'ava';
import { patient, requireRedisTools, type ServerGroup, startCluster } from '../harness/processes.js';

const pipeCommands = Number(process.env['TORC_PIPE_COMMANDS'] ?? 20_000);

let servers: ServerGroup;
test.before(async () => {
  servers = await startCluster({ directives: patient });
});
test.after.always(async () => servers?.stop());

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** `enough`: a tool that goes on for ever is ended when its output is so. */
async function run(
  t: ExecutionContext,
  program: string,
  args: readonly string[],
  input: string | Iterable<Buffer> = '',
  enough: (out: string) => boolean = () => false,
): Promise<Ended> {
  const timeout = Math.max(60_000, pipeCommands / 10);
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout, killSignal: 'SIGKILL' });
  t.teardown(() => child.kill('SIGKILL'));
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    if (enough(out)) child.kill('SIGKILL');
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.on('error', () => undefined); // a tool that reads nothing may have ended already
  if (typeof input === 'string') child.stdin.end(input);
  else Readable.from(input).pipe(child.stdin);
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

test.serial('redis-cli --memkeys measures every key, --hotkeys says why it cannot', async (t) => {
  if (!requireRedisTools(t)) return;
  await cli(t, 0, ['SET', 'memkeys:largest', 'x'.repeat(5000)]);
  const mem = await cli(t, 1, ['--memkeys']);
  t.is(mem.code, 0, mem.out + mem.err);
  t.regex(mem.out, /Biggest string found '"memkeys:largest"' has 5\d\d\d bytes/);
  const hot = await cli(t, 1, ['--hotkeys']);
  t.is(hot.code, 1);
  t.regex(hot.err + hot.out, /ERR /);
});

test.serial('redis-cli --stat, --latency, --latency-history, --latency-dist and --intrinsic-latency', async (t) => {
  if (!requireRedisTools(t)) return;
  // They never end, and what they print would stay in a buffer that stdbuf does away with.
  const watch = async (at: number, args: readonly string[], enough: (out: string) => boolean): Promise<string> => {
    const { out } = await run(t, 'stdbuf', ['-oL', 'redis-cli', '-p', String(servers.ports[at]), ...args], '', enough);
    t.true(enough(out), out);
    return out;
  };
  const rows = (out: string): string[] => out.split('\n').filter((line) => /^\d+ +\d/.test(line));
  const stat = await watch(2, ['--stat', '-i', '0.05'], (out) => rows(out).length >= 3);
  t.regex(rows(stat)[1] as string, /^\d+ +\d+\.\d+M +\d+ +0 +\d+ \(\+\d+\) +\d+/);
  const latency = await cli(t, 0, ['--latency', '-i', '1']);
  t.is(latency.code, 0);
  t.regex(latency.out, /^\d+ \d+ \d+\.\d+ \d+/);
  await watch(1, ['--latency-history', '-i', '1'], (out) => rows(out).length >= 3);
  await watch(1, ['--latency-dist', '-i', '0.1'], (out) => out.includes('From 0 to 100%'));
  t.regex((await cli(t, 0, ['--intrinsic-latency', '1'])).out, /total runs \(avg latency/);
});

function* setCommands(count: number): Generator<Buffer> {
  const perPiece = 1000;
  for (let from = 0; from < count; from += perPiece) {
    const commands = Array.from({ length: Math.min(perPiece, count - from) }, (_, i) => {
      const key = `piped:${from + i}`;
      return `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$1\r\nv\r\n`;
    });
    yield Buffer.from(commands.join(''));
  }
}

test.serial('redis-cli --pipe: every one of many commands is answered', async (t) => {
  if (!requireRedisTools(t)) return;
  t.timeout(Math.max(60_000, pipeCommands / 10));
  const before = Number((await cli(t, 0, ['DBSIZE'])).out);
  const { code, out, err } = await run(t, 'redis-cli', ['-p', String(servers.ports[1]), '--pipe'], setCommands(pipeCommands));
  t.is(code, 0, out + err);
  t.true(out.includes(`errors: 0, replies: ${pipeCommands}\n`), out);
  t.is(Number((await cli(t, 2, ['DBSIZE'])).out), before + pipeCommands);
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
