/** What came is decoded in order, whatever the cuts, and no further while the client rests. */
import test from 'ava';
import fc from '../harness/properties.js';
import { RequestDecoder } from '../../protocol/resp/request-decoder.js';
import { RequestPortions } from '../../server/request-portions.js';
import { encodeRequest, redisLimits } from '../protocol/resp/decoding.js';

const portionBytes = 16 * 1024;

/** A client that rests after a request as often as `restsAfter` says, and notes all that it is asked. */
function restingClient(
  restsAfter: (request: number) => boolean,
  monotonicMs: () => number = () => 0,
): {
  readonly portions: RequestPortions;
  readonly requests: string[][];
  readonly wake: () => void;
} {
  const requests: string[][] = [];
  let rests = false;
  const decoder = new RequestDecoder(redisLimits, {
    request: (args) => {
      requests.push(args.map((arg) => arg.toString('latin1')));
      rests ||= restsAfter(requests.length);
    },
    protocolError: (text) => requests.push([text]),
  });
  const portions = new RequestPortions(
    decoder,
    () => rests,
    () => (rests = true),
    monotonicMs,
  );
  const wake = (): void => {
    rests = false;
    portions.goOn();
  };
  return { portions, requests, wake };
}

test('any requests in any cuts, lent or given, with any rests, are decoded once and in order', (t) => {
  const property = fc.property(
    fc.array(fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 20 }),
    fc.array(fc.integer({ min: 1, max: 65_536 }), { minLength: 1, maxLength: 5 }),
    fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
    fc.boolean(),
    (lengths, cuts, rests, isBorrowed) => {
      const sent = lengths.map((args, request) => args.map((length, arg) => `${request}.${arg}`.padEnd(length, 'x')));
      const stream = Buffer.concat(sent.map((args) => encodeRequest(args)));
      const { portions, requests, wake } = restingClient((request) => rests[request % rests.length] === true);
      const lent = Buffer.alloc(65_536);
      for (let at = 0, piece = 0; at < stream.length; piece++) {
        const length = stream.copy(lent, 0, at, at + (cuts[piece % cuts.length] as number));
        portions.take(isBorrowed ? lent.subarray(0, length) : Buffer.from(lent.subarray(0, length)), isBorrowed);
        lent.fill('?');
        at += length;
        while (portions.waitingBytes > 0 && piece % 2 === 0) wake();
      }
      while (portions.waitingBytes > 0) wake();
      t.deepEqual(requests, sent);
    },
  );
  t.notThrows(() => fc.assert(property, { numRuns: 200 }));
});

test('of a read nothing is decoded beyond the portion in which the client came to rest', (t) => {
  const request = encodeRequest(['SADD', 'key', ...Array.from({ length: 500 }, (_, i) => `member:${i}`)]);
  const chunk = Buffer.concat(Array.from({ length: 7 }, () => request));
  const { portions, requests, wake } = restingClient(() => true);
  portions.take(chunk, true);
  t.true(requests.length * request.length <= portionBytes, `${requests.length}`);
  t.is(portions.waitingBytes, chunk.length - portionBytes);
  const counts = [requests.length];
  while (portions.waitingBytes > 0) {
    wake();
    counts.push(requests.length);
  }
  t.is(requests.length, 7);
  t.true(counts.length >= chunk.length / portionBytes, counts.join());
  portions.take(chunk, true);
  portions.clear();
  t.is(portions.waitingBytes, 0);
});

test('a client of many short requests rests between two portions once they have taken two milliseconds', (t) => {
  const request = encodeRequest(['GET', 'key']);
  const each = Math.floor(portionBytes / request.length);
  const chunk = Buffer.concat(Array.from({ length: 4 * each }, () => request));
  let nowMs = 1000;
  const { portions, requests, wake } = restingClient(
    () => {
      nowMs += 1.1 / each;
      return false;
    },
    () => nowMs,
  );
  portions.take(chunk, true);
  t.true(requests.length >= 2 * each - 2 && requests.length <= 2 * each + 2, `${requests.length} of ${4 * each}`);
  wake();
  t.is(requests.length, 4 * each);
  t.is(portions.waitingBytes, 0);
});
