/**
 * Runs the commands of the partitions that this node coordinates: takes a partition over first if need be, loads what is not in memory, executes synchronously,
 * writes one batch, and lets the reply go when W replicas hold it.
 *
 * Invariant: no reply of a write, a no-op or an error rests on a batch that is not settled; it waits for the newest that its keys show.
 */
import { compareTerms, type Dot, type Term } from '../protocol/dot.js';
import type { Bytes } from '../protocol/gathered-bytes.js';
import type { torc } from '../protocol/generated/messages.js';
import { LongReply } from '../protocol/resp/long-reply.js';
import { ErrorReply, type Reply } from '../protocol/resp/reply.js';
import type { Clock } from '../storage/clock.js';
import { DurationHistogram } from '../storage/duration-histogram.js';
import type { ValueLimits } from '../storage/execution.js';
import type { Partition } from '../storage/partition.js';
import type { Store } from '../storage/store.js';
import type { LongWork } from '../storage/long-work.js';
import type { Need } from '../storage/transaction-reads.js';
import { Transaction } from '../storage/transaction.js';
import { TurnSlice } from '../storage/turn-slice.js';
import { diskFull, diskRefuses, diskTooSlow, noReplicas, notServedInTime, unknownOutcome, type Call, type ReadFrom } from './call.js';
import type { CallLoads } from './call-loads.js';
import type { CommandRun } from './command-run.js';
import type { Coordination } from './coordination.js';
import { abandon } from './long-replies.js';
import type { Membership } from './membership.js';
import { Settlement } from './settlement.js';
import type { StandIns } from './stand-ins.js';
import type { TakeOver } from './take-over.js';
import type { Turn } from './turn.js';
import type { WritePace } from './write-pace.js';

/** After a longer gap between two looks at the clock this process may have been stopped, and others may have taken over. */
const pauseMs = 1000;
/** What a run gets done in a millisecond on a slow and busy machine. */
const runPerMs = { copiedBytes: 100_000, args: 100 };
/** Of calls that waited: one may be a hundred times another. */
const drainSteps = { most: 500, perLook: 1 };
/** Of what is made of large values before a run: each takes well below a millisecond. */
const madeSteps = { most: 32, perLook: 1 };

export interface CoordinatorOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly turn: Turn;
  /** Read each time. */
  readonly limits: ValueLimits;
  readonly clock: Clock;
  readonly actor: () => number;
  readonly coordination: (partition: number) => Coordination;
  readonly coordinations: () => Iterable<Coordination>;
  readonly takeOver: () => TakeOver;
  readonly standIns: StandIns;
  /** Read each time. */
  readonly directives: { readonly readFrom: ReadFrom };
  /** Answers a read of keys under R. */
  readonly read: (call: Call) => void;
  /** Answers a read that was run in the coordination's term once `quorum` replicas say that the term stands. */
  readonly prove: (coordination: Coordination, call: Call, reply: Reply, newest: Settlement | undefined, quorum: number) => void;
  /** Sends a call on its way from the beginning. */
  readonly reroute: (calls: readonly Call[]) => void;
  readonly commands: CommandRun;
  readonly pace: WritePace;
  readonly callLoads: CallLoads;
}

export class Coordinator {
  readonly transaction: Transaction;
  private readonly nextDot: () => Dot;
  /** In the order of their counters; settled ones leave with the next tick. */
  private unsettled: Settlement[] = [];
  private turnSettlements: Settlement[] = [];
  private turnNumber = -1;
  private lastLookMs: number;
  /** Batches written, for INFO. */
  batchesWritten = 0;
  /** How long batches took from being written to being settled. */
  readonly quorumWaits = new DurationHistogram();
  /** Calls that ran here, reads that compare versions aside. */
  executed = 0;

  constructor(private readonly options: CoordinatorOptions) {
    const { store, actor, clock } = options;
    this.nextDot = () => ({ actor: actor(), counter: store.hybridClock.next() });
    this.transaction = new Transaction(this.nextDot, options.limits);
    this.lastLookMs = clock.monotonicMs();
  }

