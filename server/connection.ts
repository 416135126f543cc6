/**
 * One client: decodes its requests, keeps its replies in the order of its commands, and writes them once per turn of the event loop.
 *
 * Bounds: commands under way (reading pauses at `pendingMax`), replies that the client does not take (reading pauses, and beyond
 * client-output-buffer-limit the connection is closed), requests that do not end (the decoder's limits).
 */
import type { Socket } from 'node:net';
import type { Session } from '../cluster/session.js';
import { errorCodeOf, type Call } from '../cluster/call.js';
import { ErrorReply, type Reply, type StatusReply } from '../protocol/resp/reply.js';
import { RequestDecoder } from '../protocol/resp/request-decoder.js';
import type { CommandCount } from './command-count.js';
import type { CommandRow, KeyedRow, LocalRow } from './command-table.js';
import type { Origin } from './dispatcher.js';
import { denial, denialText, patternDenial } from './acl/permission.js';
import type { User } from './acl/user.js';
import { ClientCall } from './client-call.js';
import { clientLine } from './commands/client-line.js';
import { noAuthentication } from './commands/errors.js';
import { linger } from './linger.js';
import { OutputLimit } from './output-limit.js';
import { PartitionSet } from './partition-set.js';
import { RequestPortions } from './request-portions.js';
import { ReplyOrder, type ClientOptions, type Place } from './reply-order.js';
import type { ClientView, LocalContext, ReplyMode, Unblock } from './local-context.js';
import type { ServerState } from './server-state.js';
import { SocketOutput } from './socket-output.js';
import { CallTrace } from '../cluster/tracing.js';
import { repliesBytesMax, shortArguments, type RestingClient } from './turn-budget.js';

/** Commands of one connection under way before it is read on, and when it is again. */
const pendingMax = 1024;
const pendingLow = 256;
/** Bytes that came since all was answered, at which a client is no longer read until all is. */
const unansweredBytesMax = 64 * 1024 * 1024;
/** Bytes of untaken replies at which a client is no longer read. */
const untakenBytesMax = 1024 * 1024;

export class Connection implements ClientView, Origin, RestingClient {
  name = '';
  libraryName = '';
  libraryVersion = '';
  resp: 2 | 3 = 2;
  readonly createdAtMs: number;
  lastCommandAtMs: number;
  authenticated: boolean;
  user: User;
  noEvict = false;
  noTouch = false;
  monitoring = false;
  unblock: Unblock | undefined = undefined;
  commandsProcessed = 0;
  bytesIn = 0;
  bytesOut = 0;
  writeQuorum: number | undefined = undefined;
  readQuorum: number | undefined = undefined;
  readonly = false;
  readonly address: string;
  readonly localAddress: string;
  /** Of the command that is being dispatched. */
  options: ClientOptions;
  private readonly decoder: RequestDecoder;
  /** What waits there waits for a client that rests. */
  private readonly portions: RequestPortions;
  private readonly session: Session;
  private readonly context: LocalContext;
  private readonly replies = new ReplyOrder();
  private willFlush = false;
  private paused = false;
  private unansweredBytes = 0;
  private closing = false;
  private closeAfter = false;
  private finishing = false;
  /** The client has ended its side. */
  private hasEnded = false;
  /** The row of the last command, and its count. */
  private lastRow: CommandRow | undefined;
  private lastCount: CommandCount | undefined;
  /** Authenticated with every right, and every reply is wanted: a command needs no second look. */
  private isPlain: boolean;
  /** A command that this node answers by itself is being run. */
  private isRunning = false;
  private hasSaidWho = false;
  private replyMode: ReplyMode = 'on';
  private silent = false;
  /** What came while a command that holds the connection was under way, while clients were paused, or when this turn had done enough. */
  private held: Buffer[][] | undefined;
  /** Nothing but the turn's budget holds it. */
  private resting = false;
  /** What was held is being run: it is not all answered before the last of it is. */
  private releasing = false;
  /** A protocol error that stands behind what is held. */
  private broken: string | undefined;
  /** Of the command that is being split into calls. */
  private splitTrace: CallTrace | undefined;
  /** Where it has written, for WAIT. */
  private readonly writtenTo: PartitionSet;
  private readonly output: SocketOutput;
  private readonly outputLimit = new OutputLimit();

