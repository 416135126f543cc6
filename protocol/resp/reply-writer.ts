/**
 * Replies of one connection: values -> bytes, gathered until the turn ends and then handed to one socket write.
 *
 * Small replies are packed into a block, digit by digit and without strings between; a Buffer from 4 KiB on becomes a chunk of its own,
 * uncopied. What `take` hands off is never written again, so the rest of the block serves the next turns:
 *
 *     block: [ handed off | start: pending, this turn | used: free ]
 *
 * Invariant: the chunks, then the block's bytes from start to used, are the pending replies in order; `pendingBytes` is their sum.
 * Shapes: https://redis.io/docs/latest/develop/reference/protocol-spec/ and, where that is silent, what redis-server 7.0 answers to DEBUG PROTOCOL.
 */
import { LongReply } from './long-reply.js';
import { doubleText } from './double-text.js';
import {
  DecimalReply,
  DoubleReply,
  EncodedPieces,
  EncodedReply,
  ErrorReply,
  MapReply,
  NilArrayReply,
  ok,
  PushReply,
  type Reply,
  SetReply,
  StatusReply,
  StoredValue,
  VerbatimReply,
} from './reply.js';

/** Buffers from this size on are handed off without copying. */
const ownChunkBytes = 4096;
/** An idle connection holds a block of the smallest size; each next one is twice the last, up to the largest. */
const smallestBlockBytes = 1024;
const largestBlockBytes = 16_384;
/** Up to this length a loop beats the call into the runtime's copy. */
const loopedBytes = 16;
/** The same where the bytes would need a view of their own first. */
const loopedStoredBytes = 96;
/** A type byte, a sign, 20 digits, CR LF. */
const headerBytes = 24;

const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const zero = 0x30;
const minus = 0x2d;

/** The bytes that begin a RESP value. */
const enum Type {
  Status = 0x2b,
  Error = 0x2d,
  Integer = 0x3a,
  Bulk = 0x24,
  Array = 0x2a,
  Double = 0x2c,
  BigNumber = 0x28,
  Verbatim = 0x3d,
  Map = 0x25,
  Set = 0x7e,
  Push = 0x3e,
}

/** What a writer has before its first reply. */
const noBlock = Buffer.alloc(0);

const okBytes = Buffer.from('+OK\r\n');
const nilBulkBytes = Buffer.from('$-1\r\n');
const nilArrayBytes = Buffer.from('*-1\r\n');
const nullBytes = Buffer.from('_\r\n');
const trueBytes = Buffer.from('#t\r\n');
const falseBytes = Buffer.from('#f\r\n');

export class ReplyWriter {
  private chunks: Buffer[] = [];
  private chunkBytes = 0;
  private block = noBlock;
  private start = 0;
  private used = 0;

  /** Bytes written and not taken. */
  get pendingBytes(): number {
    return this.chunkBytes + this.used - this.start;
  }

  /**
   * The pending bytes, in order, for one writev; the writer is empty afterwards. The chunks belong to the caller, except that those of 4 KiB and more
   * may be the very Buffers that were written: they must not be mutated before the socket has taken them.
   */
  take(): Buffer[] {
    this.sealPending();
    const taken = this.chunks;
    this.chunks = [];
    this.chunkBytes = 0;
    return taken;
  }

  /** Writes ready-made RESP. From 4 KiB on `bytes` is borrowed until its chunk has been sent; smaller ones are copied. */
  writeRaw(bytes: Buffer): void {
    const length = bytes.length;
    if (length >= ownChunkBytes) {
      this.sealPending();
      this.chunks.push(bytes);
      this.chunkBytes += length;
      return;
    }
    this.reserve(length);
    const block = this.block;
    let at = this.used;
    if (length <= loopedBytes) {
      for (let from = 0; from < length; from++) block[at++] = bytes[from] as number;
    } else {
      block.set(bytes, at);
      at += length;
    }
    this.used = at;
  }

