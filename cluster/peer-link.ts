/**
 * The link to one peer: everything this node says to it, over one stream that this node dials. It gathers a turn's words into rows, sends them as
 * one frame, resends after a reconnect, in order, the batches that were not acknowledged, and never resends a command.
 *
 * What is too large for a frame leaves in pieces, beside all else (bulk-sender.ts).
 *
 * Bounds: unacknowledged batches by `unackedBytesMax` and one turn more (beyond it they become hints on disk, as far as there is room: hand-off.ts),
 * the stream's buffer by `streamBufferBytesMax` besides them, and one frame more (a peer that does not read is cut off).
 */
import { ByteWriter } from '../protocol/byte-writer.js';
import { GatheredBytes } from '../protocol/gathered-bytes.js';
import { torc } from '../protocol/generated/messages.js';
import { beginFrame, framed, framedWithTail, FrameSplitter, FramingError, withTail } from '../protocol/peer/framing.js';
import { commandParts, replyParts, writeCommand, writeRead, writeReply } from '../protocol/peer/packed-rows.js';
import type { Clock, Random } from '../storage/clock.js';
import { bulkSizes, BulkSender, type BulkSizes } from './bulk-sender.js';
import { bulkPatienceMs, type BulkPatience, type Call } from './call.js';
import { ForwardedCalls } from './forwarded-calls.js';
import { addWords, bringsRecords, bytesOfRecords, bytesOfTransfer, type RareWords } from './rare-words.js';
import { bytesOf, type Settlement } from './settlement.js';
import { StreamEcho, type HeardStream } from './stream-echo.js';
import { contextRow, type OpenSpan } from './tracing.js';
import type { PeerAddress, PeerStream, Transport } from './transport.js';

export const protocolVersion = 1;

/** A Hello and a Welcome are small; nothing longer is read before the hand-shake is over. */
const greetingBytesMax = 65536;
const resendFrameBytes = 1024 * 1024;
const reconnectDelayMs = { first: 50, most: 2000 };
const greetingTimeoutMs = 2000;
/** In frame.proto: `Frame.bulk_pieces`, and `BulkPiece.bytes`. */
const bulkPiecesField = 60;
const bulkBytesField = 4;
/** `Frame.commands` and `Commands.rows`, `Frame.replies` and `Replies.rows`. */
const commandsField = 4;
const commandRowsField = 2;
const repliesField = 5;
const replyRowsField = 1;
/** Arguments of more bytes are not copied into a large frame. */
const copiedBytesMost = 256 * 1024;
const noBytes = Buffer.alloc(0);
/** Memory for a turn's rows that a link keeps. */
const rowsKeptBytes = 1024 * 1024;
/** Spans of questions without an answer that a link keeps. */
const spansMax = 1024;

export interface PeerLinkOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly greeting: () => torc.Hello.$Shape;
  /** Hybrid clock's counter, put on every frame. */
  readonly counter: () => number;
  readonly unackedBytesMax: number;
  readonly streamBufferBytesMax: number;
  /** What large messages are; by default those of bulk-sender.ts. */
  readonly bulkSizes?: BulkSizes | undefined;
  /** Something was gathered: the turn has to end with send(). */
  readonly schedule: () => void;
}

export interface PeerLinkEvents {
  /** The peer answered the hand-shake. */
  opened(welcome: torc.Hello): void;
  /** The stream of an open link broke. */
  broken(reason: string): void;
  /** The peer refused, or it is not who it should be. */
  refused(reason: string): void;
  /** More batches wait for the peer than may be held in memory, or older ones are kept elsewhere. Returns how many of them are not kept; absent: none is. */
  overflowed?(batches: readonly Settlement[]): number;
  /** Older batches for the peer are kept elsewhere: those in memory come after them. */
  hasOlder?(): boolean;
}

/** Among a forwarded command's options (frame.proto). */
export const fromCoordinatorBit = 1 << 12;

/** A random place to count from, with room for 2^52 more. */
export function firstId(random: Random): number {
  return 1 + random.integer(2 ** 32) * 2 ** 16;
}

/** Bytes of large messages that wait for a peer, beyond which no more records are sent for repair, nor replies. */
const bulkBytesMax = 1024 * 1024 * 1024;

