/** A command that throws what no command should: its client hears of it, the operator too, and the node goes on. */
import test from 'ava';
import type { NodeEvent } from '../../cluster/events.js';
import { CommandRun } from '../../cluster/command-run.js';
import { FailedCommands, internalError } from '../../cluster/failed-commands.js';
import { ErrorReply, type EncodedPieces } from '../../protocol/resp/reply.js';
import { LongReply } from '../../protocol/resp/long-reply.js';
import { StorageError } from '../../storage/engine.js';
import { CommandError } from '../../storage/execution.js';
import { systemClock } from '../../server/system-clock.js';
import type { Transaction } from '../../storage/transaction.js';
import { TestCall } from './calls.js';

const transaction = {} as Transaction;

function told(): { readonly said: [string, NodeEvent][]; readonly failed: FailedCommands } {
  const said: [string, NodeEvent][] = [];
  return { said, failed: new FailedCommands((_level, message, event) => void said.push([message, event])) };
}

function thatThrows(error: unknown): TestCall {
  const call = new TestCall('BITOP', 0);
  call.operation = {
    ...call.operation,
    run: () => {
      throw error;
    },
  };
  return call;
}

test('an error of the program is answered and told, with where it was thrown', (t) => {
  const { said, failed } = told();
  const run = new CommandRun(failed, systemClock, () => undefined);
  t.is(run.run(thatThrows(new TypeError('of undefined')), transaction), internalError);
  t.is(said.length, 1);
  const [message, event] = said[0] as [string, NodeEvent];
  t.deepEqual(event, { event: 'command-failed', command: 'bitop' });
  t.regex(message, /TypeError: of undefined.*failed-commands\.test/);
});

test("a client's error is its reply, and nobody else hears of it", (t) => {
  const { said, failed } = told();
  const run = new CommandRun(failed, systemClock, () => undefined);
  const wrong = new ErrorReply('WRONGTYPE');
  t.is(run.run(thatThrows(new CommandError(wrong)), transaction), wrong);
  t.deepEqual(said, []);
});

test('a node does not go on from an error of its storage', (t) => {
  const { failed } = told();
  const run = new CommandRun(failed, systemClock, () => undefined);
  t.throws(() => run.run(thatThrows(new StorageError('DAMAGED', 'a file')), transaction), { instanceOf: StorageError });
});

class Broken extends LongReply<EncodedPieces> {
  slices = 0;
  abandoned = 0;

  abandon(): void {
    this.abandoned++;
  }

  slice(): EncodedPieces | undefined {
    if (++this.slices < 3) return undefined;
    throw new RangeError('too long');
  }
}

test('a long reply that breaks off is the error, lets go of what it held, and is over', async (t) => {
  const { said, failed } = told();
  let over = 0;
  const reply = new Broken();
  const call = new TestCall('LRANGE', 0);
  await new Promise<void>((resolve) => {
    new CommandRun(failed, systemClock, () => resolve(void over++)).carryOn(reply, call);
    call.answer(reply);
  });
  t.is(
    Buffer.concat((call.replies[0] as EncodedPieces).pieces).toString(),
    '-ERR internal error; the log of the node that ran the command says more\r\n',
  );
  t.deepEqual([reply.slices, reply.abandoned, over, said.length], [3, 1, 1, 1]);
});
