/**
 * The other nodes: links to them, streams from them, and the hand-shake on both. A node that is met under one name is one Peer, however it was
 * found: by a seed's address, by its own call, or by another's word.
 */
import { counterMs } from '../protocol/dot.js';
import { torc } from '../protocol/generated/messages.js';
import { frameChunks, FrameSplitter } from '../protocol/peer/framing.js';
import type { Clock, Random } from '../storage/clock.js';
import type { NodeDescription } from './configuration.js';
import { PeerLink, protocolVersion, type PeerLinkOptions } from './peer-link.js';
import { Peer, type SuspicionOptions } from './peer.js';
import type { PeerAddress, PeerStream, PeerStreamEvents, Transport } from './transport.js';

/** The largest frame that is taken from a peer: the largest value, with room for a turn's other words. */
const frameBytesMax = 640 * 1024 * 1024;
const greetingBytesMax = 65536;
const greetingTimeoutMs = 2000;
const streamBufferBytesMax = 256 * 1024 * 1024;

export interface PeersOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly clusterName: string;
  readonly self: NodeDescription;
  readonly incarnation: number;
  readonly suspicion: SuspicionOptions;
  readonly unackedBytesMax: number;
  readonly counter: () => number;
  readonly schedule: () => void;
  readonly log: (level: 'info' | 'warn', message: string) => void;
}

export interface PeersEvents {
  /** The link to the peer is up. */
  opened(peer: Peer): void;
  broken(peer: Peer): void;
  /** False: its batches cannot be taken yet, and have to come again over a new stream (hear). */
  frame(peer: Peer, frame: torc.Frame): boolean;
  /** Reachability of some peer changed. */
  changed(): void;
}

export class Peers {
  private readonly byNodeId = new Map<string, Peer>();
  private readonly bySeed = new Map<string, PeerLink>();
  /** Links that find out whether a process is where it says it is. */
  private readonly verifying = new Set<PeerLink>();
  /** Ends the streams of which a frame was not taken: an acknowledgement of what follows would speak for it. */
  private readonly unheard = new Set<() => void>();
  private hears = false;
  private closed = false;

  constructor(
    private readonly options: PeersOptions,
    private readonly events: PeersEvents,
  ) {}

  all(): IterableIterator<Peer> {
    return this.byNodeId.values();
  }

  get(nodeId: string): Peer | undefined {
    return this.byNodeId.get(nodeId);
  }

  listen(): void {
    this.options.transport.listen((stream) => this.accept(stream));
  }

  /** Finds out who answers at `address`. */
  dialSeed(address: PeerAddress): void {
    const name = `${address.host}:${address.port}`;
    if (this.bySeed.has(name)) return;
    let peer: Peer | undefined;
    const link = new PeerLink(
      this.linkOptions(),
      {
        opened: (welcome) => {
          const description = descriptionOf(welcome);
          if (description === undefined) return;
          const known = this.byNodeId.get(description.nodeId);
          if (description.nodeId === this.options.self.nodeId || (known !== undefined && known.link !== link)) return link.close();
          peer = known ?? this.add(description, link);
          this.linkOpened(peer, welcome);
        },
        broken: (reason) => peer !== undefined && this.linkBroken(peer, reason),
        refused: (reason) => this.options.log('warn', `seed ${name} refuses this node: ${reason}`),
      },
      address,
    );
    this.bySeed.set(name, link);
    link.open();
  }

  /** The peer of this description, dialled if it was not known. */
  meet(description: NodeDescription): Peer {
    const known = this.byNodeId.get(description.nodeId);
    if (known !== undefined) return known;
    const link = new PeerLink(
      this.linkOptions(),
      {
        opened: (welcome) => {
          const found = descriptionOf(welcome)?.nodeId;
          if (found === peer.nodeId) this.linkOpened(peer, welcome);
          else link.reset(`'${found ?? '?'}' answers at the address of '${peer.nodeId}'`);
        },
        broken: (reason) => this.linkBroken(peer, reason),
        refused: (reason) => this.options.log('warn', `node '${description.nodeId}' refuses this node: ${reason}`),
      },
      { host: description.host, port: description.peerPort },
    );
    // Before the link is opened, so before it calls back.
    const peer = this.add(description, link);
    link.open();
    return peer;
  }

