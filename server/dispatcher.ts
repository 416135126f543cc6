/**
 * From a command's arguments to calls on the cluster, where one call is not enough: a splittable command on keys of several partitions becomes a call
 * per partition, a command that reads keys elsewhere gets their values first, a keyspace command a visit to all or one partition after the other. What concerns one partition alone connection.ts submits itself, by
 * `operationOf`, and what other nodes forward is decoded here.
 */
import { Call, type CallOptions } from '../cluster/call.js';
import type { CommandDecoder, Operation } from '../cluster/command.js';
import type { FailedCommands } from '../cluster/failed-commands.js';
import { slotOf } from '../protocol/slot.js';
import { ErrorReply, ownReply, type Reply } from '../protocol/resp/reply.js';
import { CommandError, type Execution } from '../storage/execution.js';
import type { CommandLookup } from './command-lookup.js';
import type { CommandRow, KeyedRow, KeyspacePlan, KeyspaceRow, PartitionRow, Run } from './command-table.js';
import { decoded } from './decode-reply.js';
import { valueAt, withValues } from './commands/distant-rows.js';
import { homeKey, takesStreams } from './distant/home.js';
import { argumentsOf } from './distant/value.js';
import { joinSplit, splitUp } from './split.js';

const crossSlot = new ErrorReply("CROSSSLOT Keys in request don't hash to the same slot");

/** What a client's call needs to know of its connection, and where its reply goes. */
export interface Origin {
  readonly options: CallOptions;
  /** Makes the call take its place in the connection's order of partitions. */
  attach(call: Call): void;
}

class RowOperation implements Operation {
  readonly access: 'read' | 'write';
  readonly wholePartition: boolean;

  constructor(
    row: KeyedRow | PartitionRow,
    readonly keys: readonly Buffer[],
    readonly blind: boolean,
    private readonly runRow: Run,
    looksFurther: boolean,
  ) {
    this.access = looksFurther || row.flags.includes('write') ? 'write' : 'read';
    this.wholePartition = looksFurther || (row.scope === 'partition' && row.keys.first === 0);
  }

  run(execution: Execution): Reply {
    return this.runRow(execution);
  }
}

/** A call whose reply goes to a function. */
export class InnerCall extends Call {
  constructor(
    args: readonly Buffer[],
    operation: Operation,
    partition: number,
    options: CallOptions,
    private readonly done: (reply: Reply) => void,
  ) {
    super(args, operation, partition, options);
  }

  protected deliver(reply: Reply): void {
    this.done(ownReply(reply));
  }
}

export interface DispatcherOptions {
  readonly lookup: CommandLookup;
  readonly partitions: () => number;
  readonly submit: (call: Call) => void;
  /** The deadline of what visits whole partitions from now on: they may have to be read from disk. */
  readonly wholePartitionDeadlineMs: () => number;
  /** Calls back in a later turn of the event loop: between two visits of a command that visits many partitions, others get theirs. */
  readonly nextTurn: (resume: () => void) => void;
  readonly failed: FailedCommands;
}

export class Dispatcher implements CommandDecoder {
  constructor(private readonly options: DispatcherOptions) {}

  get partitions(): number {
    return this.options.partitions();
  }

  decode(args: readonly Buffer[]): Operation {
    const operation = this.forwarded(args);
    if (operation instanceof ErrorReply) throw new CommandError(operation);
    return operation;
  }

  private forwarded(args: readonly Buffer[]): Operation | ErrorReply {
    const row = this.options.lookup.resolveForwarded(args);
    if (row instanceof ErrorReply) return row;
    const isForwarded = row.scope === 'keys' || row.scope === 'partition';
    return isForwarded ? this.operationOf(row, args) : new ErrorReply(`ERR '${row.name}' is not forwarded between nodes`);
  }

  /** Checks a command's arguments: what to run, or the client's error. */
  operationOf(row: KeyedRow | PartitionRow, args: readonly Buffer[]): Operation | ErrorReply {
    try {
      return operationOf(row, args);
    } catch (error) {
      return this.options.failed.reply(row.name, error);
    }
  }

  /** Runs a command on keys or on the keyspace; `done` gets its reply, once, maybe within this call. */
  run(row: Exclude<CommandRow, { scope: 'local' }>, args: readonly Buffer[], origin: Origin, done: (reply: Reply) => void): void {
    if (row.scope === 'keyspace') this.runKeyspace(row, args, origin, done);
    else if (row.scope === 'partition') done(new ErrorReply(`ERR '${row.name}' is not a client's command`));
    else this.runKeyed(row, args, origin, done);
  }

