/**
 * A real redis-server on a free port, to compare with. Without one installed the tests that need it say so in one loud line and pass, unless
 * TORC_REQUIRE_REDIS=1.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { doubleText } from '../../../protocol/resp/double-text.js';
import {
  DecimalReply,
  DoubleReply,
  ErrorReply,
  MapReply,
  SetReply,
  StatusReply,
  VerbatimReply,
  nilArray,
} from '../../../protocol/resp/reply.js';
import type { Reply } from '../../../protocol/resp/reply.js';

export class RedisOracle {
  private readonly waiting: ((reply: Reply) => void)[] = [];
  private unread: Buffer = Buffer.alloc(0);

  private constructor(
    private readonly server: ChildProcess,
    private readonly socket: Socket,
    private readonly directory: string,
    readonly port: number,
  ) {
    socket.on('data', (chunk: Buffer) => {
      this.unread = Buffer.concat([this.unread, chunk]);
      for (let read = readReply(this.unread, 0); read !== undefined; read = readReply(this.unread, 0)) {
        this.unread = this.unread.subarray(read.end);
        this.waiting.shift()?.(read.reply);
      }
    });
  }

  /** Undefined when there is no redis-server here. */
  static async start(...options: readonly string[]): Promise<RedisOracle | undefined> {
    const directory = mkdtempSync(join(tmpdir(), 'torc-oracle-'));
    const port = await freePort();
    const server = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...options], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ready = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.once('exit', () => resolve(false));
      server.stdout.on('data', (chunk: Buffer) => chunk.includes('Ready to accept connections') && resolve(true));
    });
    if (!ready) {
      rmSync(directory, { recursive: true, force: true });
      if (process.env['TORC_REQUIRE_REDIS'] === '1') throw new Error('TORC_REQUIRE_REDIS=1, and redis-server does not start');
      process.stderr.write(
        '*** NOT COMPARED WITH REDIS: there is no redis-server here; install it, or these commands are checked by hand-written tests only ***\n',
      );
      return undefined;
    }
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RedisOracle(server, socket, directory, port);
  }

  /** Sends all in one write; replies in order, errors as values. */
  ask(commands: readonly (readonly (Buffer | string)[])[]): Promise<Reply[]> {
    const replies = commands.map(() => new Promise<Reply>((resolve) => this.waiting.push(resolve)));
    this.socket.write(Buffer.concat(commands.flatMap((command) => [Buffer.from(`*${command.length}\r\n`), ...command.flatMap(bulk)])));
    return Promise.all(replies);
  }

  async stop(): Promise<void> {
    this.socket.destroy();
    const gone = once(this.server, 'exit');
    this.server.kill('SIGKILL');
    await gone;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function bulk(argument: Buffer | string): readonly Buffer[] {
  const bytes = Buffer.from(argument);
  return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')];
}

interface Read {
  readonly reply: Reply;
  /** Where the next reply begins. */
  readonly end: number;
}

/** One RESP2 reply from `at`; undefined while it is not all there. */
function readReply(bytes: Buffer, at: number): Read | undefined {
  const lineEnd = bytes.indexOf('\r\n', at);
  if (lineEnd < 0) return undefined;
  const line = bytes.toString('latin1', at + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(bytes[at] as number)) {
    case '+':
      return { reply: new StatusReply(line), end };
    case '-':
      return { reply: new ErrorReply(line, 'latin1'), end };
    case ':':
      return { reply: BigInt(line), end };
    case '$': {
      const length = Number(line);
      if (length < 0) return { reply: null, end };
      return bytes.length < end + length + 2 ? undefined : { reply: bytes.subarray(end, end + length), end: end + length + 2 };
    }
    default:
      return readArray(bytes, end, Number(line));
  }
}

function readArray(bytes: Buffer, at: number, length: number): Read | undefined {
  if (length < 0) return { reply: nilArray, end: at };
  const items: Reply[] = [];
  let end = at;
  for (let i = 0; i < length; i++) {
    const item = readReply(bytes, end);
    if (item === undefined) return undefined;
    items.push(item.reply);
    end = item.end;
  }
  return { reply: items, end };
}

/** Commands written one after the other, apart by semicolons and line breaks. */
export function linesOf(text: string): readonly string[] {
  return text
    .split(/[;\n]/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** A reply as RESP2 shows it, readable, bytes as latin1: `+OK`, `-ERR ...`, `:1`, `$bytes`, `nil`, `nil-array`, `[...]`. */
export function shown(reply: Reply): string {
  if (reply === null) return 'nil';
  if (typeof reply === 'string') return `$${Buffer.from(reply).toString('latin1')}`;
  if (Buffer.isBuffer(reply)) return `$${reply.toString('latin1')}`;
  if (typeof reply === 'number' || typeof reply === 'bigint') return `:${reply}`;
  if (reply instanceof StatusReply) return `+${reply.text}`;
  if (reply instanceof ErrorReply) return `-${Buffer.from(reply.text, reply.encoding).toString('latin1')}`;
  if (reply === nilArray) return 'nil-array';
  if (reply instanceof MapReply) return `[${reply.entries.flat().map(shown).join(', ')}]`;
  if (reply instanceof SetReply) return `[${reply.members.map(shown).join(', ')}]`;
  if (reply instanceof VerbatimReply) return `$${reply.text}`;
  if (reply instanceof DecimalReply) return `$${reply.text}`;
  if (reply instanceof DoubleReply) return `$${doubleText(reply.value)}`;
  if (Array.isArray(reply)) return `[${reply.map(shown).join(', ')}]`;
  throw new Error('not a reply that these commands make');
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