  /** Ends the acquaintance. */
  forget(nodeId: string): void {
    const peer = this.byNodeId.get(nodeId);
    if (peer === undefined || peer.member >= 0) return;
    peer.link.close();
    this.byNodeId.delete(nodeId);
  }

  /** Frames are taken from now on: whoever was not listened to dials again and repeats what was not acknowledged. */
  hear(): void {
    this.hears = true;
    for (const end of this.unheard) end();
    this.unheard.clear();
  }

  /** Judges everyone's silence. */
  tick(nowMs: number): void {
    for (const peer of this.byNodeId.values()) {
      if (!peer.judge(nowMs)) continue;
      this.options.log('warn', `node '${peer.nodeId}' is suspected: nothing was heard of it in time`);
      this.events.changed();
    }
  }

  close(): void {
    this.closed = true;
    for (const link of this.bySeed.values()) link.close();
    for (const { link } of this.byNodeId.values()) link.close();
    for (const link of this.verifying) link.close();
  }

  private add(description: NodeDescription, link: PeerLink): Peer {
    const peer = new Peer(description, link, this.options.suspicion);
    this.byNodeId.set(description.nodeId, peer);
    return peer;
  }

  private linkOpened(peer: Peer, welcome: torc.Hello): void {
    this.introduce(peer, welcome);
    peer.restarted(this.options.clock.monotonicMs());
    this.options.log('info', `link to node '${peer.nodeId}' is open`);
    this.events.changed();
    this.events.opened(peer);
  }

  private linkBroken(peer: Peer, reason: string): void {
    this.options.log('warn', `link to node '${peer.nodeId}' broke: ${reason}`);
    this.events.changed();
    this.events.broken(peer);
  }

  private introduce(peer: Peer, hello: torc.Hello): void {
    const description = descriptionOf(hello);
    if (description === undefined) return;
    peer.description = description;
    peer.incarnation = hello.incarnation;
    peer.link.setAddress({ host: description.host, port: description.peerPort });
  }

  /** A stream says that the peer's process began anew while the link to the one before stands: believed once that process answers where it says it is. Returns how to give that up. */
  private verify(peer: Peer, { incarnation }: torc.Hello, { host, peerPort }: NodeDescription): () => void {
    const done = (): void => {
      link.close();
      this.verifying.delete(link);
    };
    const link: PeerLink = new PeerLink(
      this.linkOptions(),
      {
        opened: (welcome) => {
          done();
          if (descriptionOf(welcome)?.nodeId !== peer.nodeId || welcome.incarnation !== incarnation || peer.incarnation === incarnation)
            return;
          this.introduce(peer, welcome);
          peer.link.reset('its process began anew');
        },
        broken: () => undefined,
        refused: done,
      },
      { host, port: peerPort },
    );
    this.verifying.add(link);
    link.open();
    return done;
  }

