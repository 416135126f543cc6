/**
 * A connection's order: two commands of one connection on one partition run in order, though reads are answered here and writes at
 * the coordinator, which may change. So a command on a partition waits while others of its connection are under way there on another route.
 * On one route a read follows writes at once, but a write waits for reads: they compare replicas, and would show what it wrote.
 * A node that passes a peer's calls on keeps them in the same order, as if all were of one connection: it does not know which are.
 *
 * The lanes, one per partition with something under way, stand in columns of a small hash table: every command of a cluster enters and leaves one.
 */
import type { Call, CallOrder } from './call.js';
import { CallQueue } from './call-queue.js';

/** No lane in this place. */
const free = -1;
/** Of a lane where not all that are under way are on the same one: nothing goes beside them. */
const severalRoutes = 1 << 30;

/** Calls of a lane that wait. */
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
  private lanes = 0;
  /** The call that waited and is being given to `resume`. */
  private resumed: Call | undefined = undefined;

  /** `resume` takes the calls that had to wait. */
  constructor(private readonly resume: (call: Call) => void) {}

  /** The route of what is under way in the partition; undefined = nothing is. */
  routeOf(partition: number): number | undefined {
    const at = this.find(partition);
    return this.partitions[at] === partition && this.underWay[at] !== 0 ? this.routes[at] : undefined;
  }

  /** True: the call may go on, on `route`. False: it waits here and will be given to `resume`. */
  enter(call: Call, route: number): boolean {
    let at = this.find(call.partition);
    const reads = comparesReplicas(call) ? 1 : 0;
    if (this.partitions[at] !== call.partition) {
      if (2 * ++this.lanes > this.partitions.length) {
        this.grow();
        at = this.find(call.partition);
      }
      this.partitions[at] = call.partition;
      this.routes[at] = route;
      this.underWay[at] = 1;
      this.reads[at] = reads;
    } else if ((this.waiting[at] === undefined || call === this.resumed) && this.goesBeside(at, route, reads)) {
      this.routes[at] = route;
      this.underWay[at] = (this.underWay[at] ?? 0) + 1;
      this.reads[at] = (this.reads[at] ?? 0) + reads;
    } else {
      // One that is being resumed stands at the head already, and stays there.
      if (call !== this.resumed) (this.waiting[at] ??= new Waiting()).push(call);
      else this.resumed = undefined;
      return false;
    }
    call.inSession = true;
    return true;
  }

  /** The call, which is under way, goes on by `route`: what comes after it goes beside it there, unless others are under way on the one that it had. */
  reroute(call: Call, route: number): void {
    const at = this.find(call.partition);
    if (this.routes[at] === route) return;
    this.routes[at] = this.underWay[at] === 1 ? route : severalRoutes;
  }

  /** The call was answered: those that waited for it go on, in order. Nothing happens when it was answered before it could enter. */
  leave(call: Call): void {
    if (!call.inSession) return;
    call.inSession = false;
    const at = this.find(call.partition);
    if (this.partitions[at] !== call.partition) return;
    const left = (this.underWay[at] ?? 0) - 1;
    this.underWay[at] = left;
    if (comparesReplicas(call)) this.reads[at] = (this.reads[at] ?? 0) - 1;
    if (left > 0) return;
    const waiting = this.waiting[at];
    if (waiting === undefined) this.remove(at);
    else if (!waiting.isResuming) this.resumeAll(call, waiting);
  }

  /** What can go on beside what is under way in the lane, or alone in it. */
  private goesBeside(at: number, route: number, reads: number): boolean {
    if (this.underWay[at] === 0) return true;
    return this.routes[at] === route && (reads === 1 || this.reads[at] === 0);
  }

  /** Those that waited for `call` go on, up to the first that has to wait again: it and all behind it keep their places. */
  private resumeAll({ partition, graceMs }: Call, waiting: Waiting): void {
    waiting.isResuming = true;
    for (let next = waiting.first; next !== undefined; next = waiting.first) {
      next.graceMs = Math.max(next.graceMs, graceMs); // it waited for the bytes that were moved before it
      const before = this.resumed; // an answer may have let another lane go on
      this.resumed = next;
      this.resume(next);
      const waitsAgain = this.resumed === undefined;
      this.resumed = before;
      if (!waitsAgain) waiting.takeFirst();
      else if (this.underWay[this.find(partition)] !== 0) break;
    }
    waiting.isResuming = false;
    if (waiting.length > 0) return;
    const at = this.find(partition);
    this.waiting[at] = undefined;
    if (this.underWay[at] === 0) this.remove(at);
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
  }

  private grow(): void {
    const { partitions, routes, underWay, reads, waiting } = this;
    const size = 2 * partitions.length;
    this.partitions = new Int32Array(size).fill(free);
    this.routes = new Int32Array(size);
    this.underWay = new Int32Array(size);
    this.reads = new Int32Array(size);
    this.waiting = [];
    partitions.forEach((partition, from) => {
      if (partition === free) return;
      const to = this.find(partition);
      this.partitions[to] = partition;
      this.routes[to] = routes[from] ?? 0;
      this.underWay[to] = underWay[from] ?? 0;
      this.reads[to] = reads[from] ?? 0;
      this.waiting[to] = waiting[from];
    });
  }
}

/** It is answered by what it finds when replicas have been compared, whatever came to the coordinator after it. */
function comparesReplicas({ operation }: Call): boolean {
  return operation.access === 'read' && !operation.wholePartition;
}
