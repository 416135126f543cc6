/**
 * One client connection of a failure test: commands in, replies out, in order. It decodes with the harness' own reader, as the load client
 * does, so that a fault is never judged by the code under test.
 *
 * Invariant: each command gets one reply; when the connection breaks, those that wait reject.
 */
import { createConnection, type Socket } from 'node:net';
import { encodeCommand, type ReplyKind, ReplyReader } from '../harness/reply-reader.js';

export interface TextReply {
  readonly kind: ReplyKind;
  readonly text: string;
}

interface Waiting {
  readonly resolve: (reply: TextReply) => void;
  readonly reject: (reason: Error) => void;
}

/** Commands of `all` that are under way at once. */
const window = 256;

export class RespConnection {
  private readonly waiting: Waiting[] = [];
  private broken: Error | undefined;

  private constructor(private readonly socket: Socket) {
    const reader = new ReplyReader((kind, text) => this.waiting.shift()?.resolve({ kind, text }));
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    socket.on('error', (error) => this.break(error));
    socket.on('close', () => this.break(new Error('the connection was closed')));
  }

  /** On 127.0.0.1; rejects when nobody listens. */
  static open(port: number): Promise<RespConnection> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new RespConnection(socket)));
    });
  }

  /** A connection whose reads are answered by the node itself, from its own records. */
  static async alone(port: number): Promise<RespConnection> {
    const connection = await RespConnection.open(port);
    const { text } = await connection.ask('TORC', 'QUORUM', '1', '1');
    if (text !== 'OK') throw new Error(`TORC QUORUM 1 1 answered '${text}'`);
    return connection;
  }

  /** Arguments in latin1. Error replies are replies. */
  ask(...args: readonly string[]): Promise<TextReply> {
    if (this.broken !== undefined) return Promise.reject(this.broken);
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.socket.write(encodeCommand(...args), 'latin1');
    });
  }

  /** Replies in the order of the commands, with so many under way at once as a pipeline takes. */
  async all(commands: readonly (readonly string[])[]): Promise<TextReply[]> {
    const replies: TextReply[] = [];
    for (let at = 0; at < commands.length; at += window) {
      replies.push(...(await Promise.all(commands.slice(at, at + window).map((command) => this.ask(...command)))));
    }
    return replies;
  }

  /** What GET answers for each key; undefined for null. Throws on an error reply. */
  async values(keys: readonly string[]): Promise<(string | undefined)[]> {
    return (await this.all(keys.map((key) => ['GET', key]))).map(({ kind, text }, index) => {
      if (kind === 'error') throw new Error(`GET ${keys[index]}: ${text}`);
      return kind === 'null' ? undefined : text;
    });
  }

  /** A figure of INFO. */
  async figure(section: string, name: string): Promise<number> {
    const { text } = await this.ask('INFO', section);
    const line = text.split('\r\n').find((one) => one.startsWith(`${name}:`));
    if (line === undefined) throw new Error(`INFO ${section} has no ${name}`);
    return Number(line.slice(name.length + 1));
  }

  close(): void {
    this.socket.destroy();
  }

  private break(error: Error): void {
    this.broken ??= error;
    for (const { reject } of this.waiting.splice(0)) reject(this.broken);
  }
}
