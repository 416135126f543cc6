/** What consumers were given and have not acknowledged: looking at it, and handing it to others. */
import { ErrorReply, nilArray, type Reply } from '../../protocol/resp/reply.js';
import type { Dot } from '../../protocol/dot.js';
import type { Execution } from '../../storage/execution.js';
import type { KeyedRow, Run } from '../command-table.js';
import { join } from '../streams/delivered.js';
import type { Holding } from '../streams/group-elements.js';
import type { Group, Pending } from '../streams/group.js';
import { IdMap } from '../streams/id-map.js';
import { idReply, invalidId, parseEnd, parseId, type StreamId } from '../streams/stream-id.js';
import { Stream } from '../streams/stream.js';
import { int64Max, isToken, parseInteger, parseIntegerWithin } from './arguments.js';
import { cString, notAnInteger, syntaxError } from './errors.js';
import { familyOf, firstIsKey } from './row.js';
import { entryReply } from './stream-reads.js';

const { docs, row } = familyOf('stream');

const error = (text: string): ErrorReply => new ErrorReply(`ERR ${text}`);
const notPositiveCount = error('COUNT must be > 0');
/** XAUTOCLAIM looks at so many pending entries for each one that it may return. */
const looksEach = 10;
const countMost = Number(int64Max / 16n);
const countDefault = 100;

const noGroup = (key: Buffer, group: Buffer): ErrorReply =>
  new ErrorReply(`NOGROUP No such key '${cString(key)}' or consumer group '${cString(group)}'`, 'latin1');

interface Found {
  readonly stream: Stream;
  readonly group: Group;
}

function findGroup(execution: Execution, key: Buffer, name: Buffer): Found | ErrorReply {
  const stream = Stream.at(execution, key);
  const group = stream?.group(name);
  return stream === undefined || group === undefined ? noGroup(key, name) : { stream, group };
}

/** XPENDING key group [[IDLE min-idle-time] start end count [consumer]] */
function parsePending(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, name] = args as readonly [Buffer, Buffer, Buffer];
  if (args.length === 3) {
    return (execution) => {
      const found = findGroup(execution, key, name);
      return found instanceof ErrorReply ? found : summary(found.group);
    };
  }
  if (args.length < 6 || args.length > 9) return syntaxError;
  let at = 3;
  let idleMs = 0;
  if (isToken(args[3] as Buffer, 'IDLE')) {
    const idle = parseInteger(args[4] as Buffer);
    if (idle === undefined) return notAnInteger;
    if (args.length < 8) return syntaxError;
    idleMs = Number(idle);
    at = 5;
  }
  const count = parseInteger(args[at + 2] as Buffer);
  if (count === undefined) return notAnInteger;
  const first = parseEnd(args[at] as Buffer, true);
  if (first instanceof ErrorReply) return first;
  const last = parseEnd(args[at + 1] as Buffer, false);
  if (last instanceof ErrorReply) return last;
  const consumer = args[at + 3];
  return (execution) => {
    const found = findGroup(execution, key, name);
    if (found instanceof ErrorReply) return found;
    const shown: Reply[] = [];
    if (first > last || (consumer !== undefined && found.group.consumer(consumer) === undefined)) return shown;
    for (const each of count > 0 ? found.group.pending(first, last) : []) {
      const idle = execution.nowMs - each.sinceMs;
      if (consumer !== undefined && !each.consumer.equals(consumer)) continue;
      if (idleMs !== 0 && idle < idleMs) continue;
      shown.push([idReply(each.id), each.consumer, Math.max(0, idle), each.times]);
      if (shown.length >= count) break;
    }
    return shown;
  };
}

function summary(group: Group): Reply {
  const counts = new Map<string, { readonly name: Buffer; count: number }>();
  let [first, last, all]: [StreamId | undefined, StreamId, number] = [undefined, 0n, 0];
  const note = ({ id, consumer }: Pending): void => {
    first ??= id;
    last = id;
    all++;
    const known = counts.get(consumer.toString('latin1'));
    if (known === undefined) counts.set(consumer.toString('latin1'), { name: consumer, count: 1 });
    else known.count++;
  };
  return group.scanPending(note, () => {
    if (first === undefined) return [0, null, null, nilArray];
    const consumers = [...counts.values()].sort((x, y) => Buffer.compare(x.name, y.name));
    return [all, idReply(first), idReply(last), consumers.map(({ name, count }) => [name, Buffer.from(String(count))])];
  });
}

