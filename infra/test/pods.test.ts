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
import { configDirectory, dataVolume, programDirectory, secretDirectory } from '../manifests/names.js';
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
const files = Object.fromEntries(
  settings.flatMap((one) => ('data' in one ? Object.entries(one.data) : 'stringData' in one ? Object.entries(one.stringData) : [])),
);

const zones = ['us-east-1a', 'us-east-1b', 'us-east-1c'];
const addressOf = (index: number): string => `127.${1 + (process.pid % 200)}.${1 + (Math.floor(process.pid / 200) % 200)}.${index + 1}`;

class Pod {
  readonly name: string;
  readonly address: string;
  process: ChildProcess | undefined;
  output = '';

  constructor(
    private readonly root: string,
    private readonly index: number,
  ) {
    this.name = `torc-${index}`;
    this.address = addressOf(index);
    for (const directory of [configDirectory, secretDirectory, dataVolume]) mkdirSync(join(root, directory), { recursive: true });
    writeFileSync(join(root, configDirectory, 'torc.conf'), this.onThisMachine(files['torc.conf'] ?? ''));
    writeFileSync(join(root, secretDirectory, 'torc-secret.conf'), files['torc-secret.conf'] ?? '');
  }

  /** Host names, the address that all ports are bound to, and mounts, as they are here. */
  private onThisMachine(text: string): string {
    let here = text.replace(/^bind 0\.0\.0\.0$/m, `bind ${this.address}`);
    for (let other = 0; other < parameters.nodes; other++) here = here.replaceAll(podHost(other, parameters.namespace), addressOf(other));
    for (const directory of [secretDirectory, `${configDirectory}/`, `${dataVolume}/`])
      here = here.replaceAll(new RegExp(`(^|\\s)${directory}`, 'gm'), `$1${this.root}${directory}`);
    return here;
  }

  private environment(): Record<string, string> {
    const fields: Readonly<Record<string, string>> = {
      'metadata.name': this.name,
      'spec.nodeName': `ip-10-0-${this.index}-7.ec2.internal`,
      "metadata.labels['topology.kubernetes.io/zone']": zones[this.index] ?? '',
    };
    const given = (container?.env ?? []).map(({ name, value, valueFrom }): [string, string] => {
      const field = value ?? fields[valueFrom?.fieldRef?.fieldPath ?? ''];
      if (field === undefined) throw new Error(`${name} is of a field that pods do not have here`);
      return [name, field];
    });
    return Object.fromEntries(given);
  }

  private command(words: readonly string[]): ChildProcess {
    const env = this.environment();
    // As Kubernetes does: a variable that is not set is left as it was written.
    const expanded = words.map((word) => this.onThisMachine(word.replaceAll(/\$\((\w+)\)/g, (whole, name: string) => env[name] ?? whole)));
    const [program = '', ...args] = expanded;
    const cwd = container?.workingDir === programDirectory ? sources : '/';
    return spawn(program, args, { cwd, env: { PATH: dirname(process.execPath), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  start(): void {
    const child = this.command([...(container?.command ?? []), ...(container?.args ?? [])]);
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
    const hook = this.command(container?.lifecycle?.preStop?.exec?.command ?? []);
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

  async ask(...command: readonly string[]): Promise<string> {
    const socket = createConnection({ host: this.address, port: ports.client });
    try {
      return await new Promise((resolve, reject) => {
        const words: string[] = [];
        const reader = new ReplyReader((kind, text) => (words.push(kind === 'error' ? `-${text}` : text), resolve(words.join(' '))));
        socket.on('data', (chunk) => reader.push(chunk)).on('error', reject);
        socket.write(encodeCommand(...command), 'latin1');
      });
    } finally {
      socket.destroy();
    }
  }
}

test('three pods become ready, answer, drain and come back', async (t) => {
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

  t.is(await first.ask('PING'), 'PONG');
  t.is(await first.ask('SET', 'key', 'value'), 'OK');
  for (const pod of pods) t.is(await pod.ask('GET', 'key'), 'value');
  const info = await third.ask('INFO', 'torc');
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
  t.is(await first.ask('GET', 'key'), 'value');
  t.is(await first.end(), 0, first.output);
  t.is(await second.ask('SET', 'key', 'while one is away'), 'OK');
  first.start();
  await first.probed('readinessProbe');
  t.is(await first.ask('GET', 'key'), 'while one is away');
  t.deepEqual(await Promise.all(pods.map((pod) => pod.end())), [0, 0, 0]);
});
