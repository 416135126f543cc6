import test from 'ava';
import fc from '../../harness/properties.js';
import { doubleText } from '../../../protocol/resp/double-text.js';
import {
  DecimalReply,
  DoubleReply,
  EncodedReply,
  ErrorReply,
  MapReply,
  nilArray,
  ok,
  pong,
  PushReply,
  type Reply,
  SetReply,
  StatusReply,
  VerbatimReply,
} from '../../../protocol/resp/reply.js';
import { encodeReply, ReplyWriter } from '../../../protocol/resp/reply-writer.js';

const golden: readonly (readonly [name: string, reply: Reply, resp2: string, resp3: string])[] = [
  ['OK', ok, '+OK\r\n', '+OK\r\n'],
  ['PONG', pong, '+PONG\r\n', '+PONG\r\n'],
  ['a status', new StatusReply('QUEUED'), '+QUEUED\r\n', '+QUEUED\r\n'],
  ['an error', new ErrorReply('WRONGTYPE a\r\nb'), '-WRONGTYPE a  b\r\n', '-WRONGTYPE a  b\r\n'],
  ['nil', null, '$-1\r\n', '_\r\n'],
  ['nil array', nilArray, '*-1\r\n', '_\r\n'],
  ['zero', 0, ':0\r\n', ':0\r\n'],
  ['minus one', -1, ':-1\r\n', ':-1\r\n'],
  ['ten', 10, ':10\r\n', ':10\r\n'],
  ['2^31', 2_147_483_648, ':2147483648\r\n', ':2147483648\r\n'],
  ['the largest safe integer', Number.MAX_SAFE_INTEGER, ':9007199254740991\r\n', ':9007199254740991\r\n'],
  ['the smallest safe integer', Number.MIN_SAFE_INTEGER, ':-9007199254740991\r\n', ':-9007199254740991\r\n'],
  ['the largest 64-bit integer', 9223372036854775807n, ':9223372036854775807\r\n', ':9223372036854775807\r\n'],
  ['the smallest 64-bit integer', -9223372036854775808n, ':-9223372036854775808\r\n', ':-9223372036854775808\r\n'],
  [
    'a big number',
    1234567999999999999999999999999999999n,
    '$37\r\n1234567999999999999999999999999999999\r\n',
    '(1234567999999999999999999999999999999\r\n',
  ],
  ['true', true, ':1\r\n', '#t\r\n'],
  ['false', false, ':0\r\n', '#f\r\n'],
  ['an empty bulk', Buffer.alloc(0), '$0\r\n\r\n', '$0\r\n\r\n'],
  ['a bulk', Buffer.from('a\r\nb'), '$4\r\na\r\nb\r\n', '$4\r\na\r\nb\r\n'],
  ['a string', 'text', '$4\r\ntext\r\n', '$4\r\ntext\r\n'],
  ['an empty string', '', '$0\r\n\r\n', '$0\r\n\r\n'],
  ['a string beyond ASCII', 'grün 🦉', '$10\r\ngrün 🦉\r\n', '$10\r\ngrün 🦉\r\n'],
  ['a double', new DoubleReply(3.141), '$5\r\n3.141\r\n', ',3.141\r\n'],
  ['a double in its own text', new DecimalReply('3.14000'), '$7\r\n3.14000\r\n', ',3.14000\r\n'],
  ['a whole double', new DoubleReply(3), '$1\r\n3\r\n', ',3\r\n'],
  ['infinity', new DoubleReply(Infinity), '$3\r\ninf\r\n', ',inf\r\n'],
  ['minus infinity', new DoubleReply(-Infinity), '$4\r\n-inf\r\n', ',-inf\r\n'],
  ['an empty array', [], '*0\r\n', '*0\r\n'],
  [
    'nested arrays',
    [1, [null, ['a']], nilArray],
    '*3\r\n:1\r\n*2\r\n$-1\r\n*1\r\n$1\r\na\r\n*-1\r\n',
    '*3\r\n:1\r\n*2\r\n_\r\n*1\r\n$1\r\na\r\n_\r\n',
  ],
  [
    'a map',
    new MapReply([
      ['a', false],
      [1, [true]],
    ]),
    '*4\r\n$1\r\na\r\n:0\r\n:1\r\n*1\r\n:1\r\n',
    '%2\r\n$1\r\na\r\n#f\r\n:1\r\n*1\r\n#t\r\n',
  ],
  ['a set', new SetReply([0, 'b']), '*2\r\n:0\r\n$1\r\nb\r\n', '~2\r\n:0\r\n$1\r\nb\r\n'],
  ['a push', new PushReply(['message', 42]), '*2\r\n$7\r\nmessage\r\n:42\r\n', '>2\r\n$7\r\nmessage\r\n:42\r\n'],
  [
    'a verbatim text',
    new VerbatimReply('This is a verbatim\nstring'),
    '$25\r\nThis is a verbatim\nstring\r\n',
    '=29\r\ntxt:This is a verbatim\nstring\r\n',
  ],
  ['a verbatim markdown', new VerbatimReply('ü', 'mkd'), '$2\r\nü\r\n', '=6\r\nmkd:ü\r\n'],
  ['ready-made bytes', new EncodedReply(Buffer.from(':1\r\n')), ':1\r\n', ':1\r\n'],
];

