/** Consumer groups of streams: making them, reading through them, acknowledging. What is pending of them is in stream-pending.ts. XREADGROUP does not wait yet. */
import { ErrorReply, nilArray, ok, type Reply } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import type { CommandRow, KeyedRow, LocalRow, Run } from '../command-table.js';
import { areEqual } from '../streams/delivered.js';
import type { Group, Pending } from '../streams/group.js';
import { countAfter } from '../streams/read-count.js';
import { distinctIds } from '../streams/id-map.js';
import { idMax, idReply, invalidId, parseEnd, parseId, parseIds, type StreamId } from '../streams/stream-id.js';
import { Stream, writeStream } from '../streams/stream.js';
import { isToken, parseInteger } from './arguments.js';
import { cString, notAnInteger, subcommandSyntax } from './errors.js';
import { container, familyOf, firstIsKey, noKeys } from './row.js';
import { entryReply, keysOfRead, parseReading, readReply, type StreamReading } from './stream-reads.js';

const { docs, row } = familyOf('stream');

const secondIsKey = { first: 2, last: 2, step: 1 } as const;
const busyGroup = new ErrorReply('BUSYGROUP Consumer Group name already exists');
const noKey = new ErrorReply(
  'ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.',
);
const negativeCount = new ErrorReply('ERR value for ENTRIESREAD must be positive or -1');
const noGroupGiven = new ErrorReply('ERR Missing GROUP option for XREADGROUP');
const noLast = new ErrorReply(
  'ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.',
);

export const noGroupOfKey = (group: Buffer, key: Buffer): ErrorReply =>
  new ErrorReply(`NOGROUP No such consumer group '${cString(group)}' for key name '${cString(key)}'`, 'latin1');
const noGroupToRead = (key: Buffer, group: Buffer): ErrorReply =>
  new ErrorReply(`NOGROUP No such key '${cString(key)}' or consumer group '${cString(group)}' in XREADGROUP with GROUP option`, 'latin1');

/** XGROUP CREATE key group id | $ [MKSTREAM] [ENTRIESREAD entries-read], and SETID without MKSTREAM */
const parseStart =
  (isNew: boolean) =>
  (args: readonly Buffer[]): Run | ErrorReply => {
    const [, , key, name, start] = args as readonly [Buffer, Buffer, Buffer, Buffer, Buffer];
    let makes = false;
    let entriesRead: number | undefined;
    for (let i = 5; i < args.length; i++) {
      const option = args[i] as Buffer;
      const value = args[i + 1];
      if (isNew && isToken(option, 'MKSTREAM')) makes = true;
      else if (isToken(option, 'ENTRIESREAD') && value !== undefined) {
        const count = parseInteger(value);
        if (count === undefined) return notAnInteger;
        if (count < -1) return negativeCount;
        entriesRead = count < 0 ? undefined : Number(count);
        i++;
      } else return subcommandSyntax('xgroup', args);
    }
    return (execution) => {
      let stream = Stream.at(execution, key);
      if (stream === undefined && !makes) return noKey;
      if (!isNew && stream?.group(name) === undefined) return noGroupOfKey(name, key);
      if (args.length > (isNew ? 8 : 7)) return subcommandSyntax('xgroup', args);
      const id = startOf(start, stream, isNew);
      if (id instanceof ErrorReply) return id;
      if (stream === undefined) {
        writeStream(execution, key, { lastId: 0n, greatestDeletedId: 0n, entriesAdded: 0, entries: [], groups: [] }, 0);
        stream = Stream.at(execution, key) as Stream;
      }
      const known = stream.group(name);
      if (isNew && known !== undefined) return busyGroup;
      const group = known ?? stream.newGroup(name);
      const delivered = group.upTo(id);
      const others = stream.groupsToAdopt(group);
      if (isNew) group.clear(false); // what was written for one of this name while another node destroyed it
      for (const other of others) other.adopt();
      group.setCursor({ delivered, entriesRead });
      return ok;
    };
  };

/** SETID takes the ends of ranges, too. */
function startOf(start: Buffer, stream: Stream | undefined, isStrict: boolean): StreamId | ErrorReply {
  if (start.length === 1 && start[0] === 0x24) return stream?.mark.lastId ?? 0n;
  if (isStrict || start[0] === 0x28) return parseId(start, 0n) ?? invalidId;
  return parseEnd(start, true);
}

/** Before something is written to the stream: its groups hear of it. */
function adopt(stream: Stream): void {
  for (const group of stream.groupsToAdopt()) group.adopt();
}

