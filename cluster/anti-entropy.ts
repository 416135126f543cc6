/**
 * Anti-entropy: replicas that differ, found and made equal (Dynamo, section 4.7).
 *
 *   by clocks   often: peers whose `seen` of a partition are equal are done with it; else what is missing is pulled, and then the trees are compared
 *   full        rarely, and by TORC REPAIR: the trees whatever the clocks say, over all that is stored, read anew. It finds what clocks cannot
 *               know: a record that a disk lost or changed behind the node's back
 *
 * The partitions that two nodes share are the leaves of their common tree, in branches of 64 that are compared one after the other: equal ones cost
 * two digests. Of those that differ the roots are told, then branches, leaves, and digests of records; at last the records go, both ways.
 * Only one side of a pair asks. Nothing here holds anything up: what is written meanwhile differs for a moment, and merging it twice changes nothing.
 */
import { torc } from '../protocol/generated/messages.js';
import { FormatError } from '../protocol/format-error.js';
import type { Clock } from '../storage/clock.js';
import type { Hasher } from '../storage/merkle-hashing.js';
import { differences, digestBytes, leafNumbers, sha256 } from '../storage/merkle-tree.js';
import { clockOf } from '../storage/partition-clocks.js';
import type { Store } from '../storage/store.js';
import { coversClock } from '../storage/vector-clock.js';
import type { Comparison } from './comparison.js';
import type { EventLog } from './events.js';
import type { Membership } from './membership.js';
import { PartitionTrees } from './partition-trees.js';
import type { Peer } from './peer.js';
import type { Reader } from './reader.js';
import { RecordRepair } from './record-repair.js';
import { RepairPace } from './repair-pace.js';
import { clockDigest, level, partitionsAtOnce, TreeAnswers } from './tree-answers.js';
import { TreeQuestions } from './tree-questions.js';
import type { Turn } from './turn.js';

/** Digests of records in one question. */
const digestsAtOnce = 8192;
/** How many peer timeouts a peer may take without a word of being at work. */
const patience = 10;

/** In which what was written at one replica reaches the other. */
const momentMs = 50;

/** What to compare. */
export interface RepairPlan {
  readonly kind: 'by clocks' | 'full' | 'asked';
  /** All that is stored is read again, at both sides. */
  readonly anew: boolean;
  /** Undefined = all that this node is a home replica of. */
  readonly partition?: number | undefined;
}

export interface RepairDirectives {
  readonly peerTimeoutMs: number;
  readonly gossipIntervalMs: number;
  readonly repairBytesPerSecond: number;
  /** Between two comparisons by clocks, and between two full ones; 0 = never. */
  readonly repairIntervalMs: number;
  readonly fullRepairIntervalMs: number;
}

export interface AntiEntropyOptions {
  readonly store: Store;
  readonly membership: Membership;
  readonly comparison: Comparison;
  readonly reader: Reader;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly hasher: Hasher;
  /** Read each time. */
  readonly directives: RepairDirectives;
  /** Other than an earlier process of this node counted from. */
  readonly firstId: number;
  readonly isDoubtful: (partition: number) => boolean;
  /** A large batch of the partition is on its way here. */
  readonly isArriving: (partition: number) => boolean;
  readonly log: EventLog;
  readonly onFailure: (error: Error) => void;
}

interface Progress {
  readonly plan: RepairPlan;
  done: number;
  readonly total: number;
}

/** Of these partitions those whose roots are not the peer's. */
function differing(partition: readonly number[], roots: Buffer, { digest }: torc.TreeAnswer): number[] {
  return digest.length === 0 ? [] : differences(roots, digest as Buffer).map((index) => partition[index] ?? 0);
}

/** What a peer did not answer, or refused. */
class Unanswered extends Error {}

export class AntiEntropy {
  private readonly pace: RepairPace;
  private readonly questions: TreeQuestions;
  private readonly trees: PartitionTrees;
  private readonly repair: RecordRepair;
  private readonly answers: TreeAnswers;
  private underWay: Progress | undefined;
  private nextByClocksMs: number | undefined;
  private nextFullMs: number | undefined;
  private closed = false;
  private rounds = 0;
  private failedPairs = 0;
  private compared = 0;
  private equalByClocks = 0;
  private differed = 0;

