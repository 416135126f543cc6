/**
 * Taking a partition over (ARCHITECTURE.md, "Two coordinators at once"; shared with the project as an executable model).
 *
 * The taker draws a term, promises it itself, asks the other home replicas for their promise beginning with the one that most likely coordinates
 * now, pulls what those have seen and it has not, pushes what they lack until W replicas hold everything in this term, and then runs.
 * A replica that coordinates the partition itself lets what it has sent settle before it promises, so a take-over in peace loses nothing.
 */
import type { torc } from '../protocol/generated/messages.js';
import { compareTerms, type Term } from '../protocol/dot.js';
import type { VectorClock } from '../protocol/record.js';
import type { Clock, Random } from '../storage/clock.js';
import { DurationHistogram } from '../storage/duration-histogram.js';
import { clockBytes, clockOf } from '../storage/partition-clocks.js';
import type { Store } from '../storage/store.js';
import { coversClock } from '../storage/vector-clock.js';
import type { Call } from './call.js';
import type { Comparison } from './comparison.js';
import type { Coordination } from './coordination.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';
import type { Turn } from './turn.js';

interface Attempt {
  readonly coordination: Coordination;
  readonly term: Term;
  readonly beganMs: number;
  /** When something large was last seen to move between this node and a peer that has promised: it may be what this waits for. */
  movedMs: number;
  askedMs: number;
  readonly asked: Set<Peer>;
  /** Peers that promised, with their `seen` as of then; what they had more has been asked for. */
  readonly promised: Map<Peer, VectorClock>;
  pulling: number;
  /** Peers that are known to hold, in this term, all that was here when the pulls were done. */
  readonly holders: Set<Peer>;
  /** Peers that were offered what they lack. */
  readonly offered: Set<Peer>;
  /** No home replicas, asked for what they keep for others or wrote in their stead, and not heard of yet. */
  readonly witnesses: Set<Peer>;
}

export interface TakeOverOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly comparison: Comparison;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly random: Random;
  /** Read each time. */
  readonly directives: { readonly peerTimeoutMs: number; readonly sloppyQuorum: boolean };
  readonly actor: () => number;
  readonly isDoubtful: (partition: number) => boolean;
  /** A peer's clock may prove that this node lost some of what it wrote, and then it takes nothing over. */
  readonly provesLoss: (partition: number, seen: VectorClock) => boolean;
  /** This node keeps something of the partition for others. */
  readonly keepsSomethingOf: (partition: number) => boolean;
  /** Fetches what `peer` keeps of the partition for others; calls back when it is here, or will not come. */
  readonly pullHints: (partition: number, peer: Peer, done: () => void) => void;
  readonly coordination: (partition: number) => Coordination;
  /** The partition is this node's to run. */
  readonly taken: (coordination: Coordination) => void;
  /** Calls that have to be routed anew. */
  readonly reroute: (calls: readonly Call[]) => void;
}

export class TakeOver {
  private readonly attempts = new Map<number, Attempt>();
  private turnTerm: Term | undefined;
  private readonly asks = new Map<Peer, number[]>();
  /** Finished take-overs, for INFO. */
  finished = 0;
  /** Those that were given up, or begun anew. */
  abandoned = 0;
  readonly times = new DurationHistogram();

  constructor(private readonly options: TakeOverOptions) {}

  /** Begins to take the partition over, unless that is under way. */
  begin(coordination: Coordination): void {
    if (coordination.state !== 'idle') return;
    const { store, clock, actor } = this.options;
    const drawn = this.term();
    // Another's newer term may have been promised since this turn's was drawn.
    const isNewest = compareTerms(store.partition(coordination.partition).promised, drawn) < 0;
    const term = isNewest ? drawn : { counter: store.hybridClock.next(), actor: actor() };
    const now = clock.monotonicMs();
    coordination.state = 'taking';
    store.promise([coordination.partition], term);
    const attempt: Attempt = {
      coordination,
      term,
      beganMs: now,
      movedMs: now,
      askedMs: now,
      asked: new Set(),
      promised: new Map(),
      pulling: 0,
      holders: new Set(),
      offered: new Set(),
      witnesses: new Set(),
    };
    this.attempts.set(coordination.partition, attempt);
    if (this.options.directives.sloppyQuorum) this.askWitnesses(attempt);
    for (let i = this.wanted(coordination.partition) - 1; i > 0; i--) this.askNext(attempt);
    this.proceed(attempt);
  }

