/**
 * What is too large for a frame of its own goes to a peer in pieces, between which the link's other frames find their place: a value of half a gigabyte
 * takes seconds, and nobody else's command is to wait for it. The receiver says how much has come, which paces the sender and tells it that the peer lives.
 *
 * Two kinds go this way: batches, kept until the peer has stored them and sent again over its next stream, and encoded frames (a forwarded command, its reply,
 * records for repair), which are lost with their stream as small ones are.
 *
 * Invariant: messages leave in the order in which they were put (but that frames pass batches that the peer has no room for), the next one when all of the one before
 * has come, and of batches when they are stored. Bounds: the bytes that wait are the caller's to bound (`bytes`); those on their way and not heard of are at most `windowBytes`.
 */
import type { Bytes } from '../protocol/gathered-bytes.js';
import type { torc } from '../protocol/generated/messages.js';
import { usualBulkPatience, type BulkPatience, type Call } from './call.js';
import { bytesOf, type Settlement } from './settlement.js';

export interface BulkSizes {
  /** What is larger goes in pieces. */
  readonly messageBytesMin: number;
  readonly pieceBytes: number;
  /** Sent and not heard of yet. */
  readonly windowBytes: number;
  readonly patience: BulkPatience;
}

/** A quarter of a mebibyte, and what stands around values: one of a mebibyte goes in four pieces, not in five. */
const pieceBytes = (256 + 8) * 1024;

/** A piece is encoded within a millisecond, and a window is a few milliseconds of a fast network. */
export const bulkSizes: BulkSizes = {
  messageBytesMin: 512 * 1024 + 64 * 1024,
  pieceBytes,
  windowBytes: 4 * pieceBytes,
  patience: usualBulkPatience,
};

/** What the peer has stored. */
interface StoredBatch {
  readonly settlement: Settlement;
  /** Small ones that no longer have to stay behind a large one of their partition, in order: they are not here any more. */
  readonly freed: readonly Settlement[];
}

interface Message {
  readonly bytes: Bytes;
  /** Undefined: it is a frame. */
  readonly settlement: Settlement | undefined;
  /** A frame with records: others have to stay behind it. */
  readonly records: boolean;
  /** A frame that forwards it. */
  readonly call: Call | undefined;
}

export class BulkSender {
  private queue: Message[] = [];
  private waitingBytes = 0;
  /** Of the queue, what is being sent; undefined = there is nothing to send, or no stream. */
  private current: Message | undefined;
  private id: number;
  private sent = 0;
  private received = 0;
  private running = false;
  /** The peer has no room: batches wait, and frames pass them. */
  private holding = false;
  /** How many batches of each partition are here: those that come after them have to stay behind them. */
  private readonly partitions = new Map<number, number>();

  constructor(
    private readonly sizes: BulkSizes,
    firstId: number,
    private readonly say: (piece: torc.BulkPiece.$Shape) => void,
  ) {
    this.id = firstId;
  }

  /** Bytes of messages that have not come whole, or are not stored. */
  get bytes(): number {
    return this.waitingBytes;
  }

  get isEmpty(): boolean {
    return this.queue.length === 0;
  }

  /** Something is on its way to the peer. */
  get isMoving(): boolean {
    return this.current !== undefined;
  }

  isLarge(bytes: number): boolean {
    return bytes > this.sizes.messageBytesMin;
  }

  /** A frame with records waits here. */
  get holdsRecords(): boolean {
    return this.queue.some(({ records }) => records);
  }

  /** A batch of the partition waits here. */
  holds(partition: number): boolean {
    return this.partitions.size > 0 && this.partitions.has(partition);
  }

  /** The counter of the oldest batch; undefined = there is none. */
  get oldestBatch(): number | undefined {
    return this.queue.find(({ settlement }) => settlement !== undefined)?.settlement?.counter;
  }

  /** Forwarded calls of which some is still to be sent: nobody can have run them. */
  get unsentCalls(): ReadonlySet<Call> {
    const calls = new Set<Call>();
    for (const { call, bytes } of this.queue)
      if (call !== undefined && (this.current?.call !== call || this.sent < bytes.length)) calls.add(call);
    return calls;
  }

  /** An encoded frame, owned by this from now on; `call` is what it forwards. */
  putFrame(bytes: Bytes, { records = false, call }: { readonly records?: boolean; readonly call?: Call | undefined } = {}): void {
    this.put({ bytes, settlement: undefined, records, call });
  }