  constructor(private readonly options: AntiEntropyOptions) {
    const { store, membership, reader, turn, clock, hasher, directives, isDoubtful, log } = options;
    this.pace = new RepairPace(clock, () => directives.repairBytesPerSecond);
    this.questions = new TreeQuestions({ clock, firstId: options.firstId, timeoutMs: () => patience * directives.peerTimeoutMs });
    const { pace, questions } = this;
    this.trees = new PartitionTrees({ store, hasher, partitions: () => membership.configuration?.partitions ?? 1 });
    this.repair = new RecordRepair({ store, membership, reader, turn, pace, questions, log });
    this.answers = new TreeAnswers({ store, membership, trees: this.trees, repair: this.repair, pace, isDoubtful });
  }

  /** Once a gossip interval: begins what is due. The members' rounds are spread over the interval. */
  tick(): void {
    this.questions.tick();
    const { membership, directives, clock } = this.options;
    if (membership.configuration === undefined || this.underWay !== undefined) return;
    const now = clock.monotonicMs();
    const { repairIntervalMs, fullRepairIntervalMs } = directives;
    const share = (membership.selfIndex + 1) / membership.memberCount;
    this.nextByClocksMs ??= now + repairIntervalMs * share;
    this.nextFullMs ??= now + fullRepairIntervalMs * share;
    if (fullRepairIntervalMs > 0 && now >= this.nextFullMs) {
      this.nextFullMs = now + fullRepairIntervalMs;
      this.begin({ kind: 'full', anew: true });
    } else if (repairIntervalMs > 0 && now >= this.nextByClocksMs) {
      this.nextByClocksMs = now + repairIntervalMs;
      this.begin({ kind: 'by clocks', anew: false });
    }
  }

  /** Begins a comparison with every reachable peer; returns how many pairs of partition and peer it is about, or why it cannot begin. */
  request(plan: RepairPlan): number | 'under way' | 'no peer' {
    if (this.underWay !== undefined && this.underWay.plan.kind !== 'by clocks') return 'under way';
    const total = this.begin(plan);
    return total === 0 ? 'no peer' : total;
  }

  /** `borrowed` is copied: its bytes are the frame's. */
  onQuestion(peer: Peer, borrowed: torc.TreeQuestion): void {
    const question = torc.TreeQuestion.decode(torc.TreeQuestion.encode(borrowed).finish());
    this.questions.answer(peer, question.id, () => this.answers.answer(peer, question)).catch((error: unknown) => this.failed(error));
  }

  onAnswer(peer: Peer, borrowed: torc.TreeAnswer): void {
    this.questions.onAnswer(peer, torc.TreeAnswer.decode(torc.TreeAnswer.encode(borrowed).finish()));
  }

  close(): void {
    this.closed = true;
  }

  statistics(): readonly (readonly [name: string, value: string | number])[] {
    const { underWay, trees, repair } = this;
    return [
      ['repair_under_way', underWay?.plan.kind ?? 'none'],
      ['repair_partitions_done', underWay?.done ?? 0],
      ['repair_partitions_total', underWay?.total ?? 0],
      ['repair_rounds', this.rounds],
      ['repair_pairs_failed', this.failedPairs],
      ['repair_partitions_equal_by_clocks', this.equalByClocks],
      ['repair_partitions_compared', this.compared],
      ['repair_partitions_differed', this.differed],
      ['repair_records_sent', repair.sent],
      ['repair_records_taken', repair.taken],
      ['repair_payloads_replaced', repair.replaced],
      ['repair_bytes_sent', this.questions.bytesSent],
      ['repair_leaves_hashed', trees.leavesHashed],
      ['repair_records_hashed', trees.recordsHashed],
      ['hashing_tasks', trees.tasks],
    ];
  }

