/**
 * Peer frames on a stream: length u32 big-endian, then that many bytes of protobuf. The length is checked before anything is kept
 * for it, and the pieces of a frame are joined once, so a peer that sends rubbish costs neither memory nor time. What is sent is encoded
 * behind room for its length, so that a frame leaves as one buffer.
 */
import $protobuf from 'protobufjs/minimal.js';

const lengthBytes = 4;

/** A frame's two chunks, for one gathered write. `message` is not copied. */
export function frameChunks(message: Buffer): [header: Buffer, message: Buffer] {
  const header = Buffer.allocUnsafe(lengthBytes);
  header.writeUInt32BE(message.length, 0);
  return [header, message];
}

/** A writer with room for the length in front, for a message to be encoded into: frame and length are one buffer, and one write. */
export function beginFrame(): $protobuf.Writer {
  return $protobuf.Writer.create().fixed32(0);
}

/** The whole frame of what was encoded after beginFrame(); owned by the caller. */
export function framed(writer: $protobuf.Writer): Buffer {
  const bytes = writer.finish() as Buffer;
  bytes.writeUInt32BE(bytes.length - lengthBytes, 0);
  return bytes;
}

/** A message whose last field, of type bytes, is long. */
export interface TailedMessage {
  /** All of it but the tail, encoded. */
  readonly head: Buffer;
  readonly tail: Buffer;
}

/**
 * The same with a field, a message with a long tail, behind what was encoded. The tail is not copied: it is among the chunks, whose concatenation is
 * the frame, and must not be written to.
 */
export function framedWithTail(
  writer: $protobuf.Writer,
  { head, tail }: TailedMessage,
  fields: { readonly field: number; readonly tailField: number },
): Buffer[] {
  const chunks = withTail(writer, head, [tail], fields);
  let length = -lengthBytes;
  for (const chunk of chunks) length += chunk.length;
  chunks[0]?.writeUInt32BE(length, 0);
  return chunks;
}

/**
 * What was encoded, and a field behind it that is a message with a long tail, which is not copied: in parts, one after the other, that nobody may write to.
 * `head` is that message without its tail, encoded.
 */
export function withTail(
  writer: $protobuf.Writer,
  head: Buffer,
  tail: readonly Buffer[],
  { field, tailField }: { readonly field: number; readonly tailField: number },
): Buffer[] {
  let tailBytes = 0;
  for (const { length } of tail) tailBytes += length;
  const tailHead = $protobuf.Writer.create().uint32(tagOf(tailField)).uint32(tailBytes).finish() as Buffer;
  writer.uint32(tagOf(field)).uint32(head.length + tailHead.length + tailBytes);
  return [Buffer.concat([writer.finish() as Buffer, head, tailHead]), ...tail];
}

/** A field of type message or bytes whose contents are `parts`, which are not copied. */
export function longField(field: number, parts: readonly Buffer[]): Buffer[] {
  let length = 0;
  for (const part of parts) length += part.length;
  return [$protobuf.Writer.create().uint32(tagOf(field)).uint32(length).finish() as Buffer, ...parts];
}

/** Of a field of type message or bytes. */
function tagOf(field: number): number {
  return (field << 3) | 2;
}

/** A peer broke the framing; its stream has to be closed. */
export class FramingError extends Error {
  readonly code = 'FRAMING';
}

/** Cuts a stream into messages. */
export class FrameSplitter {
  private readonly chunks: Buffer[] = [];
  private buffered = 0;

  constructor(
    /** Longer frames are refused. */
    private readonly frameBytesMax: number,
  ) {}

  /** Bytes held for a frame that is not whole yet. */
  get bufferedBytes(): number {
    return this.buffered;
  }

  /**
   * Calls `message` for every whole frame, in order; it may borrow from `chunk`, which must not be mutated. Once `stop` says so after a frame, what
   * follows it is returned instead of being cut. Throws FramingError.
   */
  push(chunk: Buffer, message: (bytes: Buffer) => void, stop?: () => boolean): Buffer | undefined {
    let rest = chunk;
    if (this.buffered > 0) {
      this.chunks.push(chunk);
      this.buffered += chunk.length;
      if (this.buffered < lengthBytes || this.buffered < lengthBytes + this.headLength()) return undefined;
      rest = Buffer.concat(this.chunks, this.buffered);
      this.chunks.length = 0;
      this.buffered = 0;
    }
    let at = 0;
    while (rest.length - at >= lengthBytes) {
      const length = this.checked(rest.readUInt32BE(at));
      if (rest.length - at - lengthBytes < length) break;
      message(rest.subarray(at + lengthBytes, at + lengthBytes + length));
      at += lengthBytes + length;
      if (stop?.() === true) return at < rest.length ? rest.subarray(at) : undefined;
    }
    if (at < rest.length) {
      this.chunks.push(rest.subarray(at));
      this.buffered = rest.length - at;
    }
    return undefined;
  }

  private headLength(): number {
    const [first] = this.chunks;
    if (first !== undefined && first.length < lengthBytes)
      this.chunks.splice(0, this.chunks.length, Buffer.concat(this.chunks, this.buffered));
    return this.checked(this.chunks[0]?.readUInt32BE(0) ?? 0);
  }

  private checked(length: number): number {
    if (length === 0 || length > this.frameBytesMax)
      throw new FramingError(`a frame of ${length} bytes; 1 to ${this.frameBytesMax} are allowed`);
    return length;
  }
}
