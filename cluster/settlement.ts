/**
 * A batch on its way to being settled: it counts the replicas that hold it, and answers those who wait for that. A batch that was
 * not acknowledged in time answers UNKNOWNOUTCOME to its own command; the links to its peers keep it for resending all the same.
 */
import { ownReply, type Reply } from '../protocol/resp/reply.js';
import type { Bytes } from '../protocol/gathered-bytes.js';
import { notServedInTime, unknownOutcome, type Call } from './call.js';
import type { TraceContext } from './tracing.js';

interface Waiter {
  readonly call: Call;
  readonly reply: Reply;
}

export class Settlement {
  settled = false;
  /** The bytes of its turn, kept while a peer has not acknowledged it; undefined until the turn ends. */
  turnBytes: Bytes | undefined = undefined;
  /** It travels alone, in pieces. */
  isLarge = false;
  /** Of the span that wrote it, where that is traced: replicas' spans are within it. */
  traced: TraceContext | undefined = undefined;
  /** When it was written, monotonic ms; NaN = nobody wants to know. */
  beganMs = NaN;
  /** The command that wrote it, until it is answered. */
  private writer: Call | undefined;
  /** Commands that saw what it wrote. */
  private readers: Waiter[] | undefined = undefined;

  constructor(
    readonly partition: number,
    readonly counter: number,
    /** Where its bytes lie among those of its turn. */
    readonly offset: number,
    readonly length: number,
    /** It carries no record: nothing but the proof that its term stands. */
    readonly isEmpty: boolean,
    writer: Call | undefined,
    private readonly reply: Reply,
    /** Acknowledgements still missing for W. */
    private missing: number,
    private readonly whenSettled: (settlement: Settlement) => void,
  ) {
    this.writer = writer;
  }

  /** `call` saw what the batch wrote: `reply` goes out once that is settled. */
  wait(call: Call, reply: Reply): void {
    (this.readers ??= []).push({ call, reply: ownReply(reply) });
  }

  /** One more replica holds it, in its term. Each replica says so once. */
  acknowledge(): void {
    if (--this.missing === 0) this.settle();
  }

  /**
   * One more replica's `seen` covers it, whose acknowledgement will never come. That says nothing of its term: with it the batch is settled for those who saw it, but
   * its own command's outcome stays unknown.
   */
  cover(): void {
    if (--this.missing > 0 || this.settled) return;
    const { writer } = this;
    this.writer = undefined;
    writer?.answer(this.isEmpty ? notServedInTime : unknownOutcome);
    this.settle();
  }

  /** W replicas hold it, by acknowledgement or because their `seen` covers it. */
  settle(): void {
    if (this.settled) return;
    this.settled = true;
    const { writer, readers } = this;
    this.writer = this.readers = undefined;
    this.whenSettled(this);
    writer?.answer(this.reply);
    if (readers !== undefined) for (const { call, reply } of readers) call.answer(reply);
  }

  /** Takes out the calls that `due` names: its writer, if it is one of them, and readers. Asks of each more than once. */
  giveUp(due: (call: Call) => boolean): { readonly writer: Call | undefined; readonly readers: readonly Call[] } {
    const writer = this.writer !== undefined && due(this.writer) ? this.writer : undefined;
    if (writer !== undefined) this.writer = undefined;
    const readers = this.readers?.filter(({ call }) => due(call)).map(({ call }) => call) ?? [];
    if (readers.length > 0) this.readers = this.readers?.filter(({ call }) => !due(call));
    return { writer, readers };
  }
}

/** A batch's bytes, borrowed from its turn's. Of a large one they are put together: whoever can takes `turnBytes`, which are all its own. */
export function bytesOf({ turnBytes, offset, length }: Settlement): Buffer {
  if (turnBytes === undefined) throw new Error('a batch is sent before its turn has ended');
  return turnBytes.subarray(offset, offset + length);
}
