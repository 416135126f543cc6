/** Reading streams: by ids, and behind an id. XREAD does not wait yet. */
import { ErrorReply, MapReply, nilArray, type Reply } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { idMax, idReply, invalidId, parseEnd, parseId, type StreamId } from '../streams/stream-id.js';
import { Stream, type StreamEntry } from '../streams/stream.js';
import { isToken, parseInteger } from './arguments.js';
import { notAnInteger, syntaxError } from './errors.js';
import { familyOf, firstIsKey, noKeys } from './row.js';

const { docs, row } = familyOf('stream');

const noWaiting = (isOfGroup: boolean): ErrorReply =>
  new ErrorReply(`ERR ${isOfGroup ? 'XREADGROUP' : 'XREAD'} BLOCK is not supported yet: ask again, without BLOCK`);
const noGroup = new ErrorReply('ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.');
const noNoAck = new ErrorReply('ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.');
const noGreater = new ErrorReply('ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.');
const unbalanced = (isOfGroup: boolean): ErrorReply => {
  const [name, special] = isOfGroup ? ['xreadgroup', '>'] : ['xread', '$'];
  return new ErrorReply(`ERR Unbalanced '${name}' list of streams: for each stream key an ID or '${special}' must be specified.`);
};

export const entryReply = ({ id, fields }: StreamEntry): Reply => [idReply(id), fields];

/** XRANGE key start end [COUNT count], and XREVRANGE with the ends the other way round. */
const parseRange =
  (isBackwards: boolean) =>
  (args: readonly Buffer[]): Run | ErrorReply => {
    const [startText, endText] = isBackwards ? [args[3], args[2]] : [args[2], args[3]];
    const start = parseEnd(startText as Buffer, true);
    if (start instanceof ErrorReply) return start;
    const end = parseEnd(endText as Buffer, false);
    if (end instanceof ErrorReply) return end;
    let most = Infinity;
    for (let i = 4; i < args.length; i += 2) {
      const value = args[i + 1];
      if (value === undefined || !isToken(args[i] as Buffer, 'COUNT')) return syntaxError;
      const count = parseInteger(value);
      if (count === undefined) return notAnInteger;
      most = Math.max(0, Number(count));
    }
    return (execution) => {
      const stream = Stream.at(execution, args[1] as Buffer);
      if (stream === undefined) return [];
      return most === 0 ? nilArray : stream.entries(start, end, most, isBackwards).map(entryReply);
    };
  };

/** Where the keys of XREAD or XREADGROUP begin; undefined when there are none. */
function streamsAt(args: readonly Buffer[]): number | undefined {
  for (let i = 1; i < args.length - 1;) {
    const option = args[i] as Buffer;
    if (isToken(option, 'STREAMS')) return i + 1;
    if (isToken(option, 'GROUP')) i += 3;
    else i += isToken(option, 'COUNT') || isToken(option, 'BLOCK') ? 2 : 1;
  }
  return undefined;
}

/** The keys among their arguments: the first half of what follows STREAMS. */
export function keysOfRead(args: readonly Buffer[]): readonly Buffer[] {
  const at = streamsAt(args);
  return at === undefined ? [] : args.slice(at, at + Math.floor((args.length - at) / 2));
}

/** What XREAD and XREADGROUP are asked. */
export interface StreamReading {
  readonly keys: readonly Buffer[];
  /** An id for each key. */
  readonly after: readonly Buffer[];
  readonly most: number;
  /** Of XREADGROUP. */
  readonly group: { readonly name: Buffer; readonly consumer: Buffer } | undefined;
  readonly noAck: boolean;
}