  private begin(plan: RepairPlan): number {
    const pairs = this.pairs(plan);
    const total = pairs.reduce((sum, [, numbers]) => sum + numbers.length, 0);
    if (total === 0) return 0;
    const progress: Progress = { plan, done: 0, total };
    this.underWay = progress; // one by clocks that was under way gives way
    if (plan.kind !== 'by clocks') {
      const event = { event: 'repair-began', kind: plan.kind, partitions: total, peers: pairs.length } as const;
      this.options.log('info', `${total} replicas of partitions are compared with ${pairs.length} peers`, event);
    }
    this.run(progress, pairs).catch((error: unknown) => this.failed(error));
    return total;
  }

  /** Partitions shared with each reachable peer. Of two members the first one asks in full rounds, since they repair both. */
  private pairs({ kind, partition }: RepairPlan): (readonly [Peer, readonly number[]])[] {
    const { membership, isDoubtful } = this.options;
    const shared = new Map<Peer, number[]>();
    if (membership.full) return [];
    for (let number = 0; number < (membership.configuration?.partitions ?? 0); number++) {
      if ((partition !== undefined && partition !== number) || !membership.isHome(number) || isDoubtful(number)) continue;
      for (const peer of membership.otherHomes(number)) {
        if (!peer.takesWrites || (kind === 'full' && peer.member < membership.selfIndex)) continue;
        const numbers = shared.get(peer);
        if (numbers === undefined) shared.set(peer, [number]);
        else numbers.push(number);
      }
    }
    return [...shared];
  }

  private async run(progress: Progress, pairs: readonly (readonly [Peer, readonly number[]])[]): Promise<void> {
    const round = this.questions.draw();
    const isCurrent = (): boolean => this.underWay === progress && !this.closed;
    try {
      for (const [peer, numbers] of pairs) {
        try {
          for (let at = 0; at < numbers.length && isCurrent(); at += partitionsAtOnce) {
            const some = numbers.slice(at, at + partitionsAtOnce);
            await this.compare(peer, some, progress.plan, round);
            progress.done += some.length;
          }
        } catch (error) {
          if (!(error instanceof Unanswered)) throw error;
          this.failedPairs++;
          this.options.log('info', `comparing with ${peer.nodeId} was given up: ${error.message}`, {
            event: 'repair-failed',
            peer: peer.nodeId,
          });
        }
      }
    } finally {
      if (this.underWay === progress) {
        this.underWay = undefined;
        this.rounds++;
        const { done, total, plan } = progress;
        if (plan.kind !== 'by clocks' && !this.closed) {
          const event = { event: 'repair-done', kind: plan.kind, partitions: done, of: total } as const;
          this.options.log('info', `${done} of ${total} replicas of partitions were compared`, event);
        }
      }
    }
  }

  /** One branch of the tree of this pair. Rejects with Unanswered. */
  private async compare(peer: Peer, numbers: readonly number[], { kind, anew }: RepairPlan, round: number): Promise<void> {
    const suspected = kind === 'by clocks' ? await this.behind(peer, numbers) : numbers;
    this.equalByClocks += numbers.length - suspected.length;
    if (suspected.length === 0) return;
    const question = { level: level.roots, partition: [...suspected], round: anew ? round : 0 };
    const prepared = anew ? this.ask(peer, question) : undefined; // without a digest: only to read, which both do at once
    const [roots] = await Promise.all([this.trees.roots(suspected, this.pace, question.round), prepared]);
    const answer = await this.ask(peer, { ...question, digest: sha256(roots) });
    this.compared += suspected.length;
    for (const number of await this.stillDiffering(peer, differing(suspected, roots, answer))) {
      if (this.closed) return;
      this.differed++;
      await this.descend(peer, number);
      await this.pace.breathe();
    }
  }

  /** Partitions are written while they are compared, and then differ for a moment: their roots are compared once more. */
  private async stillDiffering(peer: Peer, partition: readonly number[]): Promise<number[]> {
    if (partition.length === 0) return [];
    await new Promise<void>((resolve) => this.options.clock.after(momentMs, resolve));
    const roots = await this.trees.roots(partition, this.pace);
    return differing(partition, roots, await this.ask(peer, { level: level.roots, partition: [...partition], digest: sha256(roots) }));
  }