  /** A batch whose turn has ended. */
  putBatch(settlement: Settlement): void {
    const { partition, turnBytes, isLarge } = settlement;
    this.partitions.set(partition, (this.partitions.get(partition) ?? 0) + 1);
    this.put({ bytes: isLarge && turnBytes !== undefined ? turnBytes : bytesOf(settlement), settlement, records: false, call: undefined });
  }

  /** There is a new stream: what is kept goes out from its beginning. */
  restart(): void {
    this.running = true;
    this.next();
  }

  /**
   * What the peer answered may be lost, though all that was sent arrives. A batch goes out again: to store it twice changes nothing. Of a frame only what was not heard of
   * does, under the same id: the peer takes it once.
   */
  resend(): void {
    const { current } = this;
    if (current === undefined) return;
    if (current.settlement !== undefined) return this.next();
    for (let at = this.received; at < this.sent; at += this.sizes.pieceBytes) this.sayPiece(current, at);
  }

  /** The stream is gone, and all frames with it. */
  stop(): void {
    this.running = false;
    this.current = undefined;
    this.keep(({ settlement }) => settlement !== undefined);
  }

  /** Whether batches wait until they are wanted again. */
  setHolding(holds: boolean): void {
    if (holds === this.holding) return;
    this.holding = holds;
    // A frame that is being sent goes on.
    if (this.current === undefined || this.current.settlement !== undefined) this.next();
  }

  /** The peer has got so much of a message, and stored it where `stored` is there: then the batch is returned. */
  acknowledged({ id, received, stored }: torc.BulkAck): StoredBatch | undefined {
    const { current } = this;
    if (current === undefined || id !== this.id || received > this.sent) return undefined; // of a message before this one
    this.received = Math.max(this.received, received);
    const isOver = current.settlement === undefined ? received === current.bytes.length : Boolean(stored);
    if (!isOver) {
      this.pump();
      return undefined;
    }
    this.queue.splice(this.queue.indexOf(current), 1);
    this.left(current);
    const { settlement } = current;
    const freed = settlement === undefined ? [] : this.takeFollowers(settlement.partition);
    this.next();
    return settlement === undefined ? undefined : { settlement, freed };
  }

  /** Takes out the small batches of a partition of which no large one is left. */
  private takeFollowers(partition: number): readonly Settlement[] {
    const isOfIt = ({ settlement }: Message): boolean => settlement?.partition === partition;
    if (!this.holds(partition) || this.queue.some((message) => isOfIt(message) && message.settlement?.isLarge === true)) return [];
    const followers = this.queue.filter(isOfIt);
    this.queue = this.queue.filter((message) => !isOfIt(message));
    return followers.flatMap((message) => (this.left(message), message.settlement ?? []));
  }

  /** Takes out the batches that `isOver` names. */
  takeBatches(isOver: (settlement: Settlement) => boolean): Settlement[] {
    const taken: Settlement[] = [];
    this.keep(({ settlement }) => {
      if (settlement === undefined || !isOver(settlement)) return true;
      taken.push(settlement);
      return false;
    });
    if (this.current !== undefined && !this.queue.includes(this.current)) this.next();
    return taken;
  }

  private keep(isKept: (message: Message) => boolean): void {
    this.queue = this.queue.filter((message) => {
      if (isKept(message)) return true;
      this.left(message);
      return false;
    });
  }

  private put(message: Message): void {
    this.waitingBytes += message.bytes.length;
    this.queue.push(message);
    if (this.current === undefined) this.next();
  }

  private left({ bytes, settlement }: Message): void {
    this.waitingBytes -= bytes.length;
    if (settlement === undefined) return;
    const left = (this.partitions.get(settlement.partition) ?? 1) - 1;
    if (left === 0) this.partitions.delete(settlement.partition);
    else this.partitions.set(settlement.partition, left);
  }

  /** Sends the first message that may go, from its beginning. */
  private next(): void {
    this.id++;
    this.sent = this.received = 0;
    this.current = this.running ? this.queue.find(({ settlement }) => settlement === undefined || !this.holding) : undefined;
    this.pump();
  }

  private pump(): void {
    const { current } = this;
    if (current === undefined) return;
    const { pieceBytes, windowBytes } = this.sizes;
    while (this.sent < current.bytes.length && this.sent - this.received < windowBytes) {
      const at = this.sent;
      this.sent = Math.min(at + pieceBytes, current.bytes.length);
      this.sayPiece(current, at);
    }
  }

  private sayPiece({ bytes, settlement }: Message, offset: number): void {
    const piece = bytes.subarray(offset, Math.min(offset + this.sizes.pieceBytes, bytes.length));
    this.say({ id: this.id, total: bytes.length, offset, bytes: piece, batches: settlement !== undefined });
  }
}
