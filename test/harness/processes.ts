/**
 * Real processes for tests and benchmarks: a Torc node, a Torc cluster, a redis-server as the oracle; each on free ports with a
 * temporary directory of its own.
 *
 * Invariant: stop() ends the processes and removes the directories; what is not stopped dies with this process (server-process.ts).
 * The command lines of Torc are in torcCommand() and nowhere else.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, freePorts, peerPortOf } from './free-ports.js';
import type { NodeNetwork } from './node-network.js';
import { killAllServers, type ServerCommand, ServerProcess } from './server-process.js';

/** Configuration directives by name, without the leading dashes: `{ durability: 'always' }`. */
export type Directives = Readonly<Record<string, string>>;

/** The compiled entry point, two folders above the compiled harness. */
export const torcEntry = fileURLToPath(new URL('../../server/main.js', import.meta.url));

/** `torc server` on a port with its data in a directory. */
function torcCommand(name: string, port: number, dir: string, directives: Directives): ServerCommand {
  const flags = Object.entries({ port: String(port), dir, 'node-id': name, ...directives }).flatMap(([key, value]) => [`--${key}`, value]);
  return { name: `torc ${name}`, program: process.execPath, args: [torcEntry, 'server', ...flags], port, readyText: ' ready on ' };
}

/** Directories of groups not stopped yet; removed when this process exits all the same. */
const directories = new Set<string>();
process.once('exit', () => {
  killAllServers();
  for (const dir of directories) rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
});

async function removeDirectory(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true });
  directories.delete(dir);
}

/** A group of servers under one temporary directory, addressed by index. */
export class ServerGroup {
  /** In the order of their commands; a killed one stays in its place until restart(). */
  readonly #servers: ServerProcess[] = [];

  private constructor(
    readonly dir: string,
    readonly commands: readonly ServerCommand[],
  ) {}

  /** Starts all at once and waits until all serve. On a failure none is left. */
  static async start(commands: (dir: string) => readonly ServerCommand[]): Promise<ServerGroup> {
    const dir = await mkdtemp(join(tmpdir(), 'torc-'));
    directories.add(dir);
    const group = new ServerGroup(dir, commands(dir));
    const started = await Promise.allSettled(group.commands.map((command) => ServerProcess.start(command)));
    for (const one of started) if (one.status === 'fulfilled') group.#servers.push(one.value);
    const failed = started.find((one) => one.status === 'rejected');
    if (failed !== undefined) {
      await Promise.all(group.#servers.map((server) => server.kill()));
      await removeDirectory(dir);
      throw failed.reason;
    }
    return group;
  }

  get size(): number {
    return this.#servers.length;
  }

  get ports(): number[] {
    return this.#servers.map((server) => server.port);
  }

  /** Client port of the first. */
  get port(): number {
    return this.server(0).port;
  }

  /** Pids of the processes that run now. */
  get pids(): number[] {
    return this.#servers.filter((server) => server.running).map((server) => server.pid);
  }

  /** Throws RangeError for an index without a server. */
  server(index: number): ServerProcess {
    const server = this.#servers[index];
    if (server === undefined) throw new RangeError(`no server ${index} among ${this.size}`);
    return server;
  }

  /** kill -9 of one, waited for. Its directory stays. */
  async kill9(index: number): Promise<void> {
    await this.server(index).kill();
  }

  pause(index: number): void {
    this.server(index).pause();
  }

  resume(index: number): void {
    this.server(index).resume();
  }

  /** Stops one if it runs, and starts it again with the same command line and directory; resolves once it serves. */
  async restart(index: number): Promise<void> {
    const old = this.server(index);
    await old.stop();
    this.#servers[index] = await ServerProcess.start(old.command);
  }

  /** Ends all, paused ones too, and removes their directory. May be called again. Rejects when a command had failed by an error of Torc. */
  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop()));
    await removeDirectory(this.dir);
    const failed = this.#servers.flatMap(({ output }) => output.split('\n').filter((line) => line.includes('"event":"command-failed"')));
    if (failed.length > 0) throw new Error(`commands failed by errors of Torc: ${failed.join('\n')}`);
  }
}

/** One Torc node, with N=W=R=1 unless told otherwise. */
export async function startNode(directives: Directives = {}): Promise<ServerGroup> {
  const port = await freePort();
  const alone = { 'initial-nodes': '1', replicas: '1', 'write-quorum': '1', 'read-quorum': '1' };
  return ServerGroup.start((dir) => [torcCommand('node1', port, join(dir, 'node1'), { ...alone, ...directives })]);
}

