/**
 * One node, put together: storage, turn, peers, membership, coordinator, reader and router over the five seams. server/start-node.ts builds it
 * on real ones, the simulation on simulated ones; nothing else differs.
 */
import type { torc } from '../protocol/generated/messages.js';
import type { VectorClock, VersionedRecord } from '../protocol/record.js';
import { decodeBatches } from '../protocol/batch.js';
import { slotOf } from '../protocol/slot.js';
import { compareTerms, counterAt, counterMs, memberNumberOf, type Term } from '../protocol/dot.js';
import type { Clock, Random } from '../storage/clock.js';
import type { Hasher } from '../storage/merkle-hashing.js';
import { clockBytes, clockOf } from '../storage/partition-clocks.js';
import { noEntry } from '../storage/key-table.js';
import type { Store } from '../storage/store.js';
import type { Call, ReadFrom } from './call.js';
import type { CommandDecoder } from './command.js';
import { AntiEntropy, type RepairPlan } from './anti-entropy.js';
import { Comparison } from './comparison.js';
import type { Configuration, NodeDescription } from './configuration.js';
import { Coordination } from './coordination.js';
import { Coordinator } from './coordinator.js';
import type { EventLog } from './events.js';
import { FormationDriver } from './formation-driver.js';
import { HandOff } from './hand-off.js';
import { HintExchange } from './hint-exchange.js';
import { decodeMemberState, encodeMemberState, GossipError } from './gossip-codec.js';
import { newsFor } from './gossip-state.js';
import type { Change, OwnWords } from './gossip-view.js';
import { Gossiper } from './gossiper.js';
import { Lives } from './lives.js';
import { Membership } from './membership.js';
import { healthOfNodes } from './node-health.js';
import { NodeView } from './node-view.js';
import type { Peer } from './peer.js';
import { Peers } from './peers.js';
import { Purger } from './purger.js';
import { Reader } from './reader.js';
import { readiness, type Readiness } from './readiness.js';
import { Rebuild } from './rebuild.js';
import { SeenInquiries } from './seen-inquiry.js';
import { Replica } from './replica.js';
import { Router } from './router.js';
import { ExpirySweeper } from './expiry-sweeper.js';
import { StandIns } from './stand-ins.js';
import { TakeOver } from './take-over.js';
import { TermProofs } from './term-proofs.js';
import type { PeerAddress, Transport } from './transport.js';
import { Turn } from './turn.js';

/** How often what is late is looked for. */
const tickMs = 10;
/** A node that steps aside is done when its peers have asked nothing of it for so long, and waits no longer than so long. */
const stepAsideMs = { quiet: 100, most: 1000 };
/** How many gossip intervals a stream may bring nothing to the peer, which says so, before it is dead. */
const streamPatienceGossips = 3;
/** How many peer timeouts a whole partition may take. */
const wholePartitionPatience = 10;

/**
 * A node that comes back leaves what it would coordinate to others for so many rounds of gossip at least, and until it lacks at most so many partitions'
 * writes or so many rounds have passed: its peers' clients would wait for what it catches up with.
 */
const arrival = { roundsMin: 2, behindMax: 16, roundsMax: 10 };

/** How long a node waits for links to enough peers before it says that it is ready all the same. */
const readyWaitMs = 5000;

/** Batches kept in memory for a peer that does not acknowledge them; what it misses beyond that are hints, on disk. */
const unackedBytesMax = 64 * 1024 * 1024;

export interface NodeOptions {
  readonly description: NodeDescription;
  readonly clusterName: string;
  readonly initialNodes: number;
  readonly seeds: readonly PeerAddress[];
  readonly partitions: number;
  /** What is kept for one peer on disk, and in memory where that is less; 0 = nothing for one that cannot be reached. */
  readonly hintBytesMax: number;
  readonly replicas: number;
  /** This and the following may change while the node runs: they are read each time. After a change of W or R call quorumsChanged(). */
  readonly writeQuorum: number;
  readonly readQuorum: number;
  readonly sloppyQuorum: boolean;
  readonly hintAgeMaxMs: number;
  readonly readFrom: ReadFrom;
  readonly gossipIntervalMs: number;
  readonly phiThreshold: number;
  readonly suspicionTimeoutMs: number;
  readonly peerTimeoutMs: number;
  readonly repairBytesPerSecond: number;
  /** No string may become longer. */
  readonly stringBytesMax: number;
  /** Between two comparisons with the other replicas; 0 = never. */
  readonly repairIntervalMs: number;
  readonly fullRepairIntervalMs: number;
  /** The life this node begins or continues, and whether it cannot prove that it kept all it wrote in earlier ones. */
  readonly life: number;
  readonly doubtful: boolean;
  /** Distinguishes this run of the process from others. */
  readonly incarnation: number;
  readonly store: Store;
  /** Where records are hashed. Its failure is the node's: it tells onFailure. */
  readonly hasher: Hasher;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly decoder: CommandDecoder;
  readonly log: EventLog;
  /** The node cannot go on: its directory belongs to another cluster, a frame broke an invariant. */
  readonly onFailure: (error: Error) => void;
}

