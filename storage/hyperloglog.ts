/**
 * HyperLogLogs: strings in the layout of Redis (hyperloglog.c), so that values go either way as they are; and what concurrent ones come to.
 *
 *   value    "HYLL" | encoding u8 | 0 0 0 | cardinality u64, little-endian; its highest bit says that it is out of date | registers
 *   dense    (0)  16384 registers of 6 bits each, the lowest bits first: 12288 bytes
 *   sparse   (1)  runs:  00LLLLLL             L + 1 registers of 0
 *                        01LLLLLL llllllll    L + 1 registers of 0
 *                        1VVVVVLL             L + 1 registers of V + 1
 *
 * The join of several is the greatest of each register: what counts the elements of all of them (Flajolet et al., "HyperLogLog", 2007). Its bytes hang on
 * its registers only, not on a directive of the node, so that every replica shows the same; a join of equal bytes is these bytes. That makes it commutative,
 * associative and idempotent, byte for byte.
 */

export const registerCount = 1 << 14;
export const headerBytes = 16;
const registerBits = 6;
export const denseBytes = headerBytes + (registerCount * registerBits) / 8;
export const encodings = { dense: 0, sparse: 1 } as const;
/** Where the encoding stands, and the byte with the bit of a cardinality that is out of date. */
export const encodingAt = 4;
export const cardinalityAt = 8;
export const staleAt = 15;
export const staleBit = 0x80;

/** What a sparse run can say. */
export const sparseValueMax = 32;
export const valueRunMax = 4;
const shortZerosMax = 64;
/** A longer join is dense: Redis' default of hll-sparse-max-bytes, and not the directive, which may differ from node to node. */
const joinedSparseBytesMax = 3000;

const isValueRun = (byte: number): boolean => (byte & 0x80) !== 0;
const isLongRun = (byte: number): boolean => (byte & 0xc0) === 0x40;
/** How many bytes the run takes that begins with `byte`. */
export const runBytes = (byte: number): number => (isLongRun(byte) ? 2 : 1);
/** What its registers hold. */
export const runValue = (byte: number): number => (isValueRun(byte) ? ((byte >> 2) & 0x1f) + 1 : 0);

/** How many registers the run at `at` is of. */
export function runLength(bytes: Buffer, at: number): number {
  const byte = bytes[at] as number;
  if (isValueRun(byte)) return (byte & 3) + 1;
  return isLongRun(byte) ? (((byte & 0x3f) << 8) | (bytes[at + 1] ?? 0)) + 1 : byte + 1;
}

/** A run of 1..4 registers that hold 1..32. */
export const valueRun = (value: number, length: number): number => 0x80 | ((value - 1) << 2) | (length - 1);

/** Appends a run of one value to `to`; `length` 0 appends nothing. A value other than 0 takes at most four registers. */
export function pushRun(to: number[], value: number, length: number): void {
  if (length === 0) return;
  if (value > 0) to.push(valueRun(value, length));
  else if (length <= shortZerosMax) to.push(length - 1);
  else to.push(0x40 | ((length - 1) >> 8), (length - 1) & 0xff);
}

/** What Redis takes for a HyperLogLog at first sight: header and length. Sparse registers may still turn out not to be 16384. */
export function isHyperLogLog(bytes: Buffer): boolean {
  if (bytes.length < headerBytes || bytes[0] !== 0x48 || bytes[1] !== 0x59 || bytes[2] !== 0x4c || bytes[3] !== 0x4c) return false;
  const encoding = bytes[encodingAt];
  return encoding === encodings.sparse || (encoding === encodings.dense && bytes.length === denseBytes);
}

/** It is one to the last register. */
function isWhole(bytes: Buffer): boolean {
  if (!isHyperLogLog(bytes)) return false;
  if (bytes[encodingAt] === encodings.dense) return true;
  let first = 0;
  for (let at = headerBytes; at < bytes.length && first <= registerCount; at += runBytes(bytes[at] as number))
    first += runLength(bytes, at);
  return first === registerCount;
}

