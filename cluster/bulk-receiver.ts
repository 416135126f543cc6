/**
 * Puts large messages together again that a peer sends over one stream (bulk-sender.ts), one at a time, and says how much of each has come. What is not whole
 * when the stream ends is gone with it.
 *
 * Bound: one message, of at most `messageBytesMax`; its memory is taken when its first piece comes.
 */
import { batchHeaderBytes } from '../protocol/batch.js';
import type { torc } from '../protocol/generated/messages.js';

/** Of a batch's first part (protocol/batch.ts). */
const partitionAt = batchHeaderBytes;
const partitionEnd = partitionAt + 2;

export interface BulkMessage {
  readonly id: number;
  /** Owned by the receiver of this. */
  readonly bytes: Buffer;
  readonly batches: boolean;
}

export interface BulkStep {
  /** Bytes of the message that have come. */
  readonly received: number;
  /** The piece was its last one. */
  readonly whole: BulkMessage | undefined;
}

export class BulkReceiver {
  private id = -1;
  private total = 0;
  private bytes: Buffer | undefined;
  private received = 0;
  private batches = false;
  /** Bytes of a message that is whole and being taken: its last piece is not answered yet. */
  takingBytes = 0;
  /** The stream has ended: what is still being taken came to nothing. */
  ended = false;

  constructor(private readonly messageBytesMax: number) {}

  /** Of the batches that are under way; undefined = none are, or it is not known yet. */
  get partition(): number | undefined {
    return this.bytes !== undefined && this.batches && this.received >= partitionEnd ? this.bytes.readUInt16BE(partitionAt) : undefined;
  }

  /** Of a message that is not whole. */
  get arrivingBytes(): number {
    return this.bytes?.length ?? 0;
  }

  /** How much of the message has come; undefined when the piece is none of the one that is under way. Throws RangeError on one that cannot be. */
  push({ id, total, offset, bytes, batches }: torc.BulkPiece): BulkStep | undefined {
    if (total === 0 || total > this.messageBytesMax || offset + bytes.length > total)
      throw new RangeError(`${bytes.length} bytes at ${offset} of a message of ${total}; ${this.messageBytesMax} are allowed`);
    if (offset === 0 && id !== this.id) this.begin(id, total, batches);
    if (id !== this.id || total !== this.total) return undefined;
    if (offset < this.received) return { received: this.received, whole: undefined }; // it comes again: the answer was lost
    const mine = this.bytes;
    if (mine === undefined || offset !== this.received) return undefined;
    mine.set(bytes as Buffer, offset);
    this.received += bytes.length;
    if (this.received < total) return { received: this.received, whole: undefined };
    this.bytes = undefined;
    return { received: total, whole: { id, bytes: mine, batches } };
  }

  /** The stream has ended. */
  end(): void {
    this.ended = true;
    this.bytes = undefined;
    this.takingBytes = 0;
  }

  private begin(id: number, total: number, batches: boolean): void {
    this.id = id;
    this.total = total;
    this.bytes = Buffer.allocUnsafeSlow(total);
    this.received = 0;
    this.batches = batches;
  }
}
