/**
 * Many clients of one node, a tenth of whom ask for a great deal and hardly read: what is kept for them is bounded, and the others wait no more than twice as long as without them, in the 99th percentile.
 * 1,000 clients and 100 slow ones; with TORC_FULL=1 10,000 and 1,000, and only there the waits are judged.
 */
import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { startNode } from '../harness/processes.js';
import { until } from '../harness/until.js';
import { RawClient } from './raw-client.js';

const isFull = process.env['TORC_FULL'] === '1';
const clientCount = isFull ? 10_000 : 1000;
const slowCount = clientCount / 10;
/** Of the others, at a time. */
const concurrency = 16;
const asksPerRound = isFull ? 20_000 : 5000;
const roundsMax = 6;
/** Each slow reader asks for this many values of this many bytes before it has read the first. */
const slowAsks = 1000;
const valueBytes = 10_000;
/** Each reads what its system has taken in so often. */
const sipEveryMs = 1000;
const sippersAtOnce = Math.ceil(slowCount / 250);
/** Kept for one of them: replies to all that came in one piece, which here share the bytes of one value. */
const keptBytesMax = 3 * 1024 * 1024;

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]);
}

/** Hundredths of a second that the process has run. */
async function cpuTicks(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

class Other {
  private answered: () => void = () => undefined;

  private constructor(private readonly socket: Socket) {
    socket.on('data', () => this.answered());
    socket.on('error', () => undefined);
  }

  static async connect(port: number): Promise<Other> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new Other(socket);
  }

  /** How long a small GET took, ms. */
  async ask(): Promise<number> {
    const beganMs = performance.now();
    const over = new Promise<void>((resolve) => (this.answered = resolve));
    this.socket.write('*2\r\n$3\r\nGET\r\n$5\r\nsmall\r\n');
    await over;
    return performance.now() - beganMs;
  }

  end(): void {
    this.socket.destroy();
  }
}

/** All of them in turn, so many at a time. */
async function percentile99(others: readonly Other[], asks: number): Promise<number> {
  const times: number[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < asks) times.push(await (others[next++ % others.length] as Other).ask());
    }),
  );
  return times.sort((x, y) => x - y)[Math.floor(times.length * 0.99)] as number;
}

async function inPortions<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  while (made.length < count) made.push(...(await Promise.all(Array.from({ length: Math.min(200, count - made.length) }, make))));
  return made;
}

/** A client that has asked for far more than it has read. */
async function slowReader(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.pause();
  const ask = '*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n';
  socket.write(ask.repeat(slowAsks));
  return socket;
}

/** Reads a little of what has come. */
const sip = (socket: Socket): void => void socket.read();

test('a tenth of the clients hardly read: memory is bounded, and the others hardly notice', async (t: ExecutionContext) => {
  t.timeout(600_000);
  const node = await startNode({ maxclients: String(clientCount + 10) });
  t.teardown(() => node.stop());
  const admin = await RawClient.connect(node.port);
  t.teardown(() => admin.end());
  t.deepEqual(await admin.ask(['SET', 'small', 'v'], ['SET', 'large', 'x'.repeat(valueBytes)]), ['+OK', '+OK']);
  const others = await inPortions(clientCount - slowCount, () => Other.connect(node.port));
  t.teardown(() => others.forEach((other) => other.end()));
  const { pid } = node.server(0);
  await percentile99(others, asksPerRound); // warm
  const rounds: string[] = [];
  let best = Infinity;
  for (let round = 0; round < roundsMax && best > 2; round++) {
    const alone = await percentile99(others, asksPerRound);
    const before = await residentBytes(pid);
    const slow = await inPortions(slowCount, () => slowReader(node.port));
    let ticks = -1;
    await until(async () => ticks === (ticks = await cpuTicks(pid)), 'what they asked for has been taken in, as far as it will be');
    // They go on reading a little all the while, each in its own time: all at once would be a load that comes in bursts, in this process too.
    let going = true;
    const sipping = (async () => {
      for (let at = 0; going; at = (at + sippersAtOnce) % slowCount) {
        for (const socket of slow.slice(at, at + sippersAtOnce)) sip(socket);
        await new Promise((resolve) => setTimeout(resolve, (sipEveryMs * sippersAtOnce) / slowCount)); // a slow reader is slow by the clock
      }
    })();
    const together = await percentile99(others, asksPerRound);
    going = false;
    await sipping;
    const clients = (await admin.ask(['INFO', 'clients']))[0] ?? '';
    t.true(clients.includes(`connected_clients:${clientCount + 1}\r\n`), clients);
    const grown = (await residentBytes(pid)) - before;
    for (const socket of slow) socket.destroy();
    for (const socket of slow) if (!socket.closed) await once(socket, 'close');
    const left = `connected_clients:${clientCount - slowCount + 1}\r\n`;
    await until(async () => (await admin.ask(['INFO', 'clients']))[0]?.includes(left) === true, 'the slow ones have left');
    best = Math.min(best, together / alone);
    const asked = slowCount * slowAsks * valueBytes;
    rounds.push(
      `p99 ${alone.toFixed(1)} ms alone, ${together.toFixed(1)} ms beside them; ${(grown / 2 ** 20).toFixed(0)} MiB more of ${(asked / 2 ** 20).toFixed(0)} asked for`,
    );
    t.true(grown < slowCount * keptBytesMax, rounds.at(-1));
  }
  t.log(rounds.join('\n'));
  if (isFull) t.true(best <= 2, rounds.join('\n'));
});
