/** Elements in one piece of bytes are found as in a map; bytes that are no such piece are no danger. */
import fc from '../harness/properties.js';
import test from 'ava';
import { encodeReply } from '../../protocol/resp/reply-writer.js';
import { noElement } from '../../storage/element-source.js';
import { PackedElements } from '../../storage/packed-elements.js';
import { encodeScore } from '../../storage/score-value.js';

const member = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes));
const members = fc.uniqueArray(member, { maxLength: 300, selector: (bytes) => bytes.toString('latin1') });

function bytesAt(packed: PackedElements, element: number): Buffer {
  const from = packed.fromOf(element);
  return packed.bytesOf().subarray(from, from + packed.lengthOf(element));
}

test('each element is at its place, found by its bytes, and has its score', (t) => {
  fc.assert(
    fc.property(members, fc.array(fc.double({ noNaN: true }), { minLength: 1 }), fc.boolean(), member, (all, scores, isSet, other) => {
      const scoreOf = (at: number): number => (isSet ? 1 : (scores[at % scores.length] as number) + 0);
      const parts = isSet ? all : all.flatMap((each, at) => [each, encodeScore(scoreOf(at))]);
      const packed = new PackedElements(encodeReply(parts, 2), isSet ? 1 : 2);
      t.is(packed.size, all.length);
      let slices = 1;
      while (!packed.prepare(7)) slices++;
      t.is(slices, Math.max(1, Math.ceil(all.length / 7)));
      t.true(packed.prepare(7), 'it stays ready');
      for (const [at, each] of all.entries()) {
        t.true(bytesAt(packed, packed.at(at)).equals(each));
        t.is(packed.find(Buffer.concat([Buffer.from('..'), each]), 2, each.length), at);
        t.is(packed.scoreOf(at), scoreOf(at));
      }
      if (!all.some((each) => each.equals(other))) t.is(packed.find(other, 0, other.length), noElement);
    }),
    { numRuns: 100 },
  );
});

test('bytes that nobody would bring', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('*', '$', '1', '9', '0', '\r\n', 'a', '-'), { maxLength: 60 }),
      fc.constantFrom(1 as const, 2 as const),
      (words, parts) => {
        const packed = new PackedElements(Buffer.from(words.join('')), parts);
        while (!packed.prepare(1000));
        for (let at = 0; at < packed.size; at++) {
          const bytes = bytesAt(packed, at);
          t.not(packed.find(bytes, 0, bytes.length), noElement);
          t.false(Number.isNaN(packed.scoreOf(at)));
        }
      },
    ),
    { numRuns: 500 },
  );
});
