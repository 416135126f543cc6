import test from 'ava';
import fc from '../../harness/properties.js';
import { RequestDecoder } from '../../../protocol/resp/request-decoder.js';
import { decodeCut, decodeLent, decodeWhole, encodeRequest, newDecoder, redisLimits } from './decoding.js';

const texts = (requests: Buffer[][]): string[][] => requests.map((args) => args.map((arg) => arg.toString('latin1')));

/** Pieces of streams, sound and broken, from which properties build longer ones. */
const fragment = fc.oneof(
  fc
    .array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 4 })
    .map((args) => encodeRequest(args.map((arg) => Buffer.from(arg)))),
  fc.integer({ min: 1, max: 3 }).map((power) => encodeRequest(['SET', 'k', Buffer.alloc(10 ** power + 3, 'v')])),
  fc
    .constantFrom(
      'PING\r\n',
      'SET "a b" \'c\'\n',
      '\r\n',
      '*0\r\n',
      '*-1\r\n',
      '*1\r\n',
      '$4\r\n',
      '*x\r\n',
      '$',
      '*',
      '\r',
      '"\r\n',
      '*2\r\n$-1\r\n',
    )
    .map((text) => Buffer.from(text)),
);
const cutLengths = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 10 });

test('pipelined requests of one chunk are slices of it', (t) => {
  const chunk = Buffer.concat([encodeRequest(['SET', 'k', 'v'.repeat(64)]), encodeRequest(['GET', 'k'])]);
  const { decoder, requests } = newDecoder();
  decoder.push(chunk);
  t.deepEqual(texts(requests), [
    ['SET', 'k', 'v'.repeat(64)],
    ['GET', 'k'],
  ]);
  t.is(decoder.bufferedBytes, 0);
});

test('binary arguments, with CR, LF and NUL in them, and empty ones', (t) => {
  const args = [Buffer.from('\r\n$3\r\n'), Buffer.alloc(0), Buffer.from([0, 255, 10, 13])];
  t.deepEqual(decodeWhole(encodeRequest(args)).requests, [args]);
});

test('headers of every width', (t) => {
  for (const length of [0, 1, 9, 10, 99, 100, 999, 1000, 4095, 4096, 70_000]) {
    const args = [Buffer.from('SET'), Buffer.alloc(length, 'x')];
    t.deepEqual(decodeWhole(encodeRequest(args)).requests, [args], `length ${length}`);
    t.deepEqual(decodeCut(encodeRequest(args), [4096, 3]).requests, [args], `length ${length}, cut`);
  }
  for (const count of [9, 10, 99, 100, 999, 1000, 1025]) {
    t.is(decodeWhole(encodeRequest(Array.from({ length: count }, () => 'a'))).requests[0]?.length, count);
  }
});

test('any stream means the same whole, byte by byte and at random cuts', (t) => {
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 12 }), cutLengths, (fragments, cuts) => {
      const stream = Buffer.concat(fragments);
      const whole = decodeWhole(stream);
      t.deepEqual(decodeCut(stream, [1]), whole);
      t.deepEqual(decodeCut(stream, cuts), whole);
    }),
    { numRuns: 300 },
  );
});

test('elements that are put together while they come are what they are in one piece, limits and errors included', (t) => {
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 12 }), cutLengths, fc.integer({ min: 1, max: 300 }), (fragments, cuts, largeBytes) => {
      const stream = Buffer.concat(fragments);
      t.deepEqual(decodeCut(stream, [1], {}, largeBytes), decodeWhole(stream));
      t.deepEqual(decodeCut(stream, cuts, {}, largeBytes), decodeWhole(stream));
      t.deepEqual(decodeLent(stream, cuts, {}, largeBytes), decodeWhole(stream));
      const limits = { queryBufferBytesMax: 100 };
      t.deepEqual(decodeCut(stream, cuts, limits, largeBytes), decodeCut(stream, cuts, limits));
      t.deepEqual(decodeLent(stream, cuts, limits, largeBytes), decodeCut(stream, cuts, limits));
    }),
    { numRuns: 500 },
  );
});

