import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { firstOfFreePorts } from '../../harness/free-ports.js';

const standIn = fileURLToPath(new URL('./stand-in-main.js', import.meta.url));

async function listen(port: number): Promise<Server> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

interface Run {
  readonly child: ChildProcess;
  readonly out: string[];
  readonly err: string[];
  readonly ended: Promise<number | null>;
  /** Resolves with the first line, past or to come, that matches; rejects when the process has ended without it. */
  line(from: 'out' | 'err', pattern: RegExp): Promise<string>;
}

function run(t: ExecutionContext, args: readonly string[]): Run {
  const child = spawn(process.execPath, [standIn, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines = { out: [] as string[], err: [] as string[] };
  const waiting: (() => void)[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => (lines.out.push(line), waiting.forEach((look) => look())));
  createInterface({ input: child.stderr }).on('line', (line) => (lines.err.push(line), waiting.forEach((look) => look())));
  t.teardown(() => child.kill('SIGKILL'));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return {
    child,
    ...lines,
    ended,
    line: (from, pattern) =>
      new Promise((resolve, reject) => {
        void ended.then((code) =>
          reject(new Error(`ended (${code}) without ${String(pattern)}: ${[...lines.out, ...lines.err].join('; ')}`)),
        );
        const look = (): void => {
          const found = lines[from].find((line) => pattern.test(line));
          if (found !== undefined) resolve(found);
        };
        waiting.push(look);
        look();
      }),
  };
}

function dataDirectory(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'torc-cli-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function clusterArgs(t: ExecutionContext, ...more: string[]): Promise<{ port: number; directory: string; args: string[] }> {
  const port = await firstOfFreePorts(9);
  const directory = dataDirectory(t);
  const ports = ['--port', `${port}`, '--peer-port', `${port + 3}`, '--http-port', `${port + 6}`];
  return { port, directory, args: ['cluster', ...ports, '--dir', directory, ...more] };
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket.destroy() !== undefined));
    socket.once('error', () => resolve(false));
  });
}

const tryLine = /^try: {2}redis-cli -p \d+ SET greeting hello$/;

test('starts three nodes, says where they listen and what to try, and stops them on Ctrl-C', async (t) => {
  const { port, args, directory } = await clusterArgs(t);
  const cluster = run(t, args);
  t.is(await cluster.line('out', tryLine), `try:  redis-cli -p ${port} SET greeting hello`);
  for (const [index, zone] of ['a', 'b', 'c'].entries()) {
    const row = cluster.out[1 + index] ?? '';
    t.true(row.startsWith(`  node${index + 1}  127.0.0.1:${port + index}  zone ${zone}  peers :${port + 3 + index}`), row);
    t.true(row.includes(join(directory, `node${index + 1}`)), row);
    t.true(await connects(port + index));
  }
  cluster.child.kill('SIGINT');
  t.is(await cluster.ended, 0);
  t.deepEqual(cluster.err, []);
  for (const index of [0, 1, 2]) t.false(await connects(port + index));
});

test('a taken port is one line that names it, and exit code 1', async (t) => {
  const { port, args } = await clusterArgs(t);
  for (const [taken, words] of [
    [port + 1, 'client port of node2, is taken; give another with --port'],
    [port + 5, 'peer port of node3, is taken; give another with --peer-port'],
    [port + 6, 'HTTP port of node1, is taken; give another with --http-port'],
  ] as const) {
    const holder = await listen(taken);
    const cluster = run(t, args);
    t.is(await cluster.ended, 1);
    t.deepEqual(cluster.err, [`torc: 127.0.0.1:${taken}, the ${words}`]);
    t.deepEqual(cluster.out, []);
    holder.close();
  }
});

test('a data directory that cannot be made is one line, and exit code 1', async (t) => {
  const { args, directory } = await clusterArgs(t);
  writeFileSync(join(directory, 'file'), '');
  for (const impossible of [join(directory, 'file'), '/proc/torc']) {
    const cluster = run(t, [...args, '--dir', impossible]);
    t.is(await cluster.ended, 1);
    t.is(cluster.err.length, 1);
    t.true(cluster.err[0]?.startsWith(`torc: cannot make the data directory ${join(impossible, 'node1')}: E`), cluster.err[0]);
  }
});

