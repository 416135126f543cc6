/**
 * HyperLogLogs: PFADD PFCOUNT PFMERGE, on strings in Redis' own layout (storage/hyperloglog.ts). Semantics, bytes and error texts are Redis 7.2's
 * (hyperloglog.c); but a corrupted value is refused wherever its registers are not exactly 16384.
 *
 * PFCOUNT is a read like any other, and any home replica answers it: it uses a count that the value holds, and does not write into the value one that it
 * computes, as Redis does. A write would need W replicas to count, and both sides of a partition would make concurrent values by only looking.
 */
import { ErrorReply, ok, type Reply } from '../../protocol/resp/reply.js';
import { CommandError, type Execution, type StringObject } from '../../storage/execution.js';
import {
  cardinalityAt,
  encodeRegisters,
  encodingAt,
  encodings,
  isHyperLogLog,
  raiseRegisters,
  registerCount,
  staleAt,
  staleBit,
} from '../../storage/hyperloglog.js';
import type { KeyedRow, PartitionRow, Run } from '../command-table.js';
import { estimate, histogramOf, histogramOfValue } from './hyperloglog-estimate.js';
import { HyperLogLogWriter } from './hyperloglog-writer.js';
import { registerOf } from './murmur-hash.js';
import { partitionRow } from './partition-row.js';
import { allAreKeys, docsOf, firstIsKey } from './row.js';

const docs = docsOf('hyperloglog');
const notOne = new ErrorReply('WRONGTYPE Key is not a valid HyperLogLog string value.');
export const corrupted = new ErrorReply('INVALIDOBJ Corrupted HLL object detected');

/** Throws the client's error when another value is there. */
export function hyperLogLogAt(execution: Execution, key: Buffer): StringObject | undefined {
  const value = execution.string(key);
  if (value !== undefined && !isHyperLogLog(value.bytes)) throw new CommandError(notOne);
  return value;
}

function parseAdd(args: readonly Buffer[]): Run {
  const [, key, ...elements] = args as readonly [Buffer, Buffer, ...Buffer[]];
  return (execution) => {
    const before = hyperLogLogAt(execution, key);
    const writer = new HyperLogLogWriter(before?.bytes, execution.sparseBytesMax);
    let isChanged = before === undefined;
    for (const element of elements) {
      const register = registerOf(element);
      const raised = writer.raise(register % registerCount, Math.floor(register / registerCount));
      if (raised === 'corrupted') return corrupted;
      if (raised === 'raised') isChanged = true;
    }
    if (!isChanged) return 0;
    writer.makeStale();
    execution.setString(key, writer.take(), before?.expiresAtMs ?? 0);
    return 1;
  };
}

/** The greatest of each register; absent keys have none. Throws the client's error. */
function registersOf(execution: Execution, keys: readonly Buffer[]): Uint8Array {
  const registers = new Uint8Array(registerCount);
  for (const key of keys) {
    const value = hyperLogLogAt(execution, key);
    if (value !== undefined && !raiseRegisters(registers, value.bytes)) throw new CommandError(corrupted);
  }
  return registers;
}

function parseCount(args: readonly Buffer[]): Run {
  const keys = args.slice(1);
  const [only] = keys;
  if (only === undefined || keys.length > 1) return (execution) => estimate(histogramOf(registersOf(execution, keys)));
  return (execution) => {
    const value = hyperLogLogAt(execution, only);
    if (value === undefined) return 0;
    if (((value.bytes[staleAt] as number) & staleBit) === 0) return value.bytes.readBigUInt64LE(cardinalityAt);
    const held = histogramOfValue(value.bytes);
    return held === undefined ? corrupted : estimate(held);
  };
}

/** What PFCOUNT asks each of several partitions: the join of the keys there. */
const registersRow: PartitionRow = {
  ...partitionRow(
    'registers',
    -2,
    'readonly',
    (args) => (execution) => encodeRegisters(registersOf(execution, args.slice(1))),
    'key [key ...]',
  ),
  keys: allAreKeys,
};

function countOfJoined(replies: readonly Reply[]): Reply {
  const registers = new Uint8Array(registerCount);
  for (const reply of replies) {
    if (!Buffer.isBuffer(reply) || !isHyperLogLog(reply) || !raiseRegisters(registers, reply)) return corrupted;
  }
  return estimate(histogramOf(registers));
}

/** The target is one of the sources. It stays sparse while all are and it fits. */
function parseMerge(args: readonly Buffer[]): Run {
  const [, target, ...sources] = args as readonly [Buffer, Buffer, ...Buffer[]];
  return (execution) => {
    const registers = registersOf(execution, [target, ...sources]);
    const before = hyperLogLogAt(execution, target);
    const writer = new HyperLogLogWriter(before?.bytes, execution.sparseBytesMax);
    const isDense = [target, ...sources].some((key) => execution.string(key)?.bytes[encodingAt] === encodings.dense);
    if (isDense && !writer.becomeDense()) return corrupted;
    for (let i = 0; i < registerCount; i++) {
      const value = registers[i] as number;
      if (value > 0 && writer.raise(i, value) === 'corrupted') return corrupted;
    }
    writer.makeStale();
    const bytes = writer.take();
    if (before?.bytes.equals(bytes) !== true) execution.setString(target, bytes, before?.expiresAtMs ?? 0);
    return ok;
  };
}

export const hyperLogLogRows: readonly (KeyedRow | PartitionRow)[] = [
  {
    scope: 'keys',
    name: 'pfadd',
    arity: -2,
    flags: ['write', 'denyoom', 'fast'],
    keys: firstIsKey,
    categories: ['write', 'hyperloglog', 'fast'],
    docs: docs(
      '2.8.9',
      'O(1) to add every element; the value, up to 12 KB, is written whole when it changes.',
      "Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.",
      'key [element [element ...]]',
    ),
    parse: parseAdd,
  },
  {
    scope: 'keys',
    name: 'pfcount',
    arity: -2,
    flags: ['readonly'],
    keys: allAreKeys,
    categories: ['read', 'hyperloglog', 'slow'],
    docs: docs(
      '2.8.9',
      'O(N) where N is the number of keys, 16384 registers each.',
      'Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s).',
      'key [key ...]',
    ),
    parse: parseCount,
    split: { row: registersRow, join: countOfJoined },
  },
  {
    scope: 'keys',
    name: 'pfmerge',
    arity: -2,
    flags: ['write', 'denyoom'],
    keys: allAreKeys,
    categories: ['write', 'hyperloglog', 'slow'],
    docs: docs(
      '2.8.9',
      'O(N) to merge N HyperLogLogs, but with high constant times.',
      'Merges one or more HyperLogLog values into a single key.',
      'destkey [sourcekey [sourcekey ...]]',
    ),
    parse: parseMerge,
  },
  registersRow,
];