  /** This node should run the call. */
  submit(call: Call): void {
    if (this.noticePause()) return this.options.reroute([call]); // behind those of its connection that were dropped
    if (call.trace !== undefined) call.trace.enter('coordinate', 'internal', { 'torc.partition.id': call.partition });
    const coordination = this.options.coordination(call.partition);
    if (this.isQuorumRead(call)) {
      if (coordination.waiting === 0) this.options.read(call);
      else coordination.enqueue(call);
    } else if (coordination.state !== 'running' || coordination.waiting > 0 || coordination.held) this.enqueue(coordination, call);
    else if (this.isSlowed(coordination, call)) this.enqueue(coordination, call);
    else if (!this.mayRun(coordination)) this.options.reroute([...coordination.stop(), call]);
    else if (this.options.callLoads.isLoaded(call)) this.execute(coordination, call);
    else {
      coordination.enqueue(call);
      this.loadHead(coordination);
    }
  }

  /** The partition was taken over: what waited may run, what an earlier term left open is told so. */
  taken(coordination: Coordination): void {
    const again = this.releaseWhere(coordination, () => true);
    if (coordination.state !== 'running') return this.options.reroute(again);
    coordination.putAllBack(again); // they came before those that waited
    this.drain(coordination);
  }

  /**
   * A replica stored batches, but has promised `term`: this node no longer coordinates the partition. What it sent after the first of them is given
   * up with them, else a later write of a connection could be acknowledged and an earlier one then be written once more over it.
   */
  superseded(partition: number, counters: ReadonlySet<number>, term: Term): void {
    const coordination = this.options.coordination(partition);
    const runs = coordination.state === 'running' || coordination.state === 'draining';
    if (runs && compareTerms(term, coordination.term) <= 0) return; // batches of a term before this one, sent again
    const waiting = runs ? coordination.stop() : [];
    let first = Infinity; // not by Math.min(...), whose arguments have a limit
    for (const counter of counters) first = Math.min(first, counter);
    const again = this.releaseWhere(coordination, ({ counter }) => counter >= first);
    coordination.releaseDrained();
    // What waits here for a take-over came after those that are to run again.
    const behind = again.length === 0 ? [] : coordination.takeEvery(() => true);
    this.options.reroute([...again, ...waiting, ...behind]);
  }

  /** As `superseded`, of all that an acknowledgement names. */
  supersededAll(superseded: readonly torc.Superseded[]): void {
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
    for (const [partition, { dots, term }] of byPartition) this.superseded(partition, dots, term);
  }

  /** Returns those that are to run once more, in order. */
  private releaseWhere(coordination: Coordination, isOver: (settlement: Settlement) => boolean): readonly Call[] {
    // Chosen before the first is released: an answer may start new ones.
    const over = this.unsettledOf(coordination).filter(isOver);
    return over.flatMap((settlement) => this.release(settlement));
  }

  /** Gives up what is overdue. Called every few milliseconds. */
  tick(): void {
    this.noticePause();
    const nowMs = this.options.clock.monotonicMs();
    this.options.callLoads.tick(nowMs);
    if (this.unsettled.length > 0) this.unsettled = this.unsettled.filter(({ settled }) => !settled);
    for (const settlement of this.unsettled) {
      const { writer, readers } = settlement.giveUp((call) => call.deadlineMs < nowMs);
      writer?.answer(settlement.isEmpty ? notServedInTime : unknownOutcome);
      for (const call of readers) call.answer(call.operation.access === 'write' ? unknownOutcome : notServedInTime);
    }
    for (const coordination of this.options.coordinations()) {
      if (coordination.waiting === 0) continue;
      const due = coordination.takeEvery((call) => call.deadlineMs < nowMs);
      const isSlow = this.options.pace.isHolding && coordination.state === 'running' && !coordination.loading && !coordination.held;
      for (const call of due) call.answer(this.shortOfReplicas(call) ?? (isSlow ? diskTooSlow : notServedInTime));
    }
  }

  private enqueue(coordination: Coordination, call: Call): void {
    const short = this.shortOfReplicas(call);
    if (short !== undefined) return call.answer(short);
    if (coordination.state === 'idle' && this.options.membership.failing) return call.answer(diskRefuses); // to take over is to write
    if (coordination.largeBytes > 0) call.moves(coordination.largeBytes);
    coordination.enqueue(call);
    if (coordination.state === 'idle') this.options.takeOver().begin(coordination);
  }

