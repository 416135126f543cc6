/**
 * An order of calls: two commands of one connection on one partition run in order, though reads are answered here and writes at
 * the coordinator, which may change. So a command on a partition waits while others of its connection are under way there on another route.
 * On one route a read follows writes at once, but a write waits for reads: they compare replicas, and would show what it wrote.
 *
 * What a peer forwards is kept in the same order, as if all of it were of one connection: it is not known which are. There the reads were answered before a write
 * that follows them was sent.
 *
 * Invariant: where some wait, the first of them came before all that wait and will come. A call that did not run and is sent on its way again stands where it stood.
 *
 * The lanes, one per partition with something under way, stand in columns of a small hash table: every command of a cluster enters and leaves one.
 */
import type { Clock } from '../storage/clock.js';
import { TurnSlice } from '../storage/turn-slice.js';
import type { Call, CallOrder } from './call.js';
import { CallQueue } from './call-queue.js';

/** No lane in this place. */
const free = -1;
/** Of those that wait and are resumed at once: one may be a thousand times another. */
const resumedSteps = { most: 500, perLook: 4 };

/** Calls of a lane that wait, in the order of their places. */
class Waiting extends CallQueue {
  /** They are being resumed, one after the other: the lane stays though nothing may be under way in it. */
  isResuming = false;
}

export class Session implements CallOrder {
  private partitions = new Int32Array(16).fill(free);
  /** 0 = read here, otherwise 1 + index of the member that coordinates. */
  private routes = new Int32Array(16);
  private underWay = new Int32Array(16);
  /** Of those under way, the ones that compare replicas. */
  private reads = new Int32Array(16);
  private waiting: (Waiting | undefined)[] = [];
  /** The place of the call that came last. */
  private latest = new Int32Array(16);
  private lanes = 0;
  /** The one of those being resumed that had to wait again, as long as that is looked at. */
  private refused: Call | undefined = undefined;

  /** `resume` takes the calls that had to wait. */
  constructor(
    private readonly resume: (call: Call) => void,
    private readonly clock: Clock,
    private readonly isOfPeer = false,
  ) {}

  /** The route of what is under way in the partition; undefined = nothing is. */
  routeOf(partition: number): number | undefined {
    const at = this.find(partition);
    return this.partitions[at] === partition && this.underWay[at] !== 0 ? this.routes[at] : undefined;
  }

  /** True: the call may go on, on `route`. False: it waits here and will be given to `resume`. */
  enter(call: Call, route: number): boolean {
    const at = this.laneOf(call.partition);
    this.givePlace(at, call);
    const reads = this.readsOf(call);
    const first = this.waiting[at]?.first;
    if ((first !== undefined && first.place < call.place) || !this.goesBeside(at, route, reads)) {
      const waiting = this.waitingAt(at);
      waiting.insert(call);
      if (waiting.isResuming) this.refused = call;
      return false;
    }
    this.routes[at] = route;
    this.underWay[at] = (this.underWay[at] ?? 0) + 1;
    this.reads[at] = (this.reads[at] ?? 0) + reads;
    call.inSession = true;
    return true;
  }

  /** Calls that did not run, in order, are sent on their way again: each stands among those that wait, where it stood, until it may go on. */
  again(calls: readonly Call[]): void {
    const byPartition = new Map<number, Call[]>();
    for (const call of calls) {
      const at = this.laneOf(call.partition);
      this.givePlace(at, call);
      if (call.inSession) this.withdraw(at, call);
      const its = byPartition.get(call.partition);
      if (its === undefined) byPartition.set(call.partition, [call]);
      else its.push(call);
    }
    for (const [partition, its] of byPartition) {
      this.waitingAt(this.find(partition)).insertAll(its.sort((one, other) => one.place - other.place));
      this.resumeAll(partition, 0);
    }
  }

  /** The call was answered: those that waited for it go on, in order. Nothing happens when it was answered before it could enter. */
  leave(call: Call): void {
    if (!call.inSession) return;
    const { partition, graceMs } = call;
    const at = this.find(partition);
    if (this.withdraw(at, call) > 0) return;
    if (this.waiting[at] === undefined) this.remove(at);
    else this.resumeAll(partition, graceMs);
  }

  /** Returns how many are under way in the lane without it. */
  private withdraw(at: number, call: Call): number {
    call.inSession = false;
    this.reads[at] = (this.reads[at] ?? 0) - this.readsOf(call);
    return (this.underWay[at] = (this.underWay[at] ?? 0) - 1);
  }

  private waitingAt(at: number): Waiting {
    return (this.waiting[at] ??= new Waiting());
  }

  /** Behind all that came before it. */
  private givePlace(at: number, call: Call): void {
    if (call.place === 0) call.place = this.latest[at] = (this.latest[at] ?? 0) + 1;
  }

