/**
 * The link to one peer: everything this node says to it, over one stream that this node dials (dialled-stream.ts). It gathers a turn's words into the columns of
 * one frame (frame-columns.ts), resends after a reconnect, in order, the batches that were not acknowledged (unacked-batches.ts), and never resends a command.
 *
 * What is too large for a frame leaves in pieces, beside all else (bulk-sender.ts).
 *
 * Bounds: unacknowledged batches by `unackedBytesMax` and one turn more (beyond it they become hints on disk, as far as there is room: hand-off.ts),
 * the stream's buffer by `streamBufferBytesMax` besides them, and one frame more (a peer that does not read is cut off).
 */
import { GatheredBytes } from '../protocol/gathered-bytes.js';
import { torc } from '../protocol/generated/messages.js';
import { beginFrame, framed, framedWithTail, withTail } from '../protocol/peer/framing.js';
import { replyParts } from '../protocol/peer/packed-rows.js';
import { bulkSizes, BulkSender, type BulkSizes } from './bulk-sender.js';
import { bulkPatienceMs, type BulkPatience, type Call } from './call.js';
import { DialledStream, type DialledStreamOptions } from './dialled-stream.js';
import { ForwardedCalls } from './forwarded-calls.js';
import { FrameColumns, forwardedParts } from './frame-columns.js';
import { firstId } from './id-window.js';
import { bytesOfTransfer, frameParts, type LongTransfer } from './long-transfer.js';
import { bringsRecords, bytesOfRecords, type RareWords } from './rare-words.js';
import { bytesOf, type Settlement } from './settlement.js';
import type { HeardStream } from './stream-echo.js';
import { contextRow, type OpenSpan } from './tracing.js';
import type { PeerAddress } from './transport.js';
import { UnackedBatches } from './unacked-batches.js';

export const protocolVersion = 1;

/** In frame.proto: `Frame.bulk_pieces`, and `BulkPiece.bytes`. */
const bulkPiecesField = 60;
const bulkBytesField = 4;
/** `Frame.commands` and `Commands.rows`, `Frame.replies` and `Replies.rows`. */
const commandsField = 4;
const commandRowsField = 2;
const repliesField = 5;
const replyRowsField = 1;
const noBytes = Buffer.alloc(0);
/** Of batches that are sent again: so many frames to one that is large, and as many in a turn, besides twice what was written since the turn before, or there would be no end to it. */
const resentFrames = { toLarge: 4, inTurn: 8 };
/** Spans of questions without an answer that a link keeps. */
const spansMax = 1024;

export interface PeerLinkOptions extends DialledStreamOptions {
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

/** A peer that has not taken so much is congested. Large batches count until it has stored them: a few must not keep it from being repaired. */
const congestedBytes = 32 * 1024 * 1024;
/** Bytes of large messages that wait for a peer, beyond which no more records are sent for repair, nor replies. */
const bulkBytesMax = 1024 * 1024 * 1024;

export class PeerLink {
  private readonly stream: DialledStream;

  private turnBatches: Settlement[] = [];
  /** Of the turn that is ending: what send() will put in its frame. */
  private sealed: Buffer | undefined;
  private readonly unacked = new UnackedBatches();
  /** Batches dropped because the peer did not take them in time and there was no room on disk. */
  droppedBatches = 0;

  /** The peer has no room: its batches wait here until it has. */
  private holdsBatches = false;
  /** The last batch that was sent again, by its counter, while others are still to be: what is written meanwhile waits behind them. Undefined = all have been. */
  private resentTo: number | undefined = undefined;
  /** Times that it was begun, or ended, to send all of them again. */
  private resends = 0;
  private readonly resentBytes: number;
  /** Bytes of batches that came to wait behind them since the last turn of it. */
  private behindBytes = 0;

  /** Pieces of hints that the peer has not acknowledged. */
  owedHints = 0;

  private readonly bulk: BulkSender;
  /** For what goes in pieces. */
  readonly patience: BulkPatience;
  /** When the front of the large messages last moved, or could not, monotonic. */
  private bulkMovedMs = 0;

  private readonly columns: FrameColumns;
  /** Ids begin anywhere: an answer to a process that had this node's name before must not meet a question of this one. */
  private upcomingReadId: number;
  private readonly forwarded: ForwardedCalls;
  private gathered = false;
  /** Spans of questions of the peer's that have no answer yet. */
  private answering: Map<number, OpenSpan> | undefined = undefined;

