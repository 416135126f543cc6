/**
 * The users that clients of this node can be. What the node's files say (requirepass, `user` lines, aclfile) holds for this node as long as nobody has said otherwise of the user by a command; what was
 * said by a command is a system record, holds for the whole cluster, and wins over every file (docs/decisions/0030-users-of-a-cluster.md).
 *
 * Reading is from memory: `get` and the User itself are all that a command of a client looks at.
 */
import type { CommandSet } from './command-set.js';
import { defaultUserName, User, userOf } from './user.js';

const recordPrefix = 'user:';

/** Records of the cluster (cluster/system-records.ts). */
export interface UserRecords {
  get(name: string): { readonly value: Buffer | undefined } | undefined;
  all(): Iterable<{ readonly name: string; readonly value: Buffer | undefined }>;
  put(changes: readonly (readonly [name: string, value: Buffer | undefined])[]): Promise<void>;
  onChange(listener: (names: readonly string[]) => void): void;
}

export interface UsersOptions {
  readonly records: UserRecords;
  readonly commands: CommandSet;
  /** A user that another node described in words that this one does not know: it is off here. */
  readonly notUnderstood: (name: string, reason: string) => void;
}

export class Users {
  private readonly users = new Map<string, User>();
  private readonly listeners: ((names: ReadonlySet<string>) => void)[] = [];
  private fromFiles: ReadonlyMap<string, User>;
  private openUser: User;

  /** `fromFiles`: by name. */
  constructor(
    private readonly options: UsersOptions,
    fromFiles: ReadonlyMap<string, User>,
  ) {
    this.fromFiles = fromFiles;
    this.openUser = this.open();
    for (const name of this.names()) this.judge(name);
    options.records.onChange((changed) => {
      const names = changed.filter((name) => name.startsWith(recordPrefix)).map((name) => name.slice(recordPrefix.length));
      if (names.length > 0) this.judgeAll(names);
    });
  }

  /** The user of clients that have not said who they are. */
  get default(): User {
    return this.openUser;
  }

  get(name: string): User | undefined {
    return this.users.get(name);
  }

  get commands(): CommandSet {
    return this.options.commands;
  }

  /** As ACL SETUSER begins one. */
  fresh(name: string): User {
    return User.fresh(name, this.commands);
  }

  /** User default as it is at the beginning. */
  open(): User {
    return User.open(defaultUserName, this.commands);
  }

  /** By name, bytewise. */
  all(): User[] {
    return [...this.users.values()].sort((x, y) => (x.name < y.name ? -1 : 1));
  }

  /** The user, if that is its password. An unknown one takes as long as a known one with one password. */
  authenticated(name: string, password: Buffer): User | undefined {
    const user = this.users.get(name);
    return (user ?? this.fresh(name)).accepts(password) ? user : undefined;
  }

  /**
   * In force here at once, and for the whole cluster; resolves when every member that can be reached has it. Throws the error of the records where they cannot be changed:
   * then nothing was.
   */
  change(users: readonly User[], removed: readonly string[] = []): Promise<void> {
    const changes = users.map((user) => [recordPrefix + user.name, Buffer.from(user.described(), 'latin1')] as const);
    return this.options.records.put([...changes, ...removed.map((name) => [recordPrefix + name, undefined] as const)]);
  }

  /** The files say something else from now on. */
  setFromFiles(fromFiles: ReadonlyMap<string, User>): void {
    const names = new Set([...this.fromFiles.keys(), ...fromFiles.keys()]);
    this.fromFiles = fromFiles;
    this.judgeAll(names);
  }

  /** Those of the files of which something else was said by a command. */
  overridden(): string[] {
    return [...this.fromFiles.values()].filter((user) => this.get(user.name)?.described() !== user.described()).map(({ name }) => name);
  }

  /** `listener` is told whose rights or passwords are others than before, or who is gone. */
  onChange(listener: (names: ReadonlySet<string>) => void): void {
    this.listeners.push(listener);
  }

  private *names(): IterableIterator<string> {
    yield defaultUserName;
    yield* this.fromFiles.keys();
    for (const { name } of this.options.records.all()) if (name.startsWith(recordPrefix)) yield name.slice(recordPrefix.length);
  }

  private judgeAll(names: Iterable<string>): void {
    const changed = new Set<string>();
    for (const name of names) if (this.judge(name)) changed.add(name);
    if (changed.size > 0) for (const listener of this.listeners) listener(changed);
  }

  /** Whether the user is another one now. */
  private judge(name: string): boolean {
    const before = this.users.get(name);
    const user = this.userInForce(name);
    if (user === undefined) this.users.delete(name);
    else this.users.set(name, user);
    if (name === defaultUserName && user !== undefined) this.openUser = user;
    return before?.described() !== user?.described();
  }

  private userInForce(name: string): User | undefined {
    const record = this.options.records.get(recordPrefix + name);
    if (record?.value !== undefined) {
      const user = userOf(name, record.value.toString('latin1'), this.options.commands);
      if (user instanceof User) return user;
      this.options.notUnderstood(name, `${user.reason} ('${user.rule}')`);
      return this.fresh(name);
    }
    const isGone = record !== undefined && name !== defaultUserName;
    return isGone ? undefined : (this.fromFiles.get(name) ?? (name === defaultUserName ? this.open() : undefined));
  }
}
