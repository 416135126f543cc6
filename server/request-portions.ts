/**
 * What a client sent, decoded a portion at a time for as long as the client does not rest: decoding takes as long as running what was decoded, and what is not decoded yet
 * is 64 KiB where its arguments are many times that.
 *
 * Bound: what waits is what one read brings, as nothing more is read while something waits. What TLS reads comes in records of at most a portion, and waits as it is in the runtime.
 */
import type { RequestDecoder } from '../protocol/resp/request-decoder.js';

/** Of arguments of ten bytes a millisecond's worth. */
const portionBytes = 16 * 1024;

export class RequestPortions {
  private waiting: Buffer[] = [];

  constructor(
    private readonly decoder: RequestDecoder,
    /** The client has enough for now. */
    private readonly rests: () => boolean,
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
    while (!this.rests()) {
      const chunk = this.waiting.shift();
      if (chunk === undefined) return;
      if (chunk.length > portionBytes) this.waiting.unshift(chunk.subarray(portionBytes));
      this.decoder.push(chunk.subarray(0, portionBytes));
    }
  }

  /** What waits is for nobody. */
  clear(): void {
    this.waiting = [];
  }
}