  /**
   * Of these partitions those of which the peer has seen more, once what was on its way has had time to come; they are brought up to its clock first.
   * What the peer lacks it finds out itself.
   */
  private async behind(peer: Peer, numbers: readonly number[]): Promise<number[]> {
    const { store, comparison, directives, clock, isArriving } = this.options;
    const { seen } = await this.ask(peer, { level: level.clocks, partition: [...numbers], digest: clockDigest(store, numbers) });
    if (seen.length === 0) return [];
    const lacks = (number: number, i: number): boolean => {
      const { seen: mine, ahead } = store.partition(number);
      if (isArriving(number)) return false; // what is lacking may be just that: the next round will tell
      return ahead.length > 0 || !coversClock(mine, clockOf(seen[i] ?? new Uint8Array()));
    };
    if (!numbers.some(lacks)) return [];
    await new Promise<void>((resolve) => clock.after(directives.gossipIntervalMs, resolve));
    const lacking = numbers.filter(lacks);
    for (const number of lacking) {
      const result = await new Promise<string>((resolve) => comparison.pull(number, peer, resolve));
      if (result === 'failed') throw new Unanswered(`it did not send what it has seen of partition ${number}`);
    }
    return lacking;
  }

  /** A partition whose roots differ: down to the records, which then go both ways. */
  private async descend(peer: Peer, number: number): Promise<void> {
    const tree = await this.trees.prepare(number);
    const { branch, digest } = await this.ask(peer, { level: level.branches, partition: [number], digest: Buffer.from(tree.branches()) });
    const bytes = digest as Buffer;
    const perBranch = bytes.length / Math.max(1, branch.length);
    const leaves = branch.flatMap((one, i) =>
      leafNumbers(one, differences(tree.leavesOf(one), bytes.subarray(i * perBranch, (i + 1) * perBranch))),
    );
    const atOnce = this.trees.listableLeaves(number);
    for (let at = 0; at < leaves.length && !this.closed; at += atOnce) {
      await this.exchange(peer, number, leaves.slice(at, at + atOnce));
      await this.pace.breathe();
    }
  }

  private async exchange(peer: Peer, number: number, leaf: readonly number[]): Promise<void> {
    const mine = await this.trees.list(number, leaf);
    for (let at = 0; at === 0 || at < mine.length; at += digestsAtOnce) {
      const digests = mine.slice(at, at + digestsAtOnce).map(({ digest }) => digest);
      const { digest: wanted } = await this.ask(peer, {
        level: level.leaves,
        partition: [number],
        leaf: [...leaf],
        digest: Buffer.concat(digests),
        above: at === 0 ? Buffer.alloc(0) : (mine[at - 1]?.digest ?? Buffer.alloc(0)),
        upTo: at + digestsAtOnce >= mine.length ? Buffer.alloc(0) : (digests.at(-1) ?? Buffer.alloc(0)),
      });
      const asked = new Set<string>();
      const bytes = wanted as Buffer;
      for (let from = 0; from < bytes.length; from += digestBytes) asked.add(bytes.toString('latin1', from, from + digestBytes));
      const keys = mine.flatMap(({ digest, key }) => (asked.has(digest.toString('latin1')) ? [key] : []));
      if (!(await this.repair.push(peer, number, keys))) throw new Unanswered(`it did not take the records of partition ${number}`);
    }
  }

  private async ask(peer: Peer, question: Omit<torc.TreeQuestion.$Shape, 'id' | 'configurationNumber'>): Promise<torc.TreeAnswer> {
    const configurationNumber = this.options.membership.configuration?.number ?? 0;
    const whole = { ...question, configurationNumber };
    await this.pace.spend(torc.TreeQuestion.encode(whole).finish().length);
    const answer = await this.questions.ask(peer, whole);
    if (answer === undefined) throw new Unanswered('it does not answer');
    if (answer.refusal !== '') throw new Unanswered(answer.refusal);
    return answer;
  }

  /** Malformed bytes are the peer's fault; a disk or pool that fails, and a bug, end the node. */
  private failed(error: unknown): void {
    if (this.closed) return;
    if (error instanceof FormatError || error instanceof Unanswered)
      this.options.log('warn', `a comparison was given up: ${error.message}`, { event: 'repair-failed' });
    else this.options.onFailure(error instanceof Error ? error : new Error(String(error)));
  }
}
