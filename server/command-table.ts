/**
 * A command is one row: everything that COMMAND, ACL, routing, arity errors, docs and MONITOR say of it is read from here.
 * Rows are joined by an explicit list (commands/all.ts), never by import side effects.
 */
import type { Execution } from '../storage/execution.js';
import type { ErrorReply, Reply } from '../protocol/resp/reply.js';
import type { LocalContext } from './local-context.js';

/** Redis' names, as COMMAND INFO prints them. */
export type CommandFlag =
  | 'write'
  | 'readonly'
  | 'denyoom'
  | 'admin'
  | 'pubsub'
  | 'noscript'
  | 'blocking'
  | 'loading'
  | 'stale'
  | 'fast'
  | 'no_auth'
  | 'movablekeys'
  | 'allow_busy'
  | 'no_async_loading'
  | 'no_multi';

/** Which arguments are keys: positions count the command's name as 0; `last` -1 = the last argument; all zero = none. */
export interface KeyPositions {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

/** What COMMAND DOCS says. */
export interface CommandDocs {
  readonly summary: string;
  /** Redis version, or the Torc version for TORC's own. */
  readonly since: string;
  readonly group:
    | 'string'
    | 'generic'
    | 'connection'
    | 'server'
    | 'cluster'
    | 'torc'
    | 'hash'
    | 'list'
    | 'set'
    | 'sorted-set'
    | 'stream'
    | 'hyperloglog'
    | 'bitmap'
    | 'geo'
    | 'scripting'
    | 'pubsub'
    | 'transactions';
  readonly complexity: string;
  /** Redis' argument syntax, for example `key value [NX | XX] [GET]`. */
  readonly syntax: string;
}

interface RowBase {
  /** Lower case. A subcommand's is its container's name and its own: `client|id`. */
  readonly name: string;
  /** Redis' arity: the name included, negative = at least. */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  readonly keys: KeyPositions;
  /** ACL categories without `@`. */
  readonly categories: readonly string[];
  readonly docs: CommandDocs;
}

/** What a checked command does, given the state of its keys. */
export type Run = (execution: Execution) => Reply;

/**
 * All its keys in one partition (or it is split so that they are). `parse` gets the arguments, name first, borrowed until the run is over, with
 * arity already checked; it returns what to run, or the client's error.
 */
export interface KeyedRow extends RowBase {
  readonly scope: 'keys';
  /** Where the keys are, when the arguments say how many there are (SINTERCARD); then `keys` names the first. */
  readonly findKeys?: (args: readonly Buffer[]) => readonly Buffer[];
  /**
   * True when it reads keys that its arguments do not name, all of the slot of those that they do: it runs where writes run, once all keys of the partition are in
   * memory, and its reply waits for all that is being written there. Absent = never.
   */
  readonly looksFurther?: (args: readonly Buffer[]) => boolean;
  /** What a client is told that may not read all keys there are, where the arguments name keys by a pattern. Absent = they never do. */
  readonly readsAnyKey?: (args: readonly Buffer[]) => ErrorReply | undefined;
  /** True when effect and reply do not depend on what was there. Absent = never. */
  readonly blind?: (args: readonly Buffer[]) => boolean;
  readonly parse: (args: readonly Buffer[]) => Run | ErrorReply;
  /**
   * For commands of many keys that are independent of each other (MGET, MSET, DEL, EXISTS): the router makes one command per partition
   * of the same shape, name first and then the groups of `keys.step` arguments that belong there, and joins the
   * replies: `array` puts each group's element back in its place, `sum` adds integers, `first-error-or-ok` is MSET's. A Gather is for a
   * command that is more than its parts, KeyByKey for one whose keys are not all there is to part.
   */
  readonly split?: 'array' | 'sum' | 'first-error-or-ok' | Gather | KeyByKey;
}

/** At each partition `row` runs, in place of the command, on the keys that belong there; `join` answers from its replies, none of which is an error. */
export interface Gather {
  readonly row: PartitionRow;
  readonly join: (replies: readonly Reply[]) => Reply;
}

/** Each key gets a command of its own, of the same row: so the first error in the order of keys answers, as where one command meets them. */
export interface KeyByKey {
  readonly commands: (args: readonly Buffer[]) => readonly { readonly key: Buffer; readonly args: readonly Buffer[] }[];
  /** From the replies in the order of the keys, none of which is an error. */
  readonly join: (replies: readonly Reply[]) => Reply;
}

/** Speaks of the whole cluster's keys: run at every partition's coordinator, or one partition after the other, and joined. */
export interface KeyspaceRow extends RowBase {
  readonly scope: 'keyspace';
  /** `partitions` is the cluster's number of them: what a slot's partition, and a partition's slots, follow from. */
  readonly parse: (args: readonly Buffer[], partitions: number) => KeyspacePlan | ErrorReply;
}

/**
 * How a keyspace command visits partitions. `command` gives the arguments, name first, that are sent to the partition's coordinator, which
 * runs them through the row's `partitionRun`. `all`: every partition at once, `join` gets the replies by partition number and gives the answer, or the
 * plan to go on with. `walk`: from `from` on; after each visit `step` returns the final reply or the next partition to visit, which may be the same
 * one again. `drain`: every one of `partitions`, `atOnce` of them at a time; `take` gets each reply and returns the arguments to go on with in that
 * partition, undefined = it is done.
 */
export type KeyspacePlan =
  | {
      readonly visit: 'all';
      readonly command: (partition: number) => readonly Buffer[];
      readonly join: (replies: readonly Reply[]) => Reply | { readonly plan: KeyspacePlan };
    }
  | {
      readonly visit: 'walk';
      readonly from: number;
      readonly command: (partition: number) => readonly Buffer[];
      readonly step: (partition: number, reply: Reply, partitions: number) => { readonly next: number } | { readonly answer: Reply };
    }
  | {
      readonly visit: 'drain';
      /** All when left out. */
      readonly partitions?: readonly number[];
      readonly atOnce: number;
      readonly command: (partition: number) => readonly Buffer[];
      readonly take: (partition: number, reply: Reply) => readonly Buffer[] | undefined;
      readonly answer: () => Reply;
    };

/**
 * The half of a keyspace command, or of a gathered one, that runs at a partition's coordinator: on all keys of the partition if `keys` names none. Not
 * callable by clients; its name begins with `partition|`.
 */
export interface PartitionRow extends RowBase {
  readonly scope: 'partition';
  /** As of a KeyedRow. */
  readonly findKeys?: (args: readonly Buffer[]) => readonly Buffer[];
  readonly parse: (args: readonly Buffer[]) => Run | ErrorReply;
}

/** Answered by the node that the client is connected to, without the cluster's keys. May be asynchronous. */
export interface LocalRow extends RowBase {
  readonly scope: 'local';
  readonly run: (context: LocalContext, args: readonly Buffer[]) => Reply | Promise<Reply>;
  /** It waits for something: it begins when the connection's earlier commands were answered, and later ones wait for it. */
  readonly holds?: boolean;
  /** Subcommands by lower-case name; then `run` answers a call without or with an unknown one. */
  readonly subcommands?: ReadonlyMap<string, CommandRow>;
}

export type CommandRow = KeyedRow | KeyspaceRow | PartitionRow | LocalRow;