  /** The same from within another command; resolves with a reply that can be looked at. */
  ask(args: readonly Buffer[], origin: Origin): Promise<Reply> {
    const row = this.options.lookup.resolve(args);
    if (row instanceof ErrorReply) return Promise.resolve(row);
    if (row.scope === 'local') throw new Error(`${row.name} is not about keys`);
    return new Promise((resolve) => this.run(row, args, origin, (reply) => resolve(decoded(reply))));
  }

  /** The one partition of all the keys; -1 when there are several. Commands without keys have none to be in: partition 0. */
  partitionOfKeys(keys: readonly Buffer[]): number {
    const partitions = this.options.partitions();
    const partition = partitionOf(keys[0], partitions);
    for (let i = 1; i < keys.length; i++) if (partitionOf(keys[i], partitions) !== partition) return -1;
    return partition;
  }

  /** Runs a partition's half of a keyspace command at its coordinator. */
  atPartition(partition: number, args: readonly Buffer[], origin: Origin, done: (reply: Reply) => void): void {
    const operation = this.decode(args);
    const options = { ...origin.options, deadlineMs: this.options.wholePartitionDeadlineMs() };
    const call = new InnerCall(args, operation, partition, options, (reply) => done(decoded(reply)));
    origin.attach(call);
    this.options.submit(call);
  }

  private runKeyed(row: KeyedRow, args: readonly Buffer[], origin: Origin, done: (reply: Reply) => void): void {
    const operation = this.operationOf(row, args);
    if (operation instanceof ErrorReply) return done(operation);
    const partition = this.partitionOfKeys(operation.keys);
    if (partition >= 0) {
      const call = new InnerCall(args, operation, partition, origin.options, done);
      origin.attach(call);
      this.options.submit(call);
    } else if (row.split !== undefined) this.runSplit(row, args, row.split, origin, done);
    else this.runDistant(row, args, operation, origin, done);
  }

  /** True for a command that the connection must not pass others by: it is sent in two steps. */
  isDistant(row: KeyedRow, args: readonly Buffer[], operation: Operation): boolean {
    return row.split === undefined && homeKey(row, args, operation.keys) !== undefined;
  }

  /** Reads the values that are elsewhere, all at once, then runs the command where its home is. */
  private runDistant(row: KeyedRow, args: readonly Buffer[], operation: Operation, origin: Origin, done: (reply: Reply) => void): void {
    const home = homeKey(row, args, operation.keys);
    if (home === undefined) return done(crossSlot);
    const partition = this.partitionOfKeys([home]);
    const isHere = (key: Buffer): boolean => this.partitionOfKeys([key]) === partition;
    const here = operation.keys.filter(isHere);
    const elsewhere = new Map(operation.keys.filter((key) => !isHere(key)).map((key) => [key.toString('latin1'), key]));
    const values: Buffer[][] = [];
    let open = elsewhere.size;
    let failed: ErrorReply | undefined;
    for (const key of elsewhere.values()) {
      this.submitInner(valueAt(key, takesStreams(row)), this.partitionOfKeys([key]), origin, (reply) => {
        const value = argumentsOf(key, decoded(reply));
        if (value instanceof ErrorReply) failed ??= value;
        else values.push(value);
        if (--open > 0) return;
        if (failed !== undefined) return done(failed);
        this.submitInner(withValues(operation.access === 'write', values, here, args), partition, origin, done);
      });
    }
  }

  private submitInner(args: readonly Buffer[], partition: number, origin: Origin, done: (reply: Reply) => void): void {
    const operation = this.forwarded(args);
    if (operation instanceof ErrorReply) return done(operation); // throwing would close the stream of the peer whose reply this runs in
    const call = new InnerCall(args, operation, partition, origin.options, done);
    origin.attach(call);
    this.options.submit(call);
  }

  private runSplit(
    row: KeyedRow,
    args: readonly Buffer[],
    split: NonNullable<KeyedRow['split']>,
    origin: Origin,
    done: (reply: Reply) => void,
  ): void {
    const groups = splitUp(row, args, (key) => partitionOf(key, this.options.partitions()));
    const replies: Reply[] = groups.map(() => null);
    let open = groups.length;
    const part = typeof split === 'object' && 'row' in split ? split.row : row;
    groups.forEach(({ partition, args: ownArgs }, i) => {
      const groupArgs = part === row ? ownArgs : [Buffer.from(part.name), ...ownArgs.slice(1)];
      const operation = this.operationOf(part, groupArgs);
      const finish = (reply: Reply): void => {
        replies[i] = decoded(reply);
        if (--open === 0) done(joinSplit(split, groups, replies));
      };
      if (operation instanceof ErrorReply) return finish(operation);
      const call = new InnerCall(groupArgs, operation, partition, origin.options, finish);
      origin.attach(call);
      this.options.submit(call);
    });
  }

