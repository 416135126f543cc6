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

/** 0..16383. `key` is borrowed. Linear in the bytes hashed; allocates nothing. */
export function slotOf(key: Buffer): number {
  let from = 0;
  let to = key.length;
  for (let i = 0; i < key.length; i++) {
    if (key[i] !== openingBrace) continue;
    const close = key.indexOf(closingBrace, i + 1);
    if (close > i + 1) {
      from = i + 1;
      to = close;
    }
    break;
  }
  let crc = 0;
  for (let i = from; i < to; i++) crc = ((crc << 8) & 0xffff) ^ (crc16Table[((crc >>> 8) ^ (key[i] as number)) & 0xff] as number);
  return crc & (slotCount - 1);
}
