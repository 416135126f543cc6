/**
 * The program as its users start and stop it: `torc cluster` and `torc server` as processes. Data is found again after a clean stop and after
 * kill -9, in every durability; what keeps a node from starting is one clear line and a non-zero exit.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test, { type ExecutionContext } from 'ava';
import { freePort, nodeFits } from '../harness/free-ports.js';
import { torcEntry } from '../harness/processes.js';
import { RawClient } from './raw-client.js';

const stopMsMax = 8000;

interface Run {
  readonly child: ChildProcess;
  readonly out: string[];
  readonly err: string[];
  readonly ended: Promise<number | null>;
  /** Resolves with the first line of standard output that matches; rejects when the process ends first. */
  line(pattern: RegExp): Promise<string>;
}

function run(t: ExecutionContext, args: readonly string[]): Run {
  const child = spawn(process.execPath, [torcEntry, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  const out: string[] = [];
  const err: string[] = [];
  const looks = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => (out.push(line), looks.forEach((look) => look())));
  createInterface({ input: child.stderr }).on('line', (line) => err.push(line));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const line = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = out.find((one) => pattern.test(one));
        if (found !== undefined) resolve(found);
      };
      looks.add(look);
      look();
      void ended.then((code) => reject(new Error(`ended with ${code} before it printed ${pattern}: ${err.join('\n')}`)));
    });
  return { child, out, err, ended, line };
}

function temporaryDirectory(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'torc-start-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The first of three client ports in a row that are free with all that belongs to them. */
async function freeRun(): Promise<number> {
  for (;;) {
    const port = await freePort();
    if ((await nodeFits(port + 1)) && (await nodeFits(port + 2))) return port;
  }
}

async function stopped(t: ExecutionContext, { child, ended }: Run, signal: 'SIGINT' | 'SIGTERM' = 'SIGINT'): Promise<void> {
  const begun = performance.now();
  child.kill(signal);
  t.is(await ended, 0);
  const tookMs = performance.now() - begun;
  t.true(tookMs < stopMsMax, `stopping took ${Math.round(tookMs)} ms`);
}

const alone = (port: number, dir: string): string[] => [
  'server',
  '--port',
  `${port}`,
  '--dir',
  dir,
  '--node-id',
  'solo',
  '--initial-nodes',
  '1',
  '--replicas',
  '1',
  '--write-quorum',
  '1',
  '--read-quorum',
  '1',
];
const ready = / ready on /;

async function ask(port: number, ...commands: readonly (readonly string[])[]): Promise<string[]> {
  const client = await RawClient.connect(port);
  const replies = await client.ask(...commands);
  await client.end();
  return replies;
}

/** Starts a node, writes 500 keys, and ends it; returns the run. */
async function filled(t: ExecutionContext, args: readonly string[], port: number): Promise<Run> {
  const node = run(t, args);
  await node.line(ready);
  const sets = Array.from({ length: 500 }, (_, i) => ['SET', `key:${i}`, `value:${i}`]);
  // In several turns of the server, so that the log has several entries.
  for (let at = 0; at < sets.length; at += 50) t.true((await ask(port, ...sets.slice(at, at + 50))).every((reply) => reply === '+OK'));
  return node;
}

test.serial('torc cluster: Ctrl-C ends it with exit code 0, and the next start finds the data', async (t) => {
  const port = await freeRun();
  const args = ['cluster', '--port', `${port}`, '--dir', temporaryDirectory(t)];
  const sets = Array.from({ length: 200 }, (_, i) => ['SET', `k${i}`, `v${i}`]);
  const gets = sets.map(([, key = '']) => ['GET', key]);
  for (const round of [1, 2]) {
    const cluster = run(t, args);
    t.is(await cluster.line(/^try: /), `try:  redis-cli -p ${port} SET greeting hello`);
    if (round === 1) t.true((await ask(port, ...sets, ['INCR', 'n'])).slice(0, -1).every((reply) => reply === '+OK'));
    for (const at of [0, 1, 2])
      t.deepEqual(
        await ask(port + at, ...gets),
        gets.map((_, i) => `$v${i}`),
      );
    t.deepEqual(await ask(port + round, ['INCR', 'n']), [`:${round + 1}`]);
    await stopped(t, cluster);
    t.deepEqual(cluster.err, []);
  }
});

test.serial('torc cluster: a taken port is one line and exit code 1', async (t) => {
  const port = await freeRun();
  const holder = createServer().listen(port + 1, '127.0.0.1');
  await once(holder, 'listening');
  const cluster = run(t, ['cluster', '--port', `${port}`, '--dir', temporaryDirectory(t)]);
  t.is(await cluster.ended, 1);
  t.deepEqual(cluster.err, [`torc: 127.0.0.1:${port + 1}, the client port of node2, is taken; give another with --port`]);
  holder.close();
});

for (const durability of ['always', 'everysec', 'os']) {
  test.serial(`durability ${durability}: everything acknowledged is there after kill -9 and after a clean stop`, async (t) => {
    const port = await freePort();
    const args = [...alone(port, temporaryDirectory(t)), '--durability', durability];
    const first = await filled(t, args, port);
    first.child.kill('SIGKILL');
    await first.ended;
    const gets = Array.from({ length: 500 }, (_, i) => ['GET', `key:${i}`]);
    for (let round = 0; round < 2; round++) {
      const node = run(t, args);
      await node.line(ready);
      t.deepEqual(
        await ask(port, ...gets),
        gets.map((_, i) => `$value:${i}`),
      );
      await stopped(t, node, 'SIGTERM');
    }
  });
}

/** A start that must fail: one line on standard error besides the log, the exit code, and never ready. */
async function refused(t: ExecutionContext, args: readonly string[], code: number, pattern: RegExp): Promise<void> {
  const node = run(t, args);
  const end = await Promise.race([node.ended, node.line(ready).catch(() => node.ended)]);
  t.is(end, code, node.err.join('\n'));
  const own = node.err.filter((line) => !line.startsWith('{'));
  t.is(own.length, 1, own.join('\n'));
  t.regex(own[0] ?? '', pattern);
  t.deepEqual(node.out, []);
}

test.serial('a directory that another process holds, or that belongs to another node, is refused; the holder goes on', async (t) => {
  const port = await freePort();
  const directory = temporaryDirectory(t);
  const holder = await filled(t, alone(port, directory), port);
  await refused(t, alone(await freePort(), directory), 1, /^torc: .*(lock|in use)/i);
  t.deepEqual(await ask(port, ['GET', 'key:7']), ['$value:7']);
  await stopped(t, holder);
  await refused(t, [...alone(port, directory), '--node-id', 'other'], 1, /^torc: .* belongs to node-id 'solo', not 'other'$/);
});

test.serial('a directory that cannot be written is refused', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'file'), '');
  await refused(t, alone(await freePort(), join(directory, 'file')), 1, /^torc: .*data directory .*file/);
});

