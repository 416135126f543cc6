/**
 * What one selector of a user allows: commands, keys by pattern and by what is done to them, channels. A value that never changes; `applied` gives the
 * selector that a rule makes of it. The grammar and its order are Redis 7.2's (redis.io/docs/management/security/acl/): rules on commands are kept as they were said, in
 * order, and a later one on the same command or category takes an earlier one's place.
 *
 * Texts hold one character a byte (latin1): names and patterns are any bytes.
 */
import { matchesGlob } from '../glob-pattern.js';
import { categories, type CommandSet, type KnownCommand } from './command-set.js';

/** Why a rule is refused, in Redis' words. */
export class RuleError {
  constructor(readonly reason: string) {}
}

export const ruleSyntax = new RuleError('Syntax error');
const unknownName = new RuleError('Unknown command or category name in ACL');
const firstArgumentOfSub = new RuleError('Allowing first-arg of a subcommand is not supported');
const afterAllKeys = new RuleError(
  "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns",
);
const afterAllChannels = new RuleError(
  "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels",
);

export interface KeyPattern {
  /** latin1 */
  readonly text: string;
  readonly bytes: Buffer;
  readonly read: boolean;
  readonly write: boolean;
}

/** Space as C's isspace has it, and NUL: no name or pattern holds them, since the words of a rule are apart by spaces. */
export const hasSpaces = (text: string): boolean => /[ \t-\r\0]/.test(text);

export class Selector {
  private constructor(
    readonly knownCommands: CommandSet,
    /** By command number: 1 = allowed. */
    private readonly allowed: Uint8Array,
    /** Commands that are not known yet are allowed: the rules begin with +@all. */
    private readonly allowsFuture: boolean,
    /** Each with its sign, lower case, without +@all and -@all. */
    private readonly commandRules: readonly string[],
    /** Of commands that are not allowed: first arguments with which they are, lower case. */
    private readonly firstArguments: ReadonlyMap<number, readonly string[]>,
    readonly allKeys: boolean,
    readonly keyPatterns: readonly KeyPattern[],
    readonly allChannels: boolean,
    readonly channelPatterns: readonly string[],
  ) {}

  /** Nothing is allowed. */
  static nothing(commands: CommandSet): Selector {
    return new Selector(commands, new Uint8Array(commands.size), false, [], new Map(), false, [], false, []);
  }

  /** Everything is. */
  static everything(commands: CommandSet): Selector {
    return new Selector(commands, new Uint8Array(commands.size).fill(1), true, [], new Map(), true, [], true, []);
  }

  get allowsEverything(): boolean {
    return this.allKeys && this.allChannels && this.allowsFuture && this.commandRules.length === 0;
  }

  /** The selector after one more rule. */
  applied(rule: string): Selector | RuleError {
    const word = rule.toLowerCase();
    switch (word) {
      case 'allkeys':
      case '~*':
        return this.with({ allKeys: true, keyPatterns: [] });
      case 'resetkeys':
        return this.with({ allKeys: false, keyPatterns: [] });
      case 'allchannels':
      case '&*':
        return this.with({ allChannels: true, channelPatterns: [] });
      case 'resetchannels':
        return this.with({ allChannels: false, channelPatterns: [] });
      case 'allcommands':
      case '+@all':
        return this.withAllCommands(true);
      case 'nocommands':
      case '-@all':
        return this.withAllCommands(false);
    }
    if (rule.startsWith('~') || rule.startsWith('%')) return this.withKeyPattern(rule);
    if (rule.startsWith('&')) return this.withChannel(rule.slice(1));
    if (word.startsWith('+@') || word.startsWith('-@')) return this.withCategory(word);
    if (word.startsWith('+')) return word.includes('|') ? this.withFirstArgument(word) : this.withCommand(word);
    return word.startsWith('-') ? this.withCommand(word) : ruleSyntax;
  }

  /** Whether the command may be run, its keys aside. `first` is its first argument. */
  allowsCommand({ id, isForAll }: KnownCommand, first: Buffer | undefined): boolean {
    if (isForAll || this.allowed[id] === 1) return true;
    const withThese = first === undefined ? undefined : this.firstArguments.get(id);
    return withThese !== undefined && withThese.includes((first as Buffer).toString('latin1').toLowerCase());
  }

  /** Whether a key may be read, written or both; where neither is done to it, as with EXISTS, any pattern that it matches will do. */
  allowsKey(key: Buffer, reads: boolean, writes: boolean): boolean {
    if (this.allKeys) return true;
    return this.keyPatterns.some(({ bytes, read, write }) => (read || !reads) && (write || !writes) && matchesGlob(bytes, key));
  }

  /** Whether any key may be read, whatever its name. */
  get readsAllKeys(): boolean {
    return this.allKeys || this.keyPatterns.some(({ text, read }) => read && text === '*');
  }

  /** As ACL GETUSER says it: the rules that make these permissions. */
  get commands(): string {
    return [this.allowsFuture ? '+@all' : '-@all', ...this.commandRules].join(' ');
  }

