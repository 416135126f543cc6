/** Generated commands on hashes and sets, by row. */
import fc from '../../harness/properties.js';
import { binary, many, numeral, options, smallNumber, value, words, type Family, type Keys } from './words.js';

const field = fc.oneof(
  { weight: 7, arbitrary: fc.constantFrom('f', 'g', 'h', 'n', 'n', '', 'f\u00efeld') },
  { weight: 2, arbitrary: binary },
);
const member = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('1', '2', '30', 'abc', 'def', '', '-5', 'm\u00e9') },
  { weight: 2, arbitrary: binary },
);
const float = fc.constantFrom('1.5', '-0.1', '3.0e3', '1e-10', '0x10', 'inf', 'nan', ' 1', '5', 'x', '1.7e308');
const count = fc.constantFrom('0', '1', '2', '100', '-3', 'x', '9223372036854775807');
const cursor = fc.constantFrom('0', '0', '0', '0', 'x', '99999999999999999999');
const pattern = fc.constantFrom('*', 'f', '?', '[a-d]*', 'nothing', Buffer.from([0x2a, 0xff, 0x2a]), Buffer.from([0, 0x3f, 0x2a]));
const scanOptions = options(2, words('COUNT', fc.constantFrom('100', '5', '0', 'x')), words('MATCH', pattern), 'WRONG');
/** A set that nothing but these commands touches, of one member at most: what is popped of it is no chance. */
const poppable = '{a}pop';

export function hashFamily({ any, near }: Keys): Family {
  return {
    hset: words('HSET', any, many(fc.tuple(field, value), 3)),
    hmset: words('HMSET', any, many(fc.tuple(field, value), 3)),
    hsetnx: words('HSETNX', any, field, value),
    hget: words('HGET', any, field),
    hmget: words('HMGET', any, many(field, 4)),
    hgetall: words('HGETALL', any),
    hkeys: words('HKEYS', any),
    hvals: words('HVALS', near),
    hlen: words('HLEN', any),
    hstrlen: words('HSTRLEN', any, field),
    hexists: words('HEXISTS', any, field),
    hdel: words('HDEL', any, many(field, 3)),
    hincrby: words('HINCRBY', any, field, numeral),
    hincrbyfloat: words('HINCRBYFLOAT', any, field, float),
    hrandfield: fc.oneof(
      words('HRANDFIELD', any),
      words('HRANDFIELD', any, fc.constantFrom('0', '100', '-3', 'x', '9223372036854775807', '-9223372036854775808')),
      words(
        'HRANDFIELD',
        any,
        fc.constantFrom('0', '100', '-3', 'x', '9223372036854775807'),
        fc.constantFrom('WITHVALUES', 'withvalues', 'x'),
      ),
    ),
    hscan: words('HSCAN', any, cursor, scanOptions),
  };
}

export function setFamily({ any, near }: Keys): Family {
  const some = many(near, 3);
  const limit = options(1, words('LIMIT', smallNumber), 'WRONG');
  return {
    sadd: words('SADD', any, many(member, 4)),
    srem: words('SREM', any, many(member, 3)),
    sismember: words('SISMEMBER', any, member),
    smismember: words('SMISMEMBER', any, many(member, 3)),
    scard: words('SCARD', any),
    smembers: words('SMEMBERS', any),
    spop: fc.oneof(
      words('SADD', fc.constant(poppable), fc.constant('only')),
      words('SPOP', fc.constant(poppable)),
      words('SPOP', any, fc.constantFrom('0', '100', '-1', 'x')),
      words('SPOP', fc.constant(poppable), fc.constantFrom('0', '1', '1'), options(1, 'WRONG')),
    ),
    srandmember: fc.oneof(words('SRANDMEMBER', any), words('SRANDMEMBER', any, count, options(1, 'WRONG'))),
    smove: words('SMOVE', near, near, member),
    sinter: words('SINTER', some),
    sintercard: fc.oneof(
      words('SINTERCARD', fc.constant('1'), near, limit),
      words('SINTERCARD', fc.constant('2'), near, near, limit),
      words('SINTERCARD', fc.constantFrom('0', 'x', '5', '-1'), near, near),
    ),
    sinterstore: words('SINTERSTORE', near, some),
    sunion: words('SUNION', some),
    sunionstore: words('SUNIONSTORE', near, some),
    sdiff: words('SDIFF', some),
    sdiffstore: words('SDIFFSTORE', near, some),
    sscan: words('SSCAN', any, cursor, scanOptions),
  };
}
