/**
 * Free ports for real servers. A Torc node on client port P also listens on P+10000 (peers) and P+2000 (HTTP), so all three must be free.
 *
 * Invariant: one process is never handed the same port twice, and starts looking at a place of its own, so that tests running
 * side by side seldom meet. Between the look and the server's own bind another program may still take the port; the server then says so.
 */
import { createServer } from 'node:net';

const peerPortOffset = 10_000;
const httpPortOffset = 2_000;

/** Client ports come from here, below Linux' ephemeral range (32768 and up), and P+10000 stays below 65536. */
const firstPort = 10_100;
const lastPort = 19_900;

const handedOut = new Set<number>();
let nextPort = firstPort + ((process.pid * 97) % (lastPort - firstPort));

/** A port P with P, P+2000 and P+10000 free on 127.0.0.1. Rejects when one whole round over the range finds none. */
export async function freePort(): Promise<number> {
  for (let looked = 0; looked <= lastPort - firstPort; looked++) {
    const port = nextPort;
    nextPort = port === lastPort ? firstPort : port + 1;
    const wanted = portsOf(port);
    if (wanted.some((one) => handedOut.has(one))) continue;
    if (await nodeFits(port)) {
      for (const one of wanted) handedOut.add(one);
      return port;
    }
  }
  throw new Error(`no free port between ${firstPort} and ${lastPort}`);
}

/** `count` ports as freePort() finds them. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

/** The first of `count` consecutive free ports. */
export async function firstOfFreePorts(count: number): Promise<number> {
  for (let looked = 0; looked <= lastPort - firstPort; looked += count) {
    if (nextPort + count > lastPort) nextPort = firstPort;
    const first = nextPort;
    nextPort += count; // before the look, which takes a while: another call may come meanwhile
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if (ports.some((one) => handedOut.has(one)) || !(await Promise.all(ports.map(isFree))).every(Boolean)) continue;
    for (const one of ports) handedOut.add(one);
    return first;
  }
  throw new Error(`no ${count} consecutive free ports between ${firstPort} and ${lastPort}`);
}

/** The port on which a node of client port P listens for its peers; seeds name it. */
export function peerPortOf(port: number): number {
  return port + peerPortOffset;
}

/** Whether a node of client port P could listen on all its ports now. */
export async function nodeFits(port: number): Promise<boolean> {
  return (await Promise.all(portsOf(port).map(isFree))).every(Boolean);
}

function portsOf(port: number): number[] {
  return [port, port + httpPortOffset, port + peerPortOffset];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