  private accept(stream: PeerStream): PeerStreamEvents {
    const { clock, log } = this.options;
    let splitter = new FrameSplitter(greetingBytesMax);
    let peer: Peer | undefined;
    // After a frame that was not taken none that follows may be, or a later acknowledgement would speak for it.
    let ended = false;
    let stopVerifying = (): void => undefined;
    const end = (): void => {
      ended = true;
      stopVerifying();
      stream.close();
    };
    clock.after(greetingTimeoutMs, () => {
      if (peer !== undefined || ended) return;
      log('warn', 'a stream from an unknown peer is closed: no hand-shake came in time');
      end();
    });
    const message = (bytes: Buffer): void => {
      if (ended) return;
      if (peer !== undefined) {
        peer.bytesReceived += bytes.length + 4;
        const frame = torc.Frame.decode(bytes);
        const nowMs = clock.monotonicMs();
        peer.frameSent(counterMs(frame.clock), nowMs);
        if (peer.heard(nowMs, frame.gossip !== null && frame.gossip !== undefined)) this.events.changed();
        if (this.events.frame(peer, frame)) return;
        if (this.hears) end();
        else this.unheard.add(end);
        return;
      }
      const hello = torc.Hello.decode(bytes);
      const refusal = this.refusal(hello);
      if (refusal !== undefined) {
        stream.write(frameChunks(torc.Hello.encode({ ...this.greeting(), refusal }).finish() as Buffer));
        throw new Error(`refused: ${refusal}`);
      }
      stream.write(frameChunks(torc.Hello.encode(this.greeting()).finish() as Buffer));
      splitter = new FrameSplitter(frameBytesMax);
      const description = descriptionOf(hello);
      if (description === undefined) throw new Error('a hand-shake without a node id');
      peer = this.meet(description);
      // A machine that lost its power, or an address that moved, never says that the old stream is dead; but anyone may say that it did.
      if (peer.link.isOpen && peer.incarnation !== hello.incarnation) stopVerifying = this.verify(peer, hello, description);
      else this.introduce(peer, hello);
      peer.streamAccepted();
      peer.link.dialNow();
      peer.link.resendUnacked(); // its answers to them may have been lost with the stream before this one
    };
    return {
      data: (chunk) => {
        if (this.closed || ended) return;
        try {
          // The hand-shake changes the splitter: what follows it in the same chunk belongs to the new one.
          let rest: Buffer | undefined = chunk;
          while (rest !== undefined && !ended) {
            const current: FrameSplitter = splitter;
            rest = current.push(rest, message, () => splitter !== current);
          }
        } catch (error) {
          log(
            'warn',
            `a stream from ${peer === undefined ? 'an unknown peer' : `node '${peer.nodeId}'`} is closed: ${error instanceof Error ? error.message : String(error)}`,
          );
          end();
        }
      },
      closed: () => {
        ended = true;
        stopVerifying();
        this.unheard.delete(end);
      },
    };
  }

  private refusal(hello: torc.Hello): string | undefined {
    const { clusterName, self } = this.options;
    if (hello.protocolVersion !== protocolVersion) return `peer protocol version ${hello.protocolVersion} is not ${protocolVersion}`;
    if (hello.clusterName !== clusterName) return `cluster-name '${hello.clusterName}' is not '${clusterName}'`;
    const nodeId = hello.from?.nodeId;
    if (nodeId === undefined || nodeId === '') return 'no node-id';
    const isItself = nodeId === self.nodeId && hello.incarnation !== this.options.incarnation;
    return isItself ? `node-id '${nodeId}' is this node's own` : undefined;
  }

  private greeting(): torc.Hello.$Shape {
    const { clusterName, self, incarnation } = this.options;
    return { protocolVersion, clusterName, from: self, incarnation };
  }

  private linkOptions(): PeerLinkOptions {
    const { transport, clock, random, counter, schedule } = this.options;
    // All of them are resent at once when a link opens, and must not overflow its stream, or it would never stay open.
    const unackedBytesMax = Math.min(this.options.unackedBytesMax, streamBufferBytesMax / 2);
    return { transport, clock, random, greeting: () => this.greeting(), counter, unackedBytesMax, streamBufferBytesMax, schedule };
  }
}

function descriptionOf({ from }: torc.Hello): NodeDescription | undefined {
  if (!from?.nodeId) return undefined;
  const { nodeId, host, peerPort, clientPort, zone, hostLabel } = from as torc.NodeAddress;
  return { nodeId, host, peerPort, clientPort, zone, hostLabel };
}
