/**
 * MurmurHash64A (Austin Appleby, 2008), as Redis hashes elements of HyperLogLogs: which register an element is of, and what it raises that to. Both must be
 * Redis' own, or values would not mean the same in both.
 *
 * Numbers of 64 bits are kept as two unsigned halves: BigInts cost twenty times as much.
 */
const factorHigh = 0xc6a4a793;
const factorLow = 0x5bd1e995;
const seed = 0xadc83b19;
const indexBits = 14;
const runMax = 51;

let high = 0;
let low = 0;

/** high:low *= factor. */
function multiply(): void {
  const [a0, a1] = [low & 0xffff, low >>> 16];
  const [b0, b1] = [factorLow & 0xffff, factorLow >>> 16];
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const other = a0 * b1 + (middle & 0xffff);
  const carried = a1 * b1 + (middle >>> 16) + (other >>> 16);
  high = (carried + Math.imul(low, factorHigh) + Math.imul(high, factorLow)) >>> 0;
  low = Math.imul(low, factorLow) >>> 0;
}

/** high:low ^= high:low >> 47. */
function fold(): void {
  low = (low ^ (high >>> 15)) >>> 0;
}

/** The element's register and its run, in one number: run * 2^14 + register. A run is 1..51. */
export function registerOf(element: Buffer): number {
  const { length } = element;
  [high, low] = [0, length];
  multiply();
  let hashHigh = high;
  let hashLow = low ^ seed;
  const whole = length - (length % 8);
  for (let at = 0; at < whole; at += 8) {
    low = element.readUInt32LE(at);
    high = element.readUInt32LE(at + 4);
    multiply();
    fold();
    multiply();
    low = (low ^ hashLow) >>> 0;
    high = (high ^ hashHigh) >>> 0;
    multiply();
    [hashHigh, hashLow] = [high, low];
  }
  low = hashLow >>> 0;
  high = hashHigh >>> 0;
  if (whole < length) {
    for (let at = whole; at < length; at++) {
      const place = at - whole;
      const byte = element[at] as number;
      if (place < 4) low = (low ^ (byte << (8 * place))) >>> 0;
      else high = (high ^ (byte << (8 * (place - 4)))) >>> 0;
    }
    multiply();
  }
  fold();
  multiply();
  fold();
  const index = low & ((1 << indexBits) - 1);
  const rest = low >>> indexBits;
  const zeros = rest !== 0 ? trailingZeros(rest) : 32 - indexBits + trailingZeros(high);
  return (Math.min(zeros + 1, runMax) << indexBits) | index;
}

function trailingZeros(value: number): number {
  return value === 0 ? 32 : 31 - Math.clz32(value & -value);
}
