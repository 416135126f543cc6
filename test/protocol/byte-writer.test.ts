import test from 'ava';
import { ByteReader } from '../../protocol/byte-reader.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { FormatError } from '../../protocol/format-error.js';

test('every field is read back as it was written, through any growth', (t) => {
  const int64s = [
    0n,
    1n,
    -1n,
    2n ** 31n,
    -(2n ** 32n),
    2n ** 53n - 1n,
    -(2n ** 53n) + 1n,
    2n ** 53n,
    -(2n ** 53n),
    2n ** 63n - 1n,
    -(2n ** 63n),
  ];
  const counters = [0, 1, 0xffff_ffff, 0x1_0000_0000, 2 ** 52 + 1, Number.MAX_SAFE_INTEGER];
  const long = Buffer.alloc(100, 0xab);
  const writer = new ByteWriter(1);
  writer.u8(0xfe);
  writer.u16(0xfedc);
  writer.u32(0xfedcba98);
  for (const counter of counters) writer.counter(counter);
  for (const value of int64s) writer.i64(value);
  writer.bytes(Buffer.from('short'));
  writer.bytes(long);
  const reader = new ByteReader(writer.view());
  t.is(reader.u8(), 0xfe);
  t.is(reader.u16(), 0xfedc);
  t.is(reader.u32(), 0xfedcba98);
  for (const counter of counters) t.is(reader.counter(), counter);
  for (const value of int64s) t.is(reader.i64(), value);
  t.is(reader.bytes(5).toString(), 'short');
  t.deepEqual(reader.bytes(100), long);
  t.is(reader.remaining, 0);
});

test('the bytes are big-endian', (t) => {
  const writer = new ByteWriter();
  writer.u16(0x0102);
  writer.u32(0x03040506);
  writer.counter(0x0001_0203_0405_0607);
  writer.i64(-2n);
  t.is(writer.view().toString('hex'), '0102' + '03040506' + '0001020304050607' + 'fffffffffffffffe');
});

test('what does not fit is refused', (t) => {
  const writer = new ByteWriter();
  for (const counter of [-1, 2 ** 53, NaN]) t.throws(() => writer.counter(counter), { instanceOf: RangeError });
  for (const value of [2n ** 63n, -(2n ** 63n) - 1n]) t.throws(() => writer.i64(value), { instanceOf: RangeError });
});

test('fields are patched in place, and only where something was written', (t) => {
  const writer = new ByteWriter();
  writer.u32(0);
  writer.u16(0);
  writer.patchU32(0, 0xdeadbeef);
  writer.patchU16(4, 0xcafe);
  t.is(writer.view().toString('hex'), 'deadbeefcafe');
  t.throws(() => writer.patchU32(3, 0), { instanceOf: RangeError });
  t.throws(() => writer.patchU16(-1, 0), { instanceOf: RangeError });
});

test('what was taken is not touched by later writes, whether it was copied or handed over', (t) => {
  for (const length of [3, 15]) {
    const writer = new ByteWriter(16);
    writer.bytes(Buffer.alloc(length, 1));
    const taken = writer.take();
    t.is(writer.length, 0);
    writer.bytes(Buffer.alloc(16, 2));
    t.deepEqual(taken, Buffer.alloc(length, 1));
  }
});

test('reset keeps the beginning', (t) => {
  const writer = new ByteWriter();
  writer.u8(1);
  writer.u8(2);
  writer.reset(1);
  writer.u8(3);
  t.is(writer.view().toString('hex'), '0103');
  t.throws(() => writer.reset(3), { instanceOf: RangeError });
});

test('reading past the end and counters beyond 53 bits are format errors', (t) => {
  const bytes = Buffer.from('0020000000000000', 'hex');
  const thrown = t.throws(() => new ByteReader(bytes).counter(), { instanceOf: FormatError });
  t.is(thrown.code, 'INVALID');
  for (const read of [
    (r: ByteReader) => r.u8(),
    (r: ByteReader) => r.u32(),
    (r: ByteReader) => r.bytes(1),
    (r: ByteReader) => r.skip(-1),
  ]) {
    const error = t.throws(() => read(new ByteReader(bytes, 8)), { instanceOf: FormatError });
    t.is(error.code, 'TRUNCATED');
  }
});
