/**
 * A call: one operation on its way to a reply, from a client of this node or from a peer that forwarded it. It is answered exactly once.
 */
import { EncodedReply, ErrorReply, type Reply } from '../protocol/resp/reply.js';
import { LongReply } from '../protocol/resp/long-reply.js';
import type { LongWork } from '../storage/long-work.js';
import type { Operation } from './command.js';
import type { CallTrace } from './tracing.js';

export const loading = new ErrorReply('LOADING the node is joining its cluster or recovering its data');
export const unknownOutcome = new ErrorReply(
  'UNKNOWNOUTCOME the write was sent but not acknowledged by its write quorum in time; it may or may not take effect',
);

export function noReplicas(needed: number, reachable: number, what: 'write' | 'read'): ErrorReply {
  return new ErrorReply(`NOREPLICAS ${reachable} home replicas are reachable, the ${what} quorum is ${needed}`);
}

/** Its beginning is what Redis says when it cannot write to its log. */
export const diskFull = new ErrorReply(
  'MISCONF Errors writing to the commit log: fewer replicas than the write quorum have room, which is min-free-space on a disk that takes writes and keeps up with them; reads go on, and writes when there is room',
);
/** Of a node that cannot show what its log does not have, and of one that would have to write first. */
export const diskRefuses = new ErrorReply(
  'MISCONF Errors writing to the commit log: the disk of this node refuses writes, and no other replica can answer for it',
);
export const diskTooSlow = new ErrorReply("NOREPLICAS the coordinator's disk does not keep up with the writes; nothing was executed");
export const notServedInTime = new ErrorReply('NOREPLICAS no coordinator was found in time; nothing was executed');

/** Which home replica answers a read of keys. */
export type ReadFrom = 'any' | 'coordinator';

/** How much longer than its deadline a command may take for the bytes that it moves. */
export interface BulkPatience {
  /** A command that moves fewer has no more time for them. Less than half of what `goesOn` gives, at the rate below. */
  readonly freeBytes: number;
  /** The slowest that bytes may move before a command that moves them is given up. */
  readonly slowestBytesPerMs: number;
}

/**
 * It goes with the sizes of pieces (bulk-sender.ts): a window in two seconds, which is what is left where a dozen processes want each of the node's processors. What does not move at all breaks its link
 * long before.
 */
export const usualBulkPatience: BulkPatience = { freeBytes: 256 * 1024, slowestBytesPerMs: 1024 };

/** What a call may still take after it was seen that what it waits for goes on. */
const patienceMs = 1000;

/** How much longer a command may take that moves so many bytes, ms. */
export function bulkPatienceMs({ freeBytes, slowestBytesPerMs }: BulkPatience, bytes: number): number {
  return bytes <= freeBytes ? 0 : bytes / slowestBytesPerMs;
}

export interface CallOptions {
  readonly resp: 2 | 3;
  /** W and R of the connection; 0 = the node's. */
  readonly writeQuorum: number;
  readonly readQuorum: number;
  /** After this it must not be run, ms of this node's monotonic clock: the hybrid clock leaps when a peer's is ahead. Call.deadlineMs is what counts. */
  readonly deadlineMs: number;
}

/** Keeps the commands of one connection, or all that a peer forwards, in order: a session. */
export interface CallOrder {
  /** False: the call waits, and comes back when those before it were answered. */
  enter(call: Call, route: number): boolean;
  /** The route of what is under way in the partition; undefined = nothing is. */
  routeOf(partition: number): number | undefined;
  /** Calls that did not run, in order, are to be sent on their way again. */
  again(calls: readonly Call[]): void;
  leave(call: Call): void;
}

const noArguments: readonly Buffer[] = [];

/** Stands for the operation of a write that another node runs. */
const sentWrite: Operation = {
  access: 'write',
  blind: false,
  keys: noArguments,
  wholePartition: false,
  run: () => {
    throw new Error('a write that was sent to another node is run here');
  },
};
const sentPartitionWrite: Operation = { ...sentWrite, wholePartition: true };

export abstract class Call {
  /** How often it was forwarded. */
  hops = 0;
  /** Who keeps its connection's, or its peer's, commands in order; undefined where nothing follows it. */
  session: CallOrder | undefined = undefined;
  /** It is under way by its session's order, which its answer has to tell. */
  inSession = false;
  /** In its session's order, from 1 on; 0 = none yet. */
  place = 0;
  /** A read that only the partition's coordinator answers, in a term that is proven to stand. */
  fromCoordinator = false;
  /** What its bytes take longer (`moves`). */
  graceMs = 0;
  /** What `moves` goes by. */
  patience: BulkPatience = usualBulkPatience;
  /** A batch of an earlier run may be held somewhere: no refusal can say any more that nothing was executed. */
  mayHaveWritten = false;
  /** What its run lacked, made since. */
  prepared: LongWork<unknown> | undefined = undefined;
  /** Set where the command was sampled. */
  trace: CallTrace | undefined = undefined;

  constructor(
    /** Name first; borrowed from the connection's input, kept alive by this reference. */
    public args: readonly Buffer[],
    public operation: Operation,
    readonly partition: number,
    readonly options: CallOptions,
  ) {}

  get deadlineMs(): number {
    return this.options.deadlineMs + this.graceMs;
  }

  /** Of its arguments. */
  get bytes(): number {
    let bytes = 0;
    for (let i = 0; i < this.args.length; i++) bytes += (this.args[i] as Buffer).length;
    return bytes;
  }

  /** It waits for so many bytes to be moved: its own arguments or reply, the batch that it wrote, one before it. */
  moves(bytes: number): void {
    this.graceMs = Math.max(this.graceMs, bulkPatienceMs(this.patience, bytes));
  }

  /** What it waits for, a load of its key, goes on: it has some time from `nowMs` on, whatever its deadline was. Whoever forwarded it is told. */
  goesOn(nowMs: number): void {
    if (nowMs + patienceMs / 2 < this.deadlineMs) return;
    this.moves((nowMs + patienceMs - this.options.deadlineMs) * this.patience.slowestBytesPerMs);
  }

  /**
   * It was sent to where it runs and will never be sent again: only its reply is awaited. Its arguments may go, so that a thousand
   * commands on their way are not a thousand inputs kept alive.
   */
  release(): void {
    this.args = noArguments;
    this.operation = this.operation.wholePartition ? sentPartitionWrite : sentWrite;
  }

  /** Gives the reply; once. What waited for it in its session goes on. */
  answer(reply: Reply): void {
    if (reply instanceof LongReply) return reply.whenWhole((whole) => this.answer(whole));
    const { session } = this;
    if (this.trace !== undefined) this.trace.end(errorCodeOf(reply));
    this.deliver(this.mayHaveWritten && isError(reply) ? unknownOutcome : reply);
    session?.leave(this);
  }

  /** Brings the reply to whoever asked. */
  protected abstract deliver(reply: Reply): void;
}

/** An error reply's first word; undefined = the reply is none. */
export function errorCodeOf(reply: Reply): string | undefined {
  return reply instanceof ErrorReply ? reply.code : reply instanceof EncodedReply ? reply.errorCode : undefined;
}

function isError(reply: Reply): boolean {
  return reply instanceof ErrorReply || (reply instanceof EncodedReply && reply.bytes[0] === 0x2d);
}
