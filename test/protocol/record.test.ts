import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import fc from '../harness/properties.js';
import { ByteReader } from '../../protocol/byte-reader.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { FormatError } from '../../protocol/format-error.js';
import {
  decodeClock,
  decodeDeleted,
  decodeRecord,
  emptyClock,
  encodeClock,
  encodeDeleted,
  encodeRecord,
  noBase,
  ownRecord,
  versionKind,
  type CounterVersion,
  type PlainVersion,
  type TallyVersion,
  type VersionedRecord,
} from '../../protocol/record.js';
import { clocks, records } from './records.js';

function encoded(record: VersionedRecord): Buffer {
  const writer = new ByteWriter();
  encodeRecord(writer, record);
  return writer.take();
}

/** What decoding comes to; anything but a FormatError is thrown on. */
function tryDecode(bytes: Buffer): VersionedRecord | FormatError {
  try {
    return decodeRecord(bytes);
  } catch (error) {
    if (error instanceof FormatError) return error;
    throw error;
  }
}

const plain: PlainVersion = {
  kind: versionKind.plain,
  actor: 0x10002,
  counter: 0x3_0000_0004,
  term: 5,
  expiresAtMs: 0,
  bytes: Buffer.from('val'),
};
const counter: CounterVersion = {
  kind: versionKind.counter,
  actor: 0x20001,
  counter: 9,
  term: 8,
  expiresAtMs: 0x1_0000_0000,
  base: { actor: 0x10002, counter: 7, term: 6 },
  amount: 10n,
  sum: -1n,
};
const tally: TallyVersion = {
  kind: versionKind.tally,
  actor: 0x20001,
  counter: 9,
  term: 8,
  expiresAtMs: 0,
  base: { actor: 0x10002, counter: 7, term: 6 },
  amount: 1,
  sum: -2.5,
  remainder: 0,
};
const plainHex = '01' + '00010002' + '0000000300000004' + '0000000000000005' + '76616c';
const counterHex =
  '82' +
  '00020001' +
  '0000000000000009' +
  '0000000000000008' +
  '0000000100000000' +
  '0000000000000006' +
  '00010002' +
  '0000000000000007' +
  '000000000000000a' +
  'ffffffffffffffff';

const tallyHex =
  '03' +
  '00020001' +
  '0000000000000009' +
  '0000000000000008' +
  '0000000000000006' +
  '00010002' +
  '0000000000000007' +
  '3ff0000000000000' +
  'c004000000000000' +
  '0000000000000000';

const golden: readonly (readonly [string, VersionedRecord, string])[] = [
  ['one plain version', { context: emptyClock, versions: [plain] }, '01' + plainHex],
  ['one counter version with an expiry', { context: emptyClock, versions: [counter] }, '01' + counterHex],
  ['one tally version', { context: emptyClock, versions: [tally] }, '01' + tallyHex],
  [
    'a tombstone',
    {
      context: new Map([
        [0x10002, 7],
        [0x20001, 9],
      ]),
      versions: [],
    },
    '02' + '0002' + '00010002' + '0000000000000007' + '00020001' + '0000000000000009' + '0000',
  ],
  [
    'two versions and a context',
    { context: new Map([[3, 4]]), versions: [plain, counter] },
    '02' + '0001' + '00000003' + '0000000000000004' + '0002' + '00000018' + plainHex + '00000041' + counterHex,
  ],
  ['nothing', { context: emptyClock, versions: [] }, '02' + '0000' + '0000'],
];
for (const [what, record, hex] of golden) {
  test(`the bytes of ${what} are fixed`, (t) => {
    t.is(encoded(record).toString('hex'), hex);
    t.deepEqual(decodeRecord(Buffer.from(hex, 'hex')), record);
  });
}

test('the bytes of a deletion are fixed', (t) => {
  const deleted = { cut: new Map([[1, 2]]), by: new Map([[3, 4]]) };
  const writer = new ByteWriter();
  encodeDeleted(writer, deleted);
  t.is(writer.view().toString('hex'), '03' + '0001' + '00000001' + '0000000000000002' + '0001' + '00000003' + '0000000000000004');
  t.deepEqual(decodeDeleted(writer.view()), deleted);
  t.is(t.throws(() => decodeDeleted(Buffer.from('0300000000ff', 'hex')), { instanceOf: FormatError }).code, 'INVALID');
  t.is(t.throws(() => decodeDeleted(Buffer.from('01', 'hex')), { instanceOf: FormatError }).code, 'UNKNOWN');
});

