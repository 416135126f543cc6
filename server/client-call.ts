/** A command on keys of one partition: the call on the cluster is itself the place of its reply. */
import { Call } from '../cluster/call.js';
import type { Operation } from '../cluster/command.js';
import type { Reply } from '../protocol/resp/reply.js';
import type { CommandCount } from './command-count.js';
import type { ClientOptions, Place } from './reply-order.js';

/** Whose command it is. */
export interface Asking {
  answered(place: Place, reply: Reply, count: CommandCount): void;
}

export class ClientCall extends Call implements Place {
  reply: Reply | undefined = undefined;
  readonly closes = false;

  constructor(
    args: readonly Buffer[],
    operation: Operation,
    partition: number,
    override readonly options: ClientOptions,
    readonly silent: boolean,
    private readonly asking: Asking,
    private readonly count: CommandCount,
  ) {
    super(args, operation, partition, options);
  }

  protected deliver(reply: Reply): void {
    this.asking.answered(this, reply, this.count);
  }
}
