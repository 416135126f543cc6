/**
 * A simulated network between the nodes of a Scheduler. Invariant: what arrives on one direction of one stream is a prefix of what was
 * written to it, in order, cut anew at random; everything else may go wrong, and everything is drawn from the seed.
 *
 *   write -> segments, each with its time of arrival (later than the one's before it) -> pump, an event of the receiver -> data
 *
 * A blocked direction (a one-way partition) keeps its segments: it goes on when healed, as TCP sends again, or breaks when that took
 * too long. A broken stream loses all that is in flight; each side hears of it in its own time. A paused receiver's kernel goes on
 * accepting connections and bytes. A killed process' kernel ends its streams; a machine that lost its power says nothing.
 */
import { crc32 } from 'node:zlib';
import type { PeerAddress, PeerStream, PeerStreamEvents, Transport } from '../../cluster/transport.js';
import type { SeededRandom } from './random.js';
import type { CrashKind, Scheduler } from './simulated-clock.js';

export interface NetworkSettings {
  readonly latencyMinMs: number;
  /** Mean of what comes on top of the minimum. */
  readonly latencyMeanMs: number;
  /** Of a segment that takes `spikeMs` at most longer. */
  readonly spikeChance: number;
  readonly spikeMs: number;
  /** Of cutting a write, or what arrives, into several pieces. */
  readonly cutChance: number;
  /** Of letting what has arrived wait for the next segment, to be handed over as one piece. */
  readonly joinChance: number;
  readonly bytesPerMs: number;
  /** Bytes in flight that a kernel takes; more counts as the stream's bufferedBytes. */
  readonly socketBufferBytes: number;
  readonly connectTimeoutMs: number;
  /** A stalled stream breaks after something between this and four times this. */
  readonly stallBreakMs: number;
  /** A side that is not told of a break finds it out after this at most. */
  readonly lateDetectionMs: number;
}

export const defaultNetworkSettings: NetworkSettings = {
  latencyMinMs: 0.1,
  latencyMeanMs: 0.5,
  spikeChance: 0.01,
  spikeMs: 40,
  cutChance: 0.2,
  joinChance: 0.2,
  bytesPerMs: 1_000_000,
  socketBufferBytes: 256 * 1024,
  connectTimeoutMs: 3000,
  stallBreakMs: 5000,
  lateDetectionMs: 8000,
};

interface Host {
  readonly node: string;
  accept: ((stream: PeerStream) => PeerStreamEvents) | undefined;
}

/** Either the bytes to arrive, or the end of the stream with its reason. */
interface Segment {
  readonly atMs: number;
  readonly bytes: Buffer;
  readonly end: string | undefined;
}

const noBytes = Buffer.alloc(0);
const linkOf = (from: string, to: string): string => `${from}>${to}`;
const addressOf = ({ host, port }: PeerAddress): string => `${host}:${port}`;

/** One side of a stream. */
class Endpoint implements PeerStream {
  readonly network: SimulatedNetwork;
  readonly node: string;
  readonly label: string;
  peer!: Endpoint;
  /** Undefined until the connection is handed to the node. */
  events: PeerStreamEvents | undefined;
  /** Nothing more comes in or goes out; `closed` may still be on its way. */
  ended = false;
  /** On their way to this side. */
  readonly incoming: Segment[] = [];
  incomingBytes = 0;
  lastArrivalMs = 0;
  pumping = false;
  stalled = false;
  stalls = 0;

  constructor(network: SimulatedNetwork, node: string, label: string) {
    this.network = network;
    this.node = node;
    this.label = label;
  }

  get bufferedBytes(): number {
    return this.ended ? 0 : Math.max(0, this.peer.incomingBytes - this.network.settings.socketBufferBytes);
  }

  write(chunks: readonly Buffer[]): void {
    if (!this.ended) this.network.transmit(this, chunks);
  }

  close(): void {
    if (!this.ended) this.network.closeByOwner(this);
  }
}

export class SimulatedNetwork {
  readonly settings: NetworkSettings;
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #hosts = new Map<string, Host>();
  readonly #streams = new Set<Endpoint>();
  readonly #blocked = new Map<string, number>();
  readonly #slowMs = new Map<string, number>();
  readonly #dark = new Set<string>();
  /** Sides of broken streams that have not been told yet. */
  readonly #untold = new Set<Endpoint>();
  readonly #names = new Map<string, readonly string[]>();
  #count = 0;
  /** Segments that took much longer than usual, and those that were lost with their stream; streams that stood still behind a block. */
  late = 0;
  lost = 0;
  stalled = 0;

