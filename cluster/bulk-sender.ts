/**
 * What is too large for a frame of its own goes to a peer in pieces, between which the link's other frames find their place: a value of half a gigabyte
 * takes seconds, and nobody else's command is to wait for it. The receiver says how much has come, which paces the sender and tells it that the peer lives.
 *
 * Two kinds go this way: batches, kept until the peer has stored them and sent again over its next stream, and encoded frames (a forwarded command, its reply,
 * records for repair), which are lost with their stream as small ones are.
 *
 * Invariant: messages leave in the order in which they were put, the next one when all of the one before has come, and of batches when they are stored. Bounds:
 * the bytes that wait are the caller's to bound (`bytes`); those on their way and not heard of are at most `windowBytes`.
 */
import type { torc } from '../protocol/generated/messages.js';
import { bytesOf, type Settlement } from './settlement.js';

export interface BulkSizes {
  /** What is larger goes in pieces. */
  readonly messageBytesMin: number;
  readonly pieceBytes: number;
  /** Sent and not heard of yet. */
  readonly windowBytes: number;
}

/** A piece is encoded within a millisecond, and a window is a few milliseconds of a fast network. */
export const bulkSizes: BulkSizes = {
  messageBytesMin: 2 * 1024 * 1024 + 64 * 1024,
  pieceBytes: 512 * 1024,
  windowBytes: 2 * 1024 * 1024,
};

interface Message {
  readonly bytes: Buffer;
  /** Undefined: it is a frame. */
  readonly settlement: Settlement | undefined;
  /** A frame with records: others have to stay behind it. */
  readonly records: boolean;
}

export class BulkSender {
  private queue: Message[] = [];
  private waitingBytes = 0;
  /** Of the message in front. */
  private id: number;
  private sent = 0;
  private received = 0;
  private running = false;
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

  get isBusy(): boolean {
    return this.queue.length > 0;
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

  /** An encoded frame, owned by this from now on. */
  putFrame(bytes: Buffer, records = false): void {
    this.put({ bytes, settlement: undefined, records });
  }

  /** A batch whose turn has ended. */
  putBatch(settlement: Settlement): void {
    const { partition } = settlement;
    this.partitions.set(partition, (this.partitions.get(partition) ?? 0) + 1);
    this.put({ bytes: bytesOf(settlement), settlement, records: false });
  }

  /** There is a stream: what is kept goes out from its beginning. */
  restart(): void {
    this.running = true;
    this.begin();
    this.pump();
  }

  /** The stream is gone, and all frames with it. */
  stop(): void {
    this.running = false;
    this.keep(({ settlement }) => settlement !== undefined);
  }

  /** The peer has got so much of a message, and stored it where `stored` is there: then the batch is returned. */
  acknowledged({ id, received, stored }: torc.BulkAck): Settlement | undefined {
    const [front] = this.queue;
    if (front === undefined || id !== this.id || received > this.sent) return undefined; // of a stream before this one
    this.received = Math.max(this.received, received);
    const isOver = front.settlement === undefined ? received === front.bytes.length : Boolean(stored);
    if (!isOver) {
      this.pump();
      return undefined;
    }
    this.queue.shift();
    this.left(front);
    this.begin();
    this.pump();
    return front.settlement;
  }

  /** Takes out the batches that `isOver` names. */
  takeBatches(isOver: (settlement: Settlement) => boolean): Settlement[] {
    const taken: Settlement[] = [];
    const [front] = this.queue;
    this.keep(({ settlement }) => {
      if (settlement === undefined || !isOver(settlement)) return true;
      taken.push(settlement);
      return false;
    });
    if (this.running && this.queue[0] !== front) {
      this.begin();
      this.pump();
    }
    return taken;
  }

  private keep(isKept: (message: Message) => boolean): void {
    const { queue } = this;
    this.queue = queue.filter(isKept);
    if (this.queue.length < queue.length) for (const message of queue) if (!this.queue.includes(message)) this.left(message);
  }

  private put(message: Message): void {
    this.waitingBytes += message.bytes.length;
    if (this.queue.push(message) > 1) return;
    this.begin();
    this.pump();
  }

  private left({ bytes, settlement }: Message): void {
    this.waitingBytes -= bytes.length;
    if (settlement === undefined) return;
    const left = (this.partitions.get(settlement.partition) ?? 1) - 1;
    if (left === 0) this.partitions.delete(settlement.partition);
    else this.partitions.set(settlement.partition, left);
  }

  private begin(): void {
    this.id++;
    this.sent = this.received = 0;
  }

  private pump(): void {
    const [front] = this.queue;
    if (front === undefined || !this.running) return;
    const { bytes, settlement } = front;
    const { pieceBytes, windowBytes } = this.sizes;
    while (this.sent < bytes.length && this.sent - this.received < windowBytes) {
      const piece = bytes.subarray(this.sent, this.sent + pieceBytes);
      this.say({ id: this.id, total: bytes.length, offset: this.sent, bytes: piece, batches: settlement !== undefined });
      this.sent += piece.length;
    }
  }
}