  /** Another node takes partitions over: promise, or refuse. */
  onTakeOver(peer: Peer, { termCounter, termActor, partition }: torc.TakeOver): void {
    const { store, coordination } = this.options;
    const term = { counter: termCounter, actor: termActor };
    store.hybridClock.raise(termCounter);
    const ready: number[] = [];
    for (const number of partition) {
      const mine = coordination(number);
      if (mine.state !== 'running' || mine.unsettled === 0 || compareTerms(store.partition(number).promised, term) >= 0) {
        ready.push(number);
        continue;
      }
      mine.state = 'draining';
      mine.whenDrained(() => this.promiseTo(peer, term, [number]));
      this.options.clock.after(this.options.directives.peerTimeoutMs / 2, () => {
        if (mine.state === 'draining') mine.releaseDrained();
      });
    }
    if (ready.length > 0) this.promiseTo(peer, term, ready);
  }

  onPromises(peer: Peer, promises: torc.Promises): void {
    const { store } = this.options;
    const term = { counter: promises.termCounter, actor: promises.termActor };
    store.hybridClock.raise(promises.refusedTerm);
    const ahead = new Set(promises.hasAhead);
    const hinted = new Set(promises.hasHints);
    promises.partition.forEach((number, i) => {
      const bytes = promises.seen[i];
      if (bytes === undefined || this.options.provesLoss(number, clockOf(bytes))) return;
      const attempt = this.attempts.get(number);
      if (attempt === undefined || compareTerms(attempt.term, term) !== 0 || attempt.promised.has(peer)) return;
      if (attempt.witnesses.delete(peer)) {
        if (hinted.has(number)) this.pullHints(attempt, peer);
      } else if (!this.isHome(number, peer)) return;
      else if (promises.doubtful) this.askNext(attempt);
      else attempt.promised.set(peer, clockOf(bytes));
      if (ahead.has(number) || !coversClock(store.partition(number).seen, clockOf(bytes))) this.pull(attempt, peer);
      this.proceed(attempt);
    });
    for (const number of promises.refused) {
      const attempt = this.attempts.get(number);
      if (attempt !== undefined && compareTerms(attempt.term, term) === 0) this.retryLater(attempt);
    }
  }

  /** What was said to the peer, or what it answered, may be lost with a stream: who has not promised is asked again. A promise given twice is the same promise. */
  askAgain(peer: Peer): void {
    const again = new Map<Term, number[]>();
    for (const { coordination, term, asked, promised } of this.attempts.values()) {
      if (!asked.has(peer) || promised.has(peer)) continue;
      const partitions = again.get(term);
      if (partitions === undefined) again.set(term, [coordination.partition]);
      else partitions.push(coordination.partition);
    }
    for (const [term, partitions] of again) this.ask(peer, partitions, term);
  }

  /** Asks further replicas when those asked are slow, and begins anew what does not come to an end. */
  tick(): void {
    const { clock, reroute } = this.options;
    const { peerTimeoutMs } = this.options.directives;
    const now = clock.monotonicMs();
    for (const attempt of this.attempts.values()) {
      if (this.isMoving(attempt)) {
        attempt.movedMs = now;
        attempt.coordination.goesOn(now);
      }
      if (compareTerms(this.options.store.partition(attempt.coordination.partition).promised, attempt.term) !== 0) {
        this.abandon(attempt);
        reroute(attempt.coordination.stop());
      } else if (now - attempt.movedMs > peerTimeoutMs) {
        this.abandon(attempt);
        reroute(attempt.coordination.stop());
      } else if (attempt.witnesses.size > 0 && this.dismissWitnesses(attempt, now)) {
        this.proceed(attempt);
      } else if (
        now - attempt.askedMs > peerTimeoutMs / 4 ||
        [...attempt.asked].some((peer) => !peer.reachable && !attempt.promised.has(peer))
      ) {
        this.askNext(attempt);
        this.proceed(attempt);
      }
    }
  }

  /** A large record takes longer than an attempt may: to begin anew would send it once more. Links see to it that it moves, and `comparison` that it comes to an end. */
  private isMoving({ promised, holders, pulling }: Attempt): boolean {
    for (const peer of promised.keys()) {
      if (peer.reachable && peer.largeBytes > 0 && (pulling > 0 || !holders.has(peer))) return true;
    }
    return false;
  }

