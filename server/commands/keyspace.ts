/**
 * Commands that speak of all keys of the cluster, and the halves of them that run at each partition's coordinator.
 *
 * A SCAN cursor is the slot to go on with, so it means the same at every node and after any change of the ring; 0 is both begin and end.
 * Slots are visited in ascending order and each is returned whole, in one execution, so a key that is there throughout is returned at
 * least once.
 */
import { slotCount } from '../../protocol/slot.js';
import { ErrorReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import type { CommandRow, KeyspacePlan, KeyspaceRow, PartitionRow, Run } from '../command-table.js';
import { isToken, parseInteger, parseIntegerWithin } from './arguments.js';
import { notAnInteger, syntaxError } from './errors.js';
import { matchesGlob } from '../glob-pattern.js';
import { docsOf, noKeys } from './row.js';

const serverDocs = docsOf('server');
const genericDocs = docsOf('generic');

/** COUNT when a client names none, as in Redis. */
const scanCountDefault = 10;
/** Bounds the round trips of one SCAN over an empty stretch. */
const scanPartitionsMax = 64;
const everyKey = Number.MAX_SAFE_INTEGER;
const matchesAll = Buffer.from('*');

const invalidCursor = new ErrorReply('ERR invalid cursor');
const malformedPartitionCommand = new ErrorReply('ERR malformed partition command');

const partitionOf = (slot: number, partitions: number): number => Math.floor((slot * partitions) / slotCount);
/** The first slot whose partition is at least `partition`. */
const firstSlotOf = (partition: number, partitions: number): number => Math.ceil((partition * slotCount) / partitions);
const bytesOf = (value: number): Buffer => Buffer.from(String(value));

/** All at once; the join sees no errors, the first of which is the answer. */
function everywhere(command: (partition: number) => readonly Buffer[], join: (replies: readonly Reply[]) => Reply): KeyspacePlan {
  return { visit: 'all', command, join: (replies) => replies.find((reply) => reply instanceof ErrorReply) ?? join(replies) };
}

const dbsizeCommand = [Buffer.from('partition|dbsize')];
const flushName = Buffer.from('partition|flush');
const scanName = Buffer.from('partition|scan');

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

interface ScanOptions {
  readonly count: number;
  /** Lower case; empty = any. */
  readonly type: Buffer;
  readonly pattern: Buffer;
}

function parseScanOptions(args: readonly Buffer[]): ScanOptions | ErrorReply {
  let count = scanCountDefault;
  let type: Buffer = Buffer.alloc(0);
  let pattern: Buffer = matchesAll;
  for (let i = 2; i < args.length; i += 2) {
    const option = args[i] as Buffer;
    const value = args[i + 1];
    if (value === undefined) return syntaxError;
    if (isToken(option, 'COUNT')) {
      const parsed = parseInteger(value);
      if (parsed === undefined) return notAnInteger;
      if (parsed < 1) return syntaxError;
      count = Number(parsed);
    } else if (isToken(option, 'MATCH')) pattern = value;
    else if (isToken(option, 'TYPE')) type = Buffer.from(value.toString('latin1').toLowerCase(), 'latin1');
    else return syntaxError;
  }
  return { count: Math.min(count, everyKey), type, pattern };
}

function parseScan(args: readonly Buffer[], partitions: number): KeyspacePlan | ErrorReply {
  const slot = parseCursor(args[1] as Buffer);
  if (slot === undefined) return invalidCursor;
  const options = parseScanOptions(args);
  if (options instanceof ErrorReply) return options;
  const from = partitionOf(slot, partitions);
  const found: Reply[] = [];
  let left = options.count;
  const command = (partition: number) => {
    const first = Math.max(slot, firstSlotOf(partition, partitions));
    const last = firstSlotOf(partition + 1, partitions) - 1;
    return [scanName, bytesOf(first), bytesOf(last), bytesOf(left), options.type, options.pattern];
  };
  const step = (partition: number, reply: Reply) => {
    if (!isScanned(reply)) return { answer: reply };
    const [nextSlot, examined, keys] = reply;
    found.push(...keys);
    left -= Number(examined);
    const next = partition + 1;
    const goesOn = left > 0 && next < partitions && next - from < scanPartitionsMax;
    return goesOn ? { next } : { answer: [String(Number(nextSlot) % slotCount), found] };
  };
  return { visit: 'walk', from, command, step };
}

/** A cursor that no SCAN gave out goes on at the last slot. Undefined when it is not an unsigned 64-bit number. */
function parseCursor(cursor: Buffer): number | undefined {
  const text = cursor.toString('latin1');
  if (!/^[0-9]{1,20}$/.test(text) || BigInt(text) >= 1n << 64n) return undefined;
  return Math.min(Number(text), slotCount - 1);
}

/** What partition|scan answers: the slot to go on with, how many keys were looked at, and those that match. */
type Scanned = readonly [nextSlot: number | bigint, examined: number | bigint, keys: readonly Reply[]];

const isInteger = (reply: Reply | undefined): boolean => typeof reply === 'number' || typeof reply === 'bigint';

function isScanned(reply: Reply): reply is Scanned {
  return Array.isArray(reply) && reply.length === 3 && isInteger(reply[0]) && isInteger(reply[1]) && Array.isArray(reply[2]);
}

/** Arguments: first and last slot, how many keys to look at before the slot in hand is the last one, type, pattern. */
function parsePartitionScan(args: readonly Buffer[]): Run | ErrorReply {
  const [first, last, count] = [slotArgument(args, 1), slotArgument(args, 2), parseIntegerWithin(args[3] as Buffer, 1, everyKey)];
  if (first === undefined || last === undefined || count === undefined) return malformedPartitionCommand;
  const type = (args[4] as Buffer).toString('latin1');
  const pattern = args[5] as Buffer;
  const takesAll = type === '' && pattern.equals(matchesAll);
  return (execution): Scanned => {
    const keys: Buffer[] = [];
    let examined = 0;
    let slot = first;
    while (slot <= last && examined < count) {
      const inSlot = execution.keysInSlot(slot++, everyKey);
      examined += inSlot.length;
      for (const key of inSlot)
        if (takesAll || (matchesGlob(pattern, key) && (type === '' || execution.typeOf(key) === type))) keys.push(key);
    }
    return [slot, examined, keys];
  };
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

const slotArgument = (args: readonly Buffer[], index: number): number | undefined =>
  parseIntegerWithin(args[index] as Buffer, 0, slotCount - 1);

function partitionRow(
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
    docs: serverDocs(
      '0.1.0',
      'O(N) where N is the number of keys in the partition.',
      `One partition's half of a command on all keys.`,
      syntax,
    ),
    parse,
  };
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
  {
    scope: 'keyspace',
    name: 'scan',
    arity: -2,
    flags: ['readonly'],
    keys: noKeys,
    categories: ['keyspace', 'read', 'slow'],
    docs: genericDocs(
      '2.8.0',
      'O(N) for a complete iteration, N being the number of keys in the cluster, plus one visit to every partition.',
      'Iterates over the key names in the cluster. A cursor is valid at any node.',
      'cursor [MATCH pattern] [COUNT count] [TYPE type]',
    ),
    parse: parseScan,
  },
  partitionRow('dbsize', 1, 'readonly', () => (execution) => execution.keyCount(), ''),
  partitionRow('flush', 3, 'write', parsePartitionFlush, 'first-slot last-slot'),
  partitionRow('scan', 6, 'readonly', parsePartitionScan, 'first-slot last-slot count type pattern'),
  partitionRow('keysinslot', 3, 'readonly', parsePartitionKeysInSlot, 'slot limit'),
  partitionRow('countkeysinslot', 2, 'readonly', parsePartitionCountKeysInSlot, 'slot'),
];
