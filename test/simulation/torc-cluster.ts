/**
 * A whole cluster in one process: the product's own nodes, stores and command table, put together as server/start-node.ts does it, on simulated
 * time, network and disks. It differs from the real thing in the seams only, and in one liberty: a test may wrap a store to watch it
 * or to plant a bug.
 */
import { Node } from '../../cluster/node.js';
import type { Session } from '../../cluster/session.js';
import type { PeerAddress } from '../../cluster/transport.js';
import type { BulkSizes } from '../../cluster/bulk-sender.js';
import { usualBulkPatience, type Call } from '../../cluster/call.js';
import { emptyClock, type VectorClock } from '../../protocol/record.js';
import { EncodedReply, ownReply, type Reply } from '../../protocol/resp/reply.js';
import { ErrorReply } from '../../protocol/resp/reply.js';
import { CommandLookup } from '../../server/command-lookup.js';
import { allRows } from '../../server/commands/all.js';
import { decodeReply } from '../../server/decode-reply.js';
import { Dispatcher, InnerCall } from '../../server/dispatcher.js';
import type { Durability } from '../../storage/commit-log.js';
import { nextLife, type NodeRecord } from '../../storage/data-directory.js';
import type { Hasher } from '../../storage/merkle-hashing.js';
import { Store } from '../../storage/store.js';
import { covers, maxClock } from '../../storage/vector-clock.js';
import { DirectHasher } from '../storage/direct-hasher.js';
import { ForgettingWatch } from './forgetting-watch.js';
import { SeededRandom } from './random.js';
import { Scheduler } from './simulated-clock.js';
import { SimulatedDisk } from './simulated-disk.js';
import { SimulatedNetwork, type NetworkSettings } from './simulated-network.js';
import { WrittenBatches } from './written-batches.js';
import { noFailedCommands } from '../harness/no-failed-commands.js';

export interface TorcSettings {
  readonly nodes?: readonly string[];
  /** The first of them that form the cluster; the others come too late and only gossip. All by default. */
  readonly initialNodes?: number;
  /** Hosts that each node looks for others at; all other nodes by default. */
  readonly seeds?: readonly string[];
  readonly partitions?: number;
  readonly durability?: Durability;
  readonly readQuorum?: number;
  readonly writeQuorum?: number;
  readonly peerTimeoutMs?: number;
  readonly gossipIntervalMs?: number;
  readonly cacheBytesMax?: number;
  readonly writeBacklogMax?: number | undefined;
  /** Batches kept for a peer that does not acknowledge them; few make gaps common. */
  readonly hintBytesMax?: number;
  /** Batches, messages and rounds of writing behind of more bytes go in pieces of a few; by default none is so large. */
  readonly largeBytes?: number | undefined;
  /** 0 = never, the default, as the seeds of other tests were drawn without. */
  readonly repairIntervalMs?: number;
  readonly fullRepairIntervalMs?: number;
  /** In place of one that works. */
  readonly hasher?: Hasher;
  /** Wall clock minus true time, by node; 0 by default. */
  readonly skewMs?: Readonly<Record<string, number>>;
  readonly network?: Partial<NetworkSettings>;
  readonly sloppyQuorum?: boolean;
  readonly hintAgeMaxMs?: number;
  readonly readFrom?: 'any' | 'coordinator';
  /** Called with each store before its node is made: to plant a bug. */
  readonly plant?: (store: Store, node: string) => void;
  /** The same with each node, before it starts. */
  readonly plantNode?: (node: Node) => void;
  /** A planted bug: no connection keeps its commands in order. */
  readonly plantedNoOrder?: boolean;
  /** A planted bug: a machine that lost its power believes that it did not. */
  readonly plantedSameBoot?: boolean;
}

/** One incarnation of a node that serves. */
export interface RunningNode {
  readonly name: string;
  readonly node: Node;
  readonly store: Store;
  readonly dispatcher: Dispatcher;
  readonly doubtful: boolean;
}

