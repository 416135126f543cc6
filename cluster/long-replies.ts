/** Carries long replies on, a slice a turn, to their end: what they hold of memory goes then, whoever still waits for them. */
import { LongReply } from '../protocol/resp/long-reply.js';
import { EncodedPieces, type ErrorReply, type Reply } from '../protocol/resp/reply.js';
import { encodeReply } from '../protocol/resp/reply-writer.js';
import type { Clock } from '../storage/clock.js';
import type { Call } from './call.js';

/** Begins with a reply that has just been computed. `over` is called when it is whole; `failed` says what it comes to when a slice throws. */
export function carryOn(
  reply: LongReply<EncodedPieces>,
  call: Call,
  clock: Clock,
  over: () => void,
  failed: (error: unknown) => ErrorReply,
): void {
  const { resp } = call.options;
  const next = (): EncodedPieces | undefined => {
    try {
      return reply.slice();
    } catch (error) {
      reply.abandon();
      return new EncodedPieces([encodeReply(failed(error), resp)]);
    }
  };
  const step = (): void => {
    const whole = next();
    if (whole !== undefined) {
      reply.end(whole);
      over();
      return;
    }
    call.goesOn(clock.monotonicMs());
    clock.nextTurn(step);
  };
  clock.nextTurn(step);
}

/** The run that made it does not count. */
export function abandon(reply: Reply): void {
  if (reply instanceof LongReply) reply.abandon();
}