/** [GROUP group consumer] [COUNT count] [NOACK] STREAMS key [key ...] id [id ...] */
export function parseReading(args: readonly Buffer[], isOfGroup: boolean): StreamReading | ErrorReply {
  let most = Infinity;
  let at: number | undefined;
  let group: StreamReading['group'];
  let noAck = false;
  for (let i = 1; i < args.length && at === undefined; i++) {
    const option = args[i] as Buffer;
    const left = args.length - 1 - i;
    if (isToken(option, 'BLOCK') && left > 0) return noWaiting(isOfGroup);
    if (isToken(option, 'COUNT') && left > 0) {
      const count = parseInteger(args[++i] as Buffer);
      if (count === undefined) return notAnInteger;
      most = count < 1 ? Infinity : Number(count);
    } else if (isToken(option, 'STREAMS') && left > 0) at = i + 1;
    else if (isToken(option, 'GROUP') && left > 1) {
      if (!isOfGroup) return noGroup;
      group = { name: args[i + 1] as Buffer, consumer: args[i + 2] as Buffer };
      i += 2;
    } else if (isToken(option, 'NOACK')) {
      if (!isOfGroup) return noNoAck;
      noAck = true;
    } else return syntaxError;
  }
  if (at === undefined) return syntaxError;
  if ((args.length - at) % 2 !== 0) return unbalanced(isOfGroup);
  const count = (args.length - at) / 2;
  return { keys: args.slice(at, at + count), after: args.slice(at + count), most, group, noAck };
}

/** XREAD [COUNT count] STREAMS key [key ...] id [id ...] */
function parseRead(args: readonly Buffer[]): Run | ErrorReply {
  const reading = parseReading(args, false);
  return reading instanceof ErrorReply ? reading : (execution) => read(execution, reading);
}

function read(execution: Execution, { keys, after, most }: StreamReading): Reply {
  const ids: StreamId[] = [];
  for (const [i, text] of after.entries()) {
    const stream = Stream.at(execution, keys[i] as Buffer);
    if (isToken(text, '>')) return noGreater;
    const id = isToken(text, '$') ? (stream?.mark.lastId ?? 0n) : parseId(text, 0n);
    if (id === undefined) return invalidId;
    ids.push(id);
  }
  const found: (readonly [key: Reply, entries: Reply])[] = [];
  for (const [i, key] of keys.entries()) {
    const id = ids[i] as StreamId;
    const entries = id === idMax ? [] : (Stream.at(execution, key)?.entries(id + 1n, idMax, most) ?? []);
    if (entries.length > 0) found.push([key, entries.map(entryReply)]);
  }
  return readReply(execution, found);
}

type Found = readonly (readonly [key: Reply, entries: Reply])[];

/** Entries by key, of those that have any. */
export function readReply({ resp }: Pick<Execution, 'resp'>, found: Found): Reply {
  if (found.length === 0) return nilArray;
  return resp === 2 ? found : new MapReply(found);
}

/** The same command for each of its streams alone. */
function readingsOf(args: readonly Buffer[]): { readonly key: Buffer; readonly args: readonly Buffer[] }[] {
  const at = streamsAt(args) ?? args.length;
  const keys = keysOfRead(args);
  return keys.map((key, i) => ({ key, args: [...args.slice(0, at), key, args[at + keys.length + i] as Buffer] }));
}

function joinReadings(replies: readonly Reply[]): Reply {
  const isMap = replies.some((reply) => reply instanceof MapReply);
  const found = replies.flatMap((reply) => (reply instanceof MapReply ? reply.entries : Array.isArray(reply) ? (reply as Found) : []));
  return readReply({ resp: isMap ? 3 : 2 }, found);
}

const ofRange =
  'O(N) with N being the number of elements being returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).';
const ofReverse =
  'O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).';

export const streamReadRows: readonly KeyedRow[] = [
  row(
    'xrange',
    -4,
    ['readonly'],
    firstIsKey,
    docs('5.0.0', ofRange, 'Returns the messages from a stream within a range of IDs.', 'key start end [COUNT count]'),
    parseRange(false),
  ),
  row(
    'xrevrange',
    -4,
    ['readonly'],
    firstIsKey,
    docs('5.0.0', ofReverse, 'Returns the messages from a stream within a range of IDs in reverse order.', 'key end start [COUNT count]'),
    parseRange(true),
  ),
  {
    ...row(
      'xread',
      -4,
      ['readonly', 'blocking', 'movablekeys'],
      noKeys,
      docs(
        '5.0.0',
        'For each stream mentioned: O(N) with N being the number of elements being returned.',
        'Returns messages from multiple streams with IDs greater than the ones requested.',
        '[COUNT count] STREAMS key [key ...] id [id ...]',
      ),
      parseRead,
    ),
    findKeys: keysOfRead,
    split: { commands: readingsOf, join: joinReadings },
  },
];
