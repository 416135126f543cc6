/**
 * The digest of a record that is too long to be packed for the hashing pool: packing half a gigabyte copies it twice in one turn of the event loop, and takes as much memory again. It is
 * hashed where it lies, a slice a turn, to the digest that a pack's record would have (merkle-hashing.ts).
 */
import { createHash } from 'node:crypto';
import { ByteWriter } from '../protocol/byte-writer.js';

/** A record whose value has more bytes is long. */
export const longValueBytes = 1024 * 1024;
/** Hashed in a turn: a millisecond or two where the processor has no instruction for it. */
const sliceBytes = 512 * 1024;

export class LongRecord {
  private readonly hash = createHash('sha256');
  private at = 0;
  private sum: Buffer | undefined;

  /** `value` follows `head` and makes the encoded record with it; it is shared, and nobody may write to it. It is let go of once it is hashed. The others are owned by this from now on. */
  constructor(
    readonly leaf: number,
    /** Its record key. */
    readonly key: Buffer,
    head: Buffer,
    private value: Buffer,
  ) {
    const lengths = new ByteWriter(8);
    lengths.u32(key.length);
    lengths.u32(head.length + value.length);
    this.hash.update(lengths.view()).update(key).update(head);
  }

  /** Hashes the next slice; true once all is hashed. */
  proceed(): boolean {
    const { value, at, hash } = this;
    hash.update(value.subarray(at, at + sliceBytes));
    this.at = at + sliceBytes;
    if (this.at < value.length) return false;
    this.sum = hash.digest();
    this.value = noBytes; // digests are kept in thousands, and by those who list them for as long as they exchange records
    return true;
  }

  get digest(): Buffer {
    if (this.sum === undefined) throw new Error('a record is not hashed yet');
    return this.sum;
  }
}

const noBytes: Buffer = Buffer.alloc(0);