export class PeerLink {
  private stream: PeerStream | undefined;
  private opened = false;
  private closed = false;
  private dialling = false;
  private retryDelayMs = reconnectDelayMs.first;
  private otherAddress: PeerAddress | undefined;
  private bytesOut = 0;
  private dials: number;
  /** Of the stream that was dialled last. */
  private echo: StreamEcho;
  /** Raised whenever a stream opens: what was sent under another number may be lost. */
  streamNumber = 0;

  private turnBatches: Settlement[] = [];
  /** Of the turn that is ending: what send() will put in its frame. */
  private sealed: Buffer | undefined;
  private unacked: Settlement[] = [];
  private unackedHead = 0;
  private unackedBytes = 0;
  /** Of those that were dropped, what was not settled then: no acknowledgement will come for it. */
  private dropped: Settlement[] = [];
  /** Batches dropped because the peer did not take them in time and there was no room on disk. */
  droppedBatches = 0;

  /** The peer has no room: its batches wait here until it has. */
  private holdsBatches = false;

  /** Pieces of hints that the peer has not acknowledged. */
  owedHints = 0;

  private readonly bulk: BulkSender;
  /** For what goes in pieces. */
  readonly patience: BulkPatience;
  /** When the front of the large messages last moved, or could not, monotonic. */
  private bulkMovedMs = 0;

  /** Rows of this turn (packed-rows.ts), and the id of the first of them. */
  private readonly commands = new ByteWriter();
  private readonly reads = new ByteWriter();
  private readonly replies = new ByteWriter();
  private firstCommandId = 0;
  private firstReadId = 0;
  /** When the first command of the frame was gathered: it leaves with this turn. */
  private commandsBeganMs = 0;
  /** Ids begin anywhere: an answer to a process that had this node's name before must not meet a question of this one. */
  private upcomingReadId: number;
  private readonly forwarded: ForwardedCalls;
  private answers = noAnswers();
  /** The id after the last run of equal ones. */
  private equalEnd = -1;
  private acks: torc.Ack.$Shape[] = [];
  private rest: torc.Frame.$Shape = {};
  private gathered = false;
  /** Contexts for this turn's frame; undefined = nothing in it is traced. */
  private commandTraces: Buffer[] | undefined = undefined;
  private readTraces: Buffer[] | undefined = undefined;
  private batchTraces: Buffer[] | undefined = undefined;
  /** Spans of questions of the peer's that have no answer yet. */
  private answering: Map<number, OpenSpan> | undefined = undefined;

  constructor(
    private readonly options: PeerLinkOptions,
    private readonly events: PeerLinkEvents,
    private address: PeerAddress,
  ) {
    this.forwarded = new ForwardedCalls(firstId(options.random));
    this.upcomingReadId = firstId(options.random);
    this.dials = firstId(options.random);
    this.echo = new StreamEcho(options.clock, this.dials);
    // Its own count of messages begins where the dials do: each draw of a random number would shift those after it in a simulation.
    const sizes = options.bulkSizes ?? bulkSizes;
    this.patience = sizes.patience;
    this.bulk = new BulkSender(sizes, this.dials, (piece) => this.say({ bulkPieces: [piece] }));
  }

  get isOpen(): boolean {
    return this.opened;
  }

  get bytesSent(): number {
    return this.bytesOut;
  }

  /** Bytes of batches the peer has not acknowledged. */
  get queuedBytes(): number {
    return this.unackedBytes + this.bulk.bytes;
  }

  /** The counter of the oldest batch that the peer has not acknowledged; undefined = there is none. */
  get oldestUnacked(): number | undefined {
    const small = this.unacked[this.unackedHead]?.counter;
    const large = this.bulk.oldestBatch;
    return small === undefined || (large !== undefined && large < small) ? large : small;
  }

  /** Bytes that the network has not taken yet, and of large messages those that have not come. */
  get streamBufferedBytes(): number {
    return (this.stream?.bufferedBytes ?? 0) + this.bulk.bytes;
  }

  /** So much at once goes in pieces. */
  isLarge(bytes: number): boolean {
    return this.bulk.isLarge(bytes);
  }

  /** A batch of the partition is being sent in pieces, or waits behind one. */
  isSending(partition: number): boolean {
    return this.bulk.holds(partition);
  }

  /** The peer is being sent something large: more records of that kind should wait for it. */
  get isSendingLarge(): boolean {
    return this.bulk.isMoving;
  }

  get largeBytes(): number {
    return this.bulk.bytes;
  }

