/**
 * The other nodes: links to them, streams from them, and the hand-shake on both. A node that is met under one name is one Peer, however it was
 * found: by a seed's address, by its own call, or by another's word.
 *
 * Anybody can say to be a member that moved or began anew. So where a known peer is, and which of its processes runs, is believed only of the one
 * who answers there: the caller waits for its welcome until the address it claims was dialled.
 */
import { counterMs } from '../protocol/dot.js';
import { torc } from '../protocol/generated/messages.js';
import { frameChunks, FrameSplitter } from '../protocol/peer/framing.js';
import type { Clock, Random } from '../storage/clock.js';
import { BulkReceiver } from './bulk-receiver.js';
import type { BulkSizes } from './bulk-sender.js';
import type { NodeDescription } from './configuration.js';
import type { EventLog } from './events.js';
import { exchangeBytesMax } from './gossip-codec.js';
import { exchangeTimeoutMs } from './gossip-exchange.js';
import { PeerLink, protocolVersion, type PeerLinkOptions } from './peer-link.js';
import { Peer, type SuspicionOptions } from './peer.js';
import type { Settlement } from './settlement.js';
import { isDialledAfter } from './stream-echo.js';
import type { PeerAddress, PeerStream, PeerStreamEvents, Transport } from './transport.js';

/** The largest message that is taken from a peer: the largest value, with room for a turn's other words. */
const messageBytesMax = 640 * 1024 * 1024;
const greetingBytesMax = 65536;
const greetingTimeoutMs = 2000;
const streamBufferBytesMax = 256 * 1024 * 1024;
/** Streams whose claim is being looked into, at once. */
const claimsMax = 64;
/** Exchanges of gossip that others began, at once. */
const exchangesMax = 256;
/** Nodes that are no members, known at once by a node that has a configuration. */
const strangersMax = 64;

export interface PeersOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly clusterName: string;
  readonly self: NodeDescription;
  readonly incarnation: number;
  readonly suspicion: SuspicionOptions;
  readonly unackedBytesMax: number;
  readonly bulkSizes?: BulkSizes | undefined;
  readonly counter: () => number;
  readonly schedule: () => void;
  readonly log: EventLog;
}

export interface PeersEvents {
  /** The link to the peer is up. */
  opened(peer: Peer): void;
  broken(peer: Peer): void;
  /** The peer speaks over a new stream, so it has a link that answers can come over; those before may be lost. */
  speaks(peer: Peer): void;
  /** The stream that the peer dialled last has ended here; it may not know. */
  ended(peer: Peer): void;
  /** As PeerLinkEvents.overflowed and hasOlder. */
  overflowed?(peer: Peer, batches: readonly Settlement[]): number;
  hasOlder?(peer: Peer): boolean;
  /** `bulk` is its stream's. False: its batches cannot be taken yet, and have to come again over a new stream (hear). */
  frame(peer: Peer, frame: torc.Frame, bulk: BulkReceiver): boolean;
  /** Reachability of some peer changed. */
  changed(): void;
  /** Nothing was heard of the peer in time. */
  suspected(peer: Peer): void;
  /** A message on a stream that is for gossip. Throws on one that makes no sense. */
  gossip(stream: PeerStream, message: Buffer): void;
}

export class Peers {
  private readonly byNodeId = new Map<string, Peer>();
  private readonly bySeed = new Map<string, PeerLink>();
  /** By seed: what it stood for when it was last resolved. */
  private readonly seedAddresses = new Map<string, readonly PeerAddress[]>();
  /** Ends the streams of which a frame was not taken: an acknowledgement of what follows would speak for it. */
  private readonly unheard = new Set<() => void>();
  /** The last tick, monotonic ms. */
  private tickedMs = Infinity;
  private claims = 0;
  private exchanges = 0;
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

  /** Looks for nodes at what a seed stands for now, and no longer where it stood before and nobody answered. */
  dialSeeds(seed: PeerAddress, addresses: readonly PeerAddress[]): void {
    const now = new Set(addresses.map(nameOf));
    for (const before of this.seedAddresses.get(nameOf(seed)) ?? []) if (!now.has(nameOf(before))) this.dropSeed(before);
    this.seedAddresses.set(nameOf(seed), addresses);
    for (const address of addresses) this.dialSeed(address);
  }

