/**
 * The link to one peer: everything this node says to it, over one stream that this node dials. It gathers a turn's words into rows, sends them as
 * one frame, resends after a reconnect, in order, the batches that were not acknowledged, and never resends a command.
 *
 * Bounds: unacknowledged batches by `unackedBytesMax` and one turn more (beyond it they become hints on disk, as far as there is room: hand-off.ts),
 * the stream's buffer by `streamBufferBytesMax` besides them, and one frame more (a peer that does not read is cut off).
 */
import { ByteWriter } from '../protocol/byte-writer.js';
import { torc } from '../protocol/generated/messages.js';
import { beginFrame, framed, FrameSplitter, FramingError } from '../protocol/peer/framing.js';
import { writeCommand, writeRead, writeReply } from '../protocol/peer/packed-rows.js';
import type { Clock, Random } from '../storage/clock.js';
import type { Call } from './call.js';
import { IdWindow } from './id-window.js';
import { bytesOf, type Settlement } from './settlement.js';
import { StreamEcho, type HeardStream } from './stream-echo.js';
import type { PeerAddress, PeerStream, Transport } from './transport.js';

export const protocolVersion = 1;

/** A Hello and a Welcome are small; nothing longer is read before the hand-shake is over. */
const greetingBytesMax = 65536;
const resendFrameBytes = 1024 * 1024;
const reconnectDelayMs = { first: 50, most: 2000 };
const greetingTimeoutMs = 2000;
/** Memory for a turn's rows that a link keeps. */
const rowsKeptBytes = 1024 * 1024;

export interface PeerLinkOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly greeting: () => torc.Hello.$Shape;
  /** Hybrid clock's counter, put on every frame. */
  readonly counter: () => number;
  readonly unackedBytesMax: number;
  readonly streamBufferBytesMax: number;
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

