/**
 * One node, put together: storage, turn, peers, membership, coordinator, reader and router over the five seams. server/start-node.ts builds it
 * on real ones, the simulation on simulated ones; nothing else differs.
 */
import type { torc } from '../protocol/generated/messages.js';
import type { VectorClock, VersionedRecord } from '../protocol/record.js';
import { decodeBatches } from '../protocol/batch.js';
import type { RecordKey } from '../protocol/record-key.js';
import { counterAt } from '../protocol/dot.js';
import { clockBytes } from '../storage/partition-clocks.js';
import { noEntry } from '../storage/key-table.js';
import { Acknowledgements } from './acknowledgements.js';
import { BulkIntake } from './bulk-intake.js';
import type { BulkReceiver } from './bulk-receiver.js';
import type { Call } from './call.js';
import { AntiEntropy, type RepairPlan } from './anti-entropy.js';
import { CommandRun } from './command-run.js';
import { Comparison } from './comparison.js';
import type { Configuration } from './configuration.js';
import { Coordination } from './coordination.js';
import { CallLoads } from './call-loads.js';
import { Coordinator } from './coordinator.js';
import { FailedCommands } from './failed-commands.js';
import { FormationDriver } from './formation-driver.js';
import { distribute, type FrameListeners } from './frame-listeners.js';
import { HandOff } from './hand-off.js';
import { HintExchange } from './hint-exchange.js';
import type { Change, OwnWords } from './gossip-view.js';
import { Gossiper } from './gossiper.js';
import { LinkGossip } from './link-gossip.js';
import { Lives } from './lives.js';
import { Membership } from './membership.js';
import { nodeFigures, peerFigures, type PeerFigures } from './node-figures.js';
import { healthOfNodes } from './node-health.js';
import type { NodeOptions } from './node-options.js';
import { NodeView } from './node-view.js';
import { OwnDisk } from './own-disk.js';
import type { Peer } from './peer.js';
import { Peers } from './peers.js';
import { Presence } from './presence.js';
import { Purger } from './purger.js';
import { ReadAnswerer } from './read-answerer.js';
import { Reader } from './reader.js';
import { readiness, type Readiness } from './readiness.js';
import { Rebuild } from './rebuild.js';
import { RetiredGaps } from './retired-gaps.js';
import { SeenInquiries } from './seen-inquiry.js';
import { SystemRecords } from './system-records.js';
import { Replica } from './replica.js';
import { RoundLog } from './round-log.js';
import { Router } from './router.js';
import { ExpirySweeper } from './expiry-sweeper.js';
import { StandIns } from './stand-ins.js';
import { TakeOver } from './take-over.js';
import { TermProofs } from './term-proofs.js';
import { Turn } from './turn.js';
import { WritePace } from './write-pace.js';

/** How often what is late is looked for. */
const tickMs = 10;
/** How many peer timeouts a whole partition may take. */
const wholePartitionPatience = 10;
/** Batches kept in memory for a peer that does not acknowledge them; what it misses beyond that are hints, on disk. */
const unackedBytesMax = 64 * 1024 * 1024;

export class Node {
  readonly view: NodeView;
  readonly membership = new Membership();
  readonly router: Router;
  readonly callLoads: CallLoads;
  readonly coordinator: Coordinator;
  readonly reader: Reader;
  readonly comparison: Comparison;
  readonly takeOver: TakeOver;
  private readonly termProofs: TermProofs;
  readonly antiEntropy: AntiEntropy;
  readonly replica: Replica;
  private readonly bulkIntake: BulkIntake;
  readonly peers: Peers;
  readonly gossiper: Gossiper;
  readonly turn: Turn;
  private readonly inquiries: SeenInquiries;
  /** What every member holds whole: users. */
  readonly systemRecords: SystemRecords;
  readonly standIns: StandIns;
  readonly handOff: HandOff;
  private readonly hintExchange: HintExchange;
  /** By partition. */
  private readonly coordinations: (Coordination | undefined)[] = [];
  /** The same, without holes. */
  private readonly known: Coordination[] = [];
  private readonly formation: FormationDriver;
  private readonly rebuild: Rebuild;
  private readonly linkGossip: LinkGossip;
  private readonly listeners: FrameListeners;
  private readonly sweeper: ExpirySweeper;
  private readonly purger: Purger;
  readonly retiredGaps: RetiredGaps;
  private readonly lives: Lives;
  /** Whether it serves, and how it leaves. */
  readonly presence: Presence;
  readonly disk: OwnDisk;
  private readonly roundLog: RoundLog;
  private closed = false;

