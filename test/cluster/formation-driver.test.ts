/**
 * Formation as nodes perform it: real peers and stores, on a network and disks played in memory. What a node accepted outlives any crash once it
 * has said so; one that lost its directory is told what it is part of, and says that it was not there.
 */
import test from 'ava';
import type { Configuration } from '../../cluster/configuration.js';
import { decodeFormationDurable, decodeFormationMessage } from '../../cluster/formation-codec.js';
import { FormationDriver } from '../../cluster/formation-driver.js';
import type { Peer } from '../../cluster/peer.js';
import { Peers } from '../../cluster/peers.js';
import type { PeerStream, PeerStreamEvents, Transport } from '../../cluster/transport.js';
import { Turn } from '../../cluster/turn.js';
import type { torc } from '../../protocol/generated/messages.js';
import { MemoryEngine } from '../../storage/memory-engine.js';
import { MemoryLogFiles } from '../../storage/memory-log-files.js';
import type { Store } from '../../storage/store.js';
import { HandClock, seededRandom } from '../storage/log-fixtures.js';
import { openStore } from '../storage/store-fixtures.js';

const names = ['a', 'b', 'c'] as const;
const syncMs = 7;

/** Streams between hosts, each write delivered one step later. */
class PlayedNetwork {
  private readonly accepting = new Map<string, (stream: PeerStream) => PeerStreamEvents>();
  private open: { readonly hosts: readonly string[]; readonly cut: () => void }[] = [];

  constructor(private readonly clock: HandClock) {}

  transportOf(host: string): Transport {
    return {
      resolve: (name, found) => void this.clock.after(1, () => found([name])),
      listen: (accept) => void this.accepting.set(host, accept),
      connect: (to, events, opened, failed) => {
        this.clock.after(1, () => {
          const accept = this.accepting.get(to.host);
          if (accept === undefined) return failed('nobody listens');
          const state = { closed: false };
          const cut = (): void => {
            if (state.closed) return;
            state.closed = true;
            this.clock.after(1, () => {
              events.closed('cut');
              far.closed('cut');
            });
          };
          const end = (target: () => PeerStreamEvents): PeerStream => ({
            bufferedBytes: 0,
            write: (chunks) => {
              const bytes = Buffer.concat(chunks);
              if (!state.closed) this.clock.after(1, () => void (!state.closed && target().data(bytes)));
            },
            close: cut,
          });
          const far: PeerStreamEvents = accept(end(() => events));
          opened(end(() => far));
          this.open.push({ hosts: [host, to.host], cut });
        });
      },
    };
  }

  /** The host's process is gone. */
  lose(host: string): void {
    this.accepting.delete(host);
    for (const { hosts, cut } of this.open) if (hosts.includes(host)) cut();
    this.open = this.open.filter(({ hosts }) => !hosts.includes(host));
  }
}

interface Process {
  readonly store: Store;
  readonly peers: Peers;
  readonly driver: FormationDriver;
  readonly formed: { readonly configuration: Configuration; readonly acceptedHere: boolean }[];
  readonly failures: Error[];
  readonly log: string[];
}

class Cluster {
  readonly clock = new HandClock();
  readonly network = new PlayedNetwork(this.clock);
  readonly disks = new Map<string, { engine: MemoryEngine; files: MemoryLogFiles }>();
  readonly processes = new Map<string, Process>();
  /** `kind` and sender of all that was heard, and who heard it. */
  readonly heard: string[] = [];
  private incarnation = 0;

