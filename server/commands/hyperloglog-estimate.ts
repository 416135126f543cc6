/**
 * How many elements a HyperLogLog has seen, from how many of its registers hold what: Otmar Ertl, "New cardinality estimation algorithms for
 * HyperLogLog sketches" (arXiv:1702.01284), in the order of operations of Redis, so that the number is the same to the last one.
 */
import { registerCount } from '../../storage/hyperloglog.js';

/** Bits of the hash that are not the register's number: no run is longer than one more. */
const runBits = 50;
/** 1 / (2 ln 2), with the digits that Redis has of it. */
const alpha = 0.721347520444481703680;
/** What C makes of what does not fit 64 bits. */
const outOfRange = -(2n ** 63n);

export function estimate(registers: Uint8Array): bigint {
  const held = new Uint32Array(64);
  for (let i = 0; i < registerCount; i++) {
    const value = registers[i] as number;
    held[value] = (held[value] as number) + 1;
  }
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