type RareWord =
  | 'gossip'
  | 'takeOvers'
  | 'promises'
  | 'transfers'
  | 'transferAcks'
  | 'pulls'
  | 'formation'
  | 'termChecks'
  | 'termAnswers'
  | 'hints'
  | 'hintAcks'
  | 'hintPulls'
  | 'treeQuestions'
  | 'treeAnswers'
  | 'inquiries'
  | 'systemRecords';

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
  /** Forwarded commands without a reply, by id. */
  private readonly forwarded: IdWindow<Call>;
  private answers = noAnswers();
  /** The id after the last run of equal ones. */
  private equalEnd = -1;
  private acks: torc.Ack.$Shape[] = [];
  private rest: torc.Frame.$Shape = {};
  private gathered = false;

  constructor(
    private readonly options: PeerLinkOptions,
    private readonly events: PeerLinkEvents,
    private address: PeerAddress,
  ) {
    this.forwarded = new IdWindow(firstId(options.random));
    this.upcomingReadId = firstId(options.random);
    this.dials = firstId(options.random);
    this.echo = new StreamEcho(options.clock, this.dials);
  }

  get isOpen(): boolean {
    return this.opened;
  }

  get bytesSent(): number {
    return this.bytesOut;
  }

  /** Bytes of batches the peer has not acknowledged. */
  get queuedBytes(): number {
    return this.unackedBytes;
  }

  /** The counter of the oldest batch that the peer has not acknowledged; undefined = there is none. */
  get oldestUnacked(): number | undefined {
    return this.unacked[this.unackedHead]?.counter;
  }

  /** Bytes that the network has not taken yet. */
  get streamBufferedBytes(): number {
    return this.stream?.bufferedBytes ?? 0;
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

  /** Forwards a call; its reply is given to it when it comes. */
  forward(call: Call): void {
    const id = this.forwarded.put(call);
    if (this.commands.length === 0) {
      this.firstCommandId = id;
      this.commandsBeganMs = this.options.clock.monotonicMs();
    }
    const { resp, writeQuorum, readQuorum, deadlineMs } = call.options;
    const usual = (resp & 3) | ((writeQuorum & 15) << 2) | ((readQuorum & 15) << 6) | (Math.min(call.hops, 3) << 10);
    const bits = call.fromCoordinator ? usual | fromCoordinatorBit : usual;
    writeCommand(this.commands, call.partition, bits, deadlineMs - this.commandsBeganMs, call.args);
    if (call.operation.access === 'write') call.release();
    this.gather();
  }

  /** The forwarded call of a reply; undefined when it was given up. */
  takeForwarded(id: number): Call | undefined {
    return this.forwarded.take(id);
  }

  takeAllForwarded(): Call[] {
    return this.forwarded.takeAll();
  }

  /** Forwarded calls whose deadline has passed; most were sent in the order of their deadlines. */
  takeOverdue(nowMs: number): Call[] {
    // Commands on whole partitions have more time than what was sent after them: they do not stand in its way.
    return this.forwarded.takeEvery(
      (call) => call.options.deadlineMs < nowMs,
      ({ operation }) => operation.wholePartition,
    );
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

  reply(id: number, reply: Buffer): void {
    writeReply(this.replies, id, reply);
    this.gather();
  }

  answerEqual(id: number): void {
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
    this.answers.doubtful.push(id);
    this.gather();
  }

  answerDifferent(id: number, transfer: torc.Transfer.$Shape): void {
    this.answers.different.push({ id, transfer });
    this.gather();
  }

  acknowledge(ack: torc.Ack.$Shape): void {
    this.acks.push(ack);
    this.gather();
  }

  /** Everything that is said rarely. */
  say(words: Pick<torc.Frame.$Shape, RareWord>): void {
    const { rest } = this;
    if (words.gossip) rest.gossip = rest.gossip ? joined(rest.gossip, words.gossip) : words.gossip;
    if (words.takeOvers) (rest.takeOvers ??= []).push(...words.takeOvers);
    if (words.promises) (rest.promises ??= []).push(...words.promises);
    if (words.transfers) (rest.transfers ??= []).push(...words.transfers);
    if (words.transferAcks) (rest.transferAcks ??= []).push(...words.transferAcks);
    if (words.pulls) (rest.pulls ??= []).push(...words.pulls);
    if (words.formation) (rest.formation ??= []).push(...words.formation);
    if (words.inquiries) (rest.inquiries ??= []).push(...words.inquiries);
    if (words.hints) (rest.hints ??= []).push(...words.hints);
    if (words.hintAcks) (rest.hintAcks ??= []).push(...words.hintAcks);
    if (words.hintPulls) (rest.hintPulls ??= []).push(...words.hintPulls);
    if (words.termChecks) (rest.termChecks ??= []).push(...words.termChecks);
    if (words.termAnswers) (rest.termAnswers ??= []).push(...words.termAnswers);
    if (words.treeQuestions) (rest.treeQuestions ??= []).push(...words.treeQuestions);
    if (words.systemRecords) (rest.systemRecords ??= []).push(...words.systemRecords);
    if (words.treeAnswers) (rest.treeAnswers ??= []).push(...words.treeAnswers);
    this.gather();
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
    if (this.acks.length > 0) frame.ack = this.acks;
    if (this.commands.length > 0) frame.commands = { firstId: this.firstCommandId, rows: this.commands.view() };
    if (this.reads.length > 0) frame.reads = { firstId: this.firstReadId, rows: this.reads.view() };
    if (this.replies.length > 0) frame.replies = { rows: this.replies.view() };
    if (this.answers.equal.length + this.answers.different.length + this.answers.doubtful.length > 0) frame.readAnswers = this.answers;
    this.write(stream, frame);
    this.clearColumns();
  }

  /** Sends all unacknowledged batches again: the peer's answers to them may have been lost. Storing them twice changes nothing. */
  resendUnacked(): void {
    if (this.stream !== undefined && this.opened) this.resend(this.stream);
  }

  /** Whether the peer takes batches. Those that waited are sent when it does again. */
  setHolding(holds: boolean): void {
    if (holds === this.holdsBatches) return;
    this.holdsBatches = holds;
    if (holds) return;
    if (this.opened && this.unackedHead < this.unacked.length && this.events.hasOlder?.() === true) this.overflow();
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
    return this.unackedHead < this.unacked.length || this.forwarded.size > 0 || this.owedHints > 0;
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
    let sum = 0;
    for (const settlement of taken) {
      settlement.turnBytes = batches;
      this.unacked.push(settlement);
      sum += settlement.length;
    }
    this.unackedBytes += sum;
    const [first] = taken;
    const last = taken.at(-1);
    const from = first?.offset ?? 0;
    const to = (last?.offset ?? 0) + (last?.length ?? 0);
    // Where every batch of the turn goes to this peer, they already stand in a row.
    return to - from === sum ? batches.subarray(from, to) : Buffer.concat(taken.map(bytesOf));
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
  }

  private overflow(): void {
    const batches = this.unacked.slice(this.unackedHead);
    this.dropped = [...this.dropped, ...batches].filter(({ settled }) => !settled);
    this.droppedBatches += this.events.overflowed?.(batches) ?? batches.length;
    this.unacked = [];
    this.unackedHead = 0;
    this.unackedBytes = 0;
  }

  private write(stream: PeerStream, frame: torc.Frame.$Shape): void {
    const bytes = framed(torc.Frame.encode(frame, beginFrame()));
    this.bytesOut += bytes.length;
    this.echo.sent(bytes.length);
    // Batches have a bound of their own, and a frame may be larger than this one.
    const waits = stream.bufferedBytes > this.options.streamBufferBytesMax + this.unackedBytes;
    stream.write([bytes]);
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
    if (this.unackedHead < this.unacked.length && this.events.hasOlder?.() === true) this.overflow();
    else this.resend(this.stream);
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
    if (this.acks.length > 0) this.acks = [];
    empty(this.commands);
    empty(this.reads);
    empty(this.replies);
    if (this.answers.equal.length + this.answers.different.length + this.answers.doubtful.length > 0) this.answers = noAnswers();
  }
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

/** Two gossips of one turn: what the first says of clocks is not said again. */
function joined(first: torc.Gossip.$Shape, second: torc.Gossip.$Shape): torc.Gossip.$Shape {
  return {
    ...second,
    partition: [...(first.partition ?? []), ...(second.partition ?? [])],
    seen: [...(first.seen ?? []), ...(second.seen ?? [])],
  };
}