  /** False when the term is over without this node having been told, or when more home replicas have come that should promise it. */
  private mayRun(coordination: Coordination): boolean {
    const { store, membership } = this.options;
    const { promised } = store.partition(coordination.partition);
    if (promised !== coordination.term) {
      if (compareTerms(promised, coordination.term) !== 0) return false;
      coordination.term = promised; // the same object from now on: nobody has to look into it
    }
    if (coordination.weakBelow === 0) return true;
    return this.options.standIns.sloppy && membership.reachableHomes(coordination.partition) < coordination.weakBelow;
  }

  /** It waits for the disk to keep up, and its partition goes on when it may. */
  private isSlowed(coordination: Coordination, { operation }: Call): boolean {
    const { pace } = this.options;
    if (!pace.isHolding || operation.access !== 'write') return false;
    pace.hold(coordination);
    return true;
  }

  /** A read that came this way to keep its place behind its connection's writes: it compares replicas like any other. */
  private isQuorumRead({ operation, fromCoordinator }: Call): boolean {
    return !fromCoordinator && operation.access === 'read' && !operation.wholePartition && this.options.membership.memberCount > 1;
  }

  /** Runs what waits, a slice of it in a turn. What comes meanwhile waits behind it. */
  private drain(coordination: Coordination): void {
    const slice = new TurnSlice(this.options.clock, drainSteps.most, drainSteps.perLook);
    while (coordination.state === 'running' && !coordination.loading && !coordination.held) {
      const { head } = coordination;
      if (head === undefined) return;
      if (this.isSlowed(coordination, head)) return;
      if (!this.options.callLoads.isLoaded(head)) return this.loadHead(coordination);
      coordination.takeHead();
      if (this.isQuorumRead(head)) this.options.read(head);
      else if (this.mayRun(coordination)) this.execute(coordination, head);
      else {
        coordination.putBack(head);
        this.options.reroute(coordination.stop());
      }
      if (coordination.waiting > 0 && slice.isOver()) return this.drainLater(coordination);
    }
  }

  /** What waits in the partition may go on. */
  goOn(coordination: Coordination): void {
    this.noticePause();
    this.drain(coordination);
  }

  /** Whatever becomes of the partition until then: it may be another's, or wait for something else. */
  private drainLater(coordination: Coordination): void {
    if (coordination.goesOnLater) return;
    coordination.goesOnLater = true;
    this.options.clock.after(0, () => {
      coordination.goesOnLater = false;
      this.goOn(coordination);
    });
  }

  private loadHead(coordination: Coordination): void {
    const { head } = coordination;
    if (coordination.loading || head === undefined) return;
    coordination.loading = true;
    const loaded = (): void => {
      coordination.loading = false;
      this.drain(coordination);
    };
    this.options.callLoads.load(head, loaded, coordination);
  }

  /** The call's run counts for nothing: it lacked elements, and runs again, before all others, when they are in memory. */
  private loadForHead(coordination: Coordination, call: Call, needs: readonly Need[]): void {
    this.options.callLoads.loadNeeds(call, needs, this.putBack(coordination, call), coordination);
  }

  /** The same where it lacks what takes longer to make than a turn may take. */
  private makeForHead(coordination: Coordination, call: Call, lacking: LongWork<unknown>): void {
    const { store, clock, turn } = this.options;
    const goOn = this.putBack(coordination, call);
    const partition = store.partition(call.partition);
    partition.pins++; // what it is made of stays
    const slice = new TurnSlice(clock, madeSteps.most, madeSteps.perLook);
    const step = (): void => {
      slice.begin();
      let isMade: boolean;
      try {
        do isMade = lacking.proceed();
        while (!isMade && !slice.isOver());
      } catch (error) {
        partition.pins--;
        lacking.abandon();
        if (coordination.head === call) {
          coordination.takeHead();
          call.answer(this.options.commands.failure(call, error));
        }
        return goOn();
      }
      coordination.goesOn(clock.monotonicMs());
      if (!isMade) return clock.nextTurn(step);
      partition.pins--;
      call.prepared = lacking;
      turn.schedule();
      goOn();
    };
    clock.nextTurn(step);
  }

