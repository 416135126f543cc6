/** A client that is bare socket: it says exactly the bytes that a test wants said, well-formed or not, and shows replies as their own lines. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A reply as it was written, types kept: `+OK`, `-ERR ...`, `:1`, `$text` (latin1), `nil`, `*[...]`, `%[...]`. */
export type Shown = string;

const replyTimeoutMsDefault = 20_000;

export class RawClient {
  /** Settles when the server has closed the connection, or broken it. */
  readonly closed: Promise<void>;
  bytesReceived = 0;
  #unread: Buffer[] = [];
  #unreadBytes = 0;
  #needBytes = 0;
  /** Until the next look at a reply of which a part took long to read: each look begins at its beginning. */
  #pause: NodeJS.Timeout | undefined;
  readonly #replies: Shown[] = [];
  readonly #waiting: { resolve(reply: Shown): void; reject(error: Error): void }[] = [];
  #over = false;

  private constructor(
    readonly socket: Socket,
    private readonly replyTimeoutMs: number,
  ) {
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => socket.destroy());
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#over = true;
        for (const waiting of this.#waiting.splice(0)) waiting.reject(new Error('the connection was closed before the reply'));
        resolve();
      });
    });
  }

  static async connect(port: number, replyTimeoutMs = replyTimeoutMsDefault): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new RawClient(socket, replyTimeoutMs);
  }

  write(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** The next reply that nobody has taken. Rejects when the connection ends or the time for a reply, 20 s unless told otherwise, passes first. */
  reply(): Promise<Shown> {
    const ready = this.#replies.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#over) return Promise.reject(new Error('the connection is closed'));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no reply within ${this.replyTimeoutMs} ms`)), this.replyTimeoutMs);
      this.#waiting.push({
        resolve: (reply) => (clearTimeout(timer), resolve(reply)),
        reject: (error) => (clearTimeout(timer), reject(error)),
      });
    });
  }

  /** Sends commands in one write; their replies in order. */
  ask(...commands: readonly (readonly (string | Buffer)[])[]): Promise<Shown[]> {
    this.write(Buffer.concat(commands.map(encodeCommand)));
    return Promise.all(commands.map(() => this.reply()));
  }

  async end(): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }

  #take(chunk: Buffer): void {
    this.bytesReceived += chunk.length;
    this.#unread.push(chunk);
    this.#unreadBytes += chunk.length;
    if (this.#unreadBytes >= this.#needBytes && this.#pause === undefined) this.#read();
  }

  #read(): void {
    const begunMs = performance.now();
    let bytes = Buffer.concat(this.#unread, this.#unreadBytes);
    this.#needBytes = 0;
    let at = 0;
    for (;;) {
      const read = readReply(bytes, at);
      if (typeof read === 'number') {
        this.#needBytes = read - at;
        break;
      }
      at = read.end;
      const waiter = this.#waiting.shift();
      if (waiter === undefined) this.#replies.push(read.shown);
      else waiter.resolve(read.shown);
    }
    const tookMs = performance.now() - begunMs;
    if (this.#needBytes > 0 && tookMs > 5) {
      this.#pause = setTimeout(() => {
        this.#pause = undefined;
        if (this.#unreadBytes >= this.#needBytes) this.#read();
      }, 4 * tookMs);
    }
    bytes = bytes.subarray(at);
    this.#unread = bytes.length > 0 ? [bytes] : [];
    this.#unreadBytes = bytes.length;
  }
}

/** A command as an array of bulk strings. */
export function encodeCommand(words: readonly (string | Buffer)[]): Buffer {
  const pieces: Buffer[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = Buffer.from(word);
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(pieces);
}

interface Read {
  readonly shown: Shown;
  readonly end: number;
}

/** The reply at `at`, RESP2 or RESP3; or up to where bytes are needed at least before there can be one. */
function readReply(bytes: Buffer, at: number): Read | number {
  const lineEnd = bytes.indexOf('\r\n', at);
  if (lineEnd < 0) return bytes.length + 1;
  const type = String.fromCharCode(bytes[at] as number);
  const line = bytes.toString('latin1', at + 1, lineEnd);
  const end = lineEnd + 2;
  if (type === '_') return { shown: 'null', end };
  if (type === '$' || type === '=' || type === '!') {
    const length = Number(line);
    if (length < 0) return { shown: 'nil', end };
    const over = end + length + 2;
    return bytes.length < over ? over : { shown: `${type}${bytes.toString('latin1', end, end + length)}`, end: over };
  }
  if (type === '*' || type === '%' || type === '~' || type === '>') {
    const count = Number(line) * (type === '%' ? 2 : 1);
    if (count < 0) return { shown: 'nil-array', end };
    const items: Shown[] = [];
    let next = end;
    for (let i = 0; i < count; i++) {
      const item = readReply(bytes, next);
      if (typeof item === 'number') return item;
      items.push(item.shown);
      next = item.end;
    }
    return { shown: `${type}[${items.join(', ')}]`, end: next };
  }
  return { shown: `${type}${line}`, end };
}