export interface PeerFigures {
  readonly nodeId: string;
  readonly reachable: boolean;
  /** Of frames. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Of batches that it has not acknowledged. */
  readonly unackedBytes: number;
  /** Of frames that the network has not taken. */
  readonly bufferedBytes: number;
  /** Kept here on disk for it. */
  readonly hintBytes: number;
  /** Age of the oldest batch that is still to reach it. */
  readonly lagMs: number;
}

export class Node {
  readonly view: NodeView;
  readonly membership = new Membership();
  readonly router: Router;
  readonly coordinator: Coordinator;
  readonly reader: Reader;
  readonly comparison: Comparison;
  readonly takeOver: TakeOver;
  private readonly termProofs: TermProofs;
  readonly antiEntropy: AntiEntropy;
  readonly replica: Replica;
  readonly peers: Peers;
  readonly gossiper: Gossiper;
  readonly turn: Turn;
  private readonly inquiries: SeenInquiries;
  readonly standIns: StandIns;
  readonly handOff: HandOff;
  private readonly hintExchange: HintExchange;
  /** By partition. */
  private readonly coordinations: (Coordination | undefined)[] = [];
  /** The same, without holes. */
  private readonly known: Coordination[] = [];
  private readonly formation: FormationDriver;
  private readonly rebuild: Rebuild;
  private readonly sweeper: ExpirySweeper;
  private readonly purger: Purger;
  private readonly lives: Lives;
  private leaving = false;
  /** Of gossip, since the node began. */
  private rounds = 0;
  /** Counts at the last line about them. */
  private told = { tookOver: 0, kept: 0, handedOver: 0, dropped: 0 };
  private closed = false;
  private readyByMs = 0;
  private readonly whenReady: (() => void)[] = [];

