/**
 * The CRC-64 of Redis' dumps (crc64.c): polynomial 0xad93d23594c935a9 ("Jones"), reflected in and out, begun with 0. Of "123456789" it is
 * 0xe9c6d914c4b8d9ca. A checksum is two 32-bit halves here, since bigints cost fifty times as much.
 */
const reflectedPolynomial = { low: 0xac4bc9b5, high: 0x95ac9329 } as const;

const tableLow = new Uint32Array(256);
const tableHigh = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let [low, high] = [byte, 0];
  for (let bit = 0; bit < 8; bit++) {
    const carries = (low & 1) === 1;
    low = (low >>> 1) | ((high & 1) << 31);
    high >>>= 1;
    if (carries) {
      low ^= reflectedPolynomial.low;
      high ^= reflectedPolynomial.high;
    }
  }
  tableLow[byte] = low;
  tableHigh[byte] = high;
}

/** Eight bytes, little-endian as they stand in a dump. */
export function crc64(bytes: Buffer): Buffer {
  let [low, high] = [0, 0];
  for (let i = 0; i < bytes.length; i++) {
    const at = (low ^ (bytes[i] as number)) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ (tableLow[at] as number);
    high = (high >>> 8) ^ (tableHigh[at] as number);
  }
  const sum = Buffer.allocUnsafe(8);
  sum.writeUInt32LE(low >>> 0, 0);
  sum.writeUInt32LE(high >>> 0, 4);
  return sum;
}
