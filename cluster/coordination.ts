/**
 * What a node knows of one partition as its coordinator: whether it runs, in which term, who waits, and which of its batches are not
 * settled yet.
 *
 *   idle -> taking (promises, pull, push: take-over.ts) -> running -> draining (another takes over: no new command, what is sent settles) -> idle
 */
import { noTerm, type Term } from '../protocol/dot.js';
import type { Call } from './call.js';
import { CallQueue } from './call-queue.js';
import type { Settlement } from './settlement.js';

export class Coordination {
  state: 'idle' | 'taking' | 'running' | 'draining' = 'idle';
  term: Term = noTerm;
  /** Above 0: it runs with fewer promises than meet every other term's, and must take over again once this many homes are reachable. */
  weakBelow = 0;
  /** How many calls wait for the term or, in order, for a key that is being loaded. */
  waiting = 0;
  private readonly queue = new CallQueue();
  /** A read for the head of the queue is under way. */
  loading = false;
  /** What waits goes on with a turn of its own, which is coming. */
  goesOnLater = false;
  /** A large batch is on its way to the log: nothing runs that would be logged before it. */
  held = false;
  /** Bytes of large batches that are not settled: what comes after them in the partition takes as long as they do. */
  largeBytes = 0;
  /** Batches that are not settled. */
  unsettled = 0;
  /** The newest batch. */
  last: Settlement | undefined = undefined;
  /** Those who wait until nothing is unsettled. */
  private drained: (() => void)[] = [];

  constructor(readonly partition: number) {}

  enqueue(call: Call): void {
    this.queue.push(call);
    this.waiting = this.queue.length;
  }

  /** A call that was taken out, or came when nobody waited, lacks something that has to be loaded first. */
  putBack(call: Call): void {
    this.queue.putFirst(call);
    this.waiting = this.queue.length;
  }

  /** The same of several, in order. */
  putAllBack(calls: readonly Call[]): void {
    this.queue.putAllFirst(calls);
    this.waiting = this.queue.length;
  }

  /** The call that has waited longest. */
  get head(): Call | undefined {
    return this.queue.first;
  }

  takeHead(): void {
    this.queue.takeFirst();
    this.waiting = this.queue.length;
  }

  /** What the head waits for goes on, and with it all that wait behind it. */
  goesOn(nowMs: number): void {
    for (const call of this.queue) call.goesOn(nowMs);
  }

  /** So many large bytes go before all that wait: a batch of one that waited longer. */
  moves(bytes: number): void {
    for (const call of this.queue) call.moves(bytes);
  }

  /** Takes out the calls that `isDue` names, in order. */
  takeEvery(isDue: (call: Call) => boolean): Call[] {
    const due = this.queue.takeEvery(isDue);
    this.waiting = this.queue.length;
    return due;
  }

  /** Calls back when nothing is unsettled, now or later. */
  whenDrained(callback: () => void): void {
    if (this.unsettled === 0) callback();
    else this.drained.push(callback);
  }

  begun(settlement: Settlement): void {
    this.unsettled++;
    this.last = settlement;
  }

  settled(): void {
    if (--this.unsettled === 0) this.releaseDrained();
  }

  /** Waits no longer for what cannot settle in this term. */
  releaseDrained(): void {
    const { drained } = this;
    if (drained.length === 0) return;
    this.drained = [];
    for (const callback of drained) callback();
  }

  /** Stops coordinating; whoever waits is handed out to be routed anew. */
  stop(): Call[] {
    this.state = 'idle';
    this.waiting = 0;
    return this.queue.takeAll();
  }
}