  constructor(private readonly options: NodeOptions) {
    const { store, clock, random, description, clusterName } = options;
    const { membership } = this;
    this.lives = new Lives(store, membership, options.life);
    const { lives } = this;
    this.turn = new Turn(
      clock,
      store,
      {
        seal: (batches) => {
          for (const { link } of this.peers.all()) link.seal(batches);
          this.standIns.seal(batches);
        },
        send: () => {
          for (const { link } of this.peers.all()) link.send();
        },
      },
      options.onFailure,
    );
    const { turn } = this;
    const isDoubtful = (partition: number): boolean => this.rebuild.isDoubtful(partition);
    const provesLoss = (partition: number, seen: VectorClock): boolean => this.rebuild.provesLoss(partition, seen);
    const coordination = (partition: number): Coordination => this.coordination(partition);
    const reroute = (calls: readonly Call[]): void => this.router.reroute(calls);
    const actor = (): number => lives.actor();
    this.peers = new Peers(
      {
        transport: options.transport,
        clock,
        random,
        clusterName,
        self: description,
        incarnation: options.incarnation,
        suspicion: options,
        unackedBytesMax: options.hintBytesMax === 0 ? unackedBytesMax : Math.min(options.hintBytesMax, unackedBytesMax),
        counter: () => store.hybridClock.currentCounter,
        schedule: () => turn.scheduleSend(),
        log: options.log,
      },
      {
        opened: (peer) => this.linkOpened(peer),
        broken: (peer) => this.linkBroken(peer),
        speaks: (peer) => {
          peer.link.resendUnacked();
          this.takeOver.askAgain(peer);
        },
        ended: (peer) => {
          if (peer.link.isOpen) this.say(peer, false);
        },
        frame: (peer, frame) => this.receive(peer, frame),
        changed: () => membership.changed(),
        overflowed: (peer, batches) => (peer.member < 0 ? batches.length : this.handOff.keepHere(peer, batches)),
        hasOlder: (peer) => this.handOff.keepsFor(peer),
        suspected: ({ nodeId }) => this.gossiper.suspect(nodeId),
        gossip: (stream, message) => this.gossiper.answer(stream, message),
      },
    );
    this.hintExchange = new HintExchange(clock, random, () => 10 * options.peerTimeoutMs);
    const { hintExchange } = this;
    this.gossiper = new Gossiper({
      self: description,
      clockMs: () => store.hybridClock.nowMs(),
      seeds: options.seeds,
      transport: options.transport,
      clock,
      random,
      directives: options,
      greeting: () => this.peers.greeting(),
      ownWords: () => this.ownWords(),
      changed: (change) => this.heardOf(change),
      rounded: () => this.rounded(),
      log: options.log,
    });
    this.comparison = new Comparison({
      store,
      turn,
      clock,
      random,
      get timeoutMs() {
        return 10 * options.peerTimeoutMs;
      },
      partitions: () => membership.configuration?.partitions ?? 1,
      isDoubtful,
      provesLoss,
    });
    const { comparison } = this;
    this.handOff = new HandOff({
      store,
      membership,
      turn,
      clock,
      exchange: hintExchange,
      directives: options,
      lives,
      fetchMissing: (partition, from) => comparison.fetchMissing(partition, from),
      handedOver: (target, partition, batches) => {
        const own = new Set<number>();
        for (const { dot } of decodeBatches(batches)) if (dot.actor === actor()) own.add(dot.counter);
        this.standIns.held(target, partition, (counter) => own.has(counter));
      },
      failed: options.onFailure,
    });
    const { handOff } = this;
    this.standIns = new StandIns({
      membership,
      exchange: hintExchange,
      clock,
      directives: options,
      selfMay: () => !this.leaving && !this.rebuild.isInDoubt,
      keepHere: handOff.keepHere,
      superseded: (superseded) => this.superseded(superseded),
    });
    const { standIns } = this;
    this.takeOver = new TakeOver({
      store,
      membership,
      comparison,
      turn,
      clock,
      random,
      directives: options,
      actor,
      isDoubtful,
      provesLoss,
      keepsSomethingOf: (partition) => handOff.keepsSomethingOf(partition),
      pullHints: (partition, peer, done) => hintExchange.pull(peer, partition, done),
      coordination,
      taken: (taken) => this.coordinator.taken(taken),
      reroute,
    });
    this.termProofs = new TermProofs({ store, membership, turn, clock, random, isDoubtful, reroute });
    const { termProofs } = this;
    this.coordinator = new Coordinator({
      store,
      membership,
      turn,
      limits: options,
      clock,
      actor,
      coordination,
      coordinations: () => this.known,
      takeOver: () => this.takeOver,
      standIns,
      directives: options,
      read: (call) => this.reader.submit(call),
      prove: (...read) => termProofs.prove(...read),
      reroute,
    });
    const { coordinator } = this;
    this.reader = new Reader({ store, membership, comparison, coordinator, coordination, turn, clock, isDoubtful });
    this.replica = new Replica(
      store,
      turn,
      (partition, from) => comparison.fetchMissing(partition, from),
      (partition) => this.rebuild.isTermKnown(partition),
    );
    this.rebuild = new Rebuild({
      store,
      membership,
      comparison,
      clock,
      log: options.log,
      actor,
      doubted: () => this.doubted(),
      raiseLife: () => {
        lives.raise();
        turn.schedule();
      },
      // A batch that was acknowledged is with W - 1 others, so these many meet it. Where nobody stands in for homes they have said enough.
      membersToHear: () => (options.sloppyQuorum ? Math.max(0, membership.memberCount - membership.quorums.write + 1) : 0),
    });
    this.router = new Router({
      membership,
      coordinator,
      reader: this.reader,
      clock,
      decoder: options.decoder,
      isReady: () => this.isReady,
      isSloppy: () => options.sloppyQuorum,
      directives: options,
      isDoubtful: (partition) => this.leaving || isDoubtful(partition),
      // Also where a partition is sure already: its new life begins when all are.
      coordinatesNothing: () => this.leaving || this.rebuild.isInDoubt,
    });
    this.inquiries = new SeenInquiries({ store, membership, clock });
    this.sweeper = new ExpirySweeper({
      store,
      membership,
      coordinations: () => this.known,
      submit: this.router.submit,
      clock,
      directives: options,
    });
    this.purger = new Purger({ store, membership, turn, clock, isDoubtful, failed: options.onFailure });
    this.antiEntropy = new AntiEntropy({
      store,
      membership,
      comparison,
      reader: this.reader,
      turn,
      clock,
      hasher: options.hasher,
      directives: options,
      firstId: 1 + (options.incarnation % 2 ** 20) * 2 ** 32,
      isDoubtful,
      log: options.log,
      onFailure: options.onFailure,
    });
    this.view = new NodeView(
      clusterName,
      membership,
      description,
      options,
      () => this.isReady,
      () => healthOfNodes(this.gossiper.view, this.peers, membership, clock.monotonicMs()),
    );
    this.formation = new FormationDriver({
      settings: options,
      self: description,
      store,
      turn,
      peers: this.peers,
      log: options.log,
      formed: (configuration, acceptedHere) => this.adopt(configuration, acceptedHere),
      failed: options.onFailure,
    });
  }

