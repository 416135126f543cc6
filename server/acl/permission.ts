/**
 * Whether a user may run a command. Every selector is tried; when none allows it, what is said is the denial of the one that came furthest: a key's before
 * the command's.
 */
import type { ErrorReply } from '../../protocol/resp/reply.js';
import type { CommandRow } from '../command-table.js';
import { accessOfKey, keysAt } from '../commands/key-access.js';
import type { Selector } from './selector.js';
import type { User } from './user.js';

export interface Denial {
  readonly reason: 'command' | 'key';
  /** The command's name, or the key. latin1 */
  readonly object: string;
  /** The command's is 0, that of its key number n, counted from 1, is n: of two denials alike the later one is said. */
  readonly at: number;
}

/** Undefined = it may. `args` have the name first and are of the row's arity. */
export function denial(user: User, row: CommandRow, args: readonly Buffer[]): Denial | undefined {
  if (user.isUnrestricted) return undefined;
  let found: Denial | undefined;
  for (const selector of user.selectors) {
    const denied = deniedBy(selector, row, args);
    if (denied === undefined) return undefined;
    if (found === undefined || isFurther(denied, found)) found = denied;
  }
  return found;
}

/**
 * What a client is told whose user may run the command and has a right to each key that it names, but not to all that it may read besides: one selector has to allow
 * both. Undefined = it may. In Redis' words, which are no NOPERM.
 */
export function patternDenial(user: User, row: CommandRow, args: readonly Buffer[]): ErrorReply | undefined {
  if (user.isUnrestricted || row.scope !== 'keys' || row.readsAnyKey === undefined) return undefined;
  const refusal = row.readsAnyKey(args);
  if (refusal === undefined) return undefined;
  const mayRead = user.selectors.some((selector) => selector.readsAllKeys && deniedBy(selector, row, args) === undefined);
  return mayRead ? undefined : refusal;
}

function isFurther(x: Denial, y: Denial): boolean {
  return x.reason === y.reason ? x.at > y.at : x.reason === 'key';
}

function deniedBy(selector: Selector, row: CommandRow, args: readonly Buffer[]): Denial | undefined {
  const command = selector.knownCommands.find(row.name);
  if (command === undefined || !selector.allowsCommand(command, args[1])) return { reason: 'command', object: row.name, at: 0 };
  if (selector.allKeys) return undefined;
  for (const [i, key] of keysAt(row, args).entries()) {
    const access = accessOfKey(row, i, args);
    const reads = access.includes('access');
    const writes = access.some((word) => word === 'insert' || word === 'delete' || word === 'update');
    if (!selector.allowsKey(key, reads, writes)) return { reason: 'key', object: key.toString('latin1'), at: i + 1 };
  }
  return undefined;
}

/** Redis 7.2's words. `verbose`: to who administers, not to the client itself. */
export function denialText(user: User, { reason, object }: Denial, verbose: boolean): string {
  if (reason === 'command') return `User ${user.name} has no permissions to run the '${object}' command`;
  return verbose ? `User ${user.name} has no permissions to access the '${object}' key` : 'No permissions to access a key';
}
