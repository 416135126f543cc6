/**
 * How fast repair goes: so many bytes a second to peers, and not faster than the event loop bears. When a moment's wait takes much longer than a
 * moment, others need the loop more.
 */
import type { Clock } from '../storage/clock.js';

/** A wait that is this much late means that the loop is busy; repair then stands back for three times as long. */
const lateMs = 5;
const standBackMs = { perLateMs: 3, most: 500 };
/** Of the rate: what may be sent at once after a quiet time. */
const burstSeconds = 0.25;

export class RepairPace {
  /** When all that was spent is paid for. */
  private paidAtMs = 0;

  constructor(
    private readonly clock: Clock,
    private readonly bytesPerSecond: () => number,
  ) {}

  /** Resolves when `bytes` more may be sent. */
  async spend(bytes: number): Promise<void> {
    const now = this.clock.monotonicMs();
    this.paidAtMs = Math.max(this.paidAtMs, now) + (1000 * bytes) / this.bytesPerSecond();
    const aheadMs = this.paidAtMs - now - 1000 * burstSeconds;
    if (aheadMs > 0) await this.wait(aheadMs);
  }

  /** Gives the loop its turn, and more of them when it is late. */
  async breathe(): Promise<void> {
    const began = this.clock.monotonicMs();
    await this.wait(1);
    const late = this.clock.monotonicMs() - began - 1;
    if (late > lateMs) await this.wait(Math.min(standBackMs.most, late * standBackMs.perLateMs));
  }

  private wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(delayMs, resolve));
  }
}
