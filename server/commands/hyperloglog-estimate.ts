/**
 * How many elements a HyperLogLog has seen, from how many of its registers hold what: Otmar Ertl, "New cardinality estimation algorithms for
 * HyperLogLog sketches" (arXiv:1702.01284), in the order of operations of Redis, so that the number is the same to the last one.
 */
import { encodingAt, encodings, headerBytes, registerCount, runBytes, runLength, runValue } from '../../storage/hyperloglog.js';

/** Bits of the hash that are not the register's number: no run is longer than one more. */
const runBits = 50;
/** 1 / (2 ln 2). */
const alpha = 0.7213475204444817;
/** What C makes of what does not fit 64 bits. */
const outOfRange = -(2n ** 63n);

/** How many registers hold each value. */
type Histogram = Uint32Array;

export function histogramOf(registers: Uint8Array): Histogram {
  const held = new Uint32Array(64);
  for (let i = 0; i < registerCount; i++) add(held, registers[i] as number, 1);
  return held;
}

/** The same of a value that isHyperLogLog(), without its registers one by one; undefined when its runs are not 16384 registers. */
export function histogramOfValue(bytes: Buffer): Histogram | undefined {
  const held = new Uint32Array(64);
  if (bytes[encodingAt] === encodings.dense) {
    // Four registers lie in three bytes.
    for (let at = headerBytes; at < bytes.length; at += 3) {
      const three = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
      add(held, three & 63, 1);
      add(held, (three >> 6) & 63, 1);
      add(held, (three >> 12) & 63, 1);
      add(held, three >> 18, 1);
    }
    return held;
  }
  let counted = 0;
  for (let at = headerBytes; at < bytes.length; at += runBytes(bytes[at] as number)) {
    const length = runLength(bytes, at);
    add(held, runValue(bytes[at] as number), length);
    counted += length;
  }
  return counted === registerCount ? held : undefined;
}

function add(held: Histogram, value: number, count: number): void {
  held[value] = (held[value] as number) + count;
}

export function estimate(held: Histogram): bigint {
  const holding = (value: number): number => held[value] as number;
  let sum = registerCount * tau((registerCount - holding(runBits + 1)) / registerCount);
  for (let value = runBits; value >= 1; value--) sum = (sum + holding(value)) * 0.5;
  sum += registerCount * sigma(holding(0) / registerCount);
  const result = Math.round((alpha * registerCount * registerCount) / sum);
  return result < 2 ** 63 ? BigInt(result) : outOfRange;
}

function sigma(share: number): number {
  if (share === 1) return Infinity;
  let x = share;
  let y = 1;
  let sum = share;
  for (let before = NaN; before !== sum;) {
    x *= x;
    before = sum;
    sum += x * y;
    y += y;
  }
  return sum;
}

function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let x = share;
  let y = 1;
  let sum = 1 - share;
  for (let before = NaN; before !== sum;) {
    x = Math.sqrt(x);
    before = sum;
    y *= 0.5;
    sum -= (1 - x) * (1 - x) * y;
  }
  return sum / 3;
}
