/**
 * The slot of a key: what cluster clients route by, so it must agree with theirs bit for bit.
 *
 * CRC16 (XMODEM: polynomial 0x1021, start 0, nothing reflected) of the key, or of its hash tag, modulo 16384. The tag is what stands
 * between the first `{` and the first `}` after it, unless that is nothing. Source: Redis Cluster specification, "Key distribution model".
 */

export const slotCount = 16384;

const openingBrace = 0x7b;
const closingBrace = 0x7d;

const crc16Table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc & 0xffff;
});

/** 0..16383. `key` is borrowed. Linear in the bytes; allocates nothing. */
export function slotOf(key: Buffer): number {
  let crc = 0;
  for (let i = 0; i < key.length; i++) {
    const byte = key[i] as number;
    if (byte === openingBrace) return slotOfBraced(key, i);
    crc = ((crc << 8) & 0xff00) ^ (crc16Table[(crc >>> 8) ^ byte] as number);
  }
  return crc & (slotCount - 1);
}

/** For a key whose first opening brace is at `opening`. Apart, so that keys without one, nearly all, cost one pass. */
function slotOfBraced(key: Buffer, opening: number): number {
  const closing = key.indexOf(closingBrace, opening + 1);
  const isTagged = closing > opening + 1;
  let crc = 0;
  const end = isTagged ? closing : key.length;
  for (let i = isTagged ? opening + 1 : 0; i < end; i++)
    crc = ((crc << 8) & 0xff00) ^ (crc16Table[(crc >>> 8) ^ (key[i] as number)] as number);
  return crc & (slotCount - 1);
}
