/**
 * Generated request streams (request-stream.ts), well-formed and broken, sent to a server process whole, byte by byte and cut at random places, over many
 * connections at once: the bytes that come back are those that redis-server gives for the whole stream, nothing crashes, and nothing is left behind:
 * memory after garbage collection, open files and connections are what they were.
 *
 * TORC_STREAMS (default 4000) is how many; 1000000 is the long run, about 20 minutes. TORC_STREAM_SEED repeats one.
 */
import { readdirSync } from 'node:fs';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test from 'ava';
import { WeighedServer } from '../harness/heap-figures.js';
import { patient, redisServer, requireRedisTools, startNode } from '../harness/processes.js';
import { until } from '../harness/until.js';
import { SeededRandom } from '../simulation/random.js';
import { RawClient } from './raw-client.js';
import { type RequestStream, RequestStreams } from './request-stream.js';

const streams = Number(process.env['TORC_STREAMS'] ?? 4000);
const seed = Number(process.env['TORC_STREAM_SEED'] ?? 1);
const lanes = 32;
const replyTimeoutMs = 20_000;
/** What the heap may be more at the end than after the first tenth. */
const heldBytesMax = 12 * 1024 * 1024;

/** A connection that is made again when the server has closed it. */
class Wire {
  private socket: Socket | undefined;
  connections = 0;

  constructor(private readonly port: number) {}

  /** All that comes back. Each piece is sent by itself, in a turn of its own. */
  async exchange({ bytes, lastReply }: RequestStream, cuts: readonly number[]): Promise<Buffer> {
    const socket = await this.open();
    const came: Buffer[] = [];
    // Of silence: hundreds of pieces, a turn each, take their time where this process is short of it.
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => {
        const [sent, got] = [bytes, Buffer.concat(came)].map((each) => JSON.stringify(each.toString('latin1')));
        reject(new Error(`${sent} in ${cuts.length + 1} pieces to port ${this.port}: after ${replyTimeoutMs} ms only ${got}`));
      }, replyTimeoutMs);
      const finish = (): void => {
        clearTimeout(timer);
        timer = undefined;
        socket.off('data', take).off('close', closed);
        resolve();
      };
      const take = (chunk: Buffer): void => {
        timer?.refresh();
        came.push(chunk);
        if (Buffer.concat(came.slice(-2)).subarray(-lastReply.length).equals(lastReply)) finish();
      };
      const closed = (): void => {
        this.socket = undefined;
        finish();
      };
      socket.on('data', take).once('close', closed);
    });
    let from = 0;
    for (const to of [...cuts, bytes.length]) {
      if (socket.writable) socket.write(bytes.subarray(from, to));
      timer?.refresh();
      from = to;
      if (to < bytes.length) await new Promise(setImmediate);
    }
    await over;
    return Buffer.concat(came);
  }

  end(): void {
    this.socket?.destroy();
  }

  private async open(): Promise<Socket> {
    if (this.socket !== undefined) return this.socket;
    const socket = connect({ port: this.port, host: '127.0.0.1', noDelay: true });
    socket.on('error', () => socket.destroy()); // what was sent after the server had closed it
    await once(socket, 'connect');
    this.connections++;
    return (this.socket = socket);
  }
}

const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

test('streams of requests, well-formed and not, however they are cut, are answered as by redis-server, and nothing is left behind', async (t) => {
  if (!requireRedisTools(t)) return;
  t.timeout(120_000 + 10 * streams);
  const [torc, redis] = await Promise.all([startNode(patient), redisServer()]);
  t.teardown(() => Promise.all([torc.stop(), redis.stop()]));
  const weighed = await WeighedServer.inPlaceOf(torc, 0);
  const { server } = weighed;
  t.teardown(() => server.stop());

  const random = new SeededRandom(seed);
  let sent = 0;
  let pieces = 0;
  let connections = 0;
  let filesBefore = 0;
  /** Each lane has keys, two connections and streams of its own. */
  const run = async (share: number, phase: number): Promise<void> => {
    const one = async (lane: number): Promise<void> => {
      const source = new RequestStreams(lane, random.fork(`${phase}.${lane}`));
      const [ours, theirs] = [new Wire(server.port), new Wire(redis.port)];
      for (let i = 0; i < share / lanes; i++) {
        const stream = source.next();
        const cuts = source.cuts(stream.bytes.length);
        const [reply, expected] = await Promise.all([ours.exchange(stream, cuts), theirs.exchange(stream, [])]);
        if (!reply.equals(expected))
          throw new Error(
            `seed ${seed}: ${JSON.stringify(stream.bytes.toString('latin1'))} in ${cuts.length + 1} pieces:\n${JSON.stringify(reply.toString('latin1'))} and not\n${JSON.stringify(expected.toString('latin1'))}`,
          );
        sent++;
        pieces += cuts.length + 1;
      }
      connections += ours.connections;
      ours.end();
      theirs.end();
    };
    await Promise.all(Array.from({ length: lanes }, (_, lane) => one(lane)));
  };
  const looker = await RawClient.connect(server.port);
  const alone = (): Promise<void> =>
    until(async () => (await looker.ask(['INFO', 'clients']))[0]?.includes('connected_clients:1\r\n') === true, 'one client is left');

  await run(streams / 10, 0);
  await alone();
  filesBefore = openFiles(server.pid);
  const before = await weighed.figures();
  await run((9 * streams) / 10, 1);
  await alone();
  const after = await weighed.figures();
  const megabytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MB`;
  t.log(
    `${sent} streams in ${pieces} pieces over ${connections} connections; held ${megabytes(before.heldBytes)}, then ${megabytes(after.heldBytes)}; resident ${megabytes(before.residentBytes)}, then ${megabytes(after.residentBytes)}`,
  );
  t.true(after.heldBytes - before.heldBytes < heldBytesMax, `${after.heldBytes - before.heldBytes} bytes more`);
  t.true(openFiles(server.pid) <= filesBefore + 8, `${filesBefore} open files, then ${openFiles(server.pid)}`); // the log and RocksDB come and go
  t.deepEqual(await looker.ask(['PING']), ['+PONG']);
  t.true(server.running);
  await looker.end();
});
