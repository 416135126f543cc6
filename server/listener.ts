/** Accepts clients: up to `maxclients`, with keep-alive, and closed when idle for longer than `timeout` or not taking what it is sent. */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type SecureContextOptions } from 'node:tls';
import { Connection } from './connection.js';
import { linger } from './linger.js';
import type { ServerState } from './server-state.js';
import { ReadBudget, readShared } from './shared-read-buffer.js';
import { askedForCertificate, refusesUntrusted, tlsHandshakeTimeoutMs } from './tls-files.js';

/** Its beginning is Redis': tools look for it. */
const protectedMode =
  '-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted ' +
  'from the loopback interface. Set a password (requirepass, or ACL SETUSER default from this machine), or, where the network keeps strangers out, protected-mode no.\r\n';

/** Read in one turn of what all clients send. */
const clientReads = new ReadBudget(512 * 1024);

/** How often each client is looked at whether it is still to be kept. */
const reviewMs = 1000;

const isLoopback = (address: string): boolean => /^(::ffff:)?127\.|^::1$/.test(address);

/** Clients by TLS. */
export interface ClientTls {
  readonly port: number;
  readonly options: SecureContextOptions;
  readonly authClients: 'yes' | 'no' | 'optional';
  onReload(listener: (options: SecureContextOptions) => void): void;
  /** A hand-shake failed. */
  refused(address: string, reason: string): void;
}

export interface ListenerOptions {
  readonly addresses: readonly string[];
  /** 0 = none but TLS's. */
  readonly port: number;
  readonly tls: ClientTls | undefined;
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
  private readonly reviewing: NodeJS.Timeout;

  private constructor(
    private readonly options: ListenerOptions,
    private readonly state: ServerState<Connection>,
  ) {
    this.reviewing = setInterval(() => this.review(performance.now()), reviewMs).unref();
  }

  /** Listens on every address. Rejects with the system's error. */
  static async open(options: ListenerOptions, state: ServerState<Connection>): Promise<Listener> {
    const listener = new Listener(options, state);
    for (const host of options.addresses) {
      if (options.port !== 0)
        await listener.listen(
          createServer({ noDelay: true, pauseOnConnect: true, allowHalfOpen: true }, (socket) => listener.accept(socket)),
          host,
          options.port,
        );
      if (options.tls !== undefined) await listener.listen(listener.tlsServer(options.tls), host, options.tls.port);
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

  /** Ends each connection that has been idle for too long, or has left replies for too long. `nowMs` is of the monotonic clock. */
  review(nowMs: number): void {
    const idleMsMax = 1000 * this.options.idleTimeoutSeconds();
    for (const connection of this.connections.keys()) connection.review(nowMs, idleMsMax);
  }

  /** Accepts nothing more, and ends each connection once what it asked is answered. Those that have not ended after `limitMs` are cut. */
  async finish(limitMs: number): Promise<void> {
    clearInterval(this.reviewing);
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

  private async listen(server: Server, host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog: this.options.backlog }, resolve);
    });
    this.servers.push(server);
  }

  private tlsServer(tls: ClientTls): Server {
    const server = createTlsServer(
      {
        ...tls.options,
        ...(tls.authClients === 'no' ? {} : askedForCertificate),
        noDelay: true,
        allowHalfOpen: true,
        handshakeTimeout: tlsHandshakeTimeoutMs,
      },
      (socket) => {
        const isUntrusted = tls.authClients !== 'no' && refusesUntrusted(socket, tls, tls.authClients === 'optional');
        if (isUntrusted) this.state.statistics.rejectedConnections++;
        else this.accept(socket);
      },
    );
    server.on('tlsClientError', (error, socket) => {
      this.state.statistics.rejectedConnections++;
      tls.refused(socket.remoteAddress ?? '?', error.message);
      socket.destroy(); // a hand-shake that never ends leaves it open
    });
    tls.onReload((options) => server.setSecureContext(options));
    return server;
  }

  private refuse(accepted: Socket, reason: string): void {
    this.state.statistics.rejectedConnections++;
    accepted.on('error', () => accepted.destroy());
    linger(accepted);
    accepted.end(reason);
    accepted.resume();
  }

  private accept(accepted: Socket): void {
    if (this.connections.size >= this.options.clientsMax()) {
      this.refuse(accepted, '-ERR max number of clients reached\r\n');
      return;
    }
    if (this.options.isProtected() && !isLoopback(accepted.remoteAddress ?? '')) {
      this.refuse(accepted, protectedMode);
      return;
    }
    this.state.statistics.connectionsReceived++;
    const socket = readShared(accepted, (chunk, isBorrowed) => connection.data(chunk, isBorrowed), clientReads);
    const keepalive = this.options.keepaliveSeconds();
    if (keepalive > 0) socket.setKeepAlive(true, keepalive * 1000);
    const connection: Connection = new Connection(this.nextId++, socket, this.state);
    this.connections.set(connection, socket);
  }
}