/**
 * Raises each of the 16384 `registers` to what `bytes`, which isHyperLogLog(), has there. False: its runs are not 16384 registers, and those up to
 * there are raised.
 */
export function raiseRegisters(registers: Uint8Array, bytes: Buffer): boolean {
  if (bytes[encodingAt] === encodings.dense) {
    // Four registers lie in three bytes.
    for (let at = headerBytes, i = 0; i < registerCount; at += 3, i += 4) {
      const three = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
      if (three === 0) continue;
      raise(registers, i, three & 63);
      raise(registers, i + 1, (three >> 6) & 63);
      raise(registers, i + 2, (three >> 12) & 63);
      raise(registers, i + 3, three >> 18);
    }
    return true;
  }
  let first = 0;
  for (let at = headerBytes; at < bytes.length; at += runBytes(bytes[at] as number)) {
    const end = first + runLength(bytes, at);
    if (end > registerCount) return false;
    const value = runValue(bytes[at] as number);
    if (value > 0) for (let i = first; i < end; i++) raise(registers, i, value);
    first = end;
  }
  return first === registerCount;
}

function raise(registers: Uint8Array, index: number, value: number): void {
  if (value > (registers[index] as number)) registers[index] = value;
}

/** The value of these registers, its cardinality out of date. Owned by the caller. */
export function encodeRegisters(registers: Uint8Array): Buffer {
  return encodeSparse(registers) ?? encodeDense(registers);
}

/** Shared, never mutated. */
export const emptyHyperLogLog = encodeRegisters(new Uint8Array(registerCount));

/** Undefined when it would be too long, or a register is above what a run can say. */
function encodeSparse(registers: Uint8Array): Buffer | undefined {
  const runs: number[] = [];
  for (let first = 0; first < registerCount;) {
    const value = registers[first] as number;
    if (value > sparseValueMax) return undefined;
    const endMax = value === 0 ? registerCount : Math.min(registerCount, first + valueRunMax);
    let end = first + 1;
    while (end < endMax && registers[end] === value) end++;
    pushRun(runs, value, end - first);
    if (headerBytes + runs.length > joinedSparseBytesMax) return undefined;
    first = end;
  }
  const bytes = header(headerBytes + runs.length, encodings.sparse);
  bytes.set(runs, headerBytes);
  return bytes;
}

export function encodeDense(registers: Uint8Array): Buffer {
  const bytes = header(denseBytes, encodings.dense);
  for (let at = headerBytes, i = 0; i < registerCount; at += 3, i += 4) {
    const [a, b, c, d] = [registers[i], registers[i + 1], registers[i + 2], registers[i + 3]] as [number, number, number, number];
    bytes[at] = a | (b << 6);
    bytes[at + 1] = (b >> 2) | (c << 4);
    bytes[at + 2] = (c >> 4) | (d << 2);
  }
  return bytes;
}

function header(length: number, encoding: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.write('HYLL', 'latin1');
  bytes[encodingAt] = encoding;
  bytes[staleAt] = staleBit;
  return bytes;
}

/** The join of `values`, at least one, that are HyperLogLogs to the last register. Shared when all are equal. */
export function joinHyperLogLogs(values: readonly Buffer[]): Buffer {
  const [first = Buffer.alloc(0), ...others] = values;
  if (others.every((bytes) => bytes.equals(first))) return first;
  const registers = new Uint8Array(registerCount);
  for (const bytes of values) raiseRegisters(registers, bytes);
  return encodeRegisters(registers);
}

/**
 * Which of concurrent values are shown joined: all that are HyperLogLogs to the last register, if `latest` is one. Else none, and the latest is shown as
 * any string is. So in a mix the latest value says what the key is: a later text hides the HyperLogLogs, as it hides all it competes with, and a later
 * HyperLogLog hides the texts, but no element that was added to another.
 */
export function joinable<Value extends { readonly bytes: Buffer }>(latest: Value, values: readonly Value[]): readonly Value[] {
  return isWhole(latest.bytes) ? values.filter(({ bytes }) => isWhole(bytes)) : [];
}
