/** Carries long replies on, a slice a turn, to their end: what they hold of memory goes then, whoever still waits for them. */
import { LongReply } from '../protocol/resp/long-reply.js';
import type { EncodedPieces, Reply } from '../protocol/resp/reply.js';
import type { Clock } from '../storage/clock.js';
import type { Call } from './call.js';

/** Begins with a reply that has just been computed. `over` is called when it is whole. */
export function carryOn(reply: LongReply<EncodedPieces>, call: Call, clock: Clock, over: () => void): void {
  const step = (): void => {
    if (reply.proceed()) return over();
    call.goesOn(clock.monotonicMs());
    clock.after(0, step);
  };
  clock.after(0, step);
}

/** The run that made it does not count. */
export function abandon(reply: Reply): void {
  if (reply instanceof LongReply) reply.abandon();
}
