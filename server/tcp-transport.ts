/** Peer streams over TCP. */
import { lookup } from 'node:dns';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { readShared } from './shared-read-buffer.js';
import type { PeerAddress, PeerStream, PeerStreamEvents, Transport } from '../cluster/transport.js';

const connectTimeoutMs = 2000;

function streamOf(socket: Socket): PeerStream {
  return {
    get bufferedBytes() {
      return socket.writableLength;
    },
    write(chunks) {
      if (socket.destroyed || socket.writableEnded) return;
      const [only] = chunks;
      if (only !== undefined && chunks.length === 1) {
        socket.write(only);
        return;
      }
      socket.cork();
      for (const chunk of chunks) socket.write(chunk);
      socket.uncork();
    },
    close() {
      socket.end();
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

  private constructor() {}

  /** Binds every address at once, so that a taken port is known before the node starts. Rejects with the system's error. */
  static async bind(addresses: readonly string[], port: number): Promise<TcpTransport> {
    const transport = new TcpTransport();
    for (const host of addresses) {
      const server = createServer({ noDelay: true, pauseOnConnect: true });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port }, resolve);
      });
      transport.servers.push(server);
    }
    return transport;
  }

  resolve(host: string, found: (addresses: readonly string[]) => void): void {
    lookup(host, { all: true }, (error, addresses) => found(error === null ? addresses.map(({ address }) => address) : []));
  }

  connect(address: PeerAddress, events: PeerStreamEvents, opened: (stream: PeerStream) => void, failed: (reason: string) => void): void {
    const socket = connect({ host: address.host, port: address.port, noDelay: true, timeout: connectTimeoutMs });
    const give = (error: Error): void => {
      socket.destroy();
      failed(error.message);
    };
    socket.once('error', give);
    socket.once('timeout', () => give(new Error('timed out')));
    socket.once('connect', () => {
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
      server.on('connection', (accepted) => {
        const socket = readShared(accepted, (chunk) => events.data(chunk));
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