  get isReady(): boolean {
    return this.membership.configuration !== undefined && !this.closed;
  }

  /** Listens to peers, looks for them, and forms or joins the cluster. */
  start(): void {
    this.peers.listen();
    this.formation.begin();
    this.membership.arriving = this.isReady && this.membership.memberCount > 1; // it has been here before
    this.membership.changed();
    if (!this.isReady) this.gossiper.seeds.look((seed, addresses) => this.peers.dialSeeds(seed, addresses));
    this.tick();
    this.gossiper.start();
  }

  /** Resolves once commands are served. */
  ready(): Promise<void> {
    return new Promise((resolve) => {
      this.whenReady.push(resolve);
      this.announceReady();
    });
  }

  /** W or R was changed. */
  quorumsChanged(): void {
    this.membership.setQuorums(this.options);
  }

  /** For the readiness probe. */
  readiness(): Readiness {
    return readiness(this.membership, this.rebuild.doubtfulPartitions, this.leaving);
  }

  /**
   * Leaves what this node coordinates to others, lest its end costs clients commands of unknown outcome; its own clients are still served, by way of
   * the others. Resolves when no peer asks anything of it any more and all it coordinated is settled, after a second at the latest.
   */
  stepAside(): Promise<void> {
    this.leaving = true;
    if (!this.isReady || this.membership.memberCount === 1) return Promise.resolve();
    for (const peer of this.peers.all()) if (peer.link.isOpen) this.say(peer, false);
    return this.quiet(stepAsideMs.most, () => this.coordinates());
  }

  /** Resolves when nothing that was asked of this node, or by it, is open, after `limitMs` at the latest. To be called after stepAside(). */
  settle(limitMs: number): Promise<void> {
    if (!this.isReady || this.membership.memberCount === 1) return Promise.resolve();
    return this.quiet(limitMs, () => this.isBusy());
  }

  private quiet(limitMs: number, isBusy: () => boolean): Promise<void> {
    const { clock } = this.options;
    const latestMs = clock.monotonicMs() + limitMs;
    return new Promise((resolve) => {
      const look = (): void => {
        const nowMs = clock.monotonicMs();
        const isQuiet = nowMs - this.router.lastAskedMs > stepAsideMs.quiet && !isBusy();
        if (isQuiet || nowMs > latestMs) resolve();
        else clock.after(tickMs, look);
      };
      clock.after(stepAsideMs.quiet, look);
    });
  }

  /** Says nothing more to anyone. The store is the caller's to close. */
  close(): void {
    this.closed = true;
    this.handOff.close();
    this.purger.close();
    this.antiEntropy.close();
    this.gossiper.close();
    this.peers.close();
  }

  /** Begins to compare this node's partitions with their other replicas; how many pairs of partition and peer, or why not. */
  repair(plan: RepairPlan): number | 'under way' | 'no peer' {
    return this.antiEntropy.request(plan);
  }

  /** The deadline of a command that begins now, monotonic ms. */
  deadlineMs(): number {
    return this.options.clock.monotonicMs() + this.options.peerTimeoutMs;
  }

  /** The same for a command that visits whole partitions, many at once: they are read from disk when they are not in memory. */
  wholePartitionDeadlineMs(): number {
    return this.options.clock.monotonicMs() + wholePartitionPatience * this.options.peerTimeoutMs;
  }

  /** This replica's own record of `key`, read from the engine if need be. */
  ownRecord(partition: number, key: Buffer): Promise<VersionedRecord | undefined> {
    const { store } = this.options;
    const here = store.partition(partition);
    const record = (): VersionedRecord | undefined => {
      const entry = here.find(key);
      return entry === noEntry ? undefined : store.table.recordOf(entry);
    };
    if (here.isLoaded(key)) return Promise.resolve(record());
    return new Promise((resolve) => {
      store.loader.load(here, key, slotOf(key), () => resolve(record()));
      this.turn.schedule();
    });
  }

  /**
   * How many home replicas besides one hold everything written to `partitions` so far: `ended` is told once, when `wanted` do or the asker gives up.
   */
  replicasHolding(partitions: readonly number[], wanted: number, ended: (replicas: number) => void): { giveUp(): void } {
    return this.inquiries.begin(partitions, wanted, ended);
  }