const lookup = new CommandLookup(allRows);

export class TorcCluster {
  readonly nodes: readonly string[];
  readonly scheduler = new Scheduler();
  readonly random: SeededRandom;
  readonly network: SimulatedNetwork;
  readonly disks: ReadonlyMap<string, SimulatedDisk>;
  readonly partitions: number;
  readonly batches = new WrittenBatches();
  readonly forgetting: ForgettingWatch;
  /** What must not happen and did: a node that failed, a call that was answered twice. */
  readonly faults: string[] = [];
  readonly log: string[] = [];
  /** How often disks refused writes, took them again by themselves, and had a process die while something waited for them. */
  readonly disk = { refused: 0, recovered: 0, heldAtCrash: 0 };
  /** Called with each incarnation once its store is open, before its node is: to look at what a crash left. */
  onRecovered: (running: { readonly name: string; readonly store: Store }) => Promise<void> = () => Promise.resolve();
  readonly #running = new Map<string, RunningNode>();
  readonly #records = new Map<string, NodeRecord>();
  #connections = 0;
  readonly #starts = new Map<string, number>();
  /** By node and partition, what it had seen before its crashes. */
  readonly #seenBefore = new Map<string, VectorClock>();
  readonly #hosts = new Map<string, string>();
  /** Nodes whose disks are nearly full. */
  readonly #full = new Set<string>();

