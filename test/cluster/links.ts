/** A link to a peer that is played by the test: the streams it dials, and what it says on them. */
import { PeerLink, protocolVersion, type PeerLinkEvents } from '../../cluster/peer-link.js';
import type { PeerStream, PeerStreamEvents, Transport } from '../../cluster/transport.js';
import { torc } from '../../protocol/generated/messages.js';
import { frameChunks, FrameSplitter } from '../../protocol/peer/framing.js';
import type { Clock } from '../../storage/clock.js';
import { HandClock, seededRandom } from '../storage/log-fixtures.js';

/** Time that stands still, and in which nothing is ever due. */
export const stillClock: Clock = {
  wallMs: () => 0,
  monotonicMs: () => 0,
  after: () => ({ cancel: () => undefined }),
  atTurnEnd: () => undefined,
  nextTurn: () => undefined,
};

export class PlayedStream implements PeerStream {
  bufferedBytes = 0;
  isClosed = false;
  greeting: torc.Hello | undefined;
  readonly frames: torc.Frame[] = [];
  private readonly splitter = new FrameSplitter(1 << 26);

  constructor(readonly events: PeerStreamEvents) {}

  write(chunks: readonly Buffer[]): void {
    for (const chunk of chunks) {
      this.splitter.push(chunk, (message) => {
        if (this.greeting === undefined) this.greeting = torc.Hello.decode(message);
        else this.frames.push(torc.Frame.decode(Buffer.from(message)));
      });
    }
  }

  close(): void {
    this.isClosed = true;
  }

  /** The peer's answer to the hand-shake. */
  welcome(hello: torc.Hello.$Shape = {}): void {
    const message = torc.Hello.encode({ protocolVersion, clusterName: 'test', from: { nodeId: 'peer' }, ...hello }).finish() as Buffer;
    this.events.data(Buffer.concat(frameChunks(message)));
  }

  break(reason = 'reset'): void {
    this.events.closed(reason);
  }
}

export class PlayedLink {
  readonly clock = new HandClock();
  readonly streams: PlayedStream[] = [];
  readonly events: string[] = [];
  /** Dials fail while it is set. */
  unreachable = false;
  scheduled = 0;
  /** What the link handed out to be kept elsewhere, when this is on; and whether it is told that there is something. */
  readonly keptElsewhere: number[] = [];
  keepsElsewhere = false;
  hasOlder = false;
  readonly link: PeerLink;

  constructor({ unackedBytesMax = 1 << 20, streamBufferBytesMax = 1 << 20 } = {}) {
    const transport: Transport = {
      connect: (_address, events, opened, failed) => {
        this.clock.after(0, () => {
          if (this.unreachable) return failed('refused');
          const stream = new PlayedStream(events);
          this.streams.push(stream);
          opened(stream);
        });
      },
      resolve: () => undefined,
      listen: () => undefined,
    };
    const events: PeerLinkEvents = {
      opened: ({ from }) => this.events.push(`opened ${from?.nodeId ?? '?'}`),
      broken: (reason) => this.events.push(`broken: ${reason}`),
      refused: (reason) => this.events.push(`refused: ${reason}`),
      overflowed: (batches) => {
        if (!this.keepsElsewhere) return batches.length;
        this.keptElsewhere.push(...batches.map(({ counter }) => counter));
        return 0;
      },
      hasOlder: () => this.hasOlder,
    };
    this.link = new PeerLink(
      {
        transport,
        clock: this.clock,
        random: seededRandom(1),
        greeting: () => ({ protocolVersion, clusterName: 'test', from: { nodeId: 'self' } }),
        counter: () => 42,
        unackedBytesMax,
        streamBufferBytesMax,
        schedule: () => this.scheduled++,
      },
      events,
      { host: 'peer', port: 1 },
    );
  }

  /** The stream dialled last. */
  get stream(): PlayedStream {
    const stream = this.streams.at(-1);
    if (stream === undefined) throw new Error('nothing was dialled');
    return stream;
  }

  async open(): Promise<PlayedStream> {
    this.link.open();
    await this.clock.advance(0);
    this.stream.welcome();
    return this.stream;
  }

  /** Until it has dialled again. */
  async redial(): Promise<PlayedStream> {
    const { length } = this.streams;
    for (let i = 0; i < 100 && this.streams.length === length; i++) await this.clock.advance(100);
    return this.stream;
  }
}
