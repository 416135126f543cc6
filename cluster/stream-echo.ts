/**
 * Whether what is sent over a stream arrives. A stream may be dead in one direction while its sender knows nothing of it: the end that the other side noticed never
 * came, a firewall forgot the connection, packets pass one way only. The sender hears the peer over the peer's own stream and goes on as if it were heard. So
 * each gossip says of the stream that its receiver dialled how many bytes came over it, and whether it has ended; the dialler compares.
 *
 * Invariant: a stream that still moves is never called dead, however slowly, nor is one of which the peer spoke while either process stood still.
 */
import type { Clock } from '../storage/clock.js';

/** What the acceptor of a stream says of it. */
export interface HeardStream {
  /** Its dialler's number of it; 0 = none that is reported of. */
  readonly stream: number;
  /** That came over it, hand-shake included. */
  readonly heard: number;
  readonly ended: boolean;
}

/** Links count their streams up from places further apart than this. */
const streamsOfLinkMax = 2 ** 16;

/**
 * Whether the same link dialled the one stream after the other. It has one at a time, so the earlier one is dead, whatever the side that accepted it was told: as long as that counted
 * it as open, two streams that broke unnoticed, one each way, hid behind it, and each side took the other for reached.
 */
export function isDialledAfter(stream: number, other: number): boolean {
  return other > 0 && stream > other && stream - other < streamsOfLinkMax;
}

/** So many gossips in a row have to say that nothing came: the first may have been written before what was sent could arrive. */
const gossipsUnmoved = 3;

export class StreamEcho {
  private sentBytes = 0;
  private heardBytes = 0;
  /** Since when something is sent and not heard, monotonic. */
  private unheardSinceMs: number | undefined;
  private unmoved = 0;

  constructor(
    private readonly clock: Clock,
    /** The dialler's number of the stream. */
    readonly stream: number,
  ) {}

  sent(bytes: number): void {
    this.sentBytes += bytes;
    this.unheardSinceMs ??= this.clock.monotonicMs();
  }

  /** What the peer says. Returns why the stream is dead; undefined = as far as one can tell it is not. */
  echoed({ stream, heard, ended }: HeardStream, patienceMs: number): string | undefined {
    if (stream !== this.stream) return undefined; // said of another stream, before this one came there
    if (ended) return 'the peer says that it has ended';
    const nowMs = this.clock.monotonicMs();
    if (heard > this.heardBytes || heard >= this.sentBytes) {
      this.heardBytes = heard;
      this.unmoved = 0;
      this.unheardSinceMs = heard < this.sentBytes ? nowMs : undefined;
      return undefined;
    }
    const isDead = ++this.unmoved >= gossipsUnmoved && nowMs - (this.unheardSinceMs ?? nowMs) > patienceMs;
    return isDead ? 'nothing that is sent arrives' : undefined;
  }
}
