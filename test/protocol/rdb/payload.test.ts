/** Dumps as redis-server 7.0 makes them, byte for byte, and what is refused. */
import test from 'ava';
import fc from '../../harness/properties.js';
import { FormatError } from '../../../protocol/format-error.js';
import { crc64 } from '../../../protocol/rdb/crc64.js';
import { decompressLzf } from '../../../protocol/rdb/lzf.js';
import { openPayload, sealPayload } from '../../../protocol/rdb/payload.js';
import { RdbReader } from '../../../protocol/rdb/reader.js';
import { rdbType } from '../../../protocol/rdb/types.js';
import { RdbWriter } from '../../../protocol/rdb/writer.js';
import { RedisOracle } from '../../server/commands/redis-oracle.js';

function dump(value: Buffer): Buffer {
  const writer = new RdbWriter();
  writer.u8(rdbType.string);
  writer.string(value);
  return sealPayload(writer.take());
}

function load(payload: Buffer): Buffer {
  const body = openPayload(payload);
  if (body === undefined) throw new Error('the payload is refused');
  const reader = new RdbReader(body);
  if (reader.u8() !== rdbType.string) throw new Error('not a string');
  return reader.string();
}

/** What redis-server 7.0.15 answers to DUMP, in hexadecimal, by value. */
const golden = new Map([
  ['123', '00c07b0a0048e253e1007a67b9'],
  ['hello', '000568656c6c6f0a006372df766534200a'],
  ['-30000', '00c1d08a0a00d57cb019a3f85d10'],
  ['2147483647', '00c2ffffff7f0a002c74e59ee02eada1'],
  ['2147483648', '000a323134373438333634380a00e7b129a34c1d76ee'],
]);
const compressed = new Map([
  ['abc'.repeat(40), '00c30b40780361626361e069020162630a00c494a1702ae23e06'],
  ['x'.repeat(30), '00c3091e017878e011000178780a00f0673fdf2001eb95'],
]);

test('CRC-64 has its check value', (t) => {
  t.is(crc64(Buffer.from('123456789')).reverse().toString('hex'), 'e9c6d914c4b8d9ca');
});

test("Redis' bytes are read, and written where nothing is compressed", (t) => {
  for (const [value, hex] of [...golden, ...compressed]) t.is(load(Buffer.from(hex, 'hex')).toString(), value);
  for (const [value, hex] of golden) t.is(dump(Buffer.from(value)).toString('hex'), hex);
});

test('what was written is read', (t) => {
  const edge = fc.constantFrom(0, 63, 64, 16_383, 16_384, 70_000).map((length) => Buffer.alloc(length, 'z'));
  const number = fc
    .oneof(fc.integer(), fc.constantFrom(-129, -128, 127, 128, -32_769, 32_767, 2 ** 31, -(2 ** 31)))
    .map((n) => Buffer.from(String(n)));
  const text = fc.constantFrom('-0', '00', '01', '-', '+1', '1.0', ' 1', '99999999999').map((word) => Buffer.from(word));
  fc.assert(
    fc.property(
      fc.oneof(
        edge,
        number,
        text,
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      ),
      (value) => t.deepEqual(load(dump(value)), value),
    ),
    { numRuns: 500 },
  );
});

test('a damaged, cut, newer or foreign payload is refused, whatever its bytes', (t) => {
  const good = dump(Buffer.from('some text'));
  for (let i = 0; i < good.length; i++) {
    const bad = Buffer.from(good);
    bad[i] = (bad[i] as number) ^ 1;
    t.is(openPayload(bad), undefined);
    t.is(openPayload(good.subarray(0, i)), undefined);
  }
  const version = (number: number): Buffer => {
    const checked = Buffer.concat([good.subarray(0, -10), Buffer.of(number, 0)]);
    return Buffer.concat([checked, crc64(checked)]);
  };
  for (const old of [1, 9, 10, 11, 12]) t.is(load(version(old)).toString(), 'some text');
  t.is(openPayload(version(13)), undefined);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(2000), (bytes, length) => {
      for (const attempt of [() => new RdbReader(Buffer.from(bytes)).string(), () => decompressLzf(Buffer.from(bytes), length)]) {
        try {
          attempt();
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
        }
      }
    }),
    { numRuns: 3000 },
  );
  t.throws(() => new RdbReader(Buffer.from('c30140' + 'ffff'.repeat(2), 'hex')).string(), { instanceOf: FormatError });
});

test('values go both ways between redis-server and here', async (t) => {
  const redis = await RedisOracle.start();
  if (!redis) return t.pass();
  t.teardown(() => redis.stop());
  const repeating = fc.tuple(fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }), fc.nat(200)).map(([unit, n]) => unit.repeat(n));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.string({ unit: 'binary' }), repeating, fc.integer().map(String)), { maxLength: 20 }),
      async (values) => {
        const theirs = await redis.ask(
          values.flatMap((value) => [
            ['SET', 'k', value],
            ['DUMP', 'k'],
          ]),
        );
        const back = await redis.ask(
          values.flatMap((value) => [
            ['RESTORE', 'k', '0', dump(Buffer.from(value)), 'REPLACE'],
            ['GET', 'k'],
          ]),
        );
        for (const [i, value] of values.entries()) {
          t.deepEqual(load(theirs[i * 2 + 1] as Buffer), Buffer.from(value));
          t.deepEqual(back[i * 2 + 1] as Buffer, Buffer.from(value));
        }
      },
    ),
    { numRuns: 50 },
  );
});