test('a record is decoded as it was encoded', (t) => {
  fc.assert(fc.property(records, (record) => isDeepStrictEqual(decodeRecord(encoded(record)), record)));
  t.pass();
});

test('a clock is decoded as it was encoded, whatever order it was built in', (t) => {
  fc.assert(
    fc.property(clocks, (clock) => {
      const writer = new ByteWriter();
      encodeClock(writer, new Map([...clock].reverse()));
      return isDeepStrictEqual([...decodeClock(new ByteReader(writer.view()))], [...clock]);
    }),
  );
  t.pass();
});

test('cut short, a record in the general shape is refused', (t) => {
  fc.assert(
    fc.property(records, fc.nat(), (record, at) => {
      const bytes = encoded(record);
      if (bytes[0] === 1) return true;
      const cut = tryDecode(bytes.subarray(0, at % bytes.length));
      return cut instanceof FormatError && cut.code === 'TRUNCATED';
    }),
  );
  t.pass();
});

test('damaged bytes are refused, or are the one encoding of another record', (t) => {
  fc.assert(
    fc.property(records, fc.nat(), fc.nat(255), fc.nat(), (record, at, value, cut) => {
      const bytes = encoded(record);
      bytes[at % bytes.length] = value;
      const damaged = bytes.subarray(0, bytes.length - (cut % 3));
      const decoded = tryDecode(damaged);
      return decoded instanceof FormatError || encoded(decoded).equals(damaged);
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test('garbage is refused, or is the one encoding of a record', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(1, 2, 3, 0xff), fc.uint8Array({ maxLength: 80 }), (first, rest) => {
      const bytes = Buffer.from([first, ...rest]);
      const decoded = tryDecode(bytes);
      return decoded instanceof FormatError || encoded(decoded).equals(bytes);
    }),
    { numRuns: 2000 },
  );
  t.is((tryDecode(Buffer.alloc(0)) as FormatError).code, 'TRUNCATED');
});

const refused: readonly (readonly [string, string, FormatError['code']])[] = [
  ['an unknown shape', '04', 'UNKNOWN'],
  ['an unknown kind', '01' + '04' + plainHex.slice(2), 'UNKNOWN'],
  ['an expiry of zero', '01' + '81' + plainHex.slice(2, 42) + '0000000000000000', 'INVALID'],
  ['a tally that is not finite', '01' + tallyHex.slice(0, -48) + '7ff0000000000000' + '0000000000000000'.repeat(2), 'INVALID'],
  ['a counter that is too long', '01' + counterHex + '00', 'INVALID'],
  ['versions out of order', '02' + '0000' + '0002' + '00000041' + counterHex + '00000018' + plainHex, 'INVALID'],
  ['one version in the general shape', '02' + '0000' + '0001' + '00000018' + plainHex, 'INVALID'],
  ['bytes after the last version', '02' + '0000' + '0000' + '00', 'INVALID'],
];
for (const [what, hex, code] of refused) {
  test(`refused: ${what}`, (t) => {
    t.is(t.throws(() => decodeRecord(Buffer.from(hex, 'hex')), { instanceOf: FormatError }).code, code);
  });
}

test('decoding borrows, owning copies', (t) => {
  const bytes = encoded({ context: emptyClock, versions: [plain] });
  const borrowed = decodeRecord(bytes);
  const owned = ownRecord(borrowed);
  bytes.fill(0);
  t.deepEqual((borrowed.versions[0] as PlainVersion).bytes, Buffer.alloc(3));
  t.deepEqual(owned, { context: emptyClock, versions: [plain] });
});

test('a counter from nothing shares the one absent base', (t) => {
  const decoded = decodeRecord(encoded({ context: emptyClock, versions: [{ ...counter, base: { ...noBase } }] }));
  t.is((decoded.versions[0] as CounterVersion).base, noBase);
});
