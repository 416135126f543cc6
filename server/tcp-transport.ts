/** Peer streams over TCP. */
import { lookup } from 'node:dns';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type SecureContextOptions, type Server as TlsServer } from 'node:tls';
import { ReadBudget, readShared } from './shared-read-buffer.js';
import { SocketOutput } from './socket-output.js';
import { askedForCertificate, refusesUntrusted, tlsHandshakeTimeoutMs } from './tls-files.js';
import type { PeerAddress, PeerStream, PeerStreamEvents, Transport } from '../cluster/transport.js';

const connectTimeoutMs = 2000;
/** Handed over in one turn, to each of several peers. */
const pieceBytes = 512 * 1024;
/** Read in one turn of what all peers send. */
const peerReads = new ReadBudget(1024 * 1024);

/** Mutual TLS between nodes: each has to show a certificate of the authorities. Names in it are not looked at: nodes move, and the authority is the cluster's own. */
export interface PeerTls {
  readonly options: SecureContextOptions;
  onReload(listener: (options: SecureContextOptions) => void): void;
  /** A hand-shake failed; `address` is that of the other side. */
  refused(address: string, reason: string): void;
}

function streamOf(socket: Socket): PeerStream {
  const output = new SocketOutput(socket, undefined, pieceBytes);
  let isClosed = false;
  return {
    get bufferedBytes() {
      return output.untakenBytes;
    },
    write(chunks) {
      if (socket.destroyed || socket.writableEnded || isClosed) return;
      let bytes = 0;
      for (const { length } of chunks) bytes += length;
      output.write(chunks, bytes);
    },
    close() {
      isClosed = true;
      output.end();
      // What cannot be sent within a moment is of no use to anyone.
      setTimeout(() => socket.destroy(), 1000).unref();
    },
  };
}

/** `data` events aside: a socket that was accepted reads into the shared buffer. */
function listenTo(socket: Socket, events: PeerStreamEvents): void {
  let reason = 'closed by the peer';
  socket.on('error', (error) => (reason = error.message));
  socket.on('close', () => events.closed(reason));
}

export class TcpTransport implements Transport {
  private readonly servers: Server[] = [];
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly tls: PeerTls | undefined) {}

  /** Binds every address at once, so that a taken port is known before the node starts. Rejects with the system's error. */
  static async bind(addresses: readonly string[], port: number, tls?: PeerTls): Promise<TcpTransport> {
    const transport = new TcpTransport(tls);
    for (const host of addresses) {
      const server = tls === undefined ? createServer({ noDelay: true, pauseOnConnect: true }) : tlsServer(tls);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port }, resolve);
      });
      // Whoever dials before this node listens (it replays its log) would wait for a welcome: it dials again.
      server.on(connectionEvent(tls), refuse);
      transport.servers.push(server);
    }
    return transport;
  }

  resolve(host: string, found: (addresses: readonly string[]) => void): void {
    lookup(host, { all: true }, (error, addresses) => found(error === null ? addresses.map(({ address }) => address) : []));
  }

  connect(address: PeerAddress, events: PeerStreamEvents, opened: (stream: PeerStream) => void, failed: (reason: string) => void): void {
    const { tls } = this;
    const to = { host: address.host, port: address.port, noDelay: true, timeout: connectTimeoutMs };
    const socket =
      tls === undefined
        ? connect(to)
        : connectTls({ ...to, ...tls.options, rejectUnauthorized: true, checkServerIdentity: () => undefined });
    let isConnected = false;
    const give = (error: Error): void => {
      socket.destroy();
      if (tls !== undefined && isConnected) tls.refused(`${address.host}:${address.port}`, error.message);
      failed(error.message);
    };
    socket.once('connect', () => (isConnected = true));
    socket.once('error', give);
    socket.once('timeout', () => give(new Error('timed out')));
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      socket.off('error', give);
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
      this.keep(socket);
      socket.on('data', (chunk) => events.data(chunk));
      listenTo(socket, events);
      opened(streamOf(socket));
    });
  }

  listen(accept: (stream: PeerStream) => PeerStreamEvents): void {
    for (const server of this.servers) {
      const { tls } = this;
      server.off(connectionEvent(tls), refuse);
      server.on(connectionEvent(tls), (accepted: Socket) => {
        if (tls !== undefined && refusesUntrusted(accepted, tls)) return;
        const socket = readShared(accepted, (chunk, isBorrowed) => events.data(isBorrowed ? Buffer.from(chunk) : chunk), peerReads);
        this.keep(socket);
        const events: PeerStreamEvents = accept(streamOf(socket));
        listenTo(socket, events);
      });
    }
  }

  /** Accepts nothing more and breaks every stream. */
  close(): void {
    for (const server of this.servers) server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
  }
}

function connectionEvent(tls: PeerTls | undefined): 'connection' | 'secureConnection' {
  return tls === undefined ? 'connection' : 'secureConnection';
}

function refuse(accepted: Socket): void {
  accepted.on('error', () => undefined);
  accepted.destroy();
}

function tlsServer(tls: PeerTls): TlsServer {
  const server = createTlsServer({ ...tls.options, ...askedForCertificate, noDelay: true, handshakeTimeout: tlsHandshakeTimeoutMs });
  server.on('tlsClientError', (error, socket) => {
    tls.refused(socket.remoteAddress ?? '?', error.message);
    socket.destroy(); // a hand-shake that never ends leaves it open
  });
  tls.onReload((options) => server.setSecureContext(options));
  return server;
}
