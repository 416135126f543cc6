/** What this version's writer writes for another node is read back as it was. */
import fc from '../harness/properties.js';
import test from 'ava';
import { DoubleReply, ErrorReply, MapReply, SetReply, StatusReply, type Reply } from '../../protocol/resp/reply.js';
import { encodeReply } from '../../protocol/resp/reply-writer.js';
import { decodeReply } from '../../server/decode-reply.js';

const line = fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => text.replaceAll(/[\r\n]/g, ' '));
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

const { reply: replies } = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.uint8Array({ maxLength: 40 }).map((bytes): Reply => Buffer.from(bytes)),
    fc.maxSafeInteger(),
    int64.filter((value) => !Number.isSafeInteger(Number(value))),
    fc.constant(null),
    fc.boolean(),
    line.map((text) => new StatusReply(text)),
    line.map((text) => new ErrorReply(`ERR ${text}`)),
    fc.double().map((value) => new DoubleReply(value)),
    fc.array(tie('reply'), { maxLength: 4 }),
    fc.array(tie('reply'), { maxLength: 4 }).map((items) => new SetReply(items)),
    fc.array(fc.tuple(tie('reply'), tie('reply')), { maxLength: 4 }).map((entries) => new MapReply(entries)),
  ),
}));

test('decodeReply(encodeReply(x, 3)) is x', (t) => {
  fc.assert(
    fc.property(replies, (reply) => void t.deepEqual(decodeReply(encodeReply(reply, 3)), reply)),
    { numRuns: 300 },
  );
});

test('in RESP2 what has a form of its own there is read back too', (t) => {
  for (const reply of [
    null,
    7,
    -1,
    Buffer.from('a\r\nb'),
    Buffer.alloc(0),
    [],
    [1, null, [Buffer.from('x')]],
    new ErrorReply('NOREPLICAS 1'),
  ] as const) {
    t.deepEqual(decodeReply(encodeReply(reply, 2)), reply);
  }
  t.deepEqual(decodeReply(Buffer.from('*-1\r\n')), null);
  for (const edge of [2n ** 63n - 1n, -(2n ** 63n)]) t.is(decodeReply(encodeReply(edge, 2)), edge);
});

test('what is no reply, cut off, or more than one is refused', (t) => {
  for (const text of ['', '+OK', '$5\r\nab', '*2\r\n:1\r\n', ':1\r\n:2\r\n', '!x\r\n', '%1\r\n:1\r\n']) {
    t.throws(() => decodeReply(Buffer.from(text)), undefined, text);
  }
});
