/**
 * How long commands took, from the arrival of their bytes to the end of the turn that answered them: two clock readings a turn, not two a command.
 * Those of one kind that arrived together are charged together. What took too long goes to the slow log and to the latency monitor.
 *
 * This is the time a client waits for, other nodes included, where Redis measures execution alone: in a cluster a slow command is hardly
 * ever slow for its own work.
 */
import type { CommandCount } from './command-count.js';
import type { LatencyMonitor } from './latency-monitor.js';
import type { Asker, SlowLog } from './slow-log.js';

/** A slow log that asks for less than this wants every command for itself. */
const mergedFromMicroseconds = 1000;

export interface Arrival {
  /** Ms of the monotonic clock. */
  readonly arrivedMs: number;
}

interface CommandTimingsOptions {
  readonly slowLog: SlowLog;
  readonly latency: LatencyMonitor;
  readonly monotonicMs: () => number;
  /** `target.flush()` is called at the end of this turn. */
  readonly flushAtEnd: (target: { flush(): void }) => void;
}

export class CommandTimings {
  /** Columns: what was answered in this turn. */
  private readonly counts: CommandCount[] = [];
  private readonly arrivals: Arrival[] = [];
  private readonly calls: number[] = [];
  private readonly args: (readonly Buffer[])[] = [];
  private readonly askers: Asker[] = [];
  /** Of this turn. */
  private merges = true;

  constructor(private readonly options: CommandTimingsOptions) {}

  /** `args` are those of the command, name first, or none when it had to let go of them. */
  answered(count: CommandCount, arrival: Arrival, args: readonly Buffer[], asker: Asker): void {
    const last = this.counts.length - 1;
    if (last >= 0 && this.arrivals[last] === arrival && this.counts[last] === count && this.merges) {
      this.calls[last] = (this.calls[last] ?? 0) + 1;
      return;
    }
    this.counts.push(count);
    this.arrivals.push(arrival);
    this.calls.push(1);
    this.args.push(args);
    this.askers.push(asker);
    if (last < 0) this.beginTurn();
  }

  /** The turn ends. */
  flush(): void {
    const { counts, arrivals, calls } = this;
    const { slowLog, latency } = this.options;
    const slowMs = slowLog.slowerThanMicroseconds < 0 ? Infinity : slowLog.slowerThanMicroseconds / 1000;
    const latencyMs = latency.isOn ? latency.thresholdMs : Infinity;
    const nowMs = this.options.monotonicMs();
    for (let i = 0; i < counts.length; i++) {
      const count = counts[i] as CommandCount;
      const tookMs = Math.max(0, nowMs - (arrivals[i] as Arrival).arrivedMs);
      count.took(tookMs * 1000, calls[i] as number);
      if (tookMs >= slowMs) slowLog.add(tookMs * 1000, count.name, this.args[i] ?? [], this.askers[i] as Asker);
      if (tookMs >= latencyMs) latency.add(count.isFast ? 'fast-command' : 'command', tookMs);
    }
    counts.length = arrivals.length = calls.length = this.args.length = this.askers.length = 0;
  }

  private beginTurn(): void {
    const { slowerThanMicroseconds } = this.options.slowLog;
    this.merges = slowerThanMicroseconds < 0 || slowerThanMicroseconds >= mergedFromMicroseconds;
    this.options.flushAtEnd(this);
  }
}
