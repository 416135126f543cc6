/** Counts what this node's clients did: cheap enough to be kept per command, read by INFO. */
import type { ErrorReply } from '../protocol/resp/reply.js';
import type { CommandRow } from './command-table.js';
import { CommandCount } from './command-count.js';
import type { NodeRates, NodeStatistics, SectionName } from './local-context.js';
import { RateMeter } from './rate-meter.js';

export class Statistics implements NodeStatistics {
  connectionsReceived = 0;
  rejectedConnections = 0;
  outputLimitDisconnections = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Of this process, in bytes; looked at whenever someone asks. */
  peakMemoryBytes = 0;
  private readonly counts = new Map<CommandRow, CommandCount>();
  private readonly errors = new Map<string, number>();
  private readonly rates: RateMeter;

  constructor(
    readonly startedAtMs: number,
    private readonly figures: {
      readonly expiredKeys: () => number;
      readonly section: NodeStatistics['section'];
      readonly monotonicMs: () => number;
    },
  ) {
    this.rates = new RateMeter(() => [this.commandsProcessed, this.bytesIn, this.bytesOut], figures.monotonicMs);
  }

  get expiredKeys(): number {
    return this.figures.expiredKeys();
  }

  get commandsProcessed(): number {
    let sum = 0;
    for (const { calls } of this.counts.values()) sum += calls;
    return sum;
  }

  countOf(row: CommandRow): CommandCount {
    let count = this.counts.get(row);
    if (count === undefined) this.counts.set(row, (count = new CommandCount(row.name, row.flags.includes('fast'))));
    return count;
  }

  failed(error: ErrorReply): void {
    this.errors.set(error.code, (this.errors.get(error.code) ?? 0) + 1);
  }

  /** A command that was refused before it began; without a row when there is none of its name. */
  rejected(error: ErrorReply, row: CommandRow | undefined): void {
    this.failed(error);
    if (row !== undefined) this.countOf(row).rejected++;
  }

  commandCounts(): readonly CommandCount[] {
    return [...this.counts.values()].filter(({ calls, rejected }) => calls + rejected > 0);
  }

  errorsByCode(): ReadonlyMap<string, number> {
    return this.errors;
  }

  perSecond(): NodeRates {
    const [commands = 0, bytesIn = 0, bytesOut = 0] = this.rates.perSecond();
    return { commands, bytesIn, bytesOut };
  }

  sample(): void {
    this.rates.sample();
  }

  reset(): void {
    // The counts stay the same objects: connections hold on to them.
    for (const count of this.counts.values()) count.reset();
    this.errors.clear();
    this.connectionsReceived = this.rejectedConnections = this.outputLimitDisconnections = this.bytesIn = this.bytesOut = 0;
    this.rates.reset();
  }

  section(name: SectionName): readonly (readonly [name: string, value: string | number])[] {
    return this.figures.section(name);
  }
}