interface ClaimOptions {
  readonly idleMs: number;
  /** Unix ms; undefined = now. */
  readonly sinceMs: number | undefined;
  /** Undefined: one more than before, or with `onlyIds` as many. */
  readonly times: bigint | undefined;
  readonly makes: boolean;
  readonly onlyIds: boolean;
  readonly lastId: StreamId;
}

/** The options of XCLAIM, those from `at` on. */
function claimOptions(args: readonly Buffer[], at: number, idleMs: number, nowMs: number): ClaimOptions | ErrorReply {
  let sinceMs: number | undefined;
  let times: bigint | undefined;
  let [makes, onlyIds] = [false, false];
  let lastId = 0n;
  for (let i = at; i < args.length; i++) {
    const option = args[i] as Buffer;
    const value = args[i + 1];
    if (isToken(option, 'FORCE')) makes = true;
    else if (isToken(option, 'JUSTID')) onlyIds = true;
    else if (value !== undefined && isToken(option, 'LASTID')) {
      const id = parseId(value, 0n);
      if (id === undefined) return invalidId;
      lastId = id;
      i++;
    } else {
      const name = ['IDLE', 'TIME', 'RETRYCOUNT'].find((each) => value !== undefined && isToken(option, each));
      if (name === undefined) return new ErrorReply(`ERR Unrecognized XCLAIM option '${cString(option)}'`, 'latin1');
      const number = parseInteger(value as Buffer);
      if (number === undefined) return error(`Invalid ${name} option argument for XCLAIM`);
      if (name === 'RETRYCOUNT') times = number < 0 ? undefined : BigInt(number);
      else sinceMs = name === 'IDLE' ? nowMs - Number(number) : Number(number);
      i++;
    }
  }
  return { idleMs, sinceMs: sinceMs === undefined || sinceMs < 0 || sinceMs > nowMs ? nowMs : sinceMs, times, makes, onlyIds, lastId };
}

/** XCLAIM key group consumer min-idle-time id [id ...] [options]: Redis looks for the group before it reads any of them. */
function claim(execution: Execution, args: readonly Buffer[]): Reply {
  const [, key, name, consumer, idleText] = args as readonly [Buffer, Buffer, Buffer, Buffer, Buffer];
  const found = findGroup(execution, key, name);
  if (found instanceof ErrorReply) return found;
  const idle = parseInteger(idleText);
  if (idle === undefined) return error('Invalid min-idle-time argument for XCLAIM');
  const ids: StreamId[] = [];
  let at = 5;
  for (; at < args.length; at++) {
    const id = parseId(args[at] as Buffer, 0n);
    if (id === undefined) break;
    ids.push(id);
  }
  const options = claimOptions(args, at, Math.max(0, Number(idle)), execution.nowMs);
  if (options instanceof ErrorReply) return options;
  const { stream, group } = found;
  const claiming = new Claiming(execution, stream, group, consumer);
  const shown: Reply[] = [];
  for (const id of ids) {
    const reply = claiming.take(id, options);
    if (reply !== undefined) shown.push(reply);
  }
  claiming.write(options.lastId);
  return shown;
}

/** What one command claims for a consumer: read first, written in the end. An id may come more than once. */
class Claiming {
  /** As they will be: with the delivery that they are of; undefined = one that is only being made. Null: nothing is pending any more. */
  private readonly changed = new IdMap<(Holding & { readonly delivery: Dot | undefined }) | null>();
  private isActive = false;
  /** Of entries that are gone. */
  readonly gone: StreamId[] = [];

  constructor(
    private readonly execution: Execution,
    private readonly stream: Stream,
    private readonly group: Group,
    private readonly consumer: Buffer,
  ) {}

  /** Nothing of an entry that is gone, which is pending no more, that is not pending, or not idle for long enough. */
  take(id: StreamId, options: ClaimOptions, known: Pending | undefined = this.group.pendingAt(id)): Reply | undefined {
    const { changed, consumer, execution, stream } = this;
    const before = changed.has(id) ? (changed.get(id) ?? undefined) : known;
    const [entry] = stream.entries(id, id, 1);
    if (entry === undefined) {
      if (before !== undefined) {
        changed.set(id, null);
        this.gone.push(id);
      }
      return undefined;
    }
    if (before === undefined && !options.makes) return undefined;
    const { nowMs } = execution;
    if (before !== undefined && nowMs - before.sinceMs < options.idleMs) return undefined;
    const times = options.times ?? (before?.times ?? 1n) + (options.onlyIds ? 0n : 1n);
    changed.set(id, { consumer, sinceMs: options.sinceMs ?? nowMs, times, delivery: before?.delivery });
    this.isActive = true;
    return options.onlyIds ? idReply(id) : entryReply(entry);
  }

