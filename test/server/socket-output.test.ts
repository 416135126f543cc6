import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { SocketOutput } from '../../server/socket-output.js';
import { until } from '../harness/until.js';

const mebibyte = 1024 * 1024;

/** Both sides of a connection; they go with the test. */
async function pair(t: ExecutionContext): Promise<{ readonly ours: Socket; readonly theirs: Socket }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const theirs = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [ours] = (await once(server, 'connection')) as [Socket];
  t.teardown(() => {
    ours.destroy();
    theirs.destroy();
    server.close();
  });
  return { ours, theirs };
}

const filled = (length: number, at: number): Buffer => Buffer.alloc(length, `${at} `);
const bytesOf = (chunks: readonly Buffer[]): number => chunks.reduce((sum, { length }) => sum + length, 0);

test('what is written arrives in order, whatever its sizes, and then the end', async (t) => {
  const { ours, theirs } = await pair(t);
  const output = new SocketOutput(ours, () => undefined);
  const sent = createHash('sha256');
  const got = createHash('sha256');
  theirs.on('data', (chunk: Buffer) => got.update(chunk));
  const sizes = [[1], [5, 7], [3 * mebibyte], [9], [700_000, 700_000, 700_000, 3], [], [mebibyte], [mebibyte + 1], [20 * mebibyte, 1], [2]];
  for (const [at, each] of sizes.entries()) {
    const chunks = each.map((length) => filled(length, at));
    for (const chunk of chunks) sent.update(chunk);
    output.write(chunks, bytesOf(chunks));
    if (at % 3 === 2) await new Promise((resolve) => setImmediate(resolve));
  }
  output.end();
  await once(theirs, 'end');
  t.is(got.digest('hex'), sent.digest('hex'));
  t.is(output.untakenBytes, 0);
});

test('the system gets a mebibyte of a long reply in one turn, and every other turn has its time', async (t) => {
  const { ours, theirs } = await pair(t);
  const output = new SocketOutput(ours, () => undefined);
  let received = 0;
  theirs.on('data', ({ length }: Buffer) => (received += length));
  const chunks = Array.from({ length: 160 }, (_, at) => filled(mebibyte / 4, at));
  const total = bytesOf(chunks);
  let handed = 0;
  let inTurn = 0;
  let most = 0;
  const write = ours.write.bind(ours) as (...args: readonly unknown[]) => boolean;
  ours.write = (...args: readonly unknown[]): boolean => {
    handed += (args[0] as Buffer).length;
    most = Math.max(most, (inTurn += (args[0] as Buffer).length));
    setImmediate(() => (inTurn = 0));
    return write(...args);
  };
  output.write(chunks, total);
  t.is(handed, mebibyte);
  t.true(output.untakenBytes >= total - mebibyte);
  await until(() => received === total, 'all of it arrives');
  t.is(handed, total);
  t.is(most, mebibyte);
});

test('whoever waits for a long reply to be taken hears of each piece, and of the last', async (t) => {
  const { ours, theirs } = await pair(t);
  theirs.resume();
  const heard: number[] = [];
  const output: SocketOutput = new SocketOutput(ours, () => heard.push(output.untakenBytes));
  for (const extra of [0, 12, mebibyte - 1]) {
    heard.length = 0;
    const chunks = [filled(3 * mebibyte + extra, 1)];
    output.write(chunks, bytesOf(chunks));
    await until(() => heard.at(-1) === 0, 'the last piece is taken');
    t.is(heard.length, extra === 0 ? 3 : 4);
  }
});

test('a client that goes while a long reply is on its way leaves nothing behind', async (t) => {
  const { ours, theirs } = await pair(t);
  const output = new SocketOutput(ours, () => undefined);
  ours.on('error', () => ours.destroy());
  const chunks = [filled(64 * mebibyte, 1)];
  output.write(chunks, bytesOf(chunks));
  theirs.destroy();
  await until(() => ours.destroyed && output.untakenBytes - ours.writableLength === 0, 'it is given up');
  output.write([filled(5, 1)], 5);
  output.end();
  t.true(ours.destroyed);
});
