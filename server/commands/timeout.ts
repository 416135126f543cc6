/** Times to wait, as Redis reads them (`getTimeoutFromObjectOrReply` in src/timeout.c): whole milliseconds, not negative. */
import { ErrorReply } from '../../protocol/resp/reply.js';
import { parseInteger } from './arguments.js';

const notATimeout = new ErrorReply('ERR timeout is not an integer or out of range');
const negative = new ErrorReply('ERR timeout is negative');

export function pauseTimeout(argument: Buffer): number | ErrorReply {
  const timeoutMs = parseInteger(argument);
  if (timeoutMs === undefined) return notATimeout;
  return timeoutMs < 0 ? negative : Number(timeoutMs);
}