  /** Writes `reply` in the protocol version `resp`. Buffers within it are borrowed as `writeRaw` says. */
  write(reply: Reply, resp: 2 | 3): void {
    switch (typeof reply) {
      case 'number':
        if (Number.isSafeInteger(reply)) this.writeHeader(Type.Integer, reply);
        else this.writeBigInteger(BigInt(reply), resp);
        return;
      case 'string':
        this.writeBulkText(Type.Bulk, '', reply);
        return;
      case 'boolean':
        if (resp === 3) this.writeRaw(reply ? trueBytes : falseBytes);
        else this.writeHeader(Type.Integer, reply ? 1 : 0);
        return;
      case 'bigint':
        this.writeBigInteger(reply, resp);
        return;
      case 'object':
      case 'function':
      case 'symbol':
      case 'undefined':
        break; // objects are told apart below; a Reply is none of the others
    }
    if (reply === null) this.writeRaw(resp === 3 ? nullBytes : nilBulkBytes);
    else if (reply === ok) this.writeRaw(okBytes);
    else if (reply instanceof StoredValue) this.writeStored(reply);
    else if (reply instanceof Uint8Array) this.writeBulk(reply);
    else this.writeComposed(reply, resp);
  }

  private writeBulk(bytes: Buffer): void {
    this.writeHeader(Type.Bulk, bytes.length);
    this.writeRaw(bytes);
    this.writeLineBreak();
  }

  private writeStored(value: StoredValue): void {
    const { memory, at, length } = value;
    if (length > loopedStoredBytes) return this.writeBulk(value.isShared ? value.own() : memory.subarray(at, at + length));
    this.writeHeader(Type.Bulk, length);
    this.reserve(length + 2);
    const { block } = this;
    let to = this.used;
    for (let from = at; from < at + length; from++) block[to++] = memory[from] as number;
    block[to++] = carriageReturn;
    block[to++] = lineFeed;
    this.used = to;
  }

  private writeComposed(reply: Exclude<Reply, Buffer | StoredValue | string | number | bigint | boolean | null>, resp: 2 | 3): void {
    if (reply instanceof EncodedReply) {
      this.writeRaw(reply.bytes);
    } else if (reply instanceof EncodedPieces) {
      for (const piece of reply.pieces) this.writeRaw(piece);
    } else if (reply instanceof StatusReply) {
      this.writeLine(Type.Status, reply.text);
    } else if (reply instanceof ErrorReply) {
      if (reply.encoding === 'utf8') this.writeLine(Type.Error, reply.text);
      else this.writeRaw(Buffer.from(`-${reply.text}\r\n`, 'latin1'));
    } else if (reply instanceof NilArrayReply) {
      this.writeRaw(resp === 3 ? nullBytes : nilArrayBytes);
    } else if (reply instanceof DoubleReply) {
      if (resp === 3) this.writeLine(Type.Double, doubleText(reply.value));
      else this.writeBulkText(Type.Bulk, '', doubleText(reply.value));
    } else if (reply instanceof DecimalReply) {
      if (resp === 3) this.writeLine(Type.Double, reply.text);
      else this.writeBulkText(Type.Bulk, '', reply.text);
    } else if (reply instanceof MapReply) {
      this.writeHeader(resp === 3 ? Type.Map : Type.Array, resp === 3 ? reply.entries.length : reply.entries.length * 2);
      for (const [key, value] of reply.entries) {
        this.write(key, resp);
        this.write(value, resp);
      }
    } else if (reply instanceof SetReply) {
      this.writeItems(resp === 3 ? Type.Set : Type.Array, reply.members, resp);
    } else if (reply instanceof PushReply) {
      this.writeItems(resp === 3 ? Type.Push : Type.Array, reply.items, resp);
    } else if (reply instanceof VerbatimReply) {
      if (resp === 3) this.writeBulkText(Type.Verbatim, `${reply.format}:`, reply.text);
      else this.writeBulkText(Type.Bulk, '', reply.text);
    } else if (reply instanceof LongReply) {
      throw new Error('a long reply is written before it is whole');
    } else {
      this.writeItems(Type.Array, reply, resp);
    }
  }

  private writeItems(type: Type, items: readonly Reply[], resp: 2 | 3): void {
    this.writeHeader(type, items.length);
    for (const item of items) this.write(item, resp);
  }

