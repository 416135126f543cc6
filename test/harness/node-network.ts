/**
 * A network of its own for the nodes of a cluster: each in a network namespace, all behind one bridge, so that packets between two of them can be dropped,
 * in both directions or in one, silently as a broken network drops them. Takes root and iproute2.
 *
 *   namespace of a node --veth-- bridge in a namespace of its own --veth-- this process' namespace --relay-- 127.0.0.1:port
 *
 * Clients stay outside: what they send to 127.0.0.1 is relayed to the node, partitions or not.
 *
 * Invariant: namespaces and links go with remove(), or with this process.
 */
import { spawnSync } from 'node:child_process';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { threadId } from 'node:worker_threads';

/** Before which packets are judged, and after it by the addresses of the node itself. */
const [dropPreference, localPreference] = ['10', '100'];
/** For tests of networks (RFC 2544): 198.18.0.0/15. */
const prefix = '198.18';
let networks = 0;

/** Runs `ip`; throws with what it says when it fails. */
function ip(...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
  return stdout;
}

/** Why no such network can be made here; undefined = it can. */
export function cannotMakeNetworks(): string | undefined {
  if (process.getuid?.() !== 0) return 'network namespaces take root';
  try {
    new NodeNetwork(1).remove();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export class NodeNetwork {
  private readonly name = `torc-${process.pid}-${threadId}-${++networks}`;
  private readonly outside = `t${process.pid}.${threadId}.${networks}`;
  private readonly subnet: string;
  private readonly relays: Server[] = [];
  private readonly relayed = new Set<Socket>();
  private readonly cuts = new Set<string>();
  private readonly atExit = (): void => this.removeLinks();
  private removed = false;
  /** Directions between two nodes that were cut so far. */
  cutsMade = 0;

  /** Throws when the machine does not let it. */
  constructor(readonly size: number) {
    process.once('exit', this.atExit);
    const taken = ip('-o', 'addr');
    const free = Array.from({ length: 256 }, (_, index) => `${prefix}.${(index + process.pid) % 256}`).find(
      (one) => !taken.includes(`${one}.`),
    );
    if (free === undefined) throw new Error(`no free network in ${prefix}.0.0/16`);
    this.subnet = free;
    try {
      this.build();
    } catch (error) {
      this.removeLinks();
      throw error;
    }
  }

  private build(): void {
    const bridge = this.namespace('bridge');
    ip('netns', 'add', bridge);
    ip('-n', bridge, 'link', 'add', 'name', 'bridge', 'type', 'bridge');
    ip('-n', bridge, 'link', 'set', 'bridge', 'up');
    ip('link', 'add', 'name', this.outside, 'type', 'veth', 'peer', 'name', 'outside', 'netns', bridge);
    ip('-n', bridge, 'link', 'set', 'outside', 'up', 'master', 'bridge');
    ip('addr', 'add', `${this.subnet}.254/24`, 'dev', this.outside);
    ip('link', 'set', this.outside, 'up');
    for (let node = 0; node < this.size; node++) {
      const own = this.namespace(node);
      ip('netns', 'add', own);
      ip('link', 'add', 'name', 'peers', 'netns', own, 'type', 'veth', 'peer', 'name', `node${node}`, 'netns', bridge);
      ip('-n', bridge, 'link', 'set', `node${node}`, 'up', 'master', 'bridge');
      ip('-n', own, 'link', 'set', 'lo', 'up');
      ip('-n', own, 'link', 'set', 'peers', 'up');
      ip('-n', own, 'addr', 'add', `${this.address(node)}/24`, 'dev', 'peers');
      // So that a rule can come before what is meant for the node itself.
      ip('-n', own, 'rule', 'add', 'pref', localPreference, 'lookup', 'local');
      ip('-n', own, 'rule', 'del', 'pref', '0');
    }
  }

  address(node: number): string {
    return `${this.subnet}.${node + 1}`;
  }

  /** What a command line begins with that is to run as the node. */
  within(node: number): readonly string[] {
    return ['ip', 'netns', 'exec', this.namespace(node)];
  }

  /** Clients that come to 127.0.0.1:port reach the node's port of the same number. */
  async relay(node: number, port: number): Promise<void> {
    const server = createServer({ noDelay: true }, (client) => {
      const inner = createConnection({ host: this.address(node), port, noDelay: true });
      for (const [one, other] of [
        [client, inner],
        [inner, client],
      ] as const) {
        this.relayed.add(one);
        one.pipe(other);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          this.relayed.delete(one);
          other.destroy();
        });
      }
    });
    this.relays.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  }

  /** Drops every packet from one node to the other, which neither is told. */
  cut(from: number, to: number): void {
    if (this.cuts.has(`${from} ${to}`)) return;
    ip('-n', this.namespace(to), 'rule', 'add', 'pref', dropPreference, 'from', this.address(from), 'blackhole');
    this.cuts.add(`${from} ${to}`);
    this.cutsMade++;
  }

  /** Both directions between `node` and each of the others. */
  isolate(node: number): void {
    for (let other = 0; other < this.size; other++) {
      if (other === node) continue;
      this.cut(node, other);
      this.cut(other, node);
    }
  }

  heal(): void {
    for (const cut of this.cuts) {
      const [from, to] = cut.split(' ').map(Number) as [number, number];
      ip('-n', this.namespace(to), 'rule', 'del', 'pref', dropPreference, 'from', this.address(from), 'blackhole');
    }
    this.cuts.clear();
  }

  /** The nodes are to be ended before. */
  remove(): void {
    for (const server of this.relays) server.close();
    for (const socket of this.relayed) socket.destroy();
    this.removeLinks();
    process.off('exit', this.atExit);
  }

  private removeLinks(): void {
    if (this.removed) return;
    this.removed = true;
    // What was not made is not there: nothing to say about that.
    spawnSync('ip', ['link', 'del', this.outside]);
    for (let node = 0; node < this.size; node++) spawnSync('ip', ['netns', 'del', this.namespace(node)]);
    spawnSync('ip', ['netns', 'del', this.namespace('bridge')]);
  }

  private namespace(which: number | 'bridge'): string {
    return `${this.name}-${which}`;
  }
}
