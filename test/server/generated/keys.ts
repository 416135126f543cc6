/** Generated commands on keys of any type, by row. `near` has no lists. */
import fc from '../../harness/properties.js';
import {
  many,
  milliseconds,
  options,
  seconds,
  smallNumber,
  unixMilliseconds,
  unixSeconds,
  words,
  type Family,
  type Keys,
} from './words.js';

const condition = options(2, 'NX', 'XX', 'GT', 'LT', fc.constant(['wrong']));

/** As redis-server 7.0 makes them: integers, texts, compressed ones; then what must be refused. */
const payloads = [
  '00c07b0a0048e253e1007a67b9',
  '000568656c6c6f0a006372df766534200a',
  '00c1d08a0a00d57cb019a3f85d10',
  '00c2ffffff7f0a002c74e59ee02eada1',
  '000a323134373438333634380a00e7b129a34c1d76ee',
  '00c30b40780361626361e069020162630a00c494a1702ae23e06',
  '00c3091e017878e011000178780a00f0673fdf2001eb95',
  '',
  '00',
  '00c07b0a00ecb5f3a1ffa51a4c',
  // A packed hash, a set of integers, a set, a hash.
  '1012120000000400816602817602816e020c01ff0a0001369481d35b8974',
  '0b0e0200000003000000010002002c010a00e510b28e7b9529aa',
  '02030361626303646566c00c0a006ae36b39176a49de',
  '04010166c3094064017878e057000178780a00521178d175a9af13',
].map((hex) => Buffer.from(hex, 'hex'));

export function keyFamily({ any, near }: Keys): Family {
  return {
    del: words('DEL', many(any, 5)),
    unlink: words('UNLINK', many(any, 5)),
    exists: words('EXISTS', many(any, 5)),
    touch: words('TOUCH', many(any, 5)),
    type: words('TYPE', any),
    expire: words('EXPIRE', any, seconds, condition),
    pexpire: words('PEXPIRE', any, milliseconds, condition),
    expireat: words('EXPIREAT', any, unixSeconds, condition),
    pexpireat: words('PEXPIREAT', any, unixMilliseconds, condition),
    ttl: words('TTL', any),
    pttl: words('PTTL', any),
    expiretime: words('EXPIRETIME', any),
    pexpiretime: words('PEXPIRETIME', any),
    persist: words('PERSIST', any),
    rename: words('RENAME', near, near),
    renamenx: words('RENAMENX', near, near),
    copy: words('COPY', near, near, options(2, 'REPLACE', words('DB', fc.constantFrom('0', '0', 'x', '99', '9999999999')), 'DB', 'WRONG')),
    'object|encoding': words('OBJECT', 'ENCODING', near),
    'object|freq': words('OBJECT', 'FREQ', near),
    'object|idletime': words('OBJECT', 'IDLETIME', near),
    'object|refcount': words('OBJECT', 'REFCOUNT', near),
    'memory|usage': words('MEMORY', 'USAGE', near, options(2, words('SAMPLES', smallNumber), 'SAMPLES', 'WRONG')),
    dump: words('DUMP', near),
    restore: words(
      'RESTORE',
      near,
      fc.constantFrom('0', '0', '100000', '200000', '33177117420000', '-1', 'x'),
      fc.constantFrom(...payloads),
      options(3, 'REPLACE', 'REPLACE', 'ABSTTL', words('IDLETIME', smallNumber), words('FREQ', smallNumber), 'FREQ', 'WRONG'),
    ),
  };
}

/** On the keyspace as a whole. */
export function keyspaceFamily(): Family {
  const pattern = fc.constantFrom<string | Buffer>(
    '*',
    'a',
    '*a*',
    '{?}*',
    '[a-c]',
    'nothing',
    '',
    '\\*',
    Buffer.from([0x2a, 0xff, 0x2a]),
    Buffer.from([0, 0x3f, 0x2a]),
  );
  return {
    dbsize: words('DBSIZE'),
    flushall: words('FLUSHALL', options(1, 'ASYNC', 'SYNC', 'WRONG')),
    flushdb: words('FLUSHDB', options(1, 'ASYNC', 'SYNC', 'WRONG')),
    keys: words('KEYS', pattern),
    randomkey: words('RANDOMKEY'),
    scan: words(
      'SCAN',
      fc.constantFrom('0', '0', '0', 'x', '18446744073709551616'),
      options(
        2,
        words('COUNT', fc.constantFrom('100000', '200000', '0', 'x')),
        words('MATCH', pattern),
        words('TYPE', fc.constantFrom('string', 'STRING', 'list', 'hash', 'set', '')),
      ),
    ),
  };
}
