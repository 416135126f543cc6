/**
 * Where a call goes: a read of a partition that this node is a home replica of is answered here, unless writes of its connection are under way to the
 * coordinator, which it then follows; everything else goes to the partition's coordinator, this node or a peer. A node asked to coordinate while it can reach an earlier home replica passes the call up.
 */
import type { torc } from '../protocol/generated/messages.js';
import { ByteReader } from '../protocol/byte-reader.js';
import { CommandRow, readCommand } from '../protocol/peer/packed-rows.js';
import { EncodedReply, ErrorReply, ok, StoredValue, type Reply } from '../protocol/resp/reply.js';
import { encodeReply, encodeReplyParts } from '../protocol/resp/reply-writer.js';
import type { Clock } from '../storage/clock.js';
import { CommandError } from '../storage/execution.js';
import { Call, loading, noReplicas, notServedInTime, unknownOutcome, type CallOptions, type CallOrder, type ReadFrom } from './call.js';
import type { CommandDecoder, Operation } from './command.js';
import type { Coordinator } from './coordinator.js';
import type { Membership } from './membership.js';
import type { Peer } from './peer.js';
import { fromCoordinatorBit, hopsMost } from './frame-columns.js';
import type { PeerLink } from './peer-link.js';
import type { Reader } from './reader.js';
import { Session } from './session.js';
import { CallTrace, contextsById, requestAttributes, type Tracer } from './tracing.js';

/** From a front node to a coordinator, and from one that is not first any more to the one that is. */
const hopsMax = 2;
const busy = new ErrorReply('BUSY too many large replies wait for the node that was asked');

/** The session's route of reads that are answered here. */
const readHere = 0;
/** Added to that of a call that goes in pieces: what comes after it would overtake it. */
const inPieces = 1 << 20;

export interface RouterOptions {
  readonly membership: Membership;
  readonly coordinator: Coordinator;
  readonly reader: Reader;
  readonly clock: Clock;
  readonly decoder: CommandDecoder;
  readonly isReady: () => boolean;
  /** Others may stand in for home replicas. */
  readonly isSloppy: () => boolean;
  /** Read each time. */
  readonly directives: { readonly readFrom: ReadFrom };
  /** This node is not to answer reads of the partition alone. */
  readonly isDoubtful: (partition: number) => boolean;
  /** This node is not to coordinate anything. */
  readonly coordinatesNothing: () => boolean;
  /** Undefined = what others traced is not traced on. */
  readonly tracer: Tracer | undefined;
}

export class Router {
  /** Calls sent to another node, for INFO. */
  forwarded = 0;
  private readonly row = new CommandRow();
  /** When a peer last forwarded commands here, monotonic. */
  lastAskedMs = -Infinity;
  /** What the calls of a peer follow one another by, each of which may be of any connection there: by how often they were forwarded, so that none waits for one that waits for it elsewhere. */
  private readonly sessions = new WeakMap<Peer, readonly Session[]>();

  constructor(private readonly options: RouterOptions) {}

  /** Sends a call on its way; it is answered exactly once, in any case. */
  readonly submit = (call: Call): void => {
    const { membership, coordinator } = this.options;
    if (!this.options.isReady()) return call.answer(loading);
    if (membership.memberCount === 1) return coordinator.submit(call);
    if (this.isReadHere(call)) return this.read(call);
    const target = this.target(call);
    if (target === undefined) return call.answer(noReplicas(1, 0, call.operation.access));
    this.send(call, target);
  };

  private send(call: Call, target: number): void {
    if (call.session === undefined || call.session.enter(call, this.routeTo(call, target))) this.dispatch(call, target);
  }

  private routeTo(call: Call, target: number): number {
    const link = this.options.membership.peer(target)?.link;
    return link?.isLarge(call.bytes) === true ? inPieces + 1 + target : 1 + target;
  }

  /** Sends calls that were not executed, in order, on their way again. */
  readonly reroute = (calls: readonly Call[]): void => {
    const bySession = new Map<CallOrder, Call[]>();
    for (const call of calls) {
      const { session } = call;
      const known = session === undefined ? undefined : bySession.get(session);
      if (session === undefined) this.sendAgain(call);
      else if (this.isOverdue(call)) continue;
      else if (known !== undefined) known.push(call);
      else bySession.set(session, [call]);
    }
    for (const [session, its] of bySession) session.again(its);
  };

