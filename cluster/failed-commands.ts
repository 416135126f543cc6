/**
 * What no command should do, and the next one may: throw what is no client's error. It has written nothing then, for what a command writes is handed over when it has run. So its client and the
 * operator are told, and the node goes on for all others.
 */
import { ErrorReply } from '../protocol/resp/reply.js';
import { StorageError } from '../storage/engine.js';
import type { EventLog } from './events.js';

export const internalError = new ErrorReply('ERR internal error; the log of the node that ran the command says more');

/** Lines of where it was thrown that the log gets. */
const linesMost = 6;

export class FailedCommands {
  constructor(private readonly log: EventLog) {}

  /** What the client is told. Throws what is the storage's: a node does not go on from that. */
  reply(command: string, error: unknown): ErrorReply {
    if (error instanceof StorageError) throw error;
    const thrown = error instanceof Error ? (error.stack ?? String(error)) : String(error);
    const stack = thrown.split('\n').slice(0, linesMost).join(' ');
    this.log('warn', `command '${command}' failed by an error of this program: ${stack}`, { event: 'command-failed', command });
    return internalError;
  }
}

/** The name that a command's row has, of its arguments. */
export function nameOf(args: readonly Buffer[]): string {
  return (args[0]?.toString('latin1') ?? '').toLowerCase();
}
