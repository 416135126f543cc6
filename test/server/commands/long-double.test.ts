/** The arithmetic of INCRBYFLOAT against redis-server's, on texts near every edge. */
import test from 'ava';
import fc from '../../harness/properties.js';
import { ErrorReply } from '../../../protocol/resp/reply.js';
import { addLongDoubles, longDoubleText, parseLongDouble } from '../../../server/commands/long-double.js';
import { RedisOracle } from './redis-oracle.js';

function sum(a: string, b: string): string {
  const [x, y] = [parseLongDouble(Buffer.from(a)), parseLongDouble(Buffer.from(b))];
  if (x === undefined || y === undefined) return 'no float';
  const result = addLongDoubles(x, y);
  return result === undefined ? 'not finite' : longDoubleText(result);
}

const digits = fc.string({ unit: fc.constantFrom('0', '1', '2', '3', '4', '5', '6', '7', '8', '9'), maxLength: 25 });
const decimal = fc
  .tuple(
    fc.constantFrom('', '-', '+'),
    digits,
    fc.option(digits),
    fc.option(fc.oneof(fc.integer({ min: -30, max: 30 }), fc.integer({ min: -5000, max: 5000 }))),
  )
  .map(
    ([sign, whole, fraction, exponent]) =>
      `${sign}${whole}${fraction === null ? '' : `.${fraction}`}${exponent === null ? '' : `e${exponent}`}`,
  );
const hexadecimal = fc
  .tuple(fc.bigInt({ min: 0n, max: 2n ** 80n }), fc.option(fc.integer({ min: -16_500, max: 16_400 })))
  .map(([mantissa, exponent]) => `0x${mantissa.toString(16)}${exponent === null ? '' : `p${exponent}`}`);
const special = fc.constantFrom(
  'inf',
  '-Infinity',
  'nan',
  '',
  '-',
  '.',
  'e5',
  '0x',
  '0x.',
  '0x.8',
  '1e',
  '1e+',
  ' 1',
  '1 ',
  '1_0',
  '18446744073709551615',
  '18446744073709551616.5',
  '36893488147419103233',
  '1e4932',
  '1.18973149535723176502e4932',
  '1.1897314953572317651e4932',
  '3.6e-4951',
  '1e-4951',
  '0.000000000000000005',
  '-0',
  '1e-17',
  '5e-18',
);
const number = fc.oneof({ weight: 4, arbitrary: decimal }, hexadecimal, special, fc.double().map(String));

test('sums are those of redis-server, to the last digit', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 50 }), async (pairs) => {
      const replies = await redis.ask(
        pairs.flatMap(([a, b]) => [
          ['SET', 'k', a],
          ['INCRBYFLOAT', 'k', b],
        ]),
      );
      for (const [i, [a, b]] of pairs.entries()) {
        const reply = replies[i * 2 + 1];
        const theirs =
          reply instanceof ErrorReply ? (reply.text.includes('valid float') ? 'no float' : 'not finite') : (reply as Buffer).toString();
        if (sum(a, b) !== theirs) throw new Error(`${a} + ${b}: ${sum(a, b)} and not ${theirs}`);
      }
    }),
    { numRuns: 300, includeErrorInReport: true },
  );
  t.is(sum('10.5', '0.1'), '10.6');
  t.is(sum('3.0e3', '200'), '3200');
});