  /** An integer, or what Redis calls a big number where 64 bits do not hold it: a bulk in RESP2. */
  private writeBigInteger(value: bigint, resp: 2 | 3): void {
    if (BigInt.asIntN(64, value) === value) this.writeLine(Type.Integer, value.toString());
    else if (resp === 3) this.writeLine(Type.BigNumber, value.toString());
    else this.writeBulkText(Type.Bulk, '', value.toString());
  }

  private writeLine(type: Type, text: string): void {
    // UTF-8 takes at most three bytes for each UTF-16 unit.
    this.reserve(text.length * 3 + 3);
    this.block[this.used++] = type;
    this.writeText(text);
    this.writeLineBreak();
  }

  /** `type`, the length of `prefix` and `text` together in UTF-8, both, CR LF. `prefix` is ASCII. */
  private writeBulkText(type: Type, prefix: string, text: string): void {
    if (text.length >= ownChunkBytes) {
      const bytes = Buffer.from(prefix + text);
      this.writeHeader(type, bytes.length);
      this.writeRaw(bytes);
    } else {
      const length = Buffer.byteLength(text);
      this.writeHeader(type, prefix.length + length);
      this.reserve(prefix.length + length);
      this.writeText(prefix);
      this.writeText(text);
    }
    this.writeLineBreak();
  }

  /** Writes `text` in UTF-8; room for it must have been reserved. */
  private writeText(text: string): void {
    const block = this.block;
    const length = text.length;
    let at = this.used;
    if (length <= loopedBytes) {
      let unit = 0;
      let index = 0;
      for (; index < length && (unit = text.charCodeAt(index)) < 0x80; index++) block[at++] = unit;
      if (index === length) {
        this.used = at;
        return;
      }
    }
    this.used += block.write(text, this.used);
  }

  /** `type`, a safe integer, CR LF. */
  private writeHeader(type: Type, value: number): void {
    this.reserve(headerBytes);
    const block = this.block;
    let at = this.used;
    block[at++] = type;
    let rest = value;
    if (rest < 0) {
      block[at++] = minus;
      rest = -rest;
    }
    let end = at + 1;
    for (let power = 10; rest >= power; power *= 10) end++;
    at = end;
    // Beyond 32 bits division by ten needs doubles; below, small integers.
    while (rest > 0x7fffffff) {
      const tenth = Math.floor(rest / 10);
      block[--at] = zero + (rest - tenth * 10);
      rest = tenth;
    }
    do {
      const tenth = (rest / 10) | 0;
      block[--at] = zero + (rest - tenth * 10);
      rest = tenth;
    } while (rest > 0);
    block[end++] = carriageReturn;
    block[end++] = lineFeed;
    this.used = end;
  }

  private writeLineBreak(): void {
    this.reserve(2);
    this.block[this.used++] = carriageReturn;
    this.block[this.used++] = lineFeed;
  }

  /** Makes room for `bytes` in the block; where a new one is begun, what is pending in the old becomes a chunk. */
  private reserve(bytes: number): void {
    if (this.block.length - this.used >= bytes) return;
    this.sealPending();
    const doubled = Math.min(largestBlockBytes, Math.max(smallestBlockBytes, this.block.length * 2));
    this.block = Buffer.allocUnsafeSlow(Math.max(doubled, bytes));
    this.start = 0;
    this.used = 0;
  }

  private sealPending(): void {
    if (this.used === this.start) return;
    this.chunks.push(this.block.subarray(this.start, this.used));
    this.chunkBytes += this.used - this.start;
    this.start = this.used;
  }
}

/** The RESP bytes of one reply, owned by the caller: what a node sends ready-made to the node that asked it. */
export function encodeReply(reply: Reply, resp: 2 | 3): Buffer {
  if (reply === ok) return okBytes;
  encoder.write(reply, resp);
  const [first, ...others] = encoder.take();
  return first === undefined ? Buffer.alloc(0) : others.length === 0 ? first : Buffer.concat([first, ...others]);
}

/** The same in parts, one after the other: large values are not copied, and borrowed as `writeRaw` says. */
export function encodeReplyParts(reply: Reply, resp: 2 | 3): Buffer[] {
  encoder.write(reply, resp);
  return encoder.take();
}

/** Shared by all calls: they take what they wrote before they return. */
const encoder = new ReplyWriter();