  /** A read that is not answered here goes to its coordinator, beside those that are: what would show in it waits for it. */
  readonly sendOn = (read: Call): void => {
    if (read.session?.routeOf(read.partition) === readHere) this.sendAgain(read);
    else this.reroute([read]);
  };

  private sendAgain(call: Call): void {
    if (this.isOverdue(call)) return;
    const target = this.target(call) ?? (this.isReadHere(call) ? this.options.membership.selfIndex : undefined);
    if (target === undefined) call.answer(noReplicas(1, 0, call.operation.access));
    else this.dispatch(call, target);
  }

  /** What had to wait goes on. */
  private readonly resume = (call: Call): void => {
    if (!this.isOverdue(call)) this.submit(call);
  };

  /** Then it is answered: whoever asked has given it up, and this node may have stood still. */
  private isOverdue(call: Call): boolean {
    if (call.deadlineMs >= this.options.clock.monotonicMs()) return false;
    call.answer(notServedInTime);
    return true;
  }

  /** A peer forwarded commands. Throws FormatError. */
  onCommands(peer: Peer, commands: torc.Commands): void {
    const { decoder, clock } = this.options;
    this.lastAskedMs = clock.monotonicMs();
    const sentMs = peer.frameSentMs;
    const sessions = this.sessionsOf(peer);
    const reader = new ByteReader(commands.rows as Buffer);
    const { row } = this;
    const { tracer } = this.options;
    const traced = tracer === undefined ? undefined : contextsById(commands.traces);
    for (let id = commands.firstId; reader.remaining > 0; id++) {
      readCommand(reader, row);
      const { args, partition, options: bits, remainingMs } = row;
      const resp = (bits & 3) === 3 ? 3 : 2;
      const options = {
        resp,
        writeQuorum: (bits >> 2) & 15,
        readQuorum: (bits >> 6) & 15,
        deadlineMs: sentMs + remainingMs,
      } as const;
      try {
        const call = new ForwardedCall(args, decoder.decode(args), partition, options, peer, id);
        call.hops = (bits >> 10) & 3;
        call.session = sessions[call.hops];
        call.patience = peer.link.patience;
        call.fromCoordinator = (bits & fromCoordinatorBit) !== 0;
        const context = traced?.get(id);
        if (tracer !== undefined && context !== undefined) {
          call.trace = new CallTrace(tracer, context);
          call.trace.enter('torc.peer/forward', 'server', requestAttributes('torc.peer/forward'));
        }
        if (remainingMs === 0)
          call.answer(notServedInTime); // overdue when it was sent: the clock here may not have moved on yet
        else this.submit(call);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        peer.link.reply(id, encodeReply(error.reply, resp));
      }
    }
  }

  /** The order of a connection of this node. */
  newSession(): Session {
    return new Session(this.resume, this.options.clock);
  }

  private sessionsOf(peer: Peer): readonly Session[] {
    let sessions = this.sessions.get(peer);
    if (sessions === undefined) {
      sessions = Array.from({ length: hopsMost }, () => new Session(this.resume, this.options.clock, true));
      this.sessions.set(peer, sessions);
    }
    return sessions;
  }

  /** A command that was forwarded to a peer takes longer, for the bytes that it moves. */
  onWorking(peer: Peer, { id, bytes }: torc.Working): void {
    peer.link.forwardedCall(id)?.moves(bytes);
  }

  /** Throws FormatError. */
  onReplies(peer: Peer, { rows }: torc.Replies): void {
    const reader = new ByteReader(rows as Buffer);
    while (reader.remaining > 0) {
      const call = peer.link.takeForwarded(reader.counter());
      const reply = reader.bytes(reader.u32());
      call?.answer(isOk(reply) ? ok : new EncodedReply(reply));
    }
  }

  /** A link broke, or the stream that replies come over was replaced: reads are sent on their way again, writes may have happened. */
  repliesLost(peer: Peer): void {
    const reads: Call[] = [];
    for (const call of peer.link.takeLostForwarded()) {
      if (call.operation.access === 'read') reads.push(call);
      else call.answer(unknownOutcome);
    }
    this.reroute(reads);
  }

  /** Gives up forwarded calls that are overdue. */
  tick(peers: Iterable<Peer>): void {
    const nowMs = this.options.clock.monotonicMs();
    for (const peer of peers) {
      for (const call of peer.link.takeOverdue(peer.answeredUntilMs(nowMs)))
        call.answer(call.operation.access === 'write' ? unknownOutcome : notServedInTime);
    }
  }