for (const [name, reply, resp2, resp3] of golden) {
  test(`${name} has its golden bytes`, (t) => {
    t.is(encodeReply(reply, 2).toString(), resp2);
    t.is(encodeReply(reply, 3).toString(), resp3);
  });
}

test('integers are written as JavaScript writes them', (t) => {
  fc.assert(fc.property(fc.maxSafeInteger(), (value) => void t.is(encodeReply(value, 2).toString(), `:${value}\r\n`)));
  for (let power = 1; power <= Number.MAX_SAFE_INTEGER; power *= 10) {
    for (const value of [power - 1, power, power + 1, -power]) t.is(encodeReply(value, 2).toString(), `:${value}\r\n`);
  }
});

test('strings of every length and alphabet are UTF-8 bulks', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.integer({ min: 0, max: 200 }), (text, times) => {
      const long = text.repeat(times);
      t.is(encodeReply(long, 2).toString(), `$${Buffer.byteLength(long)}\r\n${long}\r\n`);
    }),
  );
});

test('whatever the sizes and turns, the chunks are the replies in order, and handed-off bytes stay as they were', (t) => {
  const turn = fc.array(
    fc.oneof(
      fc.nat(),
      fc.constant(null),
      fc.integer({ min: 0, max: 9000 }).map((size) => Buffer.alloc(size, size)),
    ),
    { maxLength: 10 },
  );
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 12 }), (turns) => {
      const writer = new ReplyWriter();
      const taken: Buffer[] = [];
      for (const replies of turns) {
        for (const reply of replies) writer.write(reply, 2);
        const pending = writer.pendingBytes;
        const chunks = writer.take();
        t.is(
          chunks.reduce((sum, chunk) => sum + chunk.length, 0),
          pending,
        );
        t.is(writer.pendingBytes, 0);
        taken.push(...chunks);
      }
      t.true(Buffer.concat(taken).equals(Buffer.concat(turns.flat().map((reply) => encodeReply(reply, 2)))));
    }),
    { numRuns: 200 },
  );
});

test('large Buffers are handed off uncopied, small replies are packed together', (t) => {
  const writer = new ReplyWriter();
  const large = Buffer.alloc(4096);
  for (const reply of [1, 'two', null, large, ok]) writer.write(reply, 2);
  const chunks = writer.take();
  t.is(chunks.length, 3);
  t.is(chunks[1], large);
  t.deepEqual(writer.take(), []);
});

for (const [value, text] of [
  [0, '0'],
  [-0, '-0'],
  [3, '3'],
  [-17, '-17'],
  [3.1, '3.1000000000000001'],
  [-3.1, '-3.1000000000000001'],
  [0.1, '0.10000000000000001'],
  [0.0001, '0.0001'],
  [1.5e-5, '1.5e-05'],
  [1e-7, '9.9999999999999995e-08'],
  [1e16, '10000000000000000'],
  [1e17, '1e+17'],
  [1e21, '1e+21'],
  [123456789012345680, '1.2345678901234568e+17'],
  [8.00000762939453125, '8.0000076293945312'],
  [5e-324, '4.9406564584124654e-324'],
  [1.7976931348623157e308, '1.7976931348623157e+308'],
  [0.5, '0.5'],
  [1234.5, '1234.5'],
] as const) {
  test(`the double ${text}`, (t) => t.is(doubleText(value), text));
}

test('every double comes back as itself', (t) => {
  fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => void t.is(Number(doubleText(value)), value)));
});
