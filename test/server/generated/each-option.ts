/** Each option of each row on keys once, in a command that is accepted when they are all said in this order after a FLUSHALL. */
import type { Words } from './words.js';

const payload = Buffer.from('000568656c6c6f0a006372df766534200a', 'hex');
const far = '33177117420';

const lines = `
  SET a ohmytext NX; SET a ohmytext XX; SET a ohmytext GET; SET a v EX 100; SET a v PX 100000; SET a v EXAT ${far}; SET a v PXAT ${far}000; SET a v KEEPTTL
  GETEX a PERSIST; GETEX a EX 100; GETEX a PX 100000; GETEX a EXAT ${far}; GETEX a PXAT ${far}000
  MSET a ohmytext {a}2 mynewtext; LCS a {a}2; LCS a {a}2 LEN; LCS a {a}2 IDX MINMATCHLEN 2 WITHMATCHLEN
  EXPIRE a 100 NX; EXPIRE a 200 XX; EXPIRE a 300 GT; EXPIRE a 100 LT; PERSIST a
  PEXPIRE a 100000 NX; PEXPIRE a 200000 XX; PEXPIRE a 300000 GT; PEXPIRE a 100000 LT; PERSIST a
  EXPIREAT a ${far} NX; EXPIREAT a ${far} XX; EXPIREAT a 33177117520 GT; EXPIREAT a ${far} LT; PERSIST a
  PEXPIREAT a ${far}000 NX; PEXPIREAT a ${far}000 XX; PEXPIREAT a ${far}001 GT; PEXPIREAT a ${far}000 LT
  COPY a {a}3 DB 0; COPY a {a}3 REPLACE; RENAME {a}3 {a}4; RENAMENX {a}4 {a}5; INCRBYFLOAT f 1.5; SETRANGE a 3 xyz; OBJECT FREQ none; OBJECT IDLETIME none
  MEMORY USAGE a; MEMORY USAGE a SAMPLES 5
  SETBIT b 7 1; GETBIT b 7; BITCOUNT b 0 -1 BIT; BITCOUNT b 0 -1 BYTE; BITPOS b 1 0 -1 BIT; BITPOS b 0 0 -1 BYTE
  BITOP AND {a}6 a {a}2; BITOP OR {a}6 a {a}2; BITOP XOR {a}6 a {a}2; BITOP NOT {a}6 a; BITFIELD_RO b GET u8 0
  BITFIELD b OVERFLOW WRAP INCRBY u8 0 255 OVERFLOW SAT INCRBY u8 0 255 OVERFLOW FAIL INCRBY u8 0 1 GET i5 3 SET i64 #1 -1
  HSET h f v g w n 5; HRANDFIELD h 2 WITHVALUES; HSCAN h 0 COUNT 100; HSCAN h 0 MATCH *; HSCAN h 0 NOVALUES; HINCRBYFLOAT h n 1.5; COPY h {h}2; DUMP h
  SADD s 1 2 3; SSCAN s 0 COUNT 100; SSCAN s 0 MATCH *; SINTERCARD 1 s LIMIT 2; SADD s a b; OBJECT ENCODING s; OBJECT ENCODING h; DUMP s; MEMORY USAGE s; RENAME s {s}2; EXPIRE {s}2 100; TTL {s}2
  SCAN 0 COUNT 100000; SCAN 0 MATCH *a* COUNT 100000; SCAN 0 TYPE string COUNT 100000; FLUSHALL SYNC; FLUSHALL ASYNC; FLUSHDB SYNC; FLUSHDB ASYNC
`;

export const eachOption: readonly Words[] = [
  ...lines
    .split(/[;\n]/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => line.split(' ')),
  ['RESTORE', 'r', '100000', payload, 'IDLETIME', '5'],
  ['RESTORE', 'r', `${far}000`, payload, 'REPLACE', 'ABSTTL', 'FREQ', '5'],
  ['PEXPIRETIME', 'r'],
  ['GET', 'r'],
];
