/** Generated commands on sorted sets, by row. `{a}set` is a set, and members of `{a}lex` have one score each time: ranges of members mean nothing else. */
import fc from '../../harness/properties.js';
import { many, options, smallNumber, words, type Family, type Keys } from './words.js';

const member = fc.oneof(
  fc.constantFrom<string | Buffer>('a', 'b', 'c', 'd', 'e', '', '1', 'm\u00e9', Buffer.from([0x00, 0xff]), Buffer.from([0xff, 0x80])),
  fc.constantFrom('a', 'b', 'c'),
);
const score = fc.oneof(
  fc.constantFrom('0', '1', '2', '3', '-1', '1.5', '3.1', '0.1', '0.2', '1e21', '1e-7', '123456789012345678', '4503599627370497', '-0'),
  fc.constantFrom('inf', '-inf', '+inf', 'Infinity', '0x10', '-0x1.8p1', '1e308', '5e-324', '.5', '5.'),
  fc.double({ noNaN: true }).map(String),
  fc.constantFrom('nan', 'x', '', ' 1', '1 ', '1e400', '1e-400', '1,5', '(1', '0x', '1_0', '--1', '1e5x', '\u0000'),
);
const bound = fc.oneof(
  fc.constantFrom('-inf', '+inf', 'inf', '0', '1', '2', '3', '(1', '(2', '(3', '(inf', '(-inf', '1.5', '-1', '0x1p1', ' 1', '( 2', '', '('),
  fc.constantFrom('x', 'nan', '1x', '((1', '1 ', '1\u0000x', ' '),
);
const lex = fc.constantFrom(
  '-',
  '+',
  '[a',
  '(a',
  '[b',
  '(b',
  '[c',
  '(c',
  '[',
  '(',
  '[d',
  '[aa',
  '(cc',
  '[\u00ff',
  '(1',
  'a',
  '',
  '++',
  '-x',
  '+\u0000y',
);
const index = fc.oneof(smallNumber, fc.constantFrom('0', '1', '-1', '9223372036854775807', '-9223372036854775808', '1.5'));
const limit = words('LIMIT', index, index);
const withScores = fc.constantFrom<[string]>(['WITHSCORES'], ['withscores']);
const lexKey = fc.constantFrom('{a}lex', '{a}lex', '{a}lex', '{a}set', 'list');
const count = fc.constantFrom('0', '1', '2', '100', '-1', 'x', '', '9223372036854775807', '9223372036854775808');

const weights = fc.oneof(
  words('WEIGHTS', score),
  words('WEIGHTS', score, score),
  words('WEIGHTS', fc.constantFrom('2', '0.5', '-1', 'inf'), fc.constantFrom('1', '3', '0')),
  words('WEIGHTS', fc.constantFrom('2', '0.5', '-1', '0'), fc.constantFrom('1', '3', '-inf')),
);
const aggregate = words('AGGREGATE', fc.constantFrom('SUM', 'MIN', 'max', 'min', 'sum', 'MAX', 'avg', ''));