  private isReadHere(call: Call): boolean {
    const { operation, partition } = call;
    if (operation.access !== 'read' || operation.wholePartition) return false;
    if (call.hops === 0 && this.options.directives.readFrom === 'coordinator') call.fromCoordinator = true;
    if (call.fromCoordinator) return false;
    const { membership } = this.options;
    return membership.isHome(partition) && !this.options.isDoubtful(partition) && !(membership.failing && this.othersServe(partition));
  }

  /** While this node's disk refuses writes it cannot keep what a read finds that it lacks. */
  private othersServe(partition: number): boolean {
    const { membership } = this.options;
    return membership.coordinatorOf(partition) !== membership.selfIndex;
  }

  private target(call: Call): number | undefined {
    const { membership } = this.options;
    const selfMay = !this.options.coordinatesNothing();
    // One that is full waits until the others have heard that, rather than refuse what they would take.
    if (selfMay && call.hops >= hopsMax && !membership.full && membership.isHome(call.partition)) return membership.selfIndex;
    const home = membership.coordinatorOf(call.partition, selfMay);
    if (home !== undefined || !this.mayBeStoodInFor(call)) return home;
    return selfMay && call.hops >= hopsMax ? membership.selfIndex : membership.firstSubstitute(call.partition, selfMay);
  }

  /** No home replica can be reached, and another node may take a write for them. What a read would show there is of no worth. */
  private mayBeStoodInFor({ operation, partition }: Call): boolean {
    if (operation.access !== 'write' || operation.wholePartition || !this.options.isSloppy()) return false;
    return this.options.membership.reachableHomes(partition) === 0;
  }

  /**
   * Reads here; but while writes of the same connection are under way to the coordinator the read follows them, which keeps its place. What was
   * forwarded goes on as the writes before it do, which are passed up when this node is not the first that may coordinate.
   */
  private read(call: Call): void {
    const { membership, reader } = this.options;
    const { session } = call;
    if (call.hops > 0) return this.send(call, this.target(call) ?? membership.selfIndex);
    const route = session?.routeOf(call.partition) ?? readHere;
    if (session !== undefined && !session.enter(call, membership.isReachable(route - 1) ? route : readHere)) return;
    if (route === readHere) reader.submit(call);
    else this.dispatch(call, route - 1);
  }

  private dispatch(call: Call, target: number): void {
    const { membership, coordinator } = this.options;
    const peer = membership.peer(target);
    if (peer === undefined) {
      coordinator.submit(call);
      return;
    }
    if (call.args.length === 0) return call.answer(notServedInTime); // this node's own work: the sweeper's
    call.hops++;
    this.forwarded++;
    const { link } = peer;
    if (link.isLarge(call.bytes)) call.moves(call.bytes + link.largeBytes); // it waits for those before it
    link.forward(call);
  }
}

/** `+OK`, what most writes answer. */
function isOk(reply: Buffer): boolean {
  return reply.length === 5 && reply[0] === 0x2b && reply[1] === 0x4f && reply[2] === 0x4b;
}

/** A peer's call: its reply goes back over the link. */
class ForwardedCall extends Call {
  constructor(
    args: readonly Buffer[],
    operation: Operation,
    partition: number,
    options: CallOptions,
    private readonly peer: Peer,
    private readonly id: number,
  ) {
    super(args, operation, partition, options);
  }

  override moves(bytes: number): void {
    const before = this.graceMs;
    super.moves(bytes);
    if (this.graceMs > before) this.peer.link.say({ working: [{ id: this.id, bytes }] });
  }

  protected deliver(reply: Reply): void {
    const { link } = this.peer;
    const { resp } = this.options;
    if (reply instanceof EncodedReply) link.reply(this.id, reply.bytes);
    else if (!holdsMore(reply, link)) link.reply(this.id, encodeReply(reply, resp));
    else if (link.isFullOfLarge) link.reply(this.id, encodeReply(busy, 2));
    else link.replyInPieces(this.id, encodeReplyParts(reply, resp));
  }
}

/** A value in the reply is by itself too large for a frame. */
function holdsMore(reply: Reply, link: PeerLink): boolean {
  if (reply instanceof StoredValue || reply instanceof Uint8Array) return link.isLarge(reply.length);
  return Array.isArray(reply) && reply.some((each: Reply) => each instanceof Uint8Array && link.isLarge(each.length));
}
