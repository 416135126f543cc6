/** Bytes that lie apart from each other in memory, used as one run: what is made around a large value does not copy it. */

/** A Buffer, or what stands for one too large to be made. */
export interface Bytes {
  readonly length: number;
  /** From `from` to before `to`; borrowed, and not to be written to. */
  subarray(from: number, to: number): Buffer;
}

export class GatheredBytes implements Bytes {
  readonly length: number;

  /** The parts, one after the other; nobody may write to them from now on. */
  constructor(private readonly parts: readonly Buffer[]) {
    this.length = parts.reduce((sum, { length }) => sum + length, 0);
  }

  /** O(parts); copies where it does not lie within one of them. */
  subarray(from: number, to: number): Buffer {
    const slices: Buffer[] = [];
    let at = 0;
    for (const part of this.parts) {
      if (at >= to) break;
      const end = at + part.length;
      if (end > from) slices.push(part.subarray(Math.max(0, from - at), to - at));
      at = end;
    }
    const [only] = slices;
    return slices.length === 1 && only !== undefined ? only : Buffer.concat(slices);
  }
}
