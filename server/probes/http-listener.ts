/**
 * The node's HTTP port: GET and HEAD of a few fixed paths, answered from memory. Bounded against whoever reaches the port: few connections, short
 * deadlines, no bodies.
 *
 * A probe has to get through whoever holds connections open: one more than there may be ends the one that has asked for nothing for the longest time. Only where all of them
 * wait for an answer is the new one refused.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** By path. A route must not block: it runs on the event loop that serves commands. */
export type HttpRoutes = ReadonlyMap<string, () => HttpAnswer | Promise<HttpAnswer>>;

const connectionsMax = 256;
const requestTimeoutMs = 5000;
/** How often Node looks for requests that take longer than that. */
const timeoutLookMs = 1000;
const headerBytesMax = 8192;

export class HttpListener {
  /** Connections of which no request is being answered, the one that is so for the longest time first. */
  private readonly idle = new Set<Socket>();
  private connections = 0;

  private constructor(
    private readonly servers: readonly Server[],
    private readonly routes: HttpRoutes,
  ) {}

  /** Listens on every address. Rejects with the system's error, listening on none. */
  static async open(addresses: readonly string[], port: number, routes: HttpRoutes): Promise<HttpListener> {
    const servers = addresses.map(() =>
      createServer({
        requestTimeout: requestTimeoutMs,
        headersTimeout: requestTimeoutMs,
        connectionsCheckingInterval: timeoutLookMs,
        maxHeaderSize: headerBytesMax,
      }),
    );
    const listener = new HttpListener(servers, routes);
    try {
      for (const [index, server] of servers.entries()) {
        server.on('connection', (socket: Socket) => listener.connected(socket));
        server.on('request', (request: IncomingMessage, response: ServerResponse) => void listener.answer(request, response));
        await new Promise<void>((resolve, reject) => {
          server.once('error', reject);
          server.listen({ host: addresses[index], port }, resolve);
        });
      }
    } catch (error) {
      listener.close();
      throw error;
    }
    return listener;
  }

  /** Ends every connection now. */
  close(): void {
    for (const server of this.servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  private connected(socket: Socket): void {
    this.connections++;
    this.idle.add(socket);
    socket.once('close', () => {
      this.connections--;
      this.idle.delete(socket);
    });
    if (this.connections <= connectionsMax) return;
    const [oldest] = this.idle;
    oldest?.destroy();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    this.idle.delete(socket);
    response.once('close', () => {
      if (!socket.destroyed) this.idle.add(socket);
    });
    const { method, url = '' } = request;
    const route = this.routes.get(url.split('?', 1)[0] ?? '');
    if (route === undefined)
      return send(response, refused(404, `nothing is at this path; there are ${[...this.routes.keys()].join(', ')}`));
    if (method !== 'GET' && method !== 'HEAD') return send(response, refused(405, 'only GET and HEAD are answered'));
    try {
      send(response, await route());
    } catch (error) {
      send(response, refused(500, error instanceof Error ? error.message : String(error)));
    }
  }
}

function refused(status: number, reason: string): HttpAnswer {
  return { status, contentType: 'application/json', body: `${JSON.stringify({ ok: false, reason })}\n` };
}

function send(response: ServerResponse, { status, contentType, body }: HttpAnswer): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body), 'cache-control': 'no-store' });
  response.end(body); // Node leaves it out of the answer to HEAD
}
