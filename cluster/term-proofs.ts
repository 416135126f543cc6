/**
 * Linearizable reads (`read-from coordinator`): the coordinator has run the read on its own state, and answers once R replicas, itself included and
 * R >= W, have said after the read came that they know of no newer term than its own.
 *
 * Why that is enough under strict quorums: whoever coordinates after this term has had it superseded by N-W+1 promises before it ran anything, and
 * N-W+1 promises meet every R replicas. So no write of a later coordinator was acknowledged before the read came. A doubtful replica may have
 * forgotten what it promised: it says nothing.
 *
 * One question a peer, partition and turn serves all reads of that turn.
 */
import type { torc } from '../protocol/generated/messages.js';
import { compareTerms, type Term } from '../protocol/dot.js';
import { ownReply, type Reply } from '../protocol/resp/reply.js';
import type { Clock, Random } from '../storage/clock.js';
import type { Store } from '../storage/store.js';
import { notServedInTime, type Call } from './call.js';
import type { Coordination } from './coordination.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';
import { firstId } from './id-window.js';
import type { Settlement } from './settlement.js';
import type { Turn } from './turn.js';

/** A question that is not answered by then is asked again: it, or its answer, went with a stream that broke. */
const askAgainMs = 100;

interface ProvenRead {
  readonly call: Call;
  readonly reply: Reply;
  /** The newest batch that the reply rests on and that was not settled. */
  readonly newest: Settlement | undefined;
  /** Peers that have to say so. */
  readonly needed: number;
}

interface Proof {
  readonly id: number;
  readonly coordination: Coordination;
  readonly term: Term;
  readonly standsAt: Set<Peer>;
  reads: ProvenRead[];
  askedMs: number;
}

export interface TermProofsOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly random: Random;
  readonly isDoubtful: (partition: number) => boolean;
  /** Calls that have to be routed anew. */
  readonly reroute: (calls: readonly Call[]) => void;
}

export class TermProofs {
  /** Undefined until the first question. */
  private nextId: number | undefined;
  private readonly open = new Map<number, Proof>();
  /** Those whose questions have not left yet, by partition. */
  private readonly ofTurn = new Map<number, Proof>();

  constructor(private readonly options: TermProofsOptions) {}

  /** `call` was run in the coordination's term: `reply` goes out when `quorum` replicas say that the term stands, and `newest` is settled. */
  prove(coordination: Coordination, call: Call, reply: Reply, newest: Settlement | undefined, quorum: number): void {
    let proof = this.ofTurn.get(coordination.partition);
    if (proof === undefined || compareTerms(proof.term, coordination.term) !== 0) {
      const { term } = coordination;
      const id = (this.nextId ??= firstId(this.options.random));
      this.nextId++;
      proof = { id, coordination, term, standsAt: new Set(), reads: [], askedMs: 0 };
      this.open.set(proof.id, proof);
      if (this.ofTurn.size === 0) this.options.turn.flushAtEnd(this);
      this.ofTurn.set(coordination.partition, proof);
      this.ask(proof);
    }
    proof.reads.push({ call, reply: ownReply(reply), newest, needed: quorum - 1 });
  }

  /** The turn's questions have left. */
  flush(): void {
    this.ofTurn.clear();
  }

  onTermCheck(peer: Peer, { id, partition, termCounter, termActor }: torc.TermCheck): void {
    if (this.options.isDoubtful(partition)) return;
    const { promised } = this.options.store.partition(partition);
    const stands = compareTerms(promised, { counter: termCounter, actor: termActor }) <= 0;
    peer.link.say({ termAnswers: [{ id, newerCounter: stands ? 0 : promised.counter }] });
  }

  onTermAnswer(peer: Peer, { id, newerCounter }: torc.TermAnswer): void {
    const proof = this.open.get(id);
    if (proof === undefined) return;
    if (newerCounter > 0) {
      this.options.store.hybridClock.raise(newerCounter);
      return this.superseded(proof);
    }
    proof.standsAt.add(peer);
    this.answerWhere(proof, ({ needed }) => needed <= proof.standsAt.size);
  }

  /** Asks again what was not answered, and gives up what is overdue. Called every few milliseconds. */
  tick(): void {
    if (this.open.size === 0) return;
    const nowMs = this.options.clock.monotonicMs();
    for (const proof of this.open.values()) {
      const due = proof.reads.filter(({ call }) => call.deadlineMs < nowMs);
      proof.reads = proof.reads.filter(({ call }) => call.deadlineMs >= nowMs);
      if (proof.reads.length === 0) this.open.delete(proof.id);
      else if (nowMs - proof.askedMs > askAgainMs) this.ask(proof);
      for (const { call } of due) call.answer(notServedInTime);
    }
  }

  private ask(proof: Proof): void {
    const { id, term, coordination, standsAt } = proof;
    const { partition } = coordination;
    proof.askedMs = this.options.clock.monotonicMs();
    const question = { termChecks: [{ id, partition, termCounter: term.counter, termActor: term.actor }] };
    for (const peer of this.options.membership.otherHomes(partition)) {
      if (peer.reachable && !standsAt.has(peer)) peer.link.say(question);
    }
  }

  private answerWhere(proof: Proof, isProven: (read: ProvenRead) => boolean): void {
    const proven = proof.reads.filter(isProven);
    proof.reads = proof.reads.filter((read) => !isProven(read));
    if (proof.reads.length === 0) this.open.delete(proof.id);
    for (const { call, reply, newest } of proven) {
      if (newest === undefined || newest.settled) call.answer(reply);
      else newest.wait(call, reply);
    }
  }

  /** A newer term was promised: this node may have missed what was written in it, and asks who coordinates now. */
  private superseded(proof: Proof): void {
    this.open.delete(proof.id);
    const { coordination, reads } = proof;
    const stillRuns = coordination.state === 'running' && compareTerms(coordination.term, proof.term) === 0;
    this.options.reroute([...(stillRuns ? coordination.stop() : []), ...reads.map(({ call }) => call)]);
  }
}
