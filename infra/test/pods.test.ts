/**
 * What Kubernetes would do with the manifests, done by hand: three pods' containers are started with the command, arguments, environment, configuration
 * and ports as they stand there, asked by their probes, written to and read, drained by their hook, ended and started again. What is replaced: host
 * names by loopback addresses, one to a pod (so Linux only), and the paths of mounts by temporary ones.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { encodeCommand, ReplyReader } from '../../test/harness/reply-reader.js';
import { configDirectory, dataVolume, names, programDirectory } from '../manifests/names.js';
import { manifests } from '../manifests/all.js';
import { podHost } from '../manifests/torc-conf.js';
import { checkedParameters } from '../parameters.js';
import { ports } from '../ports.js';
import { sources } from './deployment.js';

const patienceMs = 60_000;
const parameters = checkedParameters({ 'drain-wait-seconds': 5 });
const { settings, store } = manifests(parameters, 'torc:test');
const spec = store[0]?.spec.template.spec;
const [container] = spec?.containers ?? [];
if (spec === undefined || container === undefined) throw new Error('the stateful set has no container');
const files: Readonly<Record<string, string>> = Object.assign({}, ...settings.map((one) => ('data' in one ? one.data : {})));
/** What an operator puts into the Secret, by its name and key. The manifest puts nothing there. */
const secrets = new Map<string, string>();

const zones = ['us-east-1a', 'us-east-1b', 'us-east-1c'];
const addressOf = (index: number): string => `127.${1 + (process.pid % 200)}.${1 + (Math.floor(process.pid / 200) % 200)}.${index + 1}`;

class Pod {
  readonly name: string;
  readonly address: string;
  process: ChildProcess | undefined;
  output = '';
  /** The environment that its container was started with. */
  private given: Readonly<Record<string, string>> = {};

  constructor(
    private readonly root: string,
    private readonly index: number,
  ) {
    this.name = `torc-${index}`;
    this.address = addressOf(index);
    for (const directory of [configDirectory, dataVolume]) mkdirSync(join(root, directory), { recursive: true });
    writeFileSync(join(root, configDirectory, 'torc.conf'), this.onThisMachine(files['torc.conf'] ?? ''));
  }

  /** Host names, the address that all ports are bound to, and mounts, as they are here. */
  private onThisMachine(text: string): string {
    let here = text.replace(/^bind 0\.0\.0\.0$/m, `bind ${this.address}`);
    for (let other = 0; other < parameters.nodes; other++) here = here.replaceAll(podHost(other, parameters.namespace), addressOf(other));
    for (const directory of [`${configDirectory}/`, `${dataVolume}/`])
      here = here.replaceAll(new RegExp(`(^|\\s)${directory}`, 'gm'), `$1${this.root}${directory}`);
    return here.replace(new RegExp(`^${programDirectory}/`), sources);
  }

  private environment(): Record<string, string> {
    const fields: Readonly<Record<string, string>> = {
      'metadata.name': this.name,
      'spec.nodeName': `ip-10-0-${this.index}-7.ec2.internal`,
      "metadata.labels['topology.kubernetes.io/zone']": zones[this.index] ?? '',
    };
    const given = (container?.env ?? []).flatMap(({ name, value, valueFrom }): [string, string][] => {
      const { fieldRef, secretKeyRef } = valueFrom ?? {};
      const field = value ?? fields[fieldRef?.fieldPath ?? ''] ?? secrets.get(`${secretKeyRef?.name} ${secretKeyRef?.key}`);
      if (field === undefined && secretKeyRef?.optional !== true) throw new Error(`${name} is of a field that pods do not have here`);
      return field === undefined ? [] : [[name, field]];
    });
    return Object.fromEntries(given);
  }

