/**
 * A connection's order: two commands of one connection on one partition run in order, though reads are answered here and writes at
 * the coordinator, which may change. So a command on a partition waits while others of its connection are under way there on another route.
 * On one route a read follows writes at once, but a write waits for reads: they compare replicas, and would show what it wrote.
 *
 * The lanes, one per partition with something under way, stand in columns of a small hash table: every command of a cluster enters and leaves one.
 */
import type { Call, CallOrder } from './call.js';

/** No lane in this place. */
const free = -1;

export class Session implements CallOrder {
  private partitions = new Int32Array(16).fill(free);
  /** 0 = read here, otherwise 1 + index of the member that coordinates. */
  private routes = new Int32Array(16);
  private underWay = new Int32Array(16);
  /** Of those under way, the ones that compare replicas. */
  private reads = new Int32Array(16);
  private waiting: (Call[] | undefined)[] = [];
  private lanes = 0;

  /** `resume` takes the calls that had to wait. */
  constructor(private readonly resume: (call: Call) => void) {}

  /** The route of what is under way in the partition; undefined = nothing is. */
  routeOf(partition: number): number | undefined {
    const at = this.find(partition);
    return this.partitions[at] === partition ? this.routes[at] : undefined;
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
    } else if (this.routes[at] === route && this.waiting[at] === undefined && (reads === 1 || this.reads[at] === 0)) {
      this.underWay[at] = (this.underWay[at] ?? 0) + 1;
      this.reads[at] = (this.reads[at] ?? 0) + reads;
    } else {
      (this.waiting[at] ??= []).push(call);
      return false;
    }
    call.inSession = true;
    return true;
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
    this.remove(at);
    if (waiting === undefined) return;
    for (const next of waiting) {
      next.graceMs = Math.max(next.graceMs, call.graceMs); // it waited for the bytes that were moved before it
      this.resume(next);
    }
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
