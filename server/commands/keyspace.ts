/** Commands that count or delete all keys of the cluster, and the halves of them that run at each partition's coordinator. */
import { ErrorReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import type { CommandRow, KeyspacePlan, KeyspaceRow, Run } from '../command-table.js';
import { isToken, parseIntegerWithin } from './arguments.js';
import { syntaxError } from './errors.js';
import { bytesOf, firstSlotOf, malformedPartitionCommand, partitionRow, slotArgument } from './partition-row.js';
import { docsOf, noKeys } from './row.js';

const serverDocs = docsOf('server');

const everyKey = Number.MAX_SAFE_INTEGER;

/** All at once; the join sees no errors, the first of which is the answer. */
function everywhere(command: (partition: number) => readonly Buffer[], join: (replies: readonly Reply[]) => Reply): KeyspacePlan {
  return { visit: 'all', command, join: (replies) => replies.find((reply) => reply instanceof ErrorReply) ?? join(replies) };
}

const dbsizeCommand = [Buffer.from('partition|dbsize')];
const flushName = Buffer.from('partition|flush');

const sumOf = (replies: readonly Reply[]): number => replies.reduce((sum: number, reply) => sum + Number(reply), 0);

function parseFlush(args: readonly Buffer[], partitions: number): KeyspacePlan | ErrorReply {
  const mode = args[1];
  if (args.length > 2 || (mode && !isToken(mode, 'ASYNC') && !isToken(mode, 'SYNC'))) return syntaxError;
  const command = (partition: number) => [
    flushName,
    bytesOf(firstSlotOf(partition, partitions)),
    bytesOf(firstSlotOf(partition + 1, partitions) - 1),
  ];
  return everywhere(command, () => ok);
}

function parsePartitionFlush(args: readonly Buffer[]): Run | ErrorReply {
  const [first, last] = [slotArgument(args, 1), slotArgument(args, 2)];
  if (first === undefined || last === undefined) return malformedPartitionCommand;
  return (execution) => {
    for (let slot = first; slot <= last; slot++) deleteAll(execution, execution.keysInSlot(slot, everyKey));
    return ok;
  };
}

function deleteAll(execution: Execution, keys: readonly Buffer[]): void {
  for (const key of keys) execution.delete(key);
}

function parsePartitionKeysInSlot(args: readonly Buffer[]): Run | ErrorReply {
  const [slot, limit] = [slotArgument(args, 1), parseIntegerWithin(args[2] as Buffer, 0, everyKey)];
  if (slot === undefined || limit === undefined) return malformedPartitionCommand;
  return (execution) => execution.keysInSlot(slot, limit);
}

function parsePartitionCountKeysInSlot(args: readonly Buffer[]): Run | ErrorReply {
  const slot = slotArgument(args, 1);
  return slot === undefined ? malformedPartitionCommand : (execution) => execution.keysInSlot(slot, everyKey).length;
}

const flushRow = (name: string, summary: string): KeyspaceRow => ({
  scope: 'keyspace',
  name,
  arity: -1,
  flags: ['write'],
  keys: noKeys,
  categories: ['keyspace', 'write', 'slow', 'dangerous'],
  docs: serverDocs('1.0.0', 'O(N) where N is the total number of keys.', summary, '[ASYNC | SYNC]'),
  parse: parseFlush,
});

export const keyspaceRows: readonly CommandRow[] = [
  {
    scope: 'keyspace',
    name: 'dbsize',
    arity: 1,
    flags: ['readonly', 'fast'],
    keys: noKeys,
    categories: ['keyspace', 'read', 'fast'],
    docs: serverDocs('1.0.0', 'O(P) where P is the number of partitions.', 'Returns the number of keys in the cluster.'),
    parse: () => everywhere(() => dbsizeCommand, sumOf),
  },
  flushRow('flushall', 'Removes all keys from the cluster.'),
  flushRow('flushdb', 'Removes all keys from the cluster, which has one database.'),
  partitionRow('dbsize', 1, 'readonly', () => (execution) => execution.keyCount(), ''),
  partitionRow('flush', 3, 'write', parsePartitionFlush, 'first-slot last-slot'),
  partitionRow('keysinslot', 3, 'readonly', parsePartitionKeysInSlot, 'slot limit'),
  partitionRow('countkeysinslot', 2, 'readonly', parsePartitionCountKeysInSlot, 'slot'),
];
