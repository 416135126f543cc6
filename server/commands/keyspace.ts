/** Commands that count or delete all keys of the cluster, and the halves of them that run at each partition's coordinator. */
import { ok } from '../../protocol/resp/reply.js';
import type { ErrorReply, Reply } from '../../protocol/resp/reply.js';
import { positionEnd } from '../../storage/key-order.js';
import type { CommandRow, KeyspacePlan, KeyspaceRow, Run } from '../command-table.js';
import { isToken, parseIntegerWithin } from './arguments.js';
import { syntaxError } from './errors.js';
import { countCommand, countedFirst, eachKeyFrom } from './keys-in-order.js';
import { bytesOf, firstSlotOf, malformedPartitionCommand, partitionRow, slotArgument } from './partition-row.js';
import { docsOf, noKeys } from './row.js';

const serverDocs = docsOf('server');

const everyKey = Number.MAX_SAFE_INTEGER;
/** Keys that one FLUSHALL deletes in one command, and that are under way at once. */
const sliceKeys = 500;
const keysAtOnce = 1500;

const flushName = Buffer.from('partition|flush');

const sumOf = (replies: readonly Reply[]): number => replies.reduce((sum: number, reply) => sum + Number(reply), 0);

/** What is written meanwhile may stay. */
function parseFlush(args: readonly Buffer[], partitions: number): KeyspacePlan | ErrorReply {
  const mode = args[1];
  if (args.length > 2 || (mode && !isToken(mode, 'ASYNC') && !isToken(mode, 'SYNC'))) return syntaxError;
  const command = (partition: number, slot: Reply, position: Reply) => [
    flushName,
    bytesOf(Number(slot)),
    bytesOf(Number(position)),
    bytesOf(firstSlotOf(partition + 1, partitions) - 1),
  ];
  return countedFirst(sliceKeys, keysAtOnce, ok, {
    command: (partition) => command(partition, firstSlotOf(partition, partitions), 0),
    take: (partition, reply) => {
      const [slot, position] = reply as readonly [Reply, Reply];
      return Number(slot) < firstSlotOf(partition + 1, partitions) ? command(partition, slot, position) : undefined;
    },
    answer: () => ok,
  });
}

/** Arguments: slot and position to begin at, last slot. Answers slot and position to go on at. */
function parsePartitionFlush(args: readonly Buffer[]): Run | ErrorReply {
  const [first, last] = [slotArgument(args, 1), slotArgument(args, 3)];
  const from = parseIntegerWithin(args[2] as Buffer, 0, positionEnd - 1);
  if (first === undefined || last === undefined || from === undefined) return malformedPartitionCommand;
  return (execution) => {
    const { next } = eachKeyFrom(execution, { slot: first, position: from }, last, sliceKeys, (key) => execution.delete(key));
    return [next.slot, next.position];
  };
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
    parse: () => ({ visit: 'all', command: () => countCommand, join: sumOf }),
  },
  flushRow('flushall', 'Removes all keys from the cluster.'),
  flushRow('flushdb', 'Removes all keys from the cluster, which has one database.'),
  partitionRow('dbsize', 1, 'readonly', () => (execution) => execution.keyCount(), ''),
  partitionRow('flush', 4, 'write', parsePartitionFlush, 'slot position last-slot'),
  partitionRow('keysinslot', 3, 'readonly', parsePartitionKeysInSlot, 'slot limit'),
  partitionRow('countkeysinslot', 2, 'readonly', parsePartitionCountKeysInSlot, 'slot'),
];