test('of chunks that are lent nothing is kept but copies', (t) => {
  const values = fc.array(fc.integer({ min: 0, max: 600_000 }), { minLength: 1, maxLength: 4 });
  const lengths = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(values, lengths, fc.integer({ min: 1, max: 60_000 }), (sizes, cuts, largeBytes) => {
      const sent = sizes.map((size, i) => ['SET', 'k', Buffer.alloc(size, `value ${i} `)]);
      const { requests, errors } = decodeLent(Buffer.concat(sent.map(encodeRequest)), cuts, {}, largeBytes);
      t.deepEqual(errors, []);
      t.is(requests.length, sent.length);
      t.true(requests.every((args, i) => encodeRequest(args).equals(encodeRequest(sent[i] ?? []))));
    }),
    { numRuns: 200 },
  );
});

test('a large element has memory of its own, and none before a part of it has come', (t) => {
  const requests: Buffer[][] = [];
  const decoder = new RequestDecoder(redisLimits, { request: (args) => requests.push(args), protocolError: (text) => t.fail(text) });
  const [first, second] = [Buffer.alloc(3 * 1024 * 1024, 'a'), Buffer.alloc(2 * 1024 * 1024, 'b')];
  const stream = encodeRequest(['MSET', 'k', first, 'l', second]);
  const before = process.memoryUsage().arrayBuffers;
  decoder.push(Buffer.from('*2\r\n$536870912\r\nabc'));
  t.true(process.memoryUsage().arrayBuffers - before < 1024 * 1024);
  const other = new RequestDecoder(redisLimits, { request: (args) => requests.push(args), protocolError: (text) => t.fail(text) });
  for (let at = 0; at < stream.length; at += 65_536) other.push(Buffer.from(stream.subarray(at, at + 65_536)));
  const [args = []] = requests;
  t.deepEqual(args.map((each) => each.toString('latin1', 0, 4)), ['MSET', 'k', 'aaaa', 'l', 'bbbb']); // prettier-ignore
  t.true(args[2]?.equals(first));
  t.true(args[4]?.equals(second));
  t.is(args[2]?.buffer.byteLength, first.length);
  t.is(args[4]?.buffer.byteLength, second.length);
  t.is(other.bufferedBytes, 0);
});

test('what was encoded is what is decoded, in order', (t) => {
  const request = fc.array(fc.uint8Array({ maxLength: 5000 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.array(request, { maxLength: 8 }), fc.integer({ min: 1, max: 9000 }), (sent, cut) => {
      const requests = sent.map((args) => args.map((arg) => Buffer.from(arg)));
      t.deepEqual(decodeCut(Buffer.concat(requests.map(encodeRequest)), [cut]), { requests, errors: [] });
    }),
    { numRuns: 200 },
  );
});

test('random bytes never throw, nor make the decoder hold more than came or than it may', (t) => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string({ unit: fc.constantFrom('*', '$', '1', '0', '-', '\r', '\n', 'a', '"', ' '), maxLength: 200 }),
  );
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 20 }), (chunks) => {
      const { decoder, errors } = newDecoder({ queryBufferBytesMax: 256, inlineBytesMax: 128 });
      let came = 0;
      for (const chunk of chunks) {
        decoder.push(Buffer.from(chunk));
        came += chunk.length;
        t.true(decoder.bufferedBytes <= Math.min(came, 256));
      }
      t.true(errors.length <= 1);
    }),
    { numRuns: 500 },
  );
});

test('requests before a protocol error are decoded, nothing after it is', (t) => {
  const { decoder, requests, errors } = newDecoder();
  decoder.push(Buffer.from('PING\r\n*1\r\n$4\r\nPING\r\n*1\r\n:1\r\n*1\r\n$4\r\nPING\r\n'));
  decoder.push(Buffer.from('PING\r\n'));
  t.deepEqual(texts(requests), [['PING'], ['PING']]);
  t.deepEqual(errors, ["ERR Protocol error: expected '$', got ':'"]);
  t.is(decoder.bufferedBytes, 0);
});

