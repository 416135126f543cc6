/** Bits within bytes: bit 0 is the highest of the first byte, and beyond the end all are zero. */
import { ErrorReply } from '../../protocol/resp/reply.js';
import { CommandError, type Execution } from '../../storage/execution.js';
import { parseInteger } from './arguments.js';

/** Of a string of 512 MiB; proto-max-bulk-len may allow less. */
const offsetEnd = 2 ** 32;
const bitOffsetOutOfRange = new ErrorReply('ERR bit offset is not an integer or out of range');

export const bitAt = (bytes: Buffer, offset: number): number => ((bytes[Math.floor(offset / 8)] ?? 0) >> (7 - (offset % 8))) & 1;

/** The argument times `width`, which is 1 but for BITFIELD's `#n`. */
export function parseBitOffset(text: Buffer, width = 1): number | ErrorReply {
  const number = parseInteger(text);
  if (number === undefined || number < 0) return bitOffsetOutOfRange;
  const offset = Number(number) * width;
  return offset >= offsetEnd ? bitOffsetOutOfRange : offset;
}

/** Throws the client's error for a bit that no string may have. */
export function checkBitOffset({ stringBytesMax }: Execution, offset: number): void {
  if (offset >= 8 * stringBytesMax) throw new CommandError(bitOffsetOutOfRange);
}

/** `count` bits from bit `offset` on as an unsigned number. */
export function readBits(bytes: Buffer, offset: number, count: number): bigint {
  let value = 0n;
  for (let i = 0; i < count; i++) value = (value << 1n) | BigInt(bitAt(bytes, offset + i));
  return value;
}

/** Writes the low `count` bits of `value` from bit `offset` on, which `bytes` must reach. */
export function writeBits(bytes: Buffer, offset: number, count: number, value: bigint): void {
  for (let i = 0; i < count; i++) {
    const at = Math.floor((offset + i) / 8);
    const mask = 1 << (7 - ((offset + i) % 8));
    const byte = bytes[at] as number;
    bytes[at] = (value >> BigInt(count - 1 - i)) & 1n ? byte | mask : byte & ~mask;
  }
}