  /** This node may have slept, or is to leave the work to others: whatever it ran or was taking over may be another's by now. */
  dropAll(coordinations: Iterable<Coordination>): void {
    const { reroute } = this.options;
    for (const coordination of coordinations) {
      if (coordination.state === 'idle') continue;
      const attempt = this.attempts.get(coordination.partition);
      if (attempt !== undefined) this.abandon(attempt);
      coordination.releaseDrained();
      reroute(coordination.stop());
    }
  }

  private term(): Term {
    const { store, turn, actor } = this.options;
    if (this.turnTerm === undefined) {
      this.turnTerm = { counter: store.hybridClock.next(), actor: actor() };
      turn.whenWritten(() => this.sendAsks());
    }
    return this.turnTerm;
  }

  /** Replicas, this one included, that have to take part: enough promises to meet every other term's, and W to hold the data. */
  private wanted(partition: number): number {
    const { membership, directives } = this.options;
    const { promises, write } = membership.quorums;
    const wanted = Math.max(promises, write);
    return directives.sloppyQuorum ? Math.min(wanted, membership.reachableHomes(partition)) : wanted;
  }

  private askNext(attempt: Attempt): void {
    const { membership, clock } = this.options;
    attempt.askedMs = clock.monotonicMs();
    const left = membership.otherHomes(attempt.coordination.partition).filter((peer) => peer.reachable && !attempt.asked.has(peer));
    const next = left.find((peer) => peer.takesWrites) ?? left[0]; // a promise is a write, and a disk that refuses those gives none
    if (next === undefined) return;
    attempt.asked.add(next);
    this.askFor(attempt, next);
  }

  /** Whoever is no home replica may keep batches for one, or may have coordinated while none was reached. */
  private askWitnesses(attempt: Attempt): void {
    const { membership } = this.options;
    for (const member of membership.substitutes(attempt.coordination.partition)) {
      const peer = membership.peer(member);
      if (peer?.reachable !== true) continue;
      attempt.witnesses.add(peer);
      this.askFor(attempt, peer);
    }
  }

  /** Waits no longer for witnesses that are slow or cannot be reached any more. Returns whether it waits for none. */
  private dismissWitnesses({ witnesses, beganMs }: Attempt, now: number): boolean {
    const late = now - beganMs > this.options.directives.peerTimeoutMs / 4;
    for (const peer of witnesses) if (late || !peer.reachable) witnesses.delete(peer);
    return witnesses.size === 0;
  }

  private isHome(partition: number, { member }: Peer): boolean {
    return this.options.membership.preferenceList(partition).includes(member);
  }

  private pullHints(attempt: Attempt, peer: Peer): void {
    attempt.pulling++;
    this.options.pullHints(attempt.coordination.partition, peer, () => {
      attempt.pulling--;
      this.proceed(attempt);
    });
  }

  /** With the others of this turn's term, if it is one of them. */
  private askFor(attempt: Attempt, next: Peer): void {
    const asks = this.asks.get(next);
    if (asks !== undefined && this.turnTerm === attempt.term) asks.push(attempt.coordination.partition);
    else if (this.turnTerm === attempt.term) this.asks.set(next, [attempt.coordination.partition]);
    else this.ask(next, [attempt.coordination.partition], attempt.term);
  }

  private ask(peer: Peer, partition: number[], { counter, actor }: Term): void {
    const words = { takeOvers: [{ termCounter: counter, termActor: actor, partition }] };
    this.options.turn.whenWritten(() => peer.link.say(words));
  }

  private sendAsks(): void {
    const term = this.turnTerm;
    this.turnTerm = undefined;
    if (term === undefined) return;
    for (const [peer, partition] of this.asks) {
      peer.link.say({ takeOvers: [{ termCounter: term.counter, termActor: term.actor, partition }] });
    }
    this.asks.clear();
  }

