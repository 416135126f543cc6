/** Accepts clients: up to `maxclients`, with keep-alive, and closed when idle for longer than `timeout`. */
import { createServer, type Server, type Socket } from 'node:net';
import { Connection, type ServerState } from './connection.js';
import { readShared } from './shared-read-buffer.js';

/** Its beginning is Redis': tools look for it. */
const protectedMode =
  '-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted ' +
  'from the loopback interface. Set a password (requirepass, or ACL SETUSER default from this machine), or, where the network keeps strangers out, protected-mode no.\r\n';

const isLoopback = (address: string): boolean => /^(::ffff:)?127\.|^::1$/.test(address);

export interface ListenerOptions {
  readonly addresses: readonly string[];
  readonly port: number;
  readonly backlog: number;
  readonly clientsMax: () => number;
  readonly idleTimeoutSeconds: () => number;
  readonly keepaliveSeconds: () => number;
  /** Only clients on this machine are taken: user default has no password. */
  readonly isProtected: () => boolean;
}

export class Listener {
  private readonly servers: Server[] = [];
  private readonly connections = new Map<Connection, Socket>();
  private nextId = 1;
  private whenEmpty: () => void = () => undefined;

  private constructor(
    private readonly options: ListenerOptions,
    private readonly state: ServerState,
  ) {}

  /** Listens on every address. Rejects with the system's error. */
  static async open(options: ListenerOptions, state: ServerState): Promise<Listener> {
    const listener = new Listener(options, state);
    for (const host of options.addresses) {
      const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => listener.accept(socket));
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port: options.port, backlog: options.backlog }, resolve);
      });
      listener.servers.push(server);
    }
    return listener;
  }

  clients(): Connection[] {
    return [...this.connections.keys()];
  }

  get size(): number {
    return this.connections.size;
  }

  forget(connection: Connection): void {
    this.connections.delete(connection);
    if (this.connections.size === 0) this.whenEmpty();
  }

  /** Accepts nothing more, and ends each connection once what it asked is answered. Those that have not ended after `limitMs` are cut. */
  async finish(limitMs: number): Promise<void> {
    for (const server of this.servers) server.close();
    for (const connection of this.clients()) connection.finish();
    if (this.connections.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, limitMs);
        this.whenEmpty = () => (clearTimeout(timer), resolve());
      });
    }
    for (const socket of this.connections.values()) socket.destroy();
  }

  private accept(accepted: Socket): void {
    const { statistics } = this.state;
    if (this.connections.size >= this.options.clientsMax()) {
      statistics.rejectedConnections++;
      accepted.on('error', () => accepted.destroy());
      accepted.end('-ERR max number of clients reached\r\n');
      return;
    }
    if (this.options.isProtected() && !isLoopback(accepted.remoteAddress ?? '')) {
      statistics.rejectedConnections++;
      accepted.on('error', () => accepted.destroy());
      accepted.end(protectedMode);
      return;
    }
    statistics.connectionsReceived++;
    const socket = readShared(accepted, (chunk) => connection.data(chunk));
    const keepalive = this.options.keepaliveSeconds();
    if (keepalive > 0) socket.setKeepAlive(true, keepalive * 1000);
    const connection: Connection = new Connection(this.nextId++, socket, this.state);
    this.connections.set(connection, socket);
    const idle = this.options.idleTimeoutSeconds();
    if (idle > 0) socket.setTimeout(idle * 1000, () => connection.close());
  }
}
