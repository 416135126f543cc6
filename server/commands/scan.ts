/**
 * SCAN, KEYS and RANDOMKEY, and the half of them that runs at each partition's coordinator.
 *
 * A SCAN cursor is a slot and a position within its keys, slot + 16384 * position, below 2^46: it means the same at every node and after any change of
 * the ring, and 0 is both begin and end. Slots are visited in ascending order, the keys of each in the order of a hash that is the same
 * everywhere (storage/key-order.ts), so a key that is there throughout is returned at least once.
 *
 * Partitions are asked for two thousand keys at a time, each in a turn of the event loop of its own.
 */
import { slotCount } from '../../protocol/slot.js';
import { EncodedPieces, ErrorReply } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import { encodeReply } from '../../protocol/resp/reply-writer.js';
import { positionEnd } from '../../storage/key-order.js';
import type { CommandRow, KeyspacePlan, Run } from '../command-table.js';
import { matchesGlob } from '../glob-pattern.js';
import { isToken, parseInteger, parseIntegerWithin, parseUnsigned } from './arguments.js';
import { invalidCursor, notAnInteger, syntaxError } from './errors.js';
import { countedFirst, eachKeyFrom, type Place } from './keys-in-order.js';
import { bytesOf, firstSlotOf, malformedPartitionCommand, partitionOf, partitionRow, slotArgument } from './partition-row.js';
import { docsOf, noKeys } from './row.js';

const docs = docsOf('generic');

/** COUNT when a client names none, as in Redis. */
const countDefault = 10;
/** Keys looked at by one SCAN, whatever its COUNT. */
const countMost = 20_000;
/** Keys looked at in one turn. */
const sliceKeys = 2000;
/** Bounds the round trips of one SCAN over an empty stretch. */
const partitionsMost = 64;
/** Keys that KEYS has under way at once. */
const keysAtOnce = 4000;
/** RANDOMKEY chooses among as many. */
const randomCandidates = 16;
const everything = Buffer.from('*');
const anyType = Buffer.alloc(0);
const scanName = Buffer.from('partition|scan');

interface Filter {
  /** `=` and the type in lower case; empty = any. */
  readonly type: Buffer;
  readonly pattern: Buffer;
}

/** What partition|scan answers. */
interface Scanned {
  /** Its slot is one more than the partition's last when the partition is over. */
  readonly next: Place;
  readonly examined: number;
  readonly keys: readonly Reply[];
}

/** Undefined for an error. */
function readScanned(reply: Reply): Scanned | undefined {
  if (!Array.isArray(reply)) return undefined;
  const [slot, position, examined, keys] = reply as readonly Reply[];
  if (!Array.isArray(keys)) return undefined;
  return { next: { slot: Number(slot), position: Number(position) }, examined: Number(examined), keys: keys as readonly Reply[] };
}

/** The command for the partition of `from`, from there to its end. */
function scanCommand(from: Place, partitions: number, count: number, filter: Filter): readonly Buffer[] {
  const last = firstSlotOf(partitionOf(from.slot, partitions) + 1, partitions) - 1;
  return [
    scanName,
    bytesOf(from.slot),
    bytesOf(from.position),
    bytesOf(last),
    bytesOf(Math.min(count, sliceKeys)),
    filter.type,
    filter.pattern,
  ];
}

