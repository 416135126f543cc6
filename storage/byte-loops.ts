/** Copying and comparing of few bytes, where a loop beats the call into the runtime. */

/** Up to this length a loop beats the call into the runtime's copy. */
const loopedBytes = 96;

/** Copies `length` of `bytes` from `from` to `target` at `at`. */
export function copyBytes(bytes: Buffer, from: number, length: number, target: Buffer, at: number): void {
  if (length <= loopedBytes) for (let i = 0; i < length; i++) target[at + i] = bytes[from + i] as number;
  else target.set(from === 0 && length === bytes.length ? bytes : bytes.subarray(from, from + length), at);
}

/** Up to this many first bytes a loop beats the call into the runtime's comparison. */
const comparedByLoop = 16;

/** As Buffer.compare: below, above or 0. */
export function compareBytes(bytes: Buffer, from: number, end: number, others: Buffer, othersFrom: number, othersEnd: number): number {
  const length = Math.min(end - from, othersEnd - othersFrom, comparedByLoop);
  for (let i = 0; i < length; i++) {
    const difference = (bytes[from + i] as number) - (others[othersFrom + i] as number);
    if (difference !== 0) return difference;
  }
  return bytes.compare(others, othersFrom + length, othersEnd, from + length, end);
}
