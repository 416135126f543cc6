/** Counts what this node's clients did: cheap enough to be kept per command, read by INFO. */
import type { ErrorReply } from '../protocol/resp/reply.js';
import type { CommandRow } from './command-table.js';
import type { NodeStatistics } from './local-context.js';

export interface CallCount {
  calls: number;
  errors: number;
}

export class Statistics implements NodeStatistics {
  connectionsReceived = 0;
  rejectedConnections = 0;
  outputLimitDisconnections = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly keyspaceHits = 0;
  readonly keyspaceMisses = 0;
  private readonly calls = new Map<CommandRow, CallCount>();
  private readonly errors = new Map<string, number>();

  constructor(
    readonly startedAtMs: number,
    private readonly figures: {
      readonly expiredKeys: () => number;
      readonly section: NodeStatistics['section'];
    },
  ) {}

  get expiredKeys(): number {
    return this.figures.expiredKeys();
  }

  get commandsProcessed(): number {
    let sum = 0;
    for (const { calls } of this.calls.values()) sum += calls;
    return sum;
  }

  callsOf(row: CommandRow): CallCount {
    let count = this.calls.get(row);
    if (count === undefined) this.calls.set(row, (count = { calls: 0, errors: 0 }));
    return count;
  }

  failed(error: ErrorReply): void {
    this.errors.set(error.code, (this.errors.get(error.code) ?? 0) + 1);
  }

  /** A command that was refused before it had a row. */
  rejected(error: ErrorReply): void {
    this.failed(error);
  }

  commandCalls(): ReadonlyMap<string, CallCount> {
    return new Map([...this.calls].map(([{ name }, count]) => [name, count]));
  }

  errorsByCode(): ReadonlyMap<string, number> {
    return this.errors;
  }

  reset(): void {
    this.calls.clear();
    this.errors.clear();
    this.connectionsReceived = this.rejectedConnections = this.outputLimitDisconnections = this.bytesIn = this.bytesOut = 0;
  }

  section(name: 'persistence' | 'memory' | 'replication' | 'torc'): readonly (readonly [name: string, value: string | number])[] {
    return this.figures.section(name);
  }
}