  constructor(
    readonly id: number,
    private readonly socket: Socket,
    private readonly server: ServerState<Connection>,
  ) {
    const taken = (): void => {
      this.wake();
      this.resumeIfClear();
    };
    this.output = new SocketOutput(socket, taken);
    this.createdAtMs = this.lastCommandAtMs = server.nowMs();
    this.address = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
    this.localAddress = `${socket.localAddress ?? '?'}:${socket.localPort ?? 0}`;
    this.options = { resp: 2, writeQuorum: 0, readQuorum: 0, deadlineMs: 0, arrivedMs: server.arrivalMs() };
    this.writtenTo = new PartitionSet(() => server.dispatcher.partitions);
    this.user = server.users.default;
    this.authenticated = this.user.isOpen;
    this.isPlain = this.authenticated && this.user.isUnrestricted;
    this.session = server.newSession();
    this.context = server.contextOf(this);
    this.decoder = new RequestDecoder(server.requestLimits, {
      request: (args) => this.request(args),
      protocolError: (text) => this.protocolError(text),
    });
    this.decoder.isOfStranger = this.mustSayWho;
    this.portions = new RequestPortions(
      this.decoder,
      () => this.resting,
      () => this.rest(),
    );
    socket.on('drain', taken);
    socket.on('error', () => socket.destroy());
    socket.on('end', () => this.sideEnded());
    linger(socket);
    socket.on('close', () => {
      this.closing = true;
      this.held = undefined;
      this.portions.clear();
      this.unblock?.('timeout');
      server.gate.forget(this);
      server.closed(this);
    });
  }

  get lastCommand(): string {
    return this.lastRow?.name ?? '';
  }

  get isBlocked(): boolean {
    return this.unblock !== undefined;
  }

  get isClosing(): boolean {
    return this.closing || this.closeAfter;
  }

  get queryBufferBytes(): number {
    return this.decoder.bufferedBytes + this.portions.waitingBytes;
  }

  get outputBufferBytes(): number {
    return this.output.untakenBytes + this.replies.bytes;
  }

  closeAfterReply(): void {
    this.closeAfter = true;
  }

  /** Ends the connection now; replies that were written are still sent. */
  close(): void {
    this.closing = true;
    this.output.end();
  }

  /** Takes no more commands, and ends the connection once those it took are answered. What the client still sends is read and dropped until it closes its side. */
  finish(): void {
    this.closeAfter = true;
    this.finishing = true;
    if (this.replies.pending === 0 && !this.willFlush) this.close();
    this.socket.resume();
  }

  kill(): void {
    this.closing = true;
    this.socket.destroy();
  }

  /**
   * Ends it when it has asked for nothing in `idleMsMax` (0 = it may), or has not taken its replies for too long. One that was ended and has not gone in twice that time is
   * cut: what it leaves untaken would stay for ever. `nowMs` is of the monotonic clock.
   */
  review(nowMs: number, idleMsMax: number): void {
    if (!this.socket.destroyed) this.limitOutput(this.outputBufferBytes, nowMs);
    if (this.socket.destroyed) return;
    const waits = this.isBlocked || this.monitoring || this.held !== undefined || this.replies.pending > 0;
    const idleMs = nowMs - this.options.arrivedMs;
    if (idleMsMax === 0 || waits || idleMs <= idleMsMax) return;
    if (this.closing && idleMs > 2 * idleMsMax) this.kill();
    else this.close();
  }

  authenticate(user: User): void {
    this.user = user;
    this.authenticated = this.hasSaidWho = true;
    this.judge();
  }

  forgetUser(): void {
    this.user = this.server.users.default;
    this.authenticated = this.user.isOpen;
    this.hasSaidWho = false;
    this.judge();
  }

  /** The node knows its users now: who was not asked for a password for want of that knowledge is asked from now on. */
  usersKnown(): void {
    if (!this.hasSaidWho) this.forgetUser();
  }

  /** Its user has other rights now; or is gone, and the connection with it. */
  userChanged(user: User | undefined): void {
    if (user !== undefined) {
      this.user = user;
      this.judge();
    } else if (this.isRunning) this.closeAfter = true;
    else this.kill();
  }

  setReplies(mode: ReplyMode): void {
    if (mode !== 'skip' || this.replyMode !== 'off') this.replyMode = mode;
    this.silent = this.replyMode !== 'on';
    this.judge();
  }

  setMonitoring(monitoring: boolean): void {
    this.monitoring = monitoring;
    if (monitoring) this.server.gate.watch(this);
    else this.server.gate.unwatch(this);
  }

  /** A line of MONITOR. */
  tell(line: StatusReply): void {
    if (!this.closing) this.answerNow(line);
  }

  partitionsWritten(): readonly number[] {
    return this.writtenTo.numbers();
  }

