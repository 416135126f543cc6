/**
 * Puts large messages of a peer together again (bulk-sender.ts), one at a time, and tells it how much has come.
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

export class BulkReceiver {
  private id = 0;
  private bytes: Buffer | undefined;
  private received = 0;
  private batches = false;

  constructor(private readonly messageBytesMax: number) {}

  /** Of the batches that are under way; undefined = none are, or it is not known yet. */
  get partition(): number | undefined {
    return this.bytes !== undefined && this.batches && this.received >= partitionEnd ? this.bytes.readUInt16BE(partitionAt) : undefined;
  }

  /** Bytes held for a message that is not whole. */
  get bufferedBytes(): number {
    return this.bytes?.length ?? 0;
  }

  /** How much of the message has come; undefined when the piece is none of the one that is under way. Throws RangeError on one that cannot be. */
  push({
    id,
    total,
    offset,
    bytes,
    batches,
  }: torc.BulkPiece): { readonly received: number; readonly whole: BulkMessage | undefined } | undefined {
    if (total === 0 || total > this.messageBytesMax || offset + bytes.length > total)
      throw new RangeError(`${bytes.length} bytes at ${offset} of a message of ${total}; ${this.messageBytesMax} are allowed`);
    if (offset === 0) {
      this.id = id;
      this.bytes = Buffer.allocUnsafeSlow(total);
      this.received = 0;
      this.batches = batches;
    }
    const mine = this.bytes;
    if (mine === undefined || id !== this.id || offset !== this.received || total !== mine.length) return undefined;
    mine.set(bytes as Buffer, offset);
    this.received += bytes.length;
    if (this.received < total) return { received: this.received, whole: undefined };
    this.bytes = undefined;
    return { received: total, whole: { id, bytes: mine, batches } };
  }

  /** The peer's stream is gone. */
  clear(): void {
    this.bytes = undefined;
  }
}
