/**
 * What nodes say to each other of hints, and who waits for the answers: hints on their way to a stand-in or to their target, each piece acknowledged,
 * and what a node that takes a partition over asks others to show it. Whoever waits is called back once, also when the link breaks.
 */
import type { torc } from '../protocol/generated/messages.js';
import type { Clock, Random } from '../storage/clock.js';
import type { Peer } from './peer.js';
import { firstId } from './id-window.js';

interface Waiting {
  readonly peer: Peer;
  readonly kind: 'ack' | 'pull';
  /** Undefined = it will not come. */
  readonly done: (answer: torc.HintAck | undefined) => void;
  /** Peer.way when it was asked. */
  readonly way: number;
  lastProgressMs: number;
}

const pulled = { id: 0, refused: false, superseded: [] } as unknown as torc.HintAck;

export class HintExchange {
  /** Drawn when it is needed first: most nodes have no hints for long, and in a simulation each draw shifts those after it. */
  private nextId: number | undefined;
  private readonly waiting = new Map<number, Waiting>();

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly timeoutMs: () => number,
  ) {}

  /** Sends batches, back to back, for the member numbered `target`; `done` gets the acknowledgement, undefined = none will come. */
  send(peer: Peer, target: number, batches: Buffer, done: (ack: torc.HintAck | undefined) => void): void {
    const id = this.wait(peer, 'ack', done);
    peer.link.owedHints++;
    peer.link.say({ hints: [{ id, target, batches }] });
  }

  /** Asks for all that `peer` keeps of a partition; it comes to `HandOff.onHints`. `done` is told when all of it came, or that it will not. */
  pull(peer: Peer, partition: number, done: (came: boolean) => void): void {
    const id = this.wait(peer, 'pull', (answer) => done(answer !== undefined));
    peer.link.say({ hintPulls: [{ id, partition }] });
  }

  onAck(peer: Peer, ack: torc.HintAck): void {
    if (this.waiting.get(ack.id)?.peer === peer) this.end(ack.id, ack);
  }

  /** A piece of a pull's answer was taken. */
  onAnswer(peer: Peer, id: number, complete: boolean): void {
    const waiting = this.waiting.get(id);
    if (waiting?.peer !== peer || waiting.kind !== 'pull') return;
    waiting.lastProgressMs = this.clock.monotonicMs();
    if (complete) this.end(id, pulled);
  }

  linkBroken(peer: Peer): void {
    for (const [id, waiting] of this.waiting) if (waiting.peer === peer) this.end(id, undefined);
  }

  /** Gives up what does not come. */
  tick(): void {
    const now = this.clock.monotonicMs();
    for (const [id, { peer, way, lastProgressMs }] of this.waiting) {
      const isLost = !peer.link.isOpen || peer.way !== way;
      if (isLost || (now - lastProgressMs > this.timeoutMs() && peer.largeBytes === 0)) this.end(id, undefined);
    }
  }

  private wait(peer: Peer, kind: Waiting['kind'], done: Waiting['done']): number {
    const id = (this.nextId ??= firstId(this.random));
    this.nextId++;
    this.waiting.set(id, { peer, kind, done, way: peer.way, lastProgressMs: this.clock.monotonicMs() });
    return id;
  }

  private end(id: number, answer: torc.HintAck | undefined): void {
    const waiting = this.waiting.get(id);
    if (waiting === undefined) return;
    this.waiting.delete(id);
    if (waiting.kind === 'ack') waiting.peer.link.owedHints--;
    waiting.done(answer);
  }
}