  /** What can go on beside what is under way in the lane, or alone in it. */
  private goesBeside(at: number, route: number, reads: number): boolean {
    if (this.underWay[at] === 0) return true;
    return this.routes[at] === route && (reads === 1 || this.reads[at] === 0);
  }

  /** 1 = whoever comes after it has to wait for it where it does not compare replicas itself. */
  private readsOf(call: Call): 0 | 1 {
    return !this.isOfPeer && comparesReplicas(call) ? 1 : 0;
  }

  /** Those that waited for a call, which took `graceMs` longer, go on, some in a turn, up to the first that has to wait again. */
  private resumeAll(partition: number, graceMs: number): void {
    const waiting = this.waiting[this.find(partition)];
    if (waiting === undefined || waiting.isResuming) return;
    waiting.isResuming = true;
    this.resumeSome(partition, waiting, graceMs, new TurnSlice(this.clock, resumedSteps.most, resumedSteps.perLook));
  }

  private resumeSome(partition: number, waiting: Waiting, graceMs: number, slice: TurnSlice): void {
    for (let next = waiting.first; next !== undefined; next = waiting.first) {
      waiting.takeFirst();
      if (!this.isOfPeer) next.graceMs = Math.max(next.graceMs, graceMs); // it waited for the bytes that were moved before it; a peer would have to be told
      this.resume(next);
      const waitsAgain = this.refused === next;
      this.refused = undefined;
      if (waitsAgain) {
        if (this.underWay[this.find(partition)] !== 0) break;
      } else if (slice.isOver() && waiting.first !== undefined) {
        return this.clock.nextTurn(() => {
          slice.begin();
          this.resumeSome(partition, waiting, graceMs, slice);
        });
      }
    }
    waiting.isResuming = false;
    if (waiting.first !== undefined) return;
    const at = this.find(partition);
    this.waiting[at] = undefined;
    if (this.underWay[at] === 0) this.remove(at);
  }

  /** The partition's place, which becomes a lane with nothing under way when it is none. */
  private laneOf(partition: number): number {
    const at = this.find(partition);
    if (this.partitions[at] === partition) return at;
    if (2 * ++this.lanes > this.partitions.length) {
      this.grow();
      return this.lane(this.find(partition), partition);
    }
    return this.lane(at, partition);
  }

  private lane(at: number, partition: number): number {
    this.partitions[at] = partition;
    this.underWay[at] = 0;
    this.reads[at] = 0;
    this.latest[at] = 0;
    return at;
  }

  /** The partition's place, or the free one where it would stand. */
  private find(partition: number): number {
    const mask = this.partitions.length - 1;
    let at = partition & mask;
    while (this.partitions[at] !== partition && this.partitions[at] !== free) at = (at + 1) & mask;
    return at;
  }

  /** Frees a place, and moves up those behind it that were pushed on by it. */
  private remove(place: number): void {
    this.lanes--;
    const mask = this.partitions.length - 1;
    let hole = place;
    for (let at = (place + 1) & mask; this.partitions[at] !== free; at = (at + 1) & mask) {
      const home = (this.partitions[at] ?? 0) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.move(at, hole);
      hole = at;
    }
    this.partitions[hole] = free;
    this.waiting[hole] = undefined;
  }

  private move(from: number, to: number): void {
    this.partitions[to] = this.partitions[from] ?? free;
    this.routes[to] = this.routes[from] ?? 0;
    this.underWay[to] = this.underWay[from] ?? 0;
    this.reads[to] = this.reads[from] ?? 0;
    this.waiting[to] = this.waiting[from];
    this.latest[to] = this.latest[from] ?? 0;
  }

  private grow(): void {
    const { partitions, routes, underWay, reads, waiting, latest } = this;
    const size = 2 * partitions.length;
    this.partitions = new Int32Array(size).fill(free);
    this.routes = new Int32Array(size);
    this.underWay = new Int32Array(size);
    this.reads = new Int32Array(size);
    this.waiting = [];
    this.latest = new Int32Array(size);
    partitions.forEach((partition, from) => {
      if (partition === free) return;
      const to = this.find(partition);
      this.partitions[to] = partition;
      this.routes[to] = routes[from] ?? 0;
      this.underWay[to] = underWay[from] ?? 0;
      this.reads[to] = reads[from] ?? 0;
      this.waiting[to] = waiting[from];
      this.latest[to] = latest[from] ?? 0;
    });
  }
}

/** It is answered by what it finds when replicas have been compared, whatever came to the coordinator after it. */
function comparesReplicas({ operation }: Call): boolean {
  return operation.access === 'read' && !operation.wholePartition;
}
