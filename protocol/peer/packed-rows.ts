/**
 * What is said most often between nodes, packed by hand into one `bytes` field of a frame: forwarded commands, their replies, comparisons of versions.
 * As repeated protobuf fields each of them cost as much as running it. Big-endian, row after row:
 *
 *   command   partition u16 | options u16 | remaining ms u32 | argument count u32 | (length u32 | bytes)*
 *             options: bits 0-1 RESP version, 2-5 write quorum, 6-9 read quorum, 10-11 hops so far, 12 a read for the coordinator itself to answer
 *   reply     id u64 | length u32 | ready-made RESP
 *   read      slot u16 | actor u32 | counter u64 | key length u32 | key | [token length u16 | token]
 *             the asker's version: one dot with nothing else seen; both 0 = it has no record; actor 2^32-1 = the token says it (storage/merge.ts, recordVersion);
 *             actor 2^32-2 = the token is a question about the key's collections (cluster/key-questions.ts)
 */
import type { ByteReader } from '../byte-reader.js';
import { ByteWriter } from '../byte-writer.js';
import { FormatError } from '../format-error.js';
import { slotMax } from '../record-key.js';

/** Stands in a version's place for "see the token". */
export const tokenActor = 0xffff_ffff;

/** The same for "the token is a question about collections". */
export const questionActor = 0xffff_fffe;

const remainingMax = 0xffff_ffff;
const noArguments: readonly Buffer[] = [];

/** Filled by `readCommand`, to be used again. */
export class CommandRow {
  partition = 0;
  options = 0;
  /** How long the command may still take when the frame leaves; after that it must not be run. */
  remainingMs = 0;
  /** Borrowed from the frame. */
  args: Buffer[] = [];
}

export function writeCommand(writer: ByteWriter, partition: number, options: number, remainingMs: number, args: readonly Buffer[]): void {
  writer.u16(partition);
  writer.u16(options);
  writer.u32(Math.min(remainingMax, Math.max(0, Math.floor(remainingMs))));
  writer.u32(args.length);
  for (let i = 0; i < args.length; i++) {
    const argument = args[i] as Buffer;
    writer.u32(argument.length);
    writer.bytes(argument);
  }
}

/** The same row in parts, one after the other; arguments of more than `copiedBytesMost` bytes are not copied. */
export function commandParts(
  partition: number,
  options: number,
  remainingMs: number,
  args: readonly Buffer[],
  copiedBytesMost: number,
): Buffer[] {
  const parts: Buffer[] = [];
  const writer = new ByteWriter(256);
  writeCommand(writer, partition, options, remainingMs, noArguments);
  writer.patchU32(writer.length - 4, args.length);
  for (const argument of args) {
    writer.u32(argument.length);
    if (argument.length <= copiedBytesMost) writer.bytes(argument);
    else {
      parts.push(Buffer.from(writer.view()), argument);
      writer.reset();
    }
  }
  if (writer.length > 0) parts.push(writer.take());
  return parts;
}

/** Throws FormatError. */
export function readCommand(reader: ByteReader, row: CommandRow): void {
  row.partition = reader.u16();
  row.options = reader.u16();
  row.remainingMs = reader.u32();
  const count = reader.u32();
  if (count === 0) throw new FormatError('INVALID', 'a command without a name');
  if (count * 4 > reader.remaining) throw new FormatError('TRUNCATED', `${count} arguments in ${reader.remaining} bytes`);
  const args: Buffer[] = [];
  for (let i = 0; i < count; i++) args.push(reader.bytes(reader.u32()));
  row.args = args;
}

export function writeReply(writer: ByteWriter, id: number, reply: Buffer): void {
  writer.counter(id);
  writer.u32(reply.length);
  writer.bytes(reply);
}

/** The same row of a reply in parts, which are not copied. */
export function replyParts(id: number, reply: readonly Buffer[]): Buffer[] {
  const writer = new ByteWriter(12);
  writer.counter(id);
  writer.u32(reply.reduce((sum, { length }) => sum + length, 0));
  return [writer.take(), ...reply];
}

/** Filled by `readRead`, to be used again. */
export class ReadRow {
  slot = 0;
  actor = 0;
  counter = 0;
  /** Where in the reader's bytes the key lies. */
  keyAt = 0;
  keyLength = 0;
  /** Borrowed from the frame. */
  token: Buffer | undefined = undefined;
}

/** `token` goes with tokenActor and questionActor alone. */
export function writeRead(writer: ByteWriter, slot: number, key: Buffer, actor: number, counter: number, token: Buffer | undefined): void {
  writer.u16(slot);
  writer.u32(actor);
  writer.counter(counter);
  writer.u32(key.length);
  writer.bytes(key);
  if (token === undefined) return;
  writer.u16(token.length);
  writer.bytes(token);
}

/** Throws FormatError. */
export function readRead(reader: ByteReader, row: ReadRow): void {
  row.slot = reader.u16();
  if (row.slot > slotMax) throw new FormatError('INVALID', `slot ${row.slot}`);
  row.actor = reader.u32();
  row.counter = reader.counter();
  row.keyLength = reader.u32();
  row.keyAt = reader.position;
  reader.skip(row.keyLength);
  row.token = row.actor >= questionActor ? reader.bytes(reader.u16()) : undefined;
}