  /** Gossip says that a node is at `description`: its link tries there too, as long as it is down. */
  heardOf({ nodeId, host, peerPort }: NodeDescription): void {
    const link = this.byNodeId.get(nodeId)?.link;
    if (link === undefined || link.isOpen) return;
    link.tryAlso({ host, port: peerPort });
    link.dialNow();
  }

  /** Gossip says that nobody has heard of the node in time: it is bypassed unless it was just heard here. */
  silentElsewhere(nodeId: string): void {
    const peer = this.byNodeId.get(nodeId);
    if (peer?.giveUp(this.options.clock.monotonicMs()) !== true) return;
    this.tellSuspicion(peer, 'neither others nor this node heard of it in time');
    this.events.changed();
  }

  private tellSuspicion({ nodeId }: Peer, reason: string): void {
    this.options.log('warn', `node '${nodeId}' is suspected: ${reason}`, { event: 'peer-suspected', peer: nodeId });
  }

  /** Finds out who answers at `address`. */
  dialSeed(address: PeerAddress): void {
    const name = nameOf(address);
    if (this.bySeed.has(name)) return;
    let peer: Peer | undefined;
    const link = new PeerLink(
      this.linkOptions(),
      {
        opened: (welcome) => {
          const description = descriptionOf(welcome);
          if (description === undefined) return;
          const known = this.byNodeId.get(description.nodeId);
          if (description.nodeId === this.options.self.nodeId || (known !== undefined && known.link !== link)) {
            this.heardOf(description);
            return link.close();
          }
          peer = known ?? this.add(description, link);
          this.linkOpened(peer, welcome);
        },
        broken: (reason) => peer !== undefined && this.linkBroken(peer, reason),
        refused: (reason) =>
          this.options.log('warn', `seed ${name} refuses this node: ${reason}`, { event: 'refused-by-peer', peer: name, reason }),
        overflowed: (batches) => (peer === undefined ? undefined : this.events.overflowed?.(peer, batches)) ?? batches.length,
        hasOlder: () => peer !== undefined && this.events.hasOlder?.(peer) === true,
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
        refused: (reason) =>
          this.options.log('warn', `node '${description.nodeId}' refuses this node: ${reason}`, {
            event: 'refused-by-peer',
            peer: description.nodeId,
            reason,
          }),
        overflowed: (batches) => this.events.overflowed?.(peer, batches) ?? batches.length,
        hasOlder: () => this.events.hasOlder?.(peer) === true,
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

  /**
   * There is a configuration. Frames are taken from now on: whoever was not listened to dials again and repeats what was not acknowledged. Who is no
   * member is known only as long as a stream from it is open.
   */
  hear(): void {
    this.hears = true;
    for (const addresses of this.seedAddresses.values()) addresses.forEach(this.dropSeed);
    this.seedAddresses.clear();
    for (const end of this.unheard) end();
    this.unheard.clear();
    for (const peer of this.byNodeId.values()) this.forgetStranger(peer);
  }

  /** Judges everyone's silence. What this node slept through nobody is blamed for. */
  tick(nowMs: number): void {
    const sleptMs = nowMs - this.tickedMs;
    this.tickedMs = nowMs;
    if (sleptMs > this.options.suspicion.gossipIntervalMs) for (const peer of this.byNodeId.values()) peer.excuse(sleptMs);
    for (const peer of this.byNodeId.values()) {
      this.mendOneWay(peer, nowMs);
      peer.link.watchBulk(nowMs, 10 * this.options.suspicion.peerTimeoutMs);
      if (!peer.judge(nowMs)) continue;
      this.tellSuspicion(peer, 'nothing was heard of it in time');
      this.events.changed();
      this.events.suspected(peer);
    }
  }

  /**
   * A live peer dials again within moments. Where it does not, both streams may be dead and each side know of the one it accepted alone: nobody is
   * left to tell the other. So this node dials anew, and the peer, hearing of it, does too.
   */
  private mendOneWay(peer: Peer, nowMs: number): void {
    if (peer.streams > 0 || !peer.link.isOpen) peer.oneWaySinceMs = -1;
    else if (peer.oneWaySinceMs < 0) peer.oneWaySinceMs = nowMs;
    else if (nowMs - peer.oneWaySinceMs > this.options.suspicion.gossipIntervalMs) {
      peer.oneWaySinceMs = -1;
      peer.link.reset('it has no stream to this node');
    }
  }

  close(): void {
    this.closed = true;
    for (const link of this.bySeed.values()) link.close();
    for (const { link } of this.byNodeId.values()) link.close();
  }

  /** Looks there no more, unless somebody answered. */
  private readonly dropSeed = (address: PeerAddress): void => {
    const link = this.bySeed.get(nameOf(address));
    if (link === undefined || link.isOpen) return;
    for (const peer of this.byNodeId.values()) if (peer.link === link) return;
    link.close();
    this.bySeed.delete(nameOf(address));
  };

  private forgetStranger(peer: Peer): void {
    if (this.hears && peer.streams === 0 && this.byNodeId.get(peer.nodeId) === peer) this.forget(peer.nodeId);
  }

  /** There is room for one more that is no member. */
  private mayMeetStranger(): boolean {
    if (!this.hears) return true;
    let strangers = 0;
    for (const { member } of this.byNodeId.values()) if (member < 0) strangers++;
    return strangers < strangersMax;
  }

  private add(description: NodeDescription, link: PeerLink): Peer {
    const peer = new Peer(description, link, this.options.suspicion);
    this.byNodeId.set(description.nodeId, peer);
    return peer;
  }

  private linkOpened(peer: Peer, welcome: torc.Hello): void {
    this.introduce(peer, welcome);
    peer.restarted(this.options.clock.monotonicMs());
    this.options.log('info', `link to node '${peer.nodeId}' is open`, { event: 'link-opened', peer: peer.nodeId });
    this.events.changed();
    this.events.opened(peer);
  }

  private linkBroken(peer: Peer, reason: string): void {
    this.options.log('warn', `link to node '${peer.nodeId}' broke: ${reason}`, { event: 'link-broken', peer: peer.nodeId, reason });
    this.events.changed();
    this.events.broken(peer);
  }

  private introduce(peer: Peer, hello: torc.Hello): void {
    const description = descriptionOf(hello);
    if (description === undefined) return;
    peer.description = description;
    if (peer.incarnation !== 0 && peer.incarnation !== hello.incarnation) peer.arriving = true; // until it says otherwise
    peer.incarnation = hello.incarnation;
    peer.link.setAddress({ host: description.host, port: description.peerPort });
  }

  private accept(stream: PeerStream): PeerStreamEvents {
    const { clock, log } = this.options;
    let splitter = new FrameSplitter(greetingBytesMax);
    let greeted = false;
    let spoke = false;
    const heardStream = { stream: 0, heard: 0, ended: false };
    const bulk = new BulkReceiver(messageBytesMax);
    let peer: Peer | undefined;
    let isGossip = false;
    /** Gives up looking into what the stream claims. */
    let giveUp: (() => void) | undefined;
    // After a frame that was not taken none that follows may be, or a later acknowledgement would speak for it.
    let ended = false;
    const end = (): void => {
      ended = true;
      giveUp?.();
      stream.close();
    };
    clock.after(greetingTimeoutMs, () => {
      if (greeted || ended) return;
      log('warn', 'a stream from an unknown peer is closed: no hand-shake came in time', {
        event: 'stream-closed',
        reason: 'no hand-shake',
      });
      end();
    });
    const greet = (refusal = ''): void => stream.write(frameChunks(torc.Hello.encode({ ...this.greeting(), refusal }).finish() as Buffer));
    /** The peer has one stream less. */
    let left = false;
    const leave = (): void => {
      if (peer === undefined || left) return;
      left = true;
      bulk.end();
      peer.bulks.delete(bulk);
      peer.streams--;
      this.events.changed();
      heardStream.ended = true;
      if (peer.heardStream === heardStream && !this.closed) this.events.ended(peer);
      this.forgetStranger(peer);
    };
    const admit = (hello: torc.Hello, description: NodeDescription): void => {
      const met = this.meet(description);
      if (isDialledAfter(met.heardStream.stream, hello.stream)) return end(); // given up by its dialler before it came here
      greet();
      peer = met;
      const isNewProcess = peer.streamAccepted(hello.incarnation);
      const giveUpBefore = isNewProcess || isDialledAfter(hello.stream, peer.heardStream.stream) ? peer.endHeardStream : undefined;
      heardStream.stream = hello.stream;
      if (hello.stream !== 0) {
        peer.heardStream = heardStream;
        peer.endHeardStream = () => {
          end();
          leave();
        };
      }
      peer.streams++;
      peer.bulks.add(bulk);
      giveUpBefore?.();
      this.events.changed(); // a node that arrives goes by whom it hears
      peer.link.dialNow();
    };
    const gossip = (): void => {
      if (this.exchanges >= exchangesMax) throw new Error(`${exchangesMax} exchanges of gossip are under way`);
      isGossip = true;
      this.exchanges++;
      splitter = new FrameSplitter(exchangeBytesMax);
      clock.after(exchangeTimeoutMs, () => ended || end());
      greet();
    };
    const greeting = (hello: torc.Hello): void => {
      greeted = true;
      splitter = new FrameSplitter(messageBytesMax);
      const refusal = this.refusal(hello);
      if (refusal !== undefined) {
        greet(refusal);
        throw new Error(`refused: ${refusal}`);
      }
      if (hello.gossip) return gossip();
      // Two nodes that moved at once would else look into each other for ever.
      if (hello.probe) {
        clock.after(greetingTimeoutMs, () => ended || end());
        return greet();
      }
      const description = descriptionOf(hello);
      if (description === undefined) throw new Error('a hand-shake without a node id');
      if (description.nodeId === this.options.self.nodeId) return greet(); // who dialled will see that it met itself
      const known = this.byNodeId.get(description.nodeId);
      if (known === undefined || agrees(known, hello)) return admit(hello, description);
      giveUp = this.lookInto(hello, description, (isTrue) => {
        giveUp = undefined;
        if (isTrue) {
          this.beganAnew(hello, description);
          return admit(hello, description);
        }
        const reason = `another node '${description.nodeId}' is known, and it does not answer at ${description.host}:${description.peerPort} as this one`;
        greet(reason);
        log('warn', `a stream is closed: refused: ${reason}`, { event: 'stream-closed', reason });
        end();
      });
    };
    const message = (bytes: Buffer): void => {
      if (ended) return;
      if (isGossip) return this.events.gossip(stream, bytes);
      if (peer === undefined) return greeting(torc.Hello.decode(bytes));
      peer.bytesReceived += bytes.length + 4;
      const frame = torc.Frame.decode(bytes);
      const nowMs = clock.monotonicMs();
      peer.frameSent(counterMs(frame.clock), nowMs);
      if (peer.heard(nowMs, frame.gossip !== null && frame.gossip !== undefined)) this.events.changed();
      if (!spoke) {
        spoke = true;
        peer.streamsHeard++;
        this.events.speaks(peer); // it has had its welcome
      }
      if (this.events.frame(peer, frame, bulk)) return;
      if (this.hears) end();
      else this.unheard.add(end);
    };
    return {
      data: (chunk) => {
        if (this.closed || ended) return;
        heardStream.heard += chunk.length;
        try {
          // The hand-shake changes the splitter: what follows it in the same chunk belongs to the new one.
          let rest: Buffer | undefined = chunk;
          while (rest !== undefined && !ended) {
            if (greeted && peer === undefined && !isGossip) throw new Error('it does not wait for its welcome');
            const current: FrameSplitter = splitter;
            rest = current.push(rest, message, () => splitter !== current);
          }
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          log('warn', `a stream from ${peer === undefined ? 'an unknown peer' : `node '${peer.nodeId}'`} is closed: ${reason}`, {
            event: 'stream-closed',
            peer: peer?.nodeId ?? '',
            reason,
          });
          end();
        }
      },
      closed: () => {
        ended = true;
        if (isGossip) this.exchanges--;
        giveUp?.();
        this.unheard.delete(end);
        leave();
      },
    };
  }

  /** Asks whoever is at the address of `hello` whether it is the process that says so; returns what ends the asking, unanswered. */
  private lookInto(hello: torc.Hello, { nodeId, host, peerPort }: NodeDescription, answer: (isTrue: boolean) => void): () => void {
    if (this.claims >= claimsMax) throw new Error(`${claimsMax} others are being looked into`);
    this.claims++;
    const link = new PeerLink(
      { ...this.linkOptions(), greeting: () => ({ ...this.greeting(), stream: 0, probe: true }) },
      {
        opened: ({ from, incarnation }) => settle(from?.nodeId === nodeId && incarnation === hello.incarnation),
        broken: () => undefined,
        refused: () => settle(false),
      },
      { host, port: peerPort },
    );
    let settled = false;
    const giveUp = (): void => {
      if (settled) return;
      settled = true;
      this.claims--;
      timeout.cancel();
      link.close();
    };
    const settle = (isTrue: boolean): void => {
      if (settled) return;
      giveUp();
      if (!this.closed) answer(isTrue);
    };
    const timeout = this.options.clock.after(greetingTimeoutMs, () => settle(false));
    link.open();
    return giveUp;
  }

  /** A machine that lost its power, or an address that moved, never says that the old stream is dead. */
  private beganAnew(hello: torc.Hello, description: NodeDescription): void {
    const peer = this.meet(description);
    if (agrees(peer, hello)) return; // its link found out by itself
    peer.link.reset('its process began anew');
    this.introduce(peer, hello);
  }

  private refusal(hello: torc.Hello): string | undefined {
    const { clusterName, self } = this.options;
    if (hello.protocolVersion !== protocolVersion) return `peer protocol version ${hello.protocolVersion} is not ${protocolVersion}`;
    if (hello.clusterName !== clusterName) return `cluster-name '${hello.clusterName}' is not '${clusterName}'`;
    const nodeId = hello.from?.nodeId;
    if (!nodeId) return 'no node-id';
    if (nodeId === self.nodeId)
      return hello.incarnation === this.options.incarnation ? undefined : `node-id '${nodeId}' is this node's own`;
    if (hello.gossip || hello.probe || this.byNodeId.has(nodeId) || this.mayMeetStranger()) return undefined;
    return `'${nodeId}' is no member, and ${strangersMax} others that are none are connected`;
  }

  /** What this node says first on every stream. */
  greeting(): torc.Hello.$Shape {
    const { clusterName, self, incarnation } = this.options;
    return { protocolVersion, clusterName, from: self, incarnation };
  }

  private linkOptions(): PeerLinkOptions {
    const { transport, clock, random, counter, schedule } = this.options;
    // All of them are resent at once when a link opens, and must not overflow its stream, or it would never stay open.
    const unackedBytesMax = Math.min(this.options.unackedBytesMax, streamBufferBytesMax / 2);
    const { bulkSizes } = this.options;
    return {
      transport,
      clock,
      random,
      greeting: () => this.greeting(),
      counter,
      unackedBytesMax,
      streamBufferBytesMax,
      bulkSizes,
      schedule,
    };
  }
}

function nameOf({ host, port }: PeerAddress): string {
  return `${host}:${port}`;
}

function descriptionOf({ from }: torc.Hello): NodeDescription | undefined {
  if (!from?.nodeId) return undefined;
  const { nodeId, host, peerPort, clientPort, zone, hostLabel } = from as torc.NodeAddress;
  return { nodeId, host, peerPort, clientPort, zone, hostLabel };
}

/** What `hello` says of a known peer is nothing that its link would have to be taken elsewhere for. */
function agrees({ description, incarnation, link }: Peer, hello: torc.Hello): boolean {
  const isThere = hello.from?.host === description.host && hello.from.peerPort === description.peerPort;
  return isThere && (!link.isOpen || hello.incarnation === incarnation);
}
