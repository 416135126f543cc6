/**
 * Free ports for real servers. A Torc node on client port P also listens on P+10000 (peers) and P+2000 (HTTP), so all three must be free.
 *
 * Between the look at a port and its server's own bind half a second may pass, in which tests that run side by side must not be handed the same one.
 * So ports come in blocks, and who listens on a block's port of claim has the block for as long as its process lives.
 *
 * Invariant: no two processes are handed the same port at one time, nor one process the same port twice.
 */
import { createServer, type Server } from 'node:net';

const peerPortOffset = 10_000;
const httpPortOffset = 2_000;

/** Client ports come from these ranges of 2000: what belongs to one meets no other, and all stay below Linux' ephemeral range (32768 and up). */
const firstPorts = [10_100, 14_100];
const blockPorts = 50;
const blocksOfRange = httpPortOffset / blockPorts;
const blocks = firstPorts.length * blocksOfRange;
const firstClaimPort = 30_000;

const held: Server[] = [];
const tried = new Set<number>();
let nextPort = 0;
let endPort = 0;
let queue: Promise<unknown> = Promise.resolve();

/** A port P with P, P+2000 and P+10000 free on 127.0.0.1. Rejects when no block of ports is left. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port as number;
}

/** `count` ports as freePort() finds them. */
export function freePorts(count: number): Promise<number[]> {
  return inTurn(async () => {
    const ports: number[] = [];
    while (ports.length < count) {
      if (nextPort === endPort) await claimBlock();
      const port = nextPort++;
      if (await nodeFits(port)) ports.push(port);
    }
    return ports;
  });
}

/** The first of `count` consecutive free ports, at most 50. */
export function firstOfFreePorts(count: number): Promise<number> {
  return inTurn(async () => {
    for (;;) {
      if (nextPort + count > endPort) await claimBlock();
      const first = nextPort;
      nextPort += count;
      const ports = Array.from({ length: count }, (_, index) => first + index);
      if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first;
    }
  });
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

/** One after the other: a look takes a while, and another call may come meanwhile. */
function inTurn<T>(look: () => Promise<T>): Promise<T> {
  const result = queue.then(look);
  queue = result.catch(() => undefined);
  return result;
}

async function claimBlock(): Promise<void> {
  for (let looked = 0; looked < blocks; looked++) {
    const block = (process.pid + looked) % blocks;
    if (tried.has(block)) continue;
    tried.add(block);
    const claim = await listenOn(firstClaimPort + block);
    if (claim === undefined) continue;
    held.push(claim.unref());
    nextPort = (firstPorts[Math.floor(block / blocksOfRange)] as number) + (block % blocksOfRange) * blockPorts;
    endPort = nextPort + blockPorts;
    return;
  }
  throw new Error(`none of ${blocks} blocks of ports is left`);
}

function listenOn(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
  });
}

async function isFree(port: number): Promise<boolean> {
  const server = await listenOn(port);
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}