/** The other subcommands: of a group that is there. */
const ofGroup =
  (
    run: (execution: Execution, stream: Stream, group: Group, args: readonly Buffer[]) => Reply,
    missing: (args: readonly Buffer[]) => Reply,
  ) =>
  (args: readonly Buffer[]): Run =>
  (execution) => {
    const stream = Stream.at(execution, args[2] as Buffer);
    if (stream === undefined) return noKey;
    const group = stream.group(args[3] as Buffer);
    return group === undefined ? missing(args) : run(execution, stream, group, args);
  };

const isMissing = (args: readonly Buffer[]): Reply => noGroupOfKey(args[3] as Buffer, args[2] as Buffer);

function createConsumer({ nowMs }: Execution, stream: Stream, group: Group, args: readonly Buffer[]): Reply {
  const name = args[4] as Buffer;
  if (group.consumer(name) !== undefined) return 0;
  adopt(stream);
  group.setConsumer(name, { seenMs: nowMs, activeMs: 0 });
  return 1;
}

function deleteConsumer(_execution: Execution, stream: Stream, group: Group, args: readonly Buffer[]): Reply {
  const name = args[4] as Buffer;
  if (group.consumer(name) === undefined) return 0;
  const pending = [...group.pending()].filter(({ consumer }) => consumer.equals(name));
  adopt(stream);
  for (const { id } of pending) group.acknowledge(id);
  group.removeConsumer(name);
  return pending.length;
}

function destroy(_execution: Execution, stream: Stream, group: Group): Reply {
  const others = stream.groupsToAdopt(group);
  group.clear(true);
  for (const other of others) other.adopt();
  return 1;
}

/** XREADGROUP GROUP group consumer [COUNT count] [NOACK] STREAMS key [key ...] id [id ...] */
function parseReadGroup(args: readonly Buffer[]): Run | ErrorReply {
  const reading = parseReading(args, true);
  if (reading instanceof ErrorReply) return reading;
  const { group } = reading;
  return group === undefined ? noGroupGiven : (execution) => readGroup(execution, reading, group);
}

/** `>` is the same as the greatest id: what no consumer was given yet. */
function readGroup(
  execution: Execution,
  { keys, after, most, noAck }: StreamReading,
  { name, consumer }: NonNullable<StreamReading['group']>,
): Reply {
  const ids: StreamId[] = [];
  for (const [i, text] of after.entries()) {
    const key = keys[i] as Buffer;
    if (Stream.at(execution, key)?.group(name) === undefined) return noGroupToRead(key, name);
    if (isToken(text, '$')) return noLast;
    const id = isToken(text, '>') ? idMax : parseId(text, 0n);
    if (id === undefined) return invalidId;
    ids.push(id);
  }
  const found: (readonly [key: Reply, entries: Reply])[] = [];
  for (const [i, key] of keys.entries()) {
    const id = ids[i] as StreamId;
    const stream = Stream.at(execution, key);
    const group = stream?.group(name);
    if (stream === undefined || group === undefined) throw new Error('a group that was there is not');
    if (id !== idMax) found.push([key, givenBefore(execution, stream, group, consumer, id, most)]);
    else {
      const entries = giveNext(execution, stream, group, consumer, most, noAck);
      if (entries.length > 0) found.push([key, entries]);
    }
  }
  return readReply(execution, found);
}

/** What the consumer has behind an id and has not acknowledged, given to it once more; of an entry that is gone the id alone. */
function givenBefore(execution: Execution, stream: Stream, group: Group, consumer: Buffer, after: StreamId, most: number): Reply[] {
  const known = group.consumer(consumer);
  const held: Pending[] = [];
  for (const each of group.pending(after + 1n)) {
    if (each.consumer.equals(consumer)) held.push(each);
    if (held.length === most) break;
  }
  const entries = held.map(({ id }) => stream.entries(id, id, 1)[0]);
  const adopting = stream.groupsToAdopt();
  const isSeen = group.seeConsumer(consumer, known, false);
  for (const [i, each] of held.entries())
    if (entries[i] !== undefined) group.claim(each, { consumer, sinceMs: execution.nowMs, times: each.times + 1n });
  if (isSeen || held.length > 0) for (const each of adopting) each.adopt();
  return held.map(({ id }, i) => {
    const entry = entries[i];
    return entry === undefined ? [idReply(id), nilArray] : entryReply(entry);
  });
}

function giveNext(execution: Execution, stream: Stream, group: Group, consumer: Buffer, most: number, noAck: boolean): Reply[] {
  const { nowMs } = execution;
  const known = group.consumer(consumer);
  const before = group.delivered;
  const { entries, delivered } = group.next(most);
  const ids = entries.map(({ id }) => id);
  const isChanged = !areEqual(delivered, before);
  const entriesRead = isChanged ? countAfter(stream, group.lastId, group.entriesRead, ids) : undefined;
  const adopting = stream.groupsToAdopt(group);
  if (!noAck && ids.length > 0) group.pending(ids[0], ids.at(-1)).next(); // so that memory knows whether one of them was given before
  const isGiven = ids.length > 0 && !noAck;
  const isSeen = group.seeConsumer(consumer, known, isGiven);
  if (isChanged) group.setCursor({ delivered, entriesRead });
  if (isChanged || isSeen) for (const each of adopting) each.adopt();
  if (!noAck) for (const id of ids) group.give(id, { consumer, sinceMs: nowMs, times: 1n });
  return entries.map(entryReply);
}