test.serial('torc.json cut short, or of a newer format, is refused', async (t) => {
  const port = await freePort();
  const directory = temporaryDirectory(t);
  await stopped(t, await filled(t, alone(port, directory), port));
  const record = join(directory, 'torc.json');
  const text = readFileSync(record, 'utf8');
  truncateSync(record, Math.floor(text.length / 2));
  await refused(t, alone(port, directory), 1, /^torc: .*torc\.json is not JSON/);
  writeFileSync(record, text.replace(/"formatVersion": \d+/, '"formatVersion": 99'));
  await refused(t, alone(port, directory), 1, /^torc: .*torc\.json has format version 99; this program reads up to \d+$/);
  writeFileSync(record, text);
  const again = run(t, alone(port, directory));
  await again.line(ready);
  t.deepEqual(await ask(port, ['GET', 'key:499']), ['$value:499']);
  await stopped(t, again);
});

function largestSegment(directory: string): string {
  const segments = readdirSync(join(directory, 'log')).map((name) => join(directory, 'log', name));
  return segments.toSorted((a, b) => statSync(b).size - statSync(a).size)[0] ?? '';
}

test.serial('a byte flipped in the middle of the log, after kill -9: refused in one line that names file and offset', async (t) => {
  const port = await freePort();
  const directory = temporaryDirectory(t);
  const node = await filled(t, alone(port, directory), port);
  node.child.kill('SIGKILL');
  await node.ended;
  const segment = largestSegment(directory);
  const middle = Math.floor(statSync(segment).size / 2);
  const bytes = readFileSync(segment);
  const handle = openSync(segment, 'r+');
  writeSync(handle, Buffer.from([(bytes[middle] ?? 0) ^ 0xff]), 0, 1, middle);
  closeSync(handle);
  await refused(t, alone(port, directory), 1, /^torc: the commit log is damaged in \S+ at offset \d+: /);
  t.true(existsSync(segment));
  writeFileSync(segment, bytes);
  const again = run(t, alone(port, directory));
  await again.line(ready);
  t.deepEqual(await ask(port, ['GET', 'key:499']), ['$value:499']);
  await stopped(t, again);
});

test.serial('the last bytes of the log torn off, after kill -9: cut back, and everything before is there', async (t) => {
  const port = await freePort();
  const directory = temporaryDirectory(t);
  const node = await filled(t, alone(port, directory), port);
  t.deepEqual(await ask(port, ['SET', 'last', 'x']), ['+OK']);
  node.child.kill('SIGKILL');
  await node.ended;
  const segment = largestSegment(directory);
  truncateSync(segment, statSync(segment).size - 3);
  const again = run(t, alone(port, directory));
  await again.line(ready);
  t.deepEqual(await ask(port, ['GET', 'key:499'], ['GET', 'last']), ['$value:499', 'nil']);
  t.regex(again.err.join('\n'), /life 2 \(log damaged\)/);
  t.regex(again.err.join('\n'), /[1-9]\d* bytes cut off the log's tail/);
  await stopped(t, again);
});

test.serial('what cannot be meant names itself and the nearest right one, with exit code 2', async (t) => {
  await refused(t, ['server', '--durabilty', 'always'], 2, /^torc: unknown option --durabilty; the nearest is --durability$/);
  await refused(t, ['server', '--durability', 'alway'], 2, /^torc: durability 'alway' is not allowed: .*always/);
  await refused(t, ['cluster', '--prot', '7000'], 2, /^torc: unknown option --prot; the nearest is --port$/);
  const file = join(temporaryDirectory(t), 'torc.conf');
  writeFileSync(file, 'port 7000\nwrite-quorm 2\n');
  await refused(t, ['server', file], 2, /write-quorm.*write-quorum/);
});
