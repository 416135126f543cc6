/**
 * The replies a load client meets, read from a stream of chunks: status, error, integer, bulk string, null. Written apart from
 * protocol/ on purpose: a checker that decoded with the code under test would share its mistakes.
 *
 * Invariant: a reply is handed on exactly once, whole, whatever the borders of the chunks.
 */

/** `text` is the status, error or bulk string in latin1, or an integer's digits; empty for null. */
export type ReplyKind = 'status' | 'error' | 'integer' | 'bulk' | 'null';
export type OnReply = (kind: ReplyKind, text: string) => void;

const carriageReturn = 0x0d;

export class ReplyReader {
  /** What the chunks so far left over: the beginning of a reply. Owned by the socket's allocation, soon consumed. */
  #rest: Buffer | undefined;

  constructor(private readonly onReply: OnReply) {}

  /** Hands on every reply that the chunk completes. Throws Error on bytes that are none of the five kinds. */
  push(chunk: Buffer): void {
    const data = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at < data.length) {
      const next = this.#one(data, at);
      if (next < 0) break;
      at = next;
    }
    this.#rest = at < data.length ? data.subarray(at) : undefined;
  }

  /** Reads the reply at `start`; returns where the next one begins, or -1 while it is incomplete. */
  #one(data: Buffer, start: number): number {
    const lineEnd = data.indexOf(carriageReturn, start);
    if (lineEnd < 0 || lineEnd + 1 >= data.length) return -1;
    const line = data.toString('latin1', start + 1, lineEnd);
    const next = lineEnd + 2;
    switch (data[start] as number) {
      case 0x2b /* + */:
        this.onReply('status', line);
        return next;
      case 0x2d /* - */:
        this.onReply('error', line);
        return next;
      case 0x3a /* : */:
        this.onReply('integer', line);
        return next;
      case 0x24 /* $ */: {
        const length = Number(line);
        if (length === -1) {
          this.onReply('null', '');
          return next;
        }
        if (!Number.isInteger(length) || length < 0) throw new Error(`bad bulk length '${line}'`);
        if (next + length + 2 > data.length) return -1;
        this.onReply('bulk', data.toString('latin1', next, next + length));
        return next + length + 2;
      }
      default:
        throw new Error(`unexpected reply byte 0x${data[start]?.toString(16)}`);
    }
  }
}

/** A command as RESP bytes in latin1; arguments must be latin1 too. */
export function encodeCommand(...args: readonly string[]): string {
  let text = `*${args.length}\r\n`;
  for (const arg of args) text += `$${arg.length}\r\n${arg}\r\n`;
  return text;
}
