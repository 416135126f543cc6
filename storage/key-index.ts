/**
 * The index of the key table: (hash, entry + 1) pairs in 1024 open-addressed segments, each grown by itself, so that no growth takes long. It knows no keys:
 * whoever looks for one goes through the pairs of its hash.
 */

const segmentCount = 1024;
const smallestSegment = 8;

export class KeyIndex {
  /** Pairs of hash and entry + 1, 0 = free. A power of two of pairs, at most five eighths used. */
  private readonly segments: (Int32Array | undefined)[] = Array.from({ length: segmentCount });
  private readonly counts = new Int32Array(segmentCount);

  /** Where the pairs of a hash lie: from `firstAt` on, two by two, round the end, up to one whose second word is 0. Undefined when there are none. */
  segmentOf(hash: number): Int32Array | undefined {
    return this.segments[hash & (segmentCount - 1)];
  }

  add(hash: number, entry: number): void {
    const number = hash & (segmentCount - 1);
    const count = (this.counts[number] = (this.counts[number] as number) + 1);
    let segment = this.segments[number];
    if (segment === undefined) segment = this.segments[number] = new Int32Array(2 * smallestSegment);
    else if (count * 16 > segment.length * 5) segment = this.segments[number] = grown(segment);
    place(segment, hash, entry + 1);
  }

  /** Frees a place, and moves up the pairs behind it that were pushed on by it. Throws where the entry is not there. */
  remove(hash: number, entry: number): void {
    const number = hash & (segmentCount - 1);
    const segment = this.segments[number];
    if (segment === undefined) throw new Error('an entry is not in the index');
    this.counts[number] = (this.counts[number] as number) - 1;
    const mask = segment.length - 1;
    let hole = firstAt(hash, mask);
    while (segment[hole + 1] !== entry + 1) hole = (hole + 2) & mask;
    for (let at = (hole + 2) & mask; segment[at + 1] !== 0; at = (at + 2) & mask) {
      const home = firstAt(segment[at] as number, mask);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      segment[hole] = segment[at] as number;
      segment[hole + 1] = segment[at + 1] as number;
      hole = at;
    }
    segment[hole] = 0;
    segment[hole + 1] = 0;
  }
}

/** Where in its segment a hash's first pair may stand; `mask` is the segment's length less one. */
export function firstAt(hash: number, mask: number): number {
  return (hash >>> 9) & mask & ~1;
}

/** The hash of `length` bytes from `from`: a seeded multiplicative one with a final mix (Murmur's constants). */
export function keyHash(seed: number, bytes: Buffer, from: number, length: number): number {
  let hash = seed ^ length;
  const end = from + length;
  for (let i = from; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x5bd1e995) ^ (hash >>> 15);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}

/** A part's hash, of that of its element. */
export function partHash(hash: number, owner: number, kind: number): number {
  const mixed = Math.imul(hash ^ Math.imul(owner + 1, 0x9e3779b1) ^ Math.imul(kind, 0x27d4eb2f), 0x85ebca6b);
  return mixed ^ (mixed >>> 13);
}

function place(segment: Int32Array, hash: number, value: number): void {
  const mask = segment.length - 1;
  let at = firstAt(hash, mask);
  while (segment[at + 1] !== 0) at = (at + 2) & mask;
  segment[at] = hash;
  segment[at + 1] = value;
}

function grown(segment: Int32Array): Int32Array {
  const result = new Int32Array(2 * segment.length);
  for (let at = 0; at < segment.length; at += 2) if (segment[at + 1] !== 0) place(result, segment[at] as number, segment[at + 1] as number);
  return result;
}