  forgetPartitionsWritten(): void {
    this.writtenTo.clear();
  }

  attach(call: Call): void {
    const { splitTrace } = this;
    if (splitTrace !== undefined) call.trace = new CallTrace(splitTrace.tracer, splitTrace.context);
    call.session = this.session;
    if (call.operation.access === 'write') this.writtenTo.add(call.partition);
  }

  /** Hands the turn's replies to the socket. */
  flush(): void {
    this.willFlush = false;
    const chunks = this.replies.take();
    if (this.socket.destroyed) return;
    let bytes = 0;
    for (const { length } of chunks) bytes += length;
    this.bytesOut += bytes;
    this.server.statistics.bytesOut += bytes;
    this.output.write(chunks, bytes);
    if (this.closing) this.output.end();
    else this.checkOutput();
  }

  /** The turn's replies may say that something was written that the log did not take: the client has to ask anew. */
  abandon(): void {
    this.willFlush = false;
    this.replies.take();
    this.kill();
  }

  /** What comes from now on is held until a later turn; if it is not for something else. */
  private rest(): void {
    if (this.closing || this.held !== undefined) return;
    this.server.budget.rest(this);
    this.resting = true;
    this.hold();
  }

  /** What was held may go on, until something holds it again. */
  release(): void {
    const { held } = this;
    if (held === undefined || this.closing) return;
    const { resting, releasing } = this;
    this.held = undefined;
    this.resting = false;
    this.releasing = true;
    this.options = this.currentOptions();
    for (const args of held) this.request(args);
    if (resting) this.portions.goOn();
    this.releasing = releasing;
    const { broken } = this;
    this.broken = undefined;
    if (broken !== undefined) this.protocolError(broken);
    this.resumeIfClear();
    this.endIfAnswered();
  }

  /** All that the client will send has come. It may still take the replies, as what is piped into nc does; one that blocks, or is held by CLIENT PAUSE, has gone, as Redis sees it. */
  private sideEnded(): void {
    this.hasEnded = true;
    const isPaused = this.held !== undefined && !this.resting && this.replies.pending === 0 && !this.server.gate.isStarting;
    if (this.isBlocked || isPaused) this.kill();
    else this.endIfAnswered();
  }

  private endIfAnswered(): void {
    if (!this.hasEnded || this.releasing || this.held !== undefined || this.replies.pending > 0) return;
    if (this.willFlush) this.closing = true;
    else this.close();
  }

  /** Whoever has not taken its replies rests on until it has. */
  wake(): void {
    if (this.resting && this.output.untakenBytes <= untakenBytesMax) this.release();
  }

  /** Takes what the client sent; the chunk is borrowed, or given away. */
  data(chunk: Buffer, isBorrowed: boolean): void {
    if (this.closing || this.finishing) return;
    this.bytesIn += chunk.length;
    this.server.statistics.bytesIn += chunk.length;
    this.lastCommandAtMs = this.server.nowMs();
    this.options = this.currentOptions();
    this.portions.take(chunk, isBorrowed);
    this.server.inputTaken();
    // What is held is read on, up to this, so that a client that goes away is noticed.
    if (this.replies.pending === 0 && this.held === undefined) this.unansweredBytes = 0;
    else this.unansweredBytes += chunk.length;
    // Who rests goes on in a moment, and what is decoded meanwhile takes others' time.
    const isFull = this.replies.pending + (this.held?.length ?? 0) > pendingMax || this.unansweredBytes > unansweredBytesMax;
    if (!this.isClosing && (this.resting || isFull)) this.pause();
  }

  private currentOptions(): ClientOptions {
    const arrivedMs = this.server.arrivalMs();
    return {
      resp: this.resp,
      writeQuorum: this.writeQuorum ?? 0,
      readQuorum: this.readQuorum ?? 0,
      deadlineMs: arrivedMs + this.server.commandTimeoutMs(),
      arrivedMs,
    };
  }

  private request(args: Buffer[]): void {
    if (this.closing || this.closeAfter) return;
    if (this.held !== undefined) {
      this.held.push(args);
      return;
    }
    const { server } = this;
    const row = server.lookup.resolve(args);
    if (row instanceof ErrorReply) {
      server.statistics.rejected(row, server.lookup.rowOf(args));
      return this.refuse(row);
    }
    if (this.replies.bytes > repliesBytesMax) {
      this.rest();
      return this.hold(args);
    }
    if (args.length > shortArguments && !server.budget.mayBegin(args.length, this)) {
      this.resting = true;
      return this.hold(args);
    }
    if (this.isPlain && !server.gate.isActive) this.dispatch(row, args);
    else this.consider(row, args);
  }