  async start(host: string, clusterName = 'test'): Promise<Process> {
    const { clock, network } = this;
    const disk = this.disks.get(host) ?? { engine: new MemoryEngine(), files: new MemoryLogFiles({ clock, syncMs }) };
    this.disks.set(host, disk);
    const opening = openStore(disk.engine, disk.files, { clock, durability: 'always' });
    let isOpen = false;
    void opening.then(() => (isOpen = true));
    while (!isOpen) await this.step();
    const { store } = await opening;
    const self = { nodeId: host, host, clientPort: 1, peerPort: 2, zone: '', hostLabel: host };
    const log: string[] = [];
    const failures: Error[] = [];
    const formed: Process['formed'] = [];
    const note = (level: string, message: string): void => void (level === 'warn' && log.push(message));
    const links = {
      seal: (): void => undefined,
      hold: (): boolean => {
        failures.push(new Error('the disk refuses writes'));
        for (const { link } of peers.all()) link.close(); // its machine has lost its power
        return false;
      },
      send: (): void => {
        for (const { link } of peers.all()) link.send();
      },
    };
    const turn = new Turn(clock, store, links);
    const peers: Peers = new Peers(
      {
        transport: network.transportOf(host),
        clock,
        random: seededRandom(++this.incarnation),
        clusterName,
        self,
        incarnation: this.incarnation,
        suspicion: { gossipIntervalMs: 1000, phiThreshold: 8, peerTimeoutMs: 1000 },
        unackedBytesMax: 1 << 20,
        counter: () => 1,
        schedule: () => turn.scheduleSend(),
        log: note,
      },
      {
        opened: (peer) => driver.linkOpened(peer),
        broken: (peer) => driver.linkBroken(peer),
        speaks: () => undefined,
        ended: () => undefined,
        changed: () => undefined,
        suspected: () => undefined,
        gossip: () => undefined,
        frame: (peer, frame) => this.hear(host, peer, frame),
      },
    );
    const driver: FormationDriver = new FormationDriver({
      settings: { clusterName, initialNodes: names.length, partitions: 16, replicas: 3 },
      self,
      store,
      turn,
      peers,
      log: note,
      formed: (configuration, acceptedHere) => formed.push({ configuration, acceptedHere }),
      failed: (error) => failures.push(error),
    });
    const process = { store, peers, driver, formed, failures, log };
    this.processes.set(host, process);
    peers.listen();
    for (const seed of names) if (seed !== host) peers.dialSeed({ host: seed, port: 2 });
    driver.begin();
    return process;
  }

  /** The machine loses its power. */
  crash(host: string): void {
    const disk = this.disks.get(host);
    if (disk === undefined) throw new Error(`${host} never ran`);
    this.network.lose(host);
    this.processes.get(host)?.peers.close();
    this.processes.delete(host);
    disk.files.crash(seededRandom(1));
    this.disks.set(host, { engine: disk.engine.crashed(), files: disk.files });
  }

  async step(): Promise<void> {
    await this.clock.advance(1);
    if (this.clock.monotonicMs() % 100 === 0) for (const { driver } of this.processes.values()) driver.tick();
  }

  async until(condition: () => boolean): Promise<void> {
    for (let i = 0; !condition(); i++) {
      if (i > 20_000) throw new Error(`not within 20 s: ${[...this.processes.values()].map(({ driver }) => driver.status).join(', ')}`);
      await this.step();
    }
  }

  get allFormed(): boolean {
    return names.every((name) => this.processes.get(name)?.formed.length === 1);
  }

  private hear(host: string, peer: Peer, frame: torc.Frame): boolean {
    const process = this.processes.get(host);
    for (const bytes of frame.formation) {
      this.heard.push(`${decodeFormationMessage(bytes as Buffer).kind} from ${peer.nodeId}`);
      process?.driver.received(peer, bytes as Buffer);
    }
    return true;
  }
}

