/**
 * The decoder and the writer against a real redis-server: the same broken streams get the same errors, the same inline lines the same words,
 * the same doubles the same text. Skipped, loudly, where redis-server is not installed; with TORC_REQUIRE_REDIS=1 that is a failure.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, connect, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import test from 'ava';
import fc from '../../harness/properties.js';
import { splitInlineArguments } from '../../../protocol/resp/inline-arguments.js';
import { DoubleReply, ErrorReply } from '../../../protocol/resp/reply.js';
import { encodeReply } from '../../../protocol/resp/reply-writer.js';
import { decodeWhole, encodeRequest } from './decoding.js';

const redisIsInstalled = spawnSync('redis-server', ['--version']).status === 0;
const redisIsRequired = process.env['TORC_REQUIRE_REDIS'] === '1';
const compare = redisIsInstalled || redisIsRequired ? test.serial : test.serial.skip;
if (!redisIsInstalled && !redisIsRequired) console.warn('SKIPPED: redis-server is not on the PATH, so nothing is compared with it');

let redis: ChildProcess | undefined;
let port = 0;

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return free;
}

test.before(async () => {
  if (!redisIsInstalled) {
    if (redisIsRequired) throw new Error('TORC_REQUIRE_REDIS=1, but redis-server is not on the PATH');
    return;
  }
  port = await freePort();
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  redis = child;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('Ready to accept connections')) break;
  }
  child.stdout.resume();
});

test.after.always(() => {
  redis?.kill();
});

/** All that Redis answers to `stream` on a connection of its own, which then ends. Streams stay below Redis' read size, so that nothing is cut off. */
async function answer(stream: Buffer): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1' });
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  socket.end(stream);
  await once(socket, 'close');
  return Buffer.concat(parts);
}

/** What Redis answers to the requests that the decoder finds in `stream`, and the decoder's own error behind it. */
async function answerAsDecoded(stream: Buffer): Promise<Buffer> {
  const { requests, errors } = decodeWhole(stream);
  const replies = await answer(Buffer.concat(requests.map(encodeRequest)));
  return Buffer.concat([replies, ...errors.map((text) => encodeReply(new ErrorReply(text), 2))]);
}

const tooLong = '1'.repeat(64 * 1024);
for (const stream of [
  '*x\r\nPING\r\n',
  '*\r\n',
  '*01\r\n',
  '*+1\r\n',
  '*-0\r\n',
  '*- 1\r\n',
  '*2147483648\r\n',
  '*99999999999999999999\r\n',
  '*1\r\n$-1\r\n',
  '*1\r\n$536870913\r\n',
  '*1\r\n$536870912\r\n',
  '*1\r\n$\r\n',
  '*1\r\n$04\r\nPING\r\n',
  '*1\r\nfoo\r\n',
  '*1\r\n*1\r\n$4\r\nPING\r\n',
  '*1\r\n\r\n',
  '*1\r\n\n\r\n',
  '*1\r\n$4\rZPING??*1\r\n$4\r\nPING\r\n',
  '*0\r\n*-1\r\n\r\n \n*-7\r\nPING\r\n',
  'PING\n*1\r\n$4\r\nPING\r\nPING "a\r\nPING\r\n',
  `*${tooLong}`,
  `*1\r\n$${tooLong}`,
  `1${tooLong}`,
]) {
  compare(`Redis answers the same to ${JSON.stringify(stream.slice(0, 40))}`, async (t) => {
    const bytes = Buffer.from(stream);
    t.is((await answerAsDecoded(bytes)).toString(), (await answer(bytes)).toString());
  });
}

compare('Redis answers the same to random mixtures of sound and broken pieces', async (t) => {
  const piece = fc.oneof(
    fc.constantFrom(
      '*1\r\n',
      '*2\r\n',
      '$4\r\nPING\r\n',
      '$4\r\nECHO\r\n',
      '$2\r\nab\r\n',
      '$0\r\n\r\n',
      '*1\r\n$4\r\nPING\r\n',
      'PING\r\n',
      'ECHO x\n',
      '*0\r\n',
      '\r\n',
      '*-1\r\n',
    ),
    fc.string({ unit: fc.constantFrom('*', '$', '0', '1', '-', '\r', '\n', 'a', '"', ' ', ':'), maxLength: 4 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 10 }), async (pieces) => {
      const stream = Buffer.from(pieces.join(''));
      t.is((await answerAsDecoded(stream)).toString(), (await answer(stream)).toString());
    }),
    { numRuns: 400 },
  );
});

compare('Redis splits inline commands into the same words', async (t) => {
  const unit = fc.constantFrom('a', 'x', '4', '1', 'n', ' ', '\t', '\v', '\r', '"', "'", '\\', '\xff');
  await fc.assert(
    fc.asyncProperty(fc.string({ unit, maxLength: 16 }), async (words) => {
      const line = Buffer.from(`RPUSH words first ${words}\r\n`, 'latin1');
      const args = splitInlineArguments(line);
      const reply = await answer(Buffer.concat([line, encodeRequest(['LRANGE', 'words', '0', '-1']), encodeRequest(['DEL', 'words'])]));
      const expected =
        args === null
          ? encodeReply(new ErrorReply('ERR Protocol error: unbalanced quotes in request'), 2)
          : Buffer.concat([args.length - 2, args.slice(2), 1].map((part) => encodeReply(part, 2)));
      t.is(reply.toString('latin1'), expected.toString('latin1'));
    }),
    { numRuns: 400 },
  );
});

compare('Redis writes doubles the same in RESP2 and RESP3', async (t) => {
  // Integers that a small sorted set would store as such are among them; a score of -0 is stored as 0, so it is left out.
  const score = fc.oneof(
    fc.double({ noNaN: true }),
    fc.integer({ min: -(2 ** 22), max: 2 ** 22 }).map((numerator) => numerator / 2 ** 17),
  );
  await fc.assert(
    fc.asyncProperty(score, async (value) => {
      const number = value === 0 ? 0 : value;
      const add = encodeRequest(['ZADD', 'scores', number === Infinity ? 'inf' : number === -Infinity ? '-inf' : String(number), 'm']);
      const get = encodeRequest(['ZSCORE', 'scores', 'm']);
      await answer(add);
      t.is((await answer(get)).toString(), encodeReply(new DoubleReply(number), 2).toString());
      const resp3 = (await answer(Buffer.concat([encodeRequest(['HELLO', '3']), get]))).toString();
      t.true(resp3.endsWith(`\r\n${encodeReply(new DoubleReply(number), 3).toString()}`), resp3);
    }),
    { numRuns: 100 },
  );
});
