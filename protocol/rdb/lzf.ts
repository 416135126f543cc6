/**
 * LibLZF's format, in which Redis compresses long strings of a dump; read only, for an uncompressed string is as good a dump.
 *
 *   000lllll bytes...                literally the next l + 1 bytes
 *   lllooooo oooooooo                l + 2 bytes (l below 7) from o + 1 bytes back
 *   111ooooo llllllll oooooooo       l + 9 bytes from o + 1 bytes back
 */
import { FormatError } from '../format-error.js';

/** Three bytes stand for at most 264. */
const ratioMax = 88;

/** Exactly `length` bytes. Throws FormatError. */
export function decompressLzf(compressed: Buffer, length: number): Buffer {
  if (length > (compressed.length + 1) * ratioMax) throw new FormatError('INVALID', 'compressed bytes claim to become too many');
  const bytes = Buffer.alloc(length);
  let at = 0;
  let from = 0;
  const next = (): number => {
    const byte = compressed[from++];
    if (byte === undefined) throw new FormatError('TRUNCATED', 'compressed bytes end early');
    return byte;
  };
  while (from < compressed.length) {
    const control = next();
    if (control < 32) {
      const count = control + 1;
      if (from + count > compressed.length || at + count > length) throw new FormatError('INVALID', 'a literal run goes beyond the end');
      compressed.copy(bytes, at, from, from + count);
      from += count;
      at += count;
      continue;
    }
    const count = 2 + (control >> 5 === 7 ? 7 + next() : control >> 5);
    const back = ((control & 0x1f) << 8) + next() + 1;
    if (back > at || at + count > length) throw new FormatError('INVALID', 'a reference goes beyond the bytes');
    // What is referred to may overlap what it becomes, so it is copied byte by byte.
    for (let i = 0; i < count; i++, at++) bytes[at] = bytes[at - back] as number;
  }
  if (at !== length) throw new FormatError('INVALID', `compressed bytes become ${at} and not ${length}`);
  return bytes;
}
