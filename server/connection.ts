/**
 * One client: decodes its requests, keeps its replies in the order of its commands, and writes them once per turn of the event loop.
 *
 * Bounds: commands under way (reading pauses at `pendingMax`), replies that the client does not take (reading pauses, and beyond
 * client-output-buffer-limit the connection is closed), requests that do not end (the decoder's limits).
 */
import type { Socket } from 'node:net';
import { Session } from '../cluster/session.js';
import { Call, type CallOptions } from '../cluster/call.js';
import type { Operation } from '../cluster/command.js';
import { ErrorReply, ownReply, type Reply } from '../protocol/resp/reply.js';
import { ReplyWriter } from '../protocol/resp/reply-writer.js';
import { RequestDecoder, type RequestLimits } from '../protocol/resp/request-decoder.js';
import type { CommandLookup } from './command-lookup.js';
import type { CommandRow, KeyedRow, LocalRow } from './command-table.js';
import { operationOf, type Dispatcher, type Origin } from './dispatcher.js';
import type { ClientView, LocalContext } from './local-context.js';
import type { CallCount, Statistics } from './statistics.js';

/** Commands of one connection under way before it is read on, and when it is again. */
const pendingMax = 1024;
const pendingLow = 256;
/** Bytes of untaken replies at which a client is no longer read. */
const untakenBytesMax = 1024 * 1024;

/** A command's place in the order of replies. */
interface Place {
  reply: Reply | undefined;
  readonly resp: 2 | 3;
  /** Set for QUIT: nothing follows it. */
  readonly closes: boolean;
}

/** A command on keys of one partition: the call on the cluster is itself the place of its reply. */
class ClientCall extends Call implements Place {
  reply: Reply | undefined = undefined;
  readonly closes = false;

  constructor(
    args: readonly Buffer[],
    operation: Operation,
    partition: number,
    options: CallOptions,
    private readonly connection: Connection,
    private readonly count: CallCount,
  ) {
    super(args, operation, partition, options);
  }

  get resp(): 2 | 3 {
    return this.options.resp;
  }

  protected deliver(reply: Reply): void {
    this.connection.answered(this, reply, this.count);
  }
}

/** What all connections of a node share: the table, the way to the cluster, limits and counts. */
export interface ServerState {
  readonly lookup: CommandLookup;
  readonly dispatcher: Dispatcher;
  readonly statistics: Statistics;
  /** Sends a call on its way. */
  readonly submit: (call: Call) => void;
  readonly nowMs: () => number;
  /** The deadline of a command that arrives now. */
  readonly deadlineMs: () => number;
  readonly requestLimits: () => RequestLimits;
  /** Of client-output-buffer-limit's hard limit for normal clients; 0 = none. */
  readonly outputBytesMax: () => number;
  readonly contextOf: (connection: Connection) => LocalContext;
  /** `connection.flush()` is called at the end of this turn. */
  readonly flushAtEnd: (connection: Connection) => void;
  readonly closed: (connection: Connection) => void;
  readonly outputLimitReached: (connection: Connection) => void;
}

export class Connection implements ClientView, Origin {
  name = '';
  libraryName = '';
  libraryVersion = '';
  resp: 2 | 3 = 2;
  readonly createdAtMs: number;
  lastCommandAtMs: number;
  lastCommand = '';
  commandsProcessed = 0;
  bytesIn = 0;
  bytesOut = 0;
  writeQuorum: number | undefined = undefined;
  readQuorum: number | undefined = undefined;
  readonly = false;
  readonly address: string;
  readonly localAddress: string;
  /** Of the command that is being dispatched. */
  options: CallOptions;
  private readonly decoder: RequestDecoder;
  private readonly writer = new ReplyWriter();
  private readonly session: Session;
  private readonly context: LocalContext;
  /** Commands whose replies have not been written, oldest first. */
  private places: Place[] = [];
  private head = 0;
  private willFlush = false;
  private paused = false;
  private closing = false;
  private closeAfter = false;