test('a node that does not start stops all: its one line, exit code 1, also while the others still wait for it', async (t) => {
  const { port, args, directory } = await clusterArgs(t, '--cluster-name', 'refuse-node2');
  const cluster = run(t, args);
  t.is(await cluster.ended, 1);
  t.deepEqual(cluster.err, [`torc: node2 did not start: the data directory ${join(directory, 'node2')} is damaged`]);
  for (const index of [0, 1, 2]) t.false(await connects(port + index));
});

test('a node that dies later is reported with the command that starts it again, and the others go on', async (t) => {
  const { port, args } = await clusterArgs(t);
  const cluster = run(t, args);
  await cluster.line('out', tryLine);
  const pid = Number(/ pid (\d+)$/.exec(cluster.out[2] ?? '')?.[1]);
  process.kill(pid, 'SIGKILL');
  const line = await cluster.line('err', /^torc: node2 stopped/);
  t.regex(
    line,
    /^torc: node2 stopped \(SIGKILL\); the others go on\. Start it again with: .*node .*stand-in-main\.js server --node-id node2 /,
  );
  t.false(await connects(port + 1));
  t.true(await connects(port));
  t.true(await connects(port + 2));

  const again = run(t, line.split(' server ')[1] === undefined ? [] : ['server', ...(line.split(' server ')[1] ?? '').split(' ')]);
  await again.line('out', /ready/);
  t.deepEqual(again.out, [`torc: node2 ready on 127.0.0.1:${port + 1}`]);
  again.child.kill('SIGTERM');
  t.is(await again.ended, 0);

  cluster.child.kill('SIGTERM');
  t.is(await cluster.ended, 0);
});

test('when every node has died the cluster ends with exit code 1', async (t) => {
  const { args } = await clusterArgs(t, '--nodes', '1');
  const cluster = run(t, args);
  await cluster.line('out', tryLine);
  process.kill(Number(/ pid (\d+)$/.exec(cluster.out[1] ?? '')?.[1]), 'SIGKILL');
  t.is(await cluster.ended, 1);
  t.is(cluster.err.at(-1), 'torc: no node is running any more');
});

test('a second Ctrl-C kills nodes that do not stop', async (t) => {
  const { port, args } = await clusterArgs(t, '--cluster-name', 'ignore-stop');
  const cluster = run(t, args);
  await cluster.line('out', tryLine);
  cluster.child.kill('SIGINT');
  await cluster.line('out', /^torc: stopping$/);
  t.true(await connects(port));
  cluster.child.kill('SIGINT');
  t.is(await cluster.ended, 0);
  for (const index of [0, 1, 2]) t.false(await connects(port + index));
});

test('a supervisor that is killed leaves no nodes behind', async (t) => {
  const { port, args } = await clusterArgs(t, '--nodes', '1');
  const cluster = run(t, args);
  await cluster.line('out', tryLine);
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  cluster.child.kill('SIGKILL');
  // The node's listener closes first; it ends when this connection, which it does not cut, has ended too.
  socket.end();
  await once(socket, 'close');
  await cluster.ended;
  t.false(await untilRefused(port));
});

/** Connects again and again until the port refuses; ava's own time limit ends a wait in vain. */
async function untilRefused(port: number): Promise<boolean> {
  const accepted = await connects(port);
  return accepted ? untilRefused(port) : accepted;
}

test('exit codes: 0 for help and version, 2 with one line for what cannot be meant', async (t) => {
  const version = run(t, ['--version']);
  t.is(await version.ended, 0);
  t.deepEqual(version.out, ['torc 1.2.3']);
  const help = run(t, ['--help']);
  t.is(await help.ended, 0);
  t.true(help.out.some((line) => line.includes('--write-quorum')));
  for (const [args, line] of [
    [['servr'], "torc: unknown subcommand 'servr'; the nearest is 'torc server', and torc --help lists all"],
    [['cluster', '--prot', '1'], 'torc: unknown option --prot; the nearest is --port'],
    [['server', '--port', 'abc'], "torc: port 'abc' is not allowed: it takes an integer from 0 to 65535"],
    [
      ['server', '/nonexistent/torc.conf'],
      'torc: cannot read the configuration file /nonexistent/torc.conf: ENOENT: no such file or directory',
    ],
  ] as const) {
    const wrong = run(t, args);
    t.is(await wrong.ended, 2);
    t.is(wrong.err.length, 1);
    t.true(wrong.err[0]?.startsWith(line), wrong.err[0]);
    t.deepEqual(wrong.out, []);
  }
});
