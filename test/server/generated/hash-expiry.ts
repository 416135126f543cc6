/**
 * Generated commands on fields that expire, by row. The redis-server that is compared with does not know them: what they answer is tested by tables (hash-expiry.test.ts),
 * and here only that they are answered, by any node, among all the others. They keep to a key that nothing else looks into, and neither make nor delete it.
 */
import fc from '../../harness/properties.js';
import { hashExpiryRows } from '../../../server/commands/hash-expiry.js';
import { options, words, type Family } from './words.js';

const own = '{a}timed';
const fields = fc.constantFrom<string[]>(['FIELDS', '1', 'stays'], ['fields', '2', 'stays', 'none'], ['FIELDS', '2', 'stays']);
const condition = options(1, 'NX', 'XX', 'GT', 'LT');
const key = fc.constantFrom(own, own, '{a}none', '{a}list');
const until = fc.constantFrom<string[]>(
  ['EX', '100000'],
  ['PX', '100000000'],
  ['EXAT', '33177117420'],
  ['pxat', '33177117420000'],
  ['EX', 'x'],
  [],
);

export const isOfHashExpiry = (name: string): boolean => hashExpiryRows.some((row) => row.name === name.toLowerCase());

export function hashExpiryFamily(): Family {
  const there = words('HSET', own, 'stays', 'v');
  const or = (commands: fc.Arbitrary<readonly (string | Buffer)[]>) =>
    fc.oneof({ weight: 1, arbitrary: there }, { weight: 3, arbitrary: commands });
  return {
    hexpire: or(words('HEXPIRE', key, fc.constantFrom('100000', 'x', '-1'), condition, fields)),
    hpexpire: or(words('HPEXPIRE', key, fc.constantFrom('100000000', '9223372036854775807'), condition, fields)),
    hexpireat: or(words('HEXPIREAT', key, fc.constantFrom('33177117420', ''), condition, fields)),
    hpexpireat: or(words('HPEXPIREAT', key, fc.constantFrom('33177117420000', '33177117420001'), condition, fields)),
    httl: words('HTTL', key, fields),
    hpttl: words('HPTTL', key, fields),
    hexpiretime: words('HEXPIRETIME', key, fields),
    hpexpiretime: words('HPEXPIRETIME', key, fields),
    hpersist: or(words('HPERSIST', key, fields)),
    hgetdel: words('HGETDEL', key, 'FIELDS', '1', 'none'),
    hgetex: or(words('HGETEX', key, fc.oneof(until, fc.constant(['PERSIST'])), fields)),
    hsetex: or(words('HSETEX', own, 'FXX', fc.oneof(until, fc.constant(['KEEPTTL'])), 'FIELDS', '1', 'stays', fc.constantFrom('v', 'w'))),
  };
}
