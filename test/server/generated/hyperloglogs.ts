/**
 * Generated commands on HyperLogLogs, by row. A count of one key is asked of keys only that no command on strings looks into: Redis writes it into the
 * value, Torc does not.
 */
import fc from '../../harness/properties.js';
import { many, value, words, type Family, type Keys } from './words.js';

const own = fc.constantFrom('hll', '{a}hll', 'other');
const nearOwn = fc.constantFrom('{a}hll', '{a}hll2');
const element = fc.oneof(value, fc.nat(300).map(String));

export function hyperLogLogFamily({ any, near }: Keys): Family {
  const either = fc.oneof(own, any);
  return {
    pfadd: words('PFADD', fc.oneof({ weight: 3, arbitrary: own }, { weight: 1, arbitrary: any }), many(element, 20)),
    pfcount: fc.oneof(
      words('PFCOUNT', own),
      words('PFCOUNT', own, either),
      words('PFCOUNT', either, either, many(either, 4)),
      words('PFCOUNT'),
    ),
    pfmerge: fc.oneof(words('PFMERGE', nearOwn, many(nearOwn, 3)), words('PFMERGE', nearOwn, many(near, 2)), words('PFMERGE')),
    pfdebug: words('PFDEBUG', fc.constantFrom('GETREG', 'decode', 'ENCODING', 'todense', 'x'), own),
  };
}