  /** Large messages wait for the peer as far as they may. */
  get isFullOfLarge(): boolean {
    return this.bulk.bytes > bulkBytesMax;
  }

  setAddress(address: PeerAddress): void {
    this.address = address;
    this.otherAddress = undefined;
  }

  /** The peer may be there instead: a link that is down dials the two by turns. */
  tryAlso(address: PeerAddress): void {
    if (address.host !== this.address.host || address.port !== this.address.port) this.otherAddress = address;
  }

  /** Dials, and dials again whenever the link is down, until close(). */
  open(): void {
    if (this.closed || this.stream !== undefined || this.dialling) return;
    this.dialling = true;
    const { transport, clock, greeting } = this.options;
    const splitter = new FrameSplitter(greetingBytesMax);
    let mine: PeerStream | undefined;
    const events = {
      data: (chunk: Buffer) => {
        if (mine === undefined || this.stream !== mine) return; // given up: what is still on its way says nothing of the next one
        try {
          splitter.push(chunk, (message) => this.welcome(message));
        } catch (error) {
          this.lose(mine, error instanceof FramingError ? error.message : `a hand-shake that cannot be decoded: ${String(error)}`);
        }
      },
      closed: (reason: string) => this.lose(mine, reason),
    };
    transport.connect(
      this.address,
      events,
      (stream) => {
        this.dialling = false;
        if (this.closed || this.stream !== undefined) return stream.close();
        mine = this.stream = stream;
        this.echo = new StreamEcho(clock, ++this.dials);
        const hello = framed(torc.Hello.encode({ stream: this.dials, ...greeting() }, beginFrame()));
        this.echo.sent(hello.length);
        stream.write([hello]);
        clock.after(greetingTimeoutMs, () => {
          if (this.stream === mine && !this.opened) this.lose(mine, 'no answer to the hand-shake');
        });
      },
      () => {
        this.dialling = false;
        this.redial();
      },
    );
  }

  /** Dials at once if the link is waiting to do so: the peer was just heard of. */
  dialNow(): void {
    this.retryDelayMs = reconnectDelayMs.first;
    if (!this.dialling) this.open();
  }

  close(): void {
    this.closed = true;
    this.opened = false;
    this.bulk.stop();
    this.stream?.close();
    this.stream = undefined;
  }

  /** Breaks the stream; the link dials again. */
  reset(reason: string): void {
    this.lose(this.stream, reason);
  }

  /** What the peer says of the stream. A dead one is broken, and dialled again. */
  echoed(heard: HeardStream, patienceMs: number): void {
    const reason = this.opened ? this.echo.echoed(heard, patienceMs) : undefined;
    if (reason !== undefined) this.reset(reason);
  }

  /** A batch of this turn. It is kept until the peer has acknowledged it. */
  sendBatch(settlement: Settlement): void {
    this.turnBatches.push(settlement);
    this.gather();
  }

  /** A large batch, whose bytes are known and in the log: the same. */
  sendLargeBatch(settlement: Settlement): void {
    if (!this.takesBatches && this.queuedBytes > this.options.unackedBytesMax) this.overflow();
    this.bulkMoved();
    this.bulk.putBatch(settlement);
  }

  /** Forwards a call; its reply is given to it when it comes. */
  forward(call: Call): void {
    if (this.isLarge(call.bytes)) return this.forwardLarge(call);
    const id = this.forwarded.put(call);
    if (this.commands.length === 0) {
      this.firstCommandId = id;
      this.commandsBeganMs = this.options.clock.monotonicMs();
    }
    writeCommand(this.commands, call.partition, optionBits(call), call.deadlineMs - this.commandsBeganMs, call.args);
    if (call.trace?.context !== undefined) (this.commandTraces ??= []).push(contextRow(id, call.trace.context));
    if (call.operation.access === 'write') call.release();
    this.gather();
  }

  private forwardLarge(call: Call): void {
    const id = this.forwarded.putAlone(call);
    const remainingMs = call.deadlineMs - this.options.clock.monotonicMs();
    const rows = commandParts(call.partition, optionBits(call), remainingMs, call.args, copiedBytesMost);
    if (call.operation.access === 'write') call.release();
    const commands: torc.Commands.$Shape = { firstId: id };
    if (call.trace?.context !== undefined) commands.traces = contextRow(id, call.trace.context);
    this.sendRows(torc.Commands.encode(commands).finish() as Buffer, rows, { field: commandsField, tailField: commandRowsField });
  }

