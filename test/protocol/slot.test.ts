import test from 'ava';
import fc from '../harness/properties.js';
import calculateSlot from 'cluster-key-slot';
import { slotCount, slotOf } from '../../protocol/slot.js';

test('the specification has 12739 as the CRC16 of 123456789', (t) => {
  t.is(slotOf(Buffer.from('123456789')), 12739);
  t.is(slotOf(Buffer.alloc(0)), 0);
});

/** The reference takes `}{` for the tag of `{}{}`, where the specification, and Redis, hash the whole key. */
const isMisreadByReference = (key: Buffer): boolean => key.indexOf('{}') >= 0 && key.indexOf('{}') === key.indexOf('{');

test('keys and hash tags agree with the reference that clients use', (t) => {
  const piece = fc.oneof(fc.constantFrom('{', '}', '{}', 'user', '1000', '{tag}'), fc.string());
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      const key = Buffer.from(pieces.join(''));
      const slot = slotOf(key);
      return slot >= 0 && slot < slotCount && (slot === calculateSlot(key) || isMisreadByReference(key));
    }),
    { numRuns: 5000 },
  );
  t.pass();
});

test('an empty tag is no tag, whatever follows it', (t) => {
  t.is(slotOf(Buffer.from('{}{}')), 15786);
  t.is(slotOf(Buffer.from('foo{}{bar}')), 8363);
  t.is(slotOf(Buffer.from('foo{{bar}}zap')), slotOf(Buffer.from('{bar')));
  t.is(slotOf(Buffer.from('foo{bar}{zap}')), slotOf(Buffer.from('bar')));
});

test('any bytes agree with the reference', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      (bytes) => slotOf(Buffer.from(bytes)) === calculateSlot(Buffer.from(bytes)) || isMisreadByReference(Buffer.from(bytes)),
    ),
    { numRuns: 2000 },
  );
  t.pass();
});
