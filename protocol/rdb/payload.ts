/**
 * What DUMP answers and RESTORE takes: a value as it would stand in an RDB file, the version of the format (2 bytes, little-endian), and the CRC-64
 * of all before it (8 bytes, little-endian).
 *
 * Version 10 is written: it has every encoding that is written here, so that Redis 7.0 and later take it. But for hashes with fields that expire: those are of
 * version 12, Redis 7.4's. Versions up to that are read.
 */
import { crc64 } from './crc64.js';
import { rdbType } from './types.js';

const versionWritten = 10;
const versionMost = 12;
const versionBytes = 2;
const checksumBytes = 8;

/** `body`: type byte and value. */
export function sealPayload(body: Buffer): Buffer {
  const version = body[0] === rdbType.hashMetadata ? versionMost : versionWritten;
  const checked = Buffer.concat([body, Buffer.of(version & 0xff, version >> 8)]);
  return Buffer.concat([checked, crc64(checked)]);
}

/** Type byte and value, borrowed; undefined when the version is too new or the checksum is wrong. */
export function openPayload(payload: Buffer): Buffer | undefined {
  const bodyBytes = payload.length - versionBytes - checksumBytes;
  if (bodyBytes < 0 || payload.readUInt16LE(bodyBytes) > versionMost) return undefined;
  const checked = payload.subarray(0, bodyBytes + versionBytes);
  return crc64(checked).equals(payload.subarray(checked.length)) ? payload.subarray(0, bodyBytes) : undefined;
}
