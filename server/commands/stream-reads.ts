/** Reading streams: by ids, behind an id, and what a stream is. XREAD does not wait yet. */
import { ErrorReply, MapReply, nilArray, type Reply } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import type { CommandRow, KeyedRow, LocalRow, Run } from '../command-table.js';
import { idMax, idReply, invalidId, parseEnd, parseId, type StreamId } from '../streams/stream-id.js';
import { Stream, type StreamEntry } from '../streams/stream.js';
import { isToken, parseInteger } from './arguments.js';
import { notAnInteger, subcommandSyntax, syntaxError } from './errors.js';
import { container, familyOf, firstIsKey, noKeys } from './row.js';

const { docs, row } = familyOf('stream');

const noSuchKey = new ErrorReply('ERR no such key');
const noWaiting = new ErrorReply('ERR XREAD BLOCK is not supported yet: ask again, without BLOCK');
const noGroup = new ErrorReply('ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.');
const noNoAck = new ErrorReply('ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.');
const noGreater = new ErrorReply('ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.');
const unbalanced = new ErrorReply("ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.");

const entryReply = ({ id, fields }: StreamEntry): Reply => [idReply(id), fields];

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

/** Where the keys of XREAD begin; undefined when there are none. */
function streamsAt(args: readonly Buffer[]): number | undefined {
  for (let i = 1; i < args.length - 1;) {
    const option = args[i] as Buffer;
    if (isToken(option, 'STREAMS')) return i + 1;
    i += isToken(option, 'COUNT') || isToken(option, 'BLOCK') ? 2 : 1;
  }
  return undefined;
}

/** The keys among XREAD's arguments: the first half of what follows STREAMS. */
function keysOfRead(args: readonly Buffer[]): readonly Buffer[] {
  const at = streamsAt(args);
  return at === undefined ? [] : args.slice(at, at + Math.floor((args.length - at) / 2));
}

/** XREAD [COUNT count] STREAMS key [key ...] id [id ...] */
function parseRead(args: readonly Buffer[]): Run | ErrorReply {
  let most = Infinity;
  let at: number | undefined;
  for (let i = 1; i < args.length && at === undefined; i++) {
    const option = args[i] as Buffer;
    const left = args.length - 1 - i;
    if (isToken(option, 'BLOCK') && left > 0) return noWaiting;
    if (isToken(option, 'COUNT') && left > 0) {
      const count = parseInteger(args[++i] as Buffer);
      if (count === undefined) return notAnInteger;
      most = count < 1 ? Infinity : Number(count);
    } else if (isToken(option, 'STREAMS') && left > 0) at = i + 1;
    else if (isToken(option, 'GROUP') && left > 1) return noGroup;
    else if (isToken(option, 'NOACK')) return noNoAck;
    else return syntaxError;
  }
  if (at === undefined) return syntaxError;
  if ((args.length - at) % 2 !== 0) return unbalanced;
  const count = (args.length - at) / 2;
  const keys = args.slice(at, at + count);
  const after = args.slice(at + count);
  return (execution) => read(execution, keys, after, most);
}

function read(execution: Execution, keys: readonly Buffer[], after: readonly Buffer[], most: number): Reply {
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
  if (found.length === 0) return nilArray;
  return execution.resp === 2 ? found : new MapReply(found);
}

/** Redis packs a hundred small entries to a node of its tree. */
const nodeEntries = 100;
const fullEntries = 10;

/** XINFO STREAM key [FULL [COUNT count]] */
function describe(execution: Execution, args: readonly Buffer[]): Reply {
  const stream = Stream.at(execution, args[2] as Buffer);
  if (stream === undefined) return noSuchKey;
  const [, , , full, countWord, countText] = args;
  if (args.length > 6 || args.length === 5 || (full !== undefined && !isToken(full, 'FULL'))) return subcommandSyntax('xinfo', args);
  let most = fullEntries;
  if (countText !== undefined) {
    if (!isToken(countWord as Buffer, 'COUNT')) return subcommandSyntax('xinfo', args);
    const count = parseInteger(countText);
    if (count === undefined) return notAnInteger;
    most = count < 0 ? fullEntries : count === 0 ? Infinity : Number(count);
  }
  const { mark, length } = stream;
  const [first] = stream.entries(0n, idMax, 1);
  const nodes = Math.ceil(length / nodeEntries);
  const shown: (readonly [string, Reply])[] = [
    ['length', length],
    ['radix-tree-keys', nodes],
    ['radix-tree-nodes', nodes + 1],
    ['last-generated-id', idReply(mark.lastId)],
    ['max-deleted-entry-id', idReply(mark.greatestDeletedId)],
    ['entries-added', stream.entriesAdded],
    ['recorded-first-entry-id', idReply(first?.id ?? 0n)],
  ];
  if (full !== undefined) shown.push(['entries', stream.entries(0n, idMax, most).map(entryReply)], ['groups', []]);
  else {
    const [last] = stream.entries(0n, idMax, 1, true);
    const orNull = (entry: StreamEntry | undefined): Reply => (entry === undefined ? null : entryReply(entry));
    shown.push(['groups', 0], ['first-entry', orNull(first)], ['last-entry', orNull(last)]);
  }
  return new MapReply(shown);
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
  },
];

const info = container(
  {
    name: 'xinfo',
    categories: ['slow'],
    docs: docs('5.0.0', 'Depends on subcommand.', 'A container for stream introspection commands.'),
  },
  ['STREAM <key> [FULL [COUNT <count>]', '    Show information about the stream.'],
  [
    row(
      'xinfo|stream',
      -3,
      ['readonly'],
      { first: 2, last: 2, step: 1 },
      docs('5.0.0', 'O(1)', 'Returns information about a stream.', 'key [FULL [COUNT count]]'),
      (args) => (execution) => describe(execution, args),
    ),
  ],
);

/** The HELP among them is said to be about streams, though the container is not. */
const withCategories = new Map<string, CommandRow>(
  [...(info.subcommands ?? [])].map(([name, sub]) => [name, { ...sub, categories: [...new Set(['stream', ...sub.categories])] }]),
);

export const streamInfoRows: readonly LocalRow[] = [{ ...info, subcommands: withCategories }];