  /** Nothing runs in the partition until what is returned is called, and then the call first. */
  private putBack(coordination: Coordination, call: Call): () => void {
    this.transaction.discard();
    coordination.putBack(call);
    coordination.loading = true;
    return () => {
      coordination.loading = false;
      this.drain(coordination);
    };
  }

  private shortOfReplicas(call: Call): ErrorReply | undefined {
    const { membership, standIns } = this.options;
    const { access } = call.operation;
    if (access !== 'write' && !call.fromCoordinator) return undefined;
    const quorum = access === 'write' ? this.writeQuorum(call) : this.provingQuorum(call);
    const taking = access === 'write' ? membership.writableHomes(call.partition) : membership.reachableHomes(call.partition);
    if (taking >= quorum) return undefined;
    if (access === 'write' && !membership.full && taking + standIns.count(call.partition) >= quorum) return undefined;
    const reachable = membership.reachableHomes(call.partition);
    return reachable >= quorum || membership.full ? diskFull : noReplicas(quorum, reachable, access);
  }

  /** Replicas that have to say that the term stands: R, and so many that they meet every later term's promises. */
  private provingQuorum({ options: { readQuorum } }: Call): number {
    const { quorums } = this.options.membership;
    return Math.max(quorums.write, readQuorum === 0 ? quorums.read : Math.min(readQuorum, quorums.replicas));
  }

  private writeQuorum(call: Call): number {
    const { quorums } = this.options.membership;
    return call.options.writeQuorum === 0 ? quorums.write : Math.min(call.options.writeQuorum, quorums.replicas);
  }

  private execute(coordination: Coordination, call: Call): void {
    const { store, turn } = this.options;
    const short = this.shortOfReplicas(call);
    if (short !== undefined) return call.answer(short);
    const monotonicMs = turn.nowMs;
    if (call.deadlineMs < monotonicMs) return call.answer(notServedInTime);
    const nowMs = store.hybridClock.nowMsAt(monotonicMs);
    const partition = store.partition(call.partition);
    const { transaction } = this;
    this.executed++;
    transaction.begin(partition, coordination.term.counter, nowMs, call.options.resp, this.ordersDeletions);
    transaction.prepared = call.prepared;
    if (call.prepared !== undefined) call.prepared = undefined; // it is the run's: if it does not count, the next one has its own made
    const reply = this.options.commands.run(call, transaction);
    if (transaction.prepared !== undefined) transaction.prepared = undefined;
    if (transaction.needs.length > 0) {
      abandon(reply);
      return this.loadForHead(coordination, call, transaction.needs);
    }
    if (transaction.lacking !== undefined) return this.makeForHead(coordination, call, transaction.lacking);
    if (reply instanceof LongReply) this.options.commands.carryOn(reply, call);
    let dot = reply instanceof ErrorReply ? undefined : transaction.batchDot;
    if (dot === undefined) {
      transaction.discard();
      if (!this.needsProof(call)) return this.answerUnwritten(coordination, call, reply);
      dot = this.nextDot();
    }
    if (this.hasStopped(coordination, call)) return;
    this.write(coordination, partition, dot, call, reply);
  }

  /**
   * The process may have stood still in the middle of this turn, after the turn read its clock, and others may have taken over and written since: a batch that bears a
   * later time than theirs would be the latest. So what counts is the reading that the batch's counter was made of. True: the batch is dropped, and the call,
   * which has not run, finds its coordinator anew. A run that copies hundreds of megabytes, or has 100,000 arguments,
   * takes its time by itself.
   */
  private hasStopped(coordination: Coordination, call: Call): boolean {
    const { store, membership } = this.options;
    const { issuedMs } = store.hybridClock;
    const pausedMs = membership.memberCount > 1 ? issuedMs - this.lastLookMs - pauseMs : 0;
    const lateMs = Math.max(pausedMs, issuedMs - call.deadlineMs);
    if (lateMs <= 0) return false;
    if (lateMs <= this.transaction.stagedBytes / runPerMs.copiedBytes + call.args.length / runPerMs.args) return false;
    this.transaction.discard();
    if (pausedMs > 0) {
      coordination.putBack(call); // before what waits, which is dropped with it
      this.noticePause(issuedMs);
    } else this.options.reroute([call]);
    return true;
  }

