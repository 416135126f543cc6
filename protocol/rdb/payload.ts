/**
 * What DUMP answers and RESTORE takes: a value as it would stand in an RDB file, the version of the format (2 bytes, little-endian), and the CRC-64
 * of all before it (8 bytes, little-endian).
 *
 * Version 10 is written: it has every encoding that is written here, so that Redis 7.0 and later take it. Versions up to 11, Redis 7.2's, are read.
 */
import { crc64 } from './crc64.js';

const versionWritten = 10;
const versionMost = 11;
const versionBytes = 2;
const checksumBytes = 8;

/** `body`: type byte and value. */
export function sealPayload(body: Buffer): Buffer {
  const checked = Buffer.concat([body, Buffer.of(versionWritten & 0xff, versionWritten >> 8)]);
  return Buffer.concat([checked, crc64(checked)]);
}

/** Type byte and value, borrowed; undefined when the version is too new or the checksum is wrong. */
export function openPayload(payload: Buffer): Buffer | undefined {
  const bodyBytes = payload.length - versionBytes - checksumBytes;
  if (bodyBytes < 0 || payload.readUInt16LE(bodyBytes) > versionMost) return undefined;
  const checked = payload.subarray(0, bodyBytes + versionBytes);
  return crc64(checked).equals(payload.subarray(checked.length)) ? payload.subarray(0, bodyBytes) : undefined;
}
