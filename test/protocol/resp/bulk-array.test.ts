/** An array of bulk strings comes out as the reply writer writes it, whatever the lengths are, one after the other. */
import fc from '../../harness/properties.js';
import test from 'ava';
import { BulkArrayWriter } from '../../../protocol/resp/bulk-array.js';
import { encodeReply } from '../../../protocol/resp/reply-writer.js';

/** No two runs of four of it are the same. */
const countedOut = Buffer.from(Array.from({ length: 251 }, (_, i) => i));

test('the bytes are those of the same array of Buffers', (t) => {
  const writer = new BulkArrayWriter();
  const length = fc.oneof(
    { weight: 8, arbitrary: fc.nat({ max: 130 }) },
    { weight: 1, arbitrary: fc.constantFrom(999, 1000, 70_000, 1_200_000) },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(length, fc.nat({ max: 5 }), fc.boolean()), { maxLength: 40 }), (sizes) => {
      const values = sizes.map(([bytes, from, hasView]) => ({ from, hasView, memory: Buffer.alloc(bytes + from, countedOut) }));
      writer.begin(values.length);
      for (const { memory, from, hasView } of values) {
        const view = hasView ? new DataView(memory.buffer, memory.byteOffset, memory.length) : undefined;
        writer.add(memory, from, memory.length - from, view);
      }
      const expected = encodeReply(
        values.map(({ memory, from }) => memory.subarray(from)),
        2,
      );
      return writer.end().bytes.equals(expected);
    }),
    { numRuns: 300 },
  );
  t.pass();
});