  /** A frame of nothing but rows that are too large for one; what is said over a link that is down is lost. */
  private sendRows(head: Buffer, rows: readonly Buffer[], fields: { readonly field: number; readonly tailField: number }): void {
    if (!this.opened) return;
    this.bulkMoved();
    const writer = torc.Frame.encode({ clock: this.options.counter() });
    this.bulk.putFrame(new GatheredBytes(withTail(writer, head, rows, fields)));
  }

  /** A forwarded call that was not answered yet. */
  forwardedCall(id: number): Call | undefined {
    return this.forwarded.get(id);
  }

  /** The forwarded call of a reply; undefined when it was given up. */
  takeForwarded(id: number): Call | undefined {
    return this.forwarded.take(id);
  }

  takeAllForwarded(): Call[] {
    return this.forwarded.takeAll();
  }

  /** Forwarded calls whose deadline has passed. */
  takeOverdue(nowMs: number): Call[] {
    return this.forwarded.takeOverdue(nowMs);
  }

  /** The id that the next comparison will carry. */
  get nextReadId(): number {
    return this.upcomingReadId;
  }

  /** Asks for a comparison; returns the id that its answer will carry. `actor` 2^32-1 announces `token`. */
  sendRead(slot: number, key: Buffer, actor: number, counter: number, token: Buffer | undefined): number {
    const id = this.upcomingReadId++;
    if (this.reads.length === 0) this.firstReadId = id;
    writeRead(this.reads, slot, key, actor, counter, token);
    this.gather();
    return id;
  }

  /** The question that was sent last is part of a traced command. */
  traceRead(id: number, context: Buffer): void {
    (this.readTraces ??= []).push(contextRow(id, context));
  }

  /** `span` ends when the peer's question `id` is answered. */
  answersWithin(id: number, span: OpenSpan): void {
    this.answering ??= new Map();
    if (this.answering.size >= spansMax) this.answering.clear(); // whose streams broke
    this.answering.set(id, span);
  }

  private endAnswer(id: number): void {
    const span = this.answering?.get(id);
    if (span === undefined) return;
    this.answering?.delete(id);
    span.end();
  }

  reply(id: number, reply: Buffer): void {
    if (this.isLarge(reply.length)) return this.replyInPieces(id, [reply]);
    writeReply(this.replies, id, reply);
    this.gather();
  }

  /** The same in parts, as a whole too large for a frame; they are borrowed until they have left. */
  replyInPieces(id: number, reply: readonly Buffer[]): void {
    const bytes = reply.reduce((sum, { length }) => sum + length, 0);
    this.say({ working: [{ id, bytes: this.largeBytes + bytes }] });
    this.sendRows(noBytes, replyParts(id, reply), { field: repliesField, tailField: replyRowsField });
  }

  answerEqual(id: number): void {
    if (this.answering !== undefined) this.endAnswer(id);
    const { equal, equalCount } = this.answers;
    if (id === this.equalEnd && equal.length > 0) equalCount[equal.length - 1] = (equalCount[equal.length - 1] ?? 0) + 1;
    else {
      equal.push(id);
      equalCount.push(1);
    }
    this.equalEnd = id + 1;
    this.gather();
  }

  answerDoubtful(id: number): void {
    if (this.answering !== undefined) this.endAnswer(id);
    this.answers.doubtful.push(id);
    this.gather();
  }

  answerDifferent(id: number, transfer: torc.Transfer.$Shape): void {
    if (this.answering !== undefined) this.endAnswer(id);
    if (this.isLarge(bytesOfTransfer(transfer))) {
      if (this.isFullOfLarge) this.answerDoubtful(id);
      else this.sayInPieces({ readAnswers: { different: [{ id, transfer }] } });
      return;
    }
    this.answers.different.push({ id, transfer });
    this.gather();
  }

  acknowledge(ack: torc.Ack.$Shape): void {
    this.acks.push(ack);
    this.gather();
  }

  /** Everything that is said rarely. */
  say(words: RareWords): void {
    if (this.mustGoInPieces(words)) return this.sayInPieces(words, true);
    addWords(this.rest, words);
    this.gather();
  }

  /** Records do not overtake those that were too large for a frame: the last piece of an exchange says that all came. */
  private mustGoInPieces(words: RareWords): boolean {
    return bringsRecords(words) && (this.bulk.holdsRecords || this.isLarge(bytesOfRecords(words)));
  }

