/**
 * A queue's load on one connection: values pushed at one end of a list and popped from the other, a pipeline at a time, every byte of every reply compared
 * with what it has to be. What it costs the client is little, so that the servers are what is measured.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Commands of one pipeline at most. */
const atOnce = 500;
const digits = 12;

export class QueueLoad {
  private received: Buffer[] = [];
  private receivedBytes = 0;
  private wantedBytes = 0;
  private wake: ((error?: Error) => void) | undefined = undefined;
  private pushed = 0;
  private popped = 0;

  private constructor(
    private readonly socket: Socket,
    private readonly key: string,
  ) {
    socket.on('data', (chunk: Buffer) => {
      this.received.push(chunk);
      this.receivedBytes += chunk.length;
      if (this.receivedBytes >= this.wantedBytes) this.wake?.();
    });
    socket.on('close', () => this.wake?.(new Error('the server closed the connection')));
  }

  static async to(port: number, key: string): Promise<QueueLoad> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new QueueLoad(socket, key);
  }

  get waiting(): number {
    return this.pushed - this.popped;
  }

  /** RPUSH, one value a command. Rejects when a reply is not the list's length. */
  async push(count: number): Promise<void> {
    for (let left = count; left > 0; left -= atOnce) {
      const now = Math.min(left, atOnce);
      const commands = Array.from({ length: now }, (_, i) => this.command('RPUSH', valueOf(this.pushed + i)));
      const replies = Array.from({ length: now }, (_, i) => `:${this.waiting + i + 1}\r\n`);
      this.pushed += now;
      await this.ask(commands.join(''), replies.join(''));
    }
  }

  /** LPOP, one value a command. Rejects when one is not the oldest that waits. */
  async pop(count: number): Promise<void> {
    for (let left = count; left > 0; left -= atOnce) {
      const now = Math.min(left, atOnce);
      const replies = Array.from({ length: now }, (_, i) => `$${4 + digits}\r\n${valueOf(this.popped + i)}\r\n`);
      this.popped += now;
      await this.ask(this.command('LPOP').repeat(now), replies.join(''));
    }
  }

  end(): void {
    this.socket.removeAllListeners('close').destroy();
  }

  private command(name: string, ...values: string[]): string {
    const words = [name, this.key, ...values];
    return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
  }

  private async ask(commands: string, expected: string): Promise<void> {
    this.wantedBytes = expected.length;
    const answered = new Promise<void>((resolve, reject) => {
      this.wake = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.socket.write(commands);
    await answered;
    const replies = Buffer.concat(this.received).toString('latin1');
    this.received = [];
    this.receivedBytes = 0;
    if (replies !== expected)
      throw new Error(`a queue of ${this.waiting} answers ${replies.slice(0, 200)} in place of ${expected.slice(0, 200)}`);
  }
}

function valueOf(index: number): string {
  return `job:${String(index).padStart(digits, '0')}`;
}
