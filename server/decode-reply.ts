/** Reads a ready-made reply of another node back into a value, where it has to be joined with others. Torc's own writer made the bytes. */
import {
  DoubleReply,
  EncodedPieces,
  EncodedReply,
  ErrorReply,
  MapReply,
  SetReply,
  StatusReply,
  type Reply,
} from '../protocol/resp/reply.js';

/** `bytes` hold one whole reply; the value borrows from them. Throws Error on anything else. */
export function decodeReply(bytes: Buffer): Reply {
  const cursor = { at: 0 };
  const reply = read(bytes, cursor);
  if (cursor.at !== bytes.length) throw new Error(`${bytes.length - cursor.at} bytes after a reply`);
  return reply;
}

const malformed = new ErrorReply('ERR malformed reply of another node');

/** A reply as a value, whoever made it: an error where it is none, for whoever waits for it is to be answered. */
export function decoded(reply: Reply): Reply {
  try {
    if (reply instanceof EncodedReply) return decodeReply(reply.bytes);
    return reply instanceof EncodedPieces ? decodeReply(Buffer.concat(reply.pieces)) : reply;
  } catch {
    return malformed;
  }
}

function read(bytes: Buffer, cursor: { at: number }): Reply {
  const type = bytes[cursor.at];
  const end = bytes.indexOf('\r\n', cursor.at);
  if (type === undefined || end < 0) throw new Error('a reply that is cut off');
  const line = bytes.toString('utf8', cursor.at + 1, end);
  cursor.at = end + 2;
  switch (String.fromCharCode(type)) {
    case '+':
      return new StatusReply(line);
    case '-':
      return new ErrorReply(line);
    case ':':
      return Number.isSafeInteger(Number(line)) ? Number(line) : BigInt(line);
    case '#':
      return line === 't';
    case '_':
      return null;
    case ',':
      return new DoubleReply(Number(line.replace('inf', 'Infinity')));
    case '$': {
      const length = Number(line);
      if (length < 0) return null;
      const bulk = bytes.subarray(cursor.at, cursor.at + length);
      cursor.at += length + 2;
      return bulk;
    }
    case '*':
      return Number(line) < 0 ? null : items(Number(line), bytes, cursor);
    case '~':
      return new SetReply(items(Number(line), bytes, cursor));
    case '%':
      return new MapReply(Array.from({ length: Number(line) }, () => [read(bytes, cursor), read(bytes, cursor)] as const));
    default:
      throw new Error(`a reply of type ${String.fromCharCode(type)}`);
  }
}

function items(count: number, bytes: Buffer, cursor: { at: number }): Reply[] {
  return Array.from({ length: count }, () => read(bytes, cursor));
}