  constructor(scheduler: Scheduler, random: SeededRandom, settings: Partial<NetworkSettings> = {}) {
    this.settings = { ...defaultNetworkSettings, ...settings };
    this.#scheduler = scheduler;
    this.#random = random.fork('network');
    scheduler.onCrash((node, kind) => this.#crashed(node, kind));
  }

  /** The transport of the node's present incarnation, which listens at `address`. */
  transportFor(node: string, address: PeerAddress): Transport {
    const clock = this.#scheduler.clockFor(node);
    const alive = (): boolean => this.#scheduler.isUp(node) && this.#scheduler.clockFor(node) === clock;
    const host: Host = { node, accept: undefined };
    this.#hosts.set(addressOf(address), host);
    this.#dark.delete(node);
    return {
      resolve: (name, found) => {
        if (!alive()) return;
        this.#scheduler.schedule(node, this.settings.latencyMinMs, `${node} resolves ${name}`, () =>
          found(this.#names.get(name) ?? [name]),
        );
      },
      connect: (to, events, opened, failed) => {
        if (!alive()) return;
        const [first, ...more] = this.#names.get(to.host) ?? [to.host];
        const at = first === undefined ? to : { ...to, host: this.#random.pick([first, ...more]) };
        this.#connect(node, alive, at, events, opened, failed);
      },
      listen: (accept) => {
        if (alive()) host.accept = accept;
      },
    };
  }

  /** What a host name stands for from now on; a name that was never set stands for itself. None: it leads nowhere. */
  setName(name: string, hosts: readonly string[]): void {
    this.#names.set(name, hosts);
    this.#scheduler.note(`name ${name} is ${hosts.join()}`);
  }

  /** Nobody listens at `address` any more. */
  vacate(address: PeerAddress): void {
    this.#hosts.delete(addressOf(address));
  }

  /** Nothing from `from` reaches `to` any more; the other direction is untouched. Blocks add up. */
  block(from: string, to: string): void {
    const link = linkOf(from, to);
    this.#blocked.set(link, (this.#blocked.get(link) ?? 0) + 1);
    this.#scheduler.note(`block ${link}`);
  }

  /** Takes back one `block`; with the last one, what stalled goes on. */
  unblock(from: string, to: string): void {
    const link = linkOf(from, to);
    const blocks = (this.#blocked.get(link) ?? 0) - 1;
    if (blocks > 0) this.#blocked.set(link, blocks);
    else this.#blocked.delete(link);
    this.#scheduler.note(`unblock ${link}`);
    for (const endpoint of this.#streams) {
      if (endpoint.node !== to || endpoint.peer.node !== from || !endpoint.stalled) continue;
      endpoint.stalled = false;
      this.#pumpIn(endpoint, this.#latencyMs(from, to, 0));
    }
  }

  /** Every segment from `from` to `to` takes `extraMs` longer; 0 = as usual. */
  slow(from: string, to: string, extraMs: number): void {
    if (extraMs === 0) this.#slowMs.delete(linkOf(from, to));
    else this.#slowMs.set(linkOf(from, to), extraMs);
    this.#scheduler.note(`slow ${linkOf(from, to)} ${extraMs}`);
  }

  /** Breaks every stream between the two; both sides hear of it, either of them possibly late. They may connect again at once. */
  breakStreams(a: string, b: string): void {
    this.#scheduler.note(`break ${a} ${b}`);
    for (const endpoint of this.#streams) {
      if (endpoint.node === a && endpoint.peer.node === b) this.#break(endpoint, 'connection reset');
    }
  }

  /** Breaks only the streams that `from` opened to `to`: of two peers' streams the one that carries what `from` says. */
  breakStreamsOf(from: string, to: string): void {
    this.#scheduler.note(`break ${from} > ${to}`);
    for (const endpoint of this.#streams) {
      if (endpoint.node === from && endpoint.label.startsWith(`${linkOf(from, to)}#`)) this.#break(endpoint, 'connection reset');
    }
  }

  /** Streams with both sides still open. */
  get openStreams(): number {
    let open = 0;
    for (const endpoint of this.#streams) if (!endpoint.ended && !endpoint.peer.ended) open++;
    return open / 2;
  }

  /** Every node knows of each of its streams that broke. Until then what it sends over one arrives nowhere. */
  get allTold(): boolean {
    return this.#untold.size === 0;
  }

  /** For Endpoint only. */
  transmit(from: Endpoint, chunks: readonly Buffer[]): void {
    const to = from.peer;
    if (to.ended) return; // the other side is gone: these bytes arrive nowhere
    const bytes = Buffer.concat(chunks);
    for (const piece of this.#cut(bytes)) this.#send(from, to, piece, undefined);
  }

  /** For Endpoint only: what was written still arrives, then the end. */
  closeByOwner(endpoint: Endpoint): void {
    endpoint.ended = true;
    this.#drop(endpoint);
    this.#tell(endpoint, this.#latencyMs(endpoint.node, endpoint.node, 0), 'closed here');
    if (!endpoint.peer.ended) this.#send(endpoint, endpoint.peer, noBytes, 'closed by the peer');
  }

  #connect(
    node: string,
    alive: () => boolean,
    to: PeerAddress,
    events: PeerStreamEvents,
    opened: (stream: PeerStream) => void,
    failed: (reason: string) => void,
  ): void {
    const name = `${node}->${addressOf(to)}`;
    const fail = (delayMs: number, reason: string): void => {
      this.#scheduler.schedule(node, delayMs, `connect ${name} fails: ${reason}`, () => failed(reason));
    };
    const target = this.#hosts.get(addressOf(to));
    if (target === undefined) return fail(this.settings.connectTimeoutMs, 'timed out');
    const label = `${node}>${target.node}#${++this.#count}`;
    // An event of nobody's: the kernels shake hands, whatever their processes do.
    this.#scheduler.schedule(undefined, this.#latencyMs(node, target.node, 0), `syn ${label}`, () => {
      if (!alive()) return;
      const silent = this.#dark.has(target.node) || this.#isBlocked(node, target.node) || this.#isBlocked(target.node, node);
      if (silent) return fail(this.settings.connectTimeoutMs, 'timed out');
      const back = this.#latencyMs(target.node, node, 0);
      const { accept } = this.#hosts.get(addressOf(to)) ?? target;
      if (accept === undefined || !this.#scheduler.isUp(target.node)) return fail(back, 'connection refused');
      const near = new Endpoint(this, node, label);
      const far = new Endpoint(this, target.node, label);
      near.peer = far;
      far.peer = near;
      near.lastArrivalMs = this.#scheduler.nowMs + back;
      this.#streams.add(near).add(far);
      this.#scheduler.schedule(far.node, 0, `accept ${label}`, () => {
        far.events = accept(far);
      });
      this.#scheduler.schedule(near.node, back, `opened ${label}`, () => {
        near.events = events;
        opened(near);
      });
    });
  }

  #send(from: Endpoint, to: Endpoint, bytes: Buffer, end: string | undefined): void {
    const earliestMs = this.#scheduler.nowMs + this.#scheduler.aheadMs(from.node) + this.#latencyMs(from.node, to.node, bytes.length);
    to.lastArrivalMs = Math.max(to.lastArrivalMs, earliestMs);
    to.incoming.push({ atMs: to.lastArrivalMs, bytes, end });
    to.incomingBytes += bytes.length;
    if (!to.pumping && !to.stalled) this.#pumpIn(to, to.lastArrivalMs - this.#scheduler.nowMs);
  }

  #pumpIn(endpoint: Endpoint, delayMs: number): void {
    const head = endpoint.incoming[0];
    if (head === undefined || endpoint.ended || endpoint.pumping) return;
    endpoint.pumping = true;
    const description = `arrival ${endpoint.label} at ${endpoint.node} ${head.bytes.length} bytes ${crc32(head.bytes)}`;
    this.#scheduler.schedule(endpoint.node, delayMs, description, () => this.#pump(endpoint));
  }

  #pump(endpoint: Endpoint): void {
    endpoint.pumping = false;
    if (endpoint.ended) return;
    if (this.#isBlocked(endpoint.peer.node, endpoint.node)) return this.#stall(endpoint);
    const { nowMs } = this.#scheduler;
    const next = (): Segment | undefined => endpoint.incoming[0];
    const arrived: Buffer[] = [];
    let end: string | undefined;
    for (let segment = next(); segment !== undefined && segment.atMs <= nowMs && end === undefined; segment = next()) {
      const following = endpoint.incoming[1];
      if (following !== undefined && following.atMs > nowMs && arrived.length === 0 && this.#random.chance(this.settings.joinChance)) {
        return this.#pumpIn(endpoint, following.atMs - nowMs);
      }
      endpoint.incoming.shift();
      endpoint.incomingBytes -= segment.bytes.length;
      arrived.push(segment.bytes);
      end = segment.end;
    }
    for (const chunk of this.#cut(Buffer.concat(arrived))) if (!endpoint.ended) endpoint.events?.data(Buffer.from(chunk));
    if (end !== undefined && !endpoint.ended) {
      endpoint.ended = true;
      this.#tell(endpoint, 0, end);
    } else {
      const head = next();
      if (head !== undefined) this.#pumpIn(endpoint, head.atMs - nowMs);
    }
  }

  #stall(endpoint: Endpoint): void {
    endpoint.stalled = true;
    this.stalled++;
    const waitMs = this.#random.between(1, 4) * this.settings.stallBreakMs;
    const stall = ++endpoint.stalls;
    this.#scheduler.schedule(undefined, waitMs, `stalled ${endpoint.label}`, () => {
      if (endpoint.stalled && !endpoint.ended && endpoint.stalls === stall) this.#break(endpoint, 'timed out');
    });
  }

  /** Both sides of the stream end, all in flight is lost, and each is told in its own time. */
  #break(endpoint: Endpoint, reason: string): void {
    const late = this.#random.pick([undefined, undefined, endpoint, endpoint.peer]);
    for (const side of [endpoint, endpoint.peer]) {
      if (side.ended) continue;
      side.ended = true;
      this.#untold.add(side);
      this.#drop(side);
      this.#tell(side, side === late ? this.#lateMs() : this.#latencyMs(side.peer.node, side.node, 0), reason);
    }
  }

  #crashed(node: string, kind: CrashKind): void {
    for (const host of this.#hosts.values()) if (host.node === node) host.accept = undefined;
    if (kind === 'machine') this.#dark.add(node);
    for (const endpoint of this.#streams) {
      if (endpoint.node !== node) continue;
      endpoint.ended = true;
      this.#drop(endpoint);
      this.#streams.delete(endpoint);
      this.#untold.delete(endpoint);
      const { peer } = endpoint;
      if (peer.ended) continue;
      if (kind === 'machine') this.#untold.add(peer);
      // Some of what was in flight still arrives; then the kernel says goodbye, or nobody does.
      const kept = this.#random.integer(peer.incoming.length + 1);
      for (const { bytes } of peer.incoming.splice(kept)) {
        peer.incomingBytes -= bytes.length;
        this.lost++;
      }
      if (kind === 'process') this.#send(endpoint, peer, noBytes, 'connection reset');
      else this.#scheduler.schedule(undefined, this.#lateMs(), `silence ${peer.label}`, () => this.#break(peer, 'timed out'));
    }
  }

  /** `closed` comes after `delayMs`, and after `accept` or `opened`, which are due by then at the latest. */
  #tell(endpoint: Endpoint, delayMs: number, reason: string): void {
    const waitMs = Math.max(delayMs, endpoint.events === undefined ? endpoint.lastArrivalMs - this.#scheduler.nowMs : 0);
    this.#scheduler.schedule(endpoint.node, waitMs, `closed ${endpoint.label} at ${endpoint.node}: ${reason}`, () => {
      this.#streams.delete(endpoint);
      this.#untold.delete(endpoint);
      endpoint.events?.closed(reason);
    });
  }

  #drop(endpoint: Endpoint): void {
    this.lost += endpoint.incoming.length;
    endpoint.incoming.length = 0;
    endpoint.incomingBytes = 0;
  }

  #isBlocked(from: string, to: string): boolean {
    return this.#blocked.has(linkOf(from, to));
  }

  #lateMs(): number {
    return this.#random.between(0, this.settings.lateDetectionMs);
  }

  #latencyMs(from: string, to: string, bytes: number): number {
    const { latencyMinMs, latencyMeanMs, spikeChance, spikeMs, bytesPerMs } = this.settings;
    const usualMs = latencyMinMs - Math.log(1 - this.#random.fraction()) * latencyMeanMs + bytes / bytesPerMs;
    const spike = this.#random.chance(spikeChance) ? this.#random.between(0, spikeMs) : 0;
    if (spike > 0) this.late++;
    return usualMs + spike + (this.#slowMs.get(linkOf(from, to)) ?? 0);
  }

  /** The same bytes in one piece, in a few, or, rarely and where they are few, one by one. */
  #cut(bytes: Buffer): Buffer[] {
    if (bytes.length === 0) return [];
    if (bytes.length === 1 || !this.#random.chance(this.settings.cutChance)) return [bytes];
    if (bytes.length <= 256 && this.#random.chance(0.05)) return Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
    const at = 1 + this.#random.integer(bytes.length - 1);
    return [bytes.subarray(0, at), ...this.#cut(bytes.subarray(at))];
  }
}
