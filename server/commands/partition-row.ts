/** The halves of keyspace commands that run at each partition's coordinator: slots, partitions, and the words of their rows. */
import { slotCount } from '../../protocol/slot.js';
import { ErrorReply } from '../../protocol/resp/reply.js';
import type { PartitionRow } from '../command-table.js';
import { parseIntegerWithin } from './arguments.js';
import { docsOf, noKeys } from './row.js';

const docs = docsOf('server');

export const malformedPartitionCommand = new ErrorReply('ERR malformed partition command');

export const partitionOf = (slot: number, partitions: number): number => Math.floor((slot * partitions) / slotCount);
/** The first slot whose partition is at least `partition`. */
export const firstSlotOf = (partition: number, partitions: number): number => Math.ceil((partition * slotCount) / partitions);
export const bytesOf = (value: number): Buffer => Buffer.from(String(value));

/** Undefined when the argument is no slot. */
export const slotArgument = (args: readonly Buffer[], index: number): number | undefined =>
  parseIntegerWithin(args[index] as Buffer, 0, slotCount - 1);

export function partitionRow(
  name: string,
  arity: number,
  access: 'readonly' | 'write',
  parse: PartitionRow['parse'],
  syntax: string,
): PartitionRow {
  return {
    scope: 'partition',
    name: `partition|${name}`,
    arity,
    flags: [access],
    keys: noKeys,
    categories: ['keyspace', access === 'write' ? 'write' : 'read', 'slow'],
    docs: docs('0.1.0', 'O(N) where N is the number of keys in the partition.', `One partition's half of a command on all keys.`, syntax),
    parse,
  };
}
