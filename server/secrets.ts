/** What of a command may be shown to others: in the slow log, to a client that said MONITOR. Passwords are not, and nothing that is said of users. */
import { isToken } from './commands/arguments.js';

const redacted = Buffer.from('(redacted)');

/** The same arguments, passwords replaced as Redis replaces them. */
export function withoutSecrets(args: readonly Buffer[]): readonly Buffer[] {
  const name = args[0] as Buffer;
  if (isToken(name, 'AUTH')) return args.map((argument, i) => (i === 0 ? argument : redacted));
  if (isToken(name, 'HELLO')) {
    const auth = args.findIndex((argument, i) => i > 1 && isToken(argument, 'AUTH'));
    return auth < 0 ? args : args.map((argument, i) => (i === auth + 1 || i === auth + 2 ? redacted : argument));
  }
  if (isToken(name, 'ACL')) {
    const isOfUsers = args[1] !== undefined && ['SETUSER', 'DELUSER', 'GETUSER'].some((word) => isToken(args[1] as Buffer, word));
    return isOfUsers ? args.map((argument, i) => (i < 2 ? argument : redacted)) : args;
  }
  if (!isToken(name, 'CONFIG') || args.length < 4 || !isToken(args[1] as Buffer, 'SET')) return args;
  return args.map((argument, i) => (i > 2 && i % 2 === 1 && isToken(args[i - 1] as Buffer, 'REQUIREPASS') ? redacted : argument));
}
