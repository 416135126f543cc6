/** XINFO: what a stream is, and its groups and their consumers. */
import { ErrorReply, MapReply, type Reply } from '../../protocol/resp/reply.js';
import type { Execution } from '../../storage/execution.js';
import type { LocalRow } from '../command-table.js';
import { byConsumer, type Consumer, type Group, type Pending } from '../streams/group.js';
import { lagOf } from '../streams/read-count.js';
import { idMax, idReply } from '../streams/stream-id.js';
import { Stream, type StreamEntry } from '../streams/stream.js';
import { isToken, parseInteger } from './arguments.js';
import { notAnInteger, subcommandSyntax } from './errors.js';
import { container, familyOf } from './row.js';
import { aboutStreams, noGroupOfKey } from './stream-groups.js';
import { entryReply } from './stream-reads.js';

const { docs, row } = familyOf('stream');

const noSuchKey = new ErrorReply('ERR no such key');
const secondIsKey = { first: 2, last: 2, step: 1 } as const;

/** How far the group has come. */
function progress(stream: Stream, { lastId, entriesRead }: Group): (readonly [string, Reply])[] {
  return [
    ['last-delivered-id', idReply(lastId)],
    ['entries-read', entriesRead ?? null],
    ['lag', lagOf(stream, lastId, entriesRead) ?? null],
  ];
}

function groupInFull(stream: Stream, group: Group, most: number): Reply {
  const pending = [...group.pending()];
  const held = byConsumer(pending);
  const delivery = ({ sinceMs, times }: Pending): Reply[] => [sinceMs, times];
  const consumers = group.consumers.map(({ name, seenMs, activeMs }) => {
    const own = held.get(name.toString('latin1')) ?? [];
    return new MapReply([
      ['name', name],
      ['seen-time', seenMs],
      ['active-time', activeMs === 0 ? -1 : activeMs],
      ['pel-count', own.length],
      ['pending', own.slice(0, most).map((each) => [idReply(each.id), ...delivery(each)])],
    ]);
  });
  return new MapReply([
    ['name', group.name],
    ...progress(stream, group),
    ['pel-count', pending.length],
    ['pending', pending.slice(0, most).map((each) => [idReply(each.id), each.consumer, ...delivery(each)])],
    ['consumers', consumers],
  ]);
}

/** XINFO GROUPS key */
function describeGroups(execution: Execution, args: readonly Buffer[]): Reply {
  const stream = Stream.at(execution, args[2] as Buffer);
  if (stream === undefined) return noSuchKey;
  const groups = stream.groups.map((group) => ({ name: group.name, consumers: group.consumers.length, progress: progress(stream, group) }));
  return stream.countPending((pending) =>
    groups.map(
      ({ name, consumers, progress: reached }) =>
        new MapReply([['name', name], ['consumers', consumers], ['pending', pending.get(name.toString('latin1')) ?? 0], ...reached]),
    ),
  );
}

/** XINFO CONSUMERS key group */
function describeConsumers(execution: Execution, args: readonly Buffer[]): Reply {
  const [, , key, name] = args as readonly [Buffer, Buffer, Buffer, Buffer];
  const stream = Stream.at(execution, key);
  if (stream === undefined) return noSuchKey;
  const group = stream.group(name);
  if (group === undefined) return noGroupOfKey(name, key);
  const counts = new Map<string, number>();
  const count = ({ consumer }: Pending): void =>
    void counts.set(consumer.toString('latin1'), (counts.get(consumer.toString('latin1')) ?? 0) + 1);
  const { nowMs } = execution;
  const since = (ms: number): number => Math.max(0, nowMs - ms);
  const { consumers } = group;
  return group.scanPending(count, () =>
    consumers.map(
      ({ name: consumer, seenMs, activeMs }: Consumer) =>
        new MapReply([
          ['name', consumer],
          ['pending', counts.get(consumer.toString('latin1')) ?? 0],
          ['idle', since(seenMs)],
          ['inactive', activeMs === 0 ? -1 : since(activeMs)],
        ]),
    ),
  );
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
  if (full !== undefined) {
    const groups = stream.groups.map((group) => groupInFull(stream, group, most));
    shown.push(['entries', stream.entries(0n, idMax, most).map(entryReply)], ['groups', groups]);
  } else {
    const [last] = stream.entries(0n, idMax, 1, true);
    const orNull = (entry: StreamEntry | undefined): Reply => (entry === undefined ? null : entryReply(entry));
    shown.push(['groups', stream.groups.length], ['first-entry', orNull(first)], ['last-entry', orNull(last)]);
  }
  return new MapReply(shown);
}

const info: LocalRow = container(
  {
    name: 'xinfo',
    categories: ['slow'],
    docs: docs('5.0.0', 'Depends on subcommand.', 'A container for stream introspection commands.'),
  },
  [
    'CONSUMERS <key> <groupname>',
    '    Show consumers of <groupname>.',
    'GROUPS <key>',
    '    Show the stream consumer groups.',
    'STREAM <key> [FULL [COUNT <count>]',
    '    Show information about the stream.',
  ],
  [
    row(
      'xinfo|consumers',
      4,
      ['readonly'],
      secondIsKey,
      docs('5.0.0', 'O(1)', 'Returns a list of the consumers in a consumer group.', 'key group'),
      (args) => (execution) => describeConsumers(execution, args),
    ),
    row(
      'xinfo|groups',
      3,
      ['readonly'],
      secondIsKey,
      docs('5.0.0', 'O(1)', 'Returns a list of the consumer groups of a stream.', 'key'),
      (args) => (execution) => describeGroups(execution, args),
    ),
    row(
      'xinfo|stream',
      -3,
      ['readonly'],
      secondIsKey,
      docs('5.0.0', 'O(1)', 'Returns information about a stream.', 'key [FULL [COUNT count]]'),
      (args) => (execution) => describe(execution, args),
    ),
  ],
);

export const streamInfoRows: readonly LocalRow[] = [aboutStreams(info)];
