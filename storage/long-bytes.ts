/** Bytes that a command makes of large values, where they are many before the command runs once more (long-work.ts). */
import type { LongWork } from './long-work.js';

/** Bytes that something is made of, and where in it their first one belongs. Never written to. */
export interface Source {
  readonly bytes: Buffer;
  readonly at: number;
}

/** Makes `result` from `from` to before `to`, of `sources`; what none of them covers is zeros already. */
export type Fill = (result: Buffer, sources: readonly Source[], from: number, to: number) => void;

/** What a slice goes through of all sources: well below a millisecond, but for memory that the system has yet to give. */
const sliceBytes = 256 * 1024;
/** What is made of so many bytes at most is made at once, some 2 ms. */
const madeAtOnceMax = 1024 * 1024;

export class LongBytes implements LongWork<Buffer> {
  private bytes: Buffer | undefined;
  private filled = 0;

  /** `fill` says what is made. Nothing is made yet. */
  constructor(
    readonly length: number,
    private readonly sources: readonly Source[],
    private readonly fill: Fill,
  ) {}

  get isLong(): boolean {
    return this.sources.reduce((sum, { bytes }) => sum + bytes.length, 0) > madeAtOnceMax;
  }

  /** Of the same memory: what is there is never written to. */
  isSame(other: LongWork<unknown>): other is LongBytes {
    if (!(other instanceof LongBytes)) return false;
    const { length, sources, fill } = other;
    if (length !== this.length || fill !== this.fill || sources.length !== this.sources.length) return false;
    return sources.every(({ bytes, at }, index) => {
      const mine = this.sources[index] as Source;
      return at === mine.at && bytes.length === mine.bytes.length && isSameMemory(bytes, mine.bytes);
    });
  }

  proceed(): boolean {
    this.bytes ??= this.room();
    const to = Math.min(this.filled + Math.ceil(sliceBytes / this.sources.length), this.length);
    this.fill(this.bytes, this.sources, this.filled, to);
    this.filled = to;
    return to === this.length;
  }

  /** Of what no source covers the system gives zeros when somebody first looks at them. */
  private room(): Buffer {
    let covered = 0;
    for (const { bytes, at } of this.sources) if (at <= covered) covered = Math.max(covered, at + bytes.length);
    return covered < this.length ? Buffer.alloc(this.length) : Buffer.allocUnsafe(this.length);
  }

  take(): Buffer {
    while (!this.proceed());
    return this.bytes as Buffer;
  }

  /** What it holds is garbage with it. */
  abandon(): void {
    this.bytes = undefined;
  }
}

/** The sources, each over those before it; zeros elsewhere. */
export const overlay: Fill = (result, sources, from, to) => {
  for (const { bytes, at } of sources) {
    const [first, end] = [Math.max(from, at), Math.min(to, at + bytes.length)];
    if (first < end) bytes.copy(result, first, first - at, end - at);
  }
};

function isSameMemory(bytes: Buffer, others: Buffer): boolean {
  return bytes.buffer === others.buffer && bytes.byteOffset === others.byteOffset;
}
