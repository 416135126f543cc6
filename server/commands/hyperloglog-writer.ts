/**
 * A HyperLogLog that is being written to: its registers are raised in place, step by step as Redis does it, so that the same elements in the same order make
 * the same bytes. Sparse registers are runs (storage/hyperloglog.ts); a raise splits one of them in up to three and puts equal neighbours together:
 *
 *   0 x 100            raise register 40 to 3       0 x 40 | 3 x 1 | 0 x 59
 *
 * It becomes dense when a run cannot say the value or the sparse bytes would become too many, and stays so.
 */
import {
  denseBytes,
  emptyHyperLogLog,
  encodeDense,
  encodingAt,
  encodings,
  headerBytes,
  pushRun,
  raiseRegisters,
  registerCount,
  runBytes,
  runLength,
  runValue,
  sparseValueMax,
  staleAt,
  staleBit,
  valueRun,
  valueRunMax,
} from '../../storage/hyperloglog.js';

/** How many runs, from the one before the changed one on, are looked at for equal neighbours. */
const joinedRuns = 5;

/** Room for runs that come. */
const roomAtFirst = 64;

export type Raised = 'raised' | 'unchanged' | 'corrupted';

export class HyperLogLogWriter {
  private bytes: Buffer;
  private length: number;
  /** A run in front of which nothing changed since it was passed, and its first register: where to look from. 0 = none. */
  private knownAt = 0;
  private knownFirst = 0;

  /** `value` is copied, undefined = a new one. `sparseBytesMax`: hll-sparse-max-bytes. */
  constructor(
    value: Buffer | undefined,
    private readonly sparseBytesMax: number,
  ) {
    const before = value ?? emptyHyperLogLog;
    this.length = before.length;
    this.bytes = this.isDenseValue(before) ? Buffer.from(before) : Buffer.concat([before, Buffer.alloc(roomAtFirst)]);
  }

  /** Raises a register to `value`, unless it holds that or more. */
  raise(index: number, value: number): Raised {
    return this.isDenseValue(this.bytes) ? this.raiseDense(index, value) : this.raiseSparse(index, value);
  }

  /** False when it is corrupted, and left as it is. */
  becomeDense(): boolean {
    if (this.isDenseValue(this.bytes)) return true;
    const registers = new Uint8Array(registerCount);
    if (!raiseRegisters(registers, this.bytes.subarray(0, this.length))) return false;
    const dense = encodeDense(registers);
    this.bytes.copy(dense, encodingAt + 1, encodingAt + 1, headerBytes);
    this.bytes = dense;
    this.length = denseBytes;
    return true;
  }

  /** Its cardinality is to be computed anew. */
  makeStale(): void {
    this.bytes[staleAt] = (this.bytes[staleAt] as number) | staleBit;
  }

  /** The value as it is now, owned by the caller once nothing is raised any more. */
  take(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  private isDenseValue(bytes: Buffer): boolean {
    return bytes[encodingAt] === encodings.dense;
  }

  private raiseDense(index: number, value: number): Raised {
    const bit = index * 6;
    const at = headerBytes + (bit >>> 3);
    const shift = bit & 7;
    const both = (this.bytes[at] as number) | ((this.bytes[at + 1] ?? 0) << 8);
    if (((both >> shift) & 63) >= value) return 'unchanged';
    const changed = (both & ~(63 << shift)) | (value << shift);
    this.bytes[at] = changed & 0xff;
    if (at + 1 < denseBytes) this.bytes[at + 1] = changed >> 8;
    this.makeStale();
    return 'raised';
  }

  private raiseSparse(index: number, value: number): Raised {
    if (value > sparseValueMax) return this.raiseAsDense(index, value);
    let [at, first] = this.startOf(index);
    let before = 0;
    let beforeFirst = 0;
    let length = 0;
    while (at < this.length) {
      length = runLength(this.bytes, at);
      if (index < first + length) break;
      [before, beforeFirst] = [at, first];
      first += length;
      at += runBytes(this.bytes[at] as number);
    }
    if (length === 0 || at >= this.length) return 'corrupted';
    const byte = this.bytes[at] as number;
    const old = runValue(byte);
    if (old >= value) return 'unchanged';
    const pieces: number[] = [];
    pushRun(pieces, old, index - first);
    pushRun(pieces, value, 1);
    pushRun(pieces, old, first + length - 1 - index);
    const more = pieces.length - runBytes(byte);
    if (more > 0 && this.length + more > this.sparseBytesMax) return this.raiseAsDense(index, value);
    this.replace(at, runBytes(byte), pieces);
    this.joinNeighbours(before === 0 ? headerBytes : before);
    [this.knownAt, this.knownFirst] = [before, beforeFirst];
    this.makeStale();
    return 'raised';
  }

  /** A run at or before the one of the register, which has another before it wherever it is not the first of all. */
  private startOf(index: number): [at: number, first: number] {
    const { knownAt, knownFirst } = this;
    if (knownAt === 0 || index < knownFirst + runLength(this.bytes, knownAt)) return [headerBytes, 0];
    return [knownAt, knownFirst];
  }

  private raiseAsDense(index: number, value: number): Raised {
    return this.becomeDense() ? this.raiseDense(index, value) : 'corrupted';
  }

  private replace(at: number, count: number, pieces: readonly number[]): void {
    const more = pieces.length - count;
    if (this.length + more > this.bytes.length) this.bytes = Buffer.concat([this.bytes, Buffer.alloc(this.bytes.length)]);
    this.bytes.copyWithin(at + pieces.length, at + count, this.length);
    this.bytes.set(pieces, at);
    this.length += more;
  }

  private joinNeighbours(from: number): void {
    const { bytes } = this;
    for (let at = from, left = joinedRuns; at < this.length && left > 0; left--) {
      const value = runValue(bytes[at] as number);
      const length = runLength(bytes, at);
      const next = at + 1 < this.length ? runValue(bytes[at + 1] as number) : 0;
      if (value > 0 && next === value && length + runLength(bytes, at + 1) <= valueRunMax) {
        bytes[at + 1] = valueRun(value, length + runLength(bytes, at + 1));
        bytes.copyWithin(at, at + 1, this.length);
        this.length--;
      } else at += runBytes(bytes[at] as number);
    }
  }
}
