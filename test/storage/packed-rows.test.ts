import test from 'ava';
import fc from '../harness/properties.js';
import { PackedBytes, PackedRows } from '../../storage/packed-rows.js';

const bytesOf = (length: number, fill: number): Buffer => Buffer.alloc(length, fill);
const lengths = fc.oneof(fc.nat(40), fc.nat(3_000), fc.constantFrom(65_531, 65_532, 65_533, 90_000));

test('rows come out as they were put in, whole or written in place, and as often as asked', (t) => {
  const rows = new PackedRows(); // filled again and again
  const property = fc.property(fc.array(fc.tuple(lengths, lengths, fc.nat(255), fc.boolean()), { maxLength: 60 }), (asked) => {
    rows.clear();
    let bytes = 0;
    for (const [keyLength, valueLength, fill, inPlace] of asked) {
      const [key, value] = [bytesOf(keyLength, fill), bytesOf(valueLength, fill ^ 1)];
      bytes += keyLength + valueLength + 8;
      if (!inPlace) rows.push(key, value);
      else {
        for (const item of [key, value]) {
          rows.begin().bytes(item);
          rows.end();
        }
      }
    }
    t.is(rows.length, asked.length);
    t.is(rows.bytes, bytes);
    for (let time = 0; time < 2; time++) {
      let at = 0;
      for (const [key, value] of rows) {
        const [keyLength, valueLength, fill] = asked[at++] as (typeof asked)[number];
        if (!key.equals(bytesOf(keyLength, fill)) || !value.equals(bytesOf(valueLength, fill ^ 1))) t.fail(`row ${at - 1} is another`);
      }
      t.is(at, asked.length);
    }
  });
  fc.assert(property, { numRuns: 200 });
});

test('rows that are given lie apart, behind the others, and go with them', (t) => {
  const rows = new PackedRows();
  rows.give(Buffer.from('long'), bytesOf(100_000, 1));
  rows.push(Buffer.from('short'), Buffer.from('1'));
  t.is(rows.length, 2);
  t.is(rows.bytes, 4 + 100_000 + 5 + 1 + 8);
  t.deepEqual(
    [...rows].map(([key]) => key.toString()),
    ['short', 'long'],
  );
  rows.clear();
  t.is(rows.length + rows.bytes, 0);
  t.deepEqual([...rows], []);
});

test('what is pushed is copied, and what comes next does not touch what is there', (t) => {
  const list = new PackedBytes();
  const item = Buffer.from('first');
  list.push(item);
  item.fill(0);
  for (let i = 0; i < 5_000; i++) list.push(bytesOf(100, i & 0xff));
  const all = [...list];
  t.is(all.length, 5_001);
  t.deepEqual(all[0], Buffer.from('first'));
  t.true(all.slice(1).every((each, i) => each.equals(bytesOf(100, i & 0xff))));
});