  private runKeyspace(row: KeyspaceRow, args: readonly Buffer[], origin: Origin, done: (reply: Reply) => void): void {
    const plan = row.parse(args, this.options.partitions());
    if (plan instanceof ErrorReply) done(plan);
    else this.follow(plan, origin, done);
  }

  private follow(plan: KeyspacePlan, origin: Origin, done: (reply: Reply) => void): void {
    if (plan.visit === 'walk') this.walk(plan, plan.from, origin, done);
    else if (plan.visit === 'drain') this.drain(plan, origin, done);
    else {
      const replies: Reply[] = [];
      let open = this.options.partitions();
      for (let partition = 0, count = open; partition < count; partition++) {
        this.atPartition(partition, plan.command(partition), origin, (reply) => {
          replies[partition] = reply;
          if (--open > 0) return;
          const joined = replies.find((r) => r instanceof ErrorReply) ?? plan.join(replies);
          if (isPlanned(joined)) this.options.nextTurn(() => this.follow(joined.plan, origin, done));
          else done(joined);
        });
      }
    }
  }

  private walk(plan: Extract<KeyspacePlan, { visit: 'walk' }>, partition: number, origin: Origin, done: (reply: Reply) => void): void {
    this.atPartition(partition, plan.command(partition), origin, (reply) => {
      if (reply instanceof ErrorReply) return done(reply);
      const step = plan.step(partition, reply, this.options.partitions());
      if ('answer' in step) done(step.answer);
      else this.options.nextTurn(() => this.walk(plan, step.next, origin, done));
    });
  }

  private drain(plan: Extract<KeyspacePlan, { visit: 'drain' }>, origin: Origin, done: (reply: Reply) => void): void {
    const partitions = plan.partitions ?? Array.from({ length: this.options.partitions() }, (_, partition) => partition);
    let next = 0;
    let open = 0;
    let failed = false;
    const visit = (partition: number, args: readonly Buffer[]): void =>
      this.atPartition(partition, args, origin, (reply) => {
        if (failed) return;
        if (reply instanceof ErrorReply) {
          failed = true;
          return done(reply);
        }
        const more = plan.take(partition, reply);
        this.options.nextTurn(() => {
          if (failed) return;
          if (more !== undefined) return visit(partition, more);
          open--;
          begin();
        });
      });
    const begin = (): void => {
      if (open === 0 && next === partitions.length) return done(plan.answer());
      while (open < plan.atOnce && next < partitions.length) {
        const partition = partitions[next++] as number;
        open++;
        visit(partition, plan.command(partition));
      }
    };
    begin();
  }
}

const isPlanned = (joined: Reply | { readonly plan: KeyspacePlan }): joined is { readonly plan: KeyspacePlan } =>
  typeof joined === 'object' && joined !== null && 'plan' in joined;

/** Slots and partitions are runs: a slot's partition needs no table. */
function partitionOf(key: Buffer | undefined, partitions: number): number {
  return key === undefined ? 0 : Math.floor((slotOf(key) * partitions) / 16384);
}

function operationOf(row: KeyedRow | PartitionRow, args: readonly Buffer[]): Operation | ErrorReply {
  const run = row.parse(args);
  if (run instanceof ErrorReply) return run;
  const keys = row.findKeys !== undefined ? row.findKeys(args) : keysOf(row, args);
  const isKeyed = row.scope === 'keys';
  return new RowOperation(row, keys, isKeyed && row.blind?.(args) === true, run, isKeyed && row.looksFurther?.(args) === true);
}

function keysOf({ keys: { first, last, step } }: CommandRow, args: readonly Buffer[]): readonly Buffer[] {
  const only = args[first];
  if (first === last && only !== undefined) return first === 0 ? [] : [only];
  const end = last < 0 ? args.length + last : last;
  const keys: Buffer[] = [];
  if (step > 0) {
    for (let i = first; i <= end; i += step) {
      const key = args[i];
      if (key !== undefined) keys.push(key);
    }
  }
  return keys;
}
