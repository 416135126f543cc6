/** Users as files say them: `user` lines of a configuration, the lines of an ACL file, requirepass. */
import type { CommandSet } from './command-set.js';
import { hasSpaces } from './selector.js';
import { defaultUserName, joinedSelectors, User, withRules } from './user.js';

/** Texts are latin1. One line, in words that name no password. */
export class UserLineError extends Error {
  readonly code = 'USER_LINE';
}

/** The user of `name rule rule ...`. Throws UserLineError. */
export function userOfLine(line: string, commands: CommandSet): User {
  const [name = '', ...words] = line.split(' ').filter((word) => word !== '');
  if (name === '' || hasSpaces(name)) throw new UserLineError('a user has a name, without spaces');
  const rules = joinedSelectors(words);
  if ('unmatched' in rules) throw new UserLineError(`Error in user declaration '${name}': Unmatched parenthesis`);
  const user = withRules(User.fresh(name, commands), rules);
  if (user instanceof User) return user;
  const shown = /^[<>#!]/.test(user.rule) ? `${user.rule[0]}...` : user.rule;
  throw new UserLineError(`Error in user declaration '${name}' at '${shown}': ${user.reason}`);
}

/** `user` lines and requirepass of one node. Throws UserLineError. */
export function usersOfConfiguration(password: string, lines: readonly string[], commands: CommandSet): ReadonlyMap<string, User> {
  const users = new Map<string, User>();
  if (password !== '') users.set(defaultUserName, withPassword(User.open(defaultUserName, commands), password));
  const named = new Set<string>();
  for (const line of lines) {
    const user = userOfLine(line, commands);
    if (named.has(user.name)) throw new UserLineError(`user '${user.name}' stands in two lines`);
    named.add(user.name);
    users.set(user.name, user);
  }
  return users;
}

/** What requirepass says of a user: empty = none is needed. */
export function withPassword(user: User, password: string): User {
  const changed = withRules(user, password === '' ? ['nopass'] : ['resetpass', `>${Buffer.from(password).toString('latin1')}`]);
  if (!(changed instanceof User)) throw new UserLineError(changed.reason);
  return changed;
}

/** `user name rule ...` on each line; empty lines and comments between them. Throws UserLineError, which names the line. */
export function usersOfAclFile(contents: Buffer, fileName: string, commands: CommandSet): ReadonlyMap<string, User> {
  const users = new Map<string, User>();
  for (const [index, line] of contents.toString('latin1').split(/\r?\n/).entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const place = `${fileName}:${index + 1}: `;
    if (!trimmed.toLowerCase().startsWith('user ')) throw new UserLineError(`${place}line should start with user keyword`);
    try {
      const user = userOfLine(trimmed.slice(5), commands);
      if (users.has(user.name)) throw new UserLineError(`user '${user.name}' stands in two lines`);
      users.set(user.name, user);
    } catch (error) {
      if (!(error instanceof UserLineError)) throw error;
      throw new UserLineError(place + error.message);
    }
  }
  return users;
}

/** What usersOfAclFile() reads as these users. */
export function aclFileOf(users: readonly User[]): Buffer {
  return Buffer.from(users.map((user) => `${lineOf(user)}\n`).join(''), 'latin1');
}

/** As ACL LIST prints a user. */
export const lineOf = (user: User): string => `user ${user.name} ${user.described()}`;
