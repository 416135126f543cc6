/**
 * What the cluster knows of a command. server/ owns the table (names, arity, parsing, meaning); cluster/ decides where and when
 * an operation runs, and what must be true before its reply may leave.
 */
import type { Execution } from '../storage/execution.js';
import type { Reply } from '../protocol/resp/reply.js';

/** A command with its arguments checked: pure and synchronous. May throw CommandError; an ErrorReply discards what it wrote. */
export interface Operation {
  readonly access: 'read' | 'write';
  /** A write whose effect and reply do not depend on what was there (SET without options, MSET): may be written once more in a new term. */
  readonly blind: boolean;
  /** The keys it names, borrowed from the arguments; all in one partition. Loaded before `run`. Empty for an operation that is on the whole partition alone. */
  readonly keys: readonly Buffer[];
  /** True for an operation on the whole partition (DBSIZE, SCAN...), or on keys that it finds only by running (SORT BY): every key of the partition is loaded before `run`. */
  readonly wholePartition: boolean;
  run(execution: Execution): Reply;
}

/** How a node understands a command another node forwarded: the same table, so it can only refuse when versions differ. */
export interface CommandDecoder {
  /** Arguments with the command's name first, borrowed until the operation has run. Throws CommandError when the command is unknown or malformed. */
  decode(args: readonly Buffer[]): Operation;
}