  /** What is said over a link that is down is lost. */
  private sayInPieces(frame: torc.Frame.$Shape, records = false): void {
    if (!this.opened) return;
    frame.clock = this.options.counter();
    this.bulkMoved();
    this.bulk.putFrame(torc.Frame.encode(frame).finish() as Buffer, records);
  }

  private bulkMoved(): void {
    this.bulkMovedMs = this.options.clock.monotonicMs();
  }

  /** The peer has got a piece, or stored a large batch: then that is returned. */
  bulkAcknowledged(ack: torc.BulkAck): Settlement | undefined {
    this.bulkMoved();
    return this.bulk.acknowledged(ack);
  }

  /** A large message that does not move is sent again, over a new stream. */
  watchBulk(nowMs: number, patienceMs: number): void {
    if (!this.opened || !this.bulk.isMoving || nowMs - this.bulkMovedMs < patienceMs + bulkPatienceMs(this.patience, this.bulk.bytes))
      return;
    this.bulkMovedMs = nowMs;
    this.reset('a large message does not move');
  }

  /**
   * Takes the turn's batches out of `batches`, its bytes, which are kept as long as one of them is unacknowledged. What is written from now on is
   * the next turn's, though send() comes later.
   */
  seal(batches: Buffer | undefined): void {
    if (this.turnBatches.length > 0) this.sealed = this.takeTurnBatches(batches);
  }

  /** Sends what this turn gathered as one frame. */
  send(): void {
    if (!this.gathered) return;
    this.gathered = this.turnBatches.length > 0;
    const turnBatches = this.sealed;
    this.sealed = undefined;
    const { stream } = this;
    if (!this.opened || stream === undefined) return this.forgetGathered();
    const frame: torc.Frame.$Shape = this.rest;
    this.rest = {};
    frame.clock = this.options.counter();
    if (turnBatches !== undefined && !this.holdsBatches) frame.batches = turnBatches;
    if (this.batchTraces !== undefined && frame.batches) frame.batchTraces = Buffer.concat(this.batchTraces);
    if (this.acks.length > 0) frame.ack = this.acks;
    if (this.commands.length > 0) frame.commands = { firstId: this.firstCommandId, rows: this.commands.view() };
    if (this.reads.length > 0) frame.reads = { firstId: this.firstReadId, rows: this.reads.view() };
    if (this.commandTraces !== undefined && frame.commands) frame.commands.traces = Buffer.concat(this.commandTraces);
    if (this.readTraces !== undefined && frame.reads) frame.reads.traces = Buffer.concat(this.readTraces);
    if (this.replies.length > 0) frame.replies = { rows: this.replies.view() };
    if (this.answers.equal.length + this.answers.different.length + this.answers.doubtful.length > 0) frame.readAnswers = this.answers;
    this.write(stream, frame);
    this.clearColumns();
  }

  /** Sends all unacknowledged batches again: the peer's answers to them may have been lost. Storing them twice changes nothing. */
  resendUnacked(): void {
    if (this.stream === undefined || !this.opened) return;
    this.resend(this.stream);
    this.bulkMoved();
    this.bulk.resend();
  }

  /** Whether the peer takes batches. Those that waited are sent when it does again. */
  setHolding(holds: boolean): void {
    if (holds === this.holdsBatches) return;
    this.holdsBatches = holds;
    this.bulk.setHolding(holds);
    if (holds) return;
    if (this.opened && this.hasUnacked && this.events.hasOlder?.() === true) this.overflow();
    else this.resendUnacked();
  }

  /**
   * The peer holds every batch from `first` to `counter`; `superseded` of them count for nothing. Where there are earlier ones that it has not
   * acknowledged, its answer to them was lost, which may have named them superseded: nothing counts until all are sent again and answered in order, as they
   * are when its stream is replaced.
   */
  acknowledged(first: number, counter: number, superseded: ReadonlySet<number>): void {
    const { unacked } = this;
    if ((unacked[this.unackedHead]?.counter ?? first) < first) return;
    while (this.unackedHead < unacked.length) {
      const head = unacked[this.unackedHead];
      if (head === undefined || head.counter > counter) break;
      this.unackedHead++;
      this.unackedBytes -= head.length;
      if (!superseded.has(head.counter)) head.acknowledge();
    }
    if (this.unackedHead > 1024 || this.unackedHead === unacked.length) {
      this.unacked = unacked.slice(this.unackedHead);
      this.unackedHead = 0;
    }
  }

