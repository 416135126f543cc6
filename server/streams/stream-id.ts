/**
 * Ids of streams: milliseconds and a sequence number, 64 bits each; here one whole number of 128 bits, whose order is theirs. As bytes, big-endian, they sort the
 * same.
 *
 * Where the server chooses the sequence number (`*`, `ms-*`) its low 32 bits are the actor that writes: two nodes that coordinate at once never choose the same id,
 * so no entry takes the place of another.
 */
import { ErrorReply } from '../../protocol/resp/reply.js';
import { parseUnsigned } from '../commands/arguments.js';

export type StreamId = bigint;

const bits = 64n;
const sequenceMax = (1n << bits) - 1n;
export const idMax: StreamId = (1n << (2n * bits)) - 1n;
export const idBytes = 16;
/** What the sequence numbers that one actor chooses are apart. */
const actorStep = 1n << 32n;
const textBytesMost = 127;

export const invalidId = new ErrorReply('ERR Invalid stream ID specified as stream command argument');

export const idOf = (ms: bigint, sequence: bigint): StreamId => (ms << bits) | sequence;
export const msOf = (id: StreamId): bigint => id >> bits;
export const sequenceOf = (id: StreamId): bigint => id & sequenceMax;

const idText = (id: StreamId): string => `${msOf(id)}-${sequenceOf(id)}`;
/** As a bulk string. */
export const idReply = (id: StreamId): Buffer => Buffer.from(idText(id), 'latin1');

/** Writes 16 bytes. */
export function putId(bytes: Buffer, at: number, id: StreamId): void {
  bytes.writeBigUInt64BE(msOf(id), at);
  bytes.writeBigUInt64BE(sequenceOf(id), at + 8);
}

export function readId(bytes: Buffer, at: number): StreamId {
  return idOf(bytes.readBigUInt64BE(at), bytes.readBigUInt64BE(at + 8));
}

/** One half, as Redis reads it by C's strtoull: leading zeros do not matter. */
function parseHalf(text: string): bigint | undefined {
  return text === '' || text.startsWith('-') ? undefined : parseUnsigned(Buffer.from(text, 'latin1'));
}

/** `ms-seq`, or `ms` alone, which gets the sequence number `missing`; undefined = not an id. */
export function parseId(argument: Buffer, missing: bigint): StreamId | undefined {
  const parsed = parseNewId(argument, missing);
  return parsed === undefined || parsed.isOpen ? undefined : parsed.id;
}

/** As many ids as there are arguments, `ms` alone being `ms-0`. */
export function parseIds(args: readonly Buffer[]): StreamId[] | ErrorReply {
  const ids: StreamId[] = [];
  for (const argument of args) {
    const id = parseId(argument, 0n);
    if (id === undefined) return invalidId;
    ids.push(id);
  }
  return ids;
}

export interface NewId {
  /** Its sequence number is 0 where that is to be chosen. */
  readonly id: StreamId;
  /** `ms-*` */
  readonly isOpen: boolean;
}

/** The same of XADD's, which may be `ms-*`. */
export function parseNewId(argument: Buffer, missing = 0n): NewId | undefined {
  if (argument.length > textBytesMost) return undefined;
  const text = argument.toString('latin1');
  const dash = text.indexOf('-');
  const ms = parseHalf(dash < 0 ? text : text.slice(0, dash));
  if (ms === undefined) return undefined;
  const sequenceText = dash < 0 ? undefined : text.slice(dash + 1);
  if (sequenceText === '*') return { id: idOf(ms, 0n), isOpen: true };
  const sequence = sequenceText === undefined ? missing : parseHalf(sequenceText);
  return sequence === undefined ? undefined : { id: idOf(ms, sequence), isOpen: false };
}

/** An end of a range: an id, `-`, `+`, or an id after `(`, which is left out. `isFirst`: where the range begins. */
export function parseEnd(argument: Buffer, isFirst: boolean): StreamId | ErrorReply {
  const missing = isFirst ? 0n : sequenceMax;
  if (argument.length > 1 && argument[0] === 0x28) {
    const id = parseId(argument.subarray(1), missing);
    if (id === undefined) return invalidId;
    if (id === (isFirst ? idMax : 0n)) return new ErrorReply(`ERR invalid ${isFirst ? 'start' : 'end'} ID for the interval`);
    return isFirst ? id + 1n : id - 1n;
  }
  const text = argument.length === 1 ? argument.toString('latin1') : '';
  if (text === '-') return 0n;
  if (text === '+') return idMax;
  return parseId(argument, missing) ?? invalidId;
}

/** The least id of these milliseconds above `last` that this actor may choose; undefined = there is none. */
function chosenIn(ms: bigint, last: StreamId, actor: number): StreamId | undefined {
  const own = BigInt(actor);
  if (ms < msOf(last)) return undefined;
  const first = idOf(ms, own);
  if (first > last) return first;
  const steps = (sequenceOf(last) - own) / actorStep + 1n;
  const sequence = own + steps * actorStep;
  return sequence > sequenceMax ? undefined : idOf(ms, sequence);
}

/** What `ms-*` becomes. */
export function openId({ id }: NewId, last: StreamId, actor: number): StreamId | undefined {
  return chosenIn(msOf(id), last, actor);
}

/** What `*` becomes: by the clock, or right behind the last id where that is ahead of it. */
export function automaticId(nowMs: number, last: StreamId, actor: number): StreamId | undefined {
  const now = BigInt(nowMs);
  if (now > msOf(last)) return chosenIn(now, last, actor);
  return chosenIn(msOf(last), last, actor) ?? (msOf(last) < sequenceMax ? chosenIn(msOf(last) + 1n, last, actor) : undefined);
}