  constructor(
    seed: number,
    readonly settings: TorcSettings = {},
  ) {
    const { nodes = ['a', 'b', 'c'], partitions = 4, skewMs = {} } = settings;
    this.nodes = nodes;
    this.partitions = partitions;
    this.random = new SeededRandom(seed);
    this.network = new SimulatedNetwork(this.scheduler, this.random, settings.network);
    for (const node of nodes) this.scheduler.clockFor(node, { skewMs: skewMs[node] ?? 0, driftPpm: this.random.integer(200) - 100 });
    this.disks = new Map(nodes.map((node) => [node, new SimulatedDisk(this.scheduler, this.random, node)]));
    this.forgetting = new ForgettingWatch({
      homesOf: (partition) => this.homesOf(partition),
      everSeen: (node, partition) => this.everSeen(node, partition),
      failed: (fault) => this.#fault(fault),
    });
    this.scheduler.onCrash((node, kind) => {
      for (let number = 0; number < partitions; number++) this.#seenBefore.set(`${node} ${number}`, new Map(this.everSeen(node, number)));
      if (this.#running.get(node)?.store.isHeld === true) this.disk.heldAtCrash++;
      this.#running.delete(node);
      if (kind === 'machine') this.batches.lostPower(node);
    });
  }

  /** The node's present incarnation; undefined while it is down or recovering. */
  running(name: string): RunningNode | undefined {
    return this.#running.get(name);
  }

  /** Throws when it does not run. */
  runningNow(name: string): RunningNode {
    const running = this.#running.get(name);
    if (running === undefined) throw new Error(`${name} does not run`);
    return running;
  }

  /** Where the node's next incarnation listens; nobody listens where it was. */
  move(name: string, host: string): void {
    this.network.vacate(this.#addressOf(name));
    this.#hosts.set(name, host);
  }

  #addressOf(name: string): PeerAddress {
    return { host: this.#hosts.get(name) ?? name, port: 16379 };
  }

  /** Begins a new incarnation, on the disk as the last one left it. */
  readonly start = (name: string): void => {
    this.scheduler.clockFor(name);
    this.#open(name).catch((error: unknown) => this.#stopped(name, `${name} cannot start: ${String(error)}`));
  };

  /** What stood in the directory of a node beside log and engine is gone too, with its disk. */
  readonly forget = (name: string): void => {
    this.#records.delete(name);
    const others = this.nodes.filter((other) => other !== name);
    this.batches.lostDisk(name, (batch) => others.some((other) => covers(this.everSeen(other, batch.partition), batch)));
  };

  /** What server/disk-guard.ts tells a node of its disk: now if it runs, and soon after each start. */
  readonly setFull = (name: string, full: boolean): void => {
    if (full === this.#full.has(name)) return;
    if (full) this.#full.add(name);
    else this.#full.delete(name);
    this.#tellRoom(name);
  };

  #tellRoom(name: string): void {
    const running = this.#running.get(name);
    if (running === undefined) return;
    const full = this.#full.has(name);
    this.scheduler.schedule(name, 0, full ? 'nearly full' : 'room again', () => running.node.disk.setFull(full));
  }

  /** Starts all and waits, in simulated time, until all serve. */
  async startAll(): Promise<void> {
    this.nodes.forEach(this.start);
    await this.scheduler.runFor(60_000, () => this.allReady() || this.faults.length > 0);
    if (!this.allReady()) throw new Error(`the cluster does not form: ${[...this.faults, ...this.log].join('\n')}`);
  }

  allReady(): boolean {
    return this.nodes.every((name) => this.#running.get(name)?.node.isReady === true);
  }

  /** All nodes are up and sure of their data, on disks that take writes, and reach each other. */
  allWell(): boolean {
    return this.nodes.every((name) => {
      const node = this.#running.get(name)?.node;
      if (node?.isReady !== true || !this.#isSure(node) || node.membership.failing) return false;
      return this.nodes.every((_, member) => node.membership.isReachable(member));
    });
  }

  /** Of all nodes that run, for all others. */
  hintBytes(): number {
    let sum = 0;
    for (const { node } of this.#running.values()) for (const [, bytes] of node.hintBytes()) sum += bytes;
    return sum;
  }

  /** All that the node ever claimed to have seen of the partition, whatever it has lost since. */
  everSeen(name: string, partition: number): VectorClock {
    return maxClock(
      this.#seenBefore.get(`${name} ${partition}`) ?? emptyClock,
      this.#running.get(name)?.store.partition(partition).seen ?? emptyClock,
    );
  }

  /** Home replicas of a partition, the first coordinator first. None while no node runs that knows the configuration. */
  homesOf(partition: number): string[] {
    const membership = [...this.#running.values()].find(({ node }) => node.isReady)?.node.membership;
    if (membership === undefined) return [];
    return membership.preferenceList(partition).map((member) => membership.configuration?.members[member]?.nodeId ?? '');
  }

  /** A client's connection to the node's present incarnation. */
  connect(name: string): ClientConnection {
    return new ClientConnection(this, this.runningNow(name), `connection ${++this.#connections}`);
  }

  /** What engine and log of a node that runs give, opened anew after a kill; the node stays down. Takes simulated time. */
  async reopened(name: string): Promise<Store> {
    this.scheduler.crash(name, 'process');
    this.scheduler.clockFor(name);
    let store: Store | undefined;
    this.#openStore(name).then(
      (opened) => (store = opened),
      (error: unknown) => this.#fault(`${name} cannot be opened again: ${String(error)}`),
    );
    await this.scheduler.runFor(60_000, () => store !== undefined || this.faults.length > 0);
    if (store === undefined) throw new Error(`${name} cannot be opened again`);
    return store;
  }

  #isSure(node: Node): boolean {
    return node.statistics().every(([figure, value]) => figure !== 'doubtful' || value === 0);
  }

  async #open(name: string): Promise<void> {
    const { scheduler, settings } = this;
    const { durability = 'everysec' } = settings;
    const starts = (this.#starts.get(name) ?? 0) + 1;
    this.#starts.set(name, starts);
    const clock = scheduler.clockFor(name);
    const onFailure = (error: Error): void => this.#stopped(name, `${name} failed: ${error.message}`);
    const store = await this.#openStore(name);
    this.batches.watch(name, store);
    this.forgetting.watch(name, store);
    settings.plant?.(store, name);
    await this.onRecovered({ name, store });
    const bootId = settings.plantedSameBoot === true ? 'boot' : `boot ${scheduler.bootOf(name)}`;
    const begun = nextLife({ previous: this.#records.get(name), bootId, logDamaged: false });
    const life = Math.max(begun.life, Number(store.fact('life')?.toString() ?? 0));
    const doubtful = begun.reason === 'writes may be lost' || begun.reason === 'log damaged';
    this.#records.set(name, { nodeId: name, bootId, durability, life, cleanStop: false });
    const address = this.#addressOf(name);
    const random = this.random.fork(`node ${name} ${starts}`);
    const dispatcher: Dispatcher = new Dispatcher({
      lookup,
      partitions: () => node.view.partitions,
      submit: (call) => node.router.submit(call),
      wholePartitionDeadlineMs: () => node.wholePartitionDeadlineMs(),
      nextTurn: (resume) => void clock.after(0, resume),
      failed: noFailedCommands,
    });
    const node: Node = new Node({
      description: { nodeId: name, host: address.host, clientPort: 6379, peerPort: 16379, zone: '', hostLabel: name },
      clusterName: 'simulated',
      initialNodes: settings.initialNodes ?? this.nodes.length,
      seeds: (settings.seeds ?? this.nodes).filter((other) => other !== name).map((host) => ({ host, port: 16379 })),
      partitions: this.partitions,
      replicas: 3,
      writeQuorum: settings.writeQuorum ?? 2,
      readQuorum: settings.readQuorum ?? 2,
      sloppyQuorum: settings.sloppyQuorum ?? false,
      readFrom: settings.readFrom ?? 'any',
      gossipIntervalMs: settings.gossipIntervalMs ?? 1000,
      phiThreshold: 8,
      suspicionTimeoutMs: 5000,
      peerTimeoutMs: settings.peerTimeoutMs ?? 1000,
      hintBytesMax: settings.hintBytesMax ?? 1 << 20,
      hintAgeMaxMs: settings.hintAgeMaxMs ?? 10_800_000,
      bulkSizes: bulkSizesOf(settings),
      stringBytesMax: 512 << 20,
      sparseBytesMax: 3000,
      repairBytesPerSecond: 8 << 20,
      repairIntervalMs: settings.repairIntervalMs ?? 0,
      fullRepairIntervalMs: settings.fullRepairIntervalMs ?? 0,
      hasher: settings.hasher ?? new DirectHasher(),
      life,
      doubtful,
      incarnation: random.integer(2 ** 32),
      store,
      transport: this.network.transportFor(name, address),
      clock,
      random,
      decoder: dispatcher,
      log: (level, message, { event }) => {
        if (event === 'command-failed') throw new Error(message);
        if (event === 'disk-failing') this.disk.refused++;
        if (event === 'disk-recovered') this.disk.recovered++;
        scheduler.note(`${name} says ${message}`);
        if (level === 'warn') this.log.push(`${scheduler.nowMs.toFixed(1)} ${name}: ${message}`);
      },
      onFailure,
    });
    this.#running.set(name, { name, node, store, dispatcher, doubtful });
    settings.plantNode?.(node);
    node.start();
    if (this.#full.has(name)) this.#tellRoom(name);
  }

  async #openStore(name: string): Promise<Store> {
    const { durability = 'everysec', cacheBytesMax = 1 << 20, writeBacklogMax, largeBytes } = this.settings;
    const clock = this.scheduler.clockFor(name);
    const disk = this.disks.get(name);
    if (disk === undefined) throw new Error(`no disk ${name}`);
    const logFiles = disk.logFiles();
    const engine = await disk.openEngine();
    const onFailure = (error: Error): void => this.#stopped(name, `${name} failed: ${error.message}`);
    const large =
      largeBytes === undefined
        ? undefined
        : { largeBatchBytes: largeBytes, roundPartBytes: 2 * largeBytes, enginePieceBytes: Math.ceil(largeBytes / 2) };
    return Store.open({ engine, logFiles, clock, durability, cacheBytesMax, writeBacklogMax, hashSeed: 1, onFailure, ...large });
  }

  /** A node ends by itself: as it should when its disk fails it, and else as it must not. */
  #stopped(name: string, why: string): void {
    if (!this.scheduler.isUp(name)) return; // two of its reads failed, and the first has stopped it
    if (this.disks.get(name)?.isFailing !== true) return this.#fault(why);
    this.scheduler.note(why);
    this.scheduler.crash(name, 'process');
  }

  #fault(what: string): void {
    this.scheduler.note(what);
    this.faults.push(what);
  }

  /** For ClientConnection only. */
  answeredTwice(command: string): void {
    this.#fault(`answered twice: ${command}`);
  }
}

/** As much smaller as messages are larger than what is large here, and time for them in proportion: pieces take as many round trips as those of real ones. */
function bulkSizesOf({ largeBytes }: TorcSettings): BulkSizes | undefined {
  if (largeBytes === undefined) return undefined;
  const windowBytes = 60;
  return {
    messageBytesMin: largeBytes,
    pieceBytes: 20,
    windowBytes,
    patience: { freeBytes: windowBytes / 2, slowestBytesPerMs: (2 * windowBytes) / 1000 },
  };
}

/** A connection as server/connection.ts keeps one, without the bytes: an order of its own, and replies that leave at the end of a turn. */
export class ClientConnection {
  /** True time at which the last command that was sent over it arrives. */
  arrivalMs = 0;
  readonly #session: Session;
  #unanswered = 0;

  constructor(
    private readonly cluster: TorcCluster,
    readonly running: RunningNode,
    /** Unique in a run. */
    readonly name: string,
  ) {
    this.#session = running.node.router.newSession();
  }

  /** The incarnation it was made to still runs. */
  get isOpen(): boolean {
    return this.cluster.running(this.running.name) === this.running;
  }

  /** Commands that the node owes an answer to. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /**
   * Gives a command to the node now, which must be within an event of the node. `done` gets the reply when its turn has ended. `here`: the
   * command is run by this node whoever else could, as if a node that cannot see the others had forwarded it.
   */
  run(words: readonly (string | Buffer)[], done: (reply: Reply) => void, here = false): void {
    const args = words.map((word) => (typeof word === 'string' ? Buffer.from(word) : word));
    const row = lookup.resolve(args);
    if (row instanceof ErrorReply || row.scope === 'local') throw new Error(`${String(words[0])} is not for the cluster`);
    const { node, dispatcher } = this.running;
    let answered = false;
    this.#unanswered++;
    const origin = {
      options: { resp: 2, writeQuorum: 0, readQuorum: 0, deadlineMs: node.deadlineMs() },
      attach: (call: Call) => {
        call.patience = bulkSizesOf(this.cluster.settings)?.patience ?? usualBulkPatience;
        if (here) call.hops = 2;
        else if (this.cluster.settings.plantedNoOrder !== true) call.session = this.#session;
      },
    } as const;
    const finish = (reply: Reply): void => {
      if (answered) this.cluster.answeredTwice(words.map(String).join(' '));
      answered = true;
      this.#unanswered--;
      const value = reply instanceof EncodedReply ? decodeReply(reply.bytes) : ownReply(reply);
      node.turn.flushAtEnd({ flush: () => done(value) });
    };
    const operation = row.scope === 'keys' ? dispatcher.operationOf(row, args) : undefined;
    const partition = operation === undefined || operation instanceof ErrorReply ? -1 : dispatcher.partitionOfKeys(operation.keys);
    if (operation === undefined || operation instanceof ErrorReply || partition < 0) return dispatcher.run(row, args, origin, finish);
    const call = new InnerCall(args, operation, partition, origin.options, finish);
    origin.attach(call);
    node.router.submit(call);
  }
}
