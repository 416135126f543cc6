/** DUMP and RESTORE, in the bytes of redis-server: a value may go either way between the two. Semantics and error texts are Redis 7.2's (cluster.c). */
import { FormatError } from '../../protocol/format-error.js';
import { openPayload, sealPayload } from '../../protocol/rdb/payload.js';
import { RdbReader } from '../../protocol/rdb/reader.js';
import { rdbType } from '../../protocol/rdb/types.js';
import { RdbWriter } from '../../protocol/rdb/writer.js';
import { ErrorReply, ok } from '../../protocol/resp/reply.js';
import type { KeyedRow, Run } from '../command-table.js';
import { valueTypes } from '../values/all.js';
import type { Restore } from '../values/value-type.js';
import { isToken, parseInteger } from './arguments.js';
import { invalidExpire, notAnInteger, syntaxError } from './errors.js';
import { docsOf, firstIsKey } from './row.js';

const docs = docsOf('generic');
const frequencyMost = 255;
const busyKey = new ErrorReply('BUSYKEY Target key name already exists.');
const badTimeToLive = new ErrorReply('ERR Invalid TTL value, must be >= 0');
const badIdleTime = new ErrorReply('ERR Invalid IDLETIME value, must be >= 0');
const badFrequency = new ErrorReply(`ERR Invalid FREQ value, must be >= 0 and <= ${frequencyMost}`);
const badPayload = new ErrorReply('ERR DUMP payload version or checksum are wrong');
const badFormat = new ErrorReply('ERR Bad data format');

function parseDump(args: readonly Buffer[]): Run {
  const key = args[1] as Buffer;
  return (execution) => {
    const type = execution.typeOf(key);
    if (type === undefined) return null;
    const writer = new RdbWriter();
    valueTypes[type].dump(execution, key, writer);
    return sealPayload(writer.take());
  };
}

const loaders = new Map(Object.values(valueTypes).flatMap((type) => [...type.loaders]));
const namesByType = new Map<number, string>(Object.entries(rdbType).map(([name, type]) => [type, name]));

function load(payload: Buffer): Restore | ErrorReply {
  const body = openPayload(payload);
  if (body === undefined) return badPayload;
  try {
    const reader = new RdbReader(body);
    const type = reader.u8();
    const loader = loaders.get(type);
    if (loader !== undefined) return loader(reader);
    const name = namesByType.get(type);
    return name === undefined ? badFormat : new ErrorReply(`ERR values in the encoding ${name} of RDB cannot be restored here`);
  } catch (error) {
    if (error instanceof FormatError) return badFormat;
    throw error;
  }
}

interface RestoreOptions {
  readonly replaces: boolean;
  /** The time to live is an instant. */
  readonly absolute: boolean;
}

/** When a key was last used, and how often, is checked and forgotten: it is not tracked. */
function parseRestoreOptions(args: readonly Buffer[]): RestoreOptions | ErrorReply {
  let [replaces, absolute, idle, frequency] = [false, false, false, false];
  for (let i = 4; i < args.length; i++) {
    const option = args[i] as Buffer;
    const hasNext = i + 1 < args.length;
    if (isToken(option, 'REPLACE')) replaces = true;
    else if (isToken(option, 'ABSTTL')) absolute = true;
    else if (isToken(option, 'IDLETIME') && hasNext && !frequency) {
      const value = parseInteger(args[++i] as Buffer);
      if (value === undefined) return notAnInteger;
      if (value < 0) return badIdleTime;
      idle = true;
    } else if (isToken(option, 'FREQ') && hasNext && !idle) {
      const value = parseInteger(args[++i] as Buffer);
      if (value === undefined) return notAnInteger;
      if (value < 0 || value > frequencyMost) return badFrequency;
      frequency = true;
    } else return syntaxError;
  }
  return { replaces, absolute };
}

/** In Redis' order: options, the key, the time to live, the payload. */
function parseRestore(args: readonly Buffer[]): Run | ErrorReply {
  const [, key, timeToLiveText, payload] = args as readonly [Buffer, Buffer, Buffer, Buffer];
  const options = parseRestoreOptions(args);
  if (options instanceof ErrorReply) return options;
  const { replaces, absolute } = options;
  const timeToLive = parseInteger(timeToLiveText);
  const restore = load(payload);
  return (execution) => {
    if (!replaces && execution.typeOf(key) !== undefined) return busyKey;
    if (timeToLive === undefined) return notAnInteger;
    if (timeToLive < 0) return badTimeToLive;
    if (restore instanceof ErrorReply) return restore;
    const instant = timeToLive === 0 ? 0 : Number(timeToLive) + (absolute ? 0 : execution.nowMs);
    if (instant > Number.MAX_SAFE_INTEGER) return invalidExpire('restore');
    if (instant !== 0 && instant <= execution.nowMs) execution.delete(key);
    else restore(execution, key, instant);
    return ok;
  };
}

export const dumpRows: readonly KeyedRow[] = [
  {
    scope: 'keys',
    name: 'dump',
    arity: 2,
    flags: ['readonly'],
    keys: firstIsKey,
    categories: ['keyspace', 'read', 'slow'],
    docs: docs(
      '2.6.0',
      'O(N) where N is the size of the value.',
      'Returns a serialized representation of the value stored at a key.',
      'key',
    ),
    parse: parseDump,
  },
  {
    scope: 'keys',
    name: 'restore',
    arity: -4,
    flags: ['write', 'denyoom'],
    keys: firstIsKey,
    categories: ['keyspace', 'write', 'slow', 'dangerous'],
    docs: docs(
      '2.6.0',
      'O(N) where N is the size of the value.',
      'Creates a key from the serialized representation of a value.',
      'key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]',
    ),
    parse: parseRestore,
  },
];
