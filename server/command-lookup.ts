/**
 * From a command's first argument, in any case, to its row, without building a string: this is done for every command of every client.
 * An open-addressed table is probed by a hash of the length and of three bytes with the bit of lower case set, then all bytes are compared.
 */
import type { ErrorReply } from '../protocol/resp/reply.js';
import type { CommandRow } from './command-table.js';
import { unsupportedCommand, unsupportedSubcommand } from './commands/unsupported.js';
import { unknownCommand, unknownSubcommand, wrongArity } from './commands/errors.js';

interface Entry {
  readonly name: Buffer;
  readonly row: CommandRow;
  readonly subcommands: NameTable | undefined;
}

/** A table is at most a quarter full, so that a probe for a known name rarely takes a second step. */
const slotsPerName = 4;

class NameTable {
  private readonly entries: (Entry | undefined)[];
  private readonly mask: number;

  constructor(rows: Iterable<readonly [name: string, row: CommandRow]>) {
    const named = [...rows];
    const size = 2 ** Math.ceil(Math.log2(Math.max(1, named.length) * slotsPerName));
    this.mask = size - 1;
    this.entries = Array.from({ length: size });
    for (const [text, row] of named) {
      const name = Buffer.from(text);
      if (this.find(name)) throw new Error(`two rows named ${row.name}`);
      let at = this.hash(name);
      while (this.entries[at]) at = (at + 1) & this.mask;
      const subcommands = row.scope === 'local' && row.subcommands ? new NameTable(row.subcommands) : undefined;
      this.entries[at] = { name, row, subcommands };
    }
  }

  find(name: Buffer): Entry | undefined {
    let at = this.hash(name);
    for (;;) {
      const entry = this.entries[at];
      if (entry === undefined || equalsInAnyCase(name, entry.name)) return entry;
      at = (at + 1) & this.mask;
    }
  }

  private hash(name: Buffer): number {
    const last = name.length - 1;
    if (last < 0) return 0;
    const ends = ((name[0] as number) | 0x20) * 31 + ((name[last] as number) | 0x20);
    return (ends * 31 + ((name[last >> 1] as number) | 0x20) * 7 + last) & this.mask;
  }
}

/** `lowerCase` has no upper case ASCII. */
function equalsInAnyCase(name: Buffer, lowerCase: Buffer): boolean {
  if (name.length !== lowerCase.length) return false;
  for (let i = 0; i < name.length; i++) {
    const byte = name[i] as number;
    if (byte !== lowerCase[i] && (byte < 0x41 || byte > 0x5a || byte + 0x20 !== lowerCase[i])) return false;
  }
  return true;
}

export class CommandLookup {
  private readonly table: NameTable;

  /** Throws when two rows have one name. */
  constructor(rows: readonly CommandRow[]) {
    this.table = new NameTable(rows.map((row) => [row.name, row] as const));
  }

  /** The row of a client's command, subcommands resolved and arity checked; or the client's error. `args`, the name first, is borrowed. */
  resolve(args: readonly Buffer[]): CommandRow | ErrorReply {
    return this.find(args, false);
  }

  /** As `resolve` for a command that another node sent, which may be one of the partition rows. */
  resolveForwarded(args: readonly Buffer[]): CommandRow | ErrorReply {
    return this.find(args, true);
  }

  /** The row that a command names, whatever its arguments: a refusal is counted there. */
  rowOf(args: readonly Buffer[]): CommandRow | undefined {
    const entry = this.table.find(args[0] as Buffer);
    if (entry?.row.scope === 'partition') return undefined;
    return (args.length > 1 ? entry?.subcommands?.find(args[1] as Buffer)?.row : undefined) ?? entry?.row;
  }

  private find(args: readonly Buffer[], fromNode: boolean): CommandRow | ErrorReply {
    const entry = this.table.find(args[0] as Buffer);
    if (entry === undefined || (entry.row.scope === 'partition' && !fromNode)) return unsupportedCommand(args) ?? unknownCommand(args);
    let { row } = entry;
    if (entry.subcommands && args.length > 1) {
      const sub = entry.subcommands.find(args[1] as Buffer);
      if (sub === undefined) return unsupportedSubcommand(row.name, args) ?? unknownSubcommand(row.name, args);
      ({ row } = sub);
    }
    return checkArity(row, args) ?? row;
  }
}

/** Undefined when the number of arguments, the name included, is right. */
export function checkArity(row: CommandRow, args: readonly Buffer[]): ErrorReply | undefined {
  const right = row.arity < 0 ? args.length >= -row.arity : args.length === row.arity;
  return right ? undefined : wrongArity(row.name);
}