  /** This node in clocks: 0 with life until it is a member. */
  actor(): number {
    return this.lives.actor();
  }

  /** Figures of the cluster's side, for INFO and TORC STATUS. */
  statistics(): readonly (readonly [name: string, value: string | number])[] {
    let running = 0;
    let unsettled = 0;
    for (const coordination of this.known) {
      if (coordination.state === 'running') running++;
      unsettled += coordination.unsettled;
    }
    const links = [...this.peers.all()];
    return [
      ['actor', this.actor()],
      ['life', this.lives.life],
      ['doubtful', this.rebuild.isInDoubt ? 1 : 0],
      ['doubtful_partitions', this.rebuild.doubtfulPartitions],
      ['coordinated_partitions', running],
      ['take_overs', this.takeOver.finished],
      ['unsettled_batches', unsettled],
      ['batches_written', this.coordinator.batchesWritten],
      ['batches_applied', this.replica.batchesApplied],
      ['commands_forwarded', this.router.forwarded],
      ['versions_compared', this.reader.compared],
      ['versions_differed', this.reader.differed],
      ['catch_ups', this.comparison.finished],
      ['partitions_behind', this.comparison.partitionsBehind],
      ['versions_forgotten_elsewhere', this.comparison.dropped],
      ['purge_backlog', this.purger.backlog],
      ['expired_keys', this.sweeper.expired],
      ...this.antiEntropy.statistics(),
      ['unacknowledged_bytes', links.reduce((bytes, { link }) => bytes + link.queuedBytes, 0)],
      ['hint_bytes', this.hintBytes().reduce((sum, [, bytes]) => sum + bytes, 0)],
      ...this.hintBytes().map(([nodeId, bytes]) => [`hint_bytes_for_${nodeId}`, bytes] as const),
      ['hints_sent_to_stand_ins', this.standIns.batchesSent],
      ['hints_kept', this.handOff.counts.kept],
      ['hints_handed_over', this.handOff.counts.handedOver],
      ['hints_taken', this.handOff.counts.taken],
      ['hints_dropped', this.handOff.counts.dropped + this.standIns.batchesDropped],
      ['dropped_batches', links.reduce((batches, { link }) => batches + link.droppedBatches, 0)],
      ['peer_bytes_out', links.reduce((bytes, { link }) => bytes + link.bytesSent, 0)],
      ['gossip_nodes', this.gossiper.view.size],
      ['gossip_rounds', this.gossiper.rounds],
      ['gossip_failed_exchanges', this.gossiper.failures],
      ['gossip_refutations', this.gossiper.view.refutations],
      ['gossip_ignored_nodes', this.gossiper.view.ignored],
      ['gossip_messages_out', this.gossiper.traffic.messagesOut],
      ['gossip_messages_in', this.gossiper.traffic.messagesIn],
      ['gossip_bytes_out', this.gossiper.traffic.bytesOut],
      ['gossip_bytes_in', this.gossiper.traffic.bytesIn],
      ['peer_bytes_in', links.reduce((bytes, { bytesReceived }) => bytes + bytesReceived, 0)],
    ];
  }

  /** This node's side of its links to the other members. */
  peerFigures(): PeerFigures[] {
    const { store } = this.options;
    const { membership } = this;
    const nowMs = store.hybridClock.nowMs();
    return [...this.peers.all()]
      .filter(({ member }) => member >= 0)
      .map((peer) => {
        const { link, nodeId, reachable, bytesReceived } = peer;
        const number = membership.numberOf(peer.member);
        const kept = store.hints.lanesOf(number).map(({ oldestMs }) => oldestMs);
        const unackedMs = link.oldestUnacked === undefined ? nowMs : counterMs(link.oldestUnacked);
        return {
          nodeId,
          reachable,
          bytesReceived,
          bytesSent: link.bytesSent,
          unackedBytes: link.queuedBytes,
          bufferedBytes: link.streamBufferedBytes,
          hintBytes: store.hints.bytesOf(number),
          lagMs: Math.max(0, nowMs - Math.min(unackedMs, ...kept)),
        };
      });
  }

  /** Bytes of hints kept here, by the node they are for. */
  hintBytes(): (readonly [nodeId: string, bytes: number])[] {
    const { configuration } = this.membership;
    return this.handOff.bytesByMember().map(([member, bytes]) => [configuration?.members[member]?.nodeId ?? '?', bytes] as const);
  }

  get formationStatus(): string {
    return this.formation.status;
  }

