/** Streams: adding, trimming and deleting entries. Reading them is in stream-reads.ts. What concurrent updates come to: docs/merge-rules.md. */
import { ErrorReply, ok } from '../../protocol/resp/reply.js';
import type { Reply } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { distinctIds } from '../streams/id-map.js';
import {
  automaticId,
  idMax,
  idReply,
  invalidId,
  openId,
  parseId,
  parseIds,
  parseNewId,
  type NewId,
  type StreamId,
} from '../streams/stream-id.js';
import { addEntry, Stream, writeStream, type Mark } from '../streams/stream.js';
import { TrimmingParser, trimmedIds, type Trimming } from '../streams/trimming.js';
import { isToken, parseInteger } from './arguments.js';
import { notAnInteger, syntaxError, wrongArity } from './errors.js';
import { familyOf, firstIsKey } from './row.js';

const { docs, row } = familyOf('stream');

const error = (text: string): ErrorReply => new ErrorReply(`ERR ${text}`);
const noSuchKey = error('no such key');
const idOfNothing = error('The ID specified in XADD must be greater than 0-0');
const idTooSmall = error('The ID specified in XADD is equal or smaller than the target stream top item');
const exhausted = error('The stream has exhausted the last possible ID, unable to add more items');
const noStrategy = error('syntax error, XTRIM must be called with a trimming strategy');

interface Addition {
  readonly key: Buffer;
  /** Undefined: `*`. */
  readonly id: NewId | undefined;
  readonly fields: readonly Buffer[];
  readonly trimming: Trimming | undefined;
  readonly makes: boolean;
}

/** XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value [field value ...] */
function parseAdd(args: readonly Buffer[]): Run | ErrorReply {
  const trimmingParser = new TrimmingParser();
  let makes = true;
  let id: NewId | undefined;
  let i = 2;
  for (; i < args.length; i++) {
    const argument = args[i] as Buffer;
    if (isToken(argument, '*')) break;
    const next = trimmingParser.take(args, i);
    if (next instanceof ErrorReply) return next;
    if (next !== undefined) i = next - 1;
    else if (isToken(argument, 'NOMKSTREAM')) makes = false;
    else {
      id = parseNewId(argument);
      if (id === undefined) return invalidId;
      break;
    }
  }
  const trimming = trimmingParser.end();
  if (trimming instanceof ErrorReply) return trimming;
  const fields = args.slice(i + 1);
  if (fields.length < 2 || fields.length % 2 === 1) return wrongArity('xadd');
  if (id !== undefined && !id.isOpen && id.id === 0n) return idOfNothing;
  return (execution) => add(execution, { key: args[1] as Buffer, id, fields, trimming, makes });
}

function add(execution: Execution, { key, id: asked, fields, trimming, makes }: Addition): Reply {
  const stream = Stream.at(execution, key);
  if (stream === undefined && !makes) return null;
  const mark: Mark = stream?.mark ?? { lastId: 0n, greatestDeletedId: 0n };
  if (mark.lastId === idMax) return exhausted;
  const id = newId(execution, asked, mark.lastId);
  if (id instanceof ErrorReply) return id;
  const trimmed = trimming === undefined ? [] : trimmedOf(stream, trimming, id);
  if (trimmed.at(-1) === id) {
    if (stream === undefined) writeStream(execution, key, { ...mark, lastId: id, entriesAdded: 1, entries: [], groups: [] }, 0);
    else stream.remove(trimmed.slice(0, -1), false, id);
    return idReply(id);
  }
  const adopting = stream?.groupsToAdopt() ?? [];
  stream?.remove(trimmed, false);
  for (const group of adopting) group.adopt();
  addEntry(execution, key, { id, fields });
  return idReply(id);
}

/** Of a stream that is only being made, the one entry may go. */
function trimmedOf(stream: Stream | undefined, trimming: Trimming, added: StreamId): StreamId[] {
  if (stream !== undefined) return trimmedIds(stream, trimming, added);
  const isDue = trimming.most === undefined ? added < (trimming.least ?? 0n) : trimming.most === 0;
  return isDue ? [added] : [];
}

function newId({ nowMs, writtenDot: { actor } }: Execution, asked: NewId | undefined, lastId: StreamId): StreamId | ErrorReply {
  if (asked === undefined) return automaticId(nowMs, lastId, actor) ?? exhausted;
  if (asked.isOpen) return openId(asked, lastId, actor) ?? idTooSmall;
  return asked.id > lastId ? asked.id : idTooSmall;
}

/** XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count] */
function parseTrim(args: readonly Buffer[]): Run | ErrorReply {
  const trimmingParser = new TrimmingParser();
  for (let i = 2; i < args.length;) {
    const next = trimmingParser.take(args, i);
    if (next === undefined) return syntaxError;
    if (next instanceof ErrorReply) return next;
    i = next;
  }
  const trimming = trimmingParser.end();
  if (trimming instanceof ErrorReply) return trimming;
  if (trimming === undefined) return noStrategy;
  return (execution) => {
    const stream = Stream.at(execution, args[1] as Buffer);
    if (stream === undefined) return 0;
    const ids = trimmedIds(stream, trimming);
    stream.remove(ids, false);
    return ids.length;
  };
}

/** XDEL key id [id ...] */
function deleteEntries(execution: Execution, args: readonly Buffer[]): Reply {
  const stream = Stream.at(execution, args[1] as Buffer);
  if (stream === undefined) return 0;
  const ids = parseIds(args.slice(2));
  if (ids instanceof ErrorReply) return ids;
  const there = distinctIds(ids).filter((id) => stream.has(id));
  stream.remove(there, true);
  return there.length;
}

/** XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id] */
function parseSetId(args: readonly Buffer[]): Run | ErrorReply {
  const lastId = parseId(args[2] as Buffer, 0n);
  if (lastId === undefined) return invalidId;
  let entriesAdded: number | undefined;
  let greatestDeletedId = 0n;
  for (let i = 3; i < args.length; i += 2) {
    const value = args[i + 1];
    if (value === undefined) return syntaxError;
    if (isToken(args[i] as Buffer, 'ENTRIESADDED')) {
      const count = parseInteger(value);
      if (count === undefined) return notAnInteger;
      if (count < 0) return error('entries_added must be positive');
      if (typeof count === 'bigint') return error(`entries_added above ${Number.MAX_SAFE_INTEGER} is not supported`);
      entriesAdded = Number(count);
    } else if (isToken(args[i] as Buffer, 'MAXDELETEDID')) {
      const id = parseId(value, 0n);
      if (id === undefined) return invalidId;
      if (lastId < id) return error('The ID specified in XSETID is smaller than the provided max_deleted_entry_id');
      greatestDeletedId = id;
    } else return syntaxError;
  }
  return (execution) => setId(execution, args[1] as Buffer, { lastId, greatestDeletedId }, entriesAdded);
}

function setId(execution: Execution, key: Buffer, { lastId, greatestDeletedId }: Mark, entriesAdded: number | undefined): Reply {
  const stream = Stream.at(execution, key);
  if (stream === undefined) return noSuchKey;
  const { greatestDeletedId: known } = stream.mark;
  if (lastId < known) return error('The ID specified in XSETID is smaller than current max_deleted_entry_id');
  const { length } = stream;
  const [last] = stream.entries(0n, idMax, 1, true);
  if (last !== undefined && lastId < last.id) return error('The ID specified in XSETID is smaller than the target stream top item');
  if (last !== undefined && entriesAdded !== undefined && length > entriesAdded)
    return error('The entries_added specified in XSETID is smaller than the target stream length');
  stream.setMark({ lastId, greatestDeletedId: greatestDeletedId === 0n ? known : greatestDeletedId }, entriesAdded);
  return ok;
}

export const streamRows: readonly KeyedRow[] = [
  row(
    'xadd',
    -5,
    ['write', 'denyoom', 'fast'],
    firstIsKey,
    docs(
      '5.0.0',
      'O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.',
      'Appends a new message to a stream. Creates the key if it doesn\'t exist.', // prettier-ignore
      'key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]',
    ),
    parseAdd,
  ),
  row(
    'xlen',
    2,
    ['readonly', 'fast'],
    firstIsKey,
    docs('5.0.0', 'O(1)', 'Return the number of messages in a stream.', 'key'),
    (args) => (execution) => Stream.at(execution, args[1] as Buffer)?.length ?? 0,
  ),
  row(
    'xdel',
    -3,
    ['write', 'fast'],
    firstIsKey,
    docs(
      '5.0.0',
      'O(1) for each single item to delete in the stream, regardless of the stream size.',
      'Returns the number of messages after removing them from a stream.',
      'key id [id ...]',
    ),
    (args) => (execution) => deleteEntries(execution, args),
  ),
  row(
    'xtrim',
    -4,
    ['write'],
    firstIsKey,
    docs(
      '5.0.0',
      'O(N), with N being the number of evicted entries. Constant times are very small however, since entries are organized in macro nodes containing multiple entries that can be released with a single deallocation.',
      'Deletes messages from the beginning of a stream.',
      'key <MAXLEN | MINID> [= | ~] threshold [LIMIT count]',
    ),
    parseTrim,
  ),
  row(
    'xsetid',
    -3,
    ['write', 'denyoom', 'fast'],
    firstIsKey,
    docs(
      '5.0.0',
      'O(1)',
      'An internal command for replicating stream values.',
      'key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]',
    ),
    parseSetId,
  ),
];
