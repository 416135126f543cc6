/**
 * The stream to a peer: dialled, greeted, and dialled again whenever it is down, until close(). It is open once the peer has answered the hand-shake; what is
 * written before that, or was on its way when it broke, is lost.
 */
import { torc } from '../protocol/generated/messages.js';
import { beginFrame, framed, FrameSplitter, FramingError } from '../protocol/peer/framing.js';
import type { Clock, Random } from '../storage/clock.js';
import { StreamEcho, type HeardStream } from './stream-echo.js';
import type { PeerAddress, PeerStream, Transport } from './transport.js';

/** A Hello and a Welcome are small; nothing longer is read before the hand-shake is over. */
const greetingBytesMax = 65536;
const reconnectDelayMs = { first: 50, most: 2000 };
const greetingTimeoutMs = 2000;

export interface DialledStreamOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly greeting: () => torc.Hello.$Shape;
}

export interface DialledStreamEvents {
  /** The peer answered the hand-shake. */
  opened(welcome: torc.Hello): void;
  /** The stream is gone; `wasOpen`: the hand-shake had been answered. */
  lost(wasOpen: boolean, reason: string): void;
  /** The peer refused, or it is not who it should be; lost() follows. */
  refused(reason: string): void;
}

export class DialledStream {
  private stream: PeerStream | undefined;
  private opened = false;
  private closed = false;
  private dialling = false;
  private retryDelayMs = reconnectDelayMs.first;
  private otherAddress: PeerAddress | undefined;
  private bytesOut = 0;
  /** Of the stream that was dialled last. */
  private echo: StreamEcho;
  /** Raised whenever the stream opens: what was sent under another number may be lost. */
  number = 0;

  constructor(
    private readonly options: DialledStreamOptions,
    private readonly events: DialledStreamEvents,
    private address: PeerAddress,
    /** Counts from here; each stream tells the peer its own. */
    private dials: number,
  ) {
    this.echo = new StreamEcho(options.clock, dials);
  }

  get isOpen(): boolean {
    return this.opened;
  }

  get bytesSent(): number {
    return this.bytesOut;
  }

  /** Bytes that the network has not taken yet. */
  get bufferedBytes(): number {
    return this.stream?.bufferedBytes ?? 0;
  }

  setAddress(address: PeerAddress): void {
    this.address = address;
    this.otherAddress = undefined;
  }

  /** The peer may be there instead: while the stream is down the two are dialled by turns. */
  tryAlso(address: PeerAddress): void {
    if (address.host !== this.address.host || address.port !== this.address.port) this.otherAddress = address;
  }

  /** Dials, if it is not there and nobody does. */
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

  /** Dials at once if it is waiting to do so. */
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

  /** Breaks the stream; it is dialled again. */
  reset(reason: string): void {
    this.lose(this.stream, reason);
  }

  /** What the peer says of the stream. A dead one is broken, and dialled again. */
  echoed(heard: HeardStream, patienceMs: number): void {
    const reason = this.opened ? this.echo.echoed(heard, patienceMs) : undefined;
    if (reason !== undefined) this.reset(reason);
  }

  /** Only while it is open. A peer that had left more than `bufferBytesMax` bytes unread is cut off. */
  write(chunks: readonly Buffer[], bufferBytesMax: number): void {
    const { stream } = this;
    if (stream === undefined) return;
    let length = 0;
    for (const chunk of chunks) length += chunk.length;
    this.bytesOut += length;
    this.echo.sent(length);
    const waits = stream.bufferedBytes > bufferBytesMax;
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
    this.number++;
    this.retryDelayMs = reconnectDelayMs.first;
    this.events.opened(hello);
  }

  private lose(stream: PeerStream | undefined, reason: string): void {
    if (stream === undefined || this.stream !== stream) return;
    this.stream = undefined;
    stream.close();
    const wasOpen = this.opened;
    this.opened = false;
    this.events.lost(wasOpen, reason);
    this.redial();
  }

  private redial(): void {
    if (this.closed) return;
    if (this.otherAddress !== undefined) [this.address, this.otherAddress] = [this.otherAddress, this.address];
    const delayMs = this.retryDelayMs + this.options.random.integer(this.retryDelayMs);
    this.retryDelayMs = Math.min(this.retryDelayMs * 2, reconnectDelayMs.most);
    this.options.clock.after(delayMs, () => this.open());
  }
}
