/**
 * Reply values: what a command answers, before RESP2 or RESP3 gives it bytes.
 *
 * The common replies are bare JavaScript values, so that nothing is allocated for them:
 *   Buffer -> bulk string (bytes are borrowed until the reply is written; they must never be mutated)
 *   string -> bulk string, UTF-8        number, bigint -> integer        null -> nil        boolean -> #t/#f, in RESP2 :1/:0
 *   array -> array                      the classes below -> everything else
 */
import type { LongReply } from './long-reply.js';

export type Reply =
  | Buffer
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly Reply[]
  | StatusReply
  | ErrorReply
  | DoubleReply
  | DecimalReply
  | MapReply
  | SetReply
  | VerbatimReply
  | PushReply
  | NilArrayReply
  | EncodedReply
  | EncodedPieces
  | LongReply<EncodedPieces>
  | StoredValue;

/** `+OK`. Use a shared instance. */
export class StatusReply {
  constructor(readonly text: string) {}
}

/**
 * `-ERR message`. `text` begins with the upper-case code and has no line break (the constructor replaces CR and LF by spaces, as Redis does).
 * In latin1 when it repeats bytes of a client, which may be no UTF-8.
 */
export class ErrorReply {
  readonly text: string;
  constructor(
    text: string,
    readonly encoding: 'utf8' | 'latin1' = 'utf8',
  ) {
    this.text = text.replaceAll(/[\r\n]/g, ' ');
  }
  /** The first word: ERR, WRONGTYPE, NOREPLICAS... */
  get code(): string {
    return this.text.split(' ', 1)[0] ?? this.text;
  }
}

export class DoubleReply {
  constructor(readonly value: number) {}
}

/** A double in a text of its own, where all its digits are not wanted: RESP3 double, RESP2 bulk. */
export class DecimalReply {
  constructor(readonly text: string) {}
}

/** RESP3 map; RESP2 flat array. */
export class MapReply {
  constructor(readonly entries: readonly (readonly [Reply, Reply])[]) {}
}

/** RESP3 set; RESP2 array. */
export class SetReply {
  constructor(readonly members: readonly Reply[]) {}
}

/** RESP3 verbatim string; RESP2 bulk. `format` is three letters: txt or mkd. */
export class VerbatimReply {
  constructor(
    readonly text: string,
    readonly format: 'txt' | 'mkd' = 'txt',
  ) {}
}

/** RESP3 out-of-band push; RESP2 array. */
export class PushReply {
  constructor(readonly items: readonly Reply[]) {}
}

/** RESP2 `*-1`, RESP3 `_`. */
export class NilArrayReply {
  readonly kind = 'nil-array';
}

/** Ready-made RESP bytes, for example from the node that ran a forwarded command: written as they are. */
export class EncodedReply {
  constructor(readonly bytes: Buffer) {}

  /** The first word of an error; undefined when it is none. */
  get errorCode(): string | undefined {
    if (this.bytes[0] !== 0x2d) return undefined;
    return /^[A-Z0-9_]{1,32}(?=[ \r])/.exec(this.bytes.toString('latin1', 1, 34))?.[0] ?? 'ERR';
  }
}

/** One reply of ready-made RESP in pieces, for one so large that joining them would take long. Never sent to another node. */
export class EncodedPieces {
  constructor(readonly pieces: readonly Buffer[]) {}
}

const noBytes: Buffer = Buffer.alloc(0);

/** A bulk string that lies in the store's memory: borrowed until anything is written. Whoever keeps a reply for later owns it first. */
export class StoredValue {
  memory = noBytes;
  at = 0;
  length = 0;
  /** The memory is never written to: a slice of it lives on by itself. */
  isShared = false;

  own(): Buffer {
    const bytes = this.memory.subarray(this.at, this.at + this.length);
    return this.isShared ? bytes : Buffer.from(bytes);
  }

  /** A copy that may be kept, in memory that is shared with others of its time: lighter than a Buffer of its own. */
  held(): StoredValue {
    const { memory, at, length } = this;
    const value = new StoredValue();
    value.length = length;
    value.isShared = true;
    if (this.isShared || length > heldBytesMax) {
      value.memory = this.own();
      return value;
    }
    if (chunkUsed + length > chunkBytes) {
      chunk = Buffer.allocUnsafeSlow(chunkBytes);
      chunkUsed = 0;
    }
    for (let i = 0; i < length; i++) chunk[chunkUsed + i] = memory[at + i] as number;
    value.memory = chunk;
    value.at = chunkUsed;
    chunkUsed += length;
    return value;
  }
}

/** Values that wait for other replicas are copied into chunks of this size, which live as long as one of them is needed. */
const chunkBytes = 16_384;
const heldBytesMax = 256;
let chunk: Buffer = Buffer.alloc(0);
let chunkUsed = chunkBytes;

/** The reply as it may be kept by itself. */
export function ownReply(reply: Reply): Reply {
  return reply instanceof StoredValue ? reply.own() : reply;
}

/** The reply as it may be kept until it is answered. */
export function heldReply(reply: Reply): Reply {
  return reply instanceof StoredValue ? reply.held() : reply;
}

export const ok = new StatusReply('OK');
export const pong = new StatusReply('PONG');
export const nilArray = new NilArrayReply();