  /** The peer's `seen` of the partition covers all that this node wrote there up to `counter`: so it holds, too, what was dropped here. */
  covered(partition: number, counter: number): void {
    if (this.dropped.length === 0) return;
    const held = this.dropped.filter((settlement) => settlement.partition === partition && settlement.counter <= counter);
    this.dropped = this.dropped.filter((settlement) => !settlement.settled && !held.includes(settlement));
    for (const settlement of held) settlement.cover();
  }

  /** True while the peer owes an answer. */
  get expectsAnswer(): boolean {
    return this.unackedHead < this.unacked.length || this.forwarded.size > 0 || this.owedHints > 0 || this.bulk.isMoving;
  }

  private gather(): void {
    if (this.gathered) return;
    this.gathered = true;
    this.options.schedule();
  }

  private takeTurnBatches(batches: Buffer | undefined): Buffer | undefined {
    const taken = this.turnBatches;
    if (taken.length === 0) return undefined;
    if (batches === undefined) throw new Error('a turn gathered batches but wrote none');
    this.turnBatches = [];
    // Before this turn's are added: a batch may be larger than the bound, and has to have a way.
    if (this.unackedBytes > this.options.unackedBytesMax) this.overflow();
    for (const settlement of taken) settlement.turnBytes = batches;
    const sent = this.bulk.isEmpty ? taken : this.withoutFollowers(taken);
    if (sent.length === 0) return undefined;
    let sum = 0;
    for (const settlement of sent) {
      this.unacked.push(settlement);
      sum += settlement.length;
      if (settlement.traced !== undefined) (this.batchTraces ??= []).push(settlement.traced);
    }
    this.unackedBytes += sum;
    const [first] = sent;
    const last = sent.at(-1);
    const from = first?.offset ?? 0;
    const to = (last?.offset ?? 0) + (last?.length ?? 0);
    // Where every batch of the turn goes to this peer, they already stand in a row.
    return to - from === sum ? batches.subarray(from, to) : Buffer.concat(sent.map(bytesOf));
  }

  /** Batches do not overtake a large one of their partition: they would lie beyond a gap. */
  private withoutFollowers(batches: readonly Settlement[]): readonly Settlement[] {
    const followers = batches.filter(({ partition }) => this.bulk.holds(partition));
    for (const follower of followers) this.bulk.putBatch(follower);
    return followers.length === 0 ? batches : batches.filter((settlement) => !followers.includes(settlement));
  }

  /** What was kept before `counter` for a peer that is away is dropped. */
  dropUnackedBefore(counter: number): void {
    if (this.opened) return;
    for (let head = this.unacked[this.unackedHead]; head !== undefined && head.counter < counter; head = this.unacked[this.unackedHead]) {
      this.unackedHead++;
      this.unackedBytes -= head.length;
      this.droppedBatches++;
      if (!head.settled) this.dropped.push(head);
    }
    const oldest = this.bulk.oldestBatch;
    if (oldest === undefined || oldest >= counter) return;
    for (const settlement of this.bulk.takeBatches((each) => each.counter < counter)) {
      this.droppedBatches++;
      if (!settlement.settled) this.dropped.push(settlement);
    }
  }

  /** Batches wait for the peer's acknowledgement. */
  private get hasUnacked(): boolean {
    return this.unackedHead < this.unacked.length || this.bulk.oldestBatch !== undefined;
  }

  private get takesBatches(): boolean {
    return this.opened && !this.holdsBatches;
  }

  private overflow(): void {
    // What goes to a peer in pieces has a way, as long as it takes them and what is kept elsewhere does not come first.
    const stays = this.takesBatches && this.events.hasOlder?.() !== true;
    const large = stays ? [] : this.bulk.takeBatches(() => true);
    const batches = [...this.unacked.slice(this.unackedHead), ...large];
    this.dropped = [...this.dropped, ...batches].filter(({ settled }) => !settled);
    this.droppedBatches += this.events.overflowed?.(batches) ?? batches.length;
    this.unacked = [];
    this.unackedHead = 0;
    this.unackedBytes = 0;
  }

