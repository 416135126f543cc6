/**
 * Drives gossip: each `gossip-interval` a heartbeat, and exchanges with a random node that is up, now and then with one that is not (it may be back, or
 * never have been gone), and with a seed (or two halves of a cluster that lost each other would never hear of each other again): Cassandra's three.
 */
import type { torc } from '../protocol/generated/messages.js';
import type { Clock, Random } from '../storage/clock.js';
import type { NodeDescription } from './configuration.js';
import type { EventLog } from './events.js';
import { decodeExchange, type Exchange } from './gossip-codec.js';
import { countIn, dialExchange, sendExchange, type Traffic } from './gossip-exchange.js';
import type { MemberState } from './gossip-state.js';
import { GossipView, type Change, type GossipDirectives, type Known, type OwnWords } from './gossip-view.js';
import { Seeds } from './seeds.js';
import type { PeerAddress, PeerStream, Transport } from './transport.js';

/** Silence is judged so many times in an interval. */
const judgementsPerInterval = 10;

export interface GossiperOptions {
  readonly self: NodeDescription;
  /** Unix ms, never going back, as far as it can be helped not even over restarts: incarnations are taken from it. */
  readonly clockMs: () => number;
  readonly seeds: readonly PeerAddress[];
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** Read each time. */
  readonly directives: GossipDirectives;
  readonly greeting: () => torc.Hello.$Shape;
  /** What this node says of itself now. */
  readonly ownWords: () => OwnWords;
  readonly changed: (change: Change) => void;
  /** A round has begun: the heartbeat stands. In a turn of its own. */
  readonly rounded: () => void;
  readonly log: EventLog;
}

export class Gossiper {
  readonly view: GossipView;
  readonly seeds: Seeds;
  readonly traffic: Traffic = { messagesOut: 0, bytesOut: 0, messagesIn: 0, bytesIn: 0 };
  rounds = 0;
  /** Exchanges that this node began and could not finish. */
  failures = 0;
  private hurries = false;
  private closed = false;

  constructor(private readonly options: GossiperOptions) {
    const { self, clockMs, directives, seeds, transport, clock, random } = options;
    this.view = new GossipView(self, clockMs(), clockMs, directives);
    this.seeds = new Seeds({ seeds, resolver: transport, clock, random });
  }

  start(): void {
    this.round();
    this.judge();
  }

  close(): void {
    this.closed = true;
    this.seeds.stop();
  }

  /** A message of an exchange that another node began. Throws on one that makes no sense. */
  answer(stream: PeerStream, message: Buffer): void {
    countIn(this.traffic, message);
    const answer = this.heard(decodeExchange(message));
    if (answer === undefined) stream.close();
    else sendExchange(stream, answer, this.traffic);
  }

  /** A node told its state by another road. */
  take(state: MemberState): void {
    this.tell(this.view.take({ digests: [], news: [state] }, this.nowMs));
  }

  /** The link to the node is silent. */
  suspect(nodeId: string): void {
    this.tell(this.view.suspect(nodeId, this.nowMs));
  }

  /** A member of the configuration. */
  expect(description: NodeDescription): void {
    this.view.expect(description, this.nowMs);
  }

  private readonly heard = (exchange: Exchange): Exchange | undefined => {
    this.tell(this.view.take(exchange, this.nowMs));
    return this.view.answer(exchange, this.nowMs);
  };

  private get nowMs(): number {
    return this.options.clock.monotonicMs();
  }

  /** What a round brings is a turn of its own: it is rare, so that all of it runs cold. */
  private readonly round = (): void => {
    if (this.closed) return;
    const { clock, directives, ownWords } = this.options;
    this.rounds++;
    this.view.beat(ownWords());
    this.exchange();
    clock.after(0, this.rounded);
    clock.after(directives.gossipIntervalMs, this.round);
  };

  private readonly rounded = (): void => {
    if (!this.closed) this.options.rounded();
  };

  private readonly judge = (): void => {
    if (this.closed) return;
    this.tell(this.view.judge(this.nowMs));
    if (this.hurries) this.exchange();
    this.hurries = false;
    this.options.clock.after(Math.max(10, this.options.directives.gossipIntervalMs / judgementsPerInterval), this.judge);
  };

  /** With whom this round goes. */
  private exchange(): void {
    const { random } = this.options;
    const up: Known[] = [];
    const silent: Known[] = [];
    for (const known of this.view.others()) (known.state.status === 'up' && known.state.incarnation > 0 ? up : silent).push(known);
    const pick = (from: readonly Known[]): void => {
      const one = from[from.length === 0 ? 0 : random.integer(from.length)];
      if (one !== undefined) this.dial({ host: one.description.host, port: one.description.peerPort });
    };
    pick(up);
    if (silent.length > 0 && random.integer(up.length + 1) < silent.length) pick(silent);
    if (up.length === 0 || random.integer(up.length + silent.length + 1) < this.seeds.count) {
      this.seeds.pick((address) => {
        if (!this.closed) this.dial(address);
      });
    }
  }

  private dial(address: PeerAddress): void {
    const { transport, clock, greeting, self } = this.options;
    if (address.host === self.host && address.port === self.peerPort) return;
    dialExchange(
      { transport, clock, greeting, traffic: this.traffic, heard: this.heard },
      address,
      this.view.opening(this.nowMs),
      (failure) => {
        if (failure !== undefined) this.failures++;
      },
    );
  }

  private tell(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === 'refuted') {
        this.options.log('warn', 'this node was taken for silent by another, and says otherwise under a new incarnation', {
          event: 'doubted-by-others',
        });
        this.hurries = true;
      }
      this.options.changed(change);
    }
  }
}
