/** Calls whose replies are kept, for the tests of what answers them. */
import { Call, type CallOptions } from '../../cluster/call.js';
import type { Operation } from '../../cluster/command.js';
import type { Reply } from '../../protocol/resp/reply.js';

export class TestCall extends Call {
  readonly replies: Reply[] = [];

  constructor(
    readonly name: string,
    partition: number,
    access: Operation['access'] = 'write',
    options: Partial<CallOptions> = {},
    private readonly whenAnswered: (call: TestCall) => void = () => undefined,
  ) {
    const operation: Operation = { access, blind: false, keys: [], wholePartition: false, run: () => null };
    super([Buffer.from(name)], operation, partition, { resp: 2, writeQuorum: 0, readQuorum: 0, deadlineMs: 0, ...options });
  }

  protected deliver(reply: Reply): void {
    this.replies.push(reply);
    this.whenAnswered(this);
  }
}
