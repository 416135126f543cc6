/** What of a command may be shown to others: in the slow log, to a client that said MONITOR. Passwords are not, and nothing that is said of users. */
import { isToken } from './commands/arguments.js';
import { directiveKeys, directiveOf } from './config/directives.js';

const redacted = Buffer.from('(redacted)');

/** The same arguments, passwords replaced as Redis replaces them. */
export function withoutSecrets(args: readonly Buffer[]): readonly Buffer[] {
  const name = args[0] as Buffer;
  if (isToken(name, 'AUTH')) return args.map((argument, i) => (i === 0 ? argument : redacted));
  if (isToken(name, 'HELLO')) {
    const hidden = credentialsOfHello(args);
    return hidden.size === 0 ? args : args.map((argument, i) => (hidden.has(i) ? redacted : argument));
  }
  if (isToken(name, 'ACL')) {
    const isOfUsers = args[1] !== undefined && ['SETUSER', 'DELUSER', 'GETUSER'].some((word) => isToken(args[1] as Buffer, word));
    return isOfUsers ? args.map((argument, i) => (i < 2 ? argument : redacted)) : args;
  }
  if (!isToken(name, 'CONFIG') || args.length < 4 || !isToken(args[1] as Buffer, 'SET')) return args;
  return args.map((argument, i) => (i > 2 && i % 2 === 1 && isSecretDirective(args[i - 1] as Buffer) ? redacted : argument));
}

const secretDirectives = directiveKeys.map(directiveOf).flatMap(({ name, isSecret }) => (isSecret === true ? [name] : []));

const isSecretDirective = (word: Buffer): boolean => secretDirectives.some((name) => isToken(word, name.toUpperCase()));

/** Where user names and passwords stand in HELLO [version] [AUTH user password] [SETNAME name], which takes them in any order; a name may be AUTH. */
function credentialsOfHello(args: readonly Buffer[]): ReadonlySet<number> {
  const found = new Set<number>();
  for (let i = 2; i < args.length; i++) {
    if (isToken(args[i] as Buffer, 'SETNAME')) i++;
    else if (isToken(args[i] as Buffer, 'AUTH')) found.add(++i).add(++i);
  }
  return found;
}
