/**
 * A connection's order: two commands of one connection on one partition run in order, though reads are answered here and writes at
 * the coordinator, which may change. So a command on a partition waits while others of its connection are under way there on another route.
 * On one route a read follows writes at once, but a write waits for reads: they compare replicas, and would show what it wrote.
 */
import type { Call, CallOrder } from './call.js';

/** Routes: 0 = read here, otherwise 1 + index of the member that coordinates. */
interface Lane {
  readonly route: number;
  underWay: number;
  /** Of those, the ones that compare replicas. */
  reads: number;
  waiting: Call[] | undefined;
}

export class Session implements CallOrder {
  private readonly lanes = new Map<number, Lane>();

  /** `resume` takes the calls that had to wait. */
  constructor(private readonly resume: (call: Call) => void) {}

  /** The route of what is under way in the partition; undefined = nothing is. */
  routeOf(partition: number): number | undefined {
    return this.lanes.get(partition)?.route;
  }

  /** True: the call may go on, on `route`. False: it waits here and will be given to `resume`. */
  enter(call: Call, route: number): boolean {
    const lane = this.lanes.get(call.partition);
    const reads = comparesReplicas(call) ? 1 : 0;
    if (lane === undefined) {
      this.lanes.set(call.partition, { route, underWay: 1, reads, waiting: undefined });
      call.inSession = true;
      return true;
    }
    if (lane.route === route && lane.waiting === undefined && (reads === 1 || lane.reads === 0)) {
      lane.underWay++;
      lane.reads += reads;
      call.inSession = true;
      return true;
    }
    (lane.waiting ??= []).push(call);
    return false;
  }

  /** The call was answered: those that waited for it go on, in order. Nothing happens when it was answered before it could enter. */
  leave(call: Call): void {
    if (!call.inSession) return;
    call.inSession = false;
    const lane = this.lanes.get(call.partition);
    if (lane === undefined) return;
    if (comparesReplicas(call)) lane.reads--;
    if (--lane.underWay > 0) return;
    this.lanes.delete(call.partition);
    if (lane.waiting !== undefined) for (const waiting of lane.waiting) this.resume(waiting);
  }
}

/** It is answered by what it finds when replicas have been compared, whatever came to the coordinator after it. */
function comparesReplicas({ operation }: Call): boolean {
  return operation.access === 'read' && !operation.wholePartition;
}