  /** Some call or batch waits here. */
  private coordinates(): boolean {
    for (const { waiting, unsettled } of this.known) if (waiting > 0 || unsettled > 0) return true;
    return false;
  }

  /** Some call or batch waits, here or at a peer that can answer. */
  private isBusy(): boolean {
    if (this.coordinates()) return true;
    for (const { reachable, link } of this.peers.all()) if (reachable && link.expectsAnswer) return true;
    return false;
  }

  private coordination(partition: number): Coordination {
    const known = this.coordinations[partition];
    if (known !== undefined) return known;
    const coordination = new Coordination(partition);
    this.coordinations[partition] = coordination;
    this.known.push(coordination);
    return coordination;
  }

  private adopt(configuration: Configuration, acceptedHere: boolean): void {
    const { membership, options } = this;
    membership.adopt(configuration, options.description.nodeId, options, (nodeId) => {
      const member = configuration.members.find((candidate) => candidate.nodeId === nodeId);
      if (member === undefined) throw new Error(`no member '${nodeId}'`);
      return this.peers.meet(member);
    });
    const members = configuration.members.map(({ nodeId }) => nodeId).join(', ');
    options.log('info', `configuration ${configuration.number}: ${members}`, {
      event: 'configuration',
      number: configuration.number,
      members,
    });
    this.rebuild.begin(options.doubtful || !acceptedHere);
    this.gossiper.seeds.stop();
    for (const member of configuration.members) this.gossiper.expect(member);
    this.peers.hear();
    this.readyByMs = options.clock.monotonicMs() + readyWaitMs;
    this.announceReady();
  }

  /** What this node coordinates goes to others, who hear at once that it is in doubt. */
  private doubted(): void {
    this.membership.changed();
    this.takeOver.dropAll(this.known);
    for (const peer of this.peers.all()) if (peer.link.isOpen) this.say(peer, false);
  }

  private linkOpened(peer: Peer): void {
    this.formation.linkOpened(peer);
    this.say(peer, true);
    this.takeOver.askAgain(peer);
    this.handOff.tick();
  }

  private linkBroken(peer: Peer): void {
    this.hintExchange.linkBroken(peer);
    this.reader.linkBroken(peer);
    this.router.linkBroken(peer);
    this.formation.linkBroken(peer);
  }

  /** False: this node knew no configuration yet, or the peer is no member of it, and batches were dropped. */
  private receive(peer: Peer, frame: torc.Frame): boolean {
    const { store } = this.options;
    const isHeard = this.isReady && peer.member >= 0;
    if (isHeard || !this.isReady) store.hybridClock.raise(frame.clock);
    for (const message of frame.formation) this.formation.received(peer, message as Buffer);
    if (!isHeard) return frame.batches.length === 0 && frame.hints.length === 0;
    if (frame.batches.length > 0) this.replica.receive(peer, frame.batches as Buffer);
    for (const hints of frame.hints) this.handOff.onHints(peer, hints as torc.Hints);
    for (const ack of frame.ack) this.acknowledged(peer, ack as torc.Ack);
    for (const ack of frame.hintAcks) this.hintExchange.onAck(peer, ack as torc.HintAck);
    for (const pull of frame.hintPulls) this.handOff.onHintPull(peer, pull as torc.HintPull);
    for (const takeOver of frame.takeOvers) this.takeOver.onTakeOver(peer, takeOver as torc.TakeOver);
    for (const promises of frame.promises) this.takeOver.onPromises(peer, promises as torc.Promises);
    for (const transfer of frame.transfers) this.comparison.onTransfer(peer, transfer as torc.Transfer);
    for (const ack of frame.transferAcks) this.comparison.onTransferAck(peer, ack as torc.TransferAck);
    for (const pull of frame.pulls) this.comparison.onPull(peer, pull as torc.Pull);
    for (const question of frame.treeQuestions) this.antiEntropy.onQuestion(peer, question as torc.TreeQuestion);
    for (const answer of frame.treeAnswers) this.antiEntropy.onAnswer(peer, answer as torc.TreeAnswer);
    if (frame.commands) this.router.onCommands(peer, frame.commands as torc.Commands);
    if (frame.replies) this.router.onReplies(peer, frame.replies as torc.Replies);
    if (frame.reads) this.reader.onReads(peer, frame.reads as torc.Reads);
    if (frame.readAnswers) this.reader.onAnswers(peer, frame.readAnswers as torc.ReadAnswers);
    for (const check of frame.termChecks) this.termProofs.onTermCheck(peer, check as torc.TermCheck);
    for (const answer of frame.termAnswers) this.termProofs.onTermAnswer(peer, answer as torc.TermAnswer);
    for (const inquiry of frame.inquiries) this.inquiries.onInquiry(peer, inquiry as torc.Inquiry);
    if (frame.gossip) this.heardGossip(peer, frame.gossip as torc.Gossip);
    return true;
  }

