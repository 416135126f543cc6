import test from 'ava';
import fc from '../harness/properties.js';
import { ByteWriter } from '../../protocol/byte-writer.js';
import { FormatError } from '../../protocol/format-error.js';
import {
  decodeRecordKey,
  encodeRecordKey,
  keyRange,
  recordPart,
  recordType,
  slotRange,
  writeRecordKey,
  type RecordKeyRange,
} from '../../protocol/record-key.js';
import { buffers } from './records.js';

const slots = fc.nat(16383);
const types = fc.constantFrom(...Object.values(recordType));
const none = Buffer.alloc(0);
const within = ({ from, to }: RecordKeyRange, key: Buffer): boolean => Buffer.compare(from, key) <= 0 && Buffer.compare(key, to) < 0;

test('the bytes of a key are fixed', (t) => {
  const field = encodeRecordKey(0x0102, Buffer.from('key'), recordType.hash, recordPart.element, Buffer.from('f'));
  t.is(field.toString('hex'), '0102' + '00000003' + '6b6579' + '68' + '03' + '66');
  const value = encodeRecordKey(0, none, recordType.string, recordPart.value);
  t.is(value.toString('hex'), '0000' + '00000000' + '73' + '00');
});

test('a key is decoded as it was encoded, and is the same through a writer', (t) => {
  fc.assert(
    fc.property(slots, buffers, types, buffers, fc.nat(3), (slot, key, type, someElement, part) => {
      const element = part === recordPart.element ? someElement : none;
      const bytes = encodeRecordKey(slot, key, type, part, element);
      const writer = new ByteWriter();
      writeRecordKey(writer, slot, key, type, part, element);
      const decoded = decodeRecordKey(bytes);
      return (
        writer.view().equals(bytes) &&
        decoded.slot === slot &&
        decoded.key.equals(key) &&
        decoded.type === type &&
        decoded.part === part &&
        decoded.element.equals(element)
      );
    }),
  );
  t.pass();
});

test('a key is in the ranges of its slot and its key, and in no other', (t) => {
  const few = fc.uint8Array({ maxLength: 3, max: 2 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.nat(3), few, types, few, fc.nat(3), fc.nat(3), few, (slot, key, type, element, first, last, otherKey) => {
      const bytes = encodeRecordKey(slot, key, type, recordPart.element, element);
      const inSlots = first > last || within(slotRange(first, last), bytes) === (first <= slot && slot <= last);
      const inKey = within(keyRange(first, otherKey), bytes) === (slot === first && key.equals(otherKey));
      return inSlots && inKey;
    }),
    { numRuns: 2000 },
  );
  t.true(within(slotRange(16383, 16383), encodeRecordKey(16383, Buffer.alloc(9, 0xff), recordType.zset, recordPart.expiry)));
  t.throws(() => slotRange(0, 16384), { instanceOf: RangeError });
  t.throws(() => slotRange(2, 1), { instanceOf: RangeError });
});

const refused: readonly (readonly [string, string, FormatError['code']])[] = [
  ['a slot that does not exist', '4000' + '00000000' + '73' + '00', 'INVALID'],
  ['a key that is cut short', '0000' + '00000009' + '6b6579', 'TRUNCATED'],
  ['an unknown type', '0000' + '00000000' + '01' + '00', 'UNKNOWN'],
  ['an unknown part', '0000' + '00000000' + '73' + '04', 'UNKNOWN'],
  ['an element where there is none', '0000' + '00000000' + '73' + '00' + '66', 'INVALID'],
];
for (const [what, hex, code] of refused) {
  test(`refused: ${what}`, (t) => {
    t.is(t.throws(() => decodeRecordKey(Buffer.from(hex, 'hex')), { instanceOf: FormatError }).code, code);
  });
}
