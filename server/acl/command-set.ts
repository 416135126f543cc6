/**
 * Every command that a rule may name, with a number: the rows of the table, and what Redis has besides, so that the same rules work here. The numbers are
 * of this process only: what is stored or sent is the text of rules.
 */
/** Redis 7's, in the order in which ACL CAT prints them. */
export const categories: readonly string[] = [
  'keyspace',
  'read',
  'write',
  'set',
  'sortedset',
  'list',
  'hash',
  'string',
  'bitmap',
  'hyperloglog',
  'geo',
  'stream',
  'pubsub',
  'admin',
  'fast',
  'slow',
  'blocking',
  'dangerous',
  'connection',
  'transaction',
  'scripting',
];

/** What of a row of the table counts here. */
export interface NamedCommand {
  readonly name: string;
  readonly scope: string;
  readonly categories: readonly string[];
  readonly flags: readonly string[];
  readonly subcommands?: ReadonlyMap<string, NamedCommand>;
}

export interface KnownCommand {
  readonly id: number;
  /** Lower case; a subcommand's is its container's name and its own. */
  readonly name: string;
  readonly categories: readonly string[];
  /** AUTH and its like, which nobody can be forbidden. */
  readonly isForAll: boolean;
  readonly parent: KnownCommand | undefined;
  readonly subcommands: KnownCommand[];
}

export class CommandSet {
  private readonly byName = new Map<string, KnownCommand>();

  /** `names`: of Redis' commands, subcommands after their containers; those that have no row take part in rules and in no category. */
  constructor(rows: readonly NamedCommand[], names: readonly string[]) {
    for (const row of rows) {
      if (row.scope === 'partition') continue;
      const parent = this.add(row.name, row.categories, row.flags.includes('no_auth'), undefined);
      for (const sub of row.subcommands?.values() ?? []) this.add(sub.name, sub.categories, false, parent);
    }
    for (const name of names) {
      if (this.byName.has(name)) continue;
      const at = name.indexOf('|');
      const parent = at < 0 ? undefined : (this.byName.get(name.slice(0, at)) ?? this.add(name.slice(0, at), [], false, undefined));
      this.add(name, [], false, parent);
    }
  }

  get size(): number {
    return this.byName.size;
  }

  /** By its lower-case name. */
  find(name: string): KnownCommand | undefined {
    return this.byName.get(name);
  }

  all(): IterableIterator<KnownCommand> {
    return this.byName.values();
  }

  inCategory(category: string): KnownCommand[] {
    return [...this.all()].filter((command) => command.categories.includes(category));
  }

  private add(name: string, of: readonly string[], isForAll: boolean, parent: KnownCommand | undefined): KnownCommand {
    const command: KnownCommand = { id: this.byName.size, name, categories: of, isForAll, parent, subcommands: [] };
    parent?.subcommands.push(command);
    this.byName.set(name, command);
    return command;
  }
}