  constructor(
    private readonly options: PeerLinkOptions,
    private readonly events: PeerLinkEvents,
    address: PeerAddress,
  ) {
    this.forwarded = new ForwardedCalls(firstId(options.random));
    this.upcomingReadId = firstId(options.random);
    const first = firstId(options.random);
    this.stream = new DialledStream(
      options,
      {
        opened: (welcome) => this.streamOpened(welcome),
        lost: (wasOpen, reason) => this.streamLost(wasOpen, reason),
        refused: (reason) => events.refused(reason),
      },
      address,
      first,
    );
    this.columns = new FrameColumns(() => options.clock.monotonicMs());
    // Its own count of messages begins where the dials do: each draw of a random number would shift those after it in a simulation.
    const sizes = options.bulkSizes ?? bulkSizes;
    this.patience = sizes.patience;
    this.resentBytes = Math.ceil(sizes.messageBytesMin / resentFrames.toLarge);
    this.bulk = new BulkSender(sizes, first, (piece) => this.say({ bulkPieces: [piece] }));
  }

  get isOpen(): boolean {
    return this.stream.isOpen;
  }

  /** Raised whenever a stream opens: what was sent under another number may be lost. */
  get streamNumber(): number {
    return this.stream.number;
  }

  get bytesSent(): number {
    return this.stream.bytesSent;
  }

  /** Bytes of batches the peer has not acknowledged. */
  get queuedBytes(): number {
    return this.unacked.bytes + this.bulk.bytes;
  }

  /** The counter of the oldest batch that the peer has not acknowledged; undefined = there is none. */
  get oldestUnacked(): number | undefined {
    const small = this.unacked.oldest;
    const large = this.bulk.oldestBatch;
    return small === undefined || (large !== undefined && large < small) ? large : small;
  }

  /** Bytes that the network has not taken yet, and of large messages those that have not come. */
  get streamBufferedBytes(): number {
    return this.stream.bufferedBytes + this.bulk.bytes;
  }

  /** The peer gets no further piece of what repairs it, or is handed over to it, as yet. */
  get isCongested(): boolean {
    return this.streamBufferedBytes > congestedBytes;
  }

  /** So much at once goes in pieces. */
  isLarge(bytes: number): boolean {
    return this.bulk.isLarge(bytes);
  }

  /** A batch of the partition is being sent in pieces, or waits behind one, or all are being sent again. */
  isSending(partition: number): boolean {
    return this.resentTo !== undefined || this.bulk.holds(partition);
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
    this.stream.setAddress(address);
  }

  /** The peer may be there instead: a link that is down dials the two by turns. */
  tryAlso(address: PeerAddress): void {
    this.stream.tryAlso(address);
  }

  /** Dials, and dials again whenever the link is down, until close(). */
  open(): void {
    this.stream.open();
  }

  /** Dials at once if the link is waiting to do so: the peer was just heard of. */
  dialNow(): void {
    this.stream.dialNow();
  }

  close(): void {
    this.bulk.stop();
    this.stream.close();
  }

  /** Breaks the stream; the link dials again. */
  reset(reason: string): void {
    this.stream.reset(reason);
  }

  /** What the peer says of the stream. A dead one is broken, and dialled again. */
  echoed(heard: HeardStream, patienceMs: number): void {
    this.stream.echoed(heard, patienceMs);
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
    this.columns.command(this.forwarded.put(call), call);
    if (call.operation.access === 'write') call.release();
    this.gather();
  }

  private forwardLarge(call: Call): void {
    const id = this.forwarded.putAlone(call);
    const rows = forwardedParts(call, this.options.clock.monotonicMs());
    if (call.operation.access === 'write') call.release();
    const commands: torc.Commands.$Shape = { firstId: id };
    if (call.trace?.context !== undefined) commands.traces = contextRow(id, call.trace.context);
    this.sendRows(torc.Commands.encode(commands).finish() as Buffer, rows, { field: commandsField, tailField: commandRowsField }, call);
  }

  /** A frame of nothing but rows that are too large for one; what is said over a link that is down is lost. */
  private sendRows(
    head: Buffer,
    rows: readonly Buffer[],
    fields: { readonly field: number; readonly tailField: number },
    call?: Call,
  ): void {
    if (!this.isOpen) return;
    this.bulkMoved();
    const writer = torc.Frame.encode({ clock: this.options.counter() });
    this.bulk.putFrame(new GatheredBytes(withTail(writer, head, rows, fields)), { call });
  }

  /** A forwarded call that was not answered yet. */
  forwardedCall(id: number): Call | undefined {
    return this.forwarded.get(id);
  }

  /** The forwarded call of a reply; undefined when it was given up. */
  takeForwarded(id: number): Call | undefined {
    return this.forwarded.take(id);
  }

  /** Forwarded calls of which the reply may be lost: of one that has not left whole there is none yet, and what its connection sends next must not overtake it. */
  takeLostForwarded(): Call[] {
    return this.forwarded.takeAllBut(this.bulk.unsentCalls);
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
    this.columns.read(id, slot, key, actor, counter, token);
    this.gather();
    return id;
  }

