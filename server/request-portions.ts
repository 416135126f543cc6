/**
 * What a client sent, decoded a portion at a time for as long as the client does not rest: decoding takes as long as running what was decoded, and what is not decoded yet
 * is 64 KiB where its arguments are many times that. Short commands of which none is counted (turn-budget.ts), thousands in a read, end at a portion once they have taken their time.
 *
 * Bound: what waits is what one read brings, as nothing more is read while something waits. What TLS reads comes in records of at most a portion, and waits as it is in the runtime.
 */
import type { RequestDecoder } from '../protocol/resp/request-decoder.js';

/** Of arguments of ten bytes a millisecond's worth. */
const portionBytes = 16 * 1024;
/** What a client has sent is not gone on with in this turn once it has taken so long. */
const portionsMs = 2;

export class RequestPortions {
  private waiting: Buffer[] = [];

  constructor(
    private readonly decoder: RequestDecoder,
    /** The client has enough for now. */
    private readonly rests: () => boolean,
    /** Brings it to rest. */
    private readonly rest: () => void,
    private readonly monotonicMs = (): number => performance.now(),
  ) {}

  get waitingBytes(): number {
    return this.waiting.reduce((sum, { length }) => sum + length, 0);
  }

  /** Takes what came; the chunk is borrowed, or given away. */
  take(chunk: Buffer, isBorrowed: boolean): void {
    if (this.waiting.length === 0 && (chunk.length <= portionBytes || this.decoder.fillsLarge(chunk.length))) {
      if (isBorrowed) this.decoder.pushBorrowed(chunk);
      else this.decoder.push(chunk);
      return;
    }
    this.waiting.push(isBorrowed ? Buffer.from(chunk) : chunk);
    this.goOn();
  }

  /** Decodes what waits until the client rests. */
  goOn(): void {
    const beganMs = this.monotonicMs();
    while (!this.rests()) {
      const chunk = this.waiting.shift();
      if (chunk === undefined) return;
      if (chunk.length > portionBytes) this.waiting.unshift(chunk.subarray(portionBytes));
      this.decoder.push(chunk.subarray(0, portionBytes));
      if (this.waiting.length > 0 && this.monotonicMs() - beganMs >= portionsMs) this.rest();
    }
  }

  /** What waits is for nobody. */
  clear(): void {
    this.waiting = [];
  }
}