  constructor(
    readonly id: number,
    private readonly socket: Socket,
    private readonly server: ServerState,
  ) {
    this.createdAtMs = this.lastCommandAtMs = server.nowMs();
    this.address = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
    this.localAddress = `${socket.localAddress ?? '?'}:${socket.localPort ?? 0}`;
    this.options = { resp: 2, writeQuorum: 0, readQuorum: 0, deadlineMs: 0 };
    this.session = new Session(server.submit);
    this.context = server.contextOf(this);
    this.decoder = new RequestDecoder(server.requestLimits(), {
      request: (args) => this.request(args),
      protocolError: (text) => this.protocolError(text),
    });
    socket.on('drain', () => this.resumeIfClear());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.closing = true;
      server.closed(this);
    });
  }

  get queryBufferBytes(): number {
    return this.decoder.bufferedBytes;
  }

  get outputBufferBytes(): number {
    return this.socket.writableLength + this.writer.pendingBytes;
  }

  closeAfterReply(): void {
    this.closeAfter = true;
  }

  /** Ends the connection now; replies that were written are still sent. */
  close(): void {
    this.closing = true;
    this.socket.end();
  }

  attach(call: Call): void {
    call.session = this.session;
  }

  /** Hands the turn's replies to the socket. */
  flush(): void {
    this.willFlush = false;
    const chunks = this.writer.take();
    const { socket } = this;
    if (chunks.length === 0 || socket.destroyed) return;
    if (chunks.length > 1) socket.cork();
    for (const chunk of chunks) {
      this.bytesOut += chunk.length;
      this.server.statistics.bytesOut += chunk.length;
      socket.write(chunk);
    }
    if (chunks.length > 1) socket.uncork();
    if (this.closing) socket.end();
    else this.checkOutput();
  }

  /** Takes what the client sent; the chunk is given away. */
  data(chunk: Buffer): void {
    if (this.closing) return;
    this.bytesIn += chunk.length;
    this.server.statistics.bytesIn += chunk.length;
    this.lastCommandAtMs = this.server.nowMs();
    this.options = {
      resp: this.resp,
      writeQuorum: this.writeQuorum ?? 0,
      readQuorum: this.readQuorum ?? 0,
      deadlineMs: this.server.deadlineMs(),
    };
    this.decoder.push(chunk);
    if (this.places.length - this.head > pendingMax) this.pause();
  }

  private request(args: Buffer[]): void {
    if (this.closing || this.closeAfter) return;
    this.commandsProcessed++;
    const { server } = this;
    const row = server.lookup.resolve(args);
    if (row instanceof ErrorReply) {
      server.statistics.rejected(row);
      return this.answerNow(row);
    }
    this.lastCommand = row.name;
    const count = server.statistics.callsOf(row);
    count.calls++;
    if (row.scope === 'local') this.runLocal(row, args, count);
    else if (row.scope === 'keys') this.runKeyed(row, args, count);
    else this.runElsewhere(row, args, count);
  }

  private runKeyed(row: KeyedRow, args: Buffer[], count: CallCount): void {
    const { server } = this;
    const operation = operationOf(row, args);
    if (operation instanceof ErrorReply) {
      count.errors++;
      server.statistics.failed(operation);
      return this.answerNow(operation);
    }
    const partition = server.dispatcher.partitionOfKeys(operation.keys);
    if (partition < 0) return this.runElsewhere(row, args, count);
    const call = new ClientCall(args, operation, partition, this.options, this, count);
    call.session = this.session;
    this.places.push(call);
    server.submit(call);
  }

  private runElsewhere(row: Exclude<CommandRow, LocalRow>, args: Buffer[], count: CallCount): void {
    const place: Place = { reply: undefined, resp: this.resp, closes: false };
    this.places.push(place);
    this.server.dispatcher.run(row, args, this, (reply) => this.answered(place, reply, count));
  }

  private runLocal(row: LocalRow, args: readonly Buffer[], count: CallCount): void {
    const reply = row.run(this.context, args);
    if (this.resp !== this.options.resp || this.quorumsChanged()) {
      this.options = { ...this.options, resp: this.resp, writeQuorum: this.writeQuorum ?? 0, readQuorum: this.readQuorum ?? 0 };
    }
    const place: Place = { reply: undefined, resp: this.resp, closes: this.closeAfter };
    this.places.push(place);
    const done = (given: Reply): void => this.answered(place, given, count);
    if (reply instanceof Promise)
      reply.then(done, (error: unknown) => done(new ErrorReply(`ERR ${error instanceof Error ? error.message : String(error)}`)));
    else done(reply);
  }

  private quorumsChanged(): boolean {
    return (this.writeQuorum ?? 0) !== this.options.writeQuorum || (this.readQuorum ?? 0) !== this.options.readQuorum;
  }

  /** A command was answered: its reply is written when all before it are. */
  answered(place: Place, reply: Reply, count: CallCount): void {
    if (reply instanceof ErrorReply) {
      count.errors++;
      this.server.statistics.failed(reply);
    }
    this.settle(place, reply);
  }

  private answerNow(reply: Reply, closes = false): void {
    const place: Place = { reply: undefined, resp: this.resp, closes };
    this.places.push(place);
    this.settle(place, reply);
  }

  private settle(place: Place, reply: Reply): void {
    if (this.places[this.head] !== place) {
      place.reply = ownReply(reply);
      return;
    }
    place.reply = reply;
    for (;;) {
      const first = this.places[this.head];
      if (first?.reply === undefined) break;
      this.writer.write(first.reply, first.resp);
      this.head++;
      if (first.closes) this.closing = true;
    }
    if (this.head === this.places.length) {
      this.places.length = 0;
      this.head = 0;
    } else if (this.head > pendingMax) {
      this.places = this.places.slice(this.head);
      this.head = 0;
    }
    if (!this.willFlush) {
      this.willFlush = true;
      this.server.flushAtEnd(this);
    }
    if (this.paused) this.resumeIfClear();
  }

  private protocolError(text: string): void {
    this.answerNow(new ErrorReply(text), true);
  }

  private pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.socket.pause();
  }

  private resumeIfClear(): void {
    if (!this.paused || this.places.length - this.head > pendingLow || this.socket.writableLength > untakenBytesMax) return;
    this.paused = false;
    this.socket.resume();
  }

  private checkOutput(): void {
    const untaken = this.socket.writableLength;
    if (untaken > untakenBytesMax) this.pause();
    const limit = this.server.outputBytesMax();
    if (limit > 0 && untaken > limit) {
      this.server.outputLimitReached(this);
      this.socket.destroy();
    }
  }
}