/** Arguments: slot and position to begin at, last slot, about how many keys to look at, type, pattern. */
function parsePartitionScan(args: readonly Buffer[]): Run | ErrorReply {
  const [, , positionText, , countText, typeText, pattern] = args as readonly [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
  const [first, last] = [slotArgument(args, 1), slotArgument(args, 3)];
  const from = parseIntegerWithin(positionText, 0, positionEnd - 1);
  const count = parseIntegerWithin(countText, 1, sliceKeys);
  if (first === undefined || last === undefined || from === undefined || count === undefined) return malformedPartitionCommand;
  const type = typeText.toString('latin1');
  const takesAll = pattern.equals(everything);
  return (execution) => {
    const keys: Buffer[] = [];
    const { next, examined } = eachKeyFrom(execution, { slot: first, position: from }, last, count, (key) => {
      if ((takesAll || matchesGlob(pattern, key)) && (type === '' || `=${execution.typeOf(key)}` === type)) keys.push(key);
    });
    return [next.slot, next.position, examined, keys];
  };
}

interface ScanOptions extends Filter {
  readonly count: number;
}

function parseScanOptions(args: readonly Buffer[]): ScanOptions | ErrorReply {
  let count = countDefault;
  let type: Buffer = anyType;
  let pattern: Buffer = everything;
  for (let i = 2; i < args.length; i += 2) {
    const option = args[i] as Buffer;
    const value = args[i + 1];
    if (value === undefined) return syntaxError;
    if (isToken(option, 'COUNT')) {
      const parsed = parseInteger(value);
      if (parsed === undefined) return notAnInteger;
      if (parsed < 1) return syntaxError;
      count = Math.min(Number(parsed), countMost);
    } else if (isToken(option, 'MATCH')) pattern = value;
    else if (isToken(option, 'TYPE')) type = Buffer.from(`=${value.toString('latin1').toLowerCase()}`, 'latin1');
    else return syntaxError;
  }
  return { count, type, pattern };
}

function parseScan(args: readonly Buffer[], partitions: number): KeyspacePlan | ErrorReply {
  const begin = parseCursor(args[1] as Buffer);
  if (begin === undefined) return invalidCursor;
  const options = parseScanOptions(args);
  if (options instanceof ErrorReply) return options;
  const from = partitionOf(begin.slot, partitions);
  const found: Reply[] = [];
  let left = options.count;
  let place = begin;
  const step = (partition: number, reply: Reply) => {
    const scanned = readScanned(reply);
    if (scanned === undefined) return { answer: reply };
    for (const key of scanned.keys) found.push(key);
    left -= scanned.examined;
    place = scanned.next;
    if (place.slot >= slotCount) return { answer: ['0', found] };
    const next = partitionOf(place.slot, partitions);
    const goesOn = left > 0 && (next === partition || next - from < partitionsMost);
    return goesOn ? { next } : { answer: [cursorOf(place), found] };
  };
  return { visit: 'walk', from, command: () => scanCommand(place, partitions, left, options), step };
}

const cursorOf = ({ slot, position }: Place): string => String(slot + slotCount * position);

/** Undefined when it is no number. One that no SCAN gave out goes on somewhere. */
function parseCursor(cursor: Buffer): Place | undefined {
  const value = parseUnsigned(cursor);
  if (value === undefined) return undefined;
  const slots = BigInt(slotCount);
  return { slot: Number(value % slots), position: Math.min(Number(value / slots), positionEnd - 1) };
}

/** All keys that match. The reply is put together from the bytes of each slice, so that millions of keys are never written in one turn. */
function parseKeys(args: readonly Buffer[], partitions: number): KeyspacePlan {
  const filter = { type: anyType, pattern: args[1] as Buffer };
  const chunks: Buffer[] = [];
  let count = 0;
  const take = (partition: number, reply: Reply) => {
    const scanned = readScanned(reply);
    if (scanned === undefined) throw new Error('a partition answered a scan with something else');
    if (scanned.keys.length > 0) {
      const bytes = encodeReply(scanned.keys, 2);
      chunks.push(bytes.subarray(bytes.indexOf('\n') + 1));
      count += scanned.keys.length;
    }
    const { next } = scanned;
    return next.slot < firstSlotOf(partition + 1, partitions) ? scanCommand(next, partitions, sliceKeys, filter) : undefined;
  };
  return countedFirst(sliceKeys, keysAtOnce, [], {
    command: (partition) => scanCommand({ slot: firstSlotOf(partition, partitions), position: 0 }, partitions, sliceKeys, filter),
    take,
    answer: () => new EncodedPieces([Buffer.from(`*${count}\r\n`), ...chunks]),
  });
}

/** One of the first few keys from a random place on; none when a whole round finds none. */
function parseRandomKey(_args: readonly Buffer[], partitions: number): KeyspacePlan {
  const filter = { type: anyType, pattern: everything };
  let place: Place = { slot: Math.floor(Math.random() * slotCount), position: Math.floor(Math.random() * positionEnd) };
  const from = partitionOf(place.slot, partitions);
  let partitionsLeft = partitions;
  const step = (partition: number, reply: Reply) => {
    const scanned = readScanned(reply);
    if (scanned === undefined) return { answer: reply };
    const { keys, next } = scanned;
    if (keys.length > 0) return { answer: keys[Math.floor(Math.random() * keys.length)] ?? null };
    place = next.slot < slotCount ? next : { slot: 0, position: 0 };
    const isThrough = next.slot >= firstSlotOf(partition + 1, partitions);
    return isThrough && partitionsLeft-- === 0 ? { answer: null } : { next: partitionOf(place.slot, partitions) };
  };
  return { visit: 'walk', from, command: () => scanCommand(place, partitions, randomCandidates, filter), step };
}

export const scanRows: readonly CommandRow[] = [
  {
    scope: 'keyspace',
    name: 'scan',
    arity: -2,
    flags: ['readonly'],
    keys: noKeys,
    categories: ['keyspace', 'read', 'slow'],
    docs: docs(
      '2.8.0',
      'O(N) for a complete iteration, N being the number of keys in the cluster, plus one visit to every partition.',
      'Iterates over the key names in the cluster. A cursor is valid at any node.',
      'cursor [MATCH pattern] [COUNT count] [TYPE type]',
    ),
    parse: parseScan,
  },
  {
    scope: 'keyspace',
    name: 'keys',
    arity: 2,
    flags: ['readonly'],
    keys: noKeys,
    categories: ['keyspace', 'read', 'slow', 'dangerous'],
    docs: docs('1.0.0', 'O(N) where N is the number of keys in the cluster.', 'Returns all key names that match a pattern.', 'pattern'),
    parse: parseKeys,
  },
  {
    scope: 'keyspace',
    name: 'randomkey',
    arity: 1,
    flags: ['readonly'],
    keys: noKeys,
    categories: ['keyspace', 'read', 'slow'],
    docs: docs('1.0.0', 'O(1), or O(P) of P partitions where most are empty.', 'Returns a random key name from the cluster.'),
    parse: parseRandomKey,
  },
  partitionRow('scan', 7, 'readonly', parsePartitionScan, 'slot position last-slot count type pattern'),
];
