/** Redis' array of integers (intset.c): encoding u32 (2, 4 or 8 bytes each) | count u32 | integers, ascending. Little-endian. */
import { FormatError } from '../format-error.js';

const headerBytes = 8;

/** The integers as text. Throws FormatError. */
export function readIntset(bytes: Buffer): Buffer[] {
  if (bytes.length < headerBytes) throw new FormatError('TRUNCATED', `an intset of ${bytes.length} bytes`);
  const width = bytes.readUInt32LE(0);
  const count = bytes.readUInt32LE(4);
  if (width !== 2 && width !== 4 && width !== 8) throw new FormatError('UNKNOWN', `an intset of ${width} bytes each`);
  if (bytes.length !== headerBytes + width * count) throw new FormatError('INVALID', `an intset of ${count} in ${bytes.length} bytes`);
  return Array.from({ length: count }, (_, i) => {
    const at = headerBytes + i * width;
    const value = width === 2 ? bytes.readInt16LE(at) : width === 4 ? bytes.readInt32LE(at) : bytes.readBigInt64LE(at);
    return Buffer.from(String(value), 'latin1');
  });
}
