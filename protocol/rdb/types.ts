/** The bytes by which RDB tells values and their encodings apart (rdb.h), up to version 12, Redis 7.4's. Fixed for ever. */
export const rdbType = {
  string: 0,
  list: 1,
  set: 2,
  zset: 3,
  hash: 4,
  zset2: 5,
  module: 6,
  module2: 7,
  hashZipmap: 9,
  listZiplist: 10,
  setIntset: 11,
  zsetZiplist: 12,
  hashZiplist: 13,
  listQuicklist: 14,
  streamListpacks: 15,
  hashListpack: 16,
  zsetListpack: 17,
  listQuicklist2: 18,
  streamListpacks2: 19,
  setListpack: 20,
  streamListpacks3: 21,
  hashMetadata: 24,
  hashListpackEx: 25,
} as const;

/** What lies in the first byte of a string or a length beside a plain length. */
export const lengthForm = { bits6: 0, bits14: 1, wide: 2, encoded: 3, u32: 0x80, u64: 0x81 } as const;
export const stringEncoding = { int8: 0, int16: 1, int32: 2, lzf: 3 } as const;
