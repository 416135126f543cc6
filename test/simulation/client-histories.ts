/**
 * What the clients of a simulated cluster were told, by kind of key, and what has to be true of it. Under strict quorums no acknowledged write is missing from any
 * later read; under sloppy ones both sides of a partition go on, so only after healing acknowledged increments are all there, and values are some
 * that were written. A group is a register whose value is written to several keys at once: they must never differ.
 */
import {
  checkCounterReads,
  checkCounterReadsAreOfIncrements,
  checkFinalCounter,
  type CounterInput,
  type CounterOutput,
} from './counter-checker.js';
import { History, type Operation, type Verdict } from './history.js';
import { checkFinalList, checkList, checkListReadsKeepUp, type ListInput, type ListOutput } from './list-checker.js';
import {
  checkFinalIsOfWrites,
  checkFinalValue,
  checkReadsAreOfWrites,
  checkReadsKeepUp,
  checkRegister,
  type RegisterInput,
  type RegisterOutput,
} from './register-checker.js';
import { checkVolatileReads, checkVolatileReadsAreOfWrites, type VolatileInput, type VolatileOutput } from './volatile-checker.js';

import { checkFeed, checkFeedLoosely, checkFinalFeed, type FeedInput, type FeedOutput } from './feed-checker.js';
import { checkFinalQueue, checkQueue, checkQueueLoosely, type QueueInput, type QueueOutput } from './queue-checker.js';
import { bitsIn } from './member-clients.js';
import { elementsIn } from './sketches.js';
import { checkFinalSet, checkSetReads, checkSetReadsAreOfAdds, type SetInput, type SetOutput } from './set-checker.js';

export interface Demands {
  /** Registers, lists and groups are linearizable. */
  readonly linearizable: boolean;
  /** Quorums are sloppy. */
  readonly sloppy: boolean;
}

/** Keys of one group: one slot. */
export const groupKeys = (group: string): readonly string[] => [0, 1, 2].map((at) => `{${group}}${at}`);

export class ClientHistories {
  readonly registers = new History<RegisterInput, RegisterOutput>();
  readonly counters = new History<CounterInput, CounterOutput>();
  readonly lists = new History<ListInput, ListOutput>();
  readonly groups = new History<RegisterInput, RegisterOutput>();
  readonly volatiles = new History<VolatileInput, VolatileOutput>();
  readonly sets = new History<SetInput, SetOutput>();
  readonly queues = new History<QueueInput, QueueOutput>();
  readonly feeds = new History<FeedInput, FeedOutput>();

  /** The first fault of all histories; undefined when there is none. */
  verdict({ linearizable, sloppy }: Demands): string | undefined {
    const verdicts: Verdict[] = [];
    const check = <I, O>(history: History<I, O>, checker: (operations: readonly Operation<I, O>[]) => Verdict): void => {
      for (const operations of history.byKey().values()) verdicts.push(checker(operations));
    };
    if (linearizable) {
      check(this.registers, checkRegister);
      check(this.lists, checkList);
      check(this.groups, checkRegister);
    }
    check(this.registers, sloppy ? checkReadsAreOfWrites : checkReadsKeepUp);
    check(this.groups, sloppy ? checkReadsAreOfWrites : checkReadsKeepUp);
    check(this.counters, sloppy ? checkCounterReadsAreOfIncrements : checkCounterReads);
    check(this.volatiles, sloppy ? checkVolatileReadsAreOfWrites : checkVolatileReads);
    check(this.sets, sloppy ? checkSetReadsAreOfAdds : checkSetReads);
    check(this.queues, sloppy ? checkQueueLoosely : checkQueue);
    check(this.feeds, sloppy ? checkFeedLoosely : checkFeed);
    if (!sloppy) check(this.lists, checkListReadsKeepUp);
    return reasonOf(verdicts);
  }

  /** The same for what is finally there: `valueOf` a key, null = nothing. What is volatile is read by then. */
  finalVerdict(valueOf: (key: string) => string | null, sloppy: boolean): string | undefined {
    const verdicts: Verdict[] = [];
    const checkFinal = sloppy ? checkFinalIsOfWrites : checkFinalValue;
    for (const [key, history] of this.registers.byKey()) verdicts.push(checkFinal(history, valueOf(key)));
    for (const [key, history] of this.counters.byKey()) verdicts.push(checkFinalCounter(history, Number(valueOf(key) ?? 0)));
    for (const [group, history] of this.groups.byKey()) {
      const values = groupKeys(group).map(valueOf);
      if (new Set(values).size > 1) return `finally the keys of ${group} have ${JSON.stringify(values)}`;
      verdicts.push(checkFinal(history, values[0] ?? null));
    }
    for (const [key, history] of this.sets.byKey()) verdicts.push(checkFinalSet(history, membersOf(key, history, valueOf(key)), sloppy));
    for (const [key, history] of this.feeds.byKey()) verdicts.push(checkFinalFeed(history, elementsOf(valueOf(key)), sloppy));
    for (const [key, history] of this.queues.byKey()) verdicts.push(checkFinalQueue(history, elementsOf(valueOf(key)), sloppy));
    if (!sloppy) for (const [key, history] of this.lists.byKey()) verdicts.push(checkFinalList(history, elementsOf(valueOf(key))));
    return reasonOf(verdicts);
  }
}

/** Of what a set shows, or a bitmap or a HyperLogLog in latin1. */
function membersOf(key: string, history: readonly Operation<SetInput, SetOutput>[], shown: string | null): string[] {
  if (key.startsWith('bitmap')) return bitsIn(shown === null ? null : Buffer.from(shown, 'latin1'));
  if (!key.startsWith('sketch')) return elementsOf(shown);
  const added = history.flatMap(({ input }) => (input.kind === 'add' ? [input.member] : []));
  return elementsIn(shown === null ? null : Buffer.from(shown, 'latin1'), added);
}

export function elementsOf(text: string | null): string[] {
  return text === null ? [] : text.split(';').filter((element) => element !== '');
}

function reasonOf(verdicts: readonly Verdict[]): string | undefined {
  const bad = verdicts.find(({ verdict }) => verdict !== 'accepted');
  return bad === undefined || bad.verdict === 'accepted' ? undefined : bad.reason;
}
