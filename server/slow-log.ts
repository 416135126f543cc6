/** SLOWLOG: the commands that took longest, newest first, their arguments cut as Redis cuts them (src/slowlog.c). */
import { withoutSecrets } from './secrets.js';

const argumentsMax = 32;
const argumentBytesMax = 128;

/** Who sent a command. */
export interface Asker {
  /** `ip:port` */
  readonly address: string;
  readonly name: string;
}

export interface SlowCommand {
  readonly id: number;
  readonly unixSeconds: number;
  readonly microseconds: number;
  readonly args: readonly Buffer[];
  /** `ip:port` */
  readonly address: string;
  readonly clientName: string;
}

interface SlowLogOptions {
  readonly nowMs: () => number;
  /** slowlog-log-slower-than: microseconds; negative = nothing is logged. */
  readonly slowerThanMicroseconds: () => number;
  /** slowlog-max-len */
  readonly entriesMax: () => number;
}

export class SlowLog {
  /** Oldest first. */
  private entries: SlowCommand[] = [];
  private nextId = 0;

  constructor(private readonly options: SlowLogOptions) {}

  /** Negative = nothing is logged. */
  get slowerThanMicroseconds(): number {
    return this.options.slowerThanMicroseconds();
  }

  get length(): number {
    return this.entries.length;
  }

  /** `args` are copied; without any `name` stands for the command: a write that another node ran does not keep its arguments. */
  add(microseconds: number, name: string, args: readonly Buffer[], { address, name: clientName }: Asker): void {
    const command =
      args.length > 0 ? withoutSecrets(args).map(cut) : [Buffer.from(name), Buffer.from('... (arguments sent to another node)')];
    if (command.length > argumentsMax) {
      const more = command.length - argumentsMax + 1;
      command.splice(argumentsMax - 1, more, Buffer.from(`... (${more} more arguments)`));
    }
    const unixSeconds = Math.floor(this.options.nowMs() / 1000);
    this.entries.push({ id: this.nextId++, unixSeconds, microseconds: Math.floor(microseconds), args: command, address, clientName });
    const most = this.options.entriesMax();
    if (this.entries.length > most) this.entries.splice(0, this.entries.length - most);
  }

  newest(count: number): readonly SlowCommand[] {
    return this.entries.slice(Math.max(0, this.entries.length - count)).reverse();
  }

  reset(): void {
    this.entries = [];
  }
}

function cut(argument: Buffer): Buffer {
  if (argument.length <= argumentBytesMax) return Buffer.from(argument);
  const more = argument.length - argumentBytesMax;
  return Buffer.concat([argument.subarray(0, argumentBytesMax), Buffer.from(`... (${more} more bytes)`)]);
}