  private promiseTo(peer: Peer, term: Term, numbers: readonly number[]): void {
    const { store, turn, coordination, isDoubtful, keepsSomethingOf, reroute } = this.options;
    const promised = store.promise(numbers, term);
    const isPromised = new Set(promised);
    const refused = numbers.filter((number) => !isPromised.has(number));
    const calls: Call[] = [];
    for (const number of numbers) {
      const mine = coordination(number);
      if (!isPromised.has(number) && mine.state !== 'draining') continue;
      const attempt = this.attempts.get(number);
      // What waits here may have to run here: begun anew at once, two nodes would take the partition from each other for as long as their calls live.
      if (attempt !== undefined) this.retryLater(attempt, this.options.directives.peerTimeoutMs / 4);
      else for (const call of mine.stop()) calls.push(call);
    }
    turn.whenWritten(() => {
      const partitions = promised.map((number) => store.partition(number));
      peer.link.say({
        promises: [
          {
            termCounter: term.counter,
            termActor: term.actor,
            partition: promised,
            seen: partitions.map(({ seen }) => clockBytes(seen)),
            hasAhead: partitions.filter(({ ahead }) => ahead.length > 0).map(({ number }) => number),
            refused,
            refusedTerm: Math.max(0, ...refused.map((number) => store.partition(number).promised.counter)),
            doubtful: promised.some(isDoubtful),
            hasHints: promised.filter(keepsSomethingOf),
          },
        ],
      });
    });
    reroute(calls);
  }

  private pull(attempt: Attempt, peer: Peer): void {
    attempt.pulling++;
    this.options.comparison.pull(attempt.coordination.partition, peer, (result) => {
      attempt.pulling--;
      if (!this.isCurrent(attempt)) return;
      if (result === 'failed') this.retryLater(attempt);
      else this.proceed(attempt);
    });
  }

  private proceed(attempt: Attempt): void {
    const { store, membership, isDoubtful } = this.options;
    const { partition } = attempt.coordination;
    if (!this.isCurrent(attempt) || attempt.pulling > 0 || attempt.witnesses.size > 0) return;
    const { promises, write } = membership.quorums;
    const reachable = this.options.directives.sloppyQuorum ? membership.reachableHomes(partition) : membership.quorums.replicas;
    const isHome = membership.isHome(partition);
    if (!isHome && membership.reachableHomes(partition) > 0) {
      this.abandon(attempt);
      this.options.reroute(attempt.coordination.stop());
      return;
    }
    const own = isDoubtful(partition) || !isHome ? 0 : 1;
    if (attempt.promised.size + own < Math.min(promises, reachable)) return;
    const { seen, ahead } = store.partition(partition);
    for (const [peer, theirs] of attempt.promised) {
      if (attempt.offered.has(peer)) continue;
      attempt.offered.add(peer);
      if (ahead.length === 0 && coversClock(theirs, seen)) attempt.holders.add(peer);
      else this.push(attempt, peer, theirs);
    }
    if (attempt.holders.size + 1 < Math.min(write, reachable)) return;
    this.attempts.delete(partition);
    const { coordination } = attempt;
    coordination.state = 'running';
    coordination.term = attempt.term;
    coordination.weakBelow = attempt.promised.size + own < promises ? reachable + 1 : 0;
    this.finished++;
    this.times.record(this.options.clock.monotonicMs() - attempt.beganMs);
    this.options.taken(coordination);
  }

  private push(attempt: Attempt, peer: Peer, theirs: VectorClock): void {
    this.options.comparison.push(attempt.coordination.partition, peer, theirs, attempt.term, (result) => {
      if (!this.isCurrent(attempt)) return;
      if (result === 'failed') return this.retryLater(attempt);
      attempt.holders.add(peer);
      this.proceed(attempt);
    });
  }

  private isCurrent(attempt: Attempt): boolean {
    return this.attempts.get(attempt.coordination.partition) === attempt;
  }

  private retryLater(attempt: Attempt, mostMs = 20): void {
    if (!this.isCurrent(attempt)) return;
    this.abandon(attempt);
    const { coordination } = attempt;
    this.options.clock.after(2 + this.options.random.integer(Math.max(1, Math.floor(mostMs))), () => {
      if (coordination.state === 'idle') this.options.reroute(coordination.stop()); // else a new call has begun anew
    });
  }

  private abandon(attempt: Attempt): void {
    if (this.isCurrent(attempt)) this.attempts.delete(attempt.coordination.partition);
    this.abandoned++;
    if (attempt.coordination.state === 'taking') attempt.coordination.state = 'idle';
  }
}
