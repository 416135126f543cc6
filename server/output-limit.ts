/** client-output-buffer-limit, as Redis means it, for one client: too much that it has not taken, at once, or less of it for too long. */
import type { OutputBufferLimit } from './config/value-types.js';

export class OutputLimit {
  /** Since when it has been above the soft limit; -1 = it is not. */
  private overSinceMs = -1;

  /** Whether a client that has left `bytes` untaken at `nowMs`, ms of the monotonic clock, has reached the limit. */
  isReached(bytes: number, { hardBytes, softBytes, softSeconds }: OutputBufferLimit, nowMs: number): boolean {
    if (hardBytes > 0 && bytes > hardBytes) return true;
    if (softBytes === 0 || bytes <= softBytes) this.overSinceMs = -1;
    else if (this.overSinceMs < 0) this.overSinceMs = nowMs;
    else return nowMs - this.overSinceMs > softSeconds * 1000;
    return false;
  }
}