export function sortedSetFamily({ any, near }: Keys): Family {
  const source = fc.oneof({ weight: 6, arbitrary: near }, { weight: 1, arbitrary: fc.constantFrom('{a}set', '{a}lex') });
  const sources = fc.oneof(
    { weight: 3, arbitrary: words('2', source, source) },
    { weight: 1, arbitrary: words('1', source) },
    { weight: 1, arbitrary: words('3', source, source, source) },
    { weight: 1, arbitrary: words(fc.constantFrom('0', '-1', 'x', '9', '9223372036854775807'), source, source) },
  );
  const combination = options(3, weights, aggregate, 'WRONG', words('WEIGHTS'), words('AGGREGATE'));
  const shownCombination = options(3, weights, aggregate, withScores, withScores);
  const rangeOptions = options(3, 'REV', limit, withScores, 'BYSCORE', 'WRONG', words('LIMIT', index));
  const lexAdd = words(
    'ZADD',
    '{a}lex',
    many(fc.tuple(fc.constant('5'), fc.constantFrom('a', 'b', 'c', 'aa', 'cc', 'd', '\u00ff', '')), 4),
  );
  const addSet = words('SADD', '{a}set', many(fc.constantFrom('a', 'b', '1', 'z'), 3));
  return {
    zadd: fc.oneof(
      words('ZADD', any, options(3, 'NX', 'XX', 'GT', 'LT', 'CH', 'INCR'), many(fc.tuple(score, member), 4)),
      words('ZADD', near, many(fc.tuple(fc.constantFrom('1', '2', '3', '2.5', '-1'), member), 5)),
      words('ZADD', any, options(2, 'CH', 'INCR', 'GT', 'LT', 'XX'), score, member),
      words('ZADD', any, options(1, 'NX', 'WRONG'), score),
      lexAdd,
      addSet,
    ),
    zincrby: words('ZINCRBY', any, score, member),
    zrem: words('ZREM', any, many(member, 3)),
    zscore: words('ZSCORE', any, member),
    zmscore: words('ZMSCORE', any, many(member, 4)),
    zcard: words('ZCARD', any),
    zcount: words('ZCOUNT', any, bound, bound),
    zlexcount: words('ZLEXCOUNT', lexKey, lex, lex),
    zrank: words('ZRANK', any, member, options(1, 'WITHSCORE')),
    zrevrank: words('ZREVRANK', any, member, options(1, 'WITHSCORE')),
    zrange: fc.oneof(
      words('ZRANGE', any, index, index, rangeOptions),
      words('ZRANGE', any, index, index, options(2, 'REV', withScores)),
      words('ZRANGE', any, bound, bound, 'BYSCORE', options(3, 'REV', limit, withScores, 'BYLEX')),
      words('ZRANGE', '{a}lex', lex, lex, 'BYLEX', options(2, 'REV', limit, withScores)),
    ),
    zrevrange: words('ZREVRANGE', any, index, index, options(1, withScores, limit, 'REV')),
    zrangebyscore: words('ZRANGEBYSCORE', any, bound, bound, options(2, withScores, limit, 'BYLEX')),
    zrevrangebyscore: words('ZREVRANGEBYSCORE', any, bound, bound, options(2, withScores, limit, 'REV')),
    zrangebylex: words('ZRANGEBYLEX', lexKey, lex, lex, options(1, limit, withScores)),
    zrevrangebylex: words('ZREVRANGEBYLEX', lexKey, lex, lex, options(1, limit, 'WRONG')),
    zrangestore: fc.oneof(
      words('ZRANGESTORE', near, near, index, index, options(2, 'REV', limit, withScores)),
      words('ZRANGESTORE', near, near, bound, bound, 'BYSCORE', options(2, 'REV', limit)),
      words('ZRANGESTORE', fc.constantFrom('{a}lex', '{a}lex2'), '{a}lex', lex, lex, 'BYLEX', options(2, 'REV', limit)),
    ),
    zremrangebyrank: words('ZREMRANGEBYRANK', any, index, index),
    zremrangebyscore: words('ZREMRANGEBYSCORE', any, bound, bound),
    zremrangebylex: words('ZREMRANGEBYLEX', '{a}lex', lex, lex),
    zpopmin: words(
      'ZPOPMIN',
      any,
      options(
        1,
        count.map((text): [string] => [text]),
        fc.constant(['1', '1']),
      ),
    ),
    zpopmax: words(
      'ZPOPMAX',
      any,
      options(
        1,
        count.map((text): [string] => [text]),
        fc.constant(['1', '1']),
      ),
    ),
    zmpop: fc.oneof(
      words('ZMPOP', '2', near, near, fc.constantFrom('MIN', 'MAX', 'max', 'mid'), options(2, words('COUNT', count), 'COUNT')),
      words('ZMPOP', '1', near, fc.constantFrom('MIN', 'MAX'), options(1, words('COUNT', count))),
      words('ZMPOP', fc.constantFrom('0', 'x', '-1', '5', '9223372036854775807'), near, 'MIN'),
    ),
    zrandmember: fc.oneof(
      words('ZRANDMEMBER', any),
      words('ZRANDMEMBER', any, fc.constantFrom('0', '100', '-3', 'x', '9223372036854775807', '-9223372036854775808')),
      words(
        'ZRANDMEMBER',
        any,
        fc.constantFrom('0', '100', '-3', 'x', '9223372036854775807'),
        fc.constantFrom('WITHSCORES', 'withscores', 'x'),
      ),
    ),
    zunion: words('ZUNION', sources, shownCombination),
    zunionstore: words('ZUNIONSTORE', near, sources, combination),
    zinter: words('ZINTER', sources, shownCombination),
    zinterstore: words('ZINTERSTORE', near, sources, combination),
    zintercard: words('ZINTERCARD', sources, options(1, words('LIMIT', smallNumber), 'WRONG', weights)),
    zdiff: words('ZDIFF', sources, options(1, withScores, weights, 'WRONG')),
    zdiffstore: words('ZDIFFSTORE', near, sources, options(1, 'WRONG', withScores)),
    zscan: words(
      'ZSCAN',
      any,
      fc.constantFrom('0', '0', '0', 'x', '99999999999999999999'),
      options(2, words('COUNT', fc.constantFrom('100', '5', '0', 'x')), words('MATCH', fc.constantFrom('*', 'a', '[a-c]')), 'WRONG'),
    ),
  };
}