/** XACK key group id [id ...] */
function acknowledge(execution: Execution, args: readonly Buffer[]): Reply {
  const stream = Stream.at(execution, args[1] as Buffer);
  const group = stream?.group(args[2] as Buffer);
  if (stream === undefined || group === undefined) return 0;
  const ids = parseIds(args.slice(3));
  if (ids instanceof ErrorReply) return ids;
  const pending = distinctIds(ids).filter((id) => group.pendingAt(id) !== undefined);
  if (pending.length > 0) adopt(stream);
  for (const id of pending) group.acknowledge(id);
  return pending.length;
}

export const streamGroupRows: readonly KeyedRow[] = [
  row(
    'xack',
    -4,
    ['write', 'fast'],
    firstIsKey,
    docs(
      '5.0.0',
      'O(1) for each message ID processed.',
      'Returns the number of messages that were successfully acknowledged by the consumer group member of a stream.',
      'key group id [id ...]',
    ),
    (args) => (execution) => acknowledge(execution, args),
  ),
  {
    ...row(
      'xreadgroup',
      -7,
      ['write', 'blocking', 'movablekeys'],
      noKeys,
      docs(
        '5.0.0',
        'For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).',
        'Returns new or historical messages from a stream for a consumer in a group.',
        'GROUP group consumer [COUNT count] [NOACK] STREAMS key [key ...] id [id ...]',
      ),
      parseReadGroup,
    ),
    findKeys: keysOfRead,
  },
];

const groups: LocalRow = container(
  { name: 'xgroup', categories: ['slow'], docs: docs('5.0.0', 'Depends on subcommand.', 'A container for consumer groups commands.') },
  [
    'CREATE <key> <groupname> <id|$> [option]',
    '    Create a new consumer group. Options are:',
    '    * MKSTREAM',
    '      Create the empty stream if it does not exist.',
    '    * ENTRIESREAD entries_read',
    "      Set the group's entries_read counter (internal use).",
    'CREATECONSUMER <key> <groupname> <consumer>',
    '    Create a new consumer in the specified group.',
    'DELCONSUMER <key> <groupname> <consumer>',
    '    Remove the specified consumer.',
    'DESTROY <key> <groupname>',
    '    Remove the specified group.',
    'SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]',
    '    Set the current group ID and entries_read counter.',
  ],
  [
    row(
      'xgroup|create',
      -5,
      ['write', 'denyoom'],
      secondIsKey,
      docs('5.0.0', 'O(1)', 'Creates a consumer group.', 'key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]'),
      parseStart(true),
    ),
    row(
      'xgroup|createconsumer',
      5,
      ['write', 'denyoom'],
      secondIsKey,
      docs('6.2.0', 'O(1)', 'Creates a consumer in a consumer group.', 'key group consumer'),
      ofGroup(createConsumer, isMissing),
    ),
    row(
      'xgroup|delconsumer',
      5,
      ['write'],
      secondIsKey,
      docs('5.0.0', 'O(1)', 'Deletes a consumer from a consumer group.', 'key group consumer'),
      ofGroup(deleteConsumer, isMissing),
    ),
    row(
      'xgroup|destroy',
      4,
      ['write'],
      secondIsKey,
      docs(
        '5.0.0',
        "O(N) where N is the number of entries in the group's pending entries list (PEL).",
        'Destroys a consumer group.',
        'key group',
      ),
      ofGroup(destroy, () => 0),
    ),
    row(
      'xgroup|setid',
      -5,
      ['write'],
      secondIsKey,
      docs('5.0.0', 'O(1)', 'Sets the last-delivered ID of a consumer group.', 'key group <id | $> [ENTRIESREAD entries-read]'),
      parseStart(false),
    ),
  ],
);

/** A container whose HELP is said to be about streams, too, though it is not itself. */
export function aboutStreams(row: LocalRow): LocalRow {
  const subcommands = new Map<string, CommandRow>(
    [...(row.subcommands ?? [])].map(([name, sub]) => [name, { ...sub, categories: [...new Set(['stream', ...sub.categories])] }]),
  );
  return { ...row, subcommands };
}

export const streamGroupContainers: readonly LocalRow[] = [aboutStreams(groups)];