  /** The question that was sent last is part of a traced command. */
  traceRead(id: number, context: Buffer): void {
    this.columns.traceRead(id, context);
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
    this.columns.reply(id, reply);
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
    this.columns.equal(id);
    this.gather();
  }

  answerDoubtful(id: number): void {
    if (this.answering !== undefined) this.endAnswer(id);
    this.columns.doubtful(id);
    this.gather();
  }

  answerDifferent(id: number, transfer: LongTransfer): void {
    if (this.answering !== undefined) this.endAnswer(id);
    if (this.isLarge(bytesOfTransfer(transfer))) {
      if (this.isFullOfLarge) this.answerDoubtful(id);
      else this.sayInPieces({ readAnswers: { different: [{ id, transfer }] } });
      return;
    }
    this.columns.different(id, transfer);
    this.gather();
  }

  acknowledge(ack: torc.Ack.$Shape): void {
    this.columns.acknowledge(ack);
    this.gather();
  }

  /** Everything that is said rarely. */
  say(words: RareWords): void {
    if (this.mustGoInPieces(words)) return this.sayInPieces(words, true);
    this.columns.say(words);
    this.gather();
  }

  /** Records do not overtake those that were too large for a frame: the last piece of an exchange says that all came. */
  private mustGoInPieces(words: RareWords): boolean {
    return bringsRecords(words) && (this.bulk.holdsRecords || this.isLarge(bytesOfRecords(words)));
  }

  /** What is said over a link that is down is lost. */
  private sayInPieces(frame: torc.Frame.$Shape, records = false): void {
    if (!this.isOpen) return;
    frame.clock = this.options.counter();
    this.bulkMoved();
    this.bulk.putFrame(new GatheredBytes(frameParts(frame)), { records });
  }

  private bulkMoved(): void {
    this.bulkMovedMs = this.options.clock.monotonicMs();
  }

  /** The peer has got a piece, or stored a large batch: then that is returned. */
  bulkAcknowledged(ack: torc.BulkAck): Settlement | undefined {
    this.bulkMoved();
    const stored = this.bulk.acknowledged(ack);
    if (stored === undefined) return undefined;
    if (stored.freed.length > 0) {
      // Newer ones of other partitions may be on their way: the answers to them count when all have been sent again, in order.
      this.unacked.putBack(stored.freed);
      if (this.isOpen) this.resend();
    }
    return stored.settlement;
  }

