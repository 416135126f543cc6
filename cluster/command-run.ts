/** Runs calls' operations: what a client did wrong becomes the reply, and so does what no command should throw (failed-commands.ts). */
import type { LongReply } from '../protocol/resp/long-reply.js';
import type { EncodedPieces, ErrorReply, Reply } from '../protocol/resp/reply.js';
import type { Clock } from '../storage/clock.js';
import { CommandError } from '../storage/execution.js';
import type { Transaction } from '../storage/transaction.js';
import type { Call } from './call.js';
import { nameOf, type FailedCommands } from './failed-commands.js';
import { carryOn } from './long-replies.js';

export class CommandRun {
  constructor(
    private readonly failed: FailedCommands,
    private readonly clock: Clock,
    /** A long reply is whole: memory that it held may go. */
    private readonly schedule: () => void,
  ) {}

  /** The transaction has begun. */
  run(call: Call, transaction: Transaction): Reply {
    const span = call.trace === undefined ? undefined : call.trace.begin('storage/run', 'internal', {});
    try {
      return call.operation.run(transaction);
    } catch (error) {
      return error instanceof CommandError ? error.reply : this.failure(call, error);
    } finally {
      if (span !== undefined) span.end();
    }
  }

  /** What is answered to a call of which something threw what nothing should. */
  failure(call: Call, error: unknown): ErrorReply {
    return this.failed.reply(nameOf(call.args), error);
  }

  /** Makes what the run replied, a slice a turn. */
  carryOn(reply: LongReply<EncodedPieces>, call: Call): void {
    const name = nameOf(call.args); // they may go before it is over
    carryOn(reply, call, this.clock, this.schedule, (error) => this.failed.reply(name, error));
  }
}
