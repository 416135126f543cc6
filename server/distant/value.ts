/**
 * The value of a key as it goes from its partition to another, where a command that names keys of both runs (distant-rows.ts): as arguments of a command.
 *
 *     key | type, nothing where there is no value | Unix ms of its expiry, 0 = none | number of parts | parts
 *
 *     string       its bytes
 *     list         its elements in order
 *     set          its members
 *     sorted set   member, score in eight bytes
 *     hash         field, value, Unix ms of the field's expiry
 */
import type { Reply } from '../../protocol/resp/reply.js';
import { ErrorReply } from '../../protocol/resp/reply.js';
import { CommandError, type Execution, type TypeName } from '../../storage/execution.js';
import { parseIntegerWithin } from '../commands/arguments.js';

export interface DistantValue {
  /** Undefined: there was none. */
  readonly type: TypeName | undefined;
  /** Unix ms; 0 = never. */
  readonly expiresAtMs: number;
  readonly parts: readonly Buffer[];
}

const bytesOf = (value: number | string): Buffer => Buffer.from(String(value));

/** What is at `key`, without the key: the reply that is asked for it. */
export function distantValueOf(execution: Execution, key: Buffer): Buffer[] {
  const type = execution.typeOf(key);
  return [bytesOf(type ?? ''), bytesOf(execution.expiryOf(key) ?? 0), ...(type === undefined ? [] : partsOf(execution, key, type))];
}

function partsOf(execution: Execution, key: Buffer, type: TypeName): readonly Buffer[] {
  if (type === 'string') return [execution.string(key)?.bytes ?? Buffer.alloc(0)];
  if (type === 'list') {
    const list = execution.list(key);
    return list?.slice(0, list.size) ?? [];
  }
  if (type === 'stream') throw new CommandError(new ErrorReply('ERR streams in different partitions are not supported in one command'));
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

/** The arguments that stand for it, from the reply of `distantValueOf`; undefined where that is none. */
export function argumentsOf(key: Buffer, reply: Reply): Buffer[] | undefined {
  if (!Array.isArray(reply) || reply.length < 2 || !reply.every((part) => Buffer.isBuffer(part))) return undefined;
  const [type, expiresAtMs, ...parts] = reply as [Buffer, Buffer, ...Buffer[]];
  const words = [key, type, expiresAtMs, bytesOf(parts.length)];
  for (const part of parts) words.push(part); // as many as a spread could not take
  return words;
}

/** Reads one from `at` on; undefined where the arguments are not of this form. */
export function distantValueAt(args: readonly Buffer[], at: number): { key: Buffer; value: DistantValue; next: number } | undefined {
  const [key, type, expiry, count] = args.slice(at, at + 4);
  if (key === undefined || type === undefined || expiry === undefined || count === undefined) return undefined;
  const expiresAtMs = parseIntegerWithin(expiry, 0, Number.MAX_SAFE_INTEGER);
  const partCount = parseIntegerWithin(count, 0, args.length - at - 4);
  const name = type.toString('latin1');
  const step = { '': 0, string: 1, list: 1, set: 1, zset: 2, hash: 3 }[name];
  if (expiresAtMs === undefined || partCount === undefined || step === undefined) return undefined;
  if (step === 0 ? partCount > 0 : partCount % step !== 0) return undefined;
  const next = at + 4 + partCount;
  const value = { type: name === '' ? undefined : (name as TypeName), expiresAtMs, parts: args.slice(at + 4, next) };
  return { key, value, next };
}
