import test from 'ava';
import { OutputLimit } from '../../server/output-limit.js';

const mebibyte = 1024 ** 2;

test('above the hard limit at once, above the soft one after its seconds without a pause', (t) => {
  const limit = new OutputLimit();
  const given = { hardBytes: 10 * mebibyte, softBytes: mebibyte, softSeconds: 5 };
  t.false(limit.isReached(mebibyte, given, 0), 'as much as the soft limit');
  t.false(limit.isReached(mebibyte + 1, given, 1000), 'it begins');
  t.false(limit.isReached(9 * mebibyte, given, 6000), 'five seconds are allowed');
  t.true(limit.isReached(mebibyte + 1, given, 6001));
  t.false(limit.isReached(0, given, 6002), 'a pause');
  t.false(limit.isReached(mebibyte + 1, given, 7000), 'it begins anew');
  t.false(limit.isReached(mebibyte + 1, given, 12_000));
  t.true(limit.isReached(10 * mebibyte + 1, given, 12_000), 'the hard limit');
});

test('0 is no limit', (t) => {
  const limit = new OutputLimit();
  const none = { hardBytes: 0, softBytes: 0, softSeconds: 0 };
  t.false(limit.isReached(2 ** 40, none, 0));
  t.false(limit.isReached(2 ** 40, none, 1e9));
});
