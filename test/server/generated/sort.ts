/**
 * Generated SORTs. What patterns name is of one slot: `{a}w_*` are weights, `{a}o_*` hashes with a price. Other patterns are refused, as in a cluster. Only keys
 * of this family's own are sorted.
 */
import fc from '../../harness/properties.js';
import { many, options, words, type Family, type Keys, type Words } from './words.js';

const number = fc.constantFrom('1', '2', '3', '10', '-5', '0', '7', '100', '22', '-1');
const text = fc.constantFrom('1', '2', '10', 'abc', 'b', 'B', '', '\u00e9', '0x1f', 'inf', ' 3', '1e3');
const sorted = fc.constantFrom('{a}nums', '{a}nums', '{a}nums', '{a}mixed', '{a}scored', '{a}scored', '{a}row', '{a}row', '{a}none');
const limit = words(
  'LIMIT',
  fc.constantFrom('0', '1', '2', '-1', '100', 'x'),
  fc.constantFrom('0', '1', '3', '-1', '100', '9223372036854775807'),
);
const by = words(
  'BY',
  fc.constantFrom('{a}w_*', '{a}w_*', '{a}o_*->price', 'nosort', '{a}x_*_y', '{a}w_*->', 'w_*', '{b}w_*', 'w_{a}*', '*'),
);
/** What Redis takes and a cluster refuses must not write. */
const byNear = words('BY', fc.constantFrom('{a}w_*', '{a}o_*->price', 'nosort'));
const get = words('GET', fc.constantFrom('#', '{a}w_*', '{a}o_*->price', '{a}o_*->none', 'nothing', '{a}nums*', 'w_*', '*->price'));
const order = options(3, 'ASC', 'DESC', 'ALPHA', limit);
const rest = options(4, 'DESC', 'ALPHA', limit, by, get, get, 'WRONG');
const fill = fc.oneof(
  words('SADD', '{a}nums', number, number, many(number, 4)),
  words('SADD', '{a}mixed', text, many(text, 4)),
  words('RPUSH', '{a}row', number, text, many(number, 4)),
  words('RPUSH', '{a}row', number, number),
  words('LRANGE', '{a}stored', '0', '-1'),
  words('DEL', '{a}row'),
  words('ZADD', '{a}scored', number, number, many(fc.tuple(number, number), 4)),
  fc.tuple(number, number).map(([element, weight]): Words => ['SET', `{a}w_${element}`, weight]),
  fc.tuple(number, text).map(([element, weight]): Words => ['SET', `{a}w_${element}`, weight]),
  fc.tuple(number, number).map(([element, price]): Words => ['HSET', `{a}o_${element}`, 'price', price]),
);

export function sortFamily({ near }: Keys): Family {
  return {
    sort: fc.oneof(
      { weight: 4, arbitrary: fill },
      { weight: 3, arbitrary: words('SORT', sorted, rest) },
      { weight: 2, arbitrary: words('SORT', sorted, order) },
      { weight: 2, arbitrary: words('SORT', sorted, options(2, 'DESC', limit), options(1, 'ALPHA'), 'STORE', '{a}stored') },
      {
        weight: 1,
        arbitrary: words('SORT', sorted, options(2, 'ALPHA', byNear), 'LIMIT', fc.constantFrom('0', '100'), '0', 'STORE', near),
      },
    ),
    sort_ro: fc.oneof(
      { weight: 3, arbitrary: fill },
      { weight: 3, arbitrary: words('SORT_RO', sorted, rest) },
      { weight: 1, arbitrary: words('SORT_RO', sorted, options(1, words('STORE', near), 'WRONG')) },
    ),
  };
}