  private command(words: readonly string[], env: Readonly<Record<string, string>>, cwd: string): ChildProcess {
    // As Kubernetes does: a variable that is not set is left as it was written.
    const expanded = words.map((word) => this.onThisMachine(word.replaceAll(/\$\((\w+)\)/g, (whole, name: string) => env[name] ?? whole)));
    const [program = '', ...args] = expanded;
    return spawn(program, args, { cwd, env: { PATH: dirname(process.execPath), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  start(): void {
    this.given = this.environment();
    const cwd = container?.workingDir === programDirectory ? sources : '/';
    const child = this.command([...(container?.command ?? []), ...(container?.args ?? [])], this.given, cwd);
    this.process = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output = (this.output + text).slice(-4000)));
  }

  /** Asks as kubelet would until the probe succeeds. */
  async probed(probe: 'startupProbe' | 'livenessProbe' | 'readinessProbe', wanted = 200): Promise<void> {
    const httpGet = container?.[probe]?.httpGet;
    const port = container?.ports?.find(({ name }) => name === httpGet?.port)?.containerPort;
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const answer = await fetch(`http://${this.address}:${port}${httpGet?.path}`).catch(() => undefined);
      if (answer?.status === wanted) return;
      if (performance.now() > deadline || this.process?.exitCode !== null)
        throw new Error(`${this.name}: ${probe} answers ${answer?.status} ${await answer?.text()}\n${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 20)); // another process: there is no event to wait for
    }
  }

  async preStop(): Promise<number | null> {
    // In the container's environment, and in the root: that is all that Kubernetes promises.
    const hook = this.command(container?.lifecycle?.preStop?.exec?.command ?? [], this.given, '/');
    const [code] = (await once(hook, 'close')) as [number | null];
    return code;
  }

  /** SIGTERM, as kubelet sends it when the hook is done; resolves with the exit code, or rejects when the grace period passes. */
  async end(): Promise<number | null> {
    const child = this.process;
    if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null;
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit', { signal: AbortSignal.timeout((spec?.terminationGracePeriodSeconds ?? 0) * 1000) })) as [
      number | null,
    ];
    return code;
  }

  /** The volume is lost, and another comes in its place. */
  loseVolume(): void {
    const directory = join(this.root, dataVolume);
    rmSync(directory, { recursive: true });
    mkdirSync(directory);
  }

  /** Replies of commands on a connection of their own, joined by spaces. */
  async ask(...commands: readonly string[][]): Promise<string> {
    const socket = createConnection({ host: this.address, port: ports.client });
    try {
      return await new Promise((resolve, reject) => {
        const replies: string[] = [];
        const reader = new ReplyReader((kind, text) => {
          replies.push(kind === 'error' ? `-${text}` : text);
          if (replies.length === commands.length) resolve(replies.join(' '));
        });
        socket.on('data', (chunk) => reader.push(chunk)).on('error', reject);
        socket.write(commands.map((command) => encodeCommand(...command)).join(''), 'latin1');
      });
    } finally {
      socket.destroy();
    }
  }
}

test('three pods become ready, answer, drain and come back, with a password and without a volume too', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'torc-pods-'));
  const pods = [0, 1, 2].map((index) => new Pod(join(root, String(index)), index));
  t.teardown(() => {
    for (const pod of pods) pod.process?.kill('SIGKILL');
    rmSync(root, { recursive: true, force: true });
  });
  const [first, second, third] = pods as [Pod, Pod, Pod];
  // All at once but one: two are started and live, and not ready before the third has come.
  first.start();
  second.start();
  for (const pod of [first, second]) for (const probe of ['startupProbe', 'livenessProbe'] as const) await pod.probed(probe);
  await first.probed('readinessProbe', 503);
  third.start();
  for (const pod of pods) await pod.probed('readinessProbe');

  t.is(await first.ask(['PING']), 'PONG');
  t.is(await first.ask(['SET', 'key', 'value']), 'OK');
  for (const pod of pods) t.is(await pod.ask(['GET', 'key']), 'value');
  const info = await third.ask(['INFO', 'torc']);
  for (const line of [
    'node_name:torc-2',
    'zone:us-east-1c',
    'members:3',
    'replicas:3',
    'write_quorum:2',
    'read_quorum:2',
    'cluster_name:torc',
  ])
    t.true(info.includes(line), line);

  t.is(await first.preStop(), 0);
  await first.probed('readinessProbe', 503);
  await first.probed('livenessProbe');
  t.is(await first.ask(['GET', 'key']), 'value');
  t.is(await first.end(), 0, first.output);
  t.is(await second.ask(['SET', 'key', 'while one is away']), 'OK');
  secrets.set(`${names.secret} ${names.passwordKey}`, 'open sesame');
  first.start();
  await first.probed('readinessProbe');
  // A password set meanwhile holds where a pod was started since.
  t.regex(await first.ask(['GET', 'key']), /^-NOAUTH/);
  t.is(await first.ask(['AUTH', 'open sesame'], ['GET', 'key']), 'OK while one is away');
  t.is(await second.ask(['GET', 'key']), 'while one is away');

  third.process?.kill('SIGKILL');
  await once(third.process as ChildProcess, 'exit');
  third.loseVolume();
  third.start();
  await third.probed('readinessProbe');
  t.is(await third.ask(['AUTH', 'open sesame'], ['GET', 'key']), 'OK while one is away');
  t.is(await first.preStop(), 0);
  t.deepEqual(await Promise.all(pods.map((pod) => pod.end())), [0, 0, 0]);
});
