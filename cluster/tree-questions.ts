/**
 * Questions about trees that this node has asked its peers, and those that it is answering. A question ends with its answer, or unanswered: when the
 * streams that question and answer travel on are no longer those of its beginning, or when the peer has not even said that it is at work for long.
 */
import { torc } from '../protocol/generated/messages.js';
import type { Clock } from '../storage/clock.js';
import type { Peer } from './peer.js';

interface Asked {
  readonly peer: Peer;
  readonly answered: (answer: torc.TreeAnswer | undefined) => void;
  /** Peer.way when it was asked. */
  readonly way: number;
  lastProgressMs: number;
}

export interface TreeQuestionsOptions {
  readonly clock: Clock;
  /** Other than an earlier process of this node counted from. */
  readonly firstId: number;
  readonly timeoutMs: () => number;
}

export class TreeQuestions {
  private nextId: number;
  /** Of questions and answers sent, without the frames around them. */
  bytesSent = 0;
  private readonly asked = new Map<number, Asked>();
  /** Questions of peers that are being answered. */
  private readonly answering = new Set<{ readonly peer: Peer; readonly id: number }>();

  constructor(private readonly options: TreeQuestionsOptions) {
    this.nextId = options.firstId;
  }

  /** A number that was never given before. */
  draw(): number {
    return this.nextId++;
  }

  /** Undefined = it was not answered. */
  ask(peer: Peer, question: Omit<torc.TreeQuestion.$Shape, 'id'>): Promise<torc.TreeAnswer | undefined> {
    if (!peer.link.isOpen) return Promise.resolve(undefined);
    const id = this.draw();
    const { way } = peer;
    return new Promise((answered) => {
      this.asked.set(id, { peer, answered, way, lastProgressMs: this.options.clock.monotonicMs() });
      const whole = { ...question, id };
      this.bytesSent += bytesOf(whole);
      peer.link.say({ treeQuestions: [whole] });
    });
  }

  onAnswer(peer: Peer, answer: torc.TreeAnswer): void {
    const asked = this.asked.get(answer.id);
    if (asked?.peer !== peer) return;
    if (answer.working) asked.lastProgressMs = this.options.clock.monotonicMs();
    else this.end(answer.id, answer);
  }

  /** Answers when `work` is done; until then each tick says that it is under way. Rejects as `work` does, which stays unanswered. */
  async answer(peer: Peer, id: number, work: () => Promise<torc.TreeAnswer.$Shape>): Promise<void> {
    const underWay = { peer, id };
    this.answering.add(underWay);
    try {
      this.say(peer, { ...(await work()), id });
    } finally {
      this.answering.delete(underWay);
    }
  }

  /** Once a gossip interval. */
  tick(): void {
    const now = this.options.clock.monotonicMs();
    for (const [id, { peer, way, lastProgressMs }] of this.asked) {
      const isLost = !peer.link.isOpen || peer.way !== way;
      if (isLost || now - lastProgressMs > this.options.timeoutMs()) this.end(id, undefined);
    }
    for (const { peer, id } of this.answering) if (peer.link.isOpen) this.say(peer, { id, working: true });
  }

  private say(peer: Peer, answer: torc.TreeAnswer.$Shape): void {
    this.bytesSent += torc.TreeAnswer.encode(answer).finish().length;
    peer.link.say({ treeAnswers: [answer] });
  }

  private end(id: number, answer: torc.TreeAnswer | undefined): void {
    const asked = this.asked.get(id);
    this.asked.delete(id);
    asked?.answered(answer);
  }
}

/** What it takes when it is encoded, but for a few bytes for each record: they may be large, and are not encoded to be counted. */
function bytesOf({ records, ...question }: torc.TreeQuestion.$Shape): number {
  const { record, ...head } = records ?? {};
  const encoded = torc.TreeQuestion.encode(record ? { ...question, records: head } : { ...question, records: records ?? null }).finish();
  return (record ?? []).reduce((sum, { length }) => sum + length, encoded.length);
}