const tooLong = '1'.repeat(64 * 1024);
for (const [stream, text] of [
  ['*x\r\n', 'invalid multibulk length'],
  ['*\r\n', 'invalid multibulk length'],
  ['*01\r\n', 'invalid multibulk length'],
  ['*+1\r\n', 'invalid multibulk length'],
  ['*-0\r\n', 'invalid multibulk length'],
  ['*1\0\r\n', 'invalid multibulk length'],
  ['*2147483648\r\n', 'invalid multibulk length'],
  ['*99999999999999999999\r\n', 'invalid multibulk length'],
  ['*1\r\n$-1\r\n', 'invalid bulk length'],
  ['*1\r\n$536870913\r\n', 'invalid bulk length'],
  ['*1\r\n$\r\n', 'invalid bulk length'],
  ['*1\r\n$1e3\r\n', 'invalid bulk length'],
  ['*1\r\n*1\r\n', "expected '$', got '*'"],
  ['*1\r\n\r\n', "expected '$', got ' '"],
  [`*${tooLong}`, 'too big mbulk count string'],
  [`*1\r\n$${tooLong}`, 'too big bulk count string'],
  [`1${tooLong}`, 'too big inline request'],
  ['SET "a\r\n', 'unbalanced quotes in request'],
] as const) {
  test(`${JSON.stringify(stream.slice(0, 30))} is refused: ${text}`, (t) => {
    const refused = { requests: [], errors: [`ERR Protocol error: ${text}`] };
    t.deepEqual(decodeWhole(stream), refused);
    t.deepEqual(decodeCut(Buffer.from(stream), [1]), refused);
  });
}

test('the limits are the ones given, to the byte', (t) => {
  const limits = { multibulkMax: 3, bulkBytesMax: 5, inlineBytesMax: 8, queryBufferBytesMax: 1000 };
  t.is(decodeWhole(encodeRequest(['a', 'b', '12345']), limits).requests.length, 1);
  t.deepEqual(decodeWhole('*4\r\n$', limits).errors, ['ERR Protocol error: invalid multibulk length']);
  t.deepEqual(decodeWhole('*1\r\n$6\r\n', limits).errors, ['ERR Protocol error: invalid bulk length']);
  t.deepEqual(texts(decodeWhole('12345678\n', limits).requests), [['12345678']]);
  t.deepEqual(decodeWhole('123456789\n', limits).errors, ['ERR Protocol error: too big inline request']);
});

test('an unfinished request may not grow beyond the query buffer', (t) => {
  const { decoder, errors } = newDecoder({ queryBufferBytesMax: 100_000 });
  decoder.push(Buffer.from('*1\r\n$400000\r\n'));
  while (errors.length === 0 && decoder.bufferedBytes < 200_000) decoder.push(Buffer.alloc(10_000));
  t.deepEqual(errors, ['ERR Protocol error: too big query buffer']);
  t.is(decoder.bufferedBytes, 0);
});

test('empty requests and lines ask for nothing', (t) => {
  const stream = '*0\r\n*-1\r\n\r\n\n \t\r\n*-999999999999999\r\n*0\r\nPING\r\n*0\r\n*1\r\n$4\r\nPING\r\n';
  t.deepEqual(texts(decodeWhole(stream).requests), [['PING'], ['PING']]);
  t.deepEqual(texts(decodeCut(Buffer.from(stream), [1]).requests), [['PING'], ['PING']]);
});

test('a header that announces 512 MB, or two thousand million elements, costs only its own bytes', (t) => {
  const before = process.memoryUsage();
  const decoders = ['*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n', '*2147483647\r\n$3\r\nDEL\r\n'].map((header) => {
    const { decoder, errors } = newDecoder();
    decoder.push(Buffer.from(header));
    t.deepEqual(errors, []);
    t.is(decoder.bufferedBytes, header.length);
    return decoder;
  });
  const after = process.memoryUsage();
  t.true(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed < 8 * 1024 * 1024, `${decoders.length} decoders`);
});

