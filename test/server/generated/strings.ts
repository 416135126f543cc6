/** Generated commands on strings, by row. */
import fc from '../../harness/properties.js';
import {
  many,
  milliseconds,
  numeral,
  options,
  seconds,
  smallNumber,
  unixMilliseconds,
  unixSeconds,
  value,
  words,
  type Family,
  type Keys,
} from './words.js';

const float = fc.oneof(
  numeral,
  fc.constantFrom(
    '1.5',
    '-0.1',
    '3.0e3',
    '.5',
    '5.',
    '1e-10',
    '-1e17',
    '0x10',
    '0x1.8p1',
    'inf',
    '-inf',
    'nan',
    '1e5000',
    '1e-5000',
    ' 1',
    '1 ',
    '1e',
    '10.5',
    '1.7e308',
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
);

const expiry = [
  words('EX', seconds),
  words('PX', milliseconds),
  words('EXAT', unixSeconds),
  words('PXAT', unixMilliseconds),
  fc.constantFrom<[string]>(['EX'], ['PXAT'], ['WRONG'], ['']),
];

export function stringFamily({ any, near }: Keys): Family {
  const pair = fc.tuple(any, value);
  return {
    get: words('GET', any),
    set: words('SET', any, value, options(2, 'NX', 'XX', 'GET', 'KEEPTTL', ...expiry)),
    mget: words('MGET', many(any, 5)),
    mset: words('MSET', many(pair, 5)),
    incr: words('INCR', any),
    decr: words('DECR', any),
    incrby: words('INCRBY', any, numeral),
    decrby: words('DECRBY', any, numeral),
    append: words('APPEND', any, value),
    strlen: words('STRLEN', any),
    setnx: words('SETNX', any, value),
    setex: words('SETEX', any, seconds, value),
    psetex: words('PSETEX', any, milliseconds, value),
    getset: words('GETSET', any, value),
    getdel: words('GETDEL', any),
    getex: words('GETEX', any, options(2, 'PERSIST', ...expiry)),
    msetnx: words('MSETNX', many(fc.tuple(near, value), 4)),
    getrange: words('GETRANGE', any, smallNumber, smallNumber),
    substr: words('SUBSTR', any, smallNumber, smallNumber),
    setrange: words('SETRANGE', any, smallNumber, value),
    incrbyfloat: words('INCRBYFLOAT', any, float),
    lcs: words('LCS', near, near, options(3, 'LEN', 'IDX', 'WITHMATCHLEN', words('MINMATCHLEN', smallNumber), 'MINMATCHLEN')),
  };
}
