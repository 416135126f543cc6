/** proto-max-bulk-len bounds what a command may make of a string, before anything is written. */
import test from 'ava';
import { ErrorReply } from '../../../protocol/resp/reply.js';
import { CommandLookup } from '../../../server/command-lookup.js';
import { allRows } from '../../../server/commands/all.js';
import { CommandError } from '../../../storage/execution.js';
import { MemoryExecution } from './memory-execution.js';

const lookup = new CommandLookup(allRows);
const tooLong = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)';
const noSuchBit = 'ERR bit offset is not an integer or out of range';

test('a string up to the limit is made, a longer one is refused and changes nothing', (t) => {
  const execution = new MemoryExecution(1_700_000_000_000);
  execution.stringBytesMax = 10;
  const ask = (line: string): unknown => {
    const args = line.split(' ').map((word) => Buffer.from(word));
    const row = lookup.resolve(args);
    if (row instanceof ErrorReply || row.scope !== 'keys') throw new Error(line);
    const run = row.parse(args);
    if (run instanceof ErrorReply) return run.text;
    try {
      const reply = execution.execute(run);
      return reply instanceof ErrorReply ? reply.text : reply;
    } catch (error) {
      if (error instanceof CommandError) return error.reply.text;
      throw error;
    }
  };
  t.is(ask('SETRANGE k 9 x'), 10);
  t.is(ask('SETRANGE k 10 x'), tooLong);
  t.is(ask('APPEND k x'), tooLong);
  t.is(ask('SETBIT k 79 1'), 0);
  t.is(ask('SETBIT k 80 1'), noSuchBit);
  t.is(ask('BITFIELD k SET u8 73 1'), noSuchBit);
  t.deepEqual(ask('BITFIELD k GET u8 80'), [0n]);
  t.is(ask('STRLEN k'), 10);
});
