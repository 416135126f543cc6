/**
 * The smallest cluster that uses every seam, to test the simulation itself: each node keeps a connection to every other, sends numbered
 * lines, answers a line with the same line after appending it to its log and syncing, and connects anew when a stream closes.
 */
import type { PeerAddress, PeerStream, PeerStreamEvents } from '../../cluster/transport.js';
import { StorageError } from '../../storage/engine.js';
import { SeededRandom } from './random.js';
import { Scheduler } from './simulated-clock.js';
import { SimulatedDisk } from './simulated-disk.js';
import { SimulatedNetwork, type NetworkSettings } from './simulated-network.js';

export const addressOf = (node: string): PeerAddress => ({ host: node, port: 16379 });

/** Splits a byte stream into lines, however it is cut. */
export function lineReader(line: (text: string) => void): (chunk: Buffer) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(line);
  };
}

export class EchoCluster {
  readonly nodes: readonly string[];
  readonly scheduler = new Scheduler();
  readonly random: SeededRandom;
  readonly network: SimulatedNetwork;
  readonly disks: ReadonlyMap<string, SimulatedDisk>;
  /** Lines that came back to where they were sent from. */
  echoes = 0;
  /** Lines that came on one stream out of order, or damaged. */
  readonly disorder: string[] = [];
  #stopped = false;
  #streams = 0;

  constructor(seed: number, nodes: readonly string[] = ['a', 'b', 'c'], settings: Partial<NetworkSettings> = {}) {
    this.nodes = nodes;
    this.random = new SeededRandom(seed);
    this.network = new SimulatedNetwork(this.scheduler, this.random, settings);
    nodes.forEach((node, at) => this.scheduler.clockFor(node, { skewMs: at * 100, driftPpm: at * 50 }));
    this.disks = new Map(nodes.map((node) => [node, new SimulatedDisk(this.scheduler, this.random, node)]));
  }

  /** Nothing more is sent. */
  stop(): void {
    this.#stopped = true;
  }

  start(node: string): void {
    const clock = this.scheduler.clockFor(node);
    const transport = this.network.transportFor(node, addressOf(node));
    const log = this.disks.get(node)?.logFiles().open('log');
    transport.listen((stream) => {
      let last = 0;
      const lines = lineReader((line) => {
        const number = Number(line);
        if (number !== last + 1) this.disorder.push(`${node} received ${line} after ${last}`);
        last = number;
        void this.#keepAndAnswer(log, line, stream);
      });
      return { data: lines, closed: () => undefined };
    });
    const connect = (peer: string): void => {
      let sent = 0;
      let back = 0;
      let stream: PeerStream | undefined;
      const id = ++this.#streams;
      const again = (): void => void clock.after(100, () => connect(peer));
      const send = (): void => {
        if (stream === undefined || this.#stopped) return;
        // Two writes of one turn, the second one at its end.
        stream.write([Buffer.from(`${++sent}\n`)]);
        const now = stream;
        clock.atTurnEnd(() => now.write([Buffer.from(`${++sent}`), Buffer.from('\n')]));
        clock.after(20, send);
      };
      const events: PeerStreamEvents = {
        data: lineReader((line) => {
          if (Number(line) !== back + 1) this.disorder.push(`${node} got ${line} back after ${back} on stream ${id}`);
          back = Number(line);
          this.echoes++;
        }),
        closed: () => {
          stream = undefined;
          again();
        },
      };
      const opened = (now: PeerStream): void => {
        stream = now;
        send();
      };
      transport.connect(addressOf(peer), events, opened, again);
    };
    for (const peer of this.nodes) if (peer !== node) connect(peer);
  }

  async #keepAndAnswer(
    log: ReturnType<ReturnType<SimulatedDisk['logFiles']>['open']> | undefined,
    line: string,
    stream: PeerStream,
  ): Promise<void> {
    const file = await log;
    const bytes = Buffer.from(`${line}\n`);
    if (file === undefined || file.append(bytes) < bytes.length) throw new StorageError('IO', 'the log is full');
    await file.sync();
    stream.write([bytes]);
  }
}