  /** Under strict quorums nothing that was acknowledged in an older term can be missing here; alone in its cluster a node has nobody to be superseded by. */
  private get ordersDeletions(): boolean {
    return !this.options.standIns.sloppy && this.options.membership.memberCount > 1;
  }

  private write(coordination: Coordination, partition: Partition, dot: Dot, call: Call, reply: Reply): void {
    const { store, membership, turn } = this.options;
    const { transaction } = this;
    const epoch = membership.configuration?.number ?? 0;
    const term = coordination.term.counter;
    const large = store.isLarge(transaction) ? store.writeLargeBatch(partition, dot, term, epoch, transaction) : undefined;
    const { offset, length } =
      large === undefined ? store.writeBatch(partition, dot, term, epoch, transaction) : { offset: 0, length: large.length };
    this.batchesWritten++;
    if (large !== undefined) turn.endInTime();
    else if (store.isLong(length)) turn.endApart();
    const { trace } = call;
    if (trace !== undefined) {
      const span = trace.begin('storage/log', 'internal', { 'torc.batch.size': length });
      turn.whenWritten(() => span.end());
    }
    if (large !== undefined) coordination.largeBytes += length;
    if (coordination.largeBytes > 0) {
      const bytes = coordination.largeBytes + this.largeBytesBefore(call.partition);
      call.moves(bytes);
      if (large !== undefined) coordination.moves(bytes);
    }
    if (membership.memberCount === 1 && store.isDurableOnceAppended && !turn.isEnding && large === undefined) {
      // No reply leaves before this turn's end, which appends the batch first and sends nothing when it cannot.
      turn.schedule();
      return call.answer(reply);
    }
    const settlement = new Settlement(
      call.partition,
      dot.counter,
      offset,
      length,
      transaction.writes.count === 0,
      call,
      reply,
      this.writeQuorum(call),
      this.whenSettled,
    );
    settlement.beganMs = turn.nowMs;
    if (trace !== undefined) settlement.traced = trace.context;
    this.unsettled.push(settlement);
    coordination.begun(settlement);
    if (large !== undefined) return this.logLarge(coordination, settlement, large);
    for (const peer of membership.otherHomes(call.partition)) {
      if (peer.takesWrites || !this.options.standIns.take(settlement, peer)) peer.link.sendBatch(settlement);
    }
    if (this.turnNumber !== turn.number) this.beginTurn();
    this.turnSettlements.push(settlement);
  }

  /** What else waits to go to the partition's other replicas in pieces, at most. */
  private largeBytesBefore(partition: number): number {
    return Math.max(0, ...this.options.membership.otherHomes(partition).map(({ link }) => link.largeBytes));
  }

  /** A large batch goes to the log over several turns, then to the peers, in pieces. */
  private logLarge(coordination: Coordination, settlement: Settlement, batch: Bytes): void {
    const { store, membership, turn, standIns, clock } = this.options;
    settlement.turnBytes = batch;
    settlement.isLarge = true;
    coordination.held = true;
    store.logLarge(store.partition(coordination.partition), batch, () => {
      store.whenDurable(() => settlement.acknowledge());
      for (const peer of membership.otherHomes(coordination.partition)) {
        if (peer.takesWrites || !standIns.take(settlement, peer)) peer.link.sendLargeBatch(settlement);
      }
      turn.schedule();
      coordination.held = false;
      this.drain(coordination);
    });
    this.lastLookMs = clock.monotonicMs(); // what this node has just done itself, however long it took, is no pause
  }

  /**
   * A write that changes nothing (SET NX that finds a value, DEL that finds none, an error) speaks of what is there, and a coordinator that was superseded does
   * not know that by itself. So it writes a batch without records: its acknowledgements say that the term stands, and that all before it is settled.
   */
  private needsProof({ operation }: Call): boolean {
    const { access, wholePartition, keys } = operation;
    return access === 'write' && (!wholePartition || keys.length > 0) && this.options.membership.memberCount > 1;
  }