test('nodes that meet by their seeds form one cluster: each learns the same configuration, once, and keeps it', async (t) => {
  const cluster = new Cluster();
  for (const name of names) await cluster.start(name);
  await cluster.until(() => cluster.allFormed);
  const [first] = cluster.processes.get('a')?.formed ?? [];
  t.deepEqual(
    first?.configuration.members.map(({ nodeId }) => nodeId),
    [...names],
  );
  for (const { formed, driver, failures } of cluster.processes.values()) {
    t.deepEqual(formed, [first]);
    t.true(formed[0]?.acceptedHere);
    t.is(driver.status, 'configuration 1 of 3 nodes');
    t.deepEqual(failures, []);
  }
  for (const name of names) {
    cluster.crash(name);
    const { formed } = await cluster.start(name);
    t.deepEqual(formed, [first], 'by its own disk, before it has met anybody');
  }
});

test('a machine that loses its power at any moment still holds what it had said it accepted, and the cluster forms', async (t) => {
  for (const victim of ['a', 'b'] as const) {
    let saidBefore = 0;
    let silentBefore = 0;
    for (let moment = 0; moment < 60; moment += 3) {
      const cluster = new Cluster();
      for (const name of names) await cluster.start(name);
      for (let i = 0; i < moment; i++) await cluster.step();
      const said = cluster.heard.some((what) => what === `accept from ${victim}` || what === `propose from ${victim}`);
      cluster.crash(victim);
      const { store } = await cluster.start(victim);
      const fact = store.fact('formation');
      if (said) {
        saidBefore++;
        t.not(fact === undefined ? undefined : decodeFormationDurable(fact).accepted, undefined, `${victim} after ${moment} ms`);
      } else silentBefore++;
      await cluster.until(() => cluster.allFormed);
      const configurations = [...cluster.processes.values()].map(({ formed }) => formed[0]?.configuration);
      for (const configuration of configurations) t.deepEqual(configuration, configurations[0]);
    }
    t.true(saidBefore > 0 && silentBefore > 0, `${saidBefore} had said so, ${silentBefore} had not`);
  }
});

test('a node whose directory was emptied is told what it is a member of, and that it took no part in its birth', async (t) => {
  const cluster = new Cluster();
  for (const name of names) await cluster.start(name);
  await cluster.until(() => cluster.allFormed);
  cluster.crash('c');
  cluster.disks.delete('c');
  const { formed } = await cluster.start('c');
  t.deepEqual(formed, []);
  await cluster.until(() => formed.length > 0);
  t.is(formed.length, 1);
  t.false(formed[0]?.acceptedHere);
  t.deepEqual(formed[0]?.configuration, cluster.processes.get('a')?.formed[0]?.configuration);
});

test('what cannot be understood is told and ignored, and formation goes on', async (t) => {
  const cluster = new Cluster();
  const { driver, peers, log, failures } = await cluster.start('a');
  await cluster.start('b');
  await cluster.until(() => peers.get('b')?.link.isOpen === true);
  const peer = peers.get('b');
  if (peer === undefined) throw new Error('b was not met');
  for (const bytes of [Buffer.alloc(0), Buffer.from([0xff]), Buffer.from('nonsense')]) driver.received(peer, bytes);
  t.is(log.filter((line) => line.includes("node 'b' says what cannot be understood")).length, 3, log.join('\n'));
  await cluster.start('c');
  await cluster.until(() => cluster.allFormed);
  t.deepEqual(failures, []);
});

test("a directory of another cluster, or another node's, is a failure that names it", async (t) => {
  const cluster = new Cluster();
  for (const name of names) await cluster.start(name);
  await cluster.until(() => cluster.allFormed);
  cluster.crash('a');
  const renamed = await cluster.start('a', 'other');
  t.regex(renamed.failures[0]?.message ?? '', /cluster-name 'test', not 'other'/);
  t.is(renamed.driver.status, 'not begun');
  cluster.crash('b');
  const disk = cluster.disks.get('b');
  if (disk !== undefined) cluster.disks.set('d', disk);
  const stranger = await cluster.start('d');
  t.regex(stranger.failures[0]?.message ?? '', /'a', 'b', 'c', not to node-id 'd'/);
  t.deepEqual([...renamed.formed, ...stranger.formed], []);
});
