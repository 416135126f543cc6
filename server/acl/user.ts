/**
 * A user: whether and by which passwords one may log in as it, and what it is then allowed. A value that never changes. `described` and `userOf` are each other's reverse: the text of
 * ACL LIST, which is also what files hold and what nodes tell each other. It has digests, never passwords.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { CommandSet } from './command-set.js';
import { RuleError, ruleSyntax, Selector } from './selector.js';

/** The user of clients that have not said who they are. */
export const defaultUserName = 'default';

const noSuchPassword = new RuleError('The password you are trying to remove from the user does not exist');
const malformedHash = new RuleError('The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters');

type Sanitizing = 'sanitize-payload' | 'skip-sanitize-payload';

interface UserFields {
  readonly enabled: boolean;
  /** Any password is right. */
  readonly noPassword: boolean;
  readonly sanitizing: Sanitizing | undefined;
  /** SHA-256, lower-case hexadecimal. */
  readonly passwords: readonly string[];
  /** The root first. */
  readonly selectors: readonly Selector[];
}

const digestOf = (password: Buffer): string => createHash('sha256').update(password).digest('hex');

export class User {
  /** Nothing that a client of this user may want to run has to be checked. */
  readonly isUnrestricted: boolean;

  private constructor(
    /** latin1 */
    readonly name: string,
    private readonly commands: CommandSet,
    private readonly fields: UserFields,
  ) {
    this.isUnrestricted = fields.selectors.some(({ allowsEverything }) => allowsEverything);
  }

  /** As ACL SETUSER begins one: off, no password, no right. */
  static fresh(name: string, commands: CommandSet): User {
    return new User(name, commands, {
      enabled: false,
      noPassword: false,
      sanitizing: undefined,
      passwords: [],
      selectors: [Selector.nothing(commands)],
    });
  }

  /** User `default` of a node that nothing was said to. */
  static open(name: string, commands: CommandSet): User {
    return new User(name, commands, {
      enabled: true,
      noPassword: true,
      sanitizing: undefined,
      passwords: [],
      selectors: [Selector.everything(commands)],
    });
  }

  get enabled(): boolean {
    return this.fields.enabled;
  }

  /** Clients need not say a password. */
  get isOpen(): boolean {
    return this.fields.enabled && this.fields.noPassword;
  }

  get passwords(): readonly string[] {
    return this.fields.passwords;
  }

  get selectors(): readonly Selector[] {
    return this.fields.selectors;
  }

  get flags(): readonly string[] {
    const { enabled, noPassword, sanitizing } = this.fields;
    return [enabled ? 'on' : 'off', ...(noPassword ? ['nopass'] : []), ...(sanitizing ? [sanitizing] : [])];
  }

  /** Whether one may log in with it. Every password is compared whole: the time does not tell how much of a guess was right. */
  accepts(password: Buffer): boolean {
    const { enabled, noPassword, passwords } = this.fields;
    if (!enabled) return false;
    const given = Buffer.from(digestOf(password));
    let isRight = noPassword;
    for (const digest of passwords) if (timingSafeEqual(given, Buffer.from(digest))) isRight = true;
    return isRight;
  }

  /** The user after one more rule, as ACL SETUSER takes it. */
  applied(rule: string): User | RuleError {
    const { passwords } = this.fields;
    switch (rule.toLowerCase()) {
      case '':
        return this;
      case 'on':
        return this.with({ enabled: true });
      case 'off':
        return this.with({ enabled: false });
      case 'nopass':
        return this.with({ noPassword: true, passwords: [] });
      case 'resetpass':
        return this.with({ noPassword: false, passwords: [] });
      case 'sanitize-payload':
        return this.with({ sanitizing: 'sanitize-payload' });
      case 'skip-sanitize-payload':
        return this.with({ sanitizing: 'skip-sanitize-payload' });
      case 'clearselectors':
        return this.with({ selectors: this.selectors.slice(0, 1) });
      case 'reset':
        return User.fresh(this.name, this.commands).with({ sanitizing: 'sanitize-payload' });
    }
    const rest = rule.slice(1);
    switch (rule.charAt(0)) {
      case '>':
      case '#': {
        const digest = rule.startsWith('>') ? digestOf(Buffer.from(rest, 'latin1')) : rest;
        if (!isDigest(digest)) return malformedHash;
        return this.with({ noPassword: false, passwords: passwords.includes(digest) ? passwords : [...passwords, digest] });
      }
      case '<':
      case '!': {
        const digest = rule.startsWith('<') ? digestOf(Buffer.from(rest, 'latin1')) : rest;
        if (!isDigest(digest)) return malformedHash;
        if (!passwords.includes(digest)) return noSuchPassword;
        return this.with({ passwords: passwords.filter((each) => each !== digest) });
      }
      case '(':
        return this.withSelector(rule);
    }
    const [root = Selector.nothing(this.commands), ...others] = this.selectors;
    const changed = root.applied(rule);
    return changed instanceof RuleError ? changed : this.with({ selectors: [changed, ...others] });
  }

  /** What makes this user of a fresh one. */
  described(): string {
    const [root, ...others] = this.selectors.map((selector) => selector.describe());
    return [...this.flags, ...this.passwords.map((digest) => `#${digest}`), root, ...others.map((each) => `(${each})`)].join(' ');
  }

  private withSelector(rule: string): User | RuleError {
    if (!rule.endsWith(')')) return ruleSyntax;
    let selector = Selector.nothing(this.commands);
    for (const word of rule.slice(1, -1).split(' ')) {
      if (word === '') continue;
      const changed = selector.applied(word);
      if (changed instanceof RuleError) return changed;
      selector = changed;
    }
    return this.with({ selectors: [...this.selectors, selector] });
  }

  private with(changes: Partial<UserFields>): User {
    return new User(this.name, this.commands, { ...this.fields, ...changes });
  }
}

const isDigest = (text: string): boolean => /^[0-9a-f]{64}$/.test(text);

/** A rule that was refused, and why. */
export interface RefusedRule {
  readonly rule: string;
  readonly reason: string;
}

/** All of the rules or none; `rules` are latin1. */
export function withRules(user: User, rules: readonly string[]): User | RefusedRule {
  let changed = user;
  for (const rule of rules) {
    const next = changed.applied(rule);
    if (next instanceof RuleError) return { rule, reason: next.reason };
    changed = next;
  }
  return changed;
}

/** Several words may make one selector: `(+get ~a)` comes as two. Returns the word of an opening bracket that is not closed as `unmatched`. */
export function joinedSelectors(words: readonly string[]): readonly string[] | { readonly unmatched: string } {
  const rules: string[] = [];
  let open: string[] | undefined;
  for (const word of words) {
    if (open === undefined && word.startsWith('(') && !word.endsWith(')')) open = [word];
    else if (open === undefined) rules.push(word);
    else {
      open.push(word);
      if (!word.endsWith(')')) continue;
      rules.push(open.join(' '));
      open = undefined;
    }
  }
  return open === undefined ? rules : { unmatched: open[0] ?? '' };
}

/** From the text of ACL LIST, without `user` and the name. */
export function userOf(name: string, text: string, commands: CommandSet): User | RefusedRule {
  const rules = joinedSelectors(text.split(' ').filter((word) => word !== ''));
  if ('unmatched' in rules) return { rule: rules.unmatched, reason: 'Unmatched parenthesis' };
  return withRules(User.fresh(name, commands), rules);
}
