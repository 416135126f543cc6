/**
 * The value of a key as it goes from its partition to another, where a command that names keys of both runs (distant-rows.ts): as arguments of a command.
 *
 *     key | type, nothing where there is no value | Unix ms of its expiry, 0 = none | content
 *
 *     string       its bytes
 *     others       a RESP array of bulk strings, its parts, in one piece: so nobody on the way handles each of a million elements
 *       list         its elements in order
 *       set          its members
 *       sorted set   member, score in eight bytes
 *       hash         field, value, Unix ms of the field's expiry
 *       stream       element, value, as they are where it is written anew (server/streams/stream.ts). Nothing, for a command that only refuses streams
 */
import { ErrorReply, type Reply } from '../../protocol/resp/reply.js';
import { encodeReply } from '../../protocol/resp/reply-writer.js';
import { LongReply } from '../../protocol/resp/long-reply.js';
import { CommandError, type CollectionName, type Execution, type TypeName } from '../../storage/execution.js';
import { PackedElements } from '../../storage/packed-elements.js';
import { parseIntegerWithin } from '../commands/arguments.js';
import { decodeReply } from '../decode-reply.js';
import { elementsOf, streamAt } from '../streams/stream.js';
import { LongValue } from './long-value.js';

/** Parts that make an element. */
const partsOfElement = { list: 1, set: 1, zset: 2, hash: 3, stream: 2 } as const;
const typeNames: ReadonlySet<string> = new Set(['', 'string', 'list', 'set', 'zset', 'hash', 'stream']);
const noBytes: Buffer = Buffer.alloc(0);
const malformed = new ErrorReply('ERR malformed value of another partition');

/** Who the elements of a stream that is brought are said to be written by: none of those whose clocks mean something. */
const nobody = 0;

const bytesOf = (value: number | string): Buffer => Buffer.from(String(value));

/** A value that was brought: what one key held. */
export class DistantValue {
  private unpacked: readonly Buffer[] | undefined = undefined;
  private packed: PackedElements | undefined = undefined;

  constructor(
    /** Undefined: there was none. */
    readonly type: TypeName | undefined,
    /** Unix ms; 0 = never. */
    readonly expiresAtMs: number,
    /** Never written to. */
    readonly content: Buffer,
  ) {}

  /** Of a collection all its parts, taken apart at once. Throws CommandError where they are none. */
  get parts(): readonly Buffer[] {
    this.unpacked ??= partsIn(this.content, this.step);
    return this.unpacked;
  }

  /** Of parts how many make an element. */
  get step(): 1 | 2 | 3 {
    return this.type === undefined || this.type === 'string' ? 1 : partsOfElement[this.type];
  }

  /** Of a set or a sorted set its elements as they are. */
  get elements(): PackedElements | undefined {
    if (this.type === 'set' || this.type === 'zset') this.packed ??= new PackedElements(this.content, partsOfElement[this.type]);
    return this.packed;
  }
}

function partsIn(content: Buffer, step: number): readonly Buffer[] {
  let parts: Reply = null;
  try {
    parts = decodeReply(content);
  } catch {
    throw new CommandError(malformed);
  }
  if (!Array.isArray(parts) || parts.length % step !== 0 || !parts.every((part) => Buffer.isBuffer(part)))
    throw new CommandError(malformed);
  return parts as Buffer[];
}

/** What is at `key`, without the key: the reply that is asked for it. `takesStreams`: of a stream its content, too. */
export function distantValueOf(execution: Execution, key: Buffer, takesStreams: boolean): Reply {
  const type = execution.typeOf(key);
  const head = [bytesOf(type ?? ''), bytesOf(execution.expiryOf(key) ?? 0)];
  if (type === undefined) return [...head, noBytes];
  if (type === 'string') return [...head, execution.string(key)?.bytes ?? noBytes];
  if (type === 'stream' && !takesStreams) return [...head, noBytes];
  const long = longContent(execution, key, type);
  if (long instanceof LongReply) return new LongValue(head, long);
  return [...head, encodeReply(partsOf(execution, key, type), 2)];
}

/** Of much it is made over several turns. */
function longContent(execution: Execution, key: Buffer, type: TypeName): Reply | undefined {
  if (type === 'set') return execution.collection(key, 'set')?.long('elements');
  return type === 'zset' ? execution.collection(key, 'zset')?.long('elements and values') : undefined;
}

function partsOf(execution: Execution, key: Buffer, type: CollectionName): readonly Buffer[] {
  if (type === 'stream') {
    const parts: Buffer[] = [];
    for (const { element, value } of elementsOf(streamAt(execution, key).content(), nobody)) parts.push(element, value);
    return parts;
  }
  if (type === 'list') {
    const list = execution.list(key);
    return list?.slice(0, list.size) ?? [];
  }
  const collection = execution.collection(key, type);
  if (collection === undefined) return [];
  if (type === 'set') return collection.elements();
  const pairs = collection.pairs();
  if (type === 'zset') return pairs;
  const parts: Buffer[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const field = pairs[i] as Buffer;
    const expiresAtMs = collection.mayExpire ? (collection.expiryOf(field) ?? 0) : 0;
    parts.push(field, pairs[i + 1] as Buffer, bytesOf(expiresAtMs));
  }
  return parts;
}

/** The arguments that stand for it, from the reply of `distantValueOf`, which another node may have sent; the client's error where that is an error or no value. */
export function argumentsOf(key: Buffer, reply: Reply): Buffer[] | ErrorReply {
  if (reply instanceof ErrorReply) return reply;
  if (!Array.isArray(reply) || reply.length !== 3 || !reply.every((part) => Buffer.isBuffer(part))) return malformed;
  const args = [key, ...(reply as Buffer[])];
  return distantValueAt(args, 0) === undefined ? malformed : args;
}

/** Reads one from `at` on; undefined where the arguments are not of this form. */
export function distantValueAt(args: readonly Buffer[], at: number): { key: Buffer; value: DistantValue; next: number } | undefined {
  const [key, type, expiry, content] = args.slice(at, at + 4);
  if (key === undefined || type === undefined || expiry === undefined || content === undefined) return undefined;
  const expiresAtMs = parseIntegerWithin(expiry, 0, Number.MAX_SAFE_INTEGER);
  const name = type.toString('latin1');
  if (expiresAtMs === undefined || !typeNames.has(name)) return undefined;
  return { key, value: new DistantValue(name === '' ? undefined : (name as TypeName), expiresAtMs, content), next: at + 4 };
}