  constructor(private readonly options: NodeOptions) {
    const { store, clock, random, description, clusterName } = options;
    const { membership } = this;
    this.lives = new Lives(store, membership, options.life);
    const { lives } = this;
    this.presence = new Presence({
      clock,
      membership,
      isReady: () => this.isReady,
      peers: () => this.peers.all(),
      partitionsBehind: () => this.comparison.partitionsBehind,
      piecesReceived: () => this.bulkIntake.piecesReceived,
      lastAskedMs: () => this.router.lastAskedMs,
      coordinations: () => this.known,
      sayToAll: () => this.linkGossip.sayToAll(this.peers.all()),
    });
    const pace = new WritePace({
      store,
      clock,
      behindChanged: (isBehind) => this.disk.setBehind(isBehind),
      goOn: (held) => this.coordinator.goOn(held),
    });
    this.turn = new Turn(clock, store, {
      seal: (batches) => {
        for (const { link } of this.peers.all()) link.seal(batches);
        this.standIns.seal(batches);
        pace.turnEnded();
      },
      hold: (isFirst) => this.disk.hold(isFirst),
      send: () => {
        for (const { link } of this.peers.all()) link.send();
      },
    });
    const { turn } = this;
    const isDoubtful = (partition: number): boolean => this.rebuild.isDoubtful(partition);
    const mayNotBeAsked = (partition: number): boolean =>
      isDoubtful(partition) || (store.isHeld && store.isUnlogged(store.partition(partition)));
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
        bulkSizes: options.bulkSizes,
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
          this.reader.answersLost(peer);
          this.router.repliesLost(peer);
        },
        ended: (peer) => {
          if (peer.link.isOpen) this.linkGossip.say(peer, false);
        },
        frame: (peer, frame, bulk) => this.receive(peer, frame, bulk),
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
    const isArriving = (partition: number): boolean => this.bulkIntake.arrivingBytes(partition) > 0;
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
      isArriving,
      provesLoss,
      isFull: () => membership.full,
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
        this.standIns.held(target, (settlement) => settlement.partition === partition && own.has(settlement.counter));
      },
      failed: options.onFailure,
    });
    const { handOff } = this;
    this.standIns = new StandIns({
      membership,
      exchange: hintExchange,
      clock,
      directives: options,
      selfMay: () => !this.presence.leaving && !this.rebuild.isInDoubt && !membership.full,
      keepHere: handOff.keepHere,
      superseded: (superseded) => this.coordinator.supersededAll(superseded),
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
    this.termProofs = new TermProofs({ store, membership, turn, clock, random, isDoubtful: mayNotBeAsked, reroute });
    const { termProofs } = this;
    const commands = new CommandRun(new FailedCommands(options.log), clock, () => turn.schedule());
    this.callLoads = new CallLoads({ store, membership, turn, clock });
    const { callLoads } = this;
    this.coordinator = new Coordinator({
      store,
      callLoads,
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
      commands,
      pace,
    });
    const { coordinator } = this;
    this.reader = new Reader({
      store,
      membership,
      comparison,
      coordinator,
      callLoads,
      coordination,
      turn,
      clock,
      isDoubtful: mayNotBeAsked,
      sendOn: (call) => this.router.sendOn(call),
      arrivingBytes: (partition) => this.bulkIntake.arrivingBytes(partition),
      commands,
    });
    this.replica = new Replica(
      store,
      turn,
      (partition, from) => comparison.fetchMissing(partition, from),
      (partition) => this.rebuild.isTermKnown(partition),
      options.tracer,
    );
    this.bulkIntake = new BulkIntake({
      store,
      replica: this.replica,
      clock,
      peers: () => this.peers.all(),
      take: (peer, frame, bulk) => this.receive(peer, frame, bulk),
      log: options.log,
    });
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
    const { gossiper, rebuild } = this;
    const peers = (): Iterable<Peer> => this.peers.all();
    this.systemRecords = new SystemRecords({ store, turn, clock, membership, peers, actor, directives: options });
    this.linkGossip = new LinkGossip({
      systemRecords: this.systemRecords,
      selfNodeId: description.nodeId,
      store,
      clock,
      turn,
      membership,
      gossiper,
      lives,
      rebuild,
      comparison,
      standIns,
      directives: options,
      isHeld: (partition) => this.coordinations[partition]?.held === true,
      isLeaving: () => this.presence.leaving,
    });
    this.disk = new OwnDisk({
      membership,
      clock,
      log: options.log,
      standIns,
      isReady: () => this.isReady,
      peers,
      sayToAll: () => this.linkGossip.sayToAll(peers()),
      dropAll: () => this.takeOver.dropAll(this.known),
      scheduleTurn: () => turn.schedule(),
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
      isDoubtful: (partition) => this.presence.leaving || isDoubtful(partition),
      // Also where a partition is sure already: its new life begins when all are.
      coordinatesNothing: () => this.presence.leaving || this.rebuild.isInDoubt,
      tracer: options.tracer,
    });
    this.roundLog = new RoundLog(options.log, this.takeOver, handOff, standIns);
    this.inquiries = new SeenInquiries({ store, membership, clock, random });
    this.sweeper = new ExpirySweeper({
      store,
      membership,
      coordinations: () => this.known,
      submit: this.router.submit,
      clock,
      directives: options,
    });
    this.retiredGaps = new RetiredGaps({ store, membership, comparison, hintExchange, turn, isDoubtful, actor, log: options.log });
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
      isArriving,
      log: options.log,
      onFailure: options.onFailure,
    });
    this.listeners = {
      replica: this.replica,
      handOff,
      hintExchange: this.hintExchange,
      takeOver: this.takeOver,
      comparison,
      antiEntropy: this.antiEntropy,
      router: this.router,
      reader: this.reader,
      readAnswerer: new ReadAnswerer({ store, membership, comparison, turn, isDoubtful: mayNotBeAsked, tracer: options.tracer }),
      termProofs,
      systemRecords: this.systemRecords,
      inquiries: this.inquiries,
      linkGossip: this.linkGossip,
      bulkIntake: this.bulkIntake,
      acknowledgements: new Acknowledgements(coordinator, standIns, actor),
    };
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
    store.trouble.onChange((reason) => this.disk.changed(reason));
  }

  get isReady(): boolean {
    return this.membership.configuration !== undefined && !this.closed;
  }

  /** Listens to peers, looks for them, and forms or joins the cluster. */
  start(): void {
    this.peers.listen();
    this.formation.begin();
    this.presence.begin();
    if (!this.isReady) this.gossiper.seeds.look((seed, addresses) => this.peers.dialSeeds(seed, addresses));
    this.tick();
    this.gossiper.start();
  }

  /** W or R was changed. */
  quorumsChanged(): void {
    this.membership.setQuorums(this.options);
  }

  /** For the readiness probe. */
  readiness(): Readiness {
    const { meeting, leaving } = this.presence;
    const { trouble } = this.options.store;
    return readiness(this.membership, {
      meeting,
      leaving,
      diskRefusal: trouble.reason?.message,
      doubtfulPartitions: this.rebuild.doubtfulPartitions,
    });
  }

  /** Says nothing more to anyone. The store is the caller's to close. */
  close(): void {
    this.closed = true;
    this.disk.close();
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

  /** This replica's own record, read from the engine if need be. */
  ownRecord(partition: number, recordKey: RecordKey): Promise<VersionedRecord | undefined> {
    const { store } = this.options;
    const here = store.partition(partition);
    const record = (): VersionedRecord | undefined => {
      const entry = here.findRecord(recordKey);
      return entry === noEntry ? undefined : store.table.recordOf(entry);
    };
    if (here.isRecordLoaded(recordKey)) return Promise.resolve(record());
    return new Promise((resolve) => {
      store.loader.loadRecord(here, recordKey, () => resolve(record()));
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
    return [['actor', this.actor()], ['life', this.lives.life], ...nodeFigures(this, this.rebuild, this.purger, this.sweeper, this.known)];
  }

  /** This node's side of its links to the other members. */
  peerFigures(): PeerFigures[] {
    return peerFigures(this.peers.all(), this.membership, this.options.store);
  }

  /** Bytes of hints kept here, by the node they are for. */
  hintBytes(): (readonly [nodeId: string, bytes: number])[] {
    const { configuration } = this.membership;
    return this.handOff.bytesByMember().map(([member, bytes]) => [configuration?.members[member]?.nodeId ?? '?', bytes] as const);
  }

  get formationStatus(): string {
    return this.formation.status;
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
    this.systemRecords.formed();
    this.gossiper.seeds.stop();
    for (const member of configuration.members) this.gossiper.expect(member);
    this.peers.hear();
    this.presence.formed();
  }

  /** What this node coordinates goes to others, who hear at once that it is in doubt. */
  private doubted(): void {
    this.membership.changed();
    this.takeOver.dropAll(this.known);
    this.linkGossip.sayToAll(this.peers.all());
  }

  private linkOpened(peer: Peer): void {
    this.formation.linkOpened(peer);
    this.linkGossip.say(peer, true);
    this.takeOver.askAgain(peer);
    this.handOff.tick();
  }

  private linkBroken(peer: Peer): void {
    this.hintExchange.linkBroken(peer);
    this.systemRecords.linkBroken(peer);
    this.reader.answersLost(peer);
    this.router.repliesLost(peer);
    this.formation.linkBroken(peer);
  }

  /** False: this node knew no configuration yet, or the peer is no member of it, and batches were dropped. */
  private receive(peer: Peer, frame: torc.Frame, bulk: BulkReceiver): boolean {
    const { store } = this.options;
    const isHeard = this.isReady && peer.member >= 0;
    if (isHeard || !this.isReady) store.hybridClock.raise(frame.clock);
    for (const message of frame.formation) this.formation.received(peer, message as Buffer);
    if (!isHeard) return frame.batches.length === 0 && frame.hints.length === 0 && frame.bulkPieces.length === 0;
    const { full, failing } = this.membership;
    const { isHeld } = store;
    if (isHeld && (frame.batches.length > 0 || frame.hints.length > 0)) return false;
    distribute(frame, peer, bulk, this.listeners, { isFull: full, isFailing: failing, isHeld });
    return true;
  }

  /** A round of gossip has begun. */
  private rounded(): void {
    this.roundLog.tell();
    this.formation.tick();
    this.comparison.tick();
    this.presence.round();
    this.rebuild.tick();
    this.hintExchange.tick();
    this.dropOld();
    if (this.isReady) this.handOff.tick();
    this.antiEntropy.tick();
    this.retiredGaps.tick();
    this.purger.plan();
    this.options.clock.after(0, this.sayToAll);
  }

  private readonly sayToAll = (): void => {
    if (!this.closed) this.linkGossip.sayToAll(this.peers.all());
  };

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

  private readonly tick = (): void => {
    if (this.closed) return;
    this.presence.announceReady();
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