  private dispatch(row: CommandRow, args: Buffer[]): void {
    this.commandsProcessed++;
    const count = this.countOf(row);
    count.calls++;
    if (row.scope === 'local') this.runLocal(row, args, count);
    else if (row.scope === 'keys') this.runKeyed(row, args, count);
    else this.runElsewhere(row, args, count);
  }

  /** A command that has to say who it is from first, or that may have to wait, or is watched, or not answered. */
  private consider(row: CommandRow, args: Buffer[]): void {
    const { gate, statistics } = this.server;
    this.silent = this.replyMode !== 'on';
    if (!gate.isStarting) {
      const refusal = this.refusal(row, args);
      if (refusal !== undefined) {
        statistics.rejected(refusal, row);
        return this.refuse(refusal);
      }
    }
    if (gate.mustWait(row)) {
      gate.hold(this);
      return this.hold(args);
    }
    gate.show(this, row, args);
    this.dispatch(row, args);
    if (row.name !== 'client|reply') this.skipped();
  }

  /** Why the client may not run this: it has not said who it is, or its user lacks a right. */
  private refusal(row: CommandRow, args: readonly Buffer[]): ErrorReply | undefined {
    const { aclLog, nowMs } = this.server;
    if (this.mustSayWho && !row.flags.includes('no_auth')) return noAuthentication;
    const denied = denial(this.user, row, args);
    if (denied === undefined) return patternDenial(this.user, row, args);
    const { reason, object } = denied;
    aclLog.add({ reason, object, username: this.user.name, clientInfo: clientLine(this, nowMs()) });
    return new ErrorReply(`NOPERM ${denialText(this.user, denied, false)}`, 'latin1');
  }

  /** CLIENT REPLY SKIP is about one command. */
  private skipped(): void {
    if (this.replyMode === 'skip') this.setReplies('on');
  }

  private refuse(reply: ErrorReply): void {
    this.answerNow(reply);
    this.skipped();
  }

  private get mustSayWho(): boolean {
    return !this.authenticated && !this.server.users.default.isOpen;
  }

  private judge(): void {
    this.decoder.isOfStranger = this.mustSayWho;
    this.isPlain = this.authenticated && this.user.isUnrestricted && this.replyMode === 'on';
  }

  private hold(args?: Buffer[]): void {
    this.held ??= [];
    if (args !== undefined) this.held.push(args);
  }

  private countOf(row: CommandRow): CommandCount {
    if (row !== this.lastRow || this.lastCount === undefined) {
      this.lastRow = row;
      this.lastCount = this.server.statistics.countOf(row);
    }
    return this.lastCount;
  }

  private runKeyed(row: KeyedRow, args: Buffer[], count: CommandCount): void {
    const { server } = this;
    const operation = server.dispatcher.operationOf(row, args);
    if (operation instanceof ErrorReply) {
      count.failed++;
      server.statistics.failed(operation.code);
      return this.answerNow(operation);
    }
    const partition = server.dispatcher.partitionOfKeys(operation.keys);
    if (partition < 0) {
      if (!server.dispatcher.isDistant(row, args, operation)) return this.runElsewhere(row, args, count);
      return this.runHolding((done) => this.runByDispatcher(row, args, done), args, count);
    }
    const call = new ClientCall(args, operation, partition, this.options, this.silent, this, count);
    call.session = this.session;
    if (server.traces.isOn) call.trace = server.traces.sample(row.name);
    if (operation.access === 'write') this.writtenTo.add(partition);
    this.replies.add(call);
    server.submit(call);
  }

  private newPlace(args: readonly Buffer[], closes = false): Place {
    return { reply: undefined, options: this.options, args, closes, silent: this.silent };
  }

  private runElsewhere(row: Exclude<CommandRow, LocalRow>, args: Buffer[], count: CommandCount): void {
    // FLUSHALL goes over the partitions for a while: what follows it is not to be flushed.
    if (row.scope === 'keyspace' && row.flags.includes('write')) {
      return this.runHolding((done) => this.runByDispatcher(row, args, done), args, count);
    }
    const place = this.newPlace(args);
    this.replies.add(place);
    this.runByDispatcher(row, args, (reply) => this.answered(place, reply, count));
  }

