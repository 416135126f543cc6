/** Generated commands on lists, by row. `{a}set` is a set. Values repeat, so that pivots, positions and removals by value find something. */
import fc from '../../harness/properties.js';
import { many, options, words, type Family, type Keys } from './words.js';

const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', 'b', 'c', 'a', 'b') },
  {
    weight: 1,
    arbitrary: fc.constantFrom<string | Buffer>('', '1', '127', '-4096', '9223372036854775807', 'm\u00e9', Buffer.from([0x00, 0xff, 0x0d])),
  },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(64), 'long '.repeat(900)) },
);
const long = fc.constantFrom('9223372036854775807', '-9223372036854775807', '-9223372036854775808', '9223372036854775808', '1.5', 'x', '');
const index = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('0', '1', '2', '3', '-1', '-2', '-3', '5', '-5') },
  { weight: 1, arbitrary: fc.oneof(fc.constantFrom('100', '-100'), long) },
);
const count = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('0', '1', '2', '3') },
  { weight: 1, arbitrary: fc.oneof(fc.constantFrom('100', '-1', '-2'), long) },
);
const end = fc.constantFrom('LEFT', 'RIGHT', 'left', 'Right', 'LEFT', 'RIGHT', 'MIDDLE');

export function listFamily({ any, near }: Keys): Family {
  const several = many(value, 5);
  const popCount = options(
    1,
    count.map((text): [string] => [text]),
    fc.constant(['1', '1']),
  );
  const positionOptions = options(3, words('RANK', fc.oneof(index, count)), words('COUNT', count), words('MAXLEN', count), 'WRONG');
  return {
    lpush: fc.oneof(words('LPUSH', any, several), words('LPUSH', near, value, several)),
    rpush: fc.oneof(words('RPUSH', any, several), words('RPUSH', near, value, value, several), words('SADD', '{a}set', 'member')),
    lpushx: words('LPUSHX', any, several),
    rpushx: words('RPUSHX', any, several),
    lpop: words('LPOP', any, popCount),
    rpop: words('RPOP', any, popCount),
    llen: words('LLEN', any),
    lrange: words('LRANGE', any, index, index),
    lindex: words('LINDEX', any, index),
    lset: words('LSET', any, index, value),
    linsert: words('LINSERT', any, fc.constantFrom('BEFORE', 'AFTER', 'before', 'after', 'AFTER', 'beside'), value, value),
    // Redis 7.0 takes a count that has no positive counterpart, and 7.2 does not.
    lrem: words(
      'LREM',
      any,
      fc.oneof(fc.constantFrom('0', '1', '2', '-1', '-2'), count).filter((text) => text !== '-9223372036854775808'),
      value,
    ),
    ltrim: words('LTRIM', any, index, index),
    lpos: words('LPOS', any, value, positionOptions),
    lmove: words('LMOVE', near, fc.oneof({ weight: 6, arbitrary: near }, { weight: 1, arbitrary: fc.constant('{a}set') }), end, end),
    rpoplpush: words('RPOPLPUSH', near, fc.oneof({ weight: 6, arbitrary: near }, { weight: 1, arbitrary: fc.constant('{a}set') })),
    lmpop: fc.oneof(
      words('LMPOP', '2', near, near, end, options(2, words('COUNT', count), 'COUNT')),
      words('LMPOP', '1', near, end, options(1, words('COUNT', count))),
      words('LMPOP', fc.constantFrom('0', 'x', '-1', '5', '9223372036854775807'), near, 'LEFT'),
    ),
  };
}