/** How many pieces each join had that `work` made. Joins are the only place where an unfinished request is put together. */
function joinsDuring(work: () => void): number[] {
  const concat = Buffer.concat.bind(Buffer);
  const joins: number[] = [];
  Buffer.concat = (list, total) => {
    joins.push(list.length);
    return concat(list, total);
  };
  try {
    work();
  } finally {
    Buffer.concat = concat;
  }
  return joins;
}

for (const length of [250_000, 300_000])
  test(`a value of ${length} bytes that comes byte by byte is held in few pieces, and in little more than its bytes`, (t) => {
    const { decoder, requests } = newDecoder();
    const one = Buffer.from('x');
    let heldBytes = 0;
    const joins = joinsDuring(() => {
      decoder.push(Buffer.from(`*1\r\n$${length}\r\n`));
      const before = process.memoryUsage().arrayBuffers;
      for (let sent = 0; sent < length; sent++) decoder.push(one);
      heldBytes = process.memoryUsage().arrayBuffers - before;
      decoder.push(Buffer.from('\r\n'));
    });
    t.is(joins.length, 1);
    t.true((joins[0] ?? length) < length / 2000);
    t.true(heldBytes < 3 * length);
    t.deepEqual(requests, [[Buffer.alloc(length, 'x')]]);
  });

test('a large value in 64 KiB pieces is put together while it comes: nothing of it is joined', (t) => {
  const { decoder, requests } = newDecoder();
  const value = Buffer.alloc(32 * 1024 * 1024);
  for (let at = 0; at < value.length; at += 4099) value[at] = at & 0xff;
  const stream = encodeRequest(['SET', 'k', value]);
  const joins = joinsDuring(() => {
    for (let at = 0; at < stream.length; at += 65_536) decoder.push(stream.subarray(at, at + 65_536));
  });
  const pieces = Math.ceil(stream.length / 65_536);
  t.is(joins.length, 1, 'the rest of the request');
  t.true(
    joins.every((joined) => joined <= pieces / 32),
    joins.join(),
  );
  t.true(requests[0]?.[2]?.equals(value));
});

test("a request that has begun when its client becomes a stranger is judged as a stranger's, wherever the stream is cut", (t) => {
  const reset = encodeRequest(['RESET']);
  const announced = (bytes: number): Buffer => Buffer.from(`*2\r\n$4\r\nECHO\r\n$${bytes}\r\n`);
  for (const [rest, error, requests] of [
    [announced(16_385), 'unauthenticated bulk length', 1],
    [Buffer.from('*11\r\n$1\r\n'), 'unauthenticated multibulk length', 1],
    [Buffer.concat([announced(1_000_000), Buffer.alloc(300_000)]), 'unauthenticated bulk length', 1],
    [Buffer.concat([announced(16_384), Buffer.alloc(16_384), Buffer.from('\r\n')]), undefined, 2],
    [Buffer.from('PING\r\nPI'), undefined, 2],
  ] as const) {
    const stream = Buffer.concat([reset, rest]);
    for (const cut of [stream.length, reset.length + 4, reset.length + 20, reset.length + 1000, 1]) {
      const seen: string[] = [];
      const errors: string[] = [];
      const decoder = new RequestDecoder(redisLimits, {
        request: ([name]) => {
          seen.push(String(name));
          if (String(name) === 'RESET') decoder.isOfStranger = true;
        },
        protocolError: (text) => errors.push(text),
      });
      for (let at = 0; at < stream.length; at += cut) decoder.push(Buffer.from(stream.subarray(at, at + cut)));
      t.deepEqual(errors, error === undefined ? [] : [`ERR Protocol error: ${error}`], `${cut} of ${stream.length}`);
      t.is(seen.length, requests);
    }
  }
});

test('what was begun when something else made a stranger of the client is judged with its next bytes', (t) => {
  const { decoder, errors } = newDecoder();
  decoder.push(Buffer.from('*2\r\n$4\r\nECHO\r\n$20000\r\nabc'));
  decoder.isOfStranger = true;
  t.deepEqual(errors, []);
  decoder.push(Buffer.from('d'));
  t.deepEqual(errors, ['ERR Protocol error: unauthenticated bulk length']);
});