  private write(stream: PeerStream, frame: torc.Frame.$Shape): void {
    const chunks = frameChunksOf(frame);
    let length = 0;
    for (const chunk of chunks) length += chunk.length;
    this.bytesOut += length;
    this.echo.sent(length);
    // Batches have a bound of their own, and a frame may be larger than this one.
    const waits = stream.bufferedBytes > this.options.streamBufferBytesMax + this.unackedBytes;
    stream.write(chunks);
    if (waits) this.lose(stream, 'it does not read what it is sent');
  }

  private welcome(message: Buffer): void {
    const hello = torc.Hello.decode(message);
    if (hello.refusal !== '') {
      this.events.refused(hello.refusal);
      this.lose(this.stream, hello.refusal);
      return;
    }
    if (this.opened || this.stream === undefined) return;
    this.opened = true;
    this.streamNumber++;
    this.retryDelayMs = reconnectDelayMs.first;
    if (this.hasUnacked && this.events.hasOlder?.() === true) this.overflow();
    else this.resend(this.stream);
    this.bulkMoved();
    this.bulk.restart();
    this.events.opened(hello);
  }

  private resend(stream: PeerStream): void {
    if (this.holdsBatches) return;
    let pieces: Buffer[] = [];
    let bytes = 0;
    const flush = (): void => {
      if (pieces.length > 0) this.write(stream, { clock: this.options.counter(), batches: Buffer.concat(pieces) });
      pieces = [];
      bytes = 0;
    };
    for (let i = this.unackedHead; i < this.unacked.length; i++) {
      const batch = this.unacked[i];
      if (batch === undefined) continue;
      pieces.push(bytesOf(batch));
      bytes += batch.length;
      if (bytes > resendFrameBytes) flush();
    }
    flush();
  }

  private lose(stream: PeerStream | undefined, reason: string): void {
    if (stream === undefined || this.stream !== stream) return;
    this.stream = undefined;
    stream.close();
    const wasOpen = this.opened;
    this.opened = false;
    this.bulk.stop();
    if (wasOpen) this.events.broken(reason);
    this.redial();
  }

  private redial(): void {
    if (this.closed) return;
    if (this.otherAddress !== undefined) [this.address, this.otherAddress] = [this.otherAddress, this.address];
    const delayMs = this.retryDelayMs + this.options.random.integer(this.retryDelayMs);
    this.retryDelayMs = Math.min(this.retryDelayMs * 2, reconnectDelayMs.most);
    this.options.clock.after(delayMs, () => this.open());
  }

  /** The link is down: what only makes sense now is dropped; commands were never gathered for a closed link. */
  private forgetGathered(): void {
    this.rest = {};
    this.clearColumns();
  }

  private clearColumns(): void {
    this.commandTraces = this.readTraces = this.batchTraces = undefined;
    if (this.acks.length > 0) this.acks = [];
    empty(this.commands);
    empty(this.reads);
    empty(this.replies);
    if (this.answers.equal.length + this.answers.different.length + this.answers.doubtful.length > 0) this.answers = noAnswers();
  }
}

function optionBits({ options, hops, fromCoordinator }: Call): number {
  const { resp, writeQuorum, readQuorum } = options;
  const usual = (resp & 3) | ((writeQuorum & 15) << 2) | ((readQuorum & 15) << 6) | (Math.min(hops, 3) << 10);
  return fromCoordinator ? usual | fromCoordinatorBit : usual;
}

/** One buffer, but for pieces of large messages, whose bytes are not copied. */
function frameChunksOf(frame: torc.Frame.$Shape): readonly Buffer[] {
  const { bulkPieces } = frame;
  if (!bulkPieces) return [framed(torc.Frame.encode(frame, beginFrame()))];
  delete frame.bulkPieces;
  const writer = torc.Frame.encode(frame, beginFrame());
  return framedWithTail(
    writer,
    bulkPieces.map(({ bytes, ...head }) => ({ head: torc.BulkPiece.encode(head).finish() as Buffer, tail: (bytes ?? noBytes) as Buffer })),
    { field: bulkPiecesField, tailField: bulkBytesField },
  );
}

interface Answers {
  readonly equal: number[];
  readonly equalCount: number[];
  readonly doubtful: number[];
  readonly different: torc.Difference.$Shape[];
}

function noAnswers(): Answers {
  return { equal: [], equalCount: [], doubtful: [], different: [] };
}

/** The rows have been copied into their frame. One turn of large ones does not keep their memory for ever. */
function empty(rows: ByteWriter): void {
  if (rows.length > rowsKeptBytes) rows.take();
  else rows.reset();
}
