/** Generated commands on bits, by row. */
import fc from '../../harness/properties.js';
import { many, numeral, options, smallNumber, value, words, type Family, type Keys } from './words.js';

const bit = fc.constantFrom('0', '1', '0', '1', '2', '-1', 'x');
const bitOffset = fc.constantFrom('0', '1', '7', '8', '9', '15', '100', '4294967296', '-1', 'x');
const unit = fc.constantFrom('BIT', 'byte', 'bit', 'BYTE', 'x');
const encoding = fc.constantFrom('u8', 'i8', 'u1', 'i5', 'u63', 'i64', 'i63', 'u16', 'u64', 'i0', 'x8', 'U8', 'u');
const fieldOffset = fc.constantFrom('0', '1', '3', '8', '#0', '#1', '#3', '100', '-1', '#x', '#-1', '#9999999999');
const amount = fc.oneof(numeral, fc.constantFrom('255', '256', '127', '128', '-128', '-129', '5', '-100'));

export function bitmapFamily({ any, near }: Keys): Family {
  const get = words('GET', encoding, fieldOffset);
  return {
    setbit: words('SETBIT', any, bitOffset, bit),
    getbit: words('GETBIT', any, bitOffset),
    bitcount: fc.oneof(
      words('BITCOUNT', any),
      words('BITCOUNT', any, smallNumber),
      words('BITCOUNT', any, smallNumber, smallNumber),
      words('BITCOUNT', any, smallNumber, smallNumber, unit),
    ),
    bitpos: fc.oneof(
      words('BITPOS', any, bit),
      words('BITPOS', any, bit, smallNumber),
      words('BITPOS', any, bit, smallNumber, smallNumber),
      words('BITPOS', any, bit, smallNumber, smallNumber, unit),
    ),
    bitop: words('BITOP', fc.constantFrom('AND', 'or', 'XOR', 'not', 'OR', 'and', 'xor', 'NOT', 'x'), near, many(near, 3)),
    bitfield: words(
      'BITFIELD',
      any,
      options(
        4,
        get,
        words('SET', encoding, fieldOffset, amount),
        words('INCRBY', encoding, fieldOffset, amount),
        words('OVERFLOW', fc.constantFrom('WRAP', 'sat', 'FAIL', 'fail', 'SAT', 'x')),
      ),
    ),
    bitfield_ro: words('BITFIELD_RO', any, options(2, get, get, get, words('SET', encoding, fieldOffset, value))),
  };
}