  private acknowledged(peer: Peer, { actor, first, counter, superseded }: torc.Ack): void {
    if (memberNumberOf(actor) !== memberNumberOf(this.actor())) return;
    const over = superseded as torc.Superseded[];
    peer.link.acknowledged(first, counter, new Set(over.map((one) => one.counter)));
    if (over.length === 0) return;
    this.superseded(over);
    this.standIns.awaits(peer, this.coordinator.unsettledAmong(over.map((one) => one.counter)));
  }

  /** Batches of this node are stored where newer terms were promised. */
  private superseded(superseded: readonly torc.Superseded[]): void {
    const byPartition = new Map<number, { readonly dots: Set<number>; term: Term }>();
    for (const { counter: dot, partition, termCounter, termActor } of superseded) {
      this.options.store.hybridClock.raise(termCounter);
      const term = { counter: termCounter, actor: termActor };
      const known = byPartition.get(partition);
      if (known === undefined) byPartition.set(partition, { dots: new Set([dot]), term });
      else {
        known.dots.add(dot);
        if (compareTerms(term, known.term) > 0) known.term = term;
      }
    }
    for (const [partition, { dots, term }] of byPartition) this.coordinator.superseded(partition, dots, term);
  }

  private heardGossip(
    peer: Peer,
    { doubtful, arriving, partition, seen, whole, termCounter, termActor, state, doubted, stream, heard, ended }: torc.Gossip,
  ): void {
    if (doubted?.nodeId === this.options.description.nodeId) this.gossiper.take(decodeMemberState(doubted as torc.MemberState));
    if (state) {
      const heartbeat = decodeMemberState(state as torc.MemberState);
      if (heartbeat.nodeId !== peer.nodeId) throw new GossipError(`'${peer.nodeId}' has the heart of '${heartbeat.nodeId}'`);
      if (heartbeat.seen !== undefined) {
        this.lives.note(clockOf(heartbeat.seen.value));
        this.rebuild.heard(peer);
      }
      peer.beatsEvery(heartbeat.intervalMs, this.options.clock.monotonicMs());
      this.gossiper.take(heartbeat);
    }
    peer.link.echoed({ stream, heard, ended }, streamPatienceGossips * this.options.gossipIntervalMs);
    if (peer.doubtful !== doubtful || peer.arriving !== arriving) {
      peer.doubtful = doubtful;
      peer.arriving = arriving;
      this.membership.changed();
    }
    if (whole && this.rebuild.isInDoubt) {
      partition.forEach((number, i) => {
        const term = { counter: termCounter[i] ?? 0, actor: termActor[i] ?? 0 };
        if (term.counter > 0 && this.membership.isHome(number)) this.options.store.promise([number], term);
      });
      this.turn.schedule();
      this.rebuild.heardTerms(peer, doubtful);
    }
    partition.forEach((number, i) => {
      const bytes = seen[i];
      if (bytes === undefined) return;
      const clock = clockOf(bytes);
      const covered = clock.get(this.actor()) ?? 0;
      peer.link.covered(number, covered);
      this.standIns.held(peer, number, (counter) => counter <= covered);
      if (this.membership.isHome(number)) {
        peer.heardSeen.set(number, clock);
        this.comparison.noteSeen(peer, number, clock);
      }
    });
  }

  /** Tells `peer` this node's clocks: all of them when the link is new, else those that moved since it was told last. */
  private say(peer: Peer, everything: boolean): void {
    const { store } = this.options;
    const partition: number[] = [];
    const seen: Buffer[] = [];
    const termCounter: number[] = [];
    const termActor: number[] = [];
    const { configuration } = this.membership;
    if (everything) peer.told.clear();
    for (let number = 0; number < (configuration?.partitions ?? 0); number++) {
      const here = store.partition(number);
      if (peer.told.get(number) === here.changes) continue;
      if (here.seen.size === 0 && !(everything && here.promised.counter > 0)) continue;
      peer.told.set(number, here.changes);
      partition.push(number);
      seen.push(clockBytes(here.seen));
      if (!everything) continue;
      termCounter.push(here.promised.counter);
      termActor.push(here.promised.actor);
    }
    const doubted = this.gossiper.view.get(peer.nodeId)?.state;
    peer.link.say({
      gossip: {
        configurationNumber: configuration?.number ?? 0,
        doubtful: this.leaving || this.rebuild.isInDoubt,
        partition,
        seen,
        whole: everything && configuration !== undefined,
        termCounter,
        termActor,
        state: encodeMemberState(this.gossiper.view.ownState),
        doubted: doubted === undefined || doubted.status === 'up' ? null : encodeMemberState(newsFor(doubted, doubted)),
        ...peer.heardStream,
        arriving: this.membership.arriving,
      },
    });
  }