  private runByDispatcher(row: Exclude<CommandRow, LocalRow>, args: Buffer[], done: (reply: Reply) => void): void {
    const { traces, dispatcher } = this.server;
    const trace = traces.isOn ? traces.sample(row.name) : undefined;
    // What a command on keys becomes at once is within its span. A visit to whole partitions is a thousand calls, and stays one.
    this.splitTrace = row.scope === 'keys' ? trace : undefined;
    dispatcher.run(row, args, this, (reply) => {
      if (trace !== undefined) trace.end(errorCodeOf(reply));
      done(reply);
    });
    this.splitTrace = undefined;
  }

  private runLocal(row: LocalRow, args: readonly Buffer[], count: CommandCount): void {
    if (row.holds === true) return this.runHolding((done) => this.take(this.replyOf(row, args), done), args, count);
    this.isRunning = true;
    const reply = this.replyOf(row, args);
    this.isRunning = false;
    if (this.resp !== this.options.resp || this.quorumsChanged()) {
      this.options = { ...this.options, resp: this.resp, writeQuorum: this.writeQuorum ?? 0, readQuorum: this.readQuorum ?? 0 };
    }
    const place = this.newPlace(args, this.closeAfter);
    this.replies.add(place);
    this.take(reply, (given) => this.answered(place, given, count));
  }

  private replyOf(row: LocalRow, args: readonly Buffer[]): Reply | Promise<Reply> {
    try {
      return row.run(this.context, args);
    } catch (error) {
      return this.server.failed.reply(row.name, error);
    }
  }

  /** It begins when all before it were answered, and what comes after it waits until it is. */
  private runHolding(run: (done: (reply: Reply) => void) => void, args: readonly Buffer[], count: CommandCount): void {
    const place = this.newPlace(args);
    this.hold();
    this.replies.addLast(place, () => {
      run((reply) => {
        this.answered(place, reply, count);
        this.release();
      });
      if (this.hasEnded && this.isBlocked) this.kill();
    });
  }

  private take(reply: Reply | Promise<Reply>, done: (reply: Reply) => void): void {
    if (reply instanceof Promise)
      reply.then(done, (error: unknown) => done(new ErrorReply(`ERR ${error instanceof Error ? error.message : String(error)}`)));
    else done(reply);
  }

  private quorumsChanged(): boolean {
    return (this.writeQuorum ?? 0) !== this.options.writeQuorum || (this.readQuorum ?? 0) !== this.options.readQuorum;
  }

  /** A command was answered: its reply is written when all before it are. */
  answered(place: Place, reply: Reply, count: CommandCount): void {
    const errorCode = errorCodeOf(reply);
    if (errorCode !== undefined) {
      count.failed++;
      this.server.statistics.failed(errorCode);
    }
    this.server.timings.answered(count, errorCode !== undefined, place.options, place.args, this);
    this.settle(place, reply);
  }

  private answerNow(reply: Reply, closes = false): void {
    const place = this.newPlace([], closes);
    this.replies.add(place);
    this.settle(place, reply);
  }

  private settle(place: Place, reply: Reply): void {
    const { replies } = this;
    if (!replies.settle(place, reply)) return;
    if (replies.closes || (this.finishing && replies.pending === 0)) this.closing = true;
    if (!this.willFlush) {
      this.willFlush = true;
      this.server.flushAtEnd(this);
    }
    if (this.hasEnded) this.endIfAnswered();
    if (this.paused) this.resumeIfClear();
  }

  private protocolError(text: string): void {
    if (this.held !== undefined) this.broken = text;
    else this.answerNow(new ErrorReply(text, 'latin1'), true);
  }

  private pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.socket.pause();
  }

  private resumeIfClear(): void {
    if (!this.paused || (!this.closing && !this.isClear())) return;
    if (this.held === undefined) this.unansweredBytes = 0;
    this.paused = false;
    this.socket.resume();
  }

  /** More may be read, be it only to notice that the client goes away while something else than the turn's budget holds what it has sent. */
  private isClear(): boolean {
    const { pending } = this.replies;
    const { held, resting, releasing } = this;
    if (resting || releasing || pending + (held?.length ?? 0) > pendingLow || this.output.untakenBytes > untakenBytesMax) return false;
    return (pending === 0 && held === undefined) || this.unansweredBytes <= unansweredBytesMax;
  }

  private checkOutput(): void {
    const untaken = this.output.untakenBytes;
    if (untaken > untakenBytesMax) this.pause();
    this.limitOutput(untaken, this.server.arrivalMs());
  }

  private limitOutput(untaken: number, nowMs: number): void {
    if (!this.outputLimit.isReached(untaken, this.server.outputLimit(), nowMs)) return;
    this.server.outputLimitReached(this);
    this.socket.destroy();
  }
}