  /** `lastId`: up to there the group counts as read. */
  write(lastId: StreamId): void {
    const { changed, consumer, group, stream } = this;
    const known = group.consumer(consumer);
    const isSkipping = lastId > group.lastId;
    const delivered = isSkipping ? join(group.delivered, group.upTo(lastId)) : [];
    const others = stream.groupsToAdopt(isSkipping ? group : undefined);
    const isSeen = group.seeConsumer(consumer, known, this.isActive);
    if (isSeen || isSkipping || changed.size > 0) for (const other of others) other.adopt();
    if (isSkipping) group.setCursor({ delivered, entriesRead: group.entriesRead });
    for (const [id, to] of changed) {
      if (to === null) group.acknowledge(id);
      else if (to.delivery === undefined) group.give(id, to);
      else group.claim({ ...to, id, delivery: to.delivery }, to);
    }
  }
}

/** XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID] */
function parseAutoClaim(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, name, consumer, idleText, startText] = args as readonly [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
  const idle = parseInteger(idleText);
  if (idle === undefined) return error('Invalid min-idle-time argument for XAUTOCLAIM');
  const start = parseEnd(startText, true);
  if (start instanceof ErrorReply) return start;
  let count = countDefault;
  let onlyIds = false;
  for (let i = 6; i < args.length; i++) {
    if (isToken(args[i] as Buffer, 'COUNT') && i + 1 < args.length) {
      const most = parseIntegerWithin(args[++i] as Buffer, 1, countMost);
      if (most === undefined) return notPositiveCount;
      count = most;
    } else if (isToken(args[i] as Buffer, 'JUSTID')) onlyIds = true;
    else return syntaxError;
  }
  const options = { idleMs: Math.max(0, Number(idle)), sinceMs: undefined, times: undefined, makes: false, onlyIds, lastId: 0n };
  return (execution) => {
    const found = findGroup(execution, key, name);
    return found instanceof ErrorReply ? found : claimFrom(execution, found, consumer, start, count, options);
  };
}

function claimFrom(
  execution: Execution,
  { stream, group }: Found,
  consumer: Buffer,
  start: StreamId,
  count: number,
  options: ClaimOptions,
): Reply {
  const claiming = new Claiming(execution, stream, group, consumer);
  const claimed: Reply[] = [];
  const orphans: StreamId[] = [];
  let next: StreamId = 0n;
  let looked = 0;
  for (const each of group.pending(start, undefined, orphans)) {
    if (looked++ === count * looksEach || claimed.length + claiming.gone.length === count) {
      next = each.id;
      break;
    }
    const reply = claiming.take(each.id, options, each);
    if (reply !== undefined) claimed.push(reply);
  }
  claiming.write(0n);
  for (const id of orphans) group.acknowledge(id);
  return [idReply(next), claimed, claiming.gone.map(idReply)];
}

const rangeComplexity =
  'O(N) with N being the number of elements returned, so asking for a small fixed number of entries per call is O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When the command returns just the summary and the list of consumers is small, it runs in O(1) time; otherwise, an additional O(N) time for iterating every consumer.';

export const streamPendingRows: readonly KeyedRow[] = [
  row(
    'xautoclaim',
    -6,
    ['write', 'fast'],
    firstIsKey,
    docs(
      '6.2.0',
      'O(1) if COUNT is small.',
      'Changes, or acquires, ownership of messages in a consumer group, as if the messages were delivered to as consumer group member.',
      'key group consumer min-idle-time start [COUNT count] [JUSTID]',
    ),
    parseAutoClaim,
  ),
  row(
    'xclaim',
    -6,
    ['write', 'fast'],
    firstIsKey,
    docs(
      '5.0.0',
      'O(log N) with N being the number of messages in the PEL of the consumer group.',
      'Changes, or acquires, ownership of a message in a consumer group, as if the message was delivered a consumer group member.',
      'key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]',
    ),
    (args) => (execution) => claim(execution, args),
  ),
  row(
    'xpending',
    -3,
    ['readonly'],
    firstIsKey,
    docs(
      '5.0.0',
      rangeComplexity,
      "Returns the information and entries from a stream consumer group's pending entries list.",
      'key group [[IDLE min-idle-time] start end count [consumer]]',
    ),
    parsePending,
  ),
];
