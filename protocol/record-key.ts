/**
 * Record keys: where a record lies, in the log, in peer frames and in RocksDB alike.
 *
 *   slot u16 | key length u32 | key | type u8 | part u8 | element
 *
 * Big-endian. A partition is a run of consecutive slots, so its records are one contiguous range; so are one slot's and one key's.
 * A record's key names its type. Parts: a string has `value` alone; a collection has `deleted`, `expiry` and `element` records.
 */

/** One byte per Redis type; fixed on disk and on the wire. */
export const recordType = { string: 0x73 /* s */, hash: 0x68, set: 0x65, zset: 0x7a, list: 0x6c, stream: 0x78, hyperloglog: 0x70 } as const;

/** Which part of its key a record is; fixed on disk and on the wire. */
export const recordPart = { value: 0, deleted: 1, expiry: 2, element: 3 } as const;

/** Bytes before the key and after it, the element left out. */
export const recordKeyOverhead = 8;

export interface RecordKey {
  readonly slot: number;
  /** Borrowed from the encoded bytes. */
  readonly key: Buffer;
  readonly type: number;
  readonly part: number;
  /** Borrowed; empty unless part is `element`. */
  readonly element: Buffer;
}
