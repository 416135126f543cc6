/**
 * What concerns the commands of every client: CLIENT PAUSE, which keeps them waiting, MONITOR, which shows them, and the moment at a node's start in which it does not know yet
 * who its users are. While none of it is on,
 * `isActive` is all that a command looks at.
 */
import { StatusReply } from '../protocol/resp/reply.js';
import type { CommandRow } from './command-table.js';
import type { Paused } from './local-context.js';
import { withoutSecrets } from './secrets.js';

/** A connection, as far as the gate goes. */
export interface GatedClient {
  readonly address: string;
  tell(line: StatusReply): void;
  /** Goes on with what it held. */
  release(): void;
}

export class ClientGate {
  isActive = false;
  /** The node has not heard yet what others know of users: nobody is served or refused. */
  isStarting = false;
  private readonly watchers = new Set<GatedClient>();
  private readonly waiting = new Set<GatedClient>();
  private paused: Paused | undefined;
  private pausedUntilMs = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly clock: { readonly monotonicMs: () => number; readonly unixMicroseconds: () => number }) {}

  /** Clients wait for so long. A pause that is on already is made neither shorter nor weaker. */
  pause(what: Paused, ms: number): void {
    this.pausedUntilMs = Math.max(this.pausedUntilMs, this.clock.monotonicMs() + ms);
    if (this.paused !== 'all') this.paused = what;
    this.isActive = true;
    this.arm();
  }

  unpause(): void {
    clearTimeout(this.timer);
    this.paused = undefined;
    this.pausedUntilMs = 0;
    this.judge();
    this.releaseAll();
  }

  setStarting(isStarting: boolean): void {
    this.isStarting = isStarting;
    this.judge();
    if (!isStarting) this.releaseAll();
  }

  mustWait(row: CommandRow): boolean {
    if (this.isStarting) return true;
    if (this.paused === undefined || row.name === 'client|unpause') return false;
    return this.paused === 'all' || row.flags.includes('write');
  }

  /** The client has something that must wait, and is released when it may go on. */
  hold(client: GatedClient): void {
    this.waiting.add(client);
  }

  watch(client: GatedClient): void {
    this.watchers.add(client);
    this.isActive = true;
  }

  unwatch(client: GatedClient): void {
    this.watchers.delete(client);
    this.judge();
  }

  forget(client: GatedClient): void {
    this.waiting.delete(client);
    if (this.watchers.delete(client)) this.judge();
  }

  /** A line for those who said MONITOR. What administers the node is not shown, as in Redis. */
  show(client: GatedClient, row: CommandRow, args: readonly Buffer[]): void {
    if (this.watchers.size === 0 || row.flags.includes('admin')) return;
    const now = this.clock.unixMicroseconds();
    const seconds = Math.floor(now / 1e6);
    const words = withoutSecrets(args).map(quoted).join(' ');
    const line = new StatusReply(`${seconds}.${String(now % 1e6).padStart(6, '0')} [0 ${client.address}] ${words}`);
    for (const watcher of this.watchers) watcher.tell(line);
  }

  private releaseAll(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const client of waiting) client.release();
  }

  private arm(): void {
    clearTimeout(this.timer);
    const leftMs = this.pausedUntilMs - this.clock.monotonicMs();
    if (leftMs <= 0) return this.unpause();
    this.timer = setTimeout(() => this.arm(), Math.min(Math.ceil(leftMs), 2 ** 31 - 1)).unref();
  }

  private judge(): void {
    this.isActive = this.watchers.size > 0 || this.paused !== undefined || this.isStarting;
  }
}

const escapes: Readonly<Record<number, string>> = {
  0x0a: '\\n',
  0x0d: '\\r',
  0x09: '\\t',
  0x07: '\\a',
  0x08: '\\b',
  0x22: '\\"',
  0x5c: '\\\\',
};

/** In double quotes, what is not printable escaped (`sdscatrepr` in Redis' src/sds.c). */
function quoted(argument: Buffer): string {
  let text = '"';
  for (const byte of argument) {
    text += escapes[byte] ?? (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`);
  }
  return `${text}"`;
}