export interface ClusterOptions {
  /** Three unless told. */
  readonly nodes?: number;
  /** Of each node. */
  readonly directives?: Directives;
  /** In which they run, clients by way of its relays; this machine's own otherwise. It has to outlive them. */
  readonly network?: NodeNetwork;
}

/** For tests of what is answered and not of how soon, beside which other tests run: commands wait for other nodes as long as a machine that stands still may. */
export const patient: Directives = { 'peer-timeout': '20000' };

/** Torc nodes that seed one another. */
export async function startCluster({ nodes = 3, directives = {}, network }: ClusterOptions = {}): Promise<ServerGroup> {
  const ports = await freePorts(nodes);
  if (network !== undefined) for (const [index, port] of ports.entries()) await network.relay(index, port);
  const membership = { 'cluster-name': `harness-${ports[0]}`, 'initial-nodes': String(nodes) };
  return ServerGroup.start((dir) =>
    ports.map((port, index) => {
      const seeds = ports.flatMap((other, at) => (other === port ? [] : `${network?.address(at) ?? '127.0.0.1'}:${peerPortOf(other)}`));
      const seeded = seeds.length === 0 ? {} : { seeds: seeds.join(',') };
      const placed = network === undefined ? {} : { bind: '0.0.0.0', 'protected-mode': 'no', 'announce-host': network.address(index) };
      const command = torcCommand(`node${index + 1}`, port, join(dir, `node${index + 1}`), {
        ...membership,
        zone: `zone${index + 1}`,
        ...seeded,
        ...placed,
        ...directives,
      });
      if (network === undefined) return command;
      const [program = 'ip', ...within] = network.within(index);
      return { ...command, program, args: [...within, command.program, ...command.args] };
    }),
  );
}

/** redis-server with snapshots off, its directory temporary; a primary first and then as many replicas of it, in sync when this resolves. */
export async function redisServer({
  replicas = 0,
  directives = {},
}: { replicas?: number; directives?: Directives } = {}): Promise<ServerGroup> {
  const ports = await freePorts(1 + replicas);
  const primary = ports[0];
  const group = await ServerGroup.start((dir) =>
    ports.map((port, index) => {
      const own = {
        port: String(port),
        bind: '127.0.0.1',
        dir,
        save: '',
        'repl-diskless-sync-delay': '0',
        appenddirname: `aof-${port}`,
        dbfilename: `${port}.rdb`,
        ...directives,
      };
      const following = index === 0 ? {} : { replicaof: `127.0.0.1 ${primary}` };
      // Redis reads "host port" of replicaof as two arguments, and an empty save as one.
      const flags = Object.entries({ ...own, ...following }).flatMap(([key, value]) => [
        `--${key}`,
        ...(value === '' ? [''] : value.split(' ')),
      ]);
      return { name: `redis-server ${port}`, program: 'redis-server', args: flags, port, readyText: 'Ready to accept connections' };
    }),
  );
  try {
    for (let index = 1; index <= replicas; index++) await group.server(index).printed('MASTER <-> REPLICA sync: Finished with success');
  } catch (error) {
    await group.stop();
    throw error;
  }
  return group;
}

/** What Redis' tools are called, and how to get them. */
export const redisToolsHint = 'install them first (Debian: apt-get install redis-server redis-tools)';
const redisTools = ['redis-server', 'redis-cli', 'redis-benchmark'] as const;

/** Which of Redis' tools are not on PATH. */
export function missingRedisTools(): string[] {
  return redisTools.filter((tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).status !== 0);
}

let missing: string[] | undefined;
let announced = false;

/**
 * Whether a test that needs redis-server, redis-cli and redis-benchmark can run. Without them it says so once a process on stderr,
 * or throws when TORC_REQUIRE_REDIS is 1, as in CI, where a skipped oracle would be a silent hole.
 */
export function haveRedisTools(): boolean {
  missing ??= missingRedisTools();
  if (missing.length === 0) return true;
  const line = `${missing.join(', ')} not found: ${redisToolsHint}`;
  if (process.env['TORC_REQUIRE_REDIS'] === '1') throw new Error(`TORC_REQUIRE_REDIS is 1 and ${line}`);
  if (!announced) process.stderr.write(`\n*** TESTS AGAINST REDIS ARE SKIPPED: ${line} ***\n\n`);
  announced = true;
  return false;
}

/** As haveRedisTools(), within a test: `if (!requireRedisTools(t)) return;` passes it with a log line, or fails it when tools are required. */
export function requireRedisTools(t: { log(...values: unknown[]): void; pass(): void }): boolean {
  if (haveRedisTools()) return true;
  t.log('skipped: no Redis tools');
  t.pass();
  return false;
}