  /** What happens many times at once is told together. */
  private tell(): void {
    const { log } = this.options;
    const { kept, handedOver, dropped } = this.handOff.counts;
    const now = { tookOver: this.takeOver.finished, kept, handedOver, dropped: dropped + this.standIns.batchesDropped };
    const before = this.told;
    this.told = now;
    const partitions = now.tookOver - before.tookOver;
    if (partitions > 0) log('info', `${partitions} partitions were taken over`, { event: 'took-over', partitions });
    const hints = { kept: now.kept - before.kept, handedOver: now.handedOver - before.handedOver, dropped: now.dropped - before.dropped };
    if (hints.kept + hints.handedOver + hints.dropped === 0) return;
    const text = `batches for nodes that are away: ${hints.kept} kept, ${hints.handedOver} handed over, ${hints.dropped} dropped`;
    log(hints.dropped > 0 ? 'warn' : 'info', text, { event: 'hints', ...hints });
  }

  /** A round of gossip has begun. */
  private rounded(): void {
    this.tell();
    this.formation.tick();
    this.comparison.tick();
    this.arrive();
    this.rebuild.tick();
    this.hintExchange.tick();
    this.dropOld();
    if (this.isReady) this.handOff.tick();
    this.antiEntropy.tick();
    this.purger.plan();
    for (const peer of this.peers.all()) if (peer.link.isOpen) this.say(peer, false);
  }

  private arrive(): void {
    const { membership, comparison } = this;
    this.rounds++;
    if (!membership.arriving || this.rounds < arrival.roundsMin) return;
    if (comparison.partitionsBehind > arrival.behindMax && this.rounds < arrival.roundsMax) return;
    membership.arriving = false;
    membership.changed();
  }

  /** What this node says of itself to all. */
  private ownWords(): OwnWords {
    const { store } = this.options;
    let load = 0;
    for (const { waiting, unsettled } of this.known) load += waiting + unsettled;
    return { clock: store.hybridClock.currentCounter, load, seen: clockBytes(this.lives.met()) };
  }

  private heardOf({ kind, nodeId }: Change): void {
    const { log } = this.options;
    const known = this.gossiper.view.get(nodeId);
    if (kind === 'down')
      log('warn', `node '${nodeId}' is down: nobody has heard of it for ${this.options.suspicionTimeoutMs} ms of suspicion`, {
        event: 'peer-down',
        peer: nodeId,
      });
    if (kind === 'suspected' || kind === 'down') this.peers.silentElsewhere(nodeId);
    else if (known !== undefined) this.peers.heardOf(known.description);
  }

  /** What waits in memory for peers that are away is bounded in age like hints on disk. */
  private dropOld(): void {
    const { store, hintAgeMaxMs } = this.options;
    const limit = counterAt(store.hybridClock.nowMs() - hintAgeMaxMs);
    for (const { link } of this.peers.all()) link.dropUnackedBefore(limit);
  }

  /** A node that knows its configuration but has no link to its peers yet would refuse what it is asked: it says that it is ready a moment later. */
  private announceReady(): void {
    if (this.whenReady.length === 0 || !this.isReady) return;
    const { membership } = this;
    let reachable = 0;
    // In both directions: an answer comes over a link that the peer has opened.
    for (let member = 0; member < membership.memberCount; member++) {
      if (membership.isReachable(member) && (membership.peer(member)?.streams ?? 1) > 0) reachable++;
    }
    const wanted = Math.max(membership.quorums.write, membership.quorums.read);
    if (reachable < wanted && this.options.clock.monotonicMs() < this.readyByMs) return;
    for (const resolve of this.whenReady.splice(0)) resolve();
  }

  private readonly tick = (): void => {
    if (this.closed) return;
    this.announceReady();
    const { clock } = this.options;
    this.coordinator.tick();
    this.takeOver.tick();
    this.termProofs.tick();
    this.reader.tick();
    this.router.tick(this.peers.all());
    this.peers.tick(clock.monotonicMs());
    this.sweeper.tick();
    this.purger.tick();
    clock.after(tickMs, this.tick);
  };
}