  /** The own copies of a turn's batches count once the log has them. */
  private beginTurn(): void {
    const { turn } = this.options;
    const settlements: Settlement[] = [];
    this.turnNumber = turn.number;
    this.turnSettlements = settlements;
    turn.whenWritten(() => {
      for (const settlement of settlements) settlement.acknowledge();
    });
  }

  /** A reply that wrote nothing waits for the newest batch that it may rest on. */
  private answerUnwritten(coordination: Coordination, call: Call, reply: Reply): void {
    const { wholePartition, keys } = call.operation;
    const newest = wholePartition ? coordination.last : this.newestUnsettled(coordination, keys);
    const quorum = call.fromCoordinator ? this.provingQuorum(call) : 0;
    if (quorum > 1) this.options.prove(coordination, call, reply, newest, quorum);
    else if (newest === undefined || newest.settled) call.answer(reply);
    else newest.wait(call, reply);
  }

  /** The newest batch, not settled yet, that one of the keys shows: all that this node is still writing bears its own actor. */
  newestUnsettled(coordination: Coordination, keys: readonly Buffer[]): Settlement | undefined {
    if (coordination.unsettled === 0) return undefined;
    const partition = this.options.store.partition(coordination.partition);
    const actor = this.options.actor();
    let newest: Settlement | undefined;
    for (let i = 0; i < keys.length; i++) {
      const counter = partition.counterBy(actor, partition.find(keys[i] as Buffer));
      const settlement = counter > (newest?.counter ?? 0) ? this.settlementOf(counter) : undefined;
      if (settlement?.settled === false) newest = settlement;
    }
    return newest;
  }

  /** By binary search: they stand in the order of their counters. */
  private settlementOf(counter: number): Settlement | undefined {
    const { unsettled } = this;
    let low = 0;
    let high = unsettled.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((unsettled[middle] as Settlement).counter < counter) low = middle + 1;
      else high = middle;
    }
    return unsettled[low]?.counter === counter ? unsettled[low] : undefined;
  }

  /** Those of this node's batches that are not settled. */
  unsettledAmong(counters: readonly number[]): Settlement[] {
    return counters.flatMap((counter) => this.settlementOf(counter) ?? []).filter(({ settled }) => !settled);
  }

  private unsettledOf({ partition, unsettled }: Coordination): Settlement[] {
    return unsettled === 0 ? [] : this.unsettled.filter((settlement) => settlement.partition === partition && !settlement.settled);
  }

  private readonly whenSettled = (settlement: Settlement): void => {
    if (settlement.beganMs >= 0) this.quorumWaits.record(this.options.turn.nowMs - settlement.beganMs);
    const coordination = this.options.coordination(settlement.partition);
    if (settlement.isLarge) coordination.largeBytes -= settlement.length;
    coordination.settled();
  };

  /**
   * The batch will not be acknowledged in its term: who wrote it is told that its outcome is unknown, or, where neither effect nor reply depend on
   * what was there, writes once more; who only saw it asks again. Whoever took over may have shown the batch and others may have written over it since: then to
   * write it once more would bring it back, which linearizable reads must not see.
   */
  private release(settlement: Settlement): readonly Call[] {
    const again: Call[] = [];
    settlement.beganMs = NaN;
    const { writer, readers } = settlement.giveUp(() => true);
    const wroteSomething = !settlement.isEmpty;
    // A large one is not written twice: each copy would have to reach all, and whoever coordinates now may be superseded for having so much to do.
    const mayWriteAgain = writer?.operation.blind === true && this.options.directives.readFrom === 'any' && !settlement.isLarge;
    if (writer !== undefined && wroteSomething) writer.mayHaveWritten = true;
    if (writer !== undefined && wroteSomething && !mayWriteAgain) writer.answer(unknownOutcome);
    else if (writer !== undefined) again.push(writer);
    again.push(...readers);
    settlement.settle();
    return again;
  }

  /** True: there was one, and this node coordinates nothing any more. */
  private noticePause(now = this.options.turn.nowMs): boolean {
    const paused = now - this.lastLookMs > pauseMs;
    this.lastLookMs = Math.max(this.lastLookMs, now);
    if (paused) this.options.takeOver().dropAll(this.options.coordinations());
    return paused;
  }
}
