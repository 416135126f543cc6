/** Redis' error texts that more than one command answers, word for word: clients match on them. */
import { ErrorReply } from '../../protocol/resp/reply.js';
import { CommandError, type Execution } from '../../storage/execution.js';

export const syntaxError = new ErrorReply('ERR syntax error');
export const notAnInteger = new ErrorReply('ERR value is not an integer or out of range');
export const notAFloat = new ErrorReply('ERR value is not a valid float');
export const outOfRange = new ErrorReply('ERR value is out of range');
export const notPositive = new ErrorReply('ERR value is out of range, must be positive');
export const invalidCursor = new ErrorReply('ERR invalid cursor');
export const noAuthentication = new ErrorReply('NOAUTH Authentication required.');
export const invalidClientName = new ErrorReply('ERR Client names cannot contain spaces, newlines or special characters.');

const stringTooLong = new ErrorReply('ERR string exceeds maximum allowed size (proto-max-bulk-len)');
/** Throws the client's error when a value would become longer than proto-max-bulk-len. */
export function checkStringLength({ stringBytesMax }: Execution, bytes: number): void {
  if (bytes > stringBytesMax) throw new CommandError(stringTooLong);
}

/** Redis cuts what it repeats of a client's words after as many bytes. */
const previewBytes = 128;

export const wrongArity = (name: string): ErrorReply => new ErrorReply(`ERR wrong number of arguments for '${name}' command`);

export const invalidExpire = (name: string): ErrorReply => new ErrorReply(`ERR invalid expire time in '${name}' command`);

/** `args` with the unknown name first. */
export function unknownCommand(args: readonly Buffer[]): ErrorReply {
  const [name = Buffer.alloc(0), ...rest] = args;
  let preview = '';
  for (const argument of rest) {
    if (preview.length >= previewBytes) break;
    preview += `'${cString(argument, previewBytes - preview.length)}' `;
  }
  return new ErrorReply(`ERR unknown command '${cString(name, previewBytes)}', with args beginning with: ${preview}`, 'latin1');
}

/** `args` with the container's name and the unknown subcommand first. */
export function unknownSubcommand(container: string, args: readonly Buffer[]): ErrorReply {
  return new ErrorReply(
    `ERR unknown subcommand '${cString(args[1] ?? Buffer.alloc(0), previewBytes)}'. Try ${container.toUpperCase()} HELP.`,
    'latin1',
  );
}

/** At most `bytes` bytes, up to the first NUL, as C's %.*s prints them; in latin1. */
export function cString(argument: Buffer, bytes = Infinity): string {
  const cut = argument.subarray(0, bytes);
  const nul = cut.indexOf(0);
  return (nul < 0 ? cut : cut.subarray(0, nul)).toString('latin1');
}

/** A subcommand that exists got arguments that it does not take. `args` with the container's name first. */
export function subcommandSyntax(container: string, args: readonly Buffer[]): ErrorReply {
  const name = cString(args[1] ?? Buffer.alloc(0), previewBytes);
  return new ErrorReply(
    `ERR unknown subcommand or wrong number of arguments for '${name}'. Try ${container.toUpperCase()} HELP.`,
    'latin1',
  );
}