  /** A large message that does not move is sent again, over a new stream. */
  watchBulk(nowMs: number, patienceMs: number): void {
    if (!this.isOpen || !this.bulk.isMoving || nowMs - this.bulkMovedMs < patienceMs + bulkPatienceMs(this.patience, this.bulk.bytes))
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

  /** The log took nothing of the turn: its batches are not sent. The peer learns of them by this node's clock, once that shows them. */
  dropTurn(): void {
    for (const settlement of this.turnBatches.splice(0)) this.unacked.drop(settlement);
  }

  /** Sends what this turn gathered as one frame. */
  send(): void {
    if (!this.gathered) return;
    this.gathered = this.turnBatches.length > 0;
    const turnBatches = this.sealed;
    this.sealed = undefined;
    // While the link is down what only makes sense now is dropped; commands were never gathered for a closed link.
    if (this.isOpen)
      this.write(this.columns.frame(this.options.counter(), this.holdsBatches || this.resentTo !== undefined ? undefined : turnBatches));
    this.columns.clear();
  }

  /** Sends all unacknowledged batches again: the peer's answers to them may have been lost. Storing them twice changes nothing. */
  resendUnacked(): void {
    if (!this.isOpen) return;
    this.resend();
    this.bulkMoved();
    this.bulk.resend();
  }

  /** Whether the peer takes batches. Those that waited are sent when it does again. */
  setHolding(holds: boolean): void {
    if (holds === this.holdsBatches) return;
    this.holdsBatches = holds;
    this.endResending();
    if (holds) return;
    if (this.isOpen && this.hasUnacked && this.events.hasOlder?.() === true) this.overflow();
    else this.resendUnacked();
  }

  /** UnackedBatches.acknowledged */
  acknowledged(first: number, counter: number, superseded: ReadonlySet<number>): void {
    this.unacked.acknowledged(first, counter, superseded);
  }

  /** UnackedBatches.covered */
  covered(isHeld: (settlement: Settlement) => boolean): void {
    this.unacked.covered(isHeld);
  }

  /** True while the peer owes an answer. */
  get expectsAnswer(): boolean {
    return !this.unacked.isEmpty || this.forwarded.size > 0 || this.owedHints > 0 || this.bulk.isMoving;
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
    if (this.unacked.bytes > this.options.unackedBytesMax) this.overflow();
    for (const settlement of taken) settlement.turnBytes = batches;
    const sent = this.bulk.isEmpty ? taken : this.withoutFollowers(taken);
    if (sent.length === 0) return undefined;
    const sum = this.unacked.add(sent);
    if (this.resentTo !== undefined) this.behindBytes += sum;
    for (const { traced } of sent) if (traced !== undefined) this.columns.traceBatch(traced);
    const [first] = sent;
    const last = sent.at(-1);
    const from = first?.offset ?? 0;
    const to = (last?.offset ?? 0) + (last?.length ?? 0);
    // Where every batch of the turn goes to this peer, they already stand in a row.
    return to - from === sum ? batches.subarray(from, to) : Buffer.concat(sent.map(bytesOf));
  }

  /** Batches do not overtake a large one of their partition: they would lie beyond a gap. */
  private withoutFollowers(batches: readonly Settlement[]): readonly Settlement[] {
    const others = batches.filter(({ partition }) => !this.bulk.holds(partition));
    if (others.length < batches.length)
      for (const settlement of batches) if (this.bulk.holds(settlement.partition)) this.bulk.putBatch(settlement);
    return others;
  }

  /** What was kept before `counter` for a peer that is away is dropped. */
  dropUnackedBefore(counter: number): void {
    if (this.isOpen) return;
    this.droppedBatches += this.unacked.dropBefore(counter);
    const oldest = this.bulk.oldestBatch;
    if (oldest === undefined || oldest >= counter) return;
    for (const settlement of this.bulk.takeBatches((each) => each.counter < counter)) {
      this.droppedBatches++;
      this.unacked.drop(settlement);
    }
  }

  /** Batches wait for the peer's acknowledgement. */
  private get hasUnacked(): boolean {
    return !this.unacked.isEmpty || this.bulk.oldestBatch !== undefined;
  }

  private get takesBatches(): boolean {
    return this.isOpen && !this.holdsBatches;
  }

  private overflow(): void {
    // What goes to a peer in pieces has a way, as long as it takes them and what is kept elsewhere does not come first.
    const stays = this.takesBatches && this.events.hasOlder?.() !== true;
    this.endResending();
    const batches = this.unacked.dropAll(stays ? [] : this.bulk.takeBatches(() => true));
    this.droppedBatches += this.events.overflowed?.(batches) ?? batches.length;
  }

  private write(frame: torc.Frame.$Shape): void {
    // Batches have a bound of their own, and a frame may be larger than this one.
    this.stream.write(frameChunksOf(frame), this.options.streamBufferBytesMax + this.unacked.bytes);
  }

  private streamOpened(welcome: torc.Hello): void {
    if (this.hasUnacked && this.events.hasOlder?.() === true) this.overflow();
    else this.resend();
    this.bulkMoved();
    this.bulk.restart();
    this.events.opened(welcome);
  }

  private streamLost(wasOpen: boolean, reason: string): void {
    this.bulk.stop();
    this.endResending();
    if (wasOpen) this.events.broken(reason);
  }

  /** All that is not acknowledged, in order, some of it in a turn. Those of later turns, and large ones, come after it. */
  private resend(): void {
    if (!this.holdsBatches) this.resendAfter(-1, ++this.resends);
  }

  private resendAfter(counter: number, pass: number): void {
    let left = resentFrames.inTurn * this.resentBytes + 2 * this.behindBytes;
    this.behindBytes = 0;
    let to = counter;
    let isOver = false;
    while (left > 0 && !isOver) {
      const next = this.unacked.after(to, this.resentBytes);
      if (next === undefined) isOver = true;
      else {
        this.write({ clock: this.options.counter(), batches: next.bytes });
        left -= next.bytes.length;
        to = next.last;
      }
    }
    this.resentTo = isOver ? undefined : to;
    this.bulk.setHolding(this.holdsBatches || !isOver);
    if (isOver) return;
    this.options.clock.after(0, () => {
      if (pass === this.resends && this.takesBatches) this.resendAfter(to, pass);
    });
  }

  /** What was still to be sent again is not, or will be from the beginning. */
  private endResending(): void {
    this.resends++;
    this.resentTo = undefined;
    this.bulk.setHolding(this.holdsBatches);
  }
}

/** One buffer, but for pieces of large messages, whose bytes are not copied, and which go in a frame each: the other side puts a frame together before it looks at it. */
function frameChunksOf(frame: torc.Frame.$Shape): readonly Buffer[] {
  const { bulkPieces } = frame;
  if (!bulkPieces) return [framed(torc.Frame.encode(frame, beginFrame()))];
  delete frame.bulkPieces;
  return bulkPieces.flatMap(({ bytes, ...head }, index) =>
    framedWithTail(
      torc.Frame.encode(index === 0 ? frame : { clock: frame.clock ?? 0 }, beginFrame()),
      { head: torc.BulkPiece.encode(head).finish() as Buffer, tail: (bytes ?? noBytes) as Buffer },
      { field: bulkPiecesField, tailField: bulkBytesField },
    ),
  );
}