  get keys(): string {
    if (this.allKeys) return '~*';
    return this.keyPatterns.map(({ text, read, write }) => `${read && write ? '' : read ? '%R' : '%W'}~${text}`).join(' ');
  }

  get channels(): string {
    return this.allChannels ? '&*' : this.channelPatterns.map((pattern) => `&${pattern}`).join(' ');
  }

  /** As ACL LIST says it: what makes this selector of an empty one. */
  describe(): string {
    const channels = this.allChannels ? '&*' : ['resetchannels', this.channels].filter((part) => part !== '').join(' ');
    return [this.keys, channels, this.commands].filter((part) => part !== '').join(' ');
  }

  private with(changes: {
    readonly allowed?: Uint8Array;
    readonly allowsFuture?: boolean;
    readonly commandRules?: readonly string[];
    readonly firstArguments?: ReadonlyMap<number, readonly string[]>;
    readonly allKeys?: boolean;
    readonly keyPatterns?: readonly KeyPattern[];
    readonly allChannels?: boolean;
    readonly channelPatterns?: readonly string[];
  }): Selector {
    return new Selector(
      this.knownCommands,
      changes.allowed ?? this.allowed,
      changes.allowsFuture ?? this.allowsFuture,
      changes.commandRules ?? this.commandRules,
      changes.firstArguments ?? this.firstArguments,
      changes.allKeys ?? this.allKeys,
      changes.keyPatterns ?? this.keyPatterns,
      changes.allChannels ?? this.allChannels,
      changes.channelPatterns ?? this.channelPatterns,
    );
  }

  private withAllCommands(allow: boolean): Selector {
    const allowed = new Uint8Array(this.allowed.length).fill(allow ? 1 : 0);
    return this.with({ allowed, allowsFuture: allow, commandRules: [], firstArguments: new Map() });
  }

  private withKeyPattern(rule: string): Selector | RuleError {
    const match = /^(?:~|%([rw]+)~)(.*)$/is.exec(rule);
    if (this.allKeys) return afterAllKeys;
    if (match === null || hasSpaces(match[2] ?? '')) return ruleSyntax;
    const letters = match[1]?.toLowerCase() ?? 'rw';
    const text = match[2] ?? '';
    const added = { text, bytes: Buffer.from(text, 'latin1'), read: letters.includes('r'), write: letters.includes('w') };
    const before = this.keyPatterns.find((pattern) => pattern.text === text);
    if (before === undefined) return this.with({ keyPatterns: [...this.keyPatterns, added] });
    const joined = { ...before, read: before.read || added.read, write: before.write || added.write };
    return this.with({ keyPatterns: this.keyPatterns.map((pattern) => (pattern === before ? joined : pattern)) });
  }

  private withChannel(pattern: string): Selector | RuleError {
    if (this.allChannels) return afterAllChannels;
    if (hasSpaces(pattern)) return ruleSyntax;
    return this.channelPatterns.includes(pattern) ? this : this.with({ channelPatterns: [...this.channelPatterns, pattern] });
  }

  private withCategory(rule: string): Selector | RuleError {
    const category = rule.slice(2);
    if (!categories.includes(category)) return unknownName;
    return this.withRule(rule, this.knownCommands.inCategory(category));
  }

  private withCommand(rule: string): Selector | RuleError {
    const command = this.knownCommands.find(rule.slice(1));
    return command === undefined ? unknownName : this.withRule(rule, [command]);
  }

  private withFirstArgument(rule: string): Selector | RuleError {
    const name = rule.slice(1);
    if (this.knownCommands.find(name) !== undefined) return this.withCommand(rule);
    const at = name.lastIndexOf('|');
    const command = this.knownCommands.find(name.slice(0, at));
    const first = name.slice(at + 1);
    if (command === undefined) return unknownName;
    if (command.parent !== undefined) return firstArgumentOfSub;
    if (first === '') return ruleSyntax;
    if (command.subcommands.length > 0) return unknownName;
    const withThese = [...(this.firstArguments.get(command.id) ?? []).filter((each) => each !== first), first];
    return this.with({
      firstArguments: new Map(this.firstArguments).set(command.id, withThese),
      commandRules: this.rulesWith(rule),
    });
  }

  /** Allows or forbids commands, those below them too. */
  private withRule(rule: string, commands: readonly KnownCommand[]): Selector {
    const allowed = Uint8Array.from(this.allowed);
    const firstArguments = new Map(this.firstArguments);
    const bit = rule.startsWith('+') ? 1 : 0;
    for (const { id, subcommands } of commands) {
      allowed[id] = bit;
      firstArguments.delete(id);
      for (const sub of subcommands) allowed[sub.id] = bit;
    }
    return this.with({ allowed, firstArguments, commandRules: this.rulesWith(rule) });
  }

  /** The rule replaces what was said of the same command, or of what is below it. */
  private rulesWith(rule: string): readonly string[] {
    const name = rule.slice(1);
    const kept = this.commandRules.filter((before) => before.slice(1) !== name && !before.slice(1).startsWith(`${name}|`));
    return [...kept, rule];
  }
}
